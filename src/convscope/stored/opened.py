"""The network that a stored model becomes: explained by its operators, run as it was stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.engine.stored import TIME_LIMIT, StoredEngine
from convscope.errors import EngineError, OutputError
from convscope.model.graph import Graph
from convscope.network import Network
from convscope.notation.sizes import is_known
from convscope.stored.build import OpenedGraph, build

if TYPE_CHECKING:
    from convscope.engine.runtime import Runner
    from convscope.stored.source import Source


class OpenedNetwork(Network):
    """A network that was opened from an ONNX model. Its weights are those of the file.

    time_limit   seconds after which a run is stopped, since a Loop in a file need not end
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.name)
        self._graph = build(source)
        self.warnings = list(source.warnings)
        self._source = source
        self.time_limit = TIME_LIMIT

    def predict(self, x: Any, batch_size: int = 32, verbose: str | int = "auto") -> Any:
        """Return the outputs for a batch of inputs; see `Network.predict`.

        Raises `EngineError` for an output whose shape only a run tells: `run(image)` gives it.
        """
        for name in self.graph.outputs:
            if self.graph.nodes[name].layer.opaque and not all(
                map(is_known, self.graph.shape(name))
            ):
                raise EngineError(
                    f"the output {name} of {self.name} has no shape before it runs: use run(image)"
                )
        return super().predict(x, batch_size, verbose)

    def _ready(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        assert isinstance(graph, OpenedGraph) and graph.material is not None
        fetched = {name: graph.fetched[name] for name in keep}
        return StoredEngine(graph.material, fetched, graph.outputs[0], self.time_limit)

    def _write(self, path: Path) -> None:
        path.write_bytes(self._whole())

    def _whole(self) -> bytes:
        """Return the model's bytes, with what lies in other files taken in."""
        source = self._source
        if not source.external:
            return source.data
        from onnx import numpy_helper

        total = sum(
            source.weights[name].count * source.weights[name].dtype.itemsize
            for name in source.external
        )
        if total + len(source.data) >= (1 << 31):
            raise OutputError(
                f"{self.name} and its external data are {total:,} bytes, and one ONNX file holds 2 GiB"
            )
        model = type(source.model).FromString(source.data)
        for tensor in model.graph.initializer:
            if tensor.name in source.external:
                tensor.CopyFrom(
                    numpy_helper.from_array(source.external[tensor.name](), tensor.name)
                )
        found: bytes = model.SerializeToString()
        return found

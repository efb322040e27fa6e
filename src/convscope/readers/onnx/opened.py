"""The network that a stored model becomes: explained by its operators, run as it was stored."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from convscope.engine.onnx_file import TIME_LIMIT, StoredEngine
from convscope.errors import EngineError, OutputError
from convscope.model.graph import Graph
from convscope.network import Network
from convscope.notation.sizes import is_known
from convscope.readers.onnx.build import OpenedGraph, build

if TYPE_CHECKING:
    from convscope.engine.runtime import Runner
    from convscope.model.editing import Edit
    from convscope.readers.onnx.editing import Model
    from convscope.readers.onnx.source import Source


class OpenedNetwork(Network):
    """A network that was opened from an ONNX model. Its weights are those of the file.

    time_limit   seconds after which a run is stopped, since a Loop in a file need not end
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.name)
        self._graph = build(source)
        self.warnings = list(source.warnings)
        self._source = source
        self._edited: Model | None = None
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

    def editable(self, layer: str) -> dict[str, dict[str, Any]]:
        """Return the settings of a layer's node: ONNX's attributes, and filters or units."""
        from convscope.readers.onnx.editing import settings

        return settings(self._model(), self._graph_now(), layer)

    def _edit(self, edits: Iterable[Edit]) -> Self:
        from convscope.explain.whatif import History
        from convscope.readers.onnx.editing import edited

        graph = self._graph_now()
        model, made = edited(self._model(), graph, tuple(edits), self.seed)
        other = copy(self)
        other._graph, other._engines, other._source = made.graph, {}, model.source
        other._edited = model
        other.warnings = list(self.warnings)
        other._history = History.after(self._history, graph, made)
        return other

    def _model(self) -> Model:
        from convscope.readers.onnx.editing import Model

        return self._edited or Model(self._source)

    def _graph_now(self) -> OpenedGraph:
        assert isinstance(self._graph, OpenedGraph)
        return self._graph

    def _data(self) -> bytes:
        """Return the bytes that are run: those of the file, unless it was edited."""
        data = self._source.data
        return data if self._edited is None else self._edited.bytes(data)

    def _ready(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        assert isinstance(graph, OpenedGraph) and graph.material is not None
        fetched = {name: graph.fetched[name] for name in keep}
        material = graph.material
        if self._edited is not None:
            material = replace(material, data=self._data())
        return StoredEngine(material, fetched, graph.outputs[0], self.time_limit, many)

    def _write(self, path: Path) -> None:
        path.write_bytes(self._whole())

    def _whole(self) -> bytes | mmap.mmap:
        """Return the model's bytes, with what lies in other files taken in."""
        source, data = self._source, self._data()
        if source.file is not None and not source.beside and self._edited is None:
            return source.file
        if not source.external:
            return data
        from onnx import numpy_helper

        total = sum(
            source.weights[name].count * source.weights[name].dtype.itemsize
            for name in source.external
            if name in source.weights  # an edit may have put another in its place
        )
        if total + len(data) >= (1 << 31):
            raise OutputError(
                f"{self.name} and its external data are {total:,} bytes, and one ONNX file holds 2 GiB"
            )
        model = type(source.model).FromString(data)
        for tensor in model.graph.initializer:
            if tensor.name in source.external:
                tensor.CopyFrom(
                    numpy_helper.from_array(source.external[tensor.name](), tensor.name)
                )
        found: bytes = model.SerializeToString()
        return found

"""What stands behind a network that was opened as ONNX: explained by its operators, run as it was stored."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.engine.backing import at_sizes
from convscope.engine.estimate import MANY, allowance
from convscope.engine.onnx_file import StoredEngine
from convscope.errors import OutputError
from convscope.files.labels import noted_labels
from convscope.layers.mapped import check_whole
from convscope.model.graph import Graph
from convscope.network import Network
from convscope.readers.onnx.build import OpenedGraph, build

if TYPE_CHECKING:
    from convscope.engine.runtime import Runner
    from convscope.model.editing import Edit, Edited
    from convscope.readers.onnx.editing import Editable
    from convscope.readers.onnx.source import Source

SHOWN = 20
"""So many layers that make no sense are named."""


def opened(source: Source) -> Network:
    """Return the network that an ONNX model holds. Its weights are those of the file."""
    graph = build(source)
    said = [
        f"{n} ({graph.nodes[n].layer.kind}) has no equation: {why}" for n, why in graph.odd.items()
    ]
    more = [f"{source.name}: {len(said) - SHOWN} more of these"] if len(said) > SHOWN else []
    warnings = [*source.warnings, *said[:SHOWN], *more]
    network = Network(source.name, graph=graph, backing=OnnxModel(source), warnings=warnings)
    labels = noted_labels((prop.key, prop.value) for prop in source.model.metadata_props)
    if labels and graph.facts[graph.outputs[0]].output_shape[-1:] == (len(labels),):
        network.labels = labels  # of classes, one for each number that comes out
    return network


class OnnxModel:
    """An ONNX model behind a network, which runs as it was stored.

    edited       the model with its edits, where there are any
    time_limit   seconds after which a run is stopped; None for those of `engine.onnx_file`
    """

    engine = "ONNX Runtime"
    advice = ""

    def __init__(self, source: Source, edited: Editable | None = None) -> None:
        self.source = source
        self._edited = edited
        self._stored: Editable | None = None
        self.time_limit: float | None = None

    def at(self, graph: Graph, given: Mapping[str, Any]) -> Graph:
        """Return the graph at the sizes of these inputs."""
        return at_sizes(graph, given)

    def elsewhere(self, graph: Graph) -> Mapping[str, str | None]:
        """Return {}: the engine runs the whole file."""
        return {}

    def runner(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        """Return an engine on the model's own bytes."""
        assert isinstance(graph, OpenedGraph) and graph.material is not None
        fetched = {name: graph.fetched[name] for name in keep}
        material = graph.material
        if self._edited is not None:
            material = replace(material, data=self._data())
        memory = allowance(graph, keep, MANY if many else 1)
        return StoredEngine(material, fetched, graph.outputs[0], memory, self.time_limit, many)

    def write(self, graph: Graph, path: Path) -> None:
        """Write the model, with what lies in other files taken in."""
        path.write_bytes(self._whole(graph.name))

    def editable(self, graph: Graph, layer: str) -> dict[str, dict[str, Any]]:
        """Return the settings of a layer's node: ONNX's attributes, and filters or units."""
        from convscope.readers.onnx.editing import settings

        assert isinstance(graph, OpenedGraph)
        return settings(self._model(), graph, layer)

    def edited(self, graph: Graph, edits: Sequence[Edit], seed: int) -> tuple[OnnxModel, Edited]:
        """Return the model with settings of its nodes changed, and its graph."""
        from convscope.readers.onnx.editing import edited

        assert isinstance(graph, OpenedGraph)
        model, made = edited(self._model(), graph, tuple(edits), seed)
        other = OnnxModel(model.source, model)
        other.time_limit = self.time_limit
        return other, made

    def _model(self) -> Editable:
        from convscope.readers.onnx.editing import Editable

        if self._stored is None:  # kept: where its nodes are is found by going through all of them
            self._stored = Editable(self.source)
        return self._edited or self._stored

    def _data(self) -> bytes:
        """Return the bytes that are run: those of the file, unless it was edited."""
        data = self.source.data
        return data if self._edited is None else self._edited.bytes(data)

    def _whole(self, name: str) -> bytes | mmap.mmap:
        """Return the model's bytes, with what lies in other files taken in."""
        source, data = self.source, self._data()
        if source.file is not None and not source.beside and self._edited is None:
            check_whole(source.file)
            return source.file
        if not source.external:
            return data
        from onnx import numpy_helper

        total = sum(
            source.weights[external].count * source.weights[external].dtype.itemsize
            for external in source.external
            if external in source.weights  # an edit may have put another in its place
        )
        if total + len(data) >= (1 << 31):
            raise OutputError(
                f"{name} and its external data are {total:,} bytes, and one ONNX file holds 2 GiB"
            )
        model = type(source.model).FromString(data)
        for tensor in model.graph.initializer:
            if tensor.name in source.external:
                tensor.CopyFrom(
                    numpy_helper.from_array(source.external[tensor.name](), tensor.name)
                )
        found: bytes = model.SerializeToString()
        return found

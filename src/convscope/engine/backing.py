"""What stands behind a network: how it runs, is written to a file, and is edited.

Layers of our own stand behind what was written down or read from Keras (`OwnLayers`); an ONNX model is
behind what was opened from one (`convscope.readers.onnx.opened`). Networks themselves are all alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convscope.model.graph import Graph
from convscope.typed import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from convscope.engine.runtime import Runner
    from convscope.model.editing import Edit, Edited


class Backing(Protocol):
    """What a network asks for when it is run, written or edited."""

    engine: str
    """What runs it, as texts call it: "ONNX Runtime"."""

    advice: str
    """What would give numbers to a layer that the engine does not run, for messages."""

    def at(self, graph: Graph, given: Mapping[str, Any]) -> Graph:
        """Return the graph for these inputs: name → array with a batch axis."""

    def elsewhere(self, graph: Graph) -> Mapping[str, str | None]:
        """Return the layers that the engine does not run: name → who computes them; None for nobody."""

    def runner(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        """Return the network made ready to run, for one set of activations to keep.

        `many` says that inputs will come in batches.
        """

    def write(self, graph: Graph, path: Path) -> None:
        """Write the network as an ONNX file."""

    def editable(self, graph: Graph, layer: str) -> dict[str, dict[str, Any]]:
        """Return a layer's settings as a form can offer them; see `Network.editable`."""

    def edited(self, graph: Graph, edits: Sequence[Edit], seed: int) -> tuple[Backing, Edited]:
        """Return what stands behind the edited network, and its graph with what became of each layer.

        Raises `SettingError`, `ShapeError` or `UnsupportedError`, which say why an edit cannot be.
        """


def at_sizes(graph: Graph, given: Mapping[str, Any]) -> Graph:
    """Return the graph at the sizes of these inputs, which differ only where they were unknown."""
    wanted = {name: tuple(given[name].shape[1:]) for name in graph.inputs}
    return graph if wanted == graph.inputs else graph.at(wanted)


class OwnLayers:
    """A network of convscope's own layers: each writes itself as ONNX, and can be made again."""

    engine = "ONNX Runtime"
    advice = "opened from the live Keras model, convscope.open(model), it has Keras's numbers"

    def at(self, graph: Graph, given: Mapping[str, Any]) -> Graph:
        """Return the graph at the sizes of these inputs."""
        return at_sizes(graph, given)

    def elsewhere(self, graph: Graph) -> Mapping[str, str | None]:
        """Return the layers without an equation: they have no ONNX form either."""
        return {name: None for name, node in graph.nodes.items() if node.layer.opaque}

    def runner(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        """Return an engine on the layers' ONNX form."""
        from convscope.engine.runtime import Engine

        return Engine(graph, keep, many)

    def write(self, graph: Graph, path: Path) -> None:
        """Write the layers' ONNX form."""
        from convscope.engine.runtime import export

        export(graph, path)

    def editable(self, graph: Graph, layer: str) -> dict[str, dict[str, Any]]:
        """Return a layer's settings, under Keras's names."""
        from convscope.model.settings import editable

        return editable(graph.node(layer).layer)

    def edited(self, graph: Graph, edits: Sequence[Edit], seed: int) -> tuple[Backing, Edited]:
        """Return the graph with layers made again."""
        from convscope.model.editing import EditError, checked, edited

        given = checked(graph, edits)
        try:
            return self, edited(graph, given, seed)
        except EditError as failed:
            from convscope.model.remedies import explained

            raise explained(graph, given, failed) from failed.cause

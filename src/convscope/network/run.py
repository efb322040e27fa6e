"""One image gone through a network: every activation, and the ledger of any number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convscope.errors import LayerLookupError, NotComputedError, SettingError
from convscope.model.graph import Graph, Which
from convscope.model.positions import position_in
from convscope.typed import TYPE_CHECKING, Array

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from convscope.network.network import Network
    from convscope.network.reports import ComparisonReport, GradientReport, TraceReport


class Activations(dict[str, "Array"]):
    """The activations of a run by their layers' names; asked for one that is not there, it says why.

    missing   the layers that could not be computed, each with the layer without an equation before it
    """

    def __init__(
        self, found: dict[str, Array], graph: Graph, missing: Mapping[str, str], advice: str
    ) -> None:
        super().__init__(found)
        self.graph, self.missing, self.advice = graph, missing, advice

    def __missing__(self, name: str) -> Array:
        if name in self.graph.nodes and 0 in self.graph.shape(name):  # nothing to keep
            import numpy as np

            return np.zeros([int(size) for size in self.graph.shape(name)], np.float32)
        if name not in self.missing:
            raise LayerLookupError(f"{name} was not kept: run(image) without keep= keeps all")
        raise not_computed(self.graph, name, self.missing[name], self.advice)


def not_computed(graph: Graph, name: str, opaque: str, advice: str) -> NotComputedError:
    """Return the error of a layer that was not computed: which layer stands before it, and what would do."""
    kind = graph.nodes[opaque].layer.kind
    why = (
        f"it is a {kind}, which has no equation here"
        if name == opaque
        else f"it depends on {opaque} ({kind}), which has no equation here"
    )
    error = NotComputedError(f"{name} was not computed: {why}, so that it cannot be run; {advice}")
    error.layer, error.opaque = name, opaque
    return error


class Run:
    """One image gone through a network: every activation, and the ledger of any number.

    `run["conv2d_1"]` is an array in the layer's own layout, without a batch axis. What depends on a layer
    that nothing here can run is in `missing`, each with the layer that stands before it; asked for its
    numbers a run raises `NotComputedError`. `taken` are the layers without an equation whose numbers
    somebody else computed, each with who did: {"lstm": "Keras"}.
    """

    def __init__(
        self,
        network: Network,
        graph: Graph,
        activations: dict[str, Array],
        missing: Mapping[str, str] | None = None,
        taken: Mapping[str, str] | None = None,
    ) -> None:
        self.network = network
        self.graph = graph
        self.missing = dict(missing or {})
        self.taken = dict(taken or {})
        advice = network.backing.advice
        self.activations = Activations(activations, graph, self.missing, advice)

    def __getitem__(self, layer: Which) -> Array:
        """Return a layer's activation, by its name, its place or itself, or an input's by its name.

        Raises `LayerLookupError`, naming the nearest layer; `NotComputedError`, naming the layer without
        an equation that stands before it.
        """
        if isinstance(layer, str) and layer in self.activations:
            return self.activations[layer]
        return self.activations[self.graph.node(layer).name]

    @property
    def engine(self) -> str:
        """What computed the activations: "ONNX Runtime", …"""
        return self.network.backing.engine

    @property
    def output(self) -> Array:
        """The network's (first) output."""
        return self.activations[self.graph.outputs[0]]

    def liveliest(self, layer: Which) -> tuple[int, ...]:
        """Return the position of a layer's largest number: where there is most to see."""
        import numpy as np

        array = self[layer]
        return tuple(int(p) for p in np.unravel_index(int(np.argmax(array)), array.shape))

    def trace(self, layer: Which, position: Sequence[int]) -> TraceReport:
        """Return the ledger of one number, with the engine's value beside it.

        position   one index for each axis of the layer's output, without the batch: (row, column,
                   channel) for a channels-last map
        """
        from convscope.explain.trace import trace
        from convscope.network.reports import report

        node = self.graph.node(layer)
        for name in (node.name, *node.inputs):
            self[name]
        where = position_in(self.graph, node.name, position)
        before = self.graph.needed([node.name]) if self.taken else ()
        taken = {name: who for name, who in self.taken.items() if name in before}
        return report(trace(self.graph, self.activations, node.name, where, self.engine, taken))

    def gradient(
        self,
        of: tuple[str, Sequence[int]] | str | None = None,
        to: str | None = None,
        *,
        loss: str | None = None,
        target: Any = None,
        from_logits: bool = False,
        dtype: Any = "float64",
    ) -> GradientReport:
        """Return what a small change of a weight, an activation or the image does to one number.

        of            (layer, position) of the number; with a loss nothing, or the layer it is of
        to            a layer (its activation), "layer.weight", or an input's name; the first input
                      by default
        loss          a loss of the output instead: "sparse_categorical_crossentropy" (target=7, and
                      from_logits=True where the output holds logits), "categorical_crossentropy",
                      "binary_crossentropy", "mse" or "mae", with target= an array of its shape
        dtype         what it is computed in: "float64", or "float32"

        The report has `.array`, in the tensor's own layout and shape without a batch; `.at(position)`, the
        ledger of one derivative; `.shares()`, input × gradient with every bias and what remains.
        Raises `UnsupportedError` where a layer on the way has no equation, `LayerLookupError` for what
        the number does not depend on, `SettingError` for a loss or target that there is not.
        """
        from convscope.explain.gradient import gradient
        from convscope.network.reports import Gradients

        to = next(iter(self.graph.inputs)) if to is None else to
        found = gradient(self.graph, self.activations, of, to, loss, target, from_logits, dtype)
        return Gradients(found)

    def gradients(
        self,
        of: tuple[str, Sequence[int]] | str | None = None,
        to: str | None = None,
        *,
        loss: str | None = None,
        target: Any = None,
        from_logits: bool = False,
    ) -> dict[str, Array]:
        """Return what a small change of each weight does to one number, or to a loss: all weights at once.

        "layer.weight" → an array as large as the weight, in float32: the layers' equations led back are said
        as ONNX and run by ONNX Runtime. With `to` only that one: an input, a layer (its activation) or
        "layer.weight", by that name. `gradient` takes any of them apart, in float64, which takes longer. For
        what may be asked, and what is raised, see there.
        """
        from convscope.engine.leading import gradients
        from convscope.explain.gradient import meant

        asked: tuple[str, Sequence[int]] | str | None = of
        if loss is None:
            if of is None or isinstance(of, str):
                raise SettingError("gradients needs of=(layer, position), or loss=…")
            name = self.graph.node(of[0]).name
            asked = (name, position_in(self.graph, name, of[1]))
        elif of is not None:
            if not isinstance(of, str):
                raise SettingError(
                    "a loss is of a whole output: give of= a layer's name, or nothing"
                )
            asked = self.graph.node(of).name
        inputs = {name: self.activations[name] for name in self.graph.inputs}
        if to is not None:
            name, weight = meant(self.graph, to)
            to = name if weight is None else f"{name}.{weight}"
        return gradients(self.graph, inputs, asked, loss, target, from_logits, to)

    def compare(self, layer: Which, position: Sequence[int]) -> ComparisonReport:
        """Return the four pictures that learners have of a convolution, side by side at one number.

        Each is an equation over the same input; the engine says which one is true. Raises
        `UnsupportedError` for a layer that is no convolution.
        """
        from convscope.explain.pictures import compare
        from convscope.network.reports import report

        name = self.graph.node(layer).name
        self[name]
        where = position_in(self.graph, name, position)
        return report(compare(self.graph, self.activations, name, where, self.engine))

    def explore(
        self,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        open_browser: bool = True,
        block: bool | None = None,
        lesson: Any = None,
    ) -> Any:
        """Look at this run in the explorer: inline in a notebook, else in the browser.

        See `Network.explore`, also for what is returned.
        """
        from convscope.explorer.host import Host
        from convscope.explorer.showing import show

        return show(Host(self.network, self, lesson=lesson), port, host, open_browser, block)

    def export(self, path: str | Path, *, limit: float = 64, lesson: Any = None) -> None:
        """Write the explorer of this run as one HTML file that works from disk, offline.

        See `Network.export`.
        """
        from convscope.network.writing import write_page

        write_page(self.network, self, path, limit, lesson)

    def save(self, path: str | Path) -> None:
        """Write every activation to an .npz file, one array a layer, in the layers' own layouts."""
        import numpy as np

        from convscope.engine.writing import complete

        with (
            complete(path, ".npz", "activations are written as .npz") as part,
            part.open("wb") as file,
        ):
            np.savez_compressed(file, allow_pickle=False, **self.activations)

    def draw(self, layer: Which, path: str | Path) -> None:
        """Draw a layer's maps as one PNG: blue is negative, orange positive, one scale for all."""
        import numpy as np

        from convscope.engine.writing import complete
        from convscope.views.picture import atlas

        maps = self[layer]
        if self.graph.layout == "channels_first" and maps.ndim > 1:
            maps = np.moveaxis(maps, 0, -1)
        with complete(path, ".png", "maps are drawn as PNG") as part:
            atlas(maps).save(part, format="PNG")

    def __repr__(self) -> str:
        return f"<run of {self.network.name!r}, {len(self.activations)} activations>"

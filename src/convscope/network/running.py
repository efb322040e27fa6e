"""A network's layers and weights, and running it.

>>> from convscope import Conv2D, Sequential
>>> model = Sequential([Conv2D(32, 3, input_shape=(28, 28, 1)), Conv2D(64, 3)])
>>> [weight.shape for weight in model.get_weights()]
[(3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from convscope.errors import (
    EngineError,
    InputError,
    InputWarning,
    LayerLookupError,
    NotBuiltError,
    WeightsError,
)
from convscope.layers.base import Layer
from convscope.model.graph import Graph
from convscope.notation.sizes import is_known
from convscope.typed import TYPE_CHECKING, Array

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from convscope.engine.backing import Backing
    from convscope.engine.pixels import Chosen
    from convscope.engine.runtime import Runner
    from convscope.explain.whatif import Edits
    from convscope.learning.trainer import Trainer
    from convscope.network.network import Network

MOST_ENGINES = 32
"""So many are kept ready, for so many sets of activations to keep, and ways that a module goes."""

LARGE = 1 << 28
"""Inputs of so many bytes are converted only once it is known that memory is there for the run."""


class Runnable:
    """What a network is made of, and what runs it: the part of `Network` that the others rest on."""

    def __init__(
        self,
        name: str,
        seed: int = 0,
        *,
        graph: Graph | None = None,
        backing: Backing | None = None,
        warnings: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.seed = seed
        if backing is None:
            from convscope.engine.backing import OwnLayers

            backing = OwnLayers()
        self.backing: Backing = backing
        self.warnings = list(warnings)
        self._graph = graph
        self.pixels: str | None = None  # how images' pixels go in; None: as the network itself says
        self.samples: dict[str, Path] = {}  # images that come along, by name
        self.lessons: list[str] = []  # lessons that speak of it, of those that come along
        self.labels: list[str] = []  # the names of the classes that come out, where they are known
        self.opening: Callable[[], Network] | None = None  # how another process opens the same
        self.untrained: Callable[[], Any] | None = None
        """The network before it learned, and what it learned from, where that comes along."""
        self._engines: dict[Any, Runner] = {}
        self._history: Edits | None = None  # what it was edited from
        self._trainer: Trainer | None = None  # how it learns, once it is compiled
        self.stop_training = False

    @property
    def graph(self) -> Graph:
        """The layers wired into a graph; raises `NotBuiltError` before there is an input shape."""
        if self._graph is None:
            raise NotBuiltError(
                f"{self.name} has no input shape yet: give its first layer one, as in "
                f"Conv2D(32, 3, input_shape=(28, 28, 1)), or call build((None, 28, 28, 1))"
            )
        return self._graph

    # -- layers and weights -----------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """Every layer once, in order."""
        return self.graph.layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by name or by its place; raises `LayerLookupError`."""
        if (name is None) == (index is None):
            raise LayerLookupError("get_layer takes a name or an index")
        if name is not None:
            return self.graph.node(name).layer
        assert index is not None
        try:
            return self.layers[index]
        except IndexError as error:
            raise LayerLookupError(
                f"{self.name} has {len(self.layers)} layers, there is none at index {index}"
            ) from error

    def get_weights(self) -> list[Array]:
        """Return copies of all weights, layer by layer, in Keras's order and layout."""
        return [array for layer in self.layers for array in layer.get_weights()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Set all weights, in the order of `get_weights`; raises `WeightsError` if they don't fit."""
        counts = [len(layer.weight_shapes or ()) for layer in self.layers]
        if len(weights) != sum(counts):
            raise WeightsError(
                f"{self.name} has {sum(counts)} weights in {len(counts)} layers, "
                f"but {len(weights)} were given"
            )
        start = 0
        for layer, count in zip(self.layers, counts, strict=True):
            layer.set_weights(weights[start : start + count])
            start += count

    def count_params(self) -> Any:
        """Return the number of parameters; weights that are shared count once."""
        return self.graph.totals.params

    # -- running ----------------------------------------------------------------------------------

    def _engine(self, keep: tuple[str, ...], graph: Graph, rows: int = 1, count: int = 1) -> Runner:
        """Return what runs the network; raise `EngineError` if memory is too small for so many rows."""
        from convscope.engine.estimate import check_run

        many = rows > 1
        shapes = tuple((n, tuple(map(str, s))) for n, s in graph.inputs.items())
        versions = tuple(layer.version for layer in graph.layers)
        key = (keep, shapes, versions, many, graph.path)
        if count > 1 or key not in self._engines:
            check_run(graph, keep, rows, count)
        if key not in self._engines:
            for old in [k for k in self._engines if k[2] != versions]:
                del self._engines[old]
            while len(self._engines) >= MOST_ENGINES:
                del self._engines[next(iter(self._engines))]
            self._engines[key] = self.backing.runner(graph, keep, many)
        return self._engines[key]

    def predict(self, x: Any, batch_size: int = 32, verbose: str | int = "auto") -> Any:
        """Return the outputs for a batch of inputs: numpy in, numpy out.

        x           an array (n, *input_shape); for several inputs a list or a dict of them
        verbose     0 for silence; otherwise a progress bar on stderr when it takes a while

        Returns one array (n, *output_shape), or a list of them for several outputs. Raises
        `NotComputedError` for an output behind a layer that nothing here can run, `InputError` for arrays of another shape, `EngineError` for an output whose shape only a run
        tells: `run(image)` gives it.
        """
        import numpy as np

        from convscope.engine.images import as_batch
        from convscope.engine.progress import with_progress
        from convscope.network.run import not_computed

        graph = self.graph
        missing = self._missing(graph)
        for name in graph.outputs:
            if name in missing:
                raise not_computed(graph, name, missing[name], self.backing.advice)
            open_ = (n for n in graph.needed([name]) if not all(map(is_known, graph.shape(n))))
            if any(graph.nodes[n].layer.opaque for n in open_):
                raise EngineError(
                    f"the output {name} of {self.name} has no shape before it runs: use run(image)"
                )
        kinds = {n: graph.takes.get(n, "float32") for n in graph.inputs}
        given = {n: as_batch(a, graph.inputs[n], n, kinds[n]) for n, a in self._by_name(x).items()}
        counts = {len(a) for a in given.values()}
        if len(counts) != 1:
            raise InputError(f"the inputs hold different numbers of rows: {sorted(counts)}")
        if type(batch_size) is not int or batch_size < 1:
            raise InputError(f"batch_size must be a whole number from 1, not {batch_size!r}")
        count = counts.pop()
        at_once = 0 < count <= batch_size
        given = self._as_taken(given) if at_once else given
        graph = self.backing.at(graph, given)
        engine = self._engine(graph.outputs, graph, min(count, batch_size), count)
        results: dict[str, Array] = {}
        if at_once:  # one batch is given back as it comes
            results = engine.run(given)
        elif count == 0:
            results = {n: np.empty((0, *graph.shape(n)), np.float32) for n in graph.outputs}
        else:
            for start in with_progress(range(0, count, batch_size), bool(verbose)):
                rows = slice(start, start + batch_size)
                part = self._as_taken({n: a[rows] for n, a in given.items()})
                for name, array in engine.run(part).items():
                    if name not in results:
                        results[name] = np.empty((count, *array.shape[1:]), array.dtype)
                    results[name][rows] = array
        found = [results[name] for name in graph.outputs]
        return found[0] if len(found) == 1 else found

    def _missing(self, graph: Graph) -> dict[str, str]:
        """Return the layers that nothing computes, each with the layer without an equation before it."""
        by = self.backing.elsewhere(graph)
        return graph.behind(name for name, who in by.items() if who is None) if by else {}

    def _given(self, image: Any) -> dict[str, Array]:
        """Return one image, or several inputs, as arrays with a batch axis."""
        from convscope.engine.images import as_input

        graph = self.graph
        last = graph.image_layout == "channels_last"
        found, pixels = {}, self.pixel_scale().name
        for name, one in self._by_name(image).items():
            try:
                kind = graph.takes.get(name, "float32")
                found[name] = as_input(one, graph.inputs[name], last, name, pixels, kind)
            except InputError as error:
                raise InputError(
                    f"{name}: {error}" if len(graph.inputs) > 1 else str(error)
                ) from error
            if found[name].dtype == "uint8" and pixels == "0-1":
                _warn_of_scale(name, found[name])
        return found

    def _as_taken(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """Return inputs in the types that the network takes; refused first, where they are large, if memory is too small."""
        from convscope.engine.images import as_taken

        if sum(array.nbytes for array in given.values()) >= LARGE:
            from convscope.engine.backing import at_sizes
            from convscope.engine.estimate import check_run

            graph, count = self.graph, max(map(len, given.values()))
            check_run(at_sizes(graph, given), graph.outputs, count, count)
        takes = self.graph.takes
        return {n: as_taken(a, takes.get(n, "float32"), n) for n, a in given.items()}

    def pixel_scale(self) -> Chosen:
        """Return how an image's pixels, 0 … 255, go in: `name`, `scale` and in words `why`.

        As `pixels` says ("0-1", "0-255", "-1-1", "mean-std" or "caffe"), or else as the network's first
        layers show: one that rescales its input by itself takes the pixels as they are. Raises
        `SettingError` for another name.
        """
        from convscope.engine.pixels import Chosen, chosen, scale_named

        if self.pixels is not None:
            scale_named(self.pixels)
            return Chosen(self.pixels, "it was asked for")
        return chosen(self.graph)

    def _by_name(self, given: Any) -> dict[str, Any]:
        names = list(self.graph.inputs)
        if not names:  # a module that was opened without an example says so
            self.backing.at(self.graph, {})
        if isinstance(given, Mapping):
            if set(given) != set(names):
                raise InputError(
                    f"the inputs are {', '.join(names)}, not {', '.join(map(str, given))}"
                )
            return dict(given)
        if len(names) == 1:
            return {names[0]: given}
        if isinstance(given, (list, tuple)) and len(given) == len(names):
            return dict(zip(names, given, strict=True))
        raise InputError(
            f"the network has {len(names)} inputs, {', '.join(names)}: give a list of them"
        )

    def __repr__(self) -> str:
        if self._graph is None:
            return f"<{type(self).__name__} {self.name!r}, not built>"
        return f"<{type(self).__name__} {self.name!r}, {len(self._graph.nodes)} layers>"


def _warn_of_scale(name: str, pixels: Array) -> None:
    """Say that whole numbers up to 255 go in as they are; of very many numbers some rows are looked at."""
    import warnings

    every = pixels.size >> 24
    if (pixels[:, ::every] if every else pixels).max(initial=0) <= 1:
        return
    warnings.warn(
        f"{name} is of uint8, 0 … 255, and goes in as it is: where the network was trained on 0 … 1, divide it by 255",
        InputWarning,
        stacklevel=4,
    )

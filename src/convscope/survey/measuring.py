"""Images through the network, a few at a time, and what is counted of them: nothing else is kept.

The unit of work is a batch of images by their numbers. How many of them go through the network together
follows from the network alone, so that the same images give the same bits however the work is divided.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from math import inf
from threading import Semaphore
from typing import Any

import numpy as np

from convscope.engine.blocks import Blocks, in_blocks
from convscope.engine.child import first_line
from convscope.engine.estimate import check_run
from convscope.engine.runtime import Runner
from convscope.engine.sessions import for_callers, processors
from convscope.errors import EngineError, UnsupportedError
from convscope.model.graph import Graph
from convscope.model.maps import channel_axes
from convscope.notation.expression import Call, Number, Read
from convscope.notation.functions import Formula
from convscope.notation.sizes import UNKNOWN_SHAPE, is_known, product
from convscope.survey import counting
from convscope.survey.counting import Counting
from convscope.survey.data import Item, Source
from convscope.survey.preparation import Preparation
from convscope.survey.tally import Measured, Plan, Tally
from convscope.typed import Array, Record

BATCH = 32
"""Images of a batch."""

TOGETHER, MOST_TOGETHER = 448 << 20, BATCH // 4
"""So many bytes of activations go through together, and so many images; or one. Each group reads all weights anew: four
images of a ResNet-50 share that."""

LITTLE = 10 << 20
"""Within so many bytes more images go through together, a batch at most: `CALLERS` groups are little beside the process."""

CALLERS = 3
"""So many groups of images are held at most: they go through the network, each on a part of the processor, or one is
counted meanwhile. All together are no more than a batch that is run at once."""

COMPILED_FROM = 1 << 28
"""After so many numbers, some seconds of numpy's, they are counted by what Numba compiles, if it is installed: that takes
a part of a second to load, the first time of all about 15, and pays from there on."""

MOST_MAPS = 20_000
"""Of so many maps each has a histogram of its own; of more there is one a layer, unless asked for."""


HISTOGRAMS = ("auto", "maps", "layers")
"""What is asked for: one a map, one a layer, or whichever suits so many maps."""


class Asked(Record):
    """What a survey was asked for: layers by name (None: all), how many of the largest, which histograms."""

    layers: tuple[str, ...] | None = None
    top: int = 9
    histograms: str = "auto"
    prepare: tuple[str, ...] = ()


class Measuring:
    """A network made ready for a data set.

    network   has a graph, a backing, and says how pixels go in
    graph     at the size of the images
    same      layers that only move numbers about: name → whose numbers they are
    missing   layers that nothing here computes: name → the one without an equation before it; and those that give as many
              numbers as they find: name → itself
    clipped   layers that are not asked for, once Numba counts, since they only clip another: name → (whose, cap)
    plan      what is measured, and of how many maps
    rows      how many images go through together, and `callers` how many groups of them at once
    counters  how many threads count a group, a layer each
    """

    def __init__(
        self, network: Any, source: Source, asked: Asked, callers: int | None = None
    ) -> None:
        self.network, self.source, self.asked = network, source, asked
        graph: Graph = network.graph
        if len(graph.inputs) != 1:
            raise UnsupportedError(
                f"{graph.name} has {len(graph.inputs)} inputs, {', '.join(graph.inputs)}: a survey goes "
                f"over images that are one input each"
            )
        ((self.input, shape),) = graph.inputs.items()
        last = graph.image_layout == "channels_last"
        pixels = network.pixel_scale()
        kind = graph.takes.get(self.input, "float32")
        self.preparation = Preparation(graph.name, shape, last, pixels, asked.prepare, kind)
        first = self.preparation.apply(self.preparation.begin(source))
        self.graph = graph = network.backing.at(graph, {self.input: first})
        self.missing = _missing(network, graph)
        self.same, wanted = self._layers(graph)
        check_run(graph, wanted)
        self.callers = min(callers or CALLERS, processors())
        self.counters = 1 if callers else max(1, processors() // self.callers)
        with for_callers(self.callers):
            self._runner: Runner = network.backing.runner(graph, wanted, True)
        self._shared = getattr(self._runner, "shared", False)
        if not self._shared:  # a process apart, or a framework's own
            self.callers = 1
        self._running = Semaphore(self.callers)
        self._first = first
        given = self._runner.run({self.input: first})
        uncounted = self._uncounted(wanted, given)
        self.missing |= {name: name for name in uncounted}
        self.plan = self._plan(given, tuple(name for name in wanted if name not in uncounted))
        if uncounted:
            with for_callers(self.callers):
                keep = tuple(layer.name for layer in self.plan.layers)
                self._runner = network.backing.runner(graph, keep, True)
        self._each = sum(layer.numbers for layer in self.plan.layers)
        size = 4 * self._each
        fit = max(1, min(MOST_TOGETHER, TOGETHER // size), min(BATCH, LITTLE // size))
        self.rows = 1 << (fit.bit_length() - 1)  # so that groups of a batch are of one size
        self.clipped: dict[str, tuple[str, float]] = {}
        self._next = self.clipped, self._runner
        self._by: Counting = counting
        self._numbers = 0
        self._plain: Runner | None = None

    def _layers(self, graph: Graph) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the layers that only move numbers about, and those that are measured."""
        same = passed_on(graph)
        names = [graph.node(name).name for name in self.asked.layers or graph.nodes]
        out = graph.outputs[0]
        wanted = [n for n in (*names, out) if n not in self.missing and n not in graph.learned]
        wanted = [same.get(name, name) for name in wanted]
        measured = tuple(dict.fromkeys(n for n in wanted if n in graph.nodes))
        if not measured:
            raise UnsupportedError(
                f"nothing of {graph.name} can be computed here: no layer to survey"
            )
        return same, measured

    def _uncounted(self, wanted: Sequence[str], given: dict[str, Array]) -> list[str]:
        """Return the layers that give no numbers, or as many as they find in an image: others for one without anything."""
        shapes = [self.graph.facts[name].output_shape for name in wanted]
        loose = any(s is UNKNOWN_SHAPE or not all(map(is_known, s)) for s in shapes)
        loose = loose or any(given[n].shape[:1] != (1,) for n in wanted if n in given)
        none = self._runner.run({self.input: np.zeros_like(self._first)}) if loose else given
        sizes = [{name: array.shape for name, array in run.items()} for run in (given, none)]
        return [n for n in wanted if n not in given or sizes[0][n] != sizes[1].get(n)]

    def _plan(self, activations: dict[str, Array], wanted: tuple[str, ...]) -> Plan:
        axes = channel_axes(self.graph)
        layers, first = [], 0
        for name in wanted:
            array = activations.get(name)
            if array is None or not array.ndim or len(array) != 1 or not array.size:
                continue
            axis = axes[name]
            if (
                array.ndim == 1
            ):  # one number an image, if its equation says so: shapes are such arrays, too
                if self.graph.facts[name].equation is None:
                    continue
                place, maps, grid = 0, 1, ()
            elif array.ndim == 2 or axis is None or axis + 1 >= array.ndim:
                place, maps, grid = None, product(array.shape[1:]), ()
            else:
                place, maps = axis + 1, array.shape[axis + 1]
                grid = tuple(s for n, s in enumerate(array.shape) if n not in (0, place))
            layers.append(Measured(name, place, int(maps), first, grid))
            first += int(maps)
        if not layers:
            raise UnsupportedError(f"no layer of {self.graph.name} gives an array of numbers")
        kind = self.asked.histograms
        if kind == "auto":
            kind = "maps" if first <= MOST_MAPS else "layers"
        out = self.graph.outputs[0]
        out = self.same.get(out, out)
        dense = any(layer.name == out and layer.places == 1 and layer.maps > 1 for layer in layers)
        return Plan(tuple(layers), self.asked.top, kind, out if dense else None)

    # -- running ----------------------------------------------------------------------------------

    def measure(
        self, tally: Tally, first: int, last: int | None, due: Callable[[], bool] = bool
    ) -> Iterator[int]:
        """Add the images of these numbers to a tally; yield the number that comes next, when just those before it are in.

        Whoever runs a group also counts it, as it comes, while it is still near the processor. Once `due` says that it
        is time, and as long as it does, what comes next waits until the batches under way are in, and were yielded.
        """
        with (
            ThreadPoolExecutor(max(self.callers, 2), "convscope survey") as aside,
            ThreadPoolExecutor(self.callers * self.counters, "convscope count") as counters,
        ):
            over = counters.map if self.counters > 1 else map
            coming: deque[tuple[Future[bool], Future[tuple[int, int]]]] = deque()
            groups = self._groups(self.source.items(first, last), first)
            reached, batch = 0, -1
            turn: Future[bool]  # of a batch
            try:
                while True:
                    while len(coming) <= max(self.callers, 2) and (group := next(groups, None)):
                        if batch != group[0].number // BATCH:
                            batch, turn = group[0].number // BATCH, Future()
                        done = aside.submit(self._done, group, tally, turn, over)
                        coming.append((turn, done))
                    if not coming:
                        break
                    now, done = coming.popleft()
                    if not now.done():
                        self.clipped, self._runner = self._next
                        tally.follow(self.clipped)
                        now.set_result(True)
                    if not due() and self._next[1] is self._runner:
                        _give_turns(coming, True)
                    reached, images = done.result()
                    before, self._numbers = self._numbers, self._numbers + images * self._each
                    if before < COMPILED_FROM <= self._numbers:
                        self._compile()  # in this thread, which hears when the program is told to end
                    if reached % BATCH == 0 and not (coming and coming[0][0].done()):
                        yield reached
            finally:
                _give_turns(coming, False)
            tally.follow({})
            if reached % BATCH:
                yield reached

    def _done(
        self, group: list[Item], tally: Tally, turn: Future[bool], over: Any
    ) -> tuple[int, int]:
        """Run a group and, when its batch has its turn, count it.

        Return the number of the image that comes next, and how many were counted.
        """
        with self._running:
            give = self._ran(group)
        return self._count(tally, give, over) if turn.result() else (0, 0)

    def _groups(self, items: Iterable[Item], first: int) -> Iterator[list[Item]]:
        """Yield the images that go through together: by their numbers, within a batch."""
        items = iter(items)
        while group := list(islice(items, self.rows - first % self.rows)):
            yield group
            first = group[-1].number + 1

    def _ran(self, group: list[Item]) -> Callable[[], Any]:
        """Make a group ready and run it; return what gives what came out, once, so that it can be let go."""
        array, good, bad = self.preparation.together(group)
        found: dict[str, Array] = {}
        given: dict[str, Array] = {}
        if array is not None:
            given = {self.input: array}
            found = self._runner.run(given)
        for layer in self.plan.layers if good else ():
            if layer.name in self.clipped and layer.name not in found:
                continue
            gave = found.get(layer.name)
            if gave is None or gave.size != len(good) * layer.numbers:
                raise EngineError(
                    f"{layer.name} gave {getattr(gave, 'shape', 'nothing')} for {len(good)} images, and "
                    f"{layer.maps} maps of {layer.places} places were expected: leave it out, --layers"
                )
        kept = [(group[-1].number + 1, good, bad, given, found)]
        return kept.pop

    def _count(self, tally: Tally, give: Callable[[], Any], over: Any) -> tuple[int, int]:
        """Add what came out of a group to a tally; see `_done`."""
        reached, items, bad, given, found = give()
        for item, why in bad:
            tally.skip(item.number, item.name, why)
        if items:
            names = [(item.name, item.label) for item in items]
            numbers = [item.number for item in items]
            again = partial(self._plainly, given)
            tally.add(numbers, names, found, self._by, over, again)
        return reached, len(items)

    def _compile(self) -> None:
        """Let Numba count from here on, if there is one, and have what convolutions give as they leave it."""
        try:
            from convscope.survey import compiled

            compiled.ready()
        except ImportError:  # no Numba, or none for this numpy: the figures are the same
            return
        except Exception as error:  # noqa: BLE001 – Numba's, LLVM's, or those of the files that it keeps
            warnings.warn(
                f"Numba cannot compile here, so that numpy counts, which takes longer: {first_line(error)}",
                stacklevel=2,
            )
            return
        self._by = compiled
        if self._shared:
            # where there is no room for a file it goes on as it went, to the same figures
            with contextlib.suppress(EngineError, OSError):
                self._ask_for_less()

    def _plainly(self, given: dict[str, Array]) -> dict[str, Array]:
        """Return the activations of all layers, each from the engine, none in blocks."""
        if self._plain is None:
            with for_callers(self.callers):
                names = tuple(layer.name for layer in self.plan.layers)
                self._plain = self.network.backing.runner(self.graph, names, True)
        return self._plain.run(given)

    def _ask_for_less(self) -> None:
        """Have what convolutions give as they leave it, and not what only clips it, where that is the same bit for bit."""
        had = self._runner.run({self.input: self._first})
        clipped = clips(self.graph, self.plan, had)
        names = tuple(layer.name for layer in self.plan.layers if layer.name not in clipped)
        with for_callers(self.callers), in_blocks():
            runner = self.network.backing.runner(self.graph, names, True)
        has = runner.run({self.input: self._first})
        for layer in self.plan.layers:
            whose, cap = clipped.get(layer.name, (layer.name, None))
            one, other = layer.arranged(had[layer.name]), has[whose]
            now = other.plain() if isinstance(other, Blocks) else layer.arranged(other)
            if cap is not None:
                sure = np.isfinite(now)
                one, now = (a[sure] + np.float32(0) for a in (one, counting.clipped(now, cap)))
            if one.shape != now.shape or one.tobytes() != now.tobytes():
                return
        self._next = clipped, runner  # for the next batch, when nobody counts

    def fingerprint(self) -> str:
        """Return what tells this network from others: its layers, settings and weights."""
        return identity(self.graph)


def _give_turns(coming: Iterable[tuple[Future[bool], Any]], counted: bool) -> None:
    """Tell groups that wait for the turn of their batch whether they are counted."""
    for turn, _ in coming:
        if not turn.done():
            turn.set_result(counted)


def _missing(network: Any, graph: Graph) -> dict[str, str]:
    by = network.backing.elsewhere(graph)
    return graph.behind(name for name, who in by.items() if who is None) if by else {}


def passed_on(graph: Graph) -> dict[str, str]:
    """Return the layers that only move numbers about: name → whose."""
    same: dict[str, str] = {}
    for name in graph.nodes:
        if (source := _passed_on(graph, name)) is not None:
            same[name] = same.get(source, source)
    return same


def _passed_on(graph: Graph, name: str) -> str | None:
    """Return whose numbers a layer moves about, where it does nothing else and leaves none out."""
    node, facts = graph.nodes[name], graph.facts[name]
    equation = facts.equation
    if equation is None or len(node.inputs) != 1 or not isinstance(equation.expression, Read):
        return None
    sizes = [*facts.output_shape, *graph.shape(node.inputs[0])]
    if node.inputs[0] not in graph.nodes or not all(map(is_known, sizes)):
        return None
    read = equation.expression
    if read.padding or equation.locals:
        return None
    alike = product(facts.output_shape) == product(graph.shape(node.inputs[0]))
    return node.inputs[0] if alike and read.tensor.role == "input" else None


def clips(graph: Graph, plan: Plan, activations: dict[str, Array]) -> dict[str, tuple[str, float]]:
    """Return the layers that only clip another: name → whose numbers, and `cap`; below 0 they become 0.

    One of each, and none that is the output or clips such a one. All are in the plan, and arranged alike.
    """
    layers = {layer.name: layer for layer in plan.layers}
    found: dict[str, tuple[str, float]] = {}
    for name in graph.nodes:
        if (layer := layers.get(name)) is None:
            continue
        whose = (*graph.nodes[name].inputs, "")[0]
        alike = layers.get(whose, layer)._replace(name=name, first=layer.first) == layer
        whole = all(getattr(activations.get(n), "dtype", None) == np.float32 for n in (name, whose))
        if alike and whole and whose not in (*found, *(of for of, _ in found.values())):
            cap = _cap(graph, name)
            if cap is not None and name not in graph.outputs:
                found[name] = (whose, cap)
    return found


def _cap(graph: Graph, name: str) -> float | None:
    """Return above which number, if at all, a layer makes all its input's numbers that one, if it makes 0 of those below 0."""
    equation, inputs = graph.facts[name].equation, graph.nodes[name].inputs
    if equation is None or len(inputs) != 1:
        return None

    def cut(expression: Any) -> Any:
        """Return between which numbers an expression cuts the input's, or its own number; None for anything else."""
        if isinstance(expression, Number):
            return float(expression.value)
        if isinstance(expression, Call):
            function = expression.function
            given = dict(zip(function.parameters, map(cut, expression.arguments), strict=True))
            return done(function.formula or (function.name, *function.parameters), given)
        here = isinstance(expression, Read) and expression.tensor.role == "input"
        moved = not here or expression.padding or expression.indices != equation.axes
        return None if moved else (-inf, inf)

    def done(formula: Formula, given: dict[str, Any]) -> Any:
        if not isinstance(formula, tuple):
            return given[formula] if isinstance(formula, str) else float(formula)
        match formula[0], [done(part, given) for part in formula[1:]]:
            case ("max" | "min") as what, [tuple(), float()] | [float(), tuple()] as parts:
                bound, cuts = sorted(parts, key=lambda part: isinstance(part, tuple))
                return tuple(max(c, bound) if what == "max" else min(c, bound) for c in cuts)
            case "select", [x, (least, most), 0.0] if x == (-inf, inf) and least <= 0:
                return 0.0, max(most, 0.0)
        return None

    cuts = cut(equation.expression)
    low, high = cuts if isinstance(cuts, tuple) else (inf, inf)
    return float(np.float32(high)) if low == 0 and np.float32(high) > 0 else None


def identity(graph: Graph) -> str:
    """Return what tells a network from others: its layers, how they are wired, settings and weights."""
    told = hashlib.sha256(repr(sorted(graph.inputs)).encode())
    for name, node in graph.nodes.items():
        settings = sorted((k, repr(v)) for k, v in getattr(node.layer, "settings", dict)().items())
        told.update(repr((name, node.layer.kind, node.inputs, settings)).encode())
        for weight, array in sorted(dict(node.layer.weights).items()):
            told.update(f"{weight}{array.shape}".encode())
            told.update(np.ascontiguousarray(array).data if array.size else b"")
    return told.hexdigest()[:32]

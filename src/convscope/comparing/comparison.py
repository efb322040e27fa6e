"""Compares two networks: their layers in pairs, weights, and where numbers first part, with the likely cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from convscope.comparing.causes import trials
from convscope.comparing.layouts import Way, ways
from convscope.comparing.matching import Pair, kernel, matched, others, rows
from convscope.comparing.numbers import BoundedNumber, Computing
from convscope.comparing.streaming import Numbers, stretches
from convscope.comparing.units import Unit, Units, unlike, written
from convscope.errors import ConvscopeError
from convscope.model.graph import Graph
from convscope.notation.ledger import Ledger
from convscope.notation.rounding import ROUNDING
from convscope.notation.sizes import is_known
from convscope.typed import Array

TRIED = 10
"""At so many positions of each layer numbers are compared to the last digit."""


DRAWN = 24
"""Without an image at so many positions, of numbers that are drawn."""


MANY_WAYS = 12
"""So many ways in which two layouts may lie in one another are tried at most."""


PIECES = 64
"""Where numbers differ most is looked for in so many parts of a layer, one place in each."""


class WeightsCompared(NamedTuple):
    """How the kernels of two layers compare: "equal", "close", "permuted" or "different"; None where there are none.

    largest   by how much two numbers differ at most; None where the shapes differ
    """

    how: str
    largest: float | None


class Compared(NamedTuple):
    """Two layers side by side.

    difference   the largest difference of their numbers in this run, each from its own engine; None without a run
    own          by how much they differ, given the same input, where they differ most in units of their room
    room         how much both engines' roundings may account for, there
    agrees       whether all numbers that were tried agree, given the same input; None where it cannot be told
    position     where they differ most, in the first network's layout
    why_not      why it cannot be told
    unlike       what their equations do not have in common, in words
    """

    one: str | None
    other: str | None
    kinds: tuple[str, str]
    shapes: tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]
    alike: bool
    weights: WeightsCompared | None = None
    difference: float | None = None
    own: float | None = None
    room: float | None = None
    agrees: bool | None = None
    position: tuple[int, ...] = ()
    why_not: str = ""
    unlike: str = ""

    @property
    def same(self) -> bool:
        """Whether nothing was found that differs."""
        return (
            self.alike
            and self.agrees is not False
            and (
                self.weights is None
                or self.weights.how in ("equal", "close")
                or self.agrees is True
            )
        )


@dataclass(frozen=True)
class First:
    """The first layer whose own arithmetic differs, its two ledgers, and what makes them agree."""

    compared: Compared
    positions: tuple[tuple[int, ...], tuple[int, ...]]
    values: tuple[BoundedNumber, BoundedNumber]
    ledgers: tuple[Ledger | None, Ledger | None]
    cause: str | None


@dataclass(frozen=True)
class Comparison:
    """Everything that was compared.

    ways   layer of the first network → where its numbers lie in its partner's
    """

    names: tuple[str, str]
    layers: tuple[Compared, ...]
    totals: tuple[Mapping[str, Any], Mapping[str, Any]]
    ran: bool
    first: First | None
    remarks: tuple[str, ...] = ()
    ways: Mapping[str, Way] = field(default_factory=dict)

    @property
    def agree(self) -> bool | None:
        """Whether the two are the same network; None where a layer's numbers differ and nobody can tell why."""
        if self.first is not None or not all(layer.same for layer in self.layers):
            return False
        return None if self.untold else True

    @property
    def untold(self) -> tuple[Compared, ...]:
        """The layers whose numbers differ, or were not computed, and of which no equation says which is right."""
        return tuple(
            layer
            for layer in self.layers
            if layer.agrees is None and (layer.difference != 0 if self.ran else layer.why_not)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `compare --json` writes."""
        from convscope.comparing.report import to_dict

        return to_dict(self)

    def document(self) -> Any:
        """Return the table of layers, and where they first part."""
        from convscope.comparing.report import document

        return document(self)


def compare(a: Graph, b: Graph, numbers: tuple[Numbers, Numbers] | None = None) -> Comparison:
    """Return how two networks compare; with what gives the numbers of a run of each, their numbers too."""
    return _Comparing(Units(a), Units(b), numbers).compared()


class _Comparing:
    """Two networks on their way.

    held   the activations of either network that the pairs at hand need, and the inputs
    ways   unit or input of the first → where its numbers lie in the second
    """

    def __init__(self, a: Units, b: Units, numbers: tuple[Numbers, Numbers] | None) -> None:
        self.a, self.b, self.numbers = a, b, numbers
        self.pairs = matched(a, b)
        self.turned = a.graph.layout != b.graph.layout
        self.ways: dict[str, Way] = {}
        self.partners: dict[str, str] = dict(zip(a.graph.inputs, b.graph.inputs, strict=False))
        self.remarks: list[str] = []
        self.held: tuple[Mapping[str, Array], Mapping[str, Array]] = {}, {}
        if numbers is not None:
            self.held = numbers[0].inputs, numbers[1].inputs
            for one, other in self.partners.items():
                self._find_way(one, other, self.a.graph.image_layout != self.b.graph.image_layout)

    def compared(self) -> Comparison:
        layers: list[Compared] = []
        first: First | None = None
        for stretch in stretches(self.pairs, self.a.graph, self.b.graph):
            if self.numbers is not None:
                self.held = {}, {}  # what was held is let go before more comes
                ours, theirs = (
                    {**source.inputs, **source.values(names)}
                    for source, names in zip(self.numbers, stretch.names, strict=True)
                )
                self.held = ours, theirs
                del ours, theirs
            for pair in stretch.pairs:
                found, guilty = self._layer(pair, first is None)
                layers.append(found)
                first = first or guilty
        one, other = self.a.graph.name, self.b.graph.name
        names = (one, other) if one != other else (f"{one} (first)", f"{other} (second)")
        totals = _totals(self.a.graph), _totals(self.b.graph)
        return Comparison(
            names,
            tuple(layers),
            totals,
            self.numbers is not None,
            first,
            tuple(self.remarks),
            self.ways,
        )

    # -- one pair ---------------------------------------------------------------------------------

    def _layer(self, pair: Pair, wanted: bool) -> tuple[Compared, First | None]:
        one, other = pair.one, pair.other
        if one is None or other is None:
            unit, units = (one, self.a) if one is not None else (other, self.b)
            assert unit is not None
            shape, kind = tuple(units.graph.shape(unit.name)), _kind(units, unit)
            if one is not None:
                return Compared(unit.name, None, (kind, ""), (shape, None), False), None
            return Compared(None, unit.name, ("", kind), (None, shape), False), None
        self.partners[one.name] = other.name
        shapes = tuple(self.a.graph.shape(one.name)), tuple(self.b.graph.shape(other.name))
        found = Compared(
            one.name,
            other.name,
            (_kind(self.a, one), _kind(self.b, other)),
            shapes,
            pair.alike,
            self._weights(one, other),
            unlike="" if pair.alike else unlike(one, other),
        )
        if self.numbers is None:
            return self._drawn(found, one, other, wanted)
        return self._run(found, one, other, wanted)

    def _weights(self, one: Unit, other: Unit) -> WeightsCompared | None:
        found = (self._kernels(one, other), self._rows(one, other), self._others(one, other))
        some = [weights for weights in found if weights is not None]
        return min(some, key=lambda weights: _AS_FAR.get(weights.how, 0), default=None)

    def _rows(self, one: Unit, other: Unit) -> WeightsCompared | None:
        """Compare biases, means, variances …; None where one has other rows than its partner, as a folded one has."""
        ours, theirs = rows(self.a.graph, one), rows(self.b.graph, other)
        if not ours or [v.shape for v in ours] != [v.shape for v in theirs]:
            return None
        if sorted(v.tobytes() for v in ours) == sorted(v.tobytes() for v in theirs):
            return WeightsCompared("equal", 0.0)
        return _weights_apart(ours, theirs)

    def _others(self, one: Unit, other: Unit) -> WeightsCompared | None:
        """Compare weights of several dimensions beside the kernel; None where they are not written in the same order of axes."""
        ours, theirs = others(self.a.graph, one), others(self.b.graph, other)
        if not ours or written(self.a, one) != written(self.b, other):
            return None
        if [v.shape for v in ours.values()] != [v.shape for v in theirs.values()]:
            return WeightsCompared("different", None)
        return _weights_apart(list(ours.values()), list(theirs.values()))

    def _kernels(self, one: Unit, other: Unit) -> WeightsCompared | None:
        ours, theirs = kernel(self.a.graph, one), kernel(self.b.graph, other)
        if ours is None or theirs is None:
            return None
        if ours.shape != theirs.shape:
            how = "permuted" if _same_numbers(ours, theirs) else "different"
            return WeightsCompared(how, None)
        if np.array_equal(ours, theirs) or np.array_equal(ours, theirs, equal_nan=True):
            return WeightsCompared("equal", 0.0)
        largest = float(np.abs(ours - theirs).max())
        if np.allclose(ours, theirs, rtol=2e-6, atol=1e-9):
            return WeightsCompared("close", largest)
        how = "permuted" if _same_numbers(ours, theirs) else "different"
        return WeightsCompared(how, largest)

    def _find_way(self, one: str, other: str, turned: bool) -> Way | None:
        ours, theirs = self.held[0].get(one), self.held[1].get(other)
        if ours is None or theirs is None:
            return None
        found = list(ways(ours.shape, theirs.shape, turned))
        if not found:
            return None
        best = found[0]
        if len(found) > 1 and ours.ndim > 1:
            off = [float(np.nanmean(np.abs(way.fetched(theirs) - ours))) for way in found]
            if min(off) < 0.5 * off[0]:
                best = found[int(np.argmin(off))]
        self.ways[one] = best
        return best

    def _drawn(
        self, found: Compared, one: Unit, other: Unit, wanted: bool
    ) -> tuple[Compared, First | None]:
        """Look without an image for a setting that differs: by numbers that are drawn, which never prove that none does."""
        # another format may keep the same numbers in another order, which those that are drawn will tell
        turned = found.alike and found.weights is not None and found.weights.how == "permuted"
        if not (found.same or turned):
            return found, None
        opaque = [n for n in one.nodes if self.a.equation_of(n) is None]
        opaque += [n for n in other.nodes if self.b.equation_of(n) is None]
        if opaque and self._layers(self.a, one) != self._layers(self.b, other):
            return found._replace(why_not="there is no equation"), None
        if written(self.a, one) == written(self.b, other):
            return found, None
        first: tuple[Way, tuple[dict[str, Array], dict[str, Array]]] | None = None
        try:
            for way, given in self._drawings(one, other):
                first = first or (way, given)
                tried, _ = self._own(found, one, other, way, given, _spread(way.shape), False)
                if tried.agrees:
                    return found._replace(agrees=True) if turned else found, None
            if first is None:
                return found._replace(why_not="its sizes are unknown, or not its partner's"), None
            return self._own(found, one, other, *first, _spread(first[0].shape), wanted)
        except ConvscopeError as error:
            return found._replace(why_not=str(error)), None

    @staticmethod
    def _layers(units: Units, unit: Unit) -> list[int]:
        return [id(units.graph.nodes[name].layer) for name in unit.nodes]

    def _drawings(
        self, one: Unit, other: Unit
    ) -> Iterator[tuple[Way, tuple[dict[str, Array], dict[str, Array]]]]:
        """Yield how the outputs of two units may lie in one another, with the same numbers for both to read."""
        if set(map(self.partners.get, one.feeds)) != set(other.feeds):
            return
        rng = np.random.default_rng(0)
        names = list(dict.fromkeys(one.feeds))
        partners = [str(self.partners[name]) for name in names]
        sizes = [
            (_sizes(self.a, n), _sizes(self.b, m)) for n, m in zip(names, partners, strict=True)
        ]
        sizes.append((_sizes(self.a, one.name), _sizes(self.b, other.name)))
        open_ = [
            list(ways(x, y, self.turned))[: None if self.turned or x != y else 1]
            for x, y in sizes
            if all(is_known(n) and n > 0 for n in (*x, *y))
        ]
        if len(open_) < len(sizes):
            return
        drawn = [rng.standard_normal(x, dtype=np.float32) for x, _ in sizes[:-1]]
        for *ins, out in islice(product(*open_), MANY_WAYS):
            brought = [way.brought(array) for way, array in zip(ins, drawn, strict=True)]
            yield (
                out,
                (
                    dict(zip(names, drawn, strict=True)),
                    dict(zip(partners, brought, strict=True)),
                ),
            )

    def _run(
        self, found: Compared, one: Unit, other: Unit, wanted: bool
    ) -> tuple[Compared, First | None]:
        way = self._find_way(one.name, other.name, self.turned)
        if way is None:
            computed = one.name in self.held[0] and other.name in self.held[1]
            why = "their outputs have different sizes" if computed else "it was not computed"
            return found._replace(why_not=why), None
        apart = _all_apart(self.held[0][one.name], way.fetched(self.held[1][other.name]))
        found = found._replace(difference=float(apart.max(initial=0)))
        given = self._fed(one, other)
        if given is None:
            return found._replace(why_not="what feeds them has no partner"), None
        if any(self.a.equation_of(n) is None for n in one.nodes) or any(
            self.b.equation_of(n) is None for n in other.nodes
        ):
            return found._replace(why_not="there is no equation"), None
        try:
            return self._own(found, one, other, way, given, _positions(apart), wanted)
        except ConvscopeError as error:
            return found._replace(why_not=str(error)), None

    def _fed(self, one: Unit, other: Unit) -> tuple[dict[str, Array], dict[str, Array]] | None:
        """Return the first network's numbers as both units read them: each in its own layout."""
        ours: dict[str, Array] = {}
        theirs: dict[str, Array] = {}
        for feed in one.feeds:
            partner = self.partners.get(feed)
            if partner not in other.feeds or feed not in self.ways or partner is None:
                return None
            ours[feed] = self.held[0][feed]
            theirs[partner] = self.ways[feed].brought(ours[feed])
        return (ours, theirs) if set(theirs) >= set(other.feeds) else None

    def _own(
        self,
        found: Compared,
        one: Unit,
        other: Unit,
        way: Way,
        given: tuple[dict[str, Array], dict[str, Array]],
        positions: Sequence[tuple[int, ...]],
        wanted: bool,
    ) -> tuple[Compared, First | None]:
        left, right = Computing(self.a, one), Computing(self.b, other)
        there = [way.place(at) for at in positions]
        values = _numbers(left, right, positions, there, given)
        worst = max(range(len(values)), key=lambda n: _excess(*values[n]))
        x, y = values[worst]
        agrees = all(_agree(*pair) for pair in values)
        found = found._replace(
            own=_apart(x, y), room=x.rounding + y.rounding, agrees=agrees, position=positions[worst]
        )
        if agrees and all(np.isnan(x.value) for x, _ in values):
            why = "every number that was tried is NaN in both"
            return found._replace(agrees=None, why_not=why), None
        if agrees or not wanted:
            return found, None
        cause = self._cause(one, other, given, there, [x for x, _ in values])
        sides = _ledgers((left, positions[worst], given[0]), (right, there[worst], given[1]))
        places = positions[worst], there[worst]
        return found, First(found, places, (x, y), sides, cause)

    def _cause(
        self,
        one: Unit,
        other: Unit,
        given: tuple[dict[str, Array], dict[str, Array]],
        there: Sequence[tuple[int, ...]],
        wanted: Sequence[BoundedNumber],
    ) -> str | None:
        """Return what makes every number that was compared agree; None where nothing that was tried does."""
        for trial in trials(self.a, one, self.b, other):
            fed = given[1]
            if trial.image is not None:
                fed = {n: trial.image(v) if n in self.b.graph.inputs else v for n, v in fed.items()}
            try:
                again = Computing(self.b, other, trial.weights, trial.equations)
                found = again.bounded(there, fed)
                if all(_agree(value, now) for value, now in zip(wanted, found, strict=True)):
                    return trial.words
            except (ConvscopeError, ValueError, IndexError):
                continue
        return None


Side = tuple[Computing, tuple[int, ...], Mapping[str, Array]]
"""A unit's arithmetic, the position that is looked at, and what feeds it."""


def _ledgers(one: Side, other: Side) -> tuple[Ledger | None, Ledger | None]:
    """Return the arithmetic of the first steps of two units whose numbers differ: sums, normalisations, functions.

    Where one is folded its sum is no twin of the other's: what comes of the last weights is.
    """
    (left, *_), (right, *_) = one, other
    steps = list(zip(left.steps, right.steps, strict=True))
    if len(left.weighted) != len(right.weighted):
        steps = steps[1:]
    found: tuple[Ledger | None, Ledger | None] = None, None
    for ours, theirs in dict.fromkeys(steps):
        found = _ledger(one, ours), _ledger(other, theirs)
        x, y = found
        if x and y and not abs(x.value - y.value) <= x.rounding + y.rounding:
            break
    return found


def _ledger(side: Side, name: str) -> Ledger | None:
    """Return the arithmetic of a unit's node; None where it cannot be told."""
    computing, position, given = side
    try:
        return computing.ledger(position, given, name)
    except ConvscopeError:
        return None


_AS_FAR = {"close": 1, "equal": 2}
"""What is said of several weights of a layer is of those that are furthest apart; other words come before these."""


def _weights_apart(ours: Sequence[Array], theirs: Sequence[Array]) -> WeightsCompared:
    pairs = list(zip(ours, theirs, strict=True))
    if all(x.tobytes() == y.tobytes() for x, y in pairs):
        return WeightsCompared("equal", 0.0)
    close = all(np.allclose(x, y, rtol=2e-6, atol=1e-9, equal_nan=True) for x, y in pairs)
    largest = max(float(np.abs(x - y).max(initial=0)) for x, y in pairs)
    return WeightsCompared("close" if close else "different", largest)


def _same_numbers(ours: Array, theirs: Array) -> bool:
    """Whether two arrays hold the same numbers in any order."""
    if ours.size != theirs.size or (ours.min(), ours.max()) != (theirs.min(), theirs.max()):
        return False  # which costs a hundredth of sorting them
    return np.array_equal(np.sort(ours, axis=None), np.sort(theirs, axis=None))


def _all_apart(ours: Array, theirs: Array) -> Array:
    """Return by how much all numbers of two arrays differ, in float32 where both are."""
    apart = np.subtract(ours, theirs, dtype=np.result_type(ours, theirs, np.float32))
    np.abs(apart, out=apart)
    if not np.isfinite(apart.max(initial=0)):
        same = np.isnan(ours) & np.isnan(theirs) | (ours == theirs)
        apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    return apart


def _numbers(
    left: Computing,
    right: Computing,
    positions: Sequence[tuple[int, ...]],
    there: Sequence[tuple[int, ...]],
    given: tuple[dict[str, Array], dict[str, Array]],
) -> list[tuple[BoundedNumber, BoundedNumber]]:
    """Return pairs of numbers with their rooms; where two are nearer than one rounding, that is room enough."""
    xs, ys = left.values(positions, given[0]), right.values(there, given[1])
    unit = min(ROUNDING[left.dtype], ROUNDING[right.dtype])
    found: list[tuple[BoundedNumber, BoundedNumber]] = []
    for x, y in zip(map(float, xs), map(float, ys), strict=True):
        least = unit * min(abs(x), abs(y))
        found.append((BoundedNumber(x, least), BoundedNumber(y, least)))
    far = [
        n
        for n, (x, y) in enumerate(found)
        if not (x.value == y.value or abs(x.value - y.value) <= x.rounding < np.inf)
    ]
    if far:
        ours = left.bounded([positions[n] for n in far], given[0])
        theirs = right.bounded([there[n] for n in far], given[1])
        for n, one, other in zip(far, ours, theirs, strict=True):
            found[n] = one, other
    return found


def _positions(apart: Array) -> list[tuple[int, ...]]:
    """Return where to compare: where the engines differ most, the corners, and a few more."""
    count = apart.size
    flat = apart.reshape(-1)
    pieces = np.array_split(flat, min(PIECES, count))
    starts = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
    largest = [int(start + piece.argmax()) for start, piece in zip(starts, pieces, strict=True)]
    largest.sort(key=lambda n: -flat[n])
    rng = np.random.default_rng(list(apart.shape))
    others = (int(rng.integers(count)) for _ in range(TRIED // 2))
    chosen = dict.fromkeys([*largest[: TRIED // 2], 0, count - 1, *others])
    return [tuple(int(p) for p in np.unravel_index(n, apart.shape)) for n in chosen]


def _spread(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the corners of an output and some of its other positions."""
    rng = np.random.default_rng(list(shape))
    corners = islice(product(*((0, n - 1) for n in shape)), DRAWN)
    others = (tuple(int(rng.integers(n)) for n in shape) for _ in range(DRAWN))
    return list(dict.fromkeys([*corners, *others]))


def _sizes(units: Units, name: str) -> tuple[Any, ...]:
    graph = units.graph
    return tuple(graph.inputs[name] if name in graph.inputs else graph.shape(name))


def _apart(x: BoundedNumber, y: BoundedNumber) -> float:
    if x.value == y.value or (np.isnan(x.value) and np.isnan(y.value)):
        return 0.0
    return float(abs(x.value - y.value))


def _agree(x: BoundedNumber, y: BoundedNumber) -> bool:
    return bool(_apart(x, y) <= x.rounding + y.rounding)


def _excess(x: BoundedNumber, y: BoundedNumber) -> float:
    room = x.rounding + y.rounding
    return _apart(x, y) / room if room else (np.inf if _apart(x, y) else 0.0)


def _kind(units: Units, unit: Unit) -> str:
    kinds = [units.graph.nodes[name].layer.kind for name in unit.nodes]
    return " + ".join(kinds)


def _totals(graph: Graph) -> dict[str, Any]:
    totals = graph.totals
    unknown = {"uncounted_layers": totals.uncounted} if totals.uncounted else {}
    return {"layers": len(graph.nodes), "params": totals.params, "macs": totals.macs, **unknown}

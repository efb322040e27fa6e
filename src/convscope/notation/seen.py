"""Which numbers of its inputs some outputs are made of, place by place.

A window is a box, and says at most what is read. Here every piece, border and division is looked at where the outputs
are: what was written over is not read, nor is the other one of two tensors that were joined. What lies evenly along an
axis stays a range, and is worked out from its ends; only where dimensions move together are places listed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from convscope.notation.equation import Equation
from convscope.notation.evaluation import Evaluator
from convscope.notation.expression import (
    Call,
    Expression,
    Local,
    Pieces,
    Read,
    Reduction,
    Tensor,
    by_place,
    depends,
)
from convscope.notation.index import Axis, Index
from convscope.notation.sizes import is_known
from convscope.typed import Array, Record

Line: TypeAlias = "range | tuple[int, ...]"
"""Positions along one dimension, the least first: a range wherever they are evenly spaced, so that equal ones are equal."""

Places: TypeAlias = tuple[Line, ...]
"""Positions along each dimension, in order: all their combinations."""

Condition: TypeAlias = "tuple[set[Axis], Callable[[Mapping[Axis, Any]], Any]]"
"""The axes that it is about, and whether it holds where they are."""

MOST_PARTS = 64
"""Of one tensor so many parts are told apart."""

MOST_LOOKED_AT = 1 << 18
"""So many places are looked at for one output, and for what all outputs of an equation read together."""

MOST_KNOWN = 8
"""For so many different outputs of an equation it is kept what they read."""

BOX, READ = 64, 256
"""What a read costs in places that are looked at: of a box, and of anything else before its own places."""

_KNOWN: WeakKeyDictionary[Equation, dict[Any, tuple[int, dict[str, Parts] | None]]] = (
    WeakKeyDictionary()
)
"""What some outputs of an equation read, as `_looked` gives it: layers that are alike share an equation."""


class TooMuch(Exception):
    """What would have to be looked at is more than is allowed, or of a size that nobody knows."""


class Allowance:
    """How many places may still be looked at."""

    def __init__(self) -> None:
        self.left = MOST_LOOKED_AT

    def take(self, count: int) -> None:
        """Take so many; raise `TooMuch` where there are not as many left."""
        self.left -= count
        if self.left < 0:
            raise TooMuch


class Parts:
    """What is read of a tensor: places inside it, and such that would lie beyond it, in its border."""

    def __init__(self, inside: Iterable[Places] = (), beyond: Iterable[Places] = ()) -> None:
        self.inside = list(inside)
        self.beyond = list(beyond)

    def add(self, new: Places, beyond: bool) -> None:
        """Add places; those that differ from others along one dimension only become one with them."""
        parts = self.beyond if beyond else self.inside
        merged = True
        while merged:
            merged = False
            for number, old in enumerate(parts):
                if all(map(_holds, old, new)):
                    return
                other = [n for n, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
                if len(other) == 1 or all(map(_holds, new, old)):
                    new = tuple(map(_either, old, new))
                    del parts[number]
                    merged = True
                    break
        parts.append(new)
        if len(parts) > MOST_PARTS:
            raise TooMuch

    def join(self, other: Parts) -> None:
        """Add another one's places."""
        if not (self.inside or self.beyond):
            self.inside, self.beyond = list(other.inside), list(other.beyond)
            return
        for beyond, parts in ((False, other.inside), (True, other.beyond)):
            for part in parts:
                self.add(part, beyond)


def seen(equation: Equation, outputs: Parts, allowance: Allowance) -> dict[str, Parts]:
    """Return what some outputs read of each input, by its name; nobody may change it.

    Raises `TooMuch` where that takes more than is allowed.
    """
    every = tuple([range(size) if is_known(size) else () for size in equation.shape])
    if outputs.inside == [every] and outputs.beyond:
        both: dict[str, Parts] = {}
        for half in (Parts([every]), Parts((), outputs.beyond)):
            for name, parts in seen(equation, half, allowance).items():
                both.setdefault(name, Parts()).join(parts)
        return both
    known = _KNOWN.setdefault(equation, {})
    key = (*outputs.inside, None, *outputs.beyond)
    found = known.get(key)
    if found is None:
        if len(known) >= MOST_KNOWN:
            known.clear()
        found = known[key] = _looked(equation, outputs)
    cost, read = found
    allowance.take(BOX if outputs.inside == [every] else cost)
    if read is None:
        raise TooMuch
    return read


def _looked(equation: Equation, outputs: Parts) -> tuple[int, dict[str, Parts] | None]:
    """Return how many places had to be looked at, and what is read; None where that is too much."""
    allowance = Allowance()
    found = None
    with suppress(TooMuch):
        found = _Looking(equation, allowance).seen(outputs)
    return MOST_LOOKED_AT - allowance.left, found


class _Group(Record):
    """Dimensions of a read and conditions that move together, since they share axes."""

    axes: set[Axis]
    dimensions: list[int]
    conditions: list[Condition]


class _Looking:
    def __init__(self, equation: Equation, allowance: Allowance) -> None:
        self.equation = equation
        self.sizes = equation.sizes
        self.own = frozenset() if equation.turns else equation.in_place
        self.take = allowance.take
        self.found: dict[Tensor, Parts] = {}
        self.axes: set[Axis] = set()
        self.together: dict[Any, tuple[list[Places], list[Places]] | None] = {}
        self._values = Evaluator({})

    def seen(self, outputs: Parts) -> dict[str, Parts]:
        equation = self.equation
        found = {name: Parts(outputs.inside, outputs.beyond) for name in self.own}
        if len(self.own) < len(equation.inputs):
            self.at(equation.axes, equation.expression, outputs)
            for item in reversed(equation.locals):
                if item in self.found:
                    self.at(item.axes, item.expression, self.found[item])
            found |= {t.name: parts for t, parts in self.found.items() if t.role == "input"}
        return found

    def at(self, axes: Sequence[Axis], expression: Expression, outputs: Parts) -> None:
        self.axes = set(axes)
        for beyond, parts in ((False, outputs.inside), (True, outputs.beyond)):
            for part in parts:
                self._visit(expression, dict(zip(axes, part, strict=True)), (), beyond)

    def _visit(
        self,
        node: Expression,
        given: Mapping[Axis, Line],
        conditions: tuple[Condition, ...],
        beyond: bool,
    ) -> None:
        choices: list[tuple[Condition, Expression]] = []
        match node:
            case Read(tensor):
                if tensor.role != "weight" and tensor.name not in self.own:
                    self._read(node, given, conditions, beyond)
                return
            case Pieces(along, ends, bodies):
                starts = (-math.inf, *ends[:-1])
                for start, end, body in zip(starts, (*ends[:-1], math.inf), bodies, strict=True):
                    choices.append(((along.axes(), _between(along, start, end)), body))
            case Call(_, (told, *branches)) if by_place(node):
                for wanted, body in zip((True, False), branches, strict=True):
                    choices.append(((depends(told), self._chosen(told, wanted)), body))
            case Reduction(_, axes):
                given = {**given, **{axis: range(self._known(axis.size)) for axis in axes}}
                if not all(map(len, given.values())):
                    return
        for condition, body in choices:
            there = self._narrowed(given, condition)
            if there is None:
                self._visit(body, given, (*conditions, condition), beyond)
            elif all(map(len, there.values())):
                self._visit(body, there, conditions, beyond)
        for part in () if choices else node.parts():
            self._visit(part, given, conditions, beyond)

    def _narrowed(
        self, given: Mapping[Axis, Line], condition: Condition
    ) -> Mapping[Axis, Line] | None:
        """Return where a condition holds that is about one axis; None for one about several."""
        axes, holds = condition
        running = _running(axes, given)
        if len(running) > 1:
            return None
        axis = next(iter(running or axes), None)
        if axis is None:
            return given if np.all(holds({})) else {**given, **dict.fromkeys(given, ())}
        line = given[axis]
        self.take(len(line))
        places = np.array(line)
        kept = np.broadcast_to(holds({**_fixed(given), axis: places}), places.shape)
        return given if kept.all() else {**given, axis: _line(places[kept])}

    def _chosen(self, told: Expression, wanted: bool) -> Callable[[Mapping[Axis, Any]], Any]:
        return lambda given: (self._values.value(told, given, 1) > 0) == wanted

    def _known(self, size: Any) -> int:
        if not is_known(size):
            raise TooMuch
        return int(size)

    def _shape(self, tensor: Tensor) -> tuple[int, ...]:
        sizes = tensor.shape or ()
        if isinstance(tensor, Local):
            sizes = tuple(self.sizes.get(axis, axis.size) for axis in tensor.axes)
        return tuple(map(self._known, sizes))

    def _read(
        self,
        node: Read,
        given: Mapping[Axis, Line],
        conditions: tuple[Condition, ...],
        beyond: bool,
    ) -> None:
        """Note what a read reads where the axes run over these places and the conditions hold."""
        self.take(BOX)
        shape = self._shape(node.tensor)
        if not (conditions or beyond) and (box := _box(node.indices, given, shape)) is not None:
            self.found.setdefault(node.tensor, Parts()).add(box, False)
            return
        self.take(READ)
        groups: list[_Group] = []
        for number, index in enumerate(node.indices):
            _join(groups, _Group(_running(index.axes(), given), [number], []))
        for condition in conditions:
            _join(groups, _Group(_running(condition[0], given), [], [condition]))
        fixed = _fixed(given)
        inside: list[Places] = [((),) * len(shape)]
        outside = inside
        within, beyond_all = not beyond, beyond
        for group in groups:
            if beyond_all and self._rearranges(node, group):
                return
            found = self._along(node, group, given, shape)
            if found is None:
                found = self._together(node, group, given, fixed, shape)
            if found is None:
                return
            every, real = found
            within = within and bool(real)
            outside = _spread(outside, group.dimensions, every)
            inside = _spread(inside, group.dimensions, real)
            beyond = beyond or real is not every
        parts = self.found.setdefault(node.tensor, Parts())
        for one in inside if within else ():
            parts.add(one, False)
        for one in outside if beyond else ():
            parts.add(one, True)

    def _rearranges(self, node: Read, group: _Group) -> bool:
        """Whether dimensions become others, as in a Flatten: what lies beyond these is beyond no border of those."""
        own = [node.indices[n].axes() & self.axes for n in group.dimensions]
        return len(own) > 1 or any(len(axes) > 1 for axes in own)

    def _along(
        self, node: Read, group: _Group, given: Mapping[Axis, Line], shape: Sequence[int]
    ) -> tuple[list[Places], list[Places]] | None:
        """Return what is read along one dimension, and what of it is inside; None where that takes a closer look."""
        if len(group.dimensions) != 1 or group.conditions:
            return None
        (number,) = group.dimensions
        line = _evenly(node.indices[number], given)
        if line is None:
            return None
        last = shape[number] - 1
        if line[0] >= 0 and line[-1] <= last:
            real: list[Places] = [(line,)]
            return real, real
        if not isinstance(line, range):
            return None
        if node.padding is not None and node.outside == "edge":
            if line.step > 1:
                return None
            real = [(range(min(max(line[0], 0), last), max(min(line[-1], last), 0) + 1),)]
            return real, real
        first = max(-(line[0] // line.step), 0)
        kept = line[first : max((last - line[0]) // line.step + 1, 0)]
        return [(line,)], [(_even(kept),)] if kept else []

    def _together(
        self,
        node: Read,
        group: _Group,
        given: Mapping[Axis, Line],
        fixed: Mapping[Axis, int],
        shape: Sequence[int],
    ) -> tuple[list[Places], list[Places]] | None:
        """Return what is read along some dimensions, and what of it is inside, place by place; None for nothing."""
        key: Any = None
        if not group.conditions:
            axes = set[Axis]().union(*(node.indices[n].axes() for n in group.dimensions))
            key = id(node), *group.dimensions, frozenset((axis, given[axis]) for axis in axes)
        if key not in self.together or key is None:
            self.together[key] = self._listed(node, group, given, fixed, shape)
        return self.together[key]

    def _listed(
        self,
        node: Read,
        group: _Group,
        given: Mapping[Axis, Line],
        fixed: Mapping[Axis, int],
        shape: Sequence[int],
    ) -> tuple[list[Places], list[Places]] | None:
        places = self._places(node, group, given, fixed)
        if places is None:
            return None
        real = np.ones(1, bool)
        for number, place in zip(group.dimensions, places, strict=True):
            if node.outside == "edge" and node.padding is not None:
                np.clip(place, 0, shape[number] - 1, out=place)
            real = real & (place >= 0) & (place < shape[number])
        every = self._products(places)
        if real.all():
            return every, every
        return every, self._products([place[real] for place in places]) if real.any() else []

    def _places(
        self, node: Read, group: _Group, given: Mapping[Axis, Line], fixed: Mapping[Axis, int]
    ) -> list[Array] | None:
        """Return what is read along some dimensions, one row after the other; None for nothing."""
        axes = list(group.axes)
        sizes = [len(given[axis]) for axis in axes]
        count = math.prod(sizes)
        self.take(count * max(len(group.dimensions), 1))
        grids = np.ix_(*(np.array(given[axis]) for axis in axes)) if axes else ()
        values: dict[Axis, Any] = {
            **fixed,
            **{a: np.broadcast_to(g, sizes).ravel() for a, g in zip(axes, grids, strict=True)},
        }

        def kept(mask: Any) -> bool:
            nonlocal count
            if not np.all(mask):
                mask = np.broadcast_to(mask, (count,))
                values.update({axis: values[axis][mask] for axis in axes})
                count = int(mask.sum())
            return count > 0

        if not all(kept(holds(values)) for _, holds in group.conditions):
            return None
        indices = [node.indices[number] for number in group.dimensions]
        if not all(kept(index.whole(values)) for index in indices):
            return None
        try:
            return [np.broadcast_to(index.at(values), (count,)).astype(int) for index in indices]
        except IndexError:  # beyond a table that is written out
            return None

    def _products(self, rows: list[Array]) -> list[Places]:
        """Return rows of positions as products of positions along each dimension."""
        single = list(map(_distinct, rows))
        if len(rows) < 2:
            return [(_line(single[0]),)] if rows else [()]
        lows = [int(places[0]) for places in single]
        wide = [int(places[-1]) - low + 1 for places, low in zip(single, lows, strict=True)]
        if math.prod(wide) >= 1 << 62:
            raise TooMuch
        moved = [column - low for column, low in zip(rows, lows, strict=True)]
        keys = _distinct(np.ravel_multi_index(moved, wide))
        if len(keys) == math.prod(map(len, single)):
            return [tuple(map(_line, single))]
        self.take(len(keys) * len(single[0]))
        first, *rest = (a + low for a, low in zip(np.unravel_index(keys, wide), lows, strict=True))
        found = Parts()
        for place in single[0].tolist():
            here = first == place
            for tail in self._products([column[here] for column in rest]):
                found.add((range(place, place + 1), *tail), False)
        return found.inside


def _box(
    indices: Sequence[Index], given: Mapping[Axis, Line], shape: Sequence[int]
) -> Places | None:
    """Return what is read along all dimensions, if each moves evenly, by itself and inside; else None."""
    moving = [atom for i in indices for atom, _ in i.terms if len(given.get(atom, ())) != 1]  # type: ignore[call-overload]
    if len(set(moving)) < len(moving):
        return None
    found = []
    for index, size in zip(indices, shape, strict=True):
        line = _evenly(index, given)
        if line is None or line[0] < 0 or line[-1] >= size:
            return None
        found.append(line)
    return tuple(found)


def _between(along: Index, start: Any, end: Any) -> Callable[[Mapping[Axis, Any]], Any]:
    def holds(given: Mapping[Axis, Any]) -> Any:
        place = along.at(given)
        return (place >= start) & (place < end)

    return holds


def _running(axes: set[Axis], given: Mapping[Axis, Line]) -> set[Axis]:
    return {axis for axis in axes if len(given[axis]) > 1}


def _fixed(given: Mapping[Axis, Line]) -> dict[Axis, int]:
    return {axis: places[0] for axis, places in given.items() if len(places) == 1}


def _join(groups: list[_Group], new: _Group) -> None:
    """Add a group, as one with those that share an axis with it."""
    for old in [group for group in groups if not group.axes.isdisjoint(new.axes)]:
        groups.remove(old)
        new = _Group(
            old.axes | new.axes, old.dimensions + new.dimensions, old.conditions + new.conditions
        )
    groups.append(new)


def _spread(parts: list[Places], dimensions: Sequence[int], found: list[Places]) -> list[Places]:
    """Return every part with each of these places along some dimensions."""
    if len(parts) * len(found) > MOST_PARTS:
        raise TooMuch
    made = []
    for part in parts:
        for places in found:
            new = list(part)
            for number, place in zip(dimensions, places, strict=True):
                new[number] = place
            made.append(tuple(new))
    return made


def _evenly(index: Index, given: Mapping[Axis, Line]) -> Line | None:
    """Return where an index is that is one axis, or adds up some so that its places are evenly spaced; else None.

    >>> y, i = Axis("y", 5), Axis("i", 3)
    >>> _evenly(y * 2 + i - 1, {y: range(1, 3), i: range(3)}), _evenly(y * -1 + 4, {y: range(5)})
    (range(1, 6), range(0, 5))
    """
    if (axis := index.single()) is not None:
        return given[axis]
    low = index.const
    steps = []
    for atom, factor in index.terms:
        if not isinstance(atom, Axis) or type(factor) is not int:
            return None
        line = given[atom]
        if len(line) > 1 and factor:
            if not isinstance(line, range):
                return None
            steps.append((line.step * abs(factor), len(line)))
        low = low + min(line[0] * factor, line[-1] * factor)
    if type(low) is not int:
        return None
    step, many = 1, 1
    for number, (wide, count) in enumerate(sorted(steps)):
        if not number:
            step, many = wide, count
        elif wide % step or wide > step * many:
            return None
        else:
            many += (count - 1) * wide // step
    return range(low, low + (many - 1) * step + 1, step)


def _even(line: range) -> range:
    """Return a range as all ranges of these places are written."""
    return line if len(line) > 1 else range(line[0], line[0] + 1)


def _line(places: Array) -> Line:
    """Return positions, each once and the least first, as a line."""
    if not len(places):
        return ()
    first, last = int(places[0]), int(places[-1])
    step = int(places[1]) - first if len(places) > 1 else 1
    if last - first == step * (len(places) - 1) and (np.diff(places) == step).all():
        return range(first, last + 1, step)
    return tuple(places.tolist())


def _distinct(places: Array) -> Array:
    """Return each position once, the least first."""
    low, high = int(places.min()), int(places.max())
    if high - low > 8 * len(places) + 1024:
        return np.unique(places)
    there = np.zeros(high - low + 1, bool)
    there[places - low] = True
    return np.flatnonzero(there) + low


def _holds(a: Line, b: Line) -> bool:
    """Whether all of b is in a."""
    if a == b:
        return True
    if len(b) > len(a) or b[0] < a[0] or b[-1] > a[-1]:
        return False
    return (isinstance(a, range) and a.step == 1) or set(a).issuperset(b)


def _either(a: Line, b: Line) -> Line:
    """Return what is in one of two lines or in both."""
    return a if a == b else _line(np.array(sorted({*a, *b})))

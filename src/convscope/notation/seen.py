"""Which numbers of its inputs some outputs are made of, place by place.

A window is a box, and says at most what is read. Here every piece, border and division is looked at where the outputs
are: what was written over is not read, nor is the other one of two tensors that were joined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

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
from convscope.notation.index import Axis
from convscope.notation.sizes import is_known
from convscope.typed import Array, Record

Places: TypeAlias = tuple[Array, ...]
"""Positions along each dimension, in order: all their combinations."""

Condition: TypeAlias = "tuple[set[Axis], Callable[[Mapping[Axis, Any]], Any]]"
"""The axes that it is about, and whether it holds where they are."""

MOST_PARTS = 128
"""Of one tensor so many parts are told apart."""


class TooMuch(Exception):
    """What would have to be looked at is more than is allowed, or of a size that nobody knows."""


class Parts:
    """What is read of a tensor: places inside it, and such that would lie beyond it, in its border."""

    def __init__(self) -> None:
        self.inside: list[Places] = []
        self.beyond: list[Places] = []

    def add(self, new: Places, beyond: bool) -> None:
        """Add places; those that differ from others along one dimension only become one with them."""
        parts = self.beyond if beyond else self.inside
        merged = True
        while merged:
            merged = False
            for number, old in enumerate(parts):
                if all(map(_holds, old, new)):
                    return
                other = [
                    n for n, (a, b) in enumerate(zip(old, new, strict=True)) if not _same(a, b)
                ]
                if len(other) == 1 or all(map(_holds, new, old)):
                    new = tuple(
                        a if _same(a, b) else np.union1d(a, b)
                        for a, b in zip(old, new, strict=True)
                    )
                    del parts[number]
                    merged = True
                    break
        parts.append(new)
        if len(parts) > MOST_PARTS:
            raise TooMuch

    def join(self, other: Parts) -> None:
        """Add another one's places."""
        for beyond, parts in ((False, other.inside), (True, other.beyond)):
            for part in parts:
                self.add(part, beyond)


def seen(equation: Equation, outputs: Parts, take: Callable[[int], bool]) -> dict[str, Parts]:
    """Return what some outputs read of each input, by its name.

    take   is told how many places are to be looked at, and says whether there may be as many

    Raises `TooMuch` where there may not.
    """
    looking = _Looking(equation, take)
    looking.at(equation.axes, equation.expression, outputs)
    for item in reversed(equation.locals):
        if item in looking.found:
            looking.at(item.axes, item.expression, looking.found[item])
    return {t.name: parts for t, parts in looking.found.items() if t.role == "input"}


class _Group(Record):
    """Dimensions of a read and conditions that move together, since they share axes."""

    axes: set[Axis]
    dimensions: list[int]
    conditions: list[Condition]


class _Looking:
    def __init__(self, equation: Equation, take: Callable[[int], bool]) -> None:
        self.sizes = equation.sizes
        self.take = take
        self.found: dict[Tensor, Parts] = {}
        self._values = Evaluator({})

    def at(self, axes: Sequence[Axis], expression: Expression, outputs: Parts) -> None:
        for beyond, parts in ((False, outputs.inside), (True, outputs.beyond)):
            for part in parts:
                self._visit(expression, dict(zip(axes, part, strict=True)), (), beyond)

    def _visit(
        self,
        node: Expression,
        given: Mapping[Axis, Array],
        conditions: tuple[Condition, ...],
        beyond: bool,
    ) -> None:
        match node:
            case Read(tensor):
                if tensor.role != "weight":
                    self._read(node, given, conditions, beyond)
                return
            case Pieces(along, ends, bodies):
                starts = (-math.inf, *ends[:-1])
                for start, end, body in zip(starts, (*ends[:-1], math.inf), bodies, strict=True):
                    here = (along.axes(), _between(along, start, end))
                    self._visit(body, given, (*conditions, here), beyond)
                return
            case Call(_, (told, *branches)) if by_place(node):
                for wanted, branch in zip((True, False), branches, strict=True):
                    here = (depends(told), self._chosen(told, wanted))
                    self._visit(branch, given, (*conditions, here), beyond)
                return
            case Reduction(_, axes):
                given = {**given, **{axis: np.arange(self._known(axis.size)) for axis in axes}}
        for part in node.parts():
            self._visit(part, given, conditions, beyond)

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
        given: Mapping[Axis, Array],
        conditions: tuple[Condition, ...],
        beyond: bool,
    ) -> None:
        """Note what a read reads where the axes run over these places and the conditions hold."""
        shape = self._shape(node.tensor)
        groups: list[_Group] = []
        for number, index in enumerate(node.indices):
            _join(groups, _Group(_running(index.axes(), given), [number], []))
        for condition in conditions:
            _join(groups, _Group(_running(condition[0], given), [], [condition]))
        fixed = {axis: int(places[0]) for axis, places in given.items() if len(places) == 1}
        inside: list[Places] = [(np.zeros(0, int),) * len(shape)]
        outside = inside
        within = not beyond
        for group in groups:
            places = self._places(node, group, given, fixed)
            if places is None:
                return
            real = np.ones(1, bool)
            for number, place in zip(group.dimensions, places, strict=True):
                if node.outside == "edge" and node.padding is not None:
                    np.clip(place, 0, shape[number] - 1, out=place)
                real = real & (place >= 0) & (place < shape[number])
            within = within and bool(real.any())
            every = self._products(places)
            outside = _spread(outside, group.dimensions, every)
            if within:
                some = every if real.all() else self._products([p[real] for p in places])
                inside = _spread(inside, group.dimensions, some)
            beyond = beyond or not real.all()
        parts = self.found.setdefault(node.tensor, Parts())
        for one in inside if within else ():
            parts.add(one, False)
        for one in outside if beyond else ():
            parts.add(one, True)

    def _places(
        self, node: Read, group: _Group, given: Mapping[Axis, Array], fixed: Mapping[Axis, int]
    ) -> list[Array] | None:
        """Return what is read along some dimensions, one row after the other; None for nothing."""
        axes = list(group.axes)
        sizes = [len(given[axis]) for axis in axes]
        if not self.take(math.prod(sizes)):
            raise TooMuch
        grids = np.ix_(*(given[axis] for axis in axes)) if axes else ()
        values: dict[Axis, Any] = {
            **fixed,
            **{a: np.broadcast_to(g, sizes).ravel() for a, g in zip(axes, grids, strict=True)},
        }
        count = math.prod(sizes)

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
        single = [np.unique(column) for column in rows]
        if len(rows) < 2:
            return [tuple(single)] if rows else [()]
        lows = [int(places[0]) for places in single]
        wide = [int(places[-1]) - low + 1 for places, low in zip(single, lows, strict=True)]
        if math.prod(wide) >= 1 << 62:
            raise TooMuch
        moved = [column - low for column, low in zip(rows, lows, strict=True)]
        keys = np.unique(np.ravel_multi_index(moved, wide))
        if len(keys) == math.prod(map(len, single)):
            return [tuple(single)]
        if not self.take(len(keys) * len(single[0])):
            raise TooMuch
        first, *rest = (a + low for a, low in zip(np.unravel_index(keys, wide), lows, strict=True))
        found = Parts()
        for place in single[0]:
            here = first == place
            for tail in self._products([column[here] for column in rest]):
                found.add((np.array([place]), *tail), False)
        return found.inside


def _between(along: Any, start: Any, end: Any) -> Callable[[Mapping[Axis, Any]], Any]:
    def holds(given: Mapping[Axis, Any]) -> Any:
        place = along.at(given)
        return (place >= start) & (place < end)

    return holds


def _running(axes: set[Axis], given: Mapping[Axis, Array]) -> set[Axis]:
    return {axis for axis in axes if len(given[axis]) > 1}


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


def _same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b)


def _holds(a: Array, b: Array) -> bool:
    """Whether all of b is in a."""
    return len(b) <= len(a) and bool(np.isin(b, a).all())

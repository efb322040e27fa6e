"""Indices solved for the axes that lead to a place, and borders where what was solved may lie outside.

What gradients need of the notation: a read's indices are set equal to the place t of its tensor.

    y + i = t            y = t − i
    2·y + i = t          y = (t − i)/2 where that is whole
    ⌊y/2⌋ = t            y = 2·t + r, r < 2
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convscope.notation.expression import Expression, Inside, Local, Read, Reduction
from convscope.notation.index import (
    Atom,
    Axis,
    Division,
    ExactQuotient,
    Index,
    PlaceTable,
    Quotient,
    Range,
    Remainder,
    as_index,
    exactly,
    is_divided,
)
from convscope.notation.node import changed
from convscope.notation.rewriting import Rewriting, unlike
from convscope.notation.sizes import Size, is_known, largest, surely_less, tidy


class Solution:
    """Which places of axes make a read's indices equal to the place of a tensor's own axes.

    solved      axes that follow from that place (and from what runs), in the order of solving
    running     axes that are left running
    at          what every axis is, in terms of the place and of what runs
    conditions  what must hold besides: (index, size) for 0 ≤ index < size
    ranges      where the place and what runs may lie
    """

    def __init__(
        self, place: Sequence[Axis], axes: Sequence[Axis], indices: Sequence[Index]
    ) -> None:
        self.axes = list(axes)
        self.first = set(axes)
        self.found: dict[Axis, Index] = {}
        self.conditions: list[tuple[Index, Size]] = []
        self.own = {axis: (0, axis.size - 1) for axis in place}
        # the place is told apart from an axis that is also called so: they are different objects
        for index, target in zip(indices, place, strict=True):
            self.equate(index, target)
        self.solved = list(self.found)
        taken = {axis.name for axis in place}
        fresh: dict[Axis, Index] = {}
        self.running: list[Axis] = []
        for axis in self.axes:
            if axis not in self.found:
                new = axis.like(unlike(axis.name, taken), axis.size)
                taken.add(new.name)
                fresh[axis] = new
                self.running.append(new)
        self.at: dict[Axis, Index] = {
            **fresh,
            **{axis: value.substitute(fresh) for axis, value in self.found.items()},
        }
        self.conditions = [(index.substitute(fresh), size) for index, size in self.conditions]
        self.ranges = self.own | {axis: (0, axis.size - 1) for axis in self.running}
        self.conditions = [
            (index, size) for index, size in self.conditions if not within(index, size, self.ranges)
        ]

    def stays(self, axis: Axis) -> bool:
        """Whether an axis is surely somewhere within its size, whatever the place."""
        return within(self.at[axis], axis.size, self.ranges)

    def _ranges(self) -> dict[Axis, Range]:
        return self.own | {axis: (0, axis.size - 1) for axis in self.axes}

    def put(self, axis: Axis, value: Index) -> None:
        """Note what an axis is."""
        value = value.substitute(self.found)
        for other, index in self.found.items():
            self.found[other] = index.substitute({axis: value})
        self.conditions = [(i.substitute({axis: value}), size) for i, size in self.conditions]
        self.found[axis] = value

    def equate(self, index: Index, target: Index) -> None:
        """Solve index = target for the axes that are not known yet."""
        index, target = index.substitute(self.found), target.substitute(self.found)
        open_ = {axis for axis in self.axes if axis not in self.found}
        if any(_looked_up(atom) for atom, _ in index.terms):
            # which axes lead there is told by trying them: they go on running
            self.conditions.append((index - target, 1))
            return
        terms = [(atom, factor) for atom, factor in index.terms if atom.axes() & open_]
        rest = target - Index(tuple(term for term in index.terms if term not in terms), index.const)
        if not terms:
            self.conditions.append((rest, 1))
            return
        if len(terms) == 1:
            (atom, factor), *_ = terms
            self.assign(atom, _over(rest, factor))
            return
        digits = self.digits(terms)
        if digits:
            for n, (atom, factor, low) in enumerate(digits):
                rest = rest - low * factor
                last = n == len(digits) - 1
                value = exactly(rest, factor) if last else rest // factor
                rest = rest if last else rest % factor
                self.assign(atom, value + low)
            return
        atom, factor = min(terms, key=self.preference)
        others = Index(tuple(term for term in terms if term[0] is not atom), 0)
        self.assign(atom, _over(rest - others, factor))

    def preference(self, term: tuple[Atom, Size]) -> tuple[bool, int, Size]:
        """Return what tells which of several axes to solve for: an output's, in the smallest steps."""
        atom, factor = term
        place = self.axes.index(atom) if isinstance(atom, Axis) and atom in self.axes else 1 << 30
        step = largest(factor, -factor)
        return not isinstance(atom, Axis), step if is_known(step) else 1 << 30, place

    def digits(self, terms: Sequence[tuple[Atom, Size]]) -> list[tuple[Atom, Size, Size]] | None:
        """Return terms as digits of a mixed radix, the largest first, with their lowest values; None
        where several places of the axes may give the same sum."""
        ranges = self._ranges()
        found: list[tuple[Atom, Size, Size]] = []
        spans: list[Size] = []
        for atom, factor in sorted(
            terms, key=lambda t: t[1] if is_known(t[1]) else 0, reverse=True
        ):
            low, high = atom.bounds(ranges)
            if not all(map(is_known, (factor, low, high))) or factor < 1:
                return None
            found.append((atom, factor, low))
            spans.append(factor * (high - low))
        for n, (_, factor, _) in enumerate(found):
            if factor <= sum(spans[n + 1 :]):
                return None
        return found

    def assign(self, atom: Atom, value: Index) -> None:
        """Solve atom = value."""
        value = value.substitute(self.found)
        if isinstance(atom, Axis):
            if atom in self.found:
                self.equate(atom, value)
            else:
                self.put(atom, value)
            return
        assert isinstance(atom, Division)
        of, by = atom.of, atom.by
        if isinstance(atom, ExactQuotient):
            self.equate(of, value * by)
        elif isinstance(atom, Quotient):
            self.equate(of, value * by + self.new("r", by))
        else:
            assert isinstance(atom, Remainder)
            self.conditions.append((value.substitute(self.found), by))
            low, high = of.bounds(self._ranges())
            first, last = tidy(low // by), tidy(high // by)
            times: Index = as_index(first)
            if not (is_known(first) and first == last):
                times = self.new("q", tidy(last - first + 1)) + first
            self.equate(of, times * by + value)

    def new(self, name: str, size: Size) -> Axis:
        axis = Axis(name, size)
        self.axes.append(axis)
        return axis


class Bordering(Rewriting):
    """Gives reads a border of 0 wherever their places may lie outside."""

    def __init__(
        self, ranges: Mapping[Axis, Range], weights: Mapping[str, tuple[Size, ...]]
    ) -> None:
        super().__init__()
        self.ranges, self.weights = dict(ranges), weights

    def local(self, item: Local) -> Local:
        return item

    def reduction(self, node: Reduction) -> Expression:
        self.ranges.update((axis, (0, axis.size - 1)) for axis in node.axes)
        return super().reduction(node)

    def read(self, node: Read) -> Expression:
        shape = node.tensor.shape or self.weights.get(node.tensor.name, ())
        need = [overhang(i, size, self.ranges) for i, size in zip(node.indices, shape, strict=True)]
        if node.padding is not None:
            need = [
                tuple(map(largest, old, new)) for old, new in zip(node.padding, need, strict=True)
            ]
        elif all(pad == (0, 0) for pad in need):
            return node
        return changed(node, padding=tuple(need))


def _looked_up(atom: Atom) -> bool:
    """Whether a place is looked up in a table."""
    if isinstance(atom, Division):
        return any(_looked_up(inner) for inner, _ in atom.of.terms)
    return isinstance(atom, PlaceTable)


def within(index: Index, size: Size, ranges: Mapping[Axis, Range]) -> bool:
    """Whether an index surely is whole and lies in 0 … size − 1."""
    if is_divided(index):
        return False
    low, high = index.bounds(ranges)
    return surely_less(-1, low) and surely_less(high, size)


def surely_inside(node: Expression, ranges: Mapping[Axis, Range]) -> bool:
    """Whether a factor is a condition that surely holds."""
    return isinstance(node, Inside) and all(
        within(index, size, ranges) for index, size in zip(node.indices, node.sizes, strict=True)
    )


def overhang(index: Index, size: Size, ranges: Mapping[Axis, Range]) -> tuple[Size, Size]:
    """Return how far an index may lie outside 0 … size − 1: before, and after."""
    low, high = index.bounds(ranges)
    return largest(tidy(-low), 0), largest(tidy(high - size + 1), 0)


def _over(index: Index, factor: Size) -> Index:
    """Return an index divided exactly by a factor that may be negative."""
    return exactly(-index, -factor) if surely_less(factor, 0) else exactly(index, factor)

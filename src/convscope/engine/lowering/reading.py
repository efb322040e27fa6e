"""Reads as ONNX operators: which numbers of a tensor, chosen by the form of the indices.

An axis alone costs nothing; digits of a mixed radix are a reshape; an axis times a step is a slice; a window
is a slice for each of its taps; anything else is gathered at places that are worked out beforehand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convscope.engine.lowering.board import Board, Laid
from convscope.notation import Axis, Index
from convscope.notation.expression import Outside, Read
from convscope.notation.index import is_divided
from convscope.typed import Array, Record

MOST_TAPS = 128
"""A window of more taps than this is gathered, not cut out tap by tap."""


class Held(Record):
    """A tensor that equations read: how large it is, and which of its dimensions lies at each place."""

    name: str
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @staticmethod
    def plain(name: str, shape: Sequence[int]) -> Held:
        """Return a tensor that lies as it is read."""
        return Held(name, tuple(shape), tuple(range(len(shape))))


class _Group(Record):
    """Dimensions whose indices share axes: where each place of those axes reads."""

    dims: tuple[int, ...]
    axes: tuple[Axis, ...]
    at: tuple[Array, ...]
    inside: bool

    def flat(self, shape: Sequence[int]) -> Array:
        """Return the places as one number each, the last dimension fastest."""
        total = np.zeros((1,) * len(self.axes), np.int64)
        for dim, at in zip(self.dims, self.at, strict=True):
            total = total * shape[dim] + at
        return total


def read(board: Board, held: Held, node: Read) -> Laid:
    """Return what a read gives, with its border's rule applied, over the axes of its indices."""
    groups = _groups(node, held.shape)
    if all(len(g.dims) == 1 and _is_all(g, held.shape) and len(g.axes) == 1 for g in groups):
        by_dim = {g.dims[0]: g.axes[0] for g in groups}
        return Laid(held.name, tuple(by_dim[dim] for dim in held.order))
    return _Cutting(board, held, node.outside).all(groups, node.indices)


def places(index: Index, axes: Sequence[Axis]) -> tuple[Array, Any]:
    """Return an index over a grid of its axes, and where it comes out whole."""
    grid = dict(zip(axes, np.ix_(*(np.arange(axis.size) for axis in axes)), strict=True))
    return np.asarray(index.at(grid), np.int64), index.whole(grid)


def _groups(node: Read, shape: Sequence[int]) -> list[_Group]:
    """Return the dimensions in groups that share no axis."""
    merged: list[tuple[set[int], set[Axis]]] = []
    for dim, index in enumerate(node.indices):
        dims, axes = {dim}, index.axes()
        for other in [m for m in merged if m[1] & axes]:
            merged.remove(other)
            dims |= other[0]
            axes = axes | other[1]
        merged.append((dims, axes))
    found = []
    for dims, axes in merged:
        own = tuple(sorted(dims))
        order = _by_stride([node.indices[d] for d in own], [shape[d] for d in own], axes)
        inside, at = True, []
        for dim in own:
            place, whole = places(node.indices[dim], order)
            if whole is not True and not np.all(whole):
                place, inside = np.where(whole, place, -1), False
            if place.size and (place.min() < 0 or place.max() >= shape[dim]):
                inside = False
            at.append(place)
        found.append(_Group(own, order, tuple(at), inside))
    return sorted(found, key=lambda g: g.dims)


def _by_stride(indices: Sequence[Index], sizes: Sequence[int], axes: set[Axis]) -> tuple[Axis, ...]:
    """Return axes in the order in which they move through memory: the one in the largest steps first."""

    def step(axis: Axis) -> tuple[int, str]:
        ends = [{a: 0 if a is not axis else end for a in axes} for end in (0, axis.size - 1)]
        first, last = (_flat([int(i.at(end)) for i in indices], sizes) for end in ends)
        return (-abs(last - first) // max(axis.size - 1, 1), axis.name)

    return tuple(sorted(axes, key=step))


def _flat(at: Sequence[int], sizes: Sequence[int]) -> int:
    total = 0
    for place, size in zip(at, sizes, strict=True):
        total = total * size + place
    return total


def _is_all(group: _Group, shape: Sequence[int]) -> bool:
    """Whether a group reads all that its dimensions hold, in their order."""
    total = math.prod(shape[d] for d in group.dims)
    if not group.inside or math.prod(a.size for a in group.axes) != total:
        return False
    flat = group.flat(shape)
    return flat.size == total and bool((flat.ravel() == np.arange(total)).all())


class _Cutting:
    """Cuts what is read out of a tensor, group by group.

    `lies` has what lies where by now: a dimension that is not cut yet, or an axis.
    """

    def __init__(self, board: Board, held: Held, outside: Outside) -> None:
        self.board, self.name, self.outside = board, held.name, outside
        self.sizes = dict(enumerate(held.shape))
        self.lies: list[int | Axis] = list(held.order)

    def all(self, groups: Sequence[_Group], indices: Sequence[Index]) -> Laid:
        windows = []
        for group in groups:
            if len(group.dims) > 1:
                self.several(group)
                continue
            (dim,), (at,) = group.dims, group.at
            index = indices[dim]
            if _is_all(group, self.sizes_of_all()):
                self.divided(dim, group.axes)
            elif not group.axes:
                self.one(dim, int(at), group.inside)
            elif is_divided(index) or not all(isinstance(atom, Axis) for atom, _ in index.terms):
                self.gathered(dim, group.axes, at)
            else:
                windows.append((dim, group.axes, at))
        self.windows(windows)
        assert all(isinstance(item, Axis) for item in self.lies)
        return Laid(self.name, tuple(a for a in self.lies if isinstance(a, Axis)))

    def extent(self, item: int | Axis) -> int:
        """Return how large what lies somewhere is."""
        size: int = item.size if isinstance(item, Axis) else self.sizes[item]
        return size

    def shape(self) -> list[int]:
        return [self.extent(item) for item in self.lies]

    def divided(self, dim: int, axes: Sequence[Axis]) -> None:
        """Let a dimension be several axes, the last one fastest."""
        place = self.lies.index(dim)
        self.lies[place : place + 1] = axes
        if len(axes) != 1:
            self.name = self.board.shaped(self.name, self.shape())

    def one(self, dim: int, at: int, inside: bool) -> None:
        """Keep one place of a dimension, which goes."""
        place = self.lies.index(dim)
        if not inside:
            at = self.bordered(dim, np.asarray(at)).item()
        self.name = self.board.node(
            "Gather", self.name, self.board.constant(at, "int64"), axis=place
        )
        del self.lies[place]

    def bordered(self, dim: int, at: Array) -> Array:
        """Return places along a dimension that has its border behind it now: one number for all of it."""
        size = self.sizes[dim]
        if self.outside == "edge":
            return np.clip(at, 0, size - 1)
        self.pad({dim: (0, 1)})
        return np.where((at < 0) | (at >= size), size, at)

    def pad(self, widths: Mapping[int, tuple[int, int]]) -> None:
        """Put a border around dimensions."""
        before = [widths.get(d, (0, 0))[0] if isinstance(d, int) else 0 for d in self.lies]
        after = [widths.get(d, (0, 0))[1] if isinstance(d, int) else 0 for d in self.lies]
        pads = self.board.constant(before + after, "int64")
        if self.outside == "edge":
            self.name = self.board.node("Pad", self.name, pads, mode="edge")
        else:
            value = self.board.constant(-np.inf if self.outside == "-inf" else 0.0)
            self.name = self.board.node("Pad", self.name, pads, value)
        for dim, (low, high) in widths.items():
            self.sizes[dim] += low + high

    def gathered(self, dim: int, axes: tuple[Axis, ...], at: Array) -> None:
        """Take places of a dimension that follow no simpler rule."""
        if at.size and (at.min() < 0 or at.max() >= self.sizes[dim]):
            at = self.bordered(dim, at)
        place = self.lies.index(dim)
        at = np.broadcast_to(at, [axis.size for axis in axes])
        self.name = self.board.node(
            "Gather", self.name, self.board.constant(at, "int64"), axis=place
        )
        self.lies[place : place + 1] = axes

    def several(self, group: _Group) -> None:
        """Take places of several dimensions at once: made one dimension first."""
        if not group.inside:
            self.outside_of(group)
            return
        sizes = [self.sizes[d] for d in group.dims]
        rest = [item for item in self.lies if item not in group.dims]
        first = min(self.lies.index(d) for d in group.dims)
        before = [item for item in self.lies[:first] if item in rest]
        order = [*before, *group.dims, *(item for item in rest if item not in before)]
        self.name = self.board.turned(self.name, [self.lies.index(item) for item in order])
        flat = group.flat(self.sizes_of_all())
        joint = group.dims[0]
        self.lies = [item for item in order if item not in group.dims[1:]]
        self.sizes[joint] = math.prod(sizes)
        self.name = self.board.shaped(self.name, self.shape())
        if flat.size == self.sizes[joint] and (flat.ravel() == np.arange(flat.size)).all():
            self.divided(joint, group.axes)
        else:
            self.gathered(joint, group.axes, flat)

    def sizes_of_all(self) -> list[int]:
        return [self.sizes[d] for d in range(max(self.sizes) + 1)]

    def outside_of(self, group: _Group) -> None:
        """Give dimensions of a group their border, so that every place is inside."""
        at = [
            self.bordered(dim, place)
            if place.min() < 0 or place.max() >= self.sizes[dim]
            else place
            for dim, place in zip(group.dims, group.at, strict=True)
        ]
        self.several(group._replace(at=tuple(at), inside=True))

    def windows(self, dims: Sequence[tuple[int, tuple[Axis, ...], Array]]) -> None:
        """Cut out what moves in equal steps: a slice, or one for each tap of a window."""
        pads = {}
        for dim, _, at in dims:
            low, high = max(0, -int(at.min())), max(0, int(at.max()) - self.sizes[dim] + 1)
            if low or high:
                pads[dim] = (low, high)
        if pads:
            self.pad(pads)
        whole: list[tuple[int, Axis, Array]] = []
        taps: list[tuple[int, tuple[Axis, ...], Axis, Array]] = []
        for dim, axes, at in dims:
            at = at + pads.get(dim, (0, 0))[0]
            flat = at.ravel()
            if len(axes) > 1 and (flat == flat[0] + np.arange(flat.size)).all():
                self.cut([(dim, int(flat[0]), 1, flat.size)])
                self.divided(dim, axes)
            elif len(axes) == 1:
                whole.append((dim, axes[0], at))
            elif math.prod(a.size for a in axes) // max(a.size for a in axes) <= MOST_TAPS:
                longest = max(axes, key=lambda axis: axis.size)
                taps.append((dim, tuple(a for a in axes if a is not longest), longest, at))
                self_axes = axes.index(longest)
                taps[-1] = (*taps[-1][:3], np.moveaxis(at, self_axes, -1))
            else:
                self.gathered(dim, axes, at)
        self.cut([(dim, int(at[0]), _step(at), at.size) for dim, _, at in whole])
        for dim, axis, _ in whole:
            self.lies[self.lies.index(dim)] = axis
        if taps:
            self.tapped(taps)

    def cut(self, slices: Sequence[tuple[int, int, int, int]]) -> None:
        """Keep (dimension, first, step, how many) of some dimensions."""
        wanted = [s for s in slices if s[1:] != (0, 1, self.sizes[s[0]])]
        if wanted:
            self.name = self.sliced([(self.lies.index(d), f, s, n) for d, f, s, n in wanted])
            for dim, _, _, count in wanted:
                self.sizes[dim] = count

    def sliced(self, slices: Sequence[tuple[int, int, int, int]]) -> str:
        """Return (place, first, step, how many) of this tensor."""
        starts = [first for _, first, _, _ in slices]
        ends = [first + step * count for _, first, step, count in slices]
        ends = [end if end >= 0 else -(1 << 40) for end in ends]
        numbers = [
            starts,
            ends,
            [place for place, *_ in slices],
            [step for _, _, step, _ in slices],
        ]
        return self.board.node(
            "Slice", self.name, *(self.board.constant(list(n), "int64") for n in numbers)
        )

    def tapped(self, windows: Sequence[tuple[int, tuple[Axis, ...], Axis, Array]]) -> None:
        """Cut windows out, a slice for each combination of taps, and lay them one behind the other.

        Taps come after the first axis (of the batch), so that they lie beside the channels that follow.
        """
        axes = [axis for _, own, _, _ in windows for axis in own]
        pieces = []
        for at in itertools.product(*(range(axis.size) for axis in axes)):
            chosen = dict(zip(axes, at, strict=True))
            slices = []
            for dim, own, longest, grid in windows:
                line = grid[tuple(chosen[axis] for axis in own)]
                slices.append((self.lies.index(dim), int(line[0]), _step(line), longest.size))
            pieces.append(self.sliced(slices))
        for dim, _, longest, _ in windows:
            self.lies[self.lies.index(dim)] = longest
        place = 1 if len(self.lies) > 1 else 0
        sizes = self.shape()
        if len(pieces) == 1:
            self.name = pieces[0]
        else:
            self.name = self.board.node("Concat", *pieces, axis=place)
        self.lies[place:place] = axes
        if [*sizes[:place], *(a.size for a in axes), *sizes[place:]] != sizes:
            self.name = self.board.shaped(self.name, self.shape())


def _step(line: Array) -> int:
    return int(line[1] - line[0]) if line.size > 1 else 1

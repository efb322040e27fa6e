"""What a stride leaves out: positions that are skipped, and input that no window reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from convscope.errors import ConvscopeError
from convscope.layers.base import Layer
from convscope.model.editing import with_settings
from convscope.model.facts import Facts
from convscope.notation import Axis, Equation
from convscope.notation.index import Index
from convscope.notation.sizes import is_known
from convscope.typed import Record

MOST_READ = 1_000_000
"""Where windows read more positions than this along an axis, what they leave out is not counted."""


class Dropped(Record):
    """What a stride leaves out along one axis.

    axis, word    the output's axis (y), and what a position along it is called (row)
    size          the input's size there
    positions     how many outputs there would be at stride 1
    kept          how many there are; the others are skipped
    unread        how many positions of the input no window reads
    unread_end    how many of those lie at the far edge
    """

    axis: str
    word: str
    stride: int
    size: int
    positions: int
    kept: int
    unread: int
    unread_end: int

    @property
    def skipped(self) -> int:
        return self.positions - self.kept

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**self._asdict(), "skipped": self.skipped}


def dropped(layer: Layer, facts: Facts) -> tuple[Dropped, ...]:
    """Return what a layer's strides leave out, for each axis that has one; () where none does.

    Seen from its equation: where its windows read, and how many there were if its stride were 1.
    """
    equation = facts.equation
    if equation is None:
        return ()
    every: dict[Axis, Any] = {
        axis: fit.unused + (fit.count - 1) * fit.stride + 1 for axis, fit in equation.fits.items()
    }
    if "strides" in layer.settings():  # another stride may come with other padding
        try:
            dense = with_settings(layer, {"strides": 1}).equation(*facts.input_shapes)
        except ConvscopeError:
            return ()  # strides that go with another setting: what stride 1 would give is not defined
        every = dict(zip(equation.axes, dense.shape, strict=True))
    return tuple(_along(equation, every))


def _along(equation: Equation, every: Mapping[Axis, Any]) -> Iterator[Dropped]:
    for axis, fit in equation.fits.items():
        numbers = (fit.stride, fit.size, fit.count, every[axis])
        if not all(map(is_known, numbers)) or fit.stride == 1:
            continue
        if not is_known(fit.window) or fit.window * fit.count > MOST_READ:
            continue
        read: set[int] = set()
        for start in _starts(equation, axis):
            read.update(range(start, start + fit.stride * fit.count, fit.stride))
        inside = {position for position in read if 0 <= position < fit.size}
        yield Dropped(
            axis.name,
            axis.word,
            fit.stride,
            fit.size,
            every[axis],
            fit.count,
            fit.size - len(inside),
            fit.size - 1 - max(inside, default=-1),
        )


def _starts(equation: Equation, axis: Axis) -> set[int]:
    """Return which positions the first window reads along an axis."""
    found: set[int] = set()
    for read, indices, _ in equation.inlined:
        if read.tensor.role == "input":
            for index in indices:
                if axis in index.axes():
                    found |= _taps(index, axis)
    return found


def _taps(index: Index, axis: Axis) -> set[int]:
    inner = [other for other in index.axes() if other is not axis]
    if not all(is_known(other.size) for other in inner):
        return set()
    return {
        index.bounds({axis: (0, 0), **{a: (p, p) for a, p in zip(inner, places, strict=True)}})[0]
        for places in product(*(range(other.size) for other in inner))
    }

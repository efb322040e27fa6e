"""What a stride leaves out: positions that are skipped, and input that no window reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convscope.errors import ConvscopeError
from convscope.explain.windows import along_axes
from convscope.layers.base import Layer
from convscope.model.editing import with_settings
from convscope.model.facts import Facts
from convscope.notation import Axis, Equation
from convscope.notation.sizes import is_known
from convscope.typed import Record


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
    for seen in along_axes(equation):
        axis, fit = seen.axis, seen.fit
        if fit.stride == 1 or not is_known(every[axis]):
            continue
        inside = {position for position in seen.positions if 0 <= position < fit.size}
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

"""How windows slide along what a sum or a maximum reads, seen from the indices alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.engine.lowering.board import Laid
from convscope.notation import Axis, Index
from convscope.notation.expression import (
    Local,
    Read,
    Tensor,
)
from convscope.notation.index import ExactQuotient, as_index, same
from convscope.typed import Record

if TYPE_CHECKING:
    from convscope.engine.lowering.expressions import Lowering


class SlidingIndex(Record):
    """An index (step·place + spacing·tap + start)/by."""

    place: Axis
    tap: Axis
    step: int
    spacing: int
    start: int
    by: int = 1


def window_of(index: Index, gone: set[Axis]) -> SlidingIndex | None:
    """Return how a window slides along a dimension: one axis that stays, one that is summed."""
    by = 1
    divided = index.terms[0][0] if len(index.terms) == 1 else None
    if isinstance(divided, ExactQuotient):
        if index.const != 0 or index.terms[0][1] != 1:
            return None
        index, by = divided.of, divided.by
    if len(index.terms) != 2 or not all(isinstance(atom, Axis) for atom, _ in index.terms):
        return None
    (a, step), (b, spacing) = index.terms
    if a in gone:
        (a, step), (b, spacing) = (b, spacing), (a, step)
    if a in gone or b not in gone or not isinstance(a, Axis) or not isinstance(b, Axis):
        return None
    return SlidingIndex(a, b, step, spacing, index.const, by) if step > 0 else None


def is_digits(window: SlidingIndex, size: int) -> bool:
    """Whether place and tap are digits of a number: windows side by side, as many as there are."""
    place, tap, step, spacing, start, by = window
    whole = place.size * tap.size == size and tap.size > 1
    return whole and (step, spacing, start, by) == (tap.size, 1, 0, 1)


def shape_of(low: Lowering, tensor: Tensor) -> Sequence[int]:
    if isinstance(tensor, Local):
        return [axis.size for axis in tensor.axes]
    return low.values[tensor.name].shape


def plain_axes(plain: dict[int, Index], shape: Sequence[int]) -> list[Axis] | None:
    """Return the axes of dimensions that are read whole: one axis each, or digits."""
    found: list[Axis] = []
    for dim, index in plain.items():
        rest: Index = as_index(0)
        axes = sorted((a for a in index.axes()), key=lambda a: -dict(index.terms).get(a, 0))
        for axis in axes:
            rest = rest * axis.size + axis
        if axes and not same(rest, index):
            return None
        if not axes or math.prod(a.size for a in axes) != shape[dim]:
            return None
        if any(axis in found for axis in axes):
            return None
        found += axes
    return found


def read_whole(low: Lowering, image: Read, dims: Sequence[int]) -> tuple[Laid, list[Axis]]:
    """Return what a read reads, whole along the dimensions of windows: with an axis of its own for each."""
    held = (
        low.held(low.local(image.tensor), image.tensor.axes)
        if isinstance(image.tensor, Local)
        else low.values[image.tensor.name]
    )
    spatial = {d: Axis(f"s{d}", held.shape[d]) for d in dims}
    indices = tuple(spatial.get(d, i) for d, i in enumerate(image.indices))
    name = "raw"
    inner = type(low)(low.board, {name: held})
    return inner.value(Read(Tensor(name, "input", held.shape), indices)), list(spatial.values())


def size_of(axes: Sequence[Axis]) -> int:
    return math.prod(axis.size for axis in axes)

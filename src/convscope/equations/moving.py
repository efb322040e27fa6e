"""Numbers that only move: every output is one number of the input, or what its border holds.

    out[p] = in[⌊p/(W·C)⌋, ⌊p/C⌋ mod W, p mod C]
    out[y, x, c] = in[y − top, x − left, c]

Every builder is given the output's axes, with their sizes, and says where each output is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convscope.equations.stating import NoEquation
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Index, Pieces, Size, Tensor, call
from convscope.notation.expression import Inside, Number, Outside, Padding
from convscope.notation.functions import SELECT
from convscope.notation.index import as_index, exactly, in_one, written_out
from convscope.notation.sizes import (
    UNKNOWN,
    counted,
    is_known,
    is_one,
    product,
    show,
    surely_less,
    tidy,
)
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

# -- another shape --------------------------------------------------------------------------------


def reshaped(image: Tensor, shape: Sequence[Size], axes: Sequence[Axis]) -> Equation:
    """Return the same numbers in the same order (row-major: the last index runs fastest)."""
    return Equation(axes, image[regroup(shape, axes)])


def regroup(shape: Sequence[Size], axes: Sequence[Axis]) -> tuple[Index, ...]:
    """Return where the number at a position of `axes` lies in a tensor of this shape.

    Axes that are the same in front stay themselves. Of the rest, where a run of axes keeps its product
    it is treated apart, so that (rows, columns, channels) → (rows · columns, channels) leaves the
    channels alone.

    >>> print(*regroup((7, 5, 3), (Axis("p", 35), Axis("c", 3))), sep=", ")
    ⌊p/5⌋, p mod 5, c
    """
    if any(is_known(size) and size == 0 for size in shape):
        raise NoEquation("it reads or gives nothing")
    front = 0
    for size, axis in zip(shape, axes, strict=False):
        if not (is_known(size) and size == axis.size):
            break
        front += 1
    found: list[Index] = []
    for sizes, run in reversed(_runs(shape[front:], axes[front:])):
        flat: Index | None = None
        for axis in run:
            if not is_one(axis.size):
                flat = axis if flat is None else flat * axis.size + axis
        flat = as_index(0) if flat is None else flat
        for place, own in enumerate(sizes):
            index = flat // product(sizes[place + 1 :])
            found.append(index if place == 0 else index % own)
    return (*axes[:front], *found)


def _runs(shape: Sequence[Size], axes: Sequence[Axis]) -> list[tuple[list[Size], list[Axis]]]:
    """Return runs of sizes and of axes with equal products, from the last to the first."""
    sizes, left = list(shape), list(axes)
    runs = []
    while sizes and left:
        own, run = [sizes.pop()], [left.pop()]
        while (a := product(own)) != (b := product(x.size for x in run)) or a is UNKNOWN:
            if left and surely_less(b, a):
                run.insert(0, left.pop())
            elif sizes and surely_less(a, b):
                own.insert(0, sizes.pop())
            else:  # symbols and unknowns leave it open: everything before is one run
                own, run = [*sizes, *own], [*left, *run]
                sizes, left = [], []
                break
        runs.append((own, run))
    if sizes or left:  # axes of size 1 that have no partner
        runs.append((sizes, left))
    return runs


def permuted(image: Tensor, axes: Sequence[Axis], order: Sequence[int]) -> Equation:
    """Return the axes in another order: axis n of the output is axis order[n] of the input."""
    return Equation(axes, image[tuple(axes[order.index(n)] for n in range(len(order)))])


# -- parts of it, or several times ----------------------------------------------------------------


def sliced(
    image: Tensor, axes: Sequence[Axis], first: Sequence[Size], step: Sequence[int] | None = None
) -> Equation:
    """Return the positions first, first + step, … along each axis; a step may be negative."""
    steps = step or (1,) * len(axes)
    at = tuple(axis * s + f for axis, s, f in zip(axes, steps, first, strict=True))
    return Equation(axes, image[at])


def cut(name: str, word: str, size: Size, before: int, after: int, what: str) -> Axis:
    """Return the axis of what is left where so many positions are cut off before and after.

    Raises `ShapeError` where nothing is left; `what` begins its message.
    """
    left = tidy(size - before - after)
    if surely_less(left, 1):
        raise ShapeError(
            f"{what}: of {size} {word}s {before} are cut off before and {after} after, which leaves none"
        )
    why = (
        f"{counted(size, word)}, of which {show(before)} before and {show(after)} after are cut off"
    )
    return Axis(name, left, word, why)


def selected(image: Tensor, axes: Sequence[Axis], place: int, where: Size) -> Equation:
    """Return one position along an axis at a place, which the output's axes do not have."""
    at: list[Index | Size] = list(axes)
    at.insert(place, where)
    return Equation(axes, image[tuple(at)])


def picked(image: Tensor, axes: Sequence[Axis], place: int, where: Sequence[int]) -> Equation:
    """Return the positions `where` along one axis, one after another."""
    return gathered(image, axes, {place: where}, (place,))


def gathered(
    image: Tensor, axes: Sequence[Axis], where: Mapping[int, Sequence[int]], by: Sequence[int]
) -> Equation:
    """Return the numbers at places that are known.

    where   axis of the image → the places along it, a number for each position of some of the output's axes
    by      which axes of the output those are, one after another; the others are the image's others, in order
    """
    flat = in_one([axes[n] for n in by])
    rest = iter(axis for n, axis in enumerate(axes) if n not in by)
    many = len(axes) - len(by) + len(where)
    at = [written_out(flat, where[n]) if n in where else next(rest) for n in range(many)]
    return Equation(axes, image[tuple(at)])


def gathered_along(
    image: Tensor, axes: Sequence[Axis], place: int, where: Sequence[int]
) -> Equation:
    """Return numbers at places along one axis that every output has of its own."""
    flat = in_one(axes)
    at = (written_out(flat, where) if n == place else axis for n, axis in enumerate(axes))
    return Equation(axes, image[tuple(at)])


def interleaved(image: Tensor, axes: Sequence[Axis], place: int, times: int) -> Equation:
    """Return every number several times in a row along one axis."""
    return Equation(axes, image[tuple(a // times if n == place else a for n, a in enumerate(axes))])


def tiled(image: Tensor, shape: Sequence[Size], axes: Sequence[Axis]) -> Equation:
    """Return a tensor of this shape as often as it fits into the axes, one beside the other."""
    own = zip(shape, axes[len(axes) - len(shape) :], strict=True)
    return Equation(axes, image[tuple(a if a.size == s else a % s for s, a in own)])


def rolled(image: Tensor, axes: Sequence[Axis], shifts: Sequence[int]) -> Equation:
    """Return every axis turned by so many positions; what leaves at the end comes in at the front."""
    at = (
        a if s % a.size == 0 else (a + (-s) % a.size) % a.size
        for a, s in zip(axes, shifts, strict=True)
    )
    return Equation(axes, image[tuple(at)])


# -- channels and blocks of pixels ----------------------------------------------------------------


def blocks_of_channels(
    image: Tensor, axes: Sequence[Axis], block: int, depth_last: bool
) -> Equation:
    """Return maps made of blocks of pixels that were channels: (…, c, y, x), channels first.

    Shi et al., Real-Time Single Image Super-Resolution, 2016, equation 4. `depth_last`: the channels of
    one pixel of every block lie together (ONNX's DCR), not the pixels of one channel (CRD, PyTorch).
    """
    *lead, c, y, x = axes
    pixel = (y % block) * block + x % block
    channel = pixel * c.size + c if depth_last else c * (block * block) + pixel
    return Equation(axes, image[(*lead, channel, y // block, x // block)])


def channels_of_blocks(
    image: Tensor, axes: Sequence[Axis], block: int, channels: Size, depth_last: bool
) -> Equation:
    """Return channels made of blocks of pixels: the inverse of `blocks_of_channels`."""
    *lead, c, y, x = axes
    many = block * block
    corner, channel = (c // channels, c % channels) if depth_last else (c % many, c // many)
    return Equation(
        axes, image[(*lead, channel, y * block + corner // block, x * block + corner % block)]
    )


def shuffled_channels(image: Tensor, axes: Sequence[Axis], place: int, groups: int) -> Equation:
    """Return the channels of groups dealt out in turn: first the first of each group (Zhang et al., ShuffleNet, 2017)."""
    c = axes[place]
    each = c.size // groups
    at = ((c % groups) * each + c // groups if n == place else a for n, a in enumerate(axes))
    return Equation(axes, image[tuple(at)])


# -- parts that are written into ------------------------------------------------------------------


def written(
    whole: Tensor,
    part: Tensor,
    axes: Sequence[Axis],
    place: int,
    first: int,
    step: int,
    count: int,
    flat: bool,
) -> Equation:
    """Return a tensor after the positions first, first + step, … along an axis were written from a part.

    flat   whether the part has no such axis, since one position is written
    """
    axis = axes[place]

    def places(tensor: Tensor, own: Index = axis) -> list[Index | Size]:
        """What is learned has one row, for all rows of a batch."""
        one = [tensor.role == "weight" and is_one(a.size) for a in axes]
        return [own if n == place else 0 if one[n] else a for n, a in enumerate(axes)]

    own = whole[tuple(places(whole))]
    if flat:
        new: Expression = part[tuple(i for n, i in enumerate(places(part)) if n != place)]
        return Equation(axes, _pieces(axis, (first, first + 1, axis.size), (own, new, own)))
    index = exactly(axis - first, step)
    borders = [(0, 0)] * len(axes)
    borders[place] = (-(-first // step), max((axis.size - 1 - first) // step - count + 1, 0))
    new = part.padded(borders, "zero")[tuple(places(part, index))]
    if step != 1:
        return Equation(axes, call(SELECT, Inside((index,), (count,)), new, own))
    return Equation(axes, _pieces(axis, (first, first + count, axis.size), (own, new, own)))


# -- borders --------------------------------------------------------------------------------------


def padded(
    image: Tensor,
    axes: Sequence[Axis],
    pads: Sequence[Padding],
    outside: Outside = "zero",
    value: float = 0.0,
) -> Equation:
    """Return a tensor with a border: zeros, another value, or the nearest number (edge).

    Negative numbers cut off instead. Axes without a size are solved.
    """
    at = tuple(axis - before for axis, (before, _) in zip(axes, pads, strict=True))
    borders = [(max(before, 0), max(after, 0)) for before, after in pads]
    body: Expression = image.padded(borders, outside)[at]
    return Equation(axes, framed(body, axes, borders, value) if value != 0.0 else body)


def framed(
    body: Expression, axes: Sequence[Axis], borders: Sequence[Padding], value: float
) -> Expression:
    """Return one number in a border, and the body within."""
    for axis, (before, after) in zip(axes, borders, strict=True):
        ends = (before, axis.size - after, axis.size)
        body = _pieces(axis, ends, (Number(value), body, Number(value)))
    return body


def wrapped(image: Tensor, axes: Sequence[Axis], pads: Sequence[Padding]) -> Equation:
    """Return a tensor with a border that goes on at the other side."""
    at = []
    for axis, (before, after) in zip(axes, pads, strict=True):
        size = axis.size - before - after
        if before or after:
            at.append((axis + (-before) % size) % size)
        else:
            at.append(axis)
    return Equation(axes, image[tuple(at)])


def reflected(image: Tensor, axes: Sequence[Axis], pads: Sequence[Padding]) -> Equation:
    """Return a tensor with a border in which it is mirrored at its outermost numbers.

    Before the map, the map, after it: one piece each. Every piece is evaluated everywhere, so each reads
    with a border as wide as it may reach. Raises `NoEquation` where the border is larger than the map.
    """
    sizes = [a.size - before - after for a, (before, after) in zip(axes, pads, strict=True)]
    if any(
        min(p) < 0 or max(p) >= max(s, 1) for p, s in zip(pads, sizes, strict=True) if p != (0, 0)
    ):
        raise NoEquation("its border is larger than the map")
    wide = [
        (0, 0) if p == (0, 0) else (p[0] + s + p[1], 2 * s + sum(p))
        for s, p in zip(sizes, pads, strict=True)
    ]

    def build(at: list[Any]) -> Expression:
        place = len(at)
        if place == len(axes):
            return image.padded(wide, "zero")[tuple(at)]
        axis, (before, after), size = axes[place], pads[place], sizes[place]
        if before == after == 0:
            return build([*at, axis])
        turned = (before - axis, axis - before, (2 * size - 2 + before) - axis)
        ends = (before, before + size, before + size + after)
        return _pieces(axis, ends, [build([*at, index]) for index in turned])

    return Equation(axes, build([]))


def _pieces(axis: Axis, ends: Sequence[Size], bodies: Sequence[Expression]) -> Expression:
    """Return one expression after another along an axis, without those that hold nowhere."""
    starts = (0, *ends[:-1])
    held = [(e, x) for s, e, x in zip(starts, ends, bodies, strict=True) if s != e]
    if len(held) == 1:
        return held[0][1]
    return Pieces(axis, tuple(end for end, _ in held), tuple(body for _, body in held))

"""Several tensors put together: number by number, where one may serve many positions, or one after another.

out[y, x, k] = a[y, x, k] + b[0, 0, k]
out[y, x, k] = (a[y, x, k] for k < 32, else b[y, x, k − 32])
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate

from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Index, Pieces, Size, Tensor
from convscope.notation.sizes import (
    UNKNOWN,
    Shape,
    is_known,
    is_one,
    shape_text,
    surely_differ,
    tidy,
)


def broadcast(shapes: Sequence[Shape], what: str) -> Shape:
    """Return the shape of tensors put together number by number, aligned at the last axis as in numpy.

    >>> broadcast([(3, 5, 4), (5, 1)], "Add")
    (3, 5, 4)

    Raises `ShapeError` where they do not fit; `what` begins its message.
    """

    def together(first: Shape, second: Shape) -> Shape:
        rank = max(len(first), len(second))
        pairs = zip(*((1,) * (rank - len(s)) + tuple(s) for s in (first, second)), strict=True)
        return tuple(larger(a, b) for a, b in pairs)

    def larger(a: Size, b: Size) -> Size:
        if is_one(a) or is_one(b):
            return b if is_one(a) else a
        if surely_differ(a, b):
            every = " and ".join(map(shape_text, shapes))
            raise ShapeError(
                f"{what} needs inputs of one shape (or of size 1 where they differ), not {every}"
            )
        # what is not known is 1 or as large as the other
        return b if is_known(b) or a is UNKNOWN else a

    return reduce(together, shapes)


def aligned(shape: Shape, axes: Sequence[Axis]) -> tuple[Index | Size, ...]:
    """Return where a tensor is read at a position of broadcast axes: 0 where one number serves all."""
    last = axes[len(axes) - len(shape) :]
    return tuple(
        0 if is_one(size) and not is_one(axis.size) else axis
        for size, axis in zip(shape, last, strict=True)
    )


def joined_shape(shapes: Sequence[Shape], place: int, what: str, named: int) -> Shape:
    """Return the shape of tensors one after another along an axis, which messages call `named`.

    Raises `ShapeError` for tensors that differ along another axis; `what` begins its message.
    """
    first = shapes[0]
    for other in shapes[1:]:
        if len(first) != len(other) or any(
            n != place and surely_differ(a, b)
            for n, (a, b) in enumerate(zip(first, other, strict=True))
        ):
            raise ShapeError(
                f"{what}: inputs must have equal sizes except along axis {named}, not "
                f"{shape_text(first)} and {shape_text(other)}"
            )
    total = tidy(sum(shape[place] for shape in shapes[1:]) + first[place])
    return (*first[:place], total, *first[place + 1 :])


def concatenation(
    tensors: Sequence[Tensor], shapes: Sequence[Shape], place: int, axes: Sequence[Axis]
) -> Equation:
    """Return tensors of these shapes one after another along the axis at a place."""
    if len(tensors) == 1:
        return Equation(axes, tensors[0][tuple(axes)])
    ends = [tidy(end) for end in accumulate(shape[place] for shape in shapes)]
    bodies: list[Expression] = []
    for tensor, shape, start in zip(tensors, shapes, [0, *ends[:-1]], strict=True):
        weight = tensor.role == "weight"
        if weight and is_one(shape[place]):
            at = tuple(0 if is_one(s) else a for a, s in zip(axes, shape, strict=True))
            bodies.append(tensor[at])
            continue
        borders: list[tuple[Size, Size]] = [(0, 0)] * len(axes)
        borders[place] = (start, tidy(ends[-1] - start - shape[place]))
        at = tuple(
            axis - start
            if n == place
            else 0
            if weight and is_one(s)
            else axis  # for all of a batch
            for n, (axis, s) in enumerate(zip(axes, shape, strict=True))
        )
        bodies.append(tensor.padded(borders, "zero")[at])
    return Equation(axes, Pieces(axes[place], tuple(ends), tuple(bodies)))


def stacked(tensors: Sequence[Tensor], place: int, axes: Sequence[Axis]) -> Equation:
    """Return tensors of one shape, one for each position of a new axis at a place."""
    at = tuple(axis for n, axis in enumerate(axes) if n != place)
    bodies = tuple(tensor[at] for tensor in tensors)
    if len(bodies) == 1:
        return Equation(axes, bodies[0])
    return Equation(axes, Pieces(axes[place], tuple(range(1, len(bodies) + 1)), bodies))

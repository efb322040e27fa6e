"""Rows of numbers divided by their length.

out[y, x, c] = in[y, x, c] / max(√(Σ k<C  in[y, x, k]²), ε)
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations.normalising import along
from convscope.notation import Axis, Expression, Sum, Tensor, call, local
from convscope.notation.functions import ABS, MAXIMUM, SELECT, SQRT


def unit(
    image: Tensor,
    axes: Sequence[Axis],
    places: Sequence[int],
    epsilon: float | None,
    name: str = "length",
    order: int = 2,
) -> Expression:
    """Return a number divided by the length of its row along the axes at some places: the root of the sum of squares.

    epsilon   what the length is at least; without it a row of zeros stays one
    order     1: the length is the sum of what the numbers are without their signs
    """
    row = along(axes, places)
    x = image[row.at]
    total = call(SQRT, Sum(*row.runs)(x * x)) if order == 2 else Sum(*row.runs)(call(ABS, x))
    length = local(name, row.stays, total)[row.own]
    if epsilon is None:
        return call(SELECT, length, image[tuple(axes)] / length, 0.0)
    return image[tuple(axes)] / call(MAXIMUM, length, epsilon)

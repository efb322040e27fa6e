"""Rows of numbers divided by their length.

out[y, x, c] = in[y, x, c] / max(√(Σ k<C  in[y, x, k]²), ε)
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations.normalising import along
from convscope.notation import Axis, Expression, Sum, Tensor, call, local
from convscope.notation.functions import MAXIMUM, SQRT


def unit(
    image: Tensor, axes: Sequence[Axis], places: Sequence[int], epsilon: float, name: str = "length"
) -> Expression:
    """Return a number divided by the root of the sum of squares along the axes at some places, ε at least."""
    row = along(axes, places)
    x = image[row.at]
    length = local(name, row.stays, call(SQRT, Sum(*row.runs)(x * x)))
    return image[tuple(axes)] / call(MAXIMUM, length[row.own], epsilon)

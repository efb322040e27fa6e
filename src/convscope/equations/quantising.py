"""Whole numbers of few bits in place of others: how they are scaled, and where their zero lies.

out[c, y, x] = (in[c, y, x] − zero) · scale
out[c, y, x] = min(max(round(in[c, y, x] / scale) + zero, −128), 127)
"""

from __future__ import annotations

from convscope.equations.stating import is_number
from convscope.notation import Expression, call
from convscope.notation.functions import MAXIMUM, MINIMUM, ROUND


def dequantised(x: Expression, scale: Expression, zero: Expression | None) -> Expression:
    """Return what a whole number stands for."""
    return shifted(x, zero) * scale


def shifted(x: Expression, zero: Expression | None) -> Expression:
    """Return how far a whole number is from the one that stands for 0."""
    return x if zero is None or is_number(zero, 0.0) else x - zero


def quantised(
    x: Expression, scale: Expression, zero: Expression | None, least: int, most: int
) -> Expression:
    """Return the whole number within bounds that stands for a number; halves go to the even one."""
    whole: Expression = call(ROUND, x / scale)
    if zero is not None and not is_number(zero, 0.0):
        whole = whole + zero
    return call(MINIMUM, call(MAXIMUM, whole, float(least)), float(most))

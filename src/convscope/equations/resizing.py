"""Resizing by the nearest number or by a straight line between two.

    out[y, x, c] = in[⌊y/s⌋, ⌊x/t⌋, c]

A number a third of the way between two neighbours is the mean of three: twice the nearer one, once the other.
So interpolation along a line is a mean too, whatever the fraction: position y lies at a·y + b of the input, and
with the step between two neighbours divided into so many parts that a and b are whole numbers of them,

    out[y, c] = mean t<parts  in[⌊(parts·(a·y + b) + t)/parts⌋, c]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from convscope.equations.stating import NoEquation
from convscope.notation import Axis, Equation, Index, Mean, Size, Tensor
from convscope.notation.expression import Padding

ROUNDED: dict[str, Callable[[float], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda v: math.ceil(v - 0.5),
    "round_prefer_ceil": lambda v: math.floor(v + 0.5),
}

PLACES: dict[str, Callable[[int, float, int, int], float]] = {
    "asymmetric": lambda y, s, n, m: y / s,
    "half_pixel": lambda y, s, n, m: (y + 0.5) / s - 0.5,
    "half_pixel_symmetric": lambda y, s, n, m: n / 2 * (1 - m / (n * s)) + (y + 0.5) / s - 0.5,
    "pytorch_half_pixel": lambda y, s, n, m: (y + 0.5) / s - 0.5 if m > 1 else 0.0,
    "align_corners": lambda y, s, n, m: y * (n - 1) / (m - 1) if m > 1 else 0.0,
}
"""Where an output position lies in the input: position, scale, sizes of the input and the output."""


LINES: dict[str, Callable[[Fraction, int, int], tuple[Fraction, Fraction]]] = {
    "asymmetric": lambda s, n, m: (1 / s, Fraction(0)),
    "half_pixel": lambda s, n, m: (1 / s, (1 / s - 1) / 2),
    "half_pixel_symmetric": lambda s, n, m: (1 / s, (n - m / s) / 2 + (1 / s - 1) / 2),
    "pytorch_half_pixel": lambda s, n, m: (1 / s, (1 / s - 1) / 2 if m > 1 else Fraction(0)),
    "align_corners": lambda s, n, m: (Fraction(n - 1, max(m - 1, 1)), Fraction(0)),
}
"""The same places, exactly: position y lies at a·y + b. From scale, sizes of the input and the output."""


def nearest(axis: Axis, size: int, reads: Sequence[int]) -> Index:
    """Return the index that gives these positions: ⌊(p·axis + q) / r⌋."""
    length = len(reads)
    if list(reads) == list(range(length)):
        return axis
    shared = math.gcd(size, length)
    p, r = size // shared, length // shared
    # ⌊(p·y + q)/r⌋ = read means read·r ≤ p·y + q < (read + 1)·r, which bounds q from both sides
    least = max(read * r - y * p for y, read in enumerate(reads))
    most = min((read + 1) * r - y * p - 1 for y, read in enumerate(reads))
    if least <= most:
        return (axis * p + max(least, 0)) // r if most >= 0 else (axis * p + most) // r
    raise NoEquation("its positions follow no regular order")


def on_a_line(axis: Axis, part: str, line: tuple[Fraction, Fraction]) -> tuple[Index, Axis | None]:
    """Return where position y reads that lies at a·y + b of the input, and the axis of the mean.

    line   a and b; where both are whole there is no mean
    part   what the axis of the mean is called
    """
    slope, start = line
    parts = math.lcm(slope.denominator, start.denominator)
    at = axis * int(slope * parts) + int(start * parts)
    if parts == 1:
        return at, None
    inner = axis.like(part, parts)
    return (at + inner) // parts, inner


def reach(line: tuple[Fraction, Fraction], size: int, length: int) -> Padding:
    """Return how far the first and the last of so many positions on a line lie outside the input."""
    slope, start = line
    last = slope * (length - 1) + start
    return max(-math.floor(start), 0), max(math.ceil(last) - size + 1, 0)


def linear(
    image: Tensor,
    axes: Sequence[Axis],
    at: Sequence[Index],
    parts: Sequence[Axis],
    borders: Sequence[tuple[Size, Size]],
) -> Equation:
    """Return the mean over all parts of what is read; outside the map its edge repeats."""
    read = image.padded(borders, "edge")[tuple(at)]
    return Equation(axes, Mean(*parts)(read) if parts else read)

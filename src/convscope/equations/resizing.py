"""Resizing: each output lies somewhere among the input's numbers, and is the nearest or a mixture of those around it.

    out[y, c] = in[⌊y/s⌋, c]                                the nearest
    out[y, c] = Σ i<2  in[q + i, c] · triangle(p − i)          on a straight line between two
    out[y, c] = Σ i<4  in[q + i − 1, c] · cubic(p − i + 1)     on a curve through four

Output y lies at a·y + b of the input: q = ⌊a·y + b⌋ is the last number before it, p how far behind that it lies. What
a number weighs depends on how far away it is alone: triangle(d) = 1 − |d| along a line, Keys's cubic (Cubic Convolution
Interpolation, 1981, equation 4) along a curve. Beyond the map its edge repeats, or nothing is there and the others weigh
so much more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from convscope.equations.layout import WINDOW_NAMES
from convscope.notation import Axis, Equation, Expression, Index, Size, Sum, Tensor, call
from convscope.notation.expression import Inside, Outside, Padding, Place
from convscope.notation.functions import Function
from convscope.notation.index import written_out
from convscope.notation.sizes import is_known
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import TypeAlias

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
    "tf_half_pixel_for_nn": lambda y, s, n, m: (y + 0.5) / s,
}
"""Where an output position lies in the input: position, scale, sizes of the input and the output."""

Line: TypeAlias = tuple[Fraction, Fraction]
"""a and b, where position y lies at a·y + b of the input."""

LINES: dict[str, Callable[[Fraction, int, int], Line]] = {
    "asymmetric": lambda s, n, m: (1 / s, Fraction(0)),
    "half_pixel": lambda s, n, m: (1 / s, (1 / s - 1) / 2),
    "half_pixel_symmetric": lambda s, n, m: (1 / s, (n - m / s) / 2 + (1 / s - 1) / 2),
    "pytorch_half_pixel": lambda s, n, m: (1 / s, (1 / s - 1) / 2 if m > 1 else Fraction(0)),
    "align_corners": lambda s, n, m: (Fraction(n - 1, max(m - 1, 1)), Fraction(0)),
    "tf_half_pixel_for_nn": lambda s, n, m: (1 / s, 1 / s / 2),
}
"""The same places, exactly. From scale, sizes of the input and the output."""

TRIANGLE = Function(
    "triangle",
    ("x",),
    (
        "mul",
        ("sub", ("at_least", "x", -1.0), ("at_least", "x", 1.0)),
        ("min", ("sub", 1.0, "x"), ("add", 1.0, "x")),
    ),
    taps=2,
)
"""1 − |x| within 1, and 0 beyond. Where a number lies exactly on a place, its slope is that towards the next one, as
frameworks have it."""

_AWAY = ("abs", "x")
_NEAR = ("sub", ("mul", ("add", "a", 2.0), _AWAY), ("add", "a", 3.0))
_FAR = ("sub", ("mul", ("add", ("mul", ("sub", _AWAY, 5.0), _AWAY), 8.0), _AWAY), 4.0)
CUBIC = Function(
    "cubic",
    ("x", "a"),
    (
        "select",
        ("sub", _AWAY, 1.0),
        ("select", ("sub", _AWAY, 2.0), 0.0, ("mul", "a", _FAR)),
        ("add", ("mul", _NEAR, ("mul", "x", "x")), 1.0),
    ),
    taps=4,
)
"""(a + 2)·|x|³ − (a + 3)·|x|² + 1 within 1, a·(|x|³ − 5·|x|² + 8·|x| − 4) from there to 2, and 0 beyond."""


class Curve(Record):
    """What a number weighs at a distance.

    weight   of how far away it is, in positions of the input
    reach    farther away it weighs nothing
    """

    weight: Callable[[Expression], Expression]
    reach: int


LINEAR = Curve(lambda away: call(TRIANGLE, away), 1)


def cubic(a: float) -> Curve:
    """Return Keys's curve; a is its slope at 1."""
    return Curve(lambda away: call(CUBIC, away, a), 2)


def simplest(scale: float) -> Fraction:
    """Return a scale as the fraction that it is meant to be, as near as a float32: 0.33333334 as a third."""
    exact = Fraction(scale)
    for power in range(4, 40):
        found = exact.limit_denominator(1 << power)
        if abs(found - exact) <= exact / (1 << 24):
            return found
    return exact


def nearest(axis: Axis, size: int, reads: Sequence[int]) -> Index:
    """Return the index that gives these positions: ⌊(p·axis + q) / r⌋, or, in no regular order, a table."""
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
    return written_out(axis, reads)


def interpolated(
    image: Tensor,
    axes: Sequence[Axis],
    sizes: Sequence[Size],
    lines: Sequence[Line | None],
    curve: Curve,
    beyond: Outside = "edge",
    smooth: bool = False,
) -> Equation:
    """Return a mixture of the numbers around each place.

    axes     the output's
    sizes    the input's, along each of them
    lines    where position y of an axis lies; None where it is left alone
    beyond   "edge", or "zero": what lies outside the map has no part, and the others weigh so much more
    smooth   whether a smaller map takes in so many more numbers (antialiasing)
    """
    moved = [n for n, line in enumerate(lines) if line is not None]
    names = WINDOW_NAMES.get(len(moved), tuple(f"i{n}" for n in range(1, len(moved) + 1)))
    called = dict(zip(moved, names, strict=True))
    at: list[Index] = []
    borders: list[Padding] = []
    taps: list[Axis] = []
    weights: list[Expression] = []
    totals: list[Expression] = []
    for place, (axis, size, line) in enumerate(zip(axes, sizes, lines, strict=True)):
        if line is None:
            at.append(axis)
            borders.append((0, 0))
            continue
        wide = max(line[0], Fraction(1)) if smooth else Fraction(1)
        around = math.ceil(curve.reach * wide)
        slope, start = line
        parts = math.lcm(slope.denominator, start.denominator)
        where = axis * int(slope * parts) + int(start * parts)
        if parts == 1 and wide == 1:
            at.append(where)
            borders.append(_overhang(line, size, axis.size, 0, 0))
            continue
        tap = axis.like(called[place], 2 * around)
        index = where // parts + tap - (around - 1)
        away: Expression = Place(tap - (around - 1))
        if parts > 1:
            away = Place(where % parts) / float(parts) - away
        weigh = _weighing(curve, wide)
        at.append(index)
        borders.append(_overhang(line, size, axis.size, around - 1, around))
        taps.append(tap)
        weights.append(weigh(away))
        if beyond == "zero":
            totals.append(Sum(tap)(weigh(away) * Inside((index,), (size,))))
        elif wide != 1:
            totals.append(Sum(tap)(weigh(away)))
    value: Expression = image.padded(borders, beyond)[tuple(at)]
    for weight in weights:
        value = value * weight
    if taps:
        value = Sum(*taps)(value)
    for total in totals:
        value = value / total
    return Equation(axes, value)


def _weighing(curve: Curve, wide: Fraction) -> Callable[[Expression], Expression]:
    if wide == 1:
        return curve.weight
    return lambda away: curve.weight(away / float(wide))


def _overhang(line: Line, size: Size, length: Size, before: int, after: int) -> Padding:
    """Return how far what is read by the first and the last of so many positions lies outside the input."""
    slope, start = line
    if not (is_known(size) and is_known(length)):  # the last one lies within the map, or nearly
        return max(before - math.floor(start), 0), after + 1
    last = slope * (length - 1) + start
    low, high = min(start, last), max(start, last)
    return max(before - math.floor(low), 0), max(math.floor(high) + after - size + 1, 0)

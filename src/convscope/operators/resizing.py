"""Resizing by the nearest number or by a straight line between two: Resize and Upsample.

out[n, c, y, x] = in[n, c, y // 2, x // 2]

A number a third of the way between two neighbours is the mean of three: twice the nearer one, once the
other. So interpolation along a line is a mean too, whatever the fraction:

out[n, c, y] = mean t<3  in[n, c, (y + t) // 3]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation, Index, Mean
from convscope.notation.sizes import is_known
from convscope.operators.rule import LARGEST, Node, Rule

MOST_CHECKED = 1 << 16
"""Along longer axes no regular order is looked for."""

MOST_PARTS = 64
"""A step between two neighbours is divided into so many parts at most.

And into a power of two: thirds the engine rounds before it interpolates, so that it computes a little more
wrongly than any arithmetic on the values themselves explains.
"""

_ROUNDED: dict[str, Callable[[float], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda v: math.ceil(v - 0.5),
    "round_prefer_ceil": lambda v: math.floor(v + 0.5),
}

_PLACES: dict[str, Callable[[int, float, int, int], float]] = {
    "asymmetric": lambda y, s, n, m: y / s,
    "half_pixel": lambda y, s, n, m: (y + 0.5) / s - 0.5,
    "half_pixel_symmetric": lambda y, s, n, m: n / 2 * (1 - m / (n * s)) + (y + 0.5) / s - 0.5,
    "pytorch_half_pixel": lambda y, s, n, m: (y + 0.5) / s - 0.5 if m > 1 else 0.0,
    "align_corners": lambda y, s, n, m: y * (n - 1) / (m - 1) if m > 1 else 0.0,
}
"""Where an output position lies in the input: position, scale, sizes of the input and the output."""


_LINES: dict[str, Callable[[Fraction, int, int], tuple[Fraction, Fraction]]] = {
    "asymmetric": lambda s, n, m: (1 / s, Fraction(0)),
    "half_pixel": lambda s, n, m: (1 / s, (1 / s - 1) / 2),
    "half_pixel_symmetric": lambda s, n, m: (1 / s, (n - m / s) / 2 + (1 / s - 1) / 2),
    "pytorch_half_pixel": lambda s, n, m: (1 / s, (1 / s - 1) / 2 if m > 1 else Fraction(0)),
    "align_corners": lambda s, n, m: (Fraction(n - 1, max(m - 1, 1)), Fraction(0)),
}
"""The same places, exactly: position y lies at a·y + b. From scale, sizes of the input and the output."""


def _index(axis: Axis, size: int, reads: Sequence[int]) -> Index:
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


def _fraction(scale: float) -> Fraction:
    """Return a scale as the fraction that it is meant to be: 0.33333334 as a third."""
    found = Fraction(scale).limit_denominator(1 << 10)
    if abs(found - Fraction(scale)) > Fraction(scale) / 10**6:
        raise NoEquation(f"its scale {scale} is no simple fraction")
    return found


def _between(
    axis: Axis, part: str, line: tuple[Fraction, Fraction], size: int, length: int
) -> tuple[Index, Axis | None, tuple[int, int]]:
    """Return where a position reads, the axis of the mean if there is one, and the border that it needs."""
    slope, start = line
    parts = math.lcm(slope.denominator, start.denominator)
    if parts > MOST_PARTS or parts & (parts - 1):
        raise NoEquation("its positions are no halves, quarters, eighths …")
    first, step = int(start * parts), int(slope * parts)
    at = axis * step + first
    least, most = first // parts, (step * (length - 1) + first + parts - 1) // parts
    if (step, first, parts) == (1, 0, 1):
        at = axis
    inner = None
    if parts > 1:
        inner = axis.like(part, parts)
        at = (at + inner) // parts
    return at, inner, (max(-least, 0), max(most - size + 1, 0))


def _linear(node: Node, out: Sequence[Axis], scales: Sequence[Fraction], where: str) -> Equation:
    shape = node.shape()
    if where not in _LINES:
        raise NoEquation(f"it resizes in the way {where!r}")
    for name in ("antialias", "exclude_outside"):
        if node.flag(name):
            raise NoEquation(f"it is set to {name}")
    at: list[Index] = []
    parts: list[Axis] = []
    borders = []
    for number, (axis, size, scale) in enumerate(zip(out, shape, scales, strict=True)):
        assert is_known(axis.size) and is_known(size)
        line = (Fraction(1), Fraction(0))
        if where == "align_corners" and scale * size != axis.size:
            raise NoEquation("the standard and ONNX Runtime differ about where its corners lie")
        if scale != 1 or axis.size != size:
            line = _LINES[where](scale, size, axis.size)
        index, part, border = _between(axis, f"t{number}", line, size, axis.size)
        at.append(index)
        borders.append(border)
        parts += [part] if part is not None else []
    read = node.tensor().padded(borders, "edge")[tuple(at)]
    return Equation(tuple(out), Mean(*parts)(read) if parts else read)


def _kept_ratio(
    policy: str, places: Sequence[int], shape: Sequence[int], wanted: Sequence[int]
) -> tuple[float, tuple[int, ...]]:
    """Return the one scale of all axes that fits or fills the wanted sizes, and what they become."""
    ratios = [Fraction(w, shape[p]) for p, w in zip(places, wanted, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return float(scale), tuple(math.floor(scale * shape[p] + Fraction(1, 2)) for p in places)


def resize(node: Node) -> Equation:
    shape = node.shape()
    rank = len(shape)
    mode = node.text("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise NoEquation("it mixes neighbouring numbers")
    all_known(shape)
    axes = node.wholes("axes", None, range(rank), -LARGEST) or ()
    places = [node.axis(a, rank, "axes") for a in axes]
    scales, lengths = [1.0] * rank, list(shape)
    last = node.op == "Upsample" or node.opset < 11
    if node.has(3) and node.values(3):
        policy = node.text("keep_aspect_ratio_policy", "stretch")
        wanted = node.whole_values(3)
        if len(wanted) != len(places):
            raise SettingError(f"sizes must be {len(places)} numbers, not {list(wanted)}")
        for length in wanted:
            if not 1 <= length <= LARGEST:
                raise SettingError(f"sizes: {length} is no size")
        if policy != "stretch":
            if policy not in ("not_larger", "not_smaller"):
                raise NoEquation(f"its sizes follow from {policy!r}")
            scale, wanted = _kept_ratio(policy, places, shape, wanted)
        for place, length in zip(places, wanted, strict=True):
            lengths[place] = length
            scales[place] = length / shape[place] if policy == "stretch" else scale
    else:
        given = node.attributes.get("scales") or node.values(1 if last else 2)
        if len(given) != len(places):
            raise SettingError(f"scales must be {len(places)} numbers, not {list(given)}")
        for place, scale in zip(places, given, strict=True):
            if not isinstance(scale, (int, float)) or not 0 < scale < LARGEST:
                raise SettingError(f"scales: {scale!r} is no scale")
            lengths[place], scales[place] = math.floor(shape[place] * scale), scale
    where = "asymmetric" if last else node.text("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if last else node.text("nearest_mode", "round_prefer_floor")
    if min(lengths) < 1:
        raise ShapeError(f"{node.op} leaves nothing")
    out = node.layout.axes(lengths)
    if mode == "linear":
        return _linear(node, out, [_fraction(scale) for scale in scales], where)
    if where not in _PLACES or rounding not in _ROUNDED:
        raise NoEquation(f"it resizes in the way {where!r}, {rounding!r}")
    at: list[Index] = []
    for axis, size, length, scale in zip(out, shape, lengths, scales, strict=True):
        if not is_known(length) or length > MOST_CHECKED:
            raise NoEquation("it is too large to find its order")
        reads = [
            min(max(_ROUNDED[rounding](_PLACES[where](y, scale, size, length)), 0), size - 1)
            for y in range(length)
        ]
        at.append(_index(axis, size, reads))
    return Equation(out, node.read(0, *at))


RULES = {
    "Resize": Rule(resize, given=frozenset((1, 2, 3))),
    "Upsample": Rule(resize, given=frozenset((1,))),
}

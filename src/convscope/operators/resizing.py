"""Resizing by the nearest number or by a straight line between two: Resize and Upsample.

out[n, c, y, x] = in[n, c, y // 2, x // 2]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from convscope.equations.resizing import LINES, PLACES, ROUNDED, linear, nearest, on_a_line, reach
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation, Index
from convscope.notation.sizes import is_known
from convscope.operators.rule import LARGEST, Node, Rule

MOST_CHECKED = 1 << 16
"""Along longer axes no regular order is looked for."""

MOST_PARTS = 64
"""A step between two neighbours is divided into so many parts at most.

And into a power of two: thirds the engine rounds before it interpolates, so that it computes a little more
wrongly than any arithmetic on the values themselves explains.
"""


def _fraction(scale: float) -> Fraction:
    """Return a scale as the fraction that it is meant to be: 0.33333334 as a third."""
    found = Fraction(scale).limit_denominator(1 << 10)
    if abs(found - Fraction(scale)) > Fraction(scale) / 10**6:
        raise NoEquation(f"its scale {scale} is no simple fraction")
    return found


def _linear(node: Node, out: Sequence[Axis], scales: Sequence[Fraction], where: str) -> Equation:
    shape = node.shape()
    if where not in LINES:
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
            line = LINES[where](scale, size, axis.size)
        index, part = on_a_line(axis, f"t{number}", line)
        if part is not None:
            if part.size > MOST_PARTS or part.size & (part.size - 1):
                raise NoEquation("its positions are no halves, quarters, eighths …")
            parts.append(part)
        at.append(index)
        borders.append(reach(line, size, axis.size))
    return linear(node.tensor(), out, at, parts, borders)


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
    if where not in PLACES or rounding not in ROUNDED:
        raise NoEquation(f"it resizes in the way {where!r}, {rounding!r}")
    at: list[Index] = []
    for axis, size, length, scale in zip(out, shape, lengths, scales, strict=True):
        if not is_known(length) or length > MOST_CHECKED:
            raise NoEquation("it is too large to find its order")
        reads = [
            min(max(ROUNDED[rounding](PLACES[where](y, scale, size, length)), 0), size - 1)
            for y in range(length)
        ]
        at.append(nearest(axis, size, reads))
    return Equation(out, node.read(0, *at))


RULES = {
    "Resize": Rule(resize, given=frozenset((1, 2, 3))),
    "Upsample": Rule(resize, given=frozenset((1,))),
}

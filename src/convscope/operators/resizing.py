"""Resizing by the nearest number: Resize and Upsample.

out[n, c, y, x] = in[n, c, y // 2, x // 2]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation, Index
from convscope.notation.sizes import is_known
from convscope.operators.rule import LARGEST, Node, NoEquation, Rule, all_known, axes_of

MOST_CHECKED = 1 << 16
"""Along longer axes no regular order is looked for."""

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


def resize(node: Node) -> Equation:
    shape = node.shape()
    rank = len(shape)
    if node.text("mode", "nearest") != "nearest":
        raise NoEquation("it mixes neighbouring numbers")
    all_known(shape)
    axes = node.wholes("axes", None, range(rank), -LARGEST) or ()
    places = [node.axis(a, rank, "axes") for a in axes]
    scales, lengths = [1.0] * rank, list(shape)
    last = node.op == "Upsample" or node.opset < 11
    if node.has(3) and node.values(3):
        if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise NoEquation("its sizes follow from the aspect ratio")
        for place, length in zip(places, node.whole_values(3), strict=True):
            if not 1 <= length <= LARGEST:
                raise SettingError(f"sizes: {length} is no size")
            lengths[place], scales[place] = length, length / shape[place]
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
    if where not in _PLACES or rounding not in _ROUNDED:
        raise NoEquation(f"it resizes in the way {where!r}, {rounding!r}")
    if min(lengths) < 1:
        raise ShapeError(f"{node.op} leaves nothing")
    out = axes_of(lengths)
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

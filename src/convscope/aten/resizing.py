"""Resizing by the nearest number or by a straight line between two.

out[n, c, y, x] = in[n, c, y // 2, x // 2]
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from convscope.aten.rule import Call, Given, NoEquation, Rule, Spelled, Write
from convscope.notation import Equation


def _sizes(call: Call, spatial: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the sizes that a resizing gives, and its scales."""
    shape = tuple(map(int, call.shape()))[2:]
    given = call["output_size"]
    factors = call["scale_factors"]
    if factors is None:
        factors = tuple(call[n] for n in ("scales_d", "scales_h", "scales_w", "scales")[4 - spatial - 1 :] if n in call.settings)  # fmt: skip
        factors = factors if factors and None not in factors else None
    if given is not None:
        sizes = tuple(given)
        scales = tuple(m / n for m, n in zip(sizes, shape, strict=True))
        if factors is not None and len(factors) == spatial:
            scales = tuple(map(float, factors))
        return sizes, scales
    if factors is None:
        raise NoEquation("its size is known only when it runs")
    sizes = tuple(int(s * f) for s, f in zip(shape, factors, strict=True))
    return sizes, tuple(map(float, factors))


def _settings(call: Call, spatial: int, mode: str) -> tuple[dict[str, Any], list[float]]:
    sizes, scales = _sizes(call, spatial)
    shape = call.shape()[2:]
    if mode == "nearest":
        settings = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        if call.op.startswith("_upsample_nearest_exact"):
            settings = {
                "coordinate_transformation_mode": "half_pixel",
                "nearest_mode": "round_prefer_ceil",
            }
    elif call["align_corners"]:
        settings = {"coordinate_transformation_mode": "align_corners"}
    else:
        settings = {"coordinate_transformation_mode": "half_pixel"}
    for size, length, scale in zip(shape, sizes, scales, strict=True):
        if int(size * scale) != length:
            raise NoEquation("its scale and its size differ")
    return {"mode": mode, **settings}, [1.0, 1.0, *scales]


def _resized(spatial: int, mode: str) -> Rule:
    def state(call: Call) -> Equation:
        settings, scales = _settings(call, spatial, mode)
        tidy = tuple(float(Fraction(s).limit_denominator(1 << 10)) for s in scales)
        return call.as_onnx(
            Spelled("Resize", (call.first(), None, Given(tidy, (len(tidy),))), settings)
        )

    def write(call: Call, form: Write) -> str:
        settings, _ = _settings(call, spatial, mode)
        sizes, _ = _sizes(call, spatial)
        whole = form.whole(*map(int, call.shape()[:2]), *sizes)
        return form.node("Resize", form.input(call.first()), "", "", whole, **settings)

    return Rule(state, write)


RULES = {
    **{f"upsample_nearest{n}d": _resized(n, "nearest") for n in (1, 2, 3)},
    **{f"_upsample_nearest_exact{n}d": _resized(n, "nearest") for n in (1, 2, 3)},
    "upsample_linear1d": _resized(1, "linear"),
    "upsample_bilinear2d": _resized(2, "linear"),
    "upsample_trilinear3d": _resized(3, "linear"),
}

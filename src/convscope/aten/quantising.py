"""Numbers rounded as whole numbers of few bits would hold them, in training that prepares for those.

out[n, c] = (min(max(round(in[n, c] / scale[c]) + zero[c], −128), 127) − zero[c]) · scale[c]
"""

from __future__ import annotations

from convscope.aten.rule import Call, Rule, Write, axes_of
from convscope.equations.quantising import dequantised, quantised
from convscope.notation import Equation
from convscope.notation.expression import Number


def _held(given: Call) -> Equation:
    shape = given.shape("self")
    axes = axes_of(shape)
    along = axes[given.axis("axis", len(shape))] if "axis" in given.settings else 0
    scale, zero = (
        given.read(name, *(along for _ in given.shape(name)))
        if given.has(name)
        else Number(given.number(name))
        for name in ("scale", "zero_point")
    )
    bounds = given.whole("quant_min"), given.whole("quant_max")
    whole = quantised(given.read("self", *axes), scale, zero, *bounds)
    return Equation(axes, dequantised(whole, scale, zero))


def _write_held(given: Call, form: Write) -> str:
    shape = given.shape("self")

    def spread(name: str) -> str:
        if not given.has(name):
            return form.number(given.number(name))
        if "axis" not in given.settings:
            return form.node("Reshape", form.input(name), form.whole(1))
        behind = len(shape) - 1 - given.axis("axis", len(shape))
        return form.node("Reshape", form.input(name), form.whole(-1, *(1 for _ in range(behind))))

    scale, zero = spread("scale"), form.node("Cast", spread("zero_point"), to=1)
    whole = form.node("Round", form.node("Div", form.input("self"), scale))
    whole = form.node("Max", form.node("Add", whole, zero), form.number(given.number("quant_min")))
    whole = form.node("Min", whole, form.number(given.number("quant_max")))
    return form.node("Mul", form.node("Sub", whole, zero), scale)


RULES = {
    f"fake_quantize_per_{kind}_affine": Rule(_held, _write_held) for kind in ("tensor", "channel")
}

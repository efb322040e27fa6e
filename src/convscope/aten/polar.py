"""A point as its distance and its angle: hypot and atan2.

out[n] = √(x[n]² + y[n]²)
"""

from __future__ import annotations

import math

from convscope.aten.pointwise import both_numbers, numbers_of
from convscope.aten.rule import Call, Rule, Write
from convscope.equations.pointwise import ATAN2
from convscope.notation import Equation, call
from convscope.notation.functions import SQRT


def _angle(given: Call) -> Equation:
    axes, y, x = both_numbers(given)
    return Equation(axes, call(ATAN2, y, x))


def _write_angle(given: Call, form: Write) -> str:
    return write_angle(form, *numbers_of(given, form, "self", "other"))


def write_angle(form: Write, y: str, x: str) -> str:
    """Write the angle of the point (x, y), which ONNX has no operator for."""
    none, half = form.number(0.0), form.number(math.pi)

    def below(number: str) -> str:
        turned = form.node("Reciprocal", number)  # −0 is below 0, too
        return form.node("Less", form.node("Min", number, turned), none)

    flat = form.node("Div", y, form.node("Where", form.node("Equal", x, none), form.number(1.0), x))
    flat = form.node("Atan", flat)
    turned = form.node("Add", form.node("Where", below(y), form.number(-math.pi), half), flat)
    flat = form.node("Where", below(x), turned, flat)
    up = form.node("Mul", form.node("Sign", y), form.number(math.pi / 2))
    steep = form.node("Sub", up, form.node("Atan", form.node("Div", x, y)))
    is_steep = form.node("Greater", form.node("Abs", y), form.node("Abs", x))
    return form.node("Where", is_steep, steep, flat)


def _hypotenuse(given: Call) -> Equation:
    axes, a, b = both_numbers(given)
    return Equation(axes, call(SQRT, a * a + b * b))


def _write_hypotenuse(given: Call, form: Write) -> str:
    squares = (form.node("Mul", x, x) for x in numbers_of(given, form, "self", "other"))
    return form.node("Sqrt", form.node("Add", *squares))


RULES = {
    "atan2": Rule(_angle, _write_angle),
    "hypot": Rule(_hypotenuse, _write_hypotenuse),
}

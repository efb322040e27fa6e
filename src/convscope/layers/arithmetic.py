"""One number put to every number of a map, as x + 3 in a network's code does."""

from __future__ import annotations

from collections.abc import Iterable

from convscope.layers.arguments import choice, flag, number
from convscope.layers.base import Form, Sample, Value
from convscope.layers.elementwise import Elementwise
from convscope.notation import Axis, Expression, Read, call
from convscope.notation.expression import as_expression
from convscope.notation.functions import MAXIMUM, MINIMUM
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

OPERATORS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "maximum": "Max",
    "minimum": "Min",
}
"""The operations, and what ONNX calls them."""


class Arithmetic(Elementwise):
    """Every number and one constant, added, subtracted, multiplied, divided, or the larger of the two.

    >>> print(Arithmetic("add", 3.0).equation((26, 26, 32)))
    out[y, x, c] = in[y, x, c] + 3
    >>> print(Arithmetic("subtract", 1.0, reverse=True).equation((26, 26, 32)))
    out[y, x, c] = 1 − in[y, x, c]

    `operation` is add, subtract, multiply, divide, maximum or minimum; with `reverse` the constant
    comes first. What Keras files say of `x + 3` and `keras.ops.add(x, 3)`. No weights.
    """

    def __init__(self, operation: str, value: float, reverse: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.operation = choice(operation, "Arithmetic: operation", tuple(OPERATORS))
        self.constant = number(value, "Arithmetic: value")
        self.reverse = flag(reverse, "Arithmetic: reverse")

    def settings(self) -> dict[str, Any]:
        return {"operation": self.operation, "value": self.constant, "reverse": self.reverse}

    def value(self, x: Read, axes: tuple[Axis, ...]) -> Expression:
        first: Expression = x
        second: Expression = as_expression(self.constant)
        if self.reverse:
            first, second = second, first
        match self.operation:
            case "add":
                return first + second
            case "subtract":
                return first - second
            case "multiply":
                return first * second
            case "divide":
                return first / second
            case "maximum":
                return call(MAXIMUM, first, second)
            case _:
                return call(MINIMUM, first, second)

    def emit(self, form: Form, x: Value) -> str:
        names = [x.name, form.constant(self.constant)]
        return form.node(OPERATORS[self.operation], *(names[::-1] if self.reverse else names))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("add", 3), ((3, 5, 4),))
        yield Sample(cls("subtract", 0.5, reverse=True), ((3, 5, 4),))
        yield Sample(cls("multiply", 1 / 6), ((3, 5, 4),))
        yield Sample(cls("divide", 4), ((3, 5),))
        yield Sample(cls("divide", 0.25, reverse=True), ((7,),))
        yield Sample(cls("maximum", 0.1), ((3, 5, 4),))
        yield Sample(cls("minimum", -0.1), ((3, 5, 4),))

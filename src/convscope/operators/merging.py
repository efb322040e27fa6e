"""Operators that put several inputs together, number by number: arithmetic, conditions, choices; and concatenation.

out[n, k, y, x] = a[n, k, y, x] + b[n, k, y, x]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from convscope.equations.merging import broadcast, concatenation, joined_shape
from convscope.equations.pointwise import (
    DIFFERS,
    EQUAL,
    GREATER,
    both,
    chosen,
    either,
    negated,
    one_of,
    power,
    truncated,
)
from convscope.equations.stating import NoEquation
from convscope.notation import Equation, Expression, call
from convscope.notation.expression import Number
from convscope.notation.functions import AT_LEAST, FLOOR, MAXIMUM, MINIMUM
from convscope.notation.sizes import LARGEST
from convscope.operators.elements import ALL, BOOL, FLOAT, FLOATS, NUMBERS, ONNX, Kind
from convscope.operators.rule import (
    Given,
    Node,
    Rule,
    spread,
)

_CONSTANT: Mapping[int | str, str] = {"*": "constant"}


def _merged(
    combine: Callable[[Sequence[Expression]], Expression],
    takes: frozenset[Kind] = FLOATS,
    gives: int | None = None,
) -> Rule:
    """Return the rule of an operator that combines the numbers at one position; inputs broadcast."""

    def state(node: Node) -> Equation:
        places = range(len(node))
        shape = broadcast([node.shape(place) for place in places], node.op)
        if not shape and all(isinstance(slot, Given) for slot in node.slots):
            raise NoEquation("it reads nothing")
        axes = node.layout.axes(shape, "k")
        return Equation(axes, combine([spread(node, place, axes) for place in places]))

    return Rule(state, _CONSTANT, takes=takes, gives=gives)


def _two(combine: Callable[[Any, Any], Expression], takes: frozenset[Kind] = NUMBERS) -> Rule:
    return _merged(lambda values: reduce(combine, values), takes)


def _condition(combine: Callable[[Any, Any], Expression], takes: frozenset[Kind] = ALL) -> Rule:
    return _merged(lambda values: reduce(combine, values), takes, BOOL)


def powers(node: Node) -> Equation:
    shape = broadcast([node.shape(0), node.shape(1)], node.op)
    axes = node.layout.axes(shape, "k")
    exponent = spread(node, 1, axes)
    told = exponent.value if isinstance(exponent, Number) else exponent
    return Equation(axes, power(spread(node, 0, axes), told))


def remainder(node: Node) -> Equation:
    """x − y·⌊x/y⌋, or with fmod what is left with the sign of x."""
    if not node.flag("fmod") and ONNX.get(node.element) == "float":
        raise NoEquation("it takes the remainder of floats without fmod")
    axes = node.layout.axes(broadcast([node.shape(0), node.shape(1)], node.op), "k")
    x, y = spread(node, 0, axes), spread(node, 1, axes)
    times = truncated(x / y) if node.flag("fmod") else call(FLOOR, x / y)
    return Equation(axes, x - y * times)


def choice(node: Node) -> Equation:
    """Where: one number where a condition holds, else the other."""
    axes = node.layout.axes(broadcast([node.shape(n) for n in range(3)], node.op), "k")
    return Equation(axes, chosen(*(spread(node, n, axes) for n in range(3))))


def _of_choice(node: Node) -> int:
    return node.elements[1] or node.elements[2] or FLOAT


def concat(node: Node) -> Equation:
    shapes = [node.shape(place) for place in range(len(node))]
    place = node.axis(node.whole("axis", 1, -LARGEST), len(shapes[0]))
    axes = node.layout.axes(joined_shape(shapes, place, node.op, place), "k")
    return concatenation([node.tensor(n) for n in range(len(node))], shapes, place, axes)


RULES = {
    "Add": _two(lambda a, b: a + b),
    "Sum": _two(lambda a, b: a + b),
    "Sub": _two(lambda a, b: a - b),
    "Mul": _two(lambda a, b: a * b),
    "Div": _two(lambda a, b: a / b, FLOATS),
    "Max": _two(lambda a, b: call(MAXIMUM, a, b)),
    "Min": _two(lambda a, b: call(MINIMUM, a, b)),
    "Mean": _merged(lambda values: reduce(lambda a, b: a + b, values) / len(values)),
    "Pow": Rule(powers, {0: "constant", 1: "exponent"}, takes=NUMBERS),
    "Mod": Rule(remainder, _CONSTANT, takes=NUMBERS),
    "Equal": _condition(lambda a, b: call(EQUAL, a, b)),
    "Greater": _condition(lambda a, b: call(GREATER, a, b)),
    "Less": _condition(lambda a, b: call(GREATER, b, a)),
    "GreaterOrEqual": _condition(lambda a, b: call(AT_LEAST, a, b)),
    "LessOrEqual": _condition(lambda a, b: call(AT_LEAST, b, a)),
    "And": _condition(both),
    "Or": _condition(either),
    "Xor": _condition(one_of),
    "Not": _merged(lambda values: negated(values[0]), ALL, BOOL),
    "IsNaN": _merged(lambda values: call(DIFFERS, values[0], values[0]), FLOATS, BOOL),
    "Where": Rule(choice, _CONSTANT, takes=ALL, gives=_of_choice),
    "Concat": Rule(concat, takes=ALL),
}

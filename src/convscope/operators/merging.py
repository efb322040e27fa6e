"""Operators that put several inputs together, number by number, and concatenation.

out[n, k, y, x] = a[n, k, y, x] + b[n, k, y, x]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from convscope.equations.merging import broadcast, concatenation, joined_shape
from convscope.equations.stating import NoEquation
from convscope.notation import Equation, Expression, call
from convscope.notation.functions import EXP, LOG, MAXIMUM, MINIMUM, SQRT
from convscope.operators.rule import (
    LARGEST,
    Given,
    Node,
    Rule,
    spread,
)

LARGEST_POWER = 8
"""Powers of more factors are not written out."""


def _merged(combine: Callable[[Sequence[Expression]], Expression]) -> Rule:
    """Return the rule of an operator that combines the numbers at one position; inputs broadcast."""

    def state(node: Node) -> Equation:
        places = range(len(node))
        shape = broadcast([node.shape(place) for place in places], node.op)
        if not shape and all(isinstance(slot, Given) for slot in node.slots):
            raise NoEquation("it reads nothing")
        axes = node.layout.axes(shape, "k")
        return Equation(axes, combine([spread(node, place, axes) for place in places]))

    return Rule(state, {"*": "constant"})


def _two(combine: Callable[[Any, Any], Expression]) -> Rule:
    return _merged(lambda values: reduce(combine, values))


def power(node: Node) -> Equation:
    shape = broadcast([node.shape(0), node.shape(1)], node.op)
    axes = node.layout.axes(shape, "k")
    x = spread(node, 0, axes)
    (exponent,) = values if len(values := node.values(1)) == 1 else (None,)
    if exponent is None:
        raise NoEquation("it has several exponents")
    exponent = float(exponent)
    if exponent == 0.5:
        return Equation(axes, call(SQRT, x))
    if exponent != int(exponent):
        return Equation(axes, call(EXP, exponent * call(LOG, x)))
    count = int(exponent)
    if not 1 <= abs(count) <= LARGEST_POWER:
        raise NoEquation(f"its exponent is {count}")
    product = reduce(lambda a, b: a * b, [x] * abs(count))
    return Equation(axes, product if count > 0 else 1.0 / product)


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
    "Div": _two(lambda a, b: a / b),
    "Max": _two(lambda a, b: call(MAXIMUM, a, b)),
    "Min": _two(lambda a, b: call(MINIMUM, a, b)),
    "Mean": _merged(lambda values: reduce(lambda a, b: a + b, values) / len(values)),
    "Pow": Rule(power, given=frozenset((1,))),
    "Concat": Rule(concat),
}

"""Operators that put several inputs together, number by number, and concatenation.

out[n, k, y, x] = a[n, k, y, x] + b[n, k, y, x]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

from convscope.equations.stating import NoEquation, all_known
from convscope.errors import ShapeError
from convscope.layers.base import shape_text
from convscope.notation import Equation, Expression, Pieces, call
from convscope.notation.functions import EXP, LOG, MAXIMUM, MINIMUM, SQRT
from convscope.notation.sizes import is_known
from convscope.operators.rule import (
    LARGEST,
    Given,
    Node,
    Rule,
    broadcast,
    spread,
)

LARGEST_POWER = 8
"""Powers of more factors are not written out."""


def _merged(combine: Callable[[Sequence[Expression]], Expression]) -> Rule:
    """Return the rule of an operator that combines the numbers at one position; inputs broadcast."""

    def state(node: Node) -> Equation:
        places = range(len(node))
        shape = broadcast(node, places)
        if not shape and all(isinstance(slot, Given) for slot in node.slots):
            raise NoEquation("it reads nothing")
        axes = node.layout.axes(shape, "k")
        return Equation(axes, combine([spread(node, place, axes) for place in places]))

    return Rule(state, {"*": "constant"})


def _two(combine: Callable[[Any, Any], Expression]) -> Rule:
    return _merged(lambda values: reduce(combine, values))


def power(node: Node) -> Equation:
    shape = broadcast(node, (0, 1))
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
    first = shapes[0]
    place = node.axis(node.whole("axis", 1, -LARGEST), len(first))
    for other in shapes[1:]:
        alike = len(first) == len(other) and all(
            n == place or not (is_known(a) and is_known(b)) or a == b
            for n, (a, b) in enumerate(zip(first, other, strict=True))
        )
        if not alike:
            raise ShapeError(
                f"{node.op}: inputs must have equal sizes except along axis {place}, not "
                f"{shape_text(first)} and {shape_text(other)}"
            )
    all_known([shape[place] for shape in shapes])
    ends = list(accumulate(shape[place] for shape in shapes))
    whole = tuple(ends[-1] if n == place else s for n, s in enumerate(first))
    axes = node.layout.axes(whole, "k")
    bodies: list[Expression] = []
    for number, (shape, start) in enumerate(zip(shapes, [0, *ends[:-1]], strict=True)):
        borders = [(0, 0)] * len(shape)
        borders[place] = (start, ends[-1] - start - shape[place])
        at = [axis - start if n == place else axis for n, axis in enumerate(axes)]
        bodies.append(node.tensor(number).padded(borders, "zero")[tuple(at)])
    if len(bodies) == 1:
        return Equation(axes, node.read(0, *axes))
    return Equation(axes, Pieces(axes[place], tuple(ends), tuple(bodies)))


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

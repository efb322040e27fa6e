"""What treats every number by itself, or the numbers at one position: powers, conditions, rounding.

A condition is 1 where it holds and else 0; of a NaN none holds but "differs".
"""

from __future__ import annotations

import math
import sys
from functools import reduce

from convscope.notation import Expression, call
from convscope.notation.expression import Operand
from convscope.notation.functions import (
    ABS,
    CEIL,
    FLOOR,
    MAXIMUM,
    POW,
    SELECT,
    SQRT,
    Formula,
    Function,
)

MOST_FACTORS = 8
"""Powers of more factors are not written out."""

_PAIR = ("x", "a")
_BOTH = ("mul", ("at_least", "x", "a"), ("at_least", "a", "x"))
EQUAL = Function("equal", _PAIR, _BOTH)
DIFFERS = Function("differs", _PAIR, ("sub", 1.0, _BOTH))
GREATER = Function(
    "greater", _PAIR, ("mul", ("at_least", "x", "a"), ("sub", 1.0, ("at_least", "a", "x")))
)


def _below(name: str) -> Formula:
    """Return what is above 0 where a number is below, or −0, which only its reciprocal tells from 0."""
    return ("max", ("sub", 0.0, name), ("sub", 0.0, ("div", 1.0, name)))


def _held(name: str) -> Formula:
    """Return a number, the largest in place of an infinite one: ∞ / ∞ would be none."""
    return ("max", -sys.float_info.max, ("min", name, sys.float_info.max))


_OVER: Formula = ("select", ("at_least", 0.0, ("abs", "x")), 1.0, _held("x"))
_FLAT: Formula = ("atan", ("div", _held("y"), _OVER))
_HALF: Formula = ("select", _below("y"), -math.pi, math.pi)
_STEEP: Formula = (
    "sub",
    ("select", "y", math.pi / 2, -math.pi / 2),
    ("atan", ("div", "x", ("select", ("abs", "y"), "y", 1.0))),
)
ATAN2 = Function(
    "atan2",
    ("y", "x"),
    (
        "select",
        ("sub", ("abs", "y"), ("abs", "x")),
        _STEEP,
        ("select", _below("x"), ("add", _HALF, _FLAT), _FLAT),
    ),
)
"""The angle of the point (x, y), from −π to π: the smaller of the two is divided by the larger."""


def power(x: Expression, exponent: Operand) -> Expression:
    """Return x to a power: as factors, roots and quotients where these say the same."""
    if isinstance(exponent, Expression):
        return call(POW, x, exponent)
    if exponent in (0.5, -0.5):
        root = call(SQRT, x)
        return root if exponent > 0 else 1.0 / root
    count = abs(exponent)
    if count != int(count) or not 1 <= count <= MOST_FACTORS:
        return call(POW, x, exponent)
    product = reduce(lambda a, b: a * b, [x] * int(count))
    return product if exponent > 0 else 1.0 / product


def truncated(x: Expression) -> Expression:
    """Return a number without what is behind its point."""
    return call(SELECT, x, call(FLOOR, x), call(CEIL, x))


def negated(condition: Expression) -> Expression:
    """Return 1 where a condition does not hold."""
    return 1.0 - condition


def both(a: Expression, b: Expression) -> Expression:
    """Return 1 where two conditions hold."""
    return a * b


def either(a: Expression, b: Expression) -> Expression:
    """Return 1 where one of two conditions holds, or both."""
    return call(MAXIMUM, a, b)


def one_of(a: Expression, b: Expression) -> Expression:
    """Return 1 where one of two conditions holds, and not both."""
    return call(ABS, a - b)


def chosen(condition: Expression, yes: Operand, no: Operand) -> Expression:
    """Return one number where a condition holds, else the other."""
    return call(SELECT, condition, yes, no)

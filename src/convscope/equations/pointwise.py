"""What treats every number by itself, or the numbers at one position: powers, conditions, rounding.

A condition is 1 where it holds and else 0; of a NaN none holds but "differs".
"""

from __future__ import annotations

from functools import reduce

from convscope.notation import Expression, call
from convscope.notation.expression import Operand
from convscope.notation.functions import ABS, CEIL, FLOOR, MAXIMUM, POW, SELECT, SQRT, Function

MOST_FACTORS = 8
"""Powers of more factors are not written out."""

_PAIR = ("x", "a")
_BOTH = ("mul", ("at_least", "x", "a"), ("at_least", "a", "x"))
EQUAL = Function("equal", _PAIR, _BOTH)
DIFFERS = Function("differs", _PAIR, ("sub", 1.0, _BOTH))
GREATER = Function(
    "greater", _PAIR, ("mul", ("at_least", "x", "a"), ("sub", 1.0, ("at_least", "a", "x")))
)


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

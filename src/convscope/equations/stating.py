"""What cannot be stated as an equation, and says why."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.notation import Expression, Size
from convscope.notation.expression import Number
from convscope.notation.sizes import is_known


class NoEquation(Exception):
    """This use of an operation cannot be said as an equation; the message is the reason."""


def is_number(expression: Expression | None, number: float) -> bool:
    """Whether an expression is nothing but a number that is written out, and this one."""
    return isinstance(expression, Number) and expression.value == number


def all_known(*shapes: Sequence[Size]) -> None:
    """Raise `NoEquation` unless every size is a number."""
    for shape in shapes:
        if {*map(type, shape)} != {int} and not all(map(is_known, shape)):
            raise NoEquation("it depends on a size that is not known yet")

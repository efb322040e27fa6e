"""What cannot be stated as an equation, and says why."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.notation import Size
from convscope.notation.sizes import is_known


class NoEquation(Exception):
    """This use of an operation cannot be said as an equation; the message is the reason."""


def all_known(*shapes: Sequence[Size]) -> None:
    """Raise `NoEquation` unless every size is a number."""
    if any(not is_known(size) for shape in shapes for size in shape):
        raise NoEquation("it depends on a size that is not known yet")

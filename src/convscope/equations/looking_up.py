"""Rows of a table, by their numbers: what an embedding does.

    out[t, o] = table[in[t], o]

Where an equation reads does not depend on what it reads, so that all rows stand there, of which one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.notation import Axis, Equation, Expression, Size, Sum, Tensor, call
from convscope.notation.expression import Place
from convscope.notation.functions import Formula, Function

_WHOLE: Formula = ("mul", ("sign", "x"), ("floor", ("abs", "x")))
_ROW: Formula = ("select", ("sub", 0.0, _WHOLE), ("add", _WHOLE, "rows"), _WHOLE)
IF_ROW = Function(
    "if_row",
    ("x", "row", "number", "rows"),
    ("select", ("abs", ("sub", _ROW, "row")), 0.0, "number"),
)
"""The number where x, cut to a whole number and counted from the end if negative, is that row; else 0."""


def looked_up(where: Expression, table: Tensor, v: Axis, o: Axis) -> Expression:
    """Return number o of the row of a table that another number names; v runs over all rows."""
    return named_row(where, table[v, o], v)


def named_row(where: Expression, number: Expression, v: Axis) -> Expression:
    """Return a number at the place v that another number names; v runs over all places."""
    return Sum(v)(call(IF_ROW, where, Place(v * 1), number, float(v.size)))


def gathered(
    image: Callable[..., Expression],
    shape: Sequence[Size],
    place: int,
    where: Callable[..., Expression],
    by: Sequence[Size],
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
) -> Equation:
    """Return the numbers of a tensor of this shape at places along one axis that are known only when it runs.

    image, where   read the tensor and the places, at one index after another
    by             the shape of the places; its axes stand where the one axis was
    """
    axes = named((*shape[:place], *by, *shape[place + 1 :]))
    behind = place + len(by)
    v = Axis("v", shape[place], "row")
    number = image(*axes[:place], v, *axes[behind:])
    return Equation(axes, named_row(where(*axes[place:behind]), number, v))


def gathered_each(
    image: Callable[..., Expression],
    place: int,
    size: Size,
    where: Callable[..., Expression],
    axes: Sequence[Axis],
) -> Equation:
    """Return numbers of a tensor, each at a place of its own along one axis of so many, known only when it runs."""
    v = Axis("v", size, "row")
    number = image(*axes[:place], v, *axes[place + 1 :])
    return Equation(axes, named_row(where(*axes), number, v))

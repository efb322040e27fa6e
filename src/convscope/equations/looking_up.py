"""Rows of a table, by their numbers: what an embedding does.

    out[t, o] = table[in[t], o]

Where an equation reads does not depend on what it reads, so that all rows stand there, of which one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from convscope.notation import Axis, Equation, Expression, Index, Size, Sum, Tensor, call
from convscope.notation.expression import Operand, Place, as_expression
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
    return Sum(v)(if_named([(where, v * 1, v.size)], number))


def if_named(named: Sequence[tuple[Expression, Index, Size]], number: Operand) -> Expression:
    """Return a number where others name its place: each with the place along an axis and that axis' size; else 0."""
    found = as_expression(number)
    for where, place, size in reversed(named):
        found = call(IF_ROW, where, Place(place), found, float(size))
    return found


def gathered(
    image: Callable[..., Expression],
    shape: Sequence[Size],
    where: Mapping[int, Callable[..., Expression]],
    by: Sequence[Size],
    first: int,
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
    shared: int = 0,
) -> Equation:
    """Return the numbers of a tensor of this shape at places that are known only when it runs.

    image    reads the tensor, at one index after another
    where    axis → reads the places along it, at one index after another
    by       the shape of the places; its axes stand at `first`, and those of the tensor that are not named around them
    shared   how many axes in front the places and the tensor have in common
    """
    others = [size for n, size in enumerate(shape) if n not in where]
    axes = named((*others[:first], *by, *others[first:]))
    at = axes[:shared] + axes[first : first + len(by)]
    called = "v" if len(where) == 1 else "v{}"
    rows = {n: Axis(called.format(i), shape[n], "row") for i, n in enumerate(sorted(where), 1)}
    rest = iter(axes[:first] + axes[first + len(by) :])
    number = image(*(rows[n] if n in rows else next(rest) for n in range(len(shape))))
    names = [(where[n](*at), rows[n] * 1, shape[n]) for n in rows]
    return Equation(axes, Sum(*rows.values())(if_named(names, number)))


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

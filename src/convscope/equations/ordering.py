"""Where the largest number is, and numbers in order of size.

    out[n] = argmax k<9  in[n, k]
    out[n, y] = max j<9  (in[n, j] if [rank[n, j] = y] > 0 else −∞)
      with rank[n, j] = Σ m<9  [in[n, m] > in[n, j]] + [in[n, m] = in[n, j]] · [m before j]

The number at place y of an order is the one of which exactly y others come before: those that are larger, and of equal
ones those in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.equations.pointwise import EQUAL
from convscope.notation import Axis, Equation, Expression, Index, Max, Size, Sum, call, local
from convscope.notation.expression import Call, Inside, Operand, Place, Reduction
from convscope.notation.functions import SELECT, Function

Reader = Callable[..., Expression]

ABOVE = Function(
    "above",
    ("x", "a"),
    ("mul", ("at_least", "a", "a"), ("sub", 1.0, ("at_least", "a", "x"))),
)
"""Whether one number comes above another where a NaN is the greatest of all, as in PyTorch."""

UNTOLD_ABOVE = Function(
    "above", ("x", "a"), ("mul", ("select", ("max", "x", "a"), 1.0, 1.0), ABOVE.formula)
)
"""The same where engines differ about a NaN: with one among the two it cannot be told."""

LEVEL = Function(
    "level",
    ("x", "a"),
    (
        "mul",
        ("sub", 1.0, ("abs", ("sub", ("at_least", "x", "a"), ("at_least", "a", "x")))),
        ("sub", 1.0, ("abs", ("sub", ("at_least", "x", "x"), ("at_least", "a", "a")))),
    ),
)
"""Whether neither of two numbers comes above the other: they are equal, or both no number."""

ALONE = Function(
    "alone", ("n",), ("select", ("div", ("at_least", 1.0, "n"), ("at_least", 1.0, "n")), 1.0, 1.0)
)
"""1, which cannot be told where n numbers are level and engines may take any of them."""


def place_of_largest(
    read: Reader,
    shape: Sequence[Size],
    places: Sequence[int],
    keep: bool,
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
    smallest: bool = False,
    last: bool = False,
) -> Equation:
    """Return where the largest number along some axes is, counted over them with the last one fastest.

    last   the last of equally large ones, along one axis; else the first
    """
    called = named(shape)
    runs = {
        n: called[n].like("k" if len(places) == 1 else f"k{i}", shape[n])
        for i, n in enumerate(places, 1)
    }
    stays = [n for n in range(len(shape)) if keep or n not in runs]
    out = named([1 if n in runs else shape[n] for n in stays])
    where = dict(zip(stays, out, strict=True))
    turned = {n: shape[n] - 1 - k if last else k for n, k in runs.items()}
    at: list[Index] = [turned[n] if n in runs else where[n] for n in range(len(shape))]
    body = 0.0 - read(*at) if smallest else read(*at)
    found: Expression = Reduction("first", tuple(runs.values()), body)
    if last:
        found = float(shape[places[0]] - 1) - found
    return Equation(out, found)


def ordered(
    read: Reader,
    shape: Sequence[Size],
    place: int,
    axes: Sequence[Axis],
    smallest: bool = False,
    where: bool = False,
    above: Function = ABOVE,
    any_of_level: bool = False,
) -> Equation:
    """Return the numbers along an axis in order, the largest first: as many as the axes have room for.

    where   where each number was instead
    """
    running = axes[place].like("j", shape[place])
    stays = tuple(axis for n, axis in enumerate(axes) if n != place)
    return Equation(
        axes,
        in_place(
            read, running, place, stays, Place(axes[place]), smallest, where, above, any_of_level
        ),
    )


def in_place(
    read: Reader,
    j: Axis,
    place: int,
    stays: Sequence[Axis],
    which: Operand,
    smallest: bool = False,
    where: bool = False,
    above: Function = ABOVE,
    any_of_level: bool = False,
) -> Expression:
    """Return the number along an axis, which j runs along, that stands at one place of their order, or where it was.

    above          which of two numbers comes before the other
    any_of_level   whether engines say of any of several equal numbers that it was there, not of the first in front
    """
    m = j.like("m", j.size)

    def along(index: Index) -> Expression:
        return read(*stays[:place], index, *stays[place:])

    pair = (along(j), along(m)) if smallest else (along(m), along(j))
    level = call(LEVEL, *pair)
    before = level * Inside((j - m - 1,), (j.size,))
    rank = local("rank", (*stays, j), Sum(m)(call(above, *pair) + before))
    here = call(EQUAL, rank[(*stays, j)], which)
    if not where:
        return Max(j)(call(SELECT, here, along(j), float("-inf")))
    found = Sum(j)(Place(j) * here)
    if not any_of_level:
        return found
    return found * call(ALONE, Sum(j, m)(here * level))


def any_is_taken(equation: Equation) -> bool:
    """Whether it says where a number was, and engines may say so of any of several equal ones."""
    return any(
        isinstance(node, Call) and node.function is ALONE for node in equation.expression.walk()
    )

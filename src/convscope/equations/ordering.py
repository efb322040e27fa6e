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
from convscope.notation.expression import Inside, Operand, Place, Reduction
from convscope.notation.functions import SELECT, Function

Reader = Callable[..., Expression]

_LARGER = ("max", "x", "a")
ABOVE = Function(
    "above",
    ("x", "a"),
    ("mul", ("at_least", _LARGER, "a"), ("sub", 1.0, ("at_least", "a", _LARGER))),
)
"""Whether one number is greater than another: of a NaN that cannot be told, since engines put it at either end."""


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
) -> Equation:
    """Return the numbers along an axis in order, the largest first: as many as the axes have room for.

    where   where each number was instead
    """
    running = axes[place].like("j", shape[place])
    stays = tuple(axis for n, axis in enumerate(axes) if n != place)
    return Equation(
        axes, in_place(read, running, place, stays, Place(axes[place]), smallest, where)
    )


def in_place(
    read: Reader,
    j: Axis,
    place: int,
    stays: Sequence[Axis],
    which: Operand,
    smallest: bool = False,
    where: bool = False,
) -> Expression:
    """Return the number along an axis, which j runs along, that stands at one place of their order, or where it was."""
    m = j.like("m", j.size)

    def along(index: Index) -> Expression:
        return read(*stays[:place], index, *stays[place:])

    above = (along(j), along(m)) if smallest else (along(m), along(j))
    before = call(EQUAL, *above) * Inside((j - m - 1,), (j.size,))
    rank = local("rank", (*stays, j), Sum(m)(call(ABOVE, *above) + before))
    here = call(EQUAL, rank[(*stays, j)], which)
    if where:
        return Sum(j)(Place(j) * here)
    return Max(j)(call(SELECT, here, along(j), float("-inf")))

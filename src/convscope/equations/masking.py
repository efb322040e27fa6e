"""Numbers chosen by a mask: which of them, and how many, other numbers say.

    out[k, c] = Σ y, x  in[y, x, c] if the mask holds at y, x and [rank[y, x] = k] else 0
      with rank[y, x] = Σ y′, x′  mask[y′, x′] · [(y′, x′) before (y, x)]

Place k of what is chosen is that of which exactly k chosen ones come before, the last axis fastest. How many there are is
known when it has run: an equation is of as many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.equations.pointwise import DIFFERS
from convscope.equations.stating import NoEquation
from convscope.notation import Axis, Equation, Expression, Pieces, Sum, call, local
from convscope.notation.expression import Inside, Place
from convscope.notation.functions import SAME, SELECT
from convscope.notation.index import in_one
from convscope.notation.sizes import Shape

Reader = Callable[..., Expression]


def _holds(mask: Reader, at: Sequence[Axis]) -> Expression:
    return call(DIFFERS, mask(*at), 0.0)


def _ranked(mask: Reader, at: Sequence[Axis]) -> Expression:
    """Return how many places before one hold."""
    own = [axis.like(f"p{n}", axis.size) for n, axis in enumerate(at, 1)]
    others = [axis.like(f"q{n}", axis.size) for n, axis in enumerate(at, 1)]
    behind = in_one(own) - in_one(others) - 1
    many = in_one(own).bounds({axis: (0, axis.size - 1) for axis in own})[1] + 1
    counted = _holds(mask, others) * Inside((behind,), (many,))
    return local("rank", own, Sum(*others)(counted))[tuple(at)]


def _chosen(mask: Reader, at: Sequence[Axis], k: Axis, number: Expression) -> Expression:
    here = _holds(mask, at) * call(SAME, _ranked(mask, at), Place(k))
    return Sum(*at)(call(SELECT, here, number, 0.0))


def masked(image: Reader, mask: Reader, over: Shape, ahead: int, axes: Sequence[Axis]) -> Equation:
    """Return the numbers of a tensor where a mask holds.

    over    the shape of the mask, which lies over that many axes of the tensor from `ahead` on
    axes    of the output: those before, that of the chosen places, those behind
    """
    at = _places(over)
    number = image(*axes[:ahead], *at, *axes[ahead + 1 :])
    return Equation(axes, _chosen(mask, at, axes[ahead], number))


def places(mask: Reader, over: Shape, axes: Sequence[Axis], along: int | None = None) -> Equation:
    """Return where a mask of this shape holds: axes (which of the places, along which axis); or `along` one alone."""
    at = _places(over)
    told = tuple(Place(axis) for axis in at)
    number: Expression = told[along or 0]
    if along is None and len(told) > 1:
        number = Pieces(axes[1], tuple(range(1, len(told) + 1)), told)
    return Equation(axes, _chosen(mask, at, axes[0], number))


def put(
    before: Expression,
    values: Reader,
    many: int,
    mask: Reader,
    axes: Sequence[Axis],
    ahead: int,
    over: int,
) -> Equation:
    """Return a tensor in which numbers were written where a mask holds.

    values   reads them, at one of so many and at the axes that the mask leaves
    over     over how many axes of the output the mask lies, from `ahead` on
    """
    at = axes[ahead : ahead + over]
    rest = (*axes[:ahead], *axes[ahead + over :])
    if many == 1:
        number = values(0, *rest)
    else:
        k = Axis("k", many, "update")
        found = call(SELECT, call(SAME, _ranked(mask, at), Place(k)), values(k, *rest), 0.0)
        number = Sum(k)(found)
    return Equation(axes, call(SELECT, _holds(mask, at), number, before))


def _places(over: Shape) -> tuple[Axis, ...]:
    if not over:
        raise NoEquation("its mask is a single number")
    return tuple(Axis(f"m{n}", size, "position") for n, size in enumerate(over, 1))

"""Reductions along axes: sums, means, maxima, and what is made of them; softmax over an axis.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import TypeAlias

from convscope.equations.layout import WINDOW_NAMES
from convscope.equations.normalising import moments
from convscope.equations.pointwise import DIFFERS, EQUAL, negated
from convscope.equations.stating import NoEquation, all_known
from convscope.notation import Axis, Equation, Expression, Index, Max, Mean, Size, Sum, Tensor, call
from convscope.notation.expression import Inside, Outside
from convscope.notation.functions import ABS, EXP, LOG, POW, SQRT
from convscope.notation.index import as_index

MOST_MULTIPLIED = 64
"""Products of more numbers are not written out."""

Reduce: TypeAlias = Callable[[Sequence[Axis], Expression], Expression]
"""What becomes of an expression while axes run."""

REDUCTIONS: Mapping[str, Reduce] = {
    "mean": lambda axes, x: Mean(*axes)(x),
    "sum": lambda axes, x: Sum(*axes)(x),
    "max": lambda axes, x: Max(*axes)(x),
    "min": lambda axes, x: 0.0 - Max(*axes)(0.0 - x),
    "l1": lambda axes, x: Sum(*axes)(call(ABS, x)),
    "l2": lambda axes, x: call(SQRT, Sum(*axes)(x * x)),
    "sum_square": lambda axes, x: Sum(*axes)(x * x),
    "log_sum": lambda axes, x: call(LOG, Sum(*axes)(x)),
    "log_sum_exp": lambda axes, x: call(LOG, Sum(*axes)(call(EXP, x))),
    "count": lambda axes, x: Sum(*axes)(call(DIFFERS, x, 0.0)),
    "any": lambda axes, x: Max(*axes)(call(DIFFERS, x, 0.0)),
    "all": lambda axes, x: negated(Max(*axes)(call(EQUAL, x, 0.0))),
}


def norm(order: float) -> Reduce:
    """Return the norm of an order: (Σ |x|^p)^(1/p), the largest |x| for ∞; raise `NoEquation` below 1."""
    if order in (1.0, 2.0):
        return REDUCTIONS["l1" if order == 1.0 else "l2"]
    if order == float("inf"):
        return lambda axes, x: Max(*axes)(call(ABS, x))
    if not order >= 1:
        raise NoEquation(f"it is the norm of order {order:g}")
    return lambda axes, x: call(POW, Sum(*axes)(call(POW, call(ABS, x), order)), 1 / order)


def reduction(
    reduce: Reduce,
    read: Callable[..., Expression],
    shape: Sequence[Size],
    places: Sequence[int],
    keep: bool,
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
) -> Equation:
    """Return the reduction of a tensor of this shape along the axes at some places.

    read    reads the tensor, at one index after another
    keep    whether each of them stays, with size 1
    named   gives axes to a tensor's shape
    """
    out, running, at = _placed(shape, places, keep, named)
    return Equation(out, reduce(running, read(*at)))


def product(
    read: Callable[..., Expression],
    shape: Sequence[Size],
    places: Sequence[int],
    keep: bool,
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
) -> Equation:
    """Return the product of all numbers along some axes, written out; raise `NoEquation` for many."""
    out, running, at = _placed(shape, places, keep, named)
    all_known([axis.size for axis in running])
    every = itertools.product(*(map(as_index, range(axis.size)) for axis in running))
    put: Iterator[dict[Index, Index]] = (dict(zip(running, p, strict=True)) for p in every)
    return Equation(out, written_out_product(read(*(p.get(i, i) for i in at)) for p in put))


def written_out_product(factors: Iterable[Expression]) -> Expression:
    """Return the product of some numbers, one by one; raise `NoEquation` for many, and for none."""
    few = list(itertools.islice(factors, MOST_MULTIPLIED + 1))
    if len(few) > MOST_MULTIPLIED:
        raise NoEquation("it multiplies many numbers")
    if not few:
        raise NoEquation("it reads or gives nothing")
    return reduce(operator.mul, few)


def variance(
    read: Callable[..., Expression],
    shape: Sequence[Size],
    places: Sequence[int],
    keep: bool,
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
    correction: float = 0.0,
    root: bool = False,
) -> Equation:
    """Return how far numbers spread about their mean along some axes: Σ (x − μ)² / (count − correction).

    root   its square root instead, the standard deviation
    """
    out, running, at = _placed(shape, places, keep, named)
    stays = tuple(axis for axis in out if any(axis is index for index in at))
    mean, spread = moments(read(*at), stays, running)
    value: Expression = spread.expression
    if correction:
        away = read(*at) - mean[stays]
        count = math.prod(axis.size for axis in running)
        value = Sum(*running)(away * away) / float(count - correction)
    return Equation(out, call(SQRT, value) if root else value)


def cumulative(
    reduce: Reduce,
    image: Tensor,
    axes: Sequence[Axis],
    place: int,
    empty: Outside = "zero",
    exclusive: bool = False,
    backwards: bool = False,
) -> Equation:
    """Return what the numbers up to each position come to along an axis.

    empty       what counts for positions before the first: "zero" for sums, "-inf" for maxima
    exclusive   without the position's own number
    backwards   the numbers from each position on
    """
    axis = axes[place]
    k = axis.like("k", axis.size)
    at, borders = list[Index](axes), [(0, 0)] * len(axes)
    own = int(exclusive)
    at[place] = axis + k + own if backwards else axis - k - own
    last = axis.size - 1 + own
    borders[place] = (0, last) if backwards else (last, 0)
    return Equation(axes, reduce((k,), image.padded(borders, empty)[tuple(at)]))


def cumulative_product(image: Tensor, axes: Sequence[Axis], place: int) -> Equation:
    """Return the product of the numbers up to each position along an axis, written out: 1 stands before the first."""
    axis = axes[place]
    all_known([axis.size])
    borders = [(0, 0)] * len(axes)
    borders[place] = (axis.size - 1, 0)

    def number(back: int) -> Expression:
        index = axis - back
        at = tuple(index if n == place else a for n, a in enumerate(axes))
        read = image.padded(borders, "zero")[at]
        return read + (1.0 - Inside((index,), (axis.size,))) if back else read

    return Equation(axes, written_out_product(map(number, range(axis.size))))


def _placed(
    shape: Sequence[Size],
    places: Sequence[int],
    keep: bool,
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
) -> tuple[tuple[Axis, ...], tuple[Axis, ...], list[Index]]:
    """Return the output's axes, those that run, and where a tensor of this shape is read."""
    called = named(shape)
    many = len(places)
    names = {1: ("k",), 2: WINDOW_NAMES[2], 3: WINDOW_NAMES[3]}.get(
        many, tuple(f"i{n}" for n in range(1, many + 1))
    )
    runs = {
        place: called[place].like(name, shape[place])
        for place, name in zip(places, names, strict=True)
    }
    stays = [n for n in range(len(shape)) if keep or n not in runs]
    out = named([1 if n in runs else shape[n] for n in stays])
    where = dict(zip(stays, out, strict=True))
    at: list[Index] = [runs[n] if n in runs else where[n] for n in range(len(shape))]
    running = tuple(runs.values()) or (Axis("i", 1, "position"),)
    return out, running, at

"""Reductions along axes: sums, means, maxima, and what is made of them; softmax over an axis.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from convscope.equations.layout import WINDOW_NAMES
from convscope.notation import Axis, Equation, Expression, Index, Max, Mean, Size, Sum, call
from convscope.notation.functions import ABS, EXP, LOG, SQRT

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
}


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
    return Equation(out, reduce(running, read(*at)))

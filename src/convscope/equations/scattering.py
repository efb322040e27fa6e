"""Writing: numbers go to the places that other numbers name, and the rest stays as it is.

    out[t] = in[t] + Σ k<5  if_row(indices[k], t, updates[k])          added
    out[t] = updates[last[t]] if any names t, else in[t]                written over

Seen from one place, it is asked of every number whether it goes there: as many questions as there are numbers to be
written, for every place. Of several that are written to one place the last one stays, as on a processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

from convscope.equations.looking_up import if_named
from convscope.equations.reducing import written_out_product
from convscope.equations.stating import NoEquation
from convscope.notation import (
    Axis,
    Equation,
    Expression,
    Index,
    Max,
    Size,
    Sum,
    Tensor,
    call,
    local,
)
from convscope.notation.expression import Inside, Number, Operand, Place, Reduction
from convscope.notation.functions import MAXIMUM, MINIMUM, SAME, SELECT
from convscope.notation.index import as_index, in_one, written_out
from convscope.notation.rewriting import substituted

MOST_PLACES = 1 << 14
"""So many places may be listed …"""

MOST_WRITTEN = 8
"""… and so many numbers be written to one of them."""


def scattered(
    axes: Sequence[Axis],
    before: Expression,
    named: Sequence[tuple[Expression, Index, int]],
    update: Expression,
    running: Sequence[Axis],
    how: str,
    alone: bool = False,
) -> Equation:
    """Return what a tensor is after numbers were written into it.

    axes      the output's
    before    what was there
    named     what an update names: for each axis that it names, the number, where the output is along it, its size
    update    one of the numbers that are written
    running   what the updates run along
    how       "none": it is written over; "add", "mul", "max", "min", "mean": all of them together
    alone     whether what was there has no part in that
    """

    def there(number: Operand) -> Expression:
        return if_named([(where, axis * 1, size) for where, axis, size in named], number)

    if how == "mul":
        factor = call(SELECT, there(1.0), update, 1.0)
        value = written_out_product(
            substituted(factor, {axis: as_index(p) for axis, p in zip(running, place, strict=True)})
            for place in product(*(range(axis.size) for axis in running))
        )
        value = value if alone else before * value
    elif how in ("add", "mean"):
        value = Sum(*running)(there(update))
        value = value if alone else before + value
        if how == "mean":
            count = Sum(*running)(there(1.0))
            value = value / (call(MAXIMUM, count, 1.0) if alone else 1.0 + count)
    elif how in ("max", "min"):
        sign, reduce = (1.0, MAXIMUM) if how == "max" else (-1.0, MINIMUM)
        other = call(SELECT, there(1.0), update, Number(-sign * math.inf))
        value = Max(*running)(other) if how == "max" else -1.0 * Max(*running)(-1.0 * other)
        value = value if alone else call(reduce, before, value)
    elif how == "none":
        flat = in_one(running)
        last = local("last", axes, Reduction("first", tuple(running), there(Place(flat + 1))))
        chosen = call(SELECT, call(SAME, last[tuple(axes)], Place(flat)), update, 0.0)
        value = Sum(*running)(chosen)
    else:
        raise NoEquation(f"what is written is taken together by {how!r}")
    if how == "none" or alone:
        any_one = local("any", axes, Max(*running)(there(1.0)))
        value = call(SELECT, any_one[tuple(axes)], value, before)
    return Equation(axes, value)


def along(
    axes: Sequence[Axis],
    place: int,
    before: Expression,
    index: Tensor | Sequence[int],
    by: Sequence[int],
    update: Tensor | Expression,
    wide: Sequence[int],
    how: str,
    alone: bool = False,
) -> Equation:
    """Return what a tensor is after every update was written where it names along one axis, and else stands.

    index    of shape `by`: reads the places, or the places themselves in C order
    update   of shape `wide`, at least as large; or one number, wherever it is written
    """
    shape = [int(axis.size) for axis in axes]
    if not isinstance(index, Tensor):
        names: list[list[int]] = [[] for _ in range(math.prod(shape))]
        steps = [math.prod(shape[n + 1 :]) for n in range(len(shape))]
        for name, (own, to) in enumerate(zip(product(*map(range, by)), index, strict=True)):
            spot = (to if n == place else one for n, one in enumerate(own))
            names[sum(step * one for step, one in zip(steps, spot, strict=True))].append(name)
        read = update if isinstance(update, Expression) else update.__getitem__
        each = (lambda *at: read) if isinstance(read, Expression) else (lambda *at: read(at))
        return put(axes, before, axes, names, by, each, how, alone)
    k = Axis("k", by[place], "update")
    at = tuple(k if n == place else axis for n, axis in enumerate(axes))

    def bordered(tensor: Tensor, sizes: Sequence[int]) -> Expression:
        more = [max(s - own, 0) for s, own in zip(shape, sizes, strict=True)]
        borders = [(0, 0 if n == place else one) for n, one in enumerate(more)]
        return tensor.padded(borders, "zero")[at]

    named = [(bordered(index, by), axes[place] * 1, shape[place])]
    number = update if isinstance(update, Expression) else bordered(update, wide)
    found = scattered(axes, before, named, number, (k,), how, alone)
    inside = [
        (a, b) for n, (a, b) in enumerate(zip(axes, by, strict=True)) if n != place and b < a.size
    ]
    if not inside:
        return found
    held = Inside(tuple(a for a, _ in inside), tuple(b for _, b in inside))
    return Equation(axes, call(SELECT, held, found.expression, before))


def unpooled(
    axes: Sequence[Axis],
    over: Sequence[Axis],
    place: Expression,
    number: Expression,
    running: Sequence[Axis],
) -> Equation:
    """Return maps in which numbers stand at the places that they were taken from, and 0 elsewhere.

    axes      of the output; places are counted along `over` of them, the last one fastest
    place     of a number, and the number, at one position of what runs
    """
    to = in_one(over)
    named = [(place, to, math.prod(int(axis.size) for axis in over))]
    return scattered(axes, Number(0.0), named, number, running, "none")


def put(
    axes: Sequence[Axis],
    before: Expression,
    over: Sequence[Axis],
    names: Sequence[Sequence[int]],
    shape: Sequence[Size],
    update: Callable[..., Expression],
    how: str,
    alone: bool = False,
) -> Equation:
    """Return what a tensor is after numbers were written into it at places that are known.

    over     the axes that are named, of known sizes
    names    for every place along those, in C order: which updates go there, counted in C order
    shape    of what the updates are counted along
    update   reads one update, at those places
    how      "none": it is written over; "add", "mul", "max", "min", "mean": all of them together
    alone    whether what was there has no part in that
    """
    if len(names) > MOST_PLACES:
        raise NoEquation(f"it writes to {len(names):,} places, more than are listed")
    flat = in_one(over)
    if how == "none":
        names, alone = [those[-1:] for those in names], True
    most = max(map(len, names))
    if most > MOST_WRITTEN:
        raise NoEquation(f"it writes {most} numbers to one place")
    value = before
    for turn in range(most):
        chosen = [those[turn] if turn < len(those) else None for those in names]
        at: list[Index] = []
        inner = math.prod(map(int, shape))
        for size in map(int, shape):
            inner //= size
            at.append(written_out(flat, [(name or 0) // inner % size for name in chosen]))
        found = update(*at) if alone and not turn else _together(value, update(*at), how)
        if None in chosen:
            there = written_out(flat, [int(name is not None) for name in chosen])
            found = call(SELECT, Place(there), found, value)
        value = found
    if how == "mean":
        counts = [max(len(those) + (not alone), 1) for those in names]
        value = value / Place(written_out(flat, counts))
    return Equation(axes, value)


def _together(before: Expression, update: Expression, how: str) -> Expression:
    match how:
        case "add" | "mean":
            return before + update
        case "mul":
            return before * update
        case "max" | "min":
            return call(MAXIMUM if how == "max" else MINIMUM, before, update)
    raise NoEquation(f"what is written is taken together by {how!r}")

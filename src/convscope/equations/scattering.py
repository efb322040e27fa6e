"""Writing: numbers go to the places that other numbers name, and the rest stays as it is.

    out[t] = in[t] + Σ k<5  if_row(indices[k], t, updates[k])          added
    out[t] = updates[last[t]] if any names t, else in[t]                written over

Seen from one place, it is asked of every number whether it goes there: as many questions as there are numbers to be
written, for every place. Of several that are written to one place the last one stays, as on a processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.equations.looking_up import IF_ROW
from convscope.equations.stating import NoEquation
from convscope.notation import Axis, Equation, Expression, Index, Max, Size, Sum, call, local
from convscope.notation.expression import Number, Operand, Place, Reduction, as_expression
from convscope.notation.functions import MAXIMUM, MINIMUM, SAME, SELECT
from convscope.notation.index import written_out

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
) -> Equation:
    """Return what a tensor is after numbers were written into it.

    axes      the output's
    before    what was there
    named     what an update names: for each axis that it names, the number, where the output is along it, its size
    update    one of the numbers that are written
    running   what the updates run along
    how       "none": it is written over; "add", "max", "min": the two together
    """

    def there(number: Operand) -> Expression:
        found = as_expression(number)
        for where, axis, size in reversed(named):
            found = call(IF_ROW, where, Place(axis * 1), found, float(size))
        return found

    if how == "add":
        return Equation(axes, before + Sum(*running)(there(update)))
    if how in ("max", "min"):
        sign = 1.0 if how == "max" else -1.0
        other = call(SELECT, there(1.0), update, Number(-sign * math.inf))
        if how == "max":
            return Equation(axes, call(MAXIMUM, before, Max(*running)(other)))
        return Equation(axes, call(MINIMUM, before, -1.0 * Max(*running)(-1.0 * other)))
    if how != "none":
        raise NoEquation(f"what is written is taken together by {how!r}")
    flat: Index = running[0] * 1
    for axis in running[1:]:
        flat = flat * axis.size + axis
    last = local("last", axes, Reduction("first", tuple(running), there(Place(flat + 1))))
    any_one = local("any", axes, Max(*running)(there(1.0)))
    chosen = call(SELECT, call(SAME, last[tuple(axes)], Place(flat)), update, 0.0)
    return Equation(axes, call(SELECT, any_one[tuple(axes)], Sum(*running)(chosen), before))


def put(
    axes: Sequence[Axis],
    before: Expression,
    over: Sequence[Axis],
    names: Sequence[Sequence[int]],
    shape: Sequence[Size],
    update: Callable[..., Expression],
    how: str,
) -> Equation:
    """Return what a tensor is after numbers were written into it at places that are known.

    over     the axes that are named, of known sizes
    names    for every place along those, in C order: which updates go there, counted in C order
    shape    of what the updates are counted along
    update   reads one update, at those places
    how      "none": it is written over; "add", "mul", "max", "min": the two together
    """
    if len(names) > MOST_PLACES:
        raise NoEquation(f"it writes to {len(names):,} places, more than are listed")
    flat: Index = over[0] * 1
    for axis in over[1:]:
        flat = flat * axis.size + axis
    if how == "none":
        names = [those[-1:] for those in names]
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
        found = _together(value, update(*at), how)
        if None in chosen:
            there = written_out(flat, [int(name is not None) for name in chosen])
            found = call(SELECT, Place(there), found, value)
        value = found
    return Equation(axes, value)


def _together(before: Expression, update: Expression, how: str) -> Expression:
    match how:
        case "none":
            return update
        case "add":
            return before + update
        case "mul":
            return before * update
        case "max" | "min":
            return call(MAXIMUM if how == "max" else MINIMUM, before, update)
    raise NoEquation(f"what is written is taken together by {how!r}")

"""Operators that give parts of a tensor: slices, one position, a diagonal; and what is made of such parts.

out[n, c] = in[n, 2c + 1]
"""

from __future__ import annotations

from itertools import pairwise

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import moving
from convscope.equations.pointwise import chosen
from convscope.notation import Axis, Equation, Expression, Sum
from convscope.notation.expression import Inside
from convscope.operators.elements import ALL, NUMBERS


def _sliced(given: Call, place: int, taken: range) -> Equation:
    """Return the positions of a range along an axis."""
    shape = given.shape()
    if not taken:
        raise NoEquation("its output is empty")
    firsts, steps, sizes = [0] * len(shape), [1] * len(shape), list(shape)
    firsts[place], steps[place], sizes[place] = taken[0], taken.step, len(taken)
    return moving.sliced(given.tensor(), axes_of(sizes), firsts, steps)


def _write_sliced(form: Write, x: str, place: int, taken: range) -> str:
    return form.node(
        "Slice", x, form.whole(taken.start), form.whole(taken.stop), form.whole(place), form.whole(taken.step),
    )  # fmt: skip


def _range(given: Call) -> tuple[int, range]:
    """Return along which axis a part lies, and which positions it takes."""
    if given.op in ("chunk", "split", "split_with_sizes", "tensor_split"):
        place, lengths = _lengths(given)
        start = sum(lengths[: given.output])
        return place, range(start, start + lengths[given.output])
    place = given.axis("dim", default=0)
    size = int(given.shape()[place])
    if given.op == "narrow":
        start = given.whole("start") % size
        return place, range(start, start + given.whole("length"))
    return place, range(size)[slice(given["start"], given["end"], given["step"] or 1)]


def _lengths(given: Call) -> tuple[int, list[int]]:
    """Return along which axis a tensor is split, and how long the parts are."""
    place = given.axis("dim", default=0)
    size = int(given.shape()[place])
    each: int
    if given.op == "chunk":
        each = -(-size // given.whole("chunks"))
    elif given.op == "tensor_split":
        if isinstance(given["indices"], tuple):
            ends = [min(i % size if i < 0 else i, size) for i in given["indices"]]
            return place, [b - a for a, b in pairwise([0, *ends, size])]
        count = given.whole("sections")
        return place, [size // count + (n < size % count) for n in range(count)]
    else:
        sizes = next(
            (given[n] for n in ("split_sizes", "split_size") if given[n] is not None), None
        )
        if isinstance(sizes, tuple):
            return place, list(sizes)
        if not isinstance(sizes, int) or sizes < 1:
            raise NoEquation("it is split nobody knows where")
        each = sizes
    return place, [min(each, size - start) for start in range(0, size, each)]


def _selected(given: Call) -> tuple[int, int]:
    """Return along which axis one position is taken, and which."""
    place = given.axis("dim", default=0)
    where = given.output if given.op == "unbind" else given.whole("index")
    return place, where % int(given.shape()[place])


def _select(given: Call) -> Equation:
    shape = given.shape()
    place, where = _selected(given)
    axes = axes_of([s for n, s in enumerate(shape) if n != place])
    return moving.selected(given.tensor(), axes, place, where)


def _write_select(given: Call, form: Write) -> str:
    place, where = _selected(given)
    part = _write_sliced(form, form.input(given.first()), place, range(where, where + 1))
    return form.node("Squeeze", part, form.whole(place))


def _along(given: Call) -> tuple[int, int, int, int, int]:
    """Return the axes of a diagonal, where it starts along each, and how long it is."""
    shape = given.shape()
    a, b = (given.axis(name, default=n) for n, name in enumerate(("dim1", "dim2")))
    away = given.whole("offset") if given["offset"] is not None else 0
    down, across = max(-away, 0), max(away, 0)
    many = min(int(shape[a]) - down, int(shape[b]) - across)
    if many < 1:
        raise NoEquation("its output is empty")
    return a, b, down, across, many


def _diagonal(given: Call) -> Equation:
    """aten::diagonal: two axes at once, along a new last one."""
    shape = given.shape()
    a, b, down, across, many = _along(given)
    axes = axes_of([*(s for n, s in enumerate(shape) if n not in (a, b)), many])
    rest = iter(axes[:-1])
    firsts = {a: down, b: across}
    at = [axes[-1] + firsts[n] if n in firsts else next(rest) for n in range(len(shape))]
    return Equation(axes, given.read(None, *at))


def _write_diagonal(given: Call, form: Write) -> str:
    """As numbers of both axes made one, behind the others."""
    shape = given.shape()
    a, b, down, across, many = _along(given)
    rest = [n for n in range(len(shape)) if n not in (a, b)]
    x = form.node("Transpose", form.input(given.first()), perm=[*rest, a, b])
    x = form.node("Reshape", x, form.whole(*(int(shape[n]) for n in rest), -1))
    flat = ((down + n) * int(shape[b]) + across + n for n in range(many))
    return form.node("Gather", x, form.whole(*flat), axis=len(rest))


def _apart(given: Call) -> tuple[int, int]:
    """Return along which axis neighbours are subtracted, and how many there are."""
    if given["n"] not in (None, 1) or given.has("prepend") or given.has("append"):
        raise NoEquation("it subtracts more than neighbours once")
    place = given.axis("dim", default=-1)
    return place, int(given.shape()[place])


def _differences(given: Call) -> Equation:
    """aten::diff: how much larger each number is than the one before it."""
    place, size = _apart(given)
    axes = axes_of([size - 1 if n == place else s for n, s in enumerate(given.shape())])
    after = [axis + 1 if n == place else axis for n, axis in enumerate(axes)]
    return Equation(axes, given.read(None, *after) - given.read(None, *axes))


def _write_differences(given: Call, form: Write) -> str:
    place, size = _apart(given)
    x = form.input(given.first())
    after, before = (_write_sliced(form, x, place, range(n, size - 1 + n)) for n in (1, 0))
    return form.node("Sub", after, before)


def _trace(given: Call) -> Equation:
    i = Axis("i", min(map(int, given.shape())), "position")
    return Equation((), Sum(i)(given.read(None, i, i)))


def _write_trace(given: Call, form: Write) -> str:
    rows, columns = map(int, given.shape())
    places = form.whole(*(n * (columns + 1) for n in range(min(rows, columns))))
    x = form.node("Reshape", form.input(given.first()), form.whole(-1))
    return form.node("ReduceSum", form.node("Gather", x, places, axis=0), keepdims=0)


def _put_across(given: Call) -> tuple[int, int, int, int]:
    """Return which axes of what aten::diag_embed gives hold a diagonal, how far it is from the main one, and their size."""
    rank = len(given.shape()) + 1
    a, b = (given.axis(name, rank, default) for name, default in (("dim1", -2), ("dim2", -1)))
    away = given.whole("offset") if given["offset"] is not None else 0
    return a, b, away, int(given.shape()[-1]) + abs(away)


def _diagonals(given: Call) -> Equation:
    """aten::diag_embed: each row along a diagonal, 0 beside it."""
    a, b, away, size = _put_across(given)
    rest = iter(given.shape()[:-1])
    axes = axes_of([size if n in (a, b) else next(rest) for n in range(len(given.shape()) + 1)])
    lead = [axis for n, axis in enumerate(axes) if n not in (a, b)]
    index = axes[a] + min(away, 0)
    borders = [(0, 0)] * len(lead) + [(max(-away, 0), max(away, 0))]
    number = given.tensor().padded(borders, "zero")[(*lead, index)]
    here = Inside((axes[b] - axes[a] - away,), (1,))
    return Equation(axes, chosen(here, number, 0.0))


def _write_diagonals(given: Call, form: Write) -> str:
    """Picked from each row with a 0 behind it."""
    a, b, away, size = _put_across(given)
    *lead, many = map(int, given.shape())
    x = form.node("Concat", form.input(given.first()), form.filled(0.0, (*lead, 1)), axis=len(lead))
    places = (
        y + min(away, 0) if column - y == away else many
        for y in range(size)
        for column in range(size)
    )
    x = form.node("Gather", x, form.whole(*places), axis=len(lead))
    x = form.node("Reshape", x, form.whole(*lead, size, size))
    rest = iter(range(len(lead)))
    own = {a: len(lead), b: len(lead) + 1}
    order = [own[n] if n in own else next(rest) for n in range(len(lead) + 2)]
    return form.node("Transpose", x, perm=order)


def _three(given: Call) -> int:
    """Return along which axis the three numbers of a vector stand."""
    shape = given.shape("self")
    first = next((n for n, size in enumerate(shape) if size == 3), -1)
    return given.axis("dim", len(shape), first if given.op == "cross" else -1)


def _crossed(given: Call) -> Equation:
    """aten::cross: the vector that stands on two others."""
    axes, place = given.together("self", "other"), _three(given)

    def turned(name: str, by: int) -> Expression:
        at = [(axis + by) % 3 if n == place else axis for n, axis in enumerate(axes)]
        sizes = given.shape(name)
        return given.read(name, *(0 if s == 1 else i for s, i in zip(sizes, at, strict=True)))

    first = turned("self", 1) * turned("other", 2)
    return Equation(axes, first - turned("self", 2) * turned("other", 1))


def _write_crossed(given: Call, form: Write) -> str:
    place = _three(given)

    def turned(name: str, *order: int) -> str:
        return form.node("Gather", form.input(name), form.whole(*order), axis=place)

    first = form.node("Mul", turned("self", 1, 2, 0), turned("other", 2, 0, 1))
    second = form.node("Mul", turned("self", 2, 0, 1), turned("other", 1, 2, 0))
    return form.node("Sub", first, second)


RULES = {
    "diff": Rule(_differences, _write_differences, NUMBERS),
    "trace": Rule(_trace, _write_trace, NUMBERS),
    "diag_embed": Rule(_diagonals, _write_diagonals, ALL),
    "cross": Rule(_crossed, _write_crossed),
    "linalg_cross": Rule(_crossed, _write_crossed),
    **{
        name: Rule(
            lambda given: _sliced(given, *_range(given)),
            lambda given, form: _write_sliced(form, form.input(given.first()), *_range(given)),
            ALL,
        )
        for name in ("slice", "narrow", "chunk", "split", "split_with_sizes", "tensor_split")
    },
    "select": Rule(_select, _write_select, ALL),
    "unbind": Rule(_select, _write_select, ALL),
    "diagonal": Rule(_diagonal, _write_diagonal, ALL),
}

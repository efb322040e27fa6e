"""Operators that give parts of a tensor: slices, one position, a diagonal.

out[n, c] = in[n, 2c + 1]
"""

from __future__ import annotations

from itertools import pairwise

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import moving
from convscope.notation import Equation
from convscope.operators.elements import ALL


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
        "Slice", x, form.whole(taken[0]), form.whole(taken[-1] + 1), form.whole(place), form.whole(taken.step),
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


RULES = {
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

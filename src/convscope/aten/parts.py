"""Operators that give parts of a tensor: slices, numbers at places that are known, windows along an axis.

out[n, c] = in[n, 2c + 1]
out[n, c] = in[n, ⟨6, 0, 2⟩[c]]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from convscope.aten.rule import Call, Fed, Given, NoEquation, Rule, Spelled, Write, axes_of
from convscope.equations import moving, scattering
from convscope.equations.layout import window_axes
from convscope.equations.looking_up import gathered, gathered_each
from convscope.equations.merging import broadcast
from convscope.notation import Equation, Expression, Index
from convscope.notation.expression import as_expression
from convscope.notation.sizes import is_one
from convscope.operators.elements import ALL, INT64, NUMBERS


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


def _diagonal(given: Call) -> Equation:
    """aten::diagonal: two axes at once, along a new last one."""
    shape = given.shape()
    a, b = (given.axis(name, default=n) for n, name in enumerate(("dim1", "dim2")))
    away = given.whole("offset") if given["offset"] is not None else 0
    down, across = max(-away, 0), max(away, 0)
    many = min(int(shape[a]) - down, int(shape[b]) - across)
    if many < 1:
        raise NoEquation("its output is empty")
    axes = axes_of([*(s for n, s in enumerate(shape) if n not in (a, b)), many])
    rest = iter(axes[:-1])
    firsts = {a: down, b: across}
    at = [axes[-1] + firsts[n] if n in firsts else next(rest) for n in range(len(shape))]
    return Equation(axes, given.read(None, *at))


# -- at places that are known ---------------------------------------------------------------------


def _along(given: Call) -> tuple[int, list[int], tuple[int, ...]]:
    """Return along which axis numbers are picked, where, and the shape of those places."""
    shape = given.shape("self")
    place = given.axis("dim", len(shape))
    where = [int(w) % int(shape[place]) for w in given.values("index")]
    slot = given.slots["index"]
    assert isinstance(slot, Given)
    return place, where, slot.shape


def _embedding(given: Call) -> Equation:
    """Rows of a table, by their numbers."""
    table, rows = given.shape("weight"), given.shape("indices")
    return gathered(given.reader("weight"), table, 0, given.reader("indices"), rows, axes_of)


def _write_embedding(given: Call, form: Write) -> str:
    rows = form.node("Cast", form.input("indices"), to=INT64)
    return form.node("Gather", form.input("weight"), rows, axis=0)


def _index_select(given: Call) -> Equation:
    if isinstance(given.slots["index"], Fed):
        shape, reads = given.shape("self"), given.reader("index")
        place = given.axis("dim", len(shape))
        return gathered(given.reader("self"), shape, place, reads, given.shape("index"), axes_of)
    place, where, _ = _along(given)
    axes = axes_of([len(where) if n == place else s for n, s in enumerate(given.shape("self"))])
    return moving.picked(given.tensor("self"), axes, place, where)


def _write_index_select(given: Call, form: Write) -> str:
    if isinstance(given.slots["index"], Fed):
        rows = form.node("Cast", form.input("index"), to=INT64)
        place = given.axis("dim", len(given.shape("self")))
        return form.node("Gather", form.input("self"), rows, axis=place)
    place, where, _ = _along(given)
    return form.node("Gather", form.input("self"), form.whole(*where), axis=place)


def _gather(given: Call) -> Equation:
    if isinstance(given.slots["index"], Fed):
        shape, axes = given.shape("self"), axes_of(given.shape("index"))
        place = given.axis("dim", len(shape))
        return gathered_each(given.reader("self"), place, shape[place], given.reader("index"), axes)
    place, where, by = _along(given)
    return moving.gathered_along(given.tensor("self"), axes_of(by), place, where)


def _write_gather(given: Call, form: Write) -> str:
    if isinstance(given.slots["index"], Fed):
        rows = form.node("Cast", form.input("index"), to=INT64)
        place = given.axis("dim", len(given.shape("self")))
        return form.node("GatherElements", form.input("self"), rows, axis=place)
    place, where, by = _along(given)
    places = form.node("Reshape", form.whole(*where), form.whole(*by))
    return form.node("GatherElements", form.input("self"), places, axis=place)


def _indexed(given: Call) -> tuple[dict[int, list[int]], tuple[int, ...], int]:
    """Return x[:, [0, 2], [1, 1]]: the places along each axis, the shape of those, and where their axes stand."""
    shape = given.shape("self")
    found: dict[int, Given] = {}
    for key in given.many("indices"):
        slot = given.slots[key]
        if not isinstance(slot, Given) or any(isinstance(v, bool) for v in slot.values):
            raise NoEquation("its places are known only when it runs")
        found[int(key.rpartition(".")[2])] = slot
    by = tuple(map(int, broadcast([slot.shape for slot in found.values()], given.op)))
    where = {n: _spread(slot, by, int(shape[n])) for n, slot in found.items()}
    order = sorted(where)
    together = all(b - a == 1 for a, b in pairwise(order))
    return where, by, order[0] if together else 0


def _spread(slot: Given, by: Sequence[int], size: int) -> list[int]:
    """Return the places of one axis for every position of the shape that all come to together."""
    own = (1,) * (len(by) - len(slot.shape)) + slot.shape
    found = []
    for flat in range(math.prod(by)):
        place, rest, inner = 0, flat, 1
        for many, mine in zip(reversed(by), reversed(own), strict=True):
            rest, digit = divmod(rest, many)
            place += (digit if mine > 1 else 0) * inner
            inner *= mine
        found.append(int(slot.values[place]) % size)
    return found


def _index(given: Call) -> Equation:
    where, by, first = _indexed(given)
    shape = given.shape("self")
    others = [s for n, s in enumerate(shape) if n not in where]
    axes = axes_of((*others[:first], *by, *others[first:]))
    span = range(first, first + len(by))
    return moving.gathered(given.tensor("self"), axes, where, span)


def _write_index(given: Call, form: Write) -> str:
    """As places along the axes made one, in front of all others."""
    where, by, first = _indexed(given)
    shape = tuple(map(int, given.shape("self")))
    order = sorted(where)
    rest = [n for n in range(len(shape)) if n not in where]
    x = form.node("Transpose", form.input("self"), perm=[*order, *rest])
    x = form.node("Reshape", x, form.whole(-1, *(shape[n] for n in rest)))
    flat = [0] * math.prod(by)
    for n in order:
        flat = [f * shape[n] + w for f, w in zip(flat, where[n], strict=True)]
    x = form.node("Gather", x, form.whole(*flat), axis=0)
    x = form.node("Reshape", x, form.whole(*by, *(shape[n] for n in rest)))
    many = len(by)
    moved = [*range(many, many + first), *range(many), *range(many + first, many + len(rest))]
    return form.node("Transpose", x, perm=moved)


# -- written at places ------------------------------------------------------------------------------


def _scatter(given: Call) -> Equation:
    how = "add" if given.op == "scatter_add" else "none"
    if given["reduce"] is not None:
        raise NoEquation(f"what is written is taken together by {given['reduce']!r}")
    src: str | Given = "src" if given.has("src") else Given((given.number("value"),), ())
    settings = {"axis": given.axis("dim"), "reduction": how}
    return given.as_onnx(Spelled("ScatterElements", ("self", "index", src), settings))


def _write_scatter(given: Call, form: Write) -> str:
    slot = given.slots["index"]
    if isinstance(slot, Given):
        by = slot.shape
        places = form.node("Reshape", form.whole(*map(int, slot.values)), form.whole(*by))
    else:
        by = given.shape("index")
        places = form.node("Cast", form.input("index"), to=INT64)
    src = (
        form.input("src")
        if given.has("src")
        else form.filled(given.number("value"), tuple(map(int, by)))
    )
    how = "add" if given.op == "scatter_add" else "none"
    return form.node(
        "ScatterElements", form.input("self"), places, src, axis=given.axis("dim"), reduction=how
    )


def _index_put(given: Call) -> Equation:
    """x[:, [0, 2]] = values, or += where they accumulate."""
    where, by, first = _indexed(given)
    shape = tuple(map(int, given.shape("self")))
    axes = axes_of(shape)
    order = sorted(where)
    others = [axis for n, axis in enumerate(axes) if n not in where]
    names: list[list[int]] = [[] for _ in range(math.prod(shape[n] for n in order))]
    for name in range(math.prod(by)):
        flat = 0
        for n in order:
            flat = flat * shape[n] + where[n][name]
        names[flat].append(name)

    def update(*at: Index) -> Expression:
        full = (*others[:first], *at, *others[first:])
        own = given.shape("values")
        spread = (
            0 if is_one(s) else a for s, a in zip(own, full[len(full) - len(own) :], strict=True)
        )
        return given.read("values", *spread)

    how = "add" if given["accumulate"] else "none"
    before = given.read("self", *axes)
    return scattering.put(axes, before, [axes[n] for n in order], names, by, update, how)


def _unpooled(given: Call) -> Equation:
    """Numbers go back to the places of a larger map that a pooling took them from; 0 is elsewhere."""
    shape, sizes = tuple(map(int, given.shape("self"))), tuple(given["output_size"])
    if len(shape) != len(sizes) + 2:
        raise NoEquation("its input has no batch")
    axes = axes_of((*shape[:2], *sizes))
    running = window_axes(shape[2:])
    at = (*axes[:2], *running)
    flat: Index = axes[2] * 1
    for axis in axes[3:]:
        flat = flat * axis.size + axis
    named = [(given.read("indices", *at), flat, math.prod(sizes))]
    update = given.read("self", *at)
    return scattering.scattered(axes, as_expression(0.0), named, update, running, "none")


RULES = {
    "max_unpool2d": Rule(_unpooled, takes=NUMBERS),
    "max_unpool3d": Rule(_unpooled, takes=NUMBERS),
    "scatter": Rule(_scatter, _write_scatter, NUMBERS),
    "scatter_add": Rule(_scatter, _write_scatter, NUMBERS),
    "index_put": Rule(_index_put, takes=NUMBERS),
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
    "diagonal": Rule(_diagonal, takes=ALL),
    "index_select": Rule(_index_select, _write_index_select, ALL),
    "embedding": Rule(_embedding, _write_embedding, ALL),
    "gather": Rule(_gather, _write_gather, ALL),
    "index": Rule(_index, _write_index, ALL),
}

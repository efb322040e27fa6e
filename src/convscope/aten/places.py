"""Operators that read or write where numbers say: places along an axis, along several, and where a mask holds.

out[n, c] = Σ v  in[n, v] where index[n, c] is v
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from convscope.aten.rule import Call, Fed, Given, NoEquation, Rule, Write, axes_of
from convscope.equations import masking, moving, scattering
from convscope.equations.layout import window_axes
from convscope.equations.looking_up import gathered, gathered_each, named_row
from convscope.equations.merging import broadcast
from convscope.notation import Axis, Equation, Expression, Index, Max, Mean, Sum
from convscope.notation.expression import Number
from convscope.notation.sizes import is_one
from convscope.operators.elements import ALL, INT64, NUMBERS, TRUTH
from convscope.typed import Record


def _written_in(given: Call, form: Write, name: str) -> str:
    """Return whole numbers as ONNX takes them for places."""
    slot = given.slots[name]
    if isinstance(slot, Given):
        return form.node("Reshape", form.whole(*map(int, slot.values)), form.whole(*slot.shape))
    return form.node("Cast", form.input(name), to=INT64)


def _indices(given: Call) -> str:
    return "index" if given.has("index") else "indices"


def _along(given: Call) -> tuple[int, list[int] | None, tuple[int, ...]]:
    """Return along which axis numbers are picked, where (if that is known), and the shape of those places."""
    shape, key = given.shape("self"), _indices(given)
    place = given.axis("dim", len(shape))
    slot = given.slots[key]
    by = tuple(map(int, given.shape(key)))
    if not isinstance(slot, Given):
        return place, None, by
    return place, [int(w) % int(shape[place]) for w in slot.values], by


def _embedding(given: Call) -> Equation:
    """Rows of a table, by their numbers."""
    table, rows = given.shape("weight"), given.shape("indices")
    return gathered(given.reader("weight"), table, {0: given.reader("indices")}, rows, 0, axes_of)


def _write_embedding(given: Call, form: Write) -> str:
    return form.node("Gather", form.input("weight"), _written_in(given, form, "indices"), axis=0)


def _bags(given: Call) -> tuple[int, int]:
    """Return how many bags there are, and how many rows are in each: as many in one as in another."""
    (many,) = map(int, given.shape("indices"))
    ends = [*given.values("offsets"), *(() if given["include_last_offset"] else (many,))]
    count = len(ends) - 1
    size = many // max(count, 1)
    if given.output or not size or ends != [bag * size for bag in range(count)] + [many]:
        raise NoEquation("its bags are of different sizes, or empty")
    if given["padding_idx"] not in (None, -1):
        raise NoEquation("it leaves rows out")
    return count, size


def _embedding_bag(given: Call) -> Equation:
    """The rows that a bag names, added up, averaged, or the largest of them."""
    count, size = _bags(given)
    rows, width = given.shape("weight")
    b, o = axes_of((count, width))
    k, v = Axis("k", size, "place"), Axis("v", rows, "row")
    row = named_row(given.read("indices", b * size + k), given.read("weight", v, o), v)
    if given.has("per_sample_weights"):
        row = row * given.read("per_sample_weights", b * size + k)
    together = (Sum, Mean, Max)[given.whole("mode")]
    return Equation((b, o), together(k)(row))


def _write_embedding_bag(given: Call, form: Write) -> str:
    count, size = _bags(given)
    wide = form.whole(count, size)
    places = form.node("Reshape", _written_in(given, form, "indices"), wide)
    rows = form.node("Gather", form.input("weight"), places, axis=0)
    if given.has("per_sample_weights"):
        each = form.node("Reshape", form.input("per_sample_weights"), form.whole(count, size, 1))
        rows = form.node("Mul", rows, each)
    op = ("ReduceSum", "ReduceMean", "ReduceMax")[given.whole("mode")]
    return form.node(op, rows, form.whole(1), keepdims=0)


def _index_select(given: Call) -> Equation:
    shape = given.shape("self")
    place, where, by = _along(given)
    if where is None:
        reads = {place: given.reader("index")}
        return gathered(given.reader("self"), shape, reads, by, place, axes_of)
    axes = axes_of([len(where) if n == place else s for n, s in enumerate(shape)])
    return moving.picked(given.tensor("self"), axes, place, where)


def _write_index_select(given: Call, form: Write) -> str:
    rows = _written_in(given, form, "index")
    return form.node("Gather", form.input("self"), rows, axis=_along(given)[0])


def _gather(given: Call) -> Equation:
    place, where, by = _along(given)
    shape, axes = given.shape("self"), axes_of(by)
    if where is None:
        reads = given.reader("self"), given.reader(_indices(given))
        return gathered_each(reads[0], place, shape[place], reads[1], axes)
    return moving.gathered_along(given.tensor("self"), axes, place, where)


def _write_gather(given: Call, form: Write) -> str:
    rows = _written_in(given, form, "index")
    return form.node("GatherElements", form.input("self"), rows, axis=_along(given)[0])


def _spread_along(given: Call) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return along which axis numbers are taken, and the shapes of the tensor and of the places, the others broadcast."""
    if given["dim"] is None:
        raise NoEquation("it takes from all numbers in a row")
    shape, (place, _, by) = tuple(map(int, given.shape("self"))), _along(given)
    around = [s[:place] + s[place + 1 :] for s in (shape, by)]
    wide = tuple(map(int, broadcast(around, given.op)))
    whole, taken = ((*wide[:place], s[place], *wide[place:]) for s in (shape, by))
    return place, whole, taken


def _take_along(given: Call) -> Equation:
    """aten::take_along_dim: gather, but for the axes that both have in common, which are broadcast."""
    place, whole, taken = _spread_along(given)
    if whole == given.shape("self") and taken == given.shape("indices"):
        return _gather(given)
    image, where = (partial(_place_at, given, key) for key in ("self", "indices"))
    return gathered_each(image, place, whole[place], where, axes_of(taken))


def _write_take_along(given: Call, form: Write) -> str:
    place, *shapes = _spread_along(given)
    both = form.input("self"), _written_in(given, form, "indices")
    wide = (form.node("Expand", x, form.whole(*s)) for x, s in zip(both, shapes, strict=True))
    return form.node("GatherElements", *wide, axis=place)


class _Places(Record):
    """x[:, [0, 2], [1, 1]]: which places along which axes.

    keys    axis → the tensor that names the places along it
    by      the shape of those, broadcast together
    first   where their axes stand in what they pick
    """

    keys: dict[int, str]
    by: tuple[int, ...]
    first: int

    def known(self, given: Call) -> dict[int, list[int]] | None:
        """Return the places along each axis for every position of `by`; None where they are computed."""
        found = {}
        for n, key in self.keys.items():
            slot = given.slots[key]
            if not isinstance(slot, Given):
                return None
            found[n] = _spread(slot, self.by, int(given.shape("self")[n]))
        return found

    def readers(self, given: Call) -> dict[int, Callable[..., Expression]]:
        """Return what reads the place along each axis, at axes of `by`."""
        return {n: partial(_place_at, given, key) for n, key in self.keys.items()}


def _place_at(given: Call, key: str, *at: Axis) -> Expression:
    return given.spread(key, at)


def _places(given: Call) -> _Places:
    keys = {int(key.rpartition(".")[2]): key for key in given.many("indices")}
    by = tuple(map(int, broadcast([given.shape(key) for key in keys.values()], given.op)))
    order = sorted(keys)
    together = all(b - a == 1 for a, b in pairwise(order))
    return _Places(keys, by, order[0] if together else 0)


def _mask(given: Call) -> tuple[str, int] | None:
    """Return the one mask by which a tensor is indexed, and from which axis on it lies over it; None where there is none."""
    keys = given.many("indices")
    if "uint8" in given.reads and any(isinstance(given.slots[key], Fed) for key in keys):
        raise NoEquation("PyTorch takes what is uint8 for a mask")
    masks = [key for key in keys if given.is_truth(key)]
    if not masks:
        return None
    if len(keys) > 1:
        raise NoEquation("it is indexed by a mask and by more")
    return masks[0], int(masks[0].rpartition(".")[2])


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
    shape, masked = given.shape("self"), _mask(given)
    if masked is not None:
        return _masked(given, *masked)
    places = _places(given)
    where, by, first = places.known(given), places.by, places.first
    if where is None:
        reads = places.readers(given)
        return gathered(given.reader("self"), shape, reads, by, first, axes_of)
    others = [s for n, s in enumerate(shape) if n not in where]
    axes = axes_of((*others[:first], *by, *others[first:]))
    span = range(first, first + len(by))
    return moving.gathered(given.tensor("self"), axes, where, span)


def _front(given: Call, form: Write, name: str, order: Sequence[int], rest: Sequence[int]) -> str:
    """Write a tensor with some of its axes made one, in front of the others."""
    shape = given.shape("self")
    x = form.node("Transpose", form.input(name), perm=[*order, *rest])
    return form.node("Reshape", x, form.whole(-1, *(int(shape[n]) for n in rest)))


def _in_front(given: Call, form: Write, places: _Places) -> str:
    """Write which places of the axes made one are named, in a row."""
    shape, order = given.shape("self"), sorted(places.keys)
    where = places.known(given)
    if where is not None:
        flat = [0] * math.prod(places.by)
        for n in order:
            flat = [f * int(shape[n]) + w for f, w in zip(flat, where[n], strict=True)]
        return form.whole(*flat)
    found = ""
    for n in order:
        own, size = _written_in(given, form, places.keys[n]), form.whole(int(shape[n]))
        own = form.node("Mod", own, size)  # counted from the end where below 0
        found = own if not found else form.node("Add", form.node("Mul", found, size), own)
    return form.node("Reshape", form.node("Expand", found, form.whole(*places.by)), form.whole(-1))


def _write_index(given: Call, form: Write) -> str:
    """As places along the axes made one, in front of all others."""
    if _mask(given) is not None:
        raise NoEquation("how many numbers it gives depends on its mask")
    places = _places(given)
    by, first = places.by, places.first
    shape = tuple(map(int, given.shape("self")))
    order = sorted(places.keys)
    rest = [n for n in range(len(shape)) if n not in places.keys]
    x = _front(given, form, "self", order, rest)
    x = form.node("Gather", x, _in_front(given, form, places), axis=0)
    x = form.node("Reshape", x, form.whole(*by, *(shape[n] for n in rest)))
    many = len(by)
    moved = [*range(many, many + first), *range(many), *range(many + first, many + len(rest))]
    return form.node("Transpose", x, perm=moved)


# -- where a mask holds -----------------------------------------------------------------------------


def _wanted(given: Call) -> Sequence[int]:
    if given.wanted is None:
        raise NoEquation("how many numbers it gives depends on its mask")
    return tuple(map(int, given.wanted))


def _masked(given: Call, mask: str, ahead: int) -> Equation:
    """x[mask]: as many numbers as the mask held when it was recorded."""
    over = given.shape(mask)
    axes = axes_of(_wanted(given))
    return masking.masked(given.reader("self"), given.reader(mask), over, ahead, axes)


def _masked_select(given: Call) -> Equation:
    shape = given.shape("self")
    if given.shape("mask") != shape:
        raise NoEquation("its mask is of another shape")
    axes = axes_of(_wanted(given))
    return masking.masked(given.reader("self"), given.reader("mask"), shape, 0, axes)


def _nonzero(given: Call) -> Equation:
    axes = axes_of(_wanted(given))
    along = given.output if given.op == "nonzero_numpy" else None
    return masking.places(given.reader("self"), given.shape("self"), axes, along)


def _put_where(given: Call, mask: str, ahead: int) -> Equation:
    """x[mask] = values: the next one wherever the mask holds, or one for all."""
    shape, over, own = given.shape("self"), given.shape(mask), given.shape("values")
    axes = axes_of(shape)
    behind = len(shape) - len(
        over
    )  # axes of what is written for one place, `ahead` of them before the places
    many = int(own[-behind + ahead - 1]) if len(own) > behind - ahead else 1
    if given["accumulate"] and many > 1:
        raise NoEquation("it adds where a mask holds")

    def value(k: Index | int, *rest: Index) -> Expression:
        full = (*rest[:ahead], k, *rest[ahead:])
        at = full[len(full) - len(own) :]
        return given.read("values", *(0 if is_one(s) else a for s, a in zip(own, at, strict=True)))

    before = given.read("self", *axes)
    reads = (lambda k, *rest: before + value(k, *rest)) if given["accumulate"] else value
    return masking.put(before, reads, many, given.reader(mask), axes, ahead, len(over))


def _masked_scatter(given: Call) -> Equation:
    shape, own = given.shape("self"), given.shape("source")
    if given.shape("mask") != shape:
        raise NoEquation("its mask is of another shape")
    axes = axes_of(shape)

    def value(k: Index) -> Expression:
        at, inner = [], math.prod(map(int, own))
        for size in map(int, own):
            inner //= size
            at.append(k * 1 if inner == 1 and len(own) == 1 else (k // inner) % size)
        return given.read("source", *at)

    many = math.prod(map(int, own))
    before = given.read("self", *axes)
    return masking.put(before, value, many, given.reader("mask"), axes, 0, len(axes))


# -- written at places ------------------------------------------------------------------------------

_HOW = {
    None: "none", "sum": "add", "add": "add", "prod": "mul", "multiply": "mul", "mean": "mean", "amax": "max", "amin": "min",
}  # fmt: skip
"""What becomes of several numbers for one place, in PyTorch's words and in ONNX's."""


def _how(given: Call) -> str:
    return "add" if given.op == "scatter_add" else _HOW[given["reduce"]]


def _alone(given: Call) -> bool:
    """Whether what was there has no part in what is written."""
    return given["include_self"] is False


def _scatter(given: Call) -> Equation:
    shape, by = given.shape("self"), given.shape("index")
    if len(by) != len(shape) or 0 in (*shape, *by):
        raise NoEquation("it reads or gives nothing")
    axes = axes_of(shape)
    place, where, _ = _along(given)
    single = not given.has("src")
    update = Number(given.number("value")) if single else given.tensor("src")
    return scattering.along(
        axes, place, given.read("self", *axes), given.tensor("index") if where is None else where, by, update,
        by if single else given.shape("src"), _how(given), _alone(given),
    )  # fmt: skip


def _write_scatter(given: Call, form: Write) -> str:
    how = _how(given)
    if how == "mean" or _alone(given):
        raise NoEquation("ONNX writes no means, and not without what was there")
    by = tuple(map(int, given.shape("index")))
    places = _written_in(given, form, "index")
    if not given.has("src"):
        src = form.filled(given.number("value"), by)
    elif given.shape("src") == by:
        src = form.input("src")
    else:
        first, axes = form.whole(*(0 for _ in by)), form.whole(*range(len(by)))
        src = form.node("Slice", form.input("src"), first, form.whole(*by), axes)
    return form.node(
        "ScatterElements", form.input("self"), places, src, axis=given.axis("dim"), reduction=how
    )


def _indexed(given: Call) -> Equation:
    """Slices are added to those, or written over those, that have their numbers."""
    shape = given.shape("self")
    axes = axes_of(shape)
    place, where, by = _along(given)
    if len(by) != 1 or 0 in (*shape, *by):
        raise NoEquation("it writes nothing, or a single slice")
    how = "add" if given.op == "index_add" else "none"

    def update(at: Index) -> Expression:
        number = given.read("source", *(at if n == place else axis for n, axis in enumerate(axes)))
        return number if _times(given) == 1 else _times(given) * number

    before = given.read("self", *axes)
    if where is None:
        k = Axis("k", by[0], "update")
        named = [(given.read("index", k), axes[place] * 1, int(shape[place]))]
        return scattering.scattered(axes, before, named, update(k * 1), (k,), how)
    names: list[list[int]] = [[] for _ in range(int(shape[place]))]
    for name, to in enumerate(where):
        names[to].append(name)
    return scattering.put(axes, before, [axes[place]], names, by, update, how)


def _times(given: Call) -> float:
    return 1.0 if given.settings.get("alpha") in (None, 1) else given.number("alpha")


def _write_indexed(given: Call, form: Write) -> str:
    shape = tuple(map(int, given.shape("source")))
    place = given.axis("dim", len(shape))
    row = form.whole(*(-1 if n == place else 1 for n in range(len(shape))))
    places = form.node("Reshape", _written_in(given, form, "index"), row)
    places = form.node("Expand", places, form.whole(*shape))
    source = form.input("source")
    if _times(given) != 1:
        source = form.node("Mul", source, form.number(_times(given)))
    how = "add" if given.op == "index_add" else "none"
    return form.node(
        "ScatterElements", form.input("self"), places, source, axis=place, reduction=how
    )


def _index_put(given: Call) -> Equation:
    """x[:, [0, 2]] = values, or += where they accumulate."""
    masked = _mask(given)
    if masked is not None:
        return _put_where(given, *masked)
    places = _places(given)
    shape = tuple(map(int, given.shape("self")))
    axes, order, first = axes_of(shape), sorted(places.keys), places.first
    others = [axis for n, axis in enumerate(axes) if n not in places.keys]

    def update(*at: Index) -> Expression:
        full = (*others[:first], *at, *others[first:])
        own = given.shape("values")
        spread = (
            0 if is_one(s) else a for s, a in zip(own, full[len(full) - len(own) :], strict=True)
        )
        return given.read("values", *spread)

    how = "add" if given["accumulate"] else "none"
    before, where = given.read("self", *axes), places.known(given)
    if where is None:
        running = tuple(Axis(f"k{n}", size, "update") for n, size in enumerate(places.by, 1))
        running = running or (Axis("k", 1, "update"),)
        at = running if places.by else ()
        named = [(read(*at), axes[n] * 1, shape[n]) for n, read in places.readers(given).items()]
        return scattering.scattered(axes, before, named, update(*at), running, how)
    names: list[list[int]] = [[] for _ in range(math.prod(shape[n] for n in order))]
    for name in range(math.prod(places.by)):
        flat = 0
        for n in order:
            flat = flat * shape[n] + where[n][name]
        names[flat].append(name)
    return scattering.put(axes, before, [axes[n] for n in order], names, places.by, update, how)


def _write_index_put(given: Call, form: Write) -> str:
    """As rows of the axes made one, in front of all others, put back where they were; a mask as a choice."""
    values = form.input("values")
    masked = _mask(given)
    if masked is not None:
        key, ahead = masked
        shape, over, own = given.shape("self"), given.shape(key), given.shape("values")
        behind = len(shape) - ahead - len(over)
        if len(own) > behind and not is_one(own[-behind - 1]):
            raise NoEquation("it writes the next number wherever its mask holds")
        wide = form.whole(*(1,) * ahead, *map(int, over), *(1,) * behind)
        holds = form.node("Greater", form.node("Reshape", form.input(key), wide), form.number(0.0))
        before = max(len(own) - behind, 0)
        if any(not is_one(s) for s in own[:before]):
            raise NoEquation("it writes numbers of their own before its mask")
        lead = (1,) * before + tuple(map(int, own[before:]))
        values = form.node("Reshape", values, form.whole(*lead))
        if given["accumulate"]:
            values = form.node("Add", form.input("self"), values)
        return form.node("Where", holds, values, form.input("self"))
    places = _places(given)
    shape, by, first = tuple(map(int, given.shape("self"))), places.by, places.first
    order = sorted(places.keys)
    rest = [n for n in range(len(shape)) if n not in places.keys]
    x = _front(given, form, "self", order, rest)
    others = [shape[n] for n in rest]
    values = form.node("Expand", values, form.whole(*others[:first], *by, *others[first:]))
    many = len(by)
    moved = [*range(first, first + many), *range(first), *range(first + many, many + len(rest))]
    values = form.node("Transpose", values, perm=moved)
    values = form.node("Reshape", values, form.whole(-1, *others))
    rows = form.node("Unsqueeze", _in_front(given, form, places), form.whole(1))
    how = "add" if given["accumulate"] else "none"
    x = form.node("ScatterND", x, rows, values, reduction=how)
    x = form.node("Reshape", x, form.whole(*(shape[n] for n in (*order, *rest))))
    whole = [*order, *rest]
    return form.node("Transpose", x, perm=[whole.index(n) for n in range(len(shape))])


def _unpooled(given: Call) -> Equation:
    """Numbers go back to the places of a larger map that a pooling took them from; 0 is elsewhere."""
    shape, sizes = tuple(map(int, given.shape("self"))), tuple(given["output_size"])
    if len(shape) != len(sizes) + 2:
        raise NoEquation("its input has no batch")
    axes = axes_of((*shape[:2], *sizes))
    running = window_axes(shape[2:])
    at = (*axes[:2], *running)
    return scattering.unpooled(
        axes, axes[2:], given.read("indices", *at), given.read("self", *at), running
    )


def _write_unpooled(given: Call, form: Write) -> str:
    """As numbers written into rows of zeros, a map a row."""
    (n, c, *_), sizes = map(int, given.shape("self")), tuple(given["output_size"])
    zeros = form.filled(0.0, (n, c, math.prod(sizes)))
    row = form.whole(n, c, -1)
    places = form.node("Reshape", _written_in(given, form, "indices"), row)
    numbers = form.node("Reshape", form.input("self"), row)
    x = form.node("ScatterElements", zeros, places, numbers, axis=2)
    return form.node("Reshape", x, form.whole(n, c, *sizes))


RULES = {
    **{f"max_unpool{n}d": Rule(_unpooled, _write_unpooled, NUMBERS) for n in (2, 3)},
    **{
        name: Rule(_scatter, _write_scatter, NUMBERS)
        for name in ("scatter", "scatter_add", "scatter_reduce")
    },
    **{name: Rule(_indexed, _write_indexed, NUMBERS) for name in ("index_add", "index_copy")},
    "index_put": Rule(_index_put, _write_index_put, NUMBERS | TRUTH),
    "masked_select": Rule(_masked_select, takes=ALL),
    "masked_scatter": Rule(_masked_scatter, takes=NUMBERS | TRUTH),
    "nonzero": Rule(_nonzero, takes=ALL),
    "nonzero_numpy": Rule(_nonzero, takes=ALL),
    "index_select": Rule(_index_select, _write_index_select, ALL),
    "embedding": Rule(_embedding, _write_embedding, ALL),
    "embedding_bag": Rule(_embedding_bag, _write_embedding_bag, ALL),
    "gather": Rule(_gather, _write_gather, ALL),
    "take_along_dim": Rule(_take_along, _write_take_along, ALL),
    "index": Rule(_index, _write_index, ALL),
}

"""Operators that put tensors together, or one tensor beside itself; and what is written into a part of one.

out[n, c, y, x] = (a[n, c, y, x] for c < 32, else b[n, c − 32, y, x])
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.aten.rule import Call, Fed, NoEquation, Rule, Weight, Write, axes_of
from convscope.equations import moving
from convscope.equations.merging import concatenation, joined_shape, stacked
from convscope.notation import Equation
from convscope.notation.sizes import Shape
from convscope.operators.elements import ALL

MOST_PIECES = 1024
"""So many tensors together have an equation."""


def _cat(given: Call) -> Equation:
    keys = [k for k in given.many("tensors") if given.shape(k) != (0,)]
    place = given.axis("dim", len(given.shape(keys[0])), 0)
    shapes = [given.shape(key) for key in keys]
    if len(keys) > MOST_PIECES:
        raise NoEquation(f"it puts {len(keys)} tensors together")
    axes = axes_of(joined_shape(_whole(given, keys, place), place, given.op, place))
    return concatenation([given.tensor(key) for key in keys], shapes, place, axes)


def _write_cat(given: Call, form: Write) -> str:
    keys = [k for k in given.many("tensors") if given.shape(k) != (0,)]
    place = given.axis("dim", len(given.shape(keys[0])), 0)
    parts = [
        form.input(key)
        if given.shape(key) == shape
        else form.node("Expand", form.input(key), form.whole(*map(int, shape)))
        for key, shape in zip(keys, _whole(given, keys, place), strict=True)
    ]
    return form.node("Concat", *parts, axis=place)


def _whole(given: Call, keys: Sequence[str], place: int) -> list[Shape]:
    """Return the shapes of tensors, a weight of one row with as many as the batch has: it serves them all."""
    shapes = [given.shape(key) for key in keys]
    rows = next(
        (s[0] for k, s in zip(keys, shapes, strict=True) if isinstance(given.slots[k], Fed)), 1
    )
    return [
        (rows, *shape[1:])
        if place != 0 and isinstance(given.slots[key], Weight) and shape[:1] == (1,)
        else shape
        for key, shape in zip(keys, shapes, strict=True)
    ]


def _stack(given: Call) -> Equation:
    keys = given.many("tensors")
    shape = given.shape(keys[0])
    place = given.axis("dim", len(shape) + 1, 0)
    if len(keys) > MOST_PIECES:
        raise NoEquation(f"it puts {len(keys)} tensors together")
    axes = axes_of([*shape[:place], len(keys), *shape[place:]])
    return stacked([given.tensor(key) for key in keys], place, axes)


def _write_stack(given: Call, form: Write) -> str:
    keys = given.many("tensors")
    place = given.axis("dim", len(given.shape(keys[0])) + 1, 0)
    parts = [form.node("Unsqueeze", form.input(key), form.whole(place)) for key in keys]
    return form.node("Concat", *parts, axis=place)


# -- beside itself --------------------------------------------------------------------------------


def _expand(given: Call) -> Equation:
    if given.wanted is None:
        raise NoEquation("its shape is known only when it runs")
    axes = axes_of(given.wanted)
    return Equation(axes, given.spread("self", axes))


def _write_expand(given: Call, form: Write) -> str:
    return form.node("Expand", form.input("self"), form.whole(*map(int, given.wanted or ())))


def _grid(given: Call) -> tuple[str, int, list[int]]:
    """Return which tensor one output of aten::meshgrid repeats, along which of its axes it runs, and its sizes."""
    keys = given.many("tensors")
    sizes = [int((*given.shape(key), 1)[0]) for key in keys]
    order = list(range(len(keys)))
    if given["indexing"] == "xy" and len(keys) > 1:
        order[:2] = 1, 0
    return keys[given.output], order[given.output], [sizes[n] for n in order]


def _meshgrid(given: Call) -> Equation:
    key, place, sizes = _grid(given)
    axes = axes_of(sizes)
    return Equation(axes, given.read(key, *(axes[place],) * len(given.shape(key))))


def _write_meshgrid(given: Call, form: Write) -> str:
    key, place, sizes = _grid(given)
    along = form.whole(*(-1 if n == place else 1 for n in range(len(sizes))))
    return form.node("Expand", form.node("Reshape", form.input(key), along), form.whole(*sizes))


def _spread(given: Call) -> Equation:
    """aten::broadcast_tensors: each of them, as large as all together."""
    keys = given.many("tensors")
    axes = given.together(*keys)
    return Equation(axes, given.spread(keys[given.output], axes))


def _write_spread(given: Call, form: Write) -> str:
    keys = given.many("tensors")
    sizes = (int(axis.size) for axis in given.together(*keys))
    return form.node("Expand", form.input(keys[given.output]), form.whole(*sizes))


def _times(given: Call) -> tuple[int, ...]:
    """Return how often a tensor stands beside itself along each axis."""
    times = next(given[n] for n in ("repeats", "dims") if given[n] is not None)
    return (1,) * (len(given.shape()) - len(times)) + tuple(times)


def _repeat(given: Call) -> Equation:
    shape, times = given.shape(), _times(given)
    own = (1,) * (len(times) - len(shape)) + tuple(shape)
    axes = axes_of([s * t for s, t in zip(own, times, strict=True)])
    return moving.tiled(given.tensor(), shape, axes)


def _write_repeat(given: Call, form: Write) -> str:
    times, rank, x = _times(given), len(given.shape()), form.input(given.first())
    if len(times) > rank:
        x = form.node("Unsqueeze", x, form.whole(*range(len(times) - rank)))
    return form.node("Tile", x, form.whole(*times))


def _interleaved(given: Call) -> Equation:
    """Every number several times in a row along one axis."""
    shape, place, times = given.shape(), given.axis("dim"), given.whole("repeats")
    axes = axes_of([int(s) * times if n == place else s for n, s in enumerate(shape)])
    return moving.interleaved(given.tensor(), axes, place, times)


def _write_interleaved(given: Call, form: Write) -> str:
    place, times = given.axis("dim"), given.whole("repeats")
    each = (n // times for n in range(int(given.shape()[place]) * times))
    return form.node("Gather", form.input(given.first()), form.whole(*each), axis=place)


# -- written into ---------------------------------------------------------------------------------


def _put(given: Call) -> Equation:
    """A tensor after a part of it was written: x[:, 1:3] = part."""
    axes = axes_of(given.shape("self"))
    kind = given["view"]
    if kind == "whole":
        return moving.reshaped(given.tensor("part"), given.shape("part"), axes)
    if kind not in ("slice", "select"):
        raise NoEquation(f"it writes through a view by {kind}")
    return moving.written(
        given.tensor("self"), given.tensor("part"), axes, given.whole("place"), given.whole("first"),
        given.whole("step"), given.whole("count"), kind == "select",
    )  # fmt: skip


def _write_put(given: Call, form: Write) -> str:
    """As the tensor and the part behind it, of which the numbers that hold are picked."""
    shape, part = given.shape("self"), form.input("part")
    if given["view"] == "whole":
        return form.node("Reshape", part, form.whole(*map(int, shape)))
    place, first, step = (given.whole(name) for name in ("place", "first", "step"))
    if given["view"] == "select":
        part = form.node("Unsqueeze", part, form.whole(place))
    size = int(shape[place])
    held = list(range(size))
    for n in range(given.whole("count")):
        held[first + n * step] = size + n
    both = form.node("Concat", form.input("self"), part, axis=place)
    return form.node("Gather", both, form.whole(*held), axis=place)


RULES = {
    **{name: Rule(_cat, _write_cat, ALL) for name in ("cat", "concat", "concatenate")},
    "stack": Rule(_stack, _write_stack, ALL),
    **{name: Rule(_expand, _write_expand, ALL) for name in ("expand", "expand_as", "broadcast_to")},
    "meshgrid": Rule(_meshgrid, _write_meshgrid, ALL),
    "broadcast_tensors": Rule(_spread, _write_spread, ALL),
    "repeat": Rule(_repeat, _write_repeat, ALL),
    "tile": Rule(_repeat, _write_repeat, ALL),
    "repeat_interleave": Rule(_interleaved, _write_interleaved, ALL),
    "put": Rule(_put, _write_put, ALL),
}

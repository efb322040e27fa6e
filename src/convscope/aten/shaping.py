"""Operators that only move numbers: every output is one number of an input, or a border's.

out[n, k] = in[n, k // 49, k // 7 mod 7, k mod 7]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

from convscope.aten.rule import (
    Call,
    Given,
    NoEquation,
    Rule,
    Spelled,
    Weight,
    Write,
    axes_of,
    spelled,
)
from convscope.equations import moving
from convscope.equations.merging import concatenation, joined_shape
from convscope.notation import Equation, Expression, Index, Pieces

MOST_PIECES = 64
"""An axis in more pieces than this has no equation."""


def _given(*numbers: int) -> Given:
    return Given(tuple(numbers), (len(numbers),))


# -- another shape --------------------------------------------------------------------------------


def _moved(call: Call) -> Equation:
    """Return the equation of the same numbers in the same order, in the shape that is wanted.

    Axes that are the same in front stay themselves, and so do those behind: what lies between is counted.
    """
    before, after = call.shape(), _wanted(call)
    if math.prod(before) != math.prod(after):
        raise NoEquation(f"{math.prod(before)} numbers do not become {math.prod(after)}")
    axes = axes_of(after)
    if 0 in before:
        raise NoEquation("it is empty")
    front = 0
    while front < min(len(before), len(after)) and before[front] == after[front]:
        front += 1
    back = 0
    most = min(len(before), len(after)) - front
    while back < most and before[-1 - back] == after[-1 - back]:
        back += 1
    middle = axes[front : len(after) - back]
    flat: Index = Index((), 0)
    inner = 1
    for axis in reversed(middle):
        if axis.size != 1:
            flat = flat + axis * inner
        inner *= axis.size
    at: list[Any] = list(axes[:front])
    sizes = before[front : len(before) - back]
    inner = math.prod(sizes)
    for place, size in enumerate(sizes):
        inner //= size
        if size == 1:
            at.append(0)
        else:
            index = flat // inner
            at.append(index % size if math.prod(sizes[:place]) != 1 else index)
    at += axes[len(after) - back :]
    return Equation(axes, call.read(None, *at))


def _wanted(call: Call) -> tuple[int, ...]:
    """Return the shape that a reshaping gives."""
    if call.wanted is not None:
        return tuple(map(int, call.wanted))
    before = tuple(map(int, call.shape()))
    for name in ("shape", "size"):
        if isinstance(call[name], tuple):
            sizes = list(call[name])
            if -1 in sizes:
                rest = math.prod(s for s in sizes if s != -1)
                sizes[sizes.index(-1)] = math.prod(before) // max(rest, 1)
            return tuple(sizes)
    rank = len(before)
    if call.op == "flatten":
        first, last = call.axis("start_dim", default=0), call.axis("end_dim", default=-1)
        return (*before[:first], math.prod(before[first : last + 1]), *before[last + 1 :])
    if call.op == "unsqueeze":
        place = call.axis("dim", rank + 1)
        return (*before[:place], 1, *before[place:])
    if call.op == "squeeze":
        gone = call.axes("dim")
        return tuple(s for n, s in enumerate(before) if s != 1 or n not in gone)
    if call.op == "unflatten":
        place = call.axis("dim")
        sizes = list(call["sizes"])
        if -1 in sizes:
            sizes[sizes.index(-1)] = -before[place] // math.prod(sizes)
        return (*before[:place], *sizes, *before[place + 1 :])
    raise NoEquation("its shape is known only when it runs")


def _write_moved(call: Call, form: Write) -> str:
    return form.node("Reshape", form.input(call.first()), form.whole(*_wanted(call)))


# -- another order of axes ------------------------------------------------------------------------


def _order(call: Call) -> tuple[int, ...]:
    """Return which axis of the input each axis of the output is."""
    rank = len(call.shape())
    order = list(range(rank))
    if call.op == "permute":
        return tuple(call.place(d) for d in call["dims"])
    if call.op in ("t", "numpy_T", "matrix_H", "mT", "adjoint"):
        order[-2:] = reversed(order[-2:])
        return tuple(order)
    if call.op in ("movedim", "moveaxis"):
        source, target = call["source"], call["destination"]
        froms = [call.place(d) for d in (source if isinstance(source, tuple) else (source,))]
        tos = [call.place(d) for d in (target if isinstance(target, tuple) else (target,))]
        rest = iter(n for n in order if n not in froms)
        placed = dict(zip(tos, froms, strict=True))
        return tuple(placed[n] if n in placed else next(rest) for n in range(rank))
    names = ("axis0", "axis1") if call.op == "swapaxes" else ("dim0", "dim1")
    a, b = (call.axis(name) for name in names)
    order[a], order[b] = order[b], order[a]
    return tuple(order)


_TRANSPOSED = spelled(lambda call: Spelled("Transpose", (call.first(),), {"perm": _order(call)}))


# -- parts ----------------------------------------------------------------------------------------


def _part(call: Call, first: Sequence[int], step: Sequence[int], sizes: Sequence[int]) -> Equation:
    axes = axes_of(sizes)
    at = [a * s + f if (s, f) != (1, 0) else a for a, s, f in zip(axes, step, first, strict=True)]
    return Equation(axes, call.read(None, *at))


def _range(call: Call) -> tuple[int, range]:
    place = call.axis("dim", default=0)
    size = int(call.shape()[place])
    if call.op == "narrow":
        start = call.whole("start") % size
        return place, range(start, start + call.whole("length"))
    return place, range(size)[slice(call["start"], call["end"], call["step"] or 1)]


def _slice(call: Call) -> Equation:
    place, taken = _range(call)
    shape = call.shape()
    if not taken:
        raise NoEquation("its output is empty")
    first = [taken[0] if n == place else 0 for n in range(len(shape))]
    step = [taken.step if n == place else 1 for n in range(len(shape))]
    return _part(call, first, step, [len(taken) if n == place else s for n, s in enumerate(shape)])


def _write_slice(call: Call, form: Write) -> str:
    place, taken = _range(call)
    return form.node(
        "Slice", form.input(call.first()), form.whole(taken[0]), form.whole(taken[-1] + 1),
        form.whole(place), form.whole(taken.step),
    )  # fmt: skip


def _select(call: Call) -> Equation:
    shape = call.shape()
    place = call.axis("dim")
    where = call.whole("index") % int(shape[place])
    axes = axes_of([s for n, s in enumerate(shape) if n != place])
    at: list[Any] = list(axes)
    at.insert(place, where)
    return Equation(axes, call.read(None, *at))


def _write_select(call: Call, form: Write) -> str:
    place = call.axis("dim")
    where = call.whole("index") % int(call.shape()[place])
    found = form.node("Slice", form.input(call.first()), form.whole(where), form.whole(where + 1), form.whole(place))  # fmt: skip
    return form.node("Squeeze", found, form.whole(place))


def _lengths(call: Call) -> tuple[int, list[int]]:
    """Return along which axis a tensor is split, and how long the parts are."""
    place = call.axis("dim", default=0)
    size = int(call.shape()[place])
    each: int
    if call.op == "chunk":
        each = -(-size // call.whole("chunks"))
    elif call.op == "tensor_split":
        if isinstance(call["indices"], tuple):
            ends = [min(i % size if i < 0 else i, size) for i in call["indices"]]
            return place, [b - a for a, b in pairwise([0, *ends, size])]
        count = call.whole("sections")
        return place, [size // count + (n < size % count) for n in range(count)]
    else:
        sizes = next((call[n] for n in ("split_sizes", "split_size") if call[n] is not None), None)
        if isinstance(sizes, tuple):
            return place, list(sizes)
        if not isinstance(sizes, int) or sizes < 1:
            raise NoEquation("it is split nobody knows where")
        each = sizes
    return place, [min(each, size - start) for start in range(0, size, each)]


def _split(call: Call) -> Equation:
    shape = call.shape()
    place, lengths = _lengths(call)
    start = sum(lengths[: call.output])
    first = [start if n == place else 0 for n in range(len(shape))]
    sizes = [lengths[call.output] if n == place else s for n, s in enumerate(shape)]
    return _part(call, first, [1] * len(shape), sizes)


def _write_split(call: Call, form: Write) -> str:
    place, lengths = _lengths(call)
    start = sum(lengths[: call.output])
    end = start + lengths[call.output]
    return form.node("Slice", form.input(call.first()), form.whole(start), form.whole(end), form.whole(place))  # fmt: skip


def _unbind(call: Call) -> Equation:
    shape = call.shape()
    place = call.axis("dim", default=0)
    axes = axes_of([s for n, s in enumerate(shape) if n != place])
    at: list[Any] = list(axes)
    at.insert(place, call.output)
    return Equation(axes, call.read(None, *at))


def _write_unbind(call: Call, form: Write) -> str:
    place = call.axis("dim", default=0)
    found = form.node("Slice", form.input(call.first()), form.whole(call.output), form.whole(call.output + 1), form.whole(place))  # fmt: skip
    return form.node("Squeeze", found, form.whole(place))


# -- larger ---------------------------------------------------------------------------------------


def _expand(call: Call) -> Equation:
    shape = call.shape("self")
    if call.wanted is None:
        raise NoEquation("its shape is known only when it runs")
    axes = axes_of(call.wanted)
    del shape
    return Equation(axes, call.spread("self", axes))


def _write_expand(call: Call, form: Write) -> str:
    return form.node("Expand", form.input("self"), form.whole(*map(int, call.wanted or ())))


def _repeat(call: Call) -> Equation:
    shape = call.shape()
    times = next(call[n] for n in ("repeats", "dims") if call[n] is not None)
    times = (1,) * (len(shape) - len(times)) + tuple(times)
    own = (1,) * (len(times) - len(shape)) + tuple(map(int, shape))
    axes = axes_of([s * t for s, t in zip(own, times, strict=True)])
    last = list(zip(axes, own, times, strict=True))[len(times) - len(shape) :]
    return Equation(
        axes,
        call.read(None, *(0 if s == 1 and t > 1 else a % s if t > 1 else a for a, s, t in last)),
    )


def _write_repeat(call: Call, form: Write) -> str:
    times = next(call[n] for n in ("repeats", "dims") if call[n] is not None)
    rank = len(call.shape())
    times = (1,) * (rank - len(times)) + tuple(times)
    x = form.input(call.first())
    if len(times) > rank:
        x = form.node("Unsqueeze", x, form.whole(*range(len(times) - rank)))
    return form.node("Tile", x, form.whole(*times))


def _interleaved(call: Call) -> Equation:
    """Every number several times in a row along one axis."""
    shape = call.shape()
    place = call.axis("dim")
    times = call.whole("repeats")
    axes = axes_of([int(s) * times if n == place else s for n, s in enumerate(shape)])
    return Equation(
        axes, call.read(None, *(a // times if n == place else a for n, a in enumerate(axes)))
    )


def _cat(call: Call) -> Equation:
    keys = [k for k in call.many("tensors") if call.shape(k) != (0,)]
    if any(isinstance(call.slots[k], Weight) for k in keys):
        return _cat_with_weights(call, keys)
    place = call.axis("dim", len(call.shape(keys[0])), 0)
    if len(keys) > MOST_PIECES:
        raise NoEquation(f"it puts {len(keys)} tensors together")
    shapes = [call.shape(key) for key in keys]
    axes = axes_of(joined_shape(shapes, place, call.op, place))
    return concatenation([call.tensor(key) for key in keys], shapes, place, axes)


def _cat_with_weights(call: Call, keys: Sequence[str]) -> Equation:
    """As `_joined`, where some are weights: those are read at 0 outside their piece."""
    place = call.axis("dim", len(call.shape(keys[0])), 0)
    lengths = [int(call.shape(k)[place]) for k in keys]
    if any(
        isinstance(call.slots[k], Weight) and n != 1 for k, n in zip(keys, lengths, strict=True)
    ):
        raise NoEquation("it puts a weight between other numbers")
    shape = list(call.shape(keys[0]))
    for key in keys:  # a weight for all rows of a batch
        shape = [max(a, b) for a, b in zip(shape, call.shape(key), strict=True)]
    ends = list(accumulate(lengths))
    shape[place] = ends[-1]
    axes = axes_of(shape)
    bodies: list[Expression] = []
    for key, start, length in zip(keys, [0, *ends[:-1]], lengths, strict=True):
        if isinstance(call.slots[key], Weight):
            own = call.shape(key)
            at: list[Any] = [
                0 if n == place or own[n] == 1 else axis for n, axis in enumerate(axes)
            ]
            bodies.append(call.tensor(key)[tuple(at)])
            continue
        borders = [(0, 0)] * len(shape)
        borders[place] = (start, ends[-1] - start - length)
        at = [axis - start if n == place else axis for n, axis in enumerate(axes)]
        bodies.append(call.tensor(key).padded(borders, "zero")[tuple(at)])
    return Equation(axes, Pieces(axes[place], tuple(ends), tuple(bodies)))


def _write_cat(call: Call, form: Write) -> str:
    keys = [k for k in call.many("tensors") if call.shape(k) != (0,)]
    place = call.axis("dim", len(call.shape(keys[0])), 0)
    return form.node("Concat", *map(form.input, keys), axis=place)


def _stack(call: Call) -> Equation:
    keys = call.many("tensors")
    shape = call.shape(keys[0])
    place = call.axis("dim", len(shape) + 1, 0)
    if len(keys) > MOST_PIECES:
        raise NoEquation(f"it puts {len(keys)} tensors together")
    axes = axes_of([*shape[:place], len(keys), *shape[place:]])
    at = tuple(a for n, a in enumerate(axes) if n != place)
    bodies = tuple(call.read(key, *at) for key in keys)
    if len(keys) == 1:
        return Equation(axes, bodies[0])
    return Equation(axes, Pieces(axes[place], tuple(range(1, len(keys) + 1)), bodies))


def _write_stack(call: Call, form: Write) -> str:
    keys = call.many("tensors")
    place = call.axis("dim", len(call.shape(keys[0])) + 1, 0)
    parts = [form.node("Unsqueeze", form.input(key), form.whole(place)) for key in keys]
    return form.node("Concat", *parts, axis=place)


# -- borders --------------------------------------------------------------------------------------


def _borders(call: Call, rank: int) -> list[tuple[int, int]]:
    """Return how much is put before and after each axis; PyTorch names the last axis first."""
    given = next(call[n] for n in ("pad", "padding") if call[n] is not None)
    borders = [(0, 0)] * rank
    for number in range(len(given) // 2):
        borders[rank - 1 - number] = (given[2 * number], given[2 * number + 1])
    return borders


_MODES = {
    "constant_pad": "constant",
    "reflection_pad": "reflect",
    "replication_pad": "replicate",
}


def _mode(call: Call) -> str:
    found = call["mode"]
    if isinstance(found, str):
        return found
    return next((mode for op, mode in _MODES.items() if call.op.startswith(op)), "constant")


def _pad(call: Call) -> Equation:
    shape = tuple(map(int, call.shape()))
    borders = _borders(call, len(shape))
    mode = _mode(call)
    value = float(call["value"] or 0.0)
    axes = axes_of([s + b + a for s, (b, a) in zip(shape, borders, strict=True)])
    if mode in ("reflect", "circular"):
        fold = moving.reflected if mode == "reflect" else moving.wrapped
        return fold(call.tensor(), axes, borders)
    if mode == "replicate":
        return moving.padded(call.tensor(), axes, borders, "edge")
    return moving.padded(call.tensor(), axes, borders, value=value)


def _write_pad(call: Call, form: Write) -> str:
    borders = _borders(call, len(call.shape()))
    mode = {"replicate": "edge", "circular": "wrap"}.get(_mode(call), _mode(call))
    pads = form.whole(*(b for b, _ in borders), *(a for _, a in borders))
    value = (form.number(float(call["value"] or 0.0)),) if mode == "constant" else ()
    return form.node("Pad", form.input(call.first()), pads, *value, mode=mode)


# -- moved around ---------------------------------------------------------------------------------


def _shifts(call: Call) -> dict[int, int]:
    shifts, dims = call["shifts"], call["dims"]
    shifts = shifts if isinstance(shifts, tuple) else (shifts,)
    dims = dims if isinstance(dims, tuple) else (dims,)
    if not dims:
        raise NoEquation("it rolls all axes as one")
    found: dict[int, int] = {}
    for shift, dim in zip(shifts, dims, strict=True):
        place = call.place(dim)
        found[place] = found.get(place, 0) + shift
    return {place: shift % int(call.shape()[place]) for place, shift in found.items()}


def _roll(call: Call) -> Equation:
    shape = call.shape()
    shifts = _shifts(call)
    axes = axes_of(shape)
    turned = [shifts.get(n, 0) for n in range(len(shape))]
    return moving.rolled(call.tensor(), axes, turned)


def _write_roll(call: Call, form: Write) -> str:
    x = form.input(call.first())
    for place, shift in _shifts(call).items():
        size = int(call.shape()[place])
        if shift:
            axis = form.whole(place)
            last = form.node("Slice", x, form.whole(size - shift), form.whole(size), axis)
            first = form.node("Slice", x, form.whole(0), form.whole(size - shift), axis)
            x = form.node("Concat", last, first, axis=place)
    return form.node("Identity", x)


def _flip(call: Call) -> Equation:
    shape = call.shape()
    turned = call.axes("dims") if call["dims"] else ()
    axes = axes_of(shape)
    at = [(int(a.size) - 1) - a if n in turned else a for n, a in enumerate(axes)]
    return Equation(axes, call.read(None, *at))


def _write_flip(call: Call, form: Write) -> str:
    turned = call.axes("dims") if call["dims"] else ()
    if not turned:
        return form.node("Identity", form.input(call.first()))
    many = len(turned)
    return form.node(
        "Slice", form.input(call.first()), form.whole(*(-1,) * many),
        form.whole(*(-(1 << 31),) * many), form.whole(*turned), form.whole(*(-1,) * many),
    )  # fmt: skip


def _shuffle(call: Call) -> Equation:
    """Pixel shuffle: the channels of a pixel become a block of pixels (Shi et al. 2016, equation 4)."""
    *lead, channels, rows, columns = map(int, call.shape())
    factor = call.whole("upscale_factor")
    axes = axes_of((*lead, channels // factor**2, rows * factor, columns * factor))
    return moving.blocks_of_channels(call.tensor(), axes, factor, depth_last=False)


def _unshuffle(call: Call) -> Equation:
    *lead, channels, rows, columns = map(int, call.shape())
    factor = call.whole("downscale_factor")
    axes = axes_of((*lead, channels * factor**2, rows // factor, columns // factor))
    return moving.channels_of_blocks(call.tensor(), axes, factor, channels, depth_last=False)


def _write_shuffle(call: Call, form: Write) -> str:
    return form.node(
        "DepthToSpace", form.input(call.first()), blocksize=call.whole("upscale_factor"), mode="CRD"
    )


def _write_unshuffle(call: Call, form: Write) -> str:
    """ONNX's SpaceToDepth puts the channels in another order, so that it is spelled out."""
    *lead, channels, rows, columns = map(int, call.shape())
    factor, before = call.whole("downscale_factor"), len(lead) + 1
    apart = form.whole(*lead, channels, rows // factor, factor, columns // factor, factor)
    cut = form.node("Reshape", form.input(call.first()), apart)
    order = [*range(before), before + 1, before + 3, before, before + 2]
    turned = form.node("Transpose", cut, perm=order)
    whole = form.whole(*lead, channels * factor**2, rows // factor, columns // factor)
    return form.node("Reshape", turned, whole)


def _write_channel_shuffle(call: Call, form: Write) -> str:
    shape = tuple(map(int, call.shape()))
    groups = call.whole("groups")
    apart = form.whole(shape[0], groups, shape[1] // groups, *shape[2:])
    cut = form.node("Reshape", form.input(call.first()), apart)
    turned = form.node("Transpose", cut, perm=[0, 2, 1, *range(3, len(shape) + 1)])
    return form.node("Reshape", turned, form.whole(*shape))


def _channel_shuffle(call: Call) -> Equation:
    shape = call.shape()
    groups = call.whole("groups")
    each = int(shape[1]) // groups
    axes = axes_of(shape)
    n, c, *rest = axes
    return Equation(axes, call.read(None, n, (c % groups) * each + c // groups, *rest))


def _along(call: Call) -> Equation:
    """Numbers at constant places along an axis (index_select, gather by a row of places)."""
    shape = call.shape("self")
    place = call.axis("dim", len(shape))
    return _picked(call, place, call.values("index"))


def _picked(call: Call, place: int, where: Sequence[int]) -> Equation:
    shape = call.shape("self")
    size = int(shape[place])
    where = [int(w) % size for w in where]
    axes = axes_of([len(where) if n == place else s for n, s in enumerate(shape)])
    return moving.picked(call.tensor("self"), axes, place, where)


def _write_along(call: Call, form: Write) -> str:
    place = call.axis("dim", len(call.shape("self")))
    return form.node(
        "Gather", form.input("self"), form.whole(*map(int, call.values("index"))), axis=place
    )


def _index(call: Call) -> Equation:
    """x[:, [0, 2, 1]]: constant places along one axis."""
    keys = call.many("indices")
    if len(keys) != 1 or not call.has("self"):
        raise NoEquation("it is indexed along several axes at once")
    slot = call.slots[keys[0]]
    if (
        not isinstance(slot, Given)
        or len(slot.shape) != 1
        or any(isinstance(v, bool) for v in slot.values)
    ):
        raise NoEquation("its places are known only when it runs")
    return _picked(call, int(keys[0].rpartition(".")[2]), slot.values)


def _write_index(call: Call, form: Write) -> str:
    key = call.many("indices")[0]
    slot = call.slots[key]
    assert isinstance(slot, Given)
    return form.node(
        "Gather",
        form.input("self"),
        form.whole(*map(int, slot.values)),
        axis=int(key.rpartition(".")[2]),
    )


def _unfold(call: Call) -> Equation:
    """Windows of a tensor along one axis, their numbers along a new last one."""
    shape = call.shape()
    place = call.axis("dimension")
    size, step = call.whole("size"), call.whole("step")
    count = (int(shape[place]) - size) // step + 1
    axes = axes_of([*(count if n == place else s for n, s in enumerate(shape)), size])
    at = [a * step + axes[-1] if n == place else a for n, a in enumerate(axes[:-1])]
    return Equation(axes, call.read(None, *at))


def _columns(call: Call) -> Equation:
    """torch.nn.Unfold: every window of a map as one column."""
    n_, channels, rows, columns = map(int, call.shape())
    kernel, dilation = call.wholes("kernel_size", 2), call.wholes("dilation", 2)
    padding, stride = call.wholes("padding", 2), call.wholes("stride", 2)
    across = (columns + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    down = (rows + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    taps = kernel[0] * kernel[1]
    n, k, p = axes = axes_of((n_, channels * taps, down * across))
    y = (p // across) * stride[0] + ((k // kernel[1]) % kernel[0]) * dilation[0] - padding[0]
    x = (p % across) * stride[1] + (k % kernel[1]) * dilation[1] - padding[1]
    borders = [(0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2]
    return Equation(axes, call.tensor().padded(borders, "zero")[(n, k // taps, y, x)])


def _cast(call: Call) -> Equation:
    axes = axes_of(call.shape("self"))
    return Equation(axes, call.read("self", *axes))


# -- written into ---------------------------------------------------------------------------------


def _put(call: Call) -> Equation:
    """A tensor after a part of it was written: x[:, 1:3] = part."""
    shape = call.shape("self")
    axes = axes_of(shape)
    whole: Expression = call.read("self", *axes)
    kind = call["view"]
    if kind == "whole":
        return _moved_part(call)
    if kind == "permute":
        order = call["order"]
        return Equation(axes, call.read("part", *(axes[n] for n in order)))
    place, first, step, count = call["place"], call["first"], call["step"], call["count"]
    size = int(shape[place])
    if step != 1:
        raise NoEquation("it writes every so many positions")
    axis = axes[place]
    borders = [(0, 0)] * len(shape)
    at: list[Any]
    if kind == "select":
        at = [a for n, a in enumerate(axes) if n != place]
        part: Expression = call.read("part", *at)
    else:
        borders[place] = (first, size - first - count)
        at = [a - first if n == place and first else a for n, a in enumerate(axes)]
        part = call.tensor("part").padded(borders, "zero")[tuple(at)]
    pieces = [(first, whole), (first + count, part), (size, whole)]
    kept = [
        (e, x)
        for (e, x), before in zip(pieces, (0, first, first + count), strict=True)
        if e > before
    ]
    if len(kept) == 1:
        return Equation(axes, kept[0][1])
    return Equation(axes, Pieces(axis, tuple(e for e, _ in kept), tuple(x for _, x in kept)))


def _moved_part(call: Call) -> Equation:
    """A tensor that was written whole, through a view of another shape."""
    flat = Call(call.op, {}, {"part": call.slots["part"]}, {"part": call.shape("part")},
                {"part": call._names["part"]}, 0, call.shape("self"))  # fmt: skip
    return _moved(flat)


_MOVED = Rule(_moved, _write_moved)
_CAST = Rule(_cast, lambda call, form: form.node("Identity", form.input("self")))

RULES = {
    **{
        name: _MOVED
        for name in (
            "view",
            "reshape",
            "flatten",
            "squeeze",
            "unsqueeze",
            "unflatten",
            "view_as",
            "reshape_as",
            "_unsafe_view",
            "_reshape_alias",
            "ravel",
        )
    },
    **{
        name: _TRANSPOSED
        for name in (
            "transpose",
            "permute",
            "t",
            "numpy_T",
            "mT",
            "movedim",
            "moveaxis",
            "swapaxes",
            "swapdims",
            "adjoint",
        )
    },
    "slice": Rule(_slice, _write_slice),
    "narrow": Rule(_slice, _write_slice),
    "select": Rule(_select, _write_select),
    **{
        name: Rule(_split, _write_split)
        for name in ("chunk", "split", "split_with_sizes", "tensor_split")
    },
    "unbind": Rule(_unbind, _write_unbind),
    "expand": Rule(_expand, _write_expand),
    "expand_as": Rule(_expand, _write_expand),
    "broadcast_to": Rule(_expand, _write_expand),
    "repeat": Rule(_repeat, _write_repeat),
    "tile": Rule(_repeat, _write_repeat),
    "repeat_interleave": Rule(_interleaved),
    **{name: Rule(_cat, _write_cat) for name in ("cat", "concat", "concatenate")},
    "stack": Rule(_stack, _write_stack),
    "pad": Rule(_pad, _write_pad),
    "constant_pad_nd": Rule(_pad, _write_pad),
    **{
        f"{kind}_pad{n}d": Rule(_pad, _write_pad)
        for kind in ("reflection", "replication")
        for n in (1, 2, 3)
    },
    "roll": Rule(_roll, _write_roll),
    "flip": Rule(_flip, _write_flip),
    "pixel_shuffle": Rule(_shuffle, _write_shuffle),
    "pixel_unshuffle": Rule(_unshuffle, _write_unshuffle),
    "channel_shuffle": Rule(_channel_shuffle, _write_channel_shuffle),
    "index_select": Rule(_along, _write_along),
    "index": Rule(_index, _write_index),
    "unfold": Rule(_unfold),
    "im2col": Rule(_columns),
    "to": _CAST,
    "_to_copy": _CAST,
    "type_as": _CAST,
    "put": Rule(_put),
}

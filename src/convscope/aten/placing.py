"""Operators that give a tensor a border, turn it around, or deal its numbers out anew.

out[n, c, y, x] = in[n, c, y − 1, x − 2]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import moving, unfolding
from convscope.equations.sliding import slide
from convscope.errors import ShapeError
from convscope.notation import Equation, call
from convscope.notation.expression import Place
from convscope.notation.functions import SELECT
from convscope.operators.elements import ALL


def _borders(given: Call, rank: int) -> list[tuple[int, int]]:
    """Return how much is put before and after each axis; PyTorch names the last axis first."""
    told = next(given[n] for n in ("pad", "padding") if given[n] is not None)
    borders = [(0, 0)] * rank
    for number in range(len(told) // 2):
        borders[rank - 1 - number] = (told[2 * number], told[2 * number + 1])
    return borders


_MODES = {
    "constant_pad": "constant",
    "reflection_pad": "reflect",
    "replication_pad": "replicate",
}


def _mode(given: Call) -> str:
    found = given["mode"]
    if isinstance(found, str):
        return found
    return next((mode for op, mode in _MODES.items() if given.op.startswith(op)), "constant")


def _pad(given: Call) -> Equation:
    shape = tuple(map(int, given.shape()))
    borders = _borders(given, len(shape))
    mode = _mode(given)
    value = float(given["value"] or 0.0)
    axes = axes_of([s + b + a for s, (b, a) in zip(shape, borders, strict=True)])
    if mode in ("reflect", "circular"):
        fold = moving.reflected if mode == "reflect" else moving.wrapped
        return fold(given.tensor(), axes, borders)
    if mode == "replicate":
        return moving.padded(given.tensor(), axes, borders, "edge")
    return moving.padded(given.tensor(), axes, borders, value=value)


def _write_pad(given: Call, form: Write) -> str:
    borders = _borders(given, len(given.shape()))
    mode = {"replicate": "edge", "circular": "wrap"}.get(_mode(given), _mode(given))
    pads = form.whole(*(b for b, _ in borders), *(a for _, a in borders))
    value = (form.number(float(given["value"] or 0.0)),) if mode == "constant" else ()
    return form.node("Pad", form.input(given.first()), pads, *value, mode=mode)


def _shifts(given: Call) -> dict[int, int]:
    shifts, dims = given["shifts"], given["dims"]
    shifts = shifts if isinstance(shifts, tuple) else (shifts,)
    dims = dims if isinstance(dims, tuple) else (dims,)
    if not dims:
        raise NoEquation("it rolls all axes as one")
    found: dict[int, int] = {}
    for shift, dim in zip(shifts, dims, strict=True):
        place = given.place(dim)
        found[place] = found.get(place, 0) + shift
    return {place: shift % int(given.shape()[place]) for place, shift in found.items()}


def _roll(given: Call) -> Equation:
    shape = given.shape()
    shifts = _shifts(given)
    axes = axes_of(shape)
    turned = [shifts.get(n, 0) for n in range(len(shape))]
    return moving.rolled(given.tensor(), axes, turned)


def _write_roll(given: Call, form: Write) -> str:
    x = form.input(given.first())
    for place, shift in _shifts(given).items():
        size = int(given.shape()[place])
        if shift:
            axis = form.whole(place)
            last = form.node("Slice", x, form.whole(size - shift), form.whole(size), axis)
            first = form.node("Slice", x, form.whole(0), form.whole(size - shift), axis)
            x = form.node("Concat", last, first, axis=place)
    return form.node("Identity", x)


def _flip(given: Call) -> Equation:
    shape = given.shape()
    turned = given.axes("dims") if given["dims"] else ()
    axes = axes_of(shape)
    firsts = [int(a.size) - 1 if n in turned else 0 for n, a in enumerate(axes)]
    steps = [-1 if n in turned else 1 for n in range(len(axes))]
    return moving.sliced(given.tensor(), axes, firsts, steps)


def _write_flip(given: Call, form: Write) -> str:
    turned = given.axes("dims") if given["dims"] else ()
    return _written_backwards(form, form.input(given.first()), turned)


def _written_backwards(form: Write, x: str, turned: Sequence[int]) -> str:
    if not turned:
        return form.node("Identity", x)
    many = len(turned)
    return form.node(
        "Slice", x, form.whole(*(-1,) * many),
        form.whole(*(-(1 << 31),) * many), form.whole(*turned), form.whole(*(-1,) * many),
    )  # fmt: skip


def _quarters(given: Call) -> tuple[tuple[int, ...], list[int]]:
    """Return which axes a turn by quarters reads backwards, and which axis stands in the place of each."""
    a, b = map(given.place, given["dims"])
    times = given.whole("k") % 4
    order = list(range(len(given.shape())))
    if times % 2:
        order[a], order[b] = b, a
    return ((), (b,), (a, b), (a,))[times], order


def _rot90(given: Call) -> Equation:
    shape, (backwards, order) = given.shape(), _quarters(given)
    axes = axes_of([shape[n] for n in order])
    own = {n: axis for n, axis in zip(order, axes, strict=True)}
    at = (shape[n] - 1 - own[n] if n in backwards else own[n] for n in range(len(shape)))
    return Equation(axes, given.read(None, *at))


def _write_rot90(given: Call, form: Write) -> str:
    backwards, order = _quarters(given)
    x = _written_backwards(form, form.input(given.first()), backwards)
    return form.node("Transpose", x, perm=order)


def _shuffle(given: Call) -> Equation:
    """Pixel shuffle: the channels of a pixel become a block of pixels (Shi et al. 2016, equation 4)."""
    *lead, channels, rows, columns = map(int, given.shape())
    factor = given.whole("upscale_factor")
    axes = axes_of((*lead, channels // factor**2, rows * factor, columns * factor))
    return moving.blocks_of_channels(given.tensor(), axes, factor, depth_last=False)


def _unshuffle(given: Call) -> Equation:
    *lead, channels, rows, columns = map(int, given.shape())
    factor = given.whole("downscale_factor")
    axes = axes_of((*lead, channels * factor**2, rows // factor, columns // factor))
    return moving.channels_of_blocks(given.tensor(), axes, factor, channels, depth_last=False)


def _write_shuffle(given: Call, form: Write) -> str:
    return form.node(
        "DepthToSpace",
        form.input(given.first()),
        blocksize=given.whole("upscale_factor"),
        mode="CRD",
    )


def _write_unshuffle(given: Call, form: Write) -> str:
    """ONNX's SpaceToDepth puts the channels in another order, so that it is spelled out."""
    *lead, channels, rows, columns = map(int, given.shape())
    factor, before = given.whole("downscale_factor"), len(lead) + 1
    apart = form.whole(*lead, channels, rows // factor, factor, columns // factor, factor)
    cut = form.node("Reshape", form.input(given.first()), apart)
    order = [*range(before), before + 1, before + 3, before, before + 2]
    turned = form.node("Transpose", cut, perm=order)
    whole = form.whole(*lead, channels * factor**2, rows // factor, columns // factor)
    return form.node("Reshape", turned, whole)


def _write_channel_shuffle(given: Call, form: Write) -> str:
    shape = tuple(map(int, given.shape()))
    groups = given.whole("groups")
    apart = form.whole(shape[0], groups, shape[1] // groups, *shape[2:])
    cut = form.node("Reshape", form.input(given.first()), apart)
    turned = form.node("Transpose", cut, perm=[0, 2, 1, *range(3, len(shape) + 1)])
    return form.node("Reshape", turned, form.whole(*shape))


def _channel_shuffle(given: Call) -> Equation:
    return moving.shuffled_channels(
        given.tensor(), axes_of(given.shape()), 1, given.whole("groups")
    )


def _triangle(given: Call) -> Equation:
    """aten::tril and triu: 0 on one side of a diagonal of the last two axes."""
    axes = axes_of(given.shape())
    if len(axes) < 2:
        raise ShapeError("it takes matrices")
    y, x = axes[-2:]
    away = given.whole("diagonal") if given["diagonal"] is not None else 0
    side = y - x + away if given.op == "tril" else x - y - away
    return Equation(axes, call(SELECT, Place(side + 1), given.read(None, *axes), 0.0))


def _write_triangle(given: Call, form: Write) -> str:
    away = given.whole("diagonal") if given["diagonal"] is not None else 0
    k = form.node("Squeeze", form.whole(away), form.whole(0))
    return form.node("Trilu", form.input(given.first()), k, upper=int(given.op == "triu"))


# -- windows laid out -----------------------------------------------------------------------------


def _windows(given: Call) -> tuple[int, int, int, int]:
    """Return along which axis windows lie, how long they are, how far apart, and how many."""
    place, size, step = given.axis("dimension"), given.whole("size"), given.whole("step")
    return place, size, step, (int(given.shape()[place]) - size) // step + 1


def _unfold(given: Call) -> Equation:
    """Windows of a tensor along one axis, their numbers along a new last one."""
    place, size, step, count = _windows(given)
    axes = axes_of([*(count if n == place else s for n, s in enumerate(given.shape())), size])
    return unfolding.windows(given.tensor(), axes, place, step)


def _write_unfold(given: Call, form: Write) -> str:
    place, size, step, count = _windows(given)
    shape = tuple(map(int, given.shape()))
    every = (p * step + k for p in range(count) for k in range(size))
    x = form.node("Gather", form.input(given.first()), form.whole(*every), axis=place)
    x = form.node("Reshape", x, form.whole(*shape[:place], count, size, *shape[place + 1 :]))
    rank = len(shape)
    rest = [n for n in range(rank + 1) if n != place + 1]
    return form.node("Transpose", x, perm=[*rest, place + 1])


def _window(given: Call) -> tuple[tuple[int, ...], ...]:
    """Return kernel, stride, padding and dilation of torch.nn.Unfold and Fold."""
    kernel, stride, padding, dilation = (
        given.wholes(n, 2) for n in ("kernel_size", "stride", "padding", "dilation")
    )
    return kernel, stride, padding, dilation


def _counts(given: Call, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return how often a window fits along each axis of a map."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(sizes, *_window(given), strict=True)
    )


def _columns(given: Call) -> Equation:
    """torch.nn.Unfold: every window of a map as one column."""
    if len(given.shape()) != 4:
        raise NoEquation("its input has no batch")
    n_, channels, *sizes = map(int, given.shape())
    kernel, stride, padding, dilation = _window(given)
    counts = _counts(given, tuple(sizes))
    axes = axes_of((n_, channels * math.prod(kernel), math.prod(counts)))
    moves = slide(sizes, kernel, stride, dilation, tuple((p, p) for p in padding))
    return unfolding.columns(given.tensor(), axes, moves, counts)


def _write_columns(given: Call, form: Write) -> str:
    """Rows and columns of all windows are picked, one after the other."""
    n_, channels, *sizes = map(int, given.shape())
    kernel, stride, padding, dilation = _window(given)
    counts = _counts(given, tuple(sizes))
    down, across = padding
    pads = form.whole(0, 0, down, across, 0, 0, down, across)
    x = form.node("Pad", form.input(given.first()), pads)
    for axis, (k, m, s, d) in enumerate(zip(kernel, counts, stride, dilation, strict=True), 2):
        every = (p * s + i * d for i in range(k) for p in range(m))
        x = form.node("Gather", x, form.whole(*every), axis=axis)
    apart = form.whole(n_, channels, kernel[0], counts[0], kernel[1], counts[1])
    x = form.node("Transpose", form.node("Reshape", x, apart), perm=[0, 1, 2, 4, 3, 5])
    return form.node("Reshape", x, form.whole(n_, channels * math.prod(kernel), math.prod(counts)))


def _folded(given: Call) -> Equation:
    """torch.nn.Fold: columns of windows put together to maps."""
    shape = tuple(map(int, given.shape()))
    if len(shape) != 3:
        raise NoEquation("its input has no batch")
    kernel, stride, padding, dilation = _window(given)
    pads = [(p, p) for p in padding]
    sizes = given.wholes("output_size", 2)
    return unfolding.folds(
        given.tensor(), shape, sizes, kernel, stride, dilation, pads, given.layout
    )


def _write_folded(given: Call, form: Write) -> str:
    kernel, stride, padding, dilation = _window(given)
    return form.node(
        "Col2Im", form.input(given.first()), form.whole(*given.wholes("output_size", 2)), form.whole(*kernel),
        strides=list(stride), pads=[*padding, *padding], dilations=list(dilation),
    )  # fmt: skip


RULES = {
    "pad": Rule(_pad, _write_pad),
    "constant_pad_nd": Rule(_pad, _write_pad),
    **{
        f"{kind}_pad{n}d": Rule(_pad, _write_pad)
        for kind in ("reflection", "replication")
        for n in (1, 2, 3)
    },
    "roll": Rule(_roll, _write_roll, ALL),
    "flip": Rule(_flip, _write_flip, ALL),
    "rot90": Rule(_rot90, _write_rot90, ALL),
    "tril": Rule(_triangle, _write_triangle, ALL),
    "triu": Rule(_triangle, _write_triangle, ALL),
    "pixel_shuffle": Rule(_shuffle, _write_shuffle),
    "pixel_unshuffle": Rule(_unshuffle, _write_unshuffle),
    "channel_shuffle": Rule(_channel_shuffle, _write_channel_shuffle),
    "unfold": Rule(_unfold, _write_unfold),
    "im2col": Rule(_columns, _write_columns),
    "col2im": Rule(_folded, _write_folded),
}

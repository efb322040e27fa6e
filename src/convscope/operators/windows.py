"""Operators whose window slides over a map: convolution, its transpose, pooling.

out[n, o, y, x] = bias[o] + Σ c, i, j  in[n, c, y·s + i·d − top, x·s + j·d − left] · kernel[o, c, i, j]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import (
    OUTPUT_NAMES,
    WORDS,
    same_padding,
    window_axes,
    window_indices,
)
from convscope.layers.base import shape_text
from convscope.notation import Axis, Equation, Expression, Max, Mean, Size, Sum, exactly
from convscope.notation.expression import Number
from convscope.notation.sizes import ceil_div, is_known, largest, tidy
from convscope.operators.rule import Node, NoEquation, Rule, all_known

AUTO = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True, slots=True)
class Window:
    """How a window slides: everything along each spatial axis."""

    sizes: tuple[Size, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[Size, Size], ...]
    auto: str

    @property
    def reach(self) -> tuple[int, ...]:
        """How far one window reaches along each axis."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def _spatial(node: Node) -> int:
    return node.rank(3, 5) - 2


def window(node: Node, kernel: Sequence[Size]) -> Window:
    """Return how the node's window slides, its settings checked."""
    rank = _spatial(node)
    all_known(kernel)
    strides = node.wholes("strides", rank, (1,) * rank, 1) or ()
    dilations = node.wholes("dilations", rank, (1,) * rank, 1) or ()
    auto = node.text("auto_pad", "NOTSET", AUTO)
    given = node.wholes("pads", 2 * rank, (0,) * (2 * rank)) or ()
    sizes = tuple(node.shape()[2:])
    pads: tuple[tuple[Size, Size], ...]
    if auto == "NOTSET":
        pads = tuple(zip(given[:rank], given[rank:], strict=True))
    elif auto == "VALID":
        pads = ((0, 0),) * rank
    else:
        pads = tuple(map(same_padding, sizes, kernel, strides, dilations))
        if auto == "SAME_LOWER":
            pads = tuple((after, before) for before, after in pads)
    return Window(sizes, tuple(kernel), strides, dilations, pads, auto)


def _kernel_of(node: Node, shape: Sequence[Size]) -> tuple[Size, ...]:
    """Return the window of a weight, which the setting of the same name must not contradict."""
    rank = _spatial(node)
    if len(shape) != rank + 2:
        raise ShapeError(
            f"{node.op}: its kernel {shape_text(tuple(shape))} must have {rank + 2} axes, as many as "
            f"its input {shape_text(node.shape())}"
        )
    own = tuple(shape[2:])
    told = node.wholes("kernel_shape", rank, None, 1)
    if told is not None and told != own:
        raise SettingError(
            f"kernel_shape = {list(told)}, but its kernel has shape {shape_text(tuple(shape))}"
        )
    return own


def _outputs(win: Window) -> tuple[Axis, ...]:
    """Return the spatial output axes, solved by the equation where that can be."""
    rank = len(win.sizes)
    return tuple(
        Axis(
            name, ceil_div(n, s) if win.auto.startswith("SAME") and not is_known(n) else None, word
        )
        for name, word, n, s in zip(
            OUTPUT_NAMES[rank], WORDS[rank], win.sizes, win.strides, strict=True
        )
    )


def _groups(node: Node, channels: Size, filters: Size, inputs: Size, group: int) -> None:
    if is_known(filters) and filters % group:
        raise ShapeError(f"{node.op}: {filters} filters cannot be divided into {group} groups")
    if is_known(channels) and is_known(inputs) and channels != inputs * group:
        raise ShapeError(
            f"{node.op}: its input has {channels} channels, but its kernel reads {inputs} in each of "
            f"{group} group{'s' if group > 1 else ''}"
        )


def convolution(node: Node) -> Equation:
    shape = node.shape(1)
    kernel = _kernel_of(node, shape)
    win = window(node, kernel)
    group = node.whole("group", 1, 1)
    filters, inputs = shape[0], shape[1]
    all_known(shape)
    _groups(node, node.shape()[1], filters, inputs, group)
    n, o = Axis("n", node.shape()[0], "image"), Axis("o", filters, "filter")
    c = Axis("c", inputs, "channel")
    out, taps = _outputs(win), window_axes(kernel)
    at = window_indices(out, taps, win.strides, win.dilations, win.pads)
    image = node.tensor().padded(((0, 0), (0, 0), *win.pads), "zero")
    channel = (o // (filters // group)) * inputs + c if group > 1 else c
    total = Sum(c, *taps)(image[(n, channel, *at)] * node.tensor(1)[(o, c, *taps)])
    return Equation((n, o, *out), _biased(node, o, total))


def _biased(node: Node, o: Axis, total: Expression) -> Expression:
    """Return a sum with its bias; exporters write one out as zeros where there is none."""
    if not node.has(2):
        return total
    bias = node.read(2, o)
    return total if isinstance(bias, Number) and bias.value == 0 else bias + total


def transposed(node: Node) -> Equation:
    shape, rank = node.shape(1), _spatial(node)
    kernel = _kernel_of(node, shape)
    all_known(shape, node.shape())
    win = window(node, kernel)
    group = node.whole("group", 1, 1)
    more = node.wholes("output_padding", rank, (0,) * rank) or ()
    wanted = node.wholes("output_shape", None, None, 1)
    wanted = wanted[-rank:] if wanted is not None else None
    if wanted is None and win.auto.startswith("SAME"):
        wanted = tuple(n * s for n, s in zip(win.sizes, win.strides, strict=True))
    each, channels = shape[1], shape[0]
    if node.shape()[1] != channels or channels % group:
        raise ShapeError(
            f"{node.op}: its input has {node.shape()[1]} channels in {group} groups, but its kernel is "
            f"{shape_text(shape)}"
        )
    filters, inputs = each * group, channels // group
    n, o = Axis("n", node.shape()[0], "image"), Axis("o", filters, "filter")
    c = Axis("c", inputs, "channel")
    taps = window_axes(kernel)
    out, at, borders = [], [], []
    for place in range(rank):
        size, stride, dilation = win.sizes[place], win.strides[place], win.dilations[place]
        full = (size - 1) * stride + win.reach[place] + more[place]
        before, after = win.pads[place]
        if wanted is not None:
            cut = max(full - wanted[place], 0)
            before = cut // 2 if win.auto == "SAME_UPPER" else cut - cut // 2
            length = wanted[place]
        else:
            length = full - before - after
        if length < 1:
            raise ShapeError(
                f"{node.op} leaves nothing of {full} positions, {before + after} cut off"
            )
        y = Axis(OUTPUT_NAMES[rank][place], length, WORDS[rank][place])
        index = exactly(y + before - taps[place] * dilation, stride)
        low, high = index.bounds({y: (0, length - 1), taps[place]: (0, kernel[place] - 1)})
        out.append(y)
        at.append(index)
        borders.append((largest(-low, 0), largest(high - size + 1, 0)))
    channel = (o // each) * inputs + c if group > 1 else c
    image = node.tensor().padded(((0, 0), (0, 0), *borders), "zero")
    filter_ = o % each if group > 1 else o
    total = Sum(c, *taps)(image[(n, channel, *at)] * node.tensor(1)[(channel, filter_, *taps)])
    return Equation((n, o, *out), _biased(node, o, total))


def _pooled(node: Node) -> tuple[Window, tuple[Axis, ...], bool]:
    """Return a pooling's window, its output axes, and whether a window reaches past the padding."""
    rank = _spatial(node)
    kernel = node.wholes("kernel_shape", rank, None, 1)
    if kernel is None:
        raise SettingError("kernel_shape is missing")
    win = window(node, kernel)
    if not node.flag("ceil_mode") or win.auto.startswith("SAME"):
        return win, _outputs(win), False
    all_known(win.sizes)
    axes, pads, beyond = [], [], False
    for place, (size, reach, stride, (before, after)) in enumerate(
        zip(win.sizes, win.reach, win.strides, win.pads, strict=True)
    ):
        count = tidy(ceil_div(size + before + after - reach, stride) + 1)
        if (count - 1) * stride >= size + before:  # a window must begin in the map or before it
            count -= 1
        if count < 1:
            raise ShapeError(f"{node.op}: a window of {reach} does not fit in {size} positions")
        need = max((count - 1) * stride + reach - size - before, after)
        beyond = beyond or need > after
        axes.append(Axis(OUTPUT_NAMES[rank][place], count, WORDS[rank][place]))
        pads.append((before, need))
    wider = Window(win.sizes, win.kernel, win.strides, win.dilations, tuple(pads), win.auto)
    return wider, tuple(axes), beyond


def max_pool(node: Node) -> Equation:
    if node.output:
        raise NoEquation("it says where the largest number was found")
    win, out, _ = _pooled(node)
    n, c = _lead(node)
    taps = window_axes(win.kernel)
    at = window_indices(out, taps, win.strides, win.dilations, win.pads)
    image = node.tensor().padded(((0, 0), (0, 0), *win.pads), "-inf")
    return Equation((n, c, *out), Max(*taps)(image[(n, c, *at)]))


def average_pool(node: Node) -> Equation:
    win, out, beyond = _pooled(node)
    counted = node.flag("count_include_pad")
    if counted and beyond:
        raise NoEquation("it divides by the padding as well, but not by what lies beyond it")
    n, c = _lead(node)
    taps = window_axes(win.kernel)
    at = window_indices(out, taps, win.strides, win.dilations, win.pads)
    image = node.tensor().padded(((0, 0), (0, 0), *win.pads), "zero" if counted else "skip")
    return Equation((n, c, *out), Mean(*taps)(image[(n, c, *at)]))


def _lead(node: Node) -> tuple[Axis, Axis]:
    shape = node.shape()
    return Axis("n", shape[0], "image"), Axis("c", shape[1], "channel")


def _whole_map(node: Node, mean: bool) -> Equation:
    rank = _spatial(node)
    n, c = _lead(node)
    taps = window_axes(node.shape()[2:])
    ones = map(Axis, OUTPUT_NAMES[rank], (1,) * rank, WORDS[rank])
    reduction = Mean(*taps) if mean else Max(*taps)
    return Equation((n, c, *ones), reduction(node.tensor()[(n, c, *taps)]))


RULES = {
    "Conv": Rule(convolution, {1: "kernel", 2: "bias"}),
    "ConvTranspose": Rule(transposed, {1: "kernel", 2: "bias"}),
    "MaxPool": Rule(max_pool),
    "AveragePool": Rule(average_pool),
    "GlobalAveragePool": Rule(lambda node: _whole_map(node, True)),
    "GlobalMaxPool": Rule(lambda node: _whole_map(node, False)),
}

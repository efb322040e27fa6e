"""Operators whose window slides over a map: convolution, its transpose, pooling.

out[n, o, y, x] = bias[o] + Σ c, i, j  in[n, c, y·s + i·d − top, x·s + j·d − left] · kernel[o, c, i, j]
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations import convolution as stated
from convscope.equations.layout import map_axes
from convscope.equations.pooling import Reduce, bordered, global_pooling, place_of_largest, pooling
from convscope.equations.sliding import Pads, Slide, slide, spread
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Equation, Max, Mean, Size
from convscope.notation.expression import Padding
from convscope.notation.sizes import is_known, largest, shape_text, tidy
from convscope.operators.elements import ALL, INT64
from convscope.operators.rule import Node, Rule
from convscope.typed import Record

AUTO = {"NOTSET": None, "SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": None}
"""ONNX's words for padding, and ours; None where it is numbers."""


class Window(Record):
    """How a window slides: everything along each spatial axis."""

    sizes: tuple[Size, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: Pads

    def slide(self, ceil: bool = False) -> Slide:
        return slide(*self, ceil)

    def sized(self) -> Slide:
        """Return how it slides, as often as it fits: what it reads is made on the way, and does not say."""
        moves = self.slide()
        out = map_axes(
            [
                (n + before + after - (k - 1) * d - 1) // s + 1
                for n, k, s, d, (before, after) in zip(*self[:4], moves.pads, strict=True)
            ]
        )
        put = dict(zip(moves.out, out, strict=True))
        return moves._replace(out=out, at=tuple(index.substitute(put) for index in moves.at))


def spatial_axes(node: Node) -> int:
    """Return how many spatial axes the node's map has."""
    return node.rank(3, 5) - 2


def window(node: Node, kernel: Sequence[Size]) -> Window:
    """Return how the node's window slides, its settings checked."""
    rank = spatial_axes(node)
    all_known(kernel)
    strides = node.wholes("strides", rank, (1,) * rank, 1) or ()
    dilations = node.wholes("dilations", rank, (1,) * rank, 1) or ()
    auto = node.text("auto_pad", "NOTSET", tuple(AUTO))
    none = (0,) * (2 * rank)
    given = (node.wholes("pads", 2 * rank, none) or ()) if auto == "NOTSET" else none
    pads = tuple(zip(given[:rank], given[rank:], strict=True))
    return Window(tuple(node.shape()[2:]), tuple(kernel), strides, dilations, AUTO[auto] or pads)


def kernel_of(node: Node, shape: Sequence[Size]) -> tuple[Size, ...]:
    """Return the window of a weight, which the setting of the same name must not contradict."""
    rank = spatial_axes(node)
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


def check_groups(node: Node, channels: Size, filters: Size, inputs: Size, group: int) -> None:
    """Raise `ShapeError` unless filters and channels divide into groups."""
    if is_known(filters) and filters % group:
        raise ShapeError(f"{node.op}: {filters} filters cannot be divided into {group} groups")
    if is_known(channels) and is_known(inputs) and channels != inputs * group:
        raise ShapeError(
            f"{node.op}: its input has {channels} channels, but its kernel reads {inputs} in each of "
            f"{group} group{'s' if group > 1 else ''}"
        )


def convolution(node: Node) -> Equation:
    shape = node.shape(1)
    win = window(node, kernel_of(node, shape))
    group = node.whole("group", 1, 1)
    all_known(shape)
    check_groups(node, node.shape()[1], shape[0], shape[1], group)
    return stated.convolution(
        win.slide(), node.tensor(), node.tensor(1), node.addend(2),
        shape[0], shape[1] * group, node.layout, group,
    )  # fmt: skip


def transposed(node: Node) -> Equation:
    shape, channels = node.shape(1), node.shape()[1]
    win = window(node, kernel_of(node, shape))
    all_known(shape)
    group = node.whole("group", 1, 1)
    if (is_known(channels) and channels != shape[0]) or shape[0] % group:
        raise ShapeError(
            f"{node.op}: its input has {channels} channels in {group} groups, but its kernel is "
            f"{shape_text(shape)}"
        )
    slide = spread(*win[:4], _crops(node, win), node.op)
    return stated.transposed(
        slide, node.tensor(), node.tensor(1), node.addend(2),
        shape[1] * group, shape[0], node.layout, group,
    )  # fmt: skip


def _crops(node: Node, win: Window) -> list[Padding]:
    """Return how much of the full spread is cut off along each axis, or added where negative."""
    rank = len(win.sizes)
    more = node.wholes("output_padding", rank, (0,) * rank) or ()
    wanted = node.wholes("output_shape", None, None, 1)
    wanted = wanted[-rank:] if wanted is not None else None
    if wanted is None and not isinstance(win.padding, str):
        return [(before, after - m) for (before, after), m in zip(win.padding, more, strict=True)]
    if wanted is None:
        wanted = tuple(n * s for n, s in zip(win.sizes, win.strides, strict=True))
    crops = []
    for n, k, s, d, m, length in zip(*win[:4], more, wanted, strict=True):
        cut = tidy((n - 1) * s + (k - 1) * d + 1 - length)
        half = largest(tidy(cut + m), 0) // 2
        before = half if win.padding == "same" else largest(tidy(cut + m), 0) - half
        crops.append((before, cut - before))
    return crops


def pooled(node: Node) -> Window:
    """Return a pooling's window."""
    kernel = node.wholes("kernel_shape", spatial_axes(node), None, 1)
    if kernel is None:
        raise SettingError("kernel_shape is missing")
    return window(node, kernel)


def max_pool(node: Node) -> Equation:
    moves = pooled(node).slide(node.flag("ceil_mode"))
    if node.output:
        shape = node.shape()
        all_known(shape)
        if node.flag("storage_order"):
            raise NoEquation("it counts down the columns")
        return place_of_largest(moves, node.tensor(), shape[2:], shape[1], node.layout, whole=True)
    return pooling(moves, Max, node.tensor(), node.shape()[1], node.layout, "-inf")


def average_pool(node: Node) -> Equation:
    win = pooled(node)
    moves = win.slide(node.flag("ceil_mode"))
    counted, image = node.flag("count_include_pad"), node.tensor()
    if counted and not isinstance(win.padding, str) and moves.pads != win.padding:
        # the padding counts, and what lies beyond it does not
        counted = False
        if any(pad != (0, 0) for pad in win.padding):
            moves, image = bordered(moves, image, node.shape(), win.padding, node.layout)
    return pooling(moves, Mean, image, node.shape()[1], node.layout, "zero" if counted else "skip")


def _whole_map(reduce: Reduce) -> Rule:
    def state(node: Node) -> Equation:
        spatial_axes(node)
        return global_pooling(reduce, node.tensor(), node.shape(), node.layout, keep=True)

    return Rule(state)


RULES = {
    "Conv": Rule(convolution, {1: "kernel", 2: "bias"}),
    "ConvTranspose": Rule(transposed, {1: "kernel", 2: "bias"}),
    "MaxPool": Rule(max_pool, takes=ALL, gives=lambda node: INT64 if node.output else node.element),
    "AveragePool": Rule(average_pool),
    "GlobalAveragePool": _whole_map(Mean),
    "GlobalMaxPool": _whole_map(Max),
}

"""Operators that give a tensor a border, repeat it, or make blocks of pixels of channels.

out[n, c, y, x] = in[n, c, y − 1, x − 2]
"""

from __future__ import annotations

from convscope.equations import moving
from convscope.equations.merging import aligned, broadcast
from convscope.equations.pointwise import DIFFERS, truncated
from convscope.equations.stating import NoEquation, all_known
from convscope.equations.unfolding import folds
from convscope.errors import SettingError, ShapeError
from convscope.notation import Equation, call
from convscope.notation.expression import Place
from convscope.notation.functions import SELECT
from convscope.notation.sizes import LARGEST, is_known, shape_text
from convscope.operators.elements import ALL, ONNX
from convscope.operators.rule import Node, Rule


def pad(node: Node) -> Equation:
    shape = node.shape()
    rank = len(shape)
    mode = node.text("mode", "constant", ("constant", "edge", "reflect", "wrap"))
    if "pads" in node.attributes:
        pads = node.wholes("pads", None, (), -LARGEST) or ()
    else:
        pads = node.whole_values(1)
    value = node.number("value", 0.0)
    if node.has(2) and node.opset >= 11:
        (value,) = map(float, node.values(2)[:1])
    named = node.whole_values(3) if node.has(3) else range(rank)
    places = [node.axis(a, rank, "axes") for a in named]
    if len(pads) != 2 * len(places):
        raise SettingError(f"pads = {list(pads)} must be {2 * len(places)} numbers")
    before, after = [0] * rank, [0] * rank
    for n, place in enumerate(places):
        before[place], after[place] = pads[n], pads[n + len(places)]
    if any(abs(p) > LARGEST for p in (*before, *after)):
        raise SettingError(f"pads = {list(pads)} are larger than any map")
    sizes = [s if b == a == 0 else s + b + a for s, b, a in zip(shape, before, after, strict=True)]
    for n, size in enumerate(sizes):
        if is_known(size) and size < 1:
            raise ShapeError(
                f"{node.op} leaves nothing of axis {n}: {shape_text(shape)} with pads {list(pads)}"
            )
    out = node.layout.axes(sizes)
    borders = list(zip(before, after, strict=True))
    if mode in ("reflect", "wrap"):
        all_known(shape)
        fold = moving.reflected if mode == "reflect" else moving.wrapped
        return fold(node.tensor(), out, borders)
    if mode == "edge":
        return moving.padded(node.tensor(), out, borders, "edge")
    if value != 0.0:
        all_known(sizes)
    return moving.padded(node.tensor(), out, borders, value=value)


def expand(node: Node) -> Equation:
    shape, wanted = node.shape(), node.whole_values(1)
    every = broadcast([shape, wanted], node.op)
    if any(is_known(size) and not 1 <= size <= LARGEST for size in every):
        raise NoEquation("its output is empty")
    out = node.layout.axes(every)
    return Equation(out, node.read(0, *aligned(shape, out)))


def tile(node: Node) -> Equation:
    shape, times = node.shape(), node.whole_values(1)
    all_known(shape)
    if len(times) != len(shape) or min(times, default=1) < 1:
        raise NoEquation("its output is empty")
    out = node.layout.axes([s * t for s, t in zip(shape, times, strict=True)])
    return moving.tiled(node.tensor(), shape, out)


def depth_to_space(node: Node) -> Equation:
    node.rank(4, 4)
    n_, c_, h, w = node.shape()
    block = node.whole("blocksize", 0, 1)
    all_known((c_, h, w))
    if c_ % (block * block):
        raise ShapeError(f"{node.op}: {c_} channels do not make blocks of {block}×{block}")
    out = node.layout.axes((n_, c_ // (block * block), h * block, w * block))
    depth_last = node.text("mode", "DCR", ("DCR", "CRD")) == "DCR"
    return moving.blocks_of_channels(node.tensor(), out, block, depth_last)


def space_to_depth(node: Node) -> Equation:
    node.rank(4, 4)
    n_, c_, h, w = node.shape()
    block = node.whole("blocksize", 0, 1)
    all_known((c_, h, w))
    if h % block or w % block:
        raise ShapeError(f"{node.op}: a map of {h}×{w} is not made of blocks of {block}×{block}")
    out = node.layout.axes((n_, c_ * block * block, h // block, w // block))
    depth_last = node.text("mode", "DCR", ("DCR", "CRD")) == "DCR"
    return moving.channels_of_blocks(node.tensor(), out, block, c_, depth_last)


def dropout(node: Node) -> Equation:
    if node.output:
        raise NoEquation("it says what was dropped")
    if node.has(2) and any(node.values(2)):
        raise NoEquation("it is set to training")
    axes = node.layout.axes(node.shape())
    return Equation(axes, node.read(0, *axes))


def _to(node: Node) -> int:
    return node.element if node.op == "CastLike" else node.whole("to", 0)


def cast(node: Node) -> Equation:
    """The same number in another type: whole numbers without what is behind the point, true as 1."""
    axes = node.layout.axes(node.shape())
    x = node.read(0, *axes)
    before, after = ONNX.get(node.element, ""), ONNX.get(_to(node), "")
    if after == "" or (after == "small" and before != after):
        raise NoEquation("it turns numbers into others")
    if after == "truth" and before != "truth":
        return Equation(axes, call(DIFFERS, x, 0.0))
    return Equation(axes, truncated(x) if before == "float" and after == "whole" else x)


def constant(node: Node) -> Equation:
    axes = node.layout.axes(node.shape())
    return Equation(axes, node.read(0, *axes))


def fold(node: Node) -> Equation:
    """Col2Im: columns of windows put together to maps."""
    shape, image, block = node.shape(), node.whole_values(1), node.whole_values(2)
    rank = len(image)
    if len(shape) != 3 or rank not in (1, 2, 3) or len(block) != rank:
        raise NoEquation(f"it folds maps of {rank} axes")
    strides = node.wholes("strides", rank, (1,) * rank, 1) or ()
    dilations = node.wholes("dilations", rank, (1,) * rank, 1) or ()
    pads = node.wholes("pads", 2 * rank, (0,) * (2 * rank)) or ()
    return folds(
        node.tensor(),
        shape,
        image,
        block,
        strides,
        dilations,
        list(zip(pads[:rank], pads[rank:], strict=True)),
        node.layout,
    )


def triangle(node: Node) -> Equation:
    """Trilu: 0 on one side of a diagonal of the last two axes."""
    shape = node.shape()
    if len(shape) < 2:
        raise ShapeError(f"{node.op} takes matrices, not {shape_text(shape)}")
    axes = node.layout.axes(shape)
    k = node.whole_values(1)[0] if node.has(1) else 0
    y, x = axes[-2:]
    side = x - y - k if node.flag("upper", 1) else y + k - x
    return Equation(axes, call(SELECT, Place(side + 1), node.read(0, *axes), 0.0))


RULES = {
    "Pad": Rule(pad, given=frozenset((1, 2, 3)), takes=ALL),
    "Expand": Rule(expand, given=frozenset((1,)), takes=ALL),
    "Tile": Rule(tile, given=frozenset((1,)), takes=ALL),
    "DepthToSpace": Rule(depth_to_space, takes=ALL),
    "SpaceToDepth": Rule(space_to_depth, takes=ALL),
    "Col2Im": Rule(fold, given=frozenset((1, 2))),
    "Trilu": Rule(triangle, given=frozenset((1,)), takes=ALL),
    "Dropout": Rule(dropout, given=frozenset((1, 2))),
    "Cast": Rule(cast, takes=ALL, gives=_to),
    "Constant": Rule(constant, {0: "value"}, takes=ALL),
    "Identity": Rule(constant, takes=ALL),
}

"""Operators that only move numbers: every output is one number of the input, or a border's.

out[n, k] = in[n, k // 49, k // 7 mod 7, k mod 7]
"""

from __future__ import annotations

import math

from convscope.equations import moving
from convscope.equations.merging import aligned, broadcast
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation
from convscope.notation.sizes import UNKNOWN, Shape, is_known, shape_text
from convscope.operators.rule import (
    ANYWHERE,
    LARGEST,
    Node,
    Rule,
    size_is,
)


def _moved(node: Node, shape: Shape) -> Equation:
    """Return the equation of the same numbers in the same order, in another shape."""
    before = node.shape()
    if len(before) == len(shape) and all(
        a is b or a == b for a, b in zip(before, shape, strict=True)
    ):
        axes = node.layout.axes(shape)
        return Equation(axes, node.read(0, *axes))
    all_known(before, shape)
    if math.prod(before) != math.prod(shape):
        raise ShapeError(
            f"{node.op}: {math.prod(before)} numbers of shape {shape_text(before)} do not fit into "
            f"{shape_text(tuple(shape))}"
        )
    return moving.reshaped(node.tensor(), before, node.layout.axes(shape))


def reshape(node: Node) -> Equation:
    if "shape" in node.attributes:
        wanted = node.wholes("shape", None, ()) or ()
    else:
        wanted = node.whole_values(1)
    before = node.shape()
    zero = node.flag("allowzero")
    sizes: list[object] = []
    for place, size in enumerate(wanted):
        if size == 0 and not zero:
            if place >= len(before):
                raise SettingError(f"shape = {list(wanted)} keeps axis {place}, which is not there")
            sizes.append(before[place])
        elif size < -1:
            raise SettingError(f"shape = {list(wanted)} has a size of {size}")
        else:
            sizes.append(size)
    if sizes.count(-1) > 1:
        raise SettingError(f"shape = {list(wanted)} leaves two sizes open")
    if -1 in sizes:
        others = [s for s in sizes if s != -1]
        kept = [s for s in before if s is UNKNOWN]
        if kept and others.count(UNKNOWN) == len(kept):
            before = tuple(s for s in before if s is not UNKNOWN)
            others = [s for s in others if s is not UNKNOWN]
        all_known(before, others)
        rest = math.prod(others)  # type: ignore[arg-type]
        if rest == 0 or math.prod(before) % rest:
            raise ShapeError(
                f"{node.op}: {shape_text(before)} does not fit into shape {list(wanted)}"
            )
        sizes[sizes.index(-1)] = math.prod(before) // rest
    return _moved(node, tuple(sizes))


def flatten(node: Node) -> Equation:
    shape = node.shape()
    first = node.axis(node.whole("axis", 1, -LARGEST), len(shape), end=True)
    rows, row = shape[:first], shape[first:]
    all_known(row, rows)
    return _moved(node, (math.prod(rows), math.prod(row)))


def squeeze(node: Node) -> Equation:
    shape = node.shape()
    axes = node.axes(1)
    if axes is None:
        all_known(shape)
        gone: tuple[int, ...] = tuple(n for n, size in enumerate(shape) if size == 1)
    else:
        gone = node.places(axes, len(shape))
        for place in gone:
            if not size_is(shape[place], 1):
                raise ShapeError(f"{node.op}: axis {place} of {shape_text(shape)} is not of size 1")
    kept = [n for n in range(len(shape)) if n not in gone]
    out = node.layout.axes([shape[n] for n in kept])
    where: dict[int, Axis] = dict(zip(kept, out, strict=True))
    return Equation(out, node.read(0, *(where.get(n, 0) for n in range(len(shape)))))


def unsqueeze(node: Node) -> Equation:
    shape = node.shape()
    axes = node.axes(1, ()) or ()
    if len(axes) > 8:
        raise NoEquation("it has too many axes")
    new = node.places(axes, len(shape) + len(axes))
    rest = iter(shape)
    out = node.layout.axes([1 if n in new else next(rest) for n in range(len(shape) + len(axes))])
    return Equation(out, node.read(0, *(a for n, a in enumerate(out) if n not in new)))


def transpose(node: Node) -> Equation:
    shape = node.shape()
    order = node.wholes("perm", len(shape), tuple(reversed(range(len(shape))))) or ()
    if sorted(order) != list(range(len(shape))):
        raise SettingError(f"perm = {list(order)} must name each of {len(shape)} axes once")
    out = node.layout.axes([shape[n] for n in order])
    return moving.permuted(node.tensor(), out, order)


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


def slices(node: Node) -> Equation:
    shape = node.shape()
    rank = len(shape)
    if "starts" in node.attributes:
        starts = node.wholes("starts", None, (), *ANYWHERE) or ()
        ends = node.wholes("ends", None, (), *ANYWHERE) or ()
        axes = node.wholes("axes", None, range(len(starts)), -LARGEST)
        steps: tuple[int, ...] = (1,) * len(starts)
    else:
        starts, ends = node.whole_values(1), node.whole_values(2)
        axes = node.whole_values(3) if node.has(3) else tuple(range(len(starts)))
        steps = node.whole_values(4) if node.has(4) else (1,) * len(starts)
    assert axes is not None
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise SettingError("starts, ends, axes and steps must be equally many")
    firsts, strides, sizes = [0] * rank, [1] * rank, list(shape)
    for start, end, named, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            raise SettingError("a step of 0 never ends")
        place = node.axis(named, rank, "axes")
        all_known((shape[place],))
        taken = range(shape[place])[slice(start, end, step)]
        if not taken:
            raise NoEquation("its output is empty")
        firsts[place], strides[place], sizes[place] = taken[0], step, len(taken)
    out = node.layout.axes(sizes)
    return moving.sliced(node.tensor(), out, firsts, strides)


def split(node: Node) -> Equation:
    shape = node.shape()
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    all_known((shape[place],))
    if "split" in node.attributes:
        lengths = node.wholes("split", None, ()) or ()
    elif node.has(1):
        lengths = node.whole_values(1)
    else:
        many = node.whole("num_outputs", node.outputs, 1, node.outputs)
        each = -(-shape[place] // many)
        lengths = (*(each,) * (many - 1), shape[place] - each * (many - 1))
    if sum(lengths) != shape[place] or min(lengths) < 0 or node.output >= len(lengths):
        raise ShapeError(f"{node.op}: {list(lengths)} do not add up to {shape[place]}")
    first = sum(lengths[: node.output])
    if lengths[node.output] == 0:
        raise NoEquation("its output is empty")
    out = node.layout.axes([lengths[node.output] if n == place else s for n, s in enumerate(shape)])
    firsts = [first if n == place else 0 for n in range(len(shape))]
    return moving.sliced(node.tensor(), out, firsts)


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


def gather(node: Node) -> Equation:
    shape, where = node.shape(), node.whole_values(1)
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    all_known((shape[place],))
    slot = node.slot(1)
    rank = len(getattr(slot, "shape", ()))
    if rank > 1 or not where:
        raise NoEquation("it gathers by more than one axis")
    size = shape[place]
    if any(not -size <= v < size for v in where):
        raise ShapeError(f"{node.op}: {list(where)} lie outside an axis of {size}")
    where = tuple(v % size for v in where)
    if rank == 0:
        kept = [n for n in range(len(shape)) if n != place]
        out = node.layout.axes([shape[n] for n in kept])
        named = dict(zip(kept, out, strict=True))
        return Equation(out, node.read(0, *(named.get(n, where[0]) for n in range(len(shape)))))
    out = node.layout.axes([len(where) if n == place else s for n, s in enumerate(shape)])
    return moving.picked(node.tensor(), out, place, where)


def dropout(node: Node) -> Equation:
    if node.output:
        raise NoEquation("it says what was dropped")
    if node.has(2) and any(node.values(2)):
        raise NoEquation("it is set to training")
    axes = node.layout.axes(node.shape())
    return Equation(axes, node.read(0, *axes))


def cast(node: Node) -> Equation:
    if node.whole("to", 0) != node.element:
        raise NoEquation("it turns numbers into others")
    return constant(node)


def constant(node: Node) -> Equation:
    axes = node.layout.axes(node.shape())
    return Equation(axes, node.read(0, *axes))


RULES = {
    "Reshape": Rule(reshape, given=frozenset((1,))),
    "Flatten": Rule(flatten),
    "Squeeze": Rule(squeeze, given=frozenset((1,))),
    "Unsqueeze": Rule(unsqueeze, given=frozenset((1,))),
    "Transpose": Rule(transpose),
    "Pad": Rule(pad, given=frozenset((1, 2, 3))),
    "Slice": Rule(slices, given=frozenset((1, 2, 3, 4))),
    "Split": Rule(split, given=frozenset((1,))),
    "Expand": Rule(expand, given=frozenset((1,))),
    "Tile": Rule(tile, given=frozenset((1,))),
    "DepthToSpace": Rule(depth_to_space),
    "SpaceToDepth": Rule(space_to_depth),
    "Gather": Rule(gather, given=frozenset((1,))),
    "Dropout": Rule(dropout, given=frozenset((1, 2))),
    "Cast": Rule(cast),
    "Constant": Rule(constant, {0: "value"}),
}

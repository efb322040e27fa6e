"""Operators whose windows other numbers name: deformable convolution, pooling of regions, unpooling.

out[r, c, y, x] = mean i<2, j<2  Σ h, w  in[c, h, w] · triangle(row[r, y, i] − h) · triangle(column[r, x, j] − w)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from convscope.equations import convolution, regions, sampling, scattering
from convscope.equations.layout import map_axes
from convscope.equations.looking_up import named_row
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression
from convscope.notation.sizes import counted, is_one, shape_text
from convscope.operators.elements import NUMBERS
from convscope.operators.rule import Node, Rule
from convscope.operators.windows import check_groups, kernel_of, pooled, window


def deformable(node: Node) -> Equation:
    """DeformConv: a convolution whose taps lie where an input says."""
    shape, kernel, apart = node.shape(), node.shape(1), node.shape(2)
    win = window(node, kernel_of(node, kernel))
    group, groups = node.whole("group", 1, 1), node.whole("offset_group", 1, 1)
    all_known(shape[1:], kernel, apart[1:])
    if len(win.kernel) != 2:
        raise NoEquation(f"its window has {len(win.kernel)} axes")
    check_groups(node, shape[1], kernel[0], kernel[1], group)
    moves = win.sized()
    taps, sizes = math.prod(win.kernel), tuple(shape[2:])
    fits = tuple(axis.size for axis in moves.out)
    wanted = [(2, groups * taps * 2, "an offset", fits)]
    if node.has(4):
        wanted.append((4, groups * taps, "a mask", fits))
    for place, many, what, out in wanted:
        if shape[1] % groups or node.shape(place)[1:] != (many, *out):
            raise ShapeError(
                f"{node.op}: {what} of shape {shape_text(node.shape(place))} is not that of {taps} taps in {counted(groups, 'group')} "
                f"for an output of {shape_text(out)} and {shape[1]} channels"
            )
    n, mask = node.layout.lead[0], node.tensor(4) if node.has(4) else None
    rows = [
        n if node.batched(p) or not is_one(node.shape(p)[0]) else 0 for p in (2, 4) if node.has(p)
    ]
    column = sampling.deformed(
        moves, node.tensor(), sizes, shape[1], node.tensor(2), mask, n, groups, rows
    )
    return convolution.convolution(
        moves, node.tensor(), node.tensor(1), node.addend(3), kernel[0], shape[1], node.layout, group, column,
    )  # fmt: skip


def max_unpool(node: Node) -> Equation:
    """MaxUnpool: numbers go back to where a pooling took them from, counted over all maps of all images."""
    shape, win = node.shape(), pooled(node)
    all_known(shape)
    if node.shape(1) != shape:
        raise ShapeError(
            f"{node.op}: {shape_text(node.shape(1))} places for {shape_text(shape)} numbers"
        )
    if isinstance(win.padding, str):
        raise NoEquation("its padding follows from sizes that it does not know")
    sizes = tuple(
        (n - 1) * s - before - after + k
        for n, k, s, (before, after) in zip(
            win.sizes, win.kernel, win.strides, win.padding, strict=True
        )
    )
    if node.has(2):
        wanted = node.whole_values(2)
        if wanted[:2] != tuple(shape[:2]) or len(wanted) != len(shape):
            raise ShapeError(f"{node.op}: maps of {shape_text(shape)} do not become {list(wanted)}")
        if sizes != wanted[2:]:
            raise NoEquation(
                "the standard and ONNX Runtime differ about what its places are counted over"
            )
    if min(sizes) < 1:
        raise ShapeError(f"{node.op} leaves nothing")
    axes = node.layout.axes((*shape[:2], *sizes))
    own = node.layout.axes((*shape[:2], *shape[2:]))
    alone = is_one(shape[0])  # then places need not be counted over images
    running = tuple(axis.like(f"{axis.name}′", axis.size) for axis in own[1 if alone else 0 :])
    at = (axes[0], *running) if alone else running
    place = node.read(1, *(at if node.batched(1) or not alone else (0, *running)))
    return scattering.unpooled(axes, axes[1 if alone else 0 :], place, node.read(0, *at), running)


def _axes(node: Node, numbers: int, sizes: tuple[int, ...]) -> tuple[Axis, ...]:
    """Return the output's axes: which region, which channel, and where in the map that it becomes."""
    shape, boxes = node.shape(), node.shape(1)
    all_known(shape, boxes)
    if len(shape) != 4 or len(boxes) != 2 or boxes[1] != numbers:
        raise ShapeError(
            f"{node.op}: boxes of shape {shape_text(boxes)} are no {numbers} numbers each, or maps of shape "
            f"{shape_text(shape)} have no rows and columns"
        )
    return (
        Axis("r", boxes[0], "region"),
        Axis("c", shape[1], "channel", role="in"),
        *map_axes(sizes),
    )


def _map(node: Node, which: Callable[[], Expression]) -> Callable[..., Expression]:
    """Return what reads the map of the image that a region lies in; of one image there is no choice."""
    images = node.shape()[0]
    if is_one(images):
        return lambda *at: node.read(0, 0, *at)
    n = Axis("n", images, "image")
    return lambda *at: named_row(which(), node.read(0, n, *at), n)


def align(node: Node) -> Equation:
    sizes = node.whole("output_height", 1, 1), node.whole("output_width", 1, 1)
    samples = node.whole("sampling_ratio", 0)
    if node.text("mode", "avg", ("avg", "max")) == "max":
        raise NoEquation(
            "it takes the largest of the weighed numbers between which each sample lies"
        )
    if not samples:
        raise NoEquation("how many samples it takes depends on numbers that it reads")
    r, *_ = axes = _axes(node, 4, sizes)
    modes = ("half_pixel", "output_half_pixel")
    middle = node.text("coordinate_transformation_mode", modes[node.opset < 16], modes)

    def corner(axis: int, last: bool) -> Expression:
        return node.read(1, r, 1 - axis + 2 * last)

    return regions.aligned(
        _map(node, lambda: node.read(2, r)), corner, node.shape()[2:], axes, samples,
        node.number("spatial_scale", 1.0), middle == "half_pixel",
    )  # fmt: skip


def largest(node: Node) -> Equation:
    sizes: Any = node.wholes("pooled_shape", 2, None, 1)
    r, *_ = axes = _axes(node, 5, sizes or (1, 1))

    def corner(axis: int, last: bool) -> Expression:
        return node.read(1, r, 2 - axis + 2 * last)

    return regions.pooled(
        _map(node, lambda: node.read(1, r, 0)), corner, node.shape()[2:], axes, node.number("spatial_scale", 1.0),
    )  # fmt: skip


RULES = {
    "DeformConv": Rule(deformable, {1: "kernel", 3: "bias"}),
    "MaxUnpool": Rule(max_unpool, given=frozenset((2,)), takes=NUMBERS),
    "RoiAlign": Rule(align, takes=NUMBERS),
    "MaxRoiPool": Rule(largest),
}

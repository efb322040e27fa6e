"""Operators on whole numbers of few bits that stand for others: QuantizeLinear, DequantizeLinear, QLinearConv.

out[n, c, y, x] = min(max(round(in[n, c, y, x] / scale) + zero, 0), 255)
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations import convolution as stated
from convscope.equations.quantising import dequantised, quantised, shifted
from convscope.equations.stating import NoEquation, all_known, is_number
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, local
from convscope.notation.expression import Tensor
from convscope.notation.sizes import is_one, shape_text
from convscope.operators.elements import ALL, FLOAT
from convscope.operators.rule import Fed, Node, Rule, Weight
from convscope.operators.windows import check_groups, kernel_of, window

UINT8 = 2

BOUNDS = {2: (0, 255), 3: (-128, 127), 4: (0, 65535), 5: (-32768, 32767)}
"""The least and the largest number of the types that are written, by ONNX's number for each."""


def _told(node: Node, place: int, axes: Sequence[Axis]) -> Expression | None:
    """Return what is told of a tensor at a position: of all of it, along one axis, or of blocks along that."""
    if not node.has(place):
        return None
    shape = node.shape(place)
    if not isinstance(node.slot(place), (Fed, Weight)) or not shape:
        return node.read(place)
    if len(shape) == 1 and is_one(shape[0]):
        return node.read(place, 0)
    along, block = node.axis(node.whole("axis", 1, -9), len(axes)), node.whole("block_size", 0)
    if len(shape) == 1 and not block:
        return node.read(place, axes[along])
    if len(shape) != len(axes) or not block:
        raise ShapeError(
            f"{node.op}: {shape_text(shape)} numbers say how a tensor of "
            f"{shape_text(tuple(axis.size for axis in axes))} is scaled"
        )
    return node.read(place, *(a // block if n == along else a for n, a in enumerate(axes)))


def dequantize(node: Node) -> Equation:
    axes = node.layout.axes(node.shape())
    scale = _told(node, 1, axes)
    assert scale is not None, "an input that must be there"
    return Equation(axes, dequantised(node.read(0, *axes), scale, _told(node, 2, axes)))


def _of_scale(node: Node) -> int:
    return node.elements[1] or FLOAT if len(node.elements) > 1 else FLOAT


def _of_zero(node: Node) -> int:
    """Return ONNX's number for the type of what is written: that of its zero."""
    told = node.elements[2] if len(node.elements) > 2 else None
    return told or node.whole("output_dtype", 0) or UINT8


def _bounds(element: int) -> tuple[int, int]:
    if element not in BOUNDS:
        raise NoEquation("it gives numbers of another type than those of 8 or 16 bits")
    return BOUNDS[element]


def quantize(node: Node) -> Equation:
    axes = node.layout.axes(node.shape())
    scale = _told(node, 1, axes)
    assert scale is not None, "an input that must be there"
    bounds = _bounds(_of_zero(node))
    return Equation(axes, quantised(node.read(0, *axes), scale, _told(node, 2, axes), *bounds))


def _from_zero(node: Node, tensor: Tensor, zero: Expression | None, axes: Sequence[Axis], name: str) -> Tensor:  # fmt: skip
    """Return a tensor's numbers as they lie about the one that stands for 0."""
    if zero is None or is_number(zero, 0.0):
        return tensor
    return local(name, axes, shifted(tensor[tuple(axes)], zero))


def convolution(node: Node) -> Equation:
    """QLinearConv: a convolution of whole numbers, its sums scaled and made whole again."""
    shape, kernel = node.shape(), node.shape(3)
    win = window(node, kernel_of(node, kernel))
    group = node.whole("group", 1, 1)
    all_known(shape[1:], kernel)
    check_groups(node, shape[1], kernel[0], kernel[1], group)
    of_image = (*node.layout.lead, *node.layout.axes(shape)[1:])
    image = _from_zero(node, node.tensor(), _single(node, 2), of_image, "input")
    of_kernel = [
        Axis(name, size) for name, size in zip(("o", "c", "h", "i", "j"), kernel, strict=False)
    ]
    weight = _from_zero(
        node, node.tensor(3), _of_filter(node, 5, of_kernel[0]), of_kernel, "weight"
    )
    found = stated.convolution(
        win.sized(), image, weight, node.addend(8), kernel[0], shape[1], node.layout, group
    )
    o = found.axes[1]
    scale, every, own = _single(node, 1), _of_filter(node, 4, o), _single(node, 6)
    assert scale is not None and every is not None and own is not None, "inputs that must be there"
    total = found.expression * (scale * every)
    bounds = _bounds(node.elements[7] or UINT8)
    return Equation(found.axes, quantised(total, own, _single(node, 7), *bounds))


def _single(node: Node, place: int) -> Expression | None:
    return _told(node, place, ())


def _of_filter(node: Node, place: int, o: Axis) -> Expression | None:
    """Return what is told of every filter, or of each."""
    if isinstance(node.slot(place), (Fed, Weight)) and len(node.shape(place)) == 1 and not is_one(node.shape(place)[0]):  # fmt: skip
        return node.read(place, o)
    return _told(node, place, ())


RULES = {
    "DequantizeLinear": Rule(
        dequantize, {0: "kernel", 1: "scale", 2: "zero"}, takes=ALL, gives=_of_scale
    ),
    "QuantizeLinear": Rule(quantize, {1: "scale", 2: "zero"}, takes=ALL, gives=_of_zero),
    "QLinearConv": Rule(
        convolution,
        {1: "scale", 2: "zero", 3: "kernel", 4: "kernel_scale", 5: "kernel_zero", 6: "output_scale",
         7: "output_zero", 8: "bias"},
        takes=ALL,
        gives=lambda node: node.elements[7] or UINT8,
    ),
}  # fmt: skip

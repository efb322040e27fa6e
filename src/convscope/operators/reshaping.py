"""Operators that give the same numbers another shape, or another order of axes.

out[n, k] = in[n, k // 49, k // 7 mod 7, k mod 7]
"""

from __future__ import annotations

import math

from convscope.equations import moving
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation
from convscope.notation.sizes import LARGEST, UNKNOWN, Shape, shape_text
from convscope.operators.elements import ALL
from convscope.operators.rule import Node, Rule, size_is


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


RULES = {
    "Reshape": Rule(reshape, given=frozenset((1,)), takes=ALL),
    "Flatten": Rule(flatten, takes=ALL),
    "Squeeze": Rule(squeeze, given=frozenset((1,)), takes=ALL),
    "Unsqueeze": Rule(unsqueeze, given=frozenset((1,)), takes=ALL),
    "Transpose": Rule(transpose, takes=ALL),
}

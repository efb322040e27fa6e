"""Axes that are divided, o // 4 and o mod 4, as two: their digits.

So are groups, windows side by side, and places that are flattened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convscope.engine.lowering.board import Laid, joined
from convscope.engine.lowering.reading import places
from convscope.engine.lowering.windows import (
    size_of,
)
from convscope.notation import Axis
from convscope.notation.expression import (
    Call,
    Expression,
    Inside,
    Place,
    Read,
    Reduction,
    factors,
)
from convscope.notation.functions import SAME
from convscope.notation.index import Quotient, Remainder
from convscope.notation.rewriting import substituted

if TYPE_CHECKING:
    from convscope.engine.lowering.expressions import Lowering


INT64 = 7
"""What ONNX calls whole numbers (TensorProto.INT64)."""


Digits = list[tuple[Axis, Axis, Axis]]
"""Axes, and the two digits that each is made of, the higher one first."""


def in_digits(axes: Sequence[Axis], node: Expression) -> tuple[Expression, Digits] | None:
    """Return an expression over axes with each that is divided (o // 4 and o mod 4) as two, its digits.

    Where the digits say more places than the axis has, the rest is cut off in the end.
    """
    by: dict[Axis, int] = {}
    for part in node.walk():
        indices = part.indices if isinstance(part, (Read, Inside)) else ()
        for index in (*indices, *([part.index] if isinstance(part, Place) else [])):
            for atom, _ in index.terms:
                if isinstance(atom, (Quotient, Remainder)):
                    axis = atom.of.single()
                    if axis is None or by.setdefault(axis, atom.by) != atom.by:
                        return None
    gone = set(node.axes) if isinstance(node, Reduction) else set[Axis]()
    if not by or not set(by) <= {*axes, *gone}:
        return None
    if any(axis.size % b and axis in gone for axis, b in by.items()):
        return None
    digits = [
        (axis, axis.like(f"{axis.name}₁", -(-axis.size // b)), axis.like(f"{axis.name}₀", b))
        for axis, b in by.items()
    ]
    replaced = {axis: high * little.size + little for axis, high, little in digits}
    if isinstance(node, Reduction):
        body = substituted(node.body, replaced)
        own = [d for a in node.axes for d in next((t[1:] for t in digits if t[0] is a), (a,))]
        found: Expression = Reduction(node.kind, tuple(own), body)
    else:
        found = substituted(node, replaced)
    if axes_in(found) & set(by):
        return None
    return found, [t for t in digits if t[0] in axes]


def digits_together(low: Lowering, x: Laid, digits: Digits) -> Laid:
    """Return a tensor with digits as the axes that they are of again."""
    board = low.board
    for axis, high, little in digits:
        if high not in x.axes and little not in x.axes:
            continue
        x = board.whole(x, [*x.axes, *(a for a in (high, little) if a not in x.axes)])
        order = [a for a in x.axes if a is not little]
        order.insert(order.index(high) + 1, little)
        x = board.ordered(x, order)
        axes = [axis if a is high else a for a in order if a is not little]
        wide = high.size * little.size
        name = board.shaped(x.name, [wide if a is axis else a.size for a in axes])
        if wide != axis.size:
            numbers = [[0], [axis.size], [axes.index(axis)]]
            name = board.node("Slice", name, *(board.constant(n, "int64") for n in numbers))
        x = Laid(name, tuple(axes))
    return x


def axes_in(node: Expression) -> set[Axis]:
    """Return every axis that an expression's own indices have."""
    found: set[Axis] = set()
    for part in node.walk():
        if isinstance(part, (Read, Inside)):
            found = found.union(*(i.axes() for i in part.indices))
        elif isinstance(part, Place):
            found |= part.index.axes()
    return found


def placed(low: Lowering, node: Expression, digits: Digits) -> Laid | None:
    """Return a product that is not 0 at one of the low digits only, put there: MaxUnpool.

    So is the gradient of a maximum over windows side by side: dout where the maximum was, 0 elsewhere.
    """
    parts = list(factors(node))
    gates = [p for p in parts if isinstance(p, Call) and p.function is SAME]
    if len(gates) != 1 or len(parts) < 2 or len(digits) > 3:
        return None
    first, place = gates[0].arguments
    if not isinstance(first, Read) or not isinstance(place, Place):
        return None
    inner = {axis: factor for axis, factor in place.index.terms if isinstance(axis, Axis)}
    digits = sorted(digits, key=lambda d: -inner.get(d[2], 0))  # as the window's places are counted
    highs, lows = [d[1] for d in digits], [d[2] for d in digits]
    others = [p for p in parts if p is not gates[0]]
    if place.index.axes() != set(lows) or any(axes_in(p) & set(lows) for p in (first, *others)):
        return None
    if places(place.index, lows)[0].ravel().tolist() != list(range(size_of(lows))):
        return None
    board = low.board
    value = low.value(others[0])
    for more in others[1:]:
        value = board.together("Mul", value, low.value(more))
    chosen = low.value(first)
    rest = [a for a in joined([chosen, value]) if a not in highs]
    order = [*rest, *highs]
    wide = [h.size * little.size for _, h, little in digits]
    strides = [math.prod(wide[n + 1 :]) for n in range(len(wide))]
    spatial = sum(
        (np.arange(h.size) * little.size * stride).reshape(
            [-1 if m == n else 1 for m in range(len(highs))]
        )
        for n, (h, little, stride) in enumerate(zip(highs, lows, strides, strict=True))
    )
    shape = [1, size_of(rest), *(h.size for h in highs)]
    x = board.shaped(board.ordered(board.whole(value, order), order).name, shape)
    k = board.shaped(board.ordered(board.whole(chosen, order), order).name, shape)
    # a place of the window, counted there, is so far from the window's first: each row of it is a row of the whole
    far = k
    for n, little in enumerate(lows[1:], 1):
        row = math.prod(a.size for a in lows[n:])
        rows = board.node("Floor", board.node("Div", k, board.constant(float(row))))
        more_a_row = float(strides[n - 1] - little.size * strides[n])
        far = board.node("Add", far, board.node("Mul", rows, board.constant(more_a_row)))
    offset = board.node("Cast", far, to=INT64)
    offset = board.node("Add", offset, board.constant(spatial, "int64"))
    own = np.arange(size_of(rest)).reshape([-1] + [1] * len(highs)) * math.prod(wide)
    offset = board.node("Add", offset, board.constant(own, "int64"))
    taps = [little.size for little in lows]
    name = board.node("MaxUnpool", x, offset, kernel_shape=taps, strides=taps)
    axes = [*rest, *(d[0] for d in digits)]
    name = board.shaped(name, [*(a.size for a in rest), *wide])
    cut = [(n + len(rest), d[0].size) for n, d in enumerate(digits) if wide[n] != d[0].size]
    if cut:
        numbers = [[0] * len(cut), [size for _, size in cut], [n for n, _ in cut]]
        name = board.node("Slice", name, *(board.constant(n, "int64") for n in numbers))
    return Laid(name, tuple(axes))

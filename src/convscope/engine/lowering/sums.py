"""Sums of products as ONNX operators: the form of the indices says which.

Σ i, j, c   in[y·s + i·d − p, x …, c] · kernel[i, j, c, o]          Conv
Σ i, j, o   dout[(y + p − i·d)/s, (x …)/s, o] · kernel[i, j, c, o]  ConvTranspose
Σ n, y, x   in[n, y·s + i, x …, c] · dout[n, y, x, o]               a slice a tap, MatMul
Σ i, j      f(i, j, (y + p − i)/s, (x …)/s)                         f for all taps, laid back: Col2Im
Σ c         in[n, c] · kernel[c, o]                                 MatMul
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.engine.lowering.board import Laid
from convscope.engine.lowering.digits import axes_in, digits_together, in_digits
from convscope.engine.lowering.reading import MOST_TAPS
from convscope.engine.lowering.scattering import Back, laid_back, scattered
from convscope.engine.lowering.windows import (
    SlidingIndex,
    is_digits,
    plain_axes,
    read_whole,
    shape_of,
    size_of,
    window_of,
)
from convscope.notation import Axis
from convscope.notation.expression import (
    Binary,
    Expression,
    Number,
    Read,
    Reduction,
    factors,
)
from convscope.typed import Record

if TYPE_CHECKING:
    from convscope.engine.lowering.expressions import Lowering


def total(low: Lowering, node: Reduction) -> Laid:
    """Return a sum over axes."""
    free = sorted(axes_in(node.body) - set(node.axes), key=lambda axis: axis.name)
    split = in_digits(free, node)
    if split is not None:
        (made, digits) = split
        assert isinstance(made, Reduction)
        low.board.beside |= {little: high for _, high, little in digits}
        return digits_together(low, total(low, made), digits)
    parts = list(factors(node.body))
    for rule in (_convolved, scattered):
        found = rule(low, node, parts)
        if found is not None:
            return found
    return _contracted(low, node, parts)


# -- matrix products ----------------------------------------------------------------------------------


def _contracted(low: Lowering, node: Reduction, parts: Sequence[Expression]) -> Laid:
    board = low.board
    scale = math.prod(p.value for p in parts if isinstance(p, Number))
    if len(parts) == 1 and isinstance(parts[0], Binary) and parts[0].operator == "/":
        laids = [low.value(parts[0])]
    else:
        laids = [low.value(part) for part in parts if not isinstance(part, Number)]
    laids.sort(key=lambda x: -x.many)
    gone = set(node.axes)
    for axis in node.axes:  # what nothing depends on is only counted
        if not any(axis in x.axes for x in laids):
            scale *= axis.size
    if not laids:
        return board.number(scale)
    while len(laids) > 2:  # small ones together first, then into what they fit
        a, b = laids.pop(), laids.pop()
        laids.append(board.together("Mul", b, a))
        laids.sort(key=lambda x: -x.many)
    if len(laids) == 2:
        result = product(low, laids[0], laids[1], gone)
    else:
        result = board.reduced("ReduceSum", laids[0], gone)
    return result if scale == 1.0 else board.together("Mul", result, board.number(scale))


def product(low: Lowering, a: Laid, b: Laid, gone: set[Axis]) -> Laid:
    """Return Σ over axes of the product of two tensors."""
    board = low.board
    a = board.reduced("ReduceSum", a, [x for x in a.axes if x in gone and x not in b.axes])
    b = board.reduced("ReduceSum", b, [x for x in b.axes if x in gone and x not in a.axes])
    common = [x for x in a.axes if x in b.axes]
    summed = [x for x in common if x in gone]
    mine = [x for x in a.axes if x not in common]
    yours = [x for x in b.axes if x not in common]
    if any(x.word == "image" for x in yours):  # images lie outermost in what goes on from here
        a, b, mine, yours = b, a, yours, mine
    if not summed or not mine or not yours:
        return board.reduced("ReduceSum", board.together("Mul", a, b), gone)
    # what is outermost in both goes one by one, and is summed afterwards
    lead: list[Axis] = []
    for x, y in zip(a.axes, b.axes, strict=False):
        if x is not y or x not in common:
            break
        lead.append(x)
    inner = [x for x in summed if x not in lead]
    if not inner or not _is_together(a, inner) or not _is_together(b, inner):
        lead, inner = [x for x in common if x not in gone], summed
    each = [x for x in common if x not in inner and x not in lead]
    batch = [*lead, *each]
    left = _matrix(low, a, batch, mine, inner)
    right = _matrix(low, b, batch, inner, yours)
    name = board.node("MatMul", left, right)
    axes = [*batch, *mine, *yours]
    result = Laid(board.shaped(name, [x.size for x in axes]), tuple(axes))
    return board.reduced("ReduceSum", result, [x for x in batch if x in gone])


def _is_together(x: Laid, axes: Sequence[Axis]) -> bool:
    """Whether axes lie beside one another in a tensor, in this order, and at its end."""
    places = [x.axes.index(axis) for axis in axes]
    return places == list(range(places[0], places[0] + len(axes)))


def _matrix(
    low: Lowering, x: Laid, batch: Sequence[Axis], rows: Sequence[Axis], columns: Sequence[Axis]
) -> str:
    """Return a tensor as matrices (batch, rows, columns); turned as matrices where that does."""
    board = low.board
    sizes = [axis.size for axis in batch]
    r, c = math.prod(a.size for a in rows), math.prod(a.size for a in columns)
    turned = [axis for axis in (*batch, *columns, *rows) if axis.size > 1]
    if [axis for axis in x.axes if axis.size > 1] == turned:
        flat = board.shaped(x.name, [*sizes, c, r])
        return board.turned(flat, [*range(len(sizes)), len(sizes) + 1, len(sizes)])
    return board.shaped(board.ordered(x, [*batch, *rows, *columns]).name, [*sizes, r, c])


# -- convolutions -------------------------------------------------------------------------------------


class _Convolution(Record):
    """What a sum of products needs to be a convolution, ordered as ONNX wants it."""

    windows: list[SlidingIndex]
    lead: list[Axis]
    each: list[Axis]
    summed: list[Axis]
    filters: list[Axis]


def _convolved(low: Lowering, node: Reduction, parts: Sequence[Expression]) -> Laid | None:
    """Return a sum of products as a convolution or a transposed one, where it has that form."""
    gone = set(node.axes)
    reads = [part for part in parts if isinstance(part, Read)]
    if len(parts) != 2 or len(reads) != 2:
        return None
    for image, kernel in (reads, reads[::-1]):
        shape = shape_of(low, image.tensor)
        windows = {
            d: w
            for d, i in enumerate(image.indices)
            if (w := window_of(i, gone)) and not is_digits(w, shape[d])
        }
        if not 1 <= len(windows) <= 3 or image.outside != "zero":
            continue
        if any(w.by > 1 for w in windows.values()):
            continue
        at = math.prod(w.place.size for w in windows.values())
        if at <= MOST_TAPS and at < math.prod(w.tap.size for w in windows.values()):
            continue  # a few places of large windows, as of a kernel's gradient: slices and a product
        inner = low.value(kernel)
        taps = [w.tap for w in windows.values()]
        places = {w.place for w in windows.values()}
        if (
            not set(taps) <= set(inner.axes)
            or places & set(inner.axes)
            or len(set(taps)) != len(taps)
        ):
            continue
        plain = {d: i for d, i in enumerate(image.indices) if d not in windows}
        own = plain_axes(plain, shape)
        if own is None or {*own} & ({*taps} | places):
            continue
        rest = [a for a in inner.axes if a not in taps]
        summed = [a for a in own if a in gone and a in rest]
        if {a for a in (*own, *rest) if a in gone} != set(summed) or gone != {*summed, *taps}:
            continue
        found = _Convolution(
            list(windows.values()),
            [a for a in own if a not in rest],
            [a for a in own if a in rest and a not in gone],
            summed,
            [a for a in rest if a not in own],
        )
        return _convolution(low, image, inner, list(windows), found)
    return None


def _convolution(
    low: Lowering, image: Read, kernel: Laid, dims: Sequence[int], how: _Convolution
) -> Laid:
    """Return a convolution in ONNX's layout."""
    board = low.board
    raw, spatial = read_whole(low, image, dims)
    groups, depth = size_of(how.each), size_of(how.summed)
    order = [*how.lead, *how.each, *how.summed, *spatial]
    turned = board.ordered(raw, order).name
    x = board.shaped(turned, [size_of(how.lead), groups * depth, *(a.size for a in spatial)])
    taps = [w.tap for w in how.windows]
    places = [w.place for w in how.windows]
    axes = (*how.lead, *how.each, *how.filters, *places)
    if groups == 1 and all(w.step == 1 and w.spacing < 0 for w in how.windows):
        # windows that run backwards: what each gave is laid back, which multiplies no number by the border's zeros
        weight = board.ordered(kernel, [*how.summed, *how.filters, *taps]).name
        backs = [
            Back(w.place, given, w.tap, 1, -w.spacing, w.start)
            for w, given in zip(how.windows, spatial, strict=True)
        ]
        y = laid_back(low, x, weight, backs, 1)
        return Laid(board.shaped(y, [a.size for a in axes]), axes)
    weight = board.ordered(kernel, [*how.each, *how.filters, *how.summed, *taps]).name
    w = board.shaped(weight, [groups * size_of(how.filters), depth, *(a.size for a in taps)])
    y = _forth(low, x, w, how.windows, [a.size for a in spatial], groups)
    return Laid(board.shaped(y, [a.size for a in axes]), axes)


def _forth(
    low: Lowering,
    x: str,
    w: str,
    windows: Sequence[SlidingIndex],
    sizes: Sequence[int],
    groups: int,
) -> str:
    """Return Conv; taps that run backwards are turned round, what no window reaches is cut off."""
    board = low.board
    before, after, steps, spacings, turn = [], [], [], [], []
    for n, (window, size) in enumerate(zip(windows, sizes, strict=True)):
        last = window.tap.size - 1
        start, spacing = window.start, window.spacing
        if spacing < 0:
            start, spacing = start + spacing * last, -spacing
            turn.append(n + 2)
        reach = window.step * (window.place.size - 1) + spacing * last + start
        before.append(-start)
        left = size - 1 - reach
        after.append(0 if 0 <= left < window.step else -left)  # too little for one window more
        steps.append(window.step)
        spacings.append(max(spacing, 1))
    if turn:
        numbers = [[-1] * len(turn), [-(1 << 40)] * len(turn), turn, [-1] * len(turn)]
        w = board.node("Slice", w, *(board.constant(n, "int64") for n in numbers))
    if min(*before, *after, 0) < 0:
        cut = [0, 0, *(min(b, 0) for b in before), 0, 0, *(min(a, 0) for a in after)]
        x = board.node("Pad", x, board.constant(cut, "int64"), board.constant(0.0))
    pads = [max(b, 0) for b in before] + [max(a, 0) for a in after]
    return board.node("Conv", x, w, strides=steps, dilations=spacings, pads=pads, group=groups)

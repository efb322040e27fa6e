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
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.lowering.board import Laid, joined
from convscope.engine.lowering.reading import MOST_TAPS, places
from convscope.notation import Axis, Index
from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Inside,
    Local,
    Number,
    Place,
    Read,
    Reduction,
    Tensor,
    factors,
)
from convscope.notation.functions import SAME
from convscope.notation.index import ExactQuotient, Quotient, Remainder, as_index, same
from convscope.notation.rewriting import Rewriting, substituted
from convscope.typed import Record

if TYPE_CHECKING:
    from convscope.engine.lowering.expressions import Lowering


INT64 = 7
"""What ONNX calls whole numbers (TensorProto.INT64)."""


def total(low: Lowering, node: Reduction) -> Laid:
    """Return a sum over axes."""
    free = sorted(_axes_of(node.body) - set(node.axes), key=lambda axis: axis.name)
    split = in_digits(free, node)
    if split is not None:
        (made, digits) = split
        assert isinstance(made, Reduction)
        low.board.beside |= {little: high for _, high, little in digits}
        return digits_together(low, total(low, made), digits)
    parts = list(factors(node.body))
    for rule in (_convolved, _scattered):
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
    if x.axes == (*batch, *columns, *rows):
        flat = board.shaped(x.name, [*sizes, c, r])
        return board.turned(flat, [*range(len(sizes)), len(sizes) + 1, len(sizes)])
    return board.shaped(board.ordered(x, [*batch, *rows, *columns]).name, [*sizes, r, c])


# -- windows ------------------------------------------------------------------------------------------


class _Window(Record):
    """An index (step·place + spacing·tap + start)/by."""

    place: Axis
    tap: Axis
    step: int
    spacing: int
    start: int
    by: int = 1


def _window(index: Index, gone: set[Axis]) -> _Window | None:
    """Return how a window slides along a dimension: one axis that stays, one that is summed."""
    by = 1
    divided = index.terms[0][0] if len(index.terms) == 1 else None
    if isinstance(divided, ExactQuotient):
        if index.const != 0 or index.terms[0][1] != 1:
            return None
        index, by = divided.of, divided.by
    if len(index.terms) != 2 or not all(isinstance(atom, Axis) for atom, _ in index.terms):
        return None
    (a, step), (b, spacing) = index.terms
    if a in gone:
        (a, step), (b, spacing) = (b, spacing), (a, step)
    if a in gone or b not in gone or not isinstance(a, Axis) or not isinstance(b, Axis):
        return None
    return _Window(a, b, step, spacing, index.const, by) if step > 0 else None


def _is_digits(window: _Window, size: int) -> bool:
    """Whether place and tap are digits of a number: windows side by side, as many as there are."""
    place, tap, step, spacing, start, by = window
    whole = place.size * tap.size == size and tap.size > 1
    return whole and (step, spacing, start, by) == (tap.size, 1, 0, 1)


class _Convolution(Record):
    """What a sum of products needs to be a convolution, ordered as ONNX wants it."""

    windows: list[_Window]
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
        shape = _shape(low, image.tensor)
        windows = {
            d: w
            for d, i in enumerate(image.indices)
            if (w := _window(i, gone)) and not _is_digits(w, shape[d])
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
        own = _plain_axes(plain, shape)
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


def _shape(low: Lowering, tensor: Tensor) -> Sequence[int]:
    if isinstance(tensor, Local):
        return [axis.size for axis in tensor.axes]
    return low.values[tensor.name].shape


def _plain_axes(plain: dict[int, Index], shape: Sequence[int]) -> list[Axis] | None:
    """Return the axes of dimensions that are read whole: one axis each, or digits."""
    found: list[Axis] = []
    for dim, index in plain.items():
        rest: Index = as_index(0)
        axes = sorted((a for a in index.axes()), key=lambda a: -dict(index.terms).get(a, 0))
        for axis in axes:
            rest = rest * axis.size + axis
        if axes and not same(rest, index):
            return None
        if not axes or math.prod(a.size for a in axes) != shape[dim]:
            return None
        if any(axis in found for axis in axes):
            return None
        found += axes
    return found


def _convolution(
    low: Lowering, image: Read, kernel: Laid, dims: Sequence[int], how: _Convolution
) -> Laid:
    """Return a convolution in ONNX's layout."""
    board = low.board
    raw, spatial = _raw(low, image, dims)
    groups, depth = _size(how.each), _size(how.summed)
    order = [*how.lead, *how.each, *how.summed, *spatial]
    turned = board.ordered(raw, order).name
    x = board.shaped(turned, [_size(how.lead), groups * depth, *(a.size for a in spatial)])
    taps = [w.tap for w in how.windows]
    weight = board.ordered(kernel, [*how.each, *how.filters, *how.summed, *taps]).name
    w = board.shaped(weight, [groups * _size(how.filters), depth, *(a.size for a in taps)])
    y = _forth(low, x, w, how.windows, [a.size for a in spatial], groups)
    places = [w.place for w in how.windows]
    axes = (*how.lead, *how.each, *how.filters, *places)
    return Laid(board.shaped(y, [a.size for a in axes]), axes)


def _forth(
    low: Lowering, x: str, w: str, windows: Sequence[_Window], sizes: Sequence[int], groups: int
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


def _raw(low: Lowering, image: Read, dims: Sequence[int]) -> tuple[Laid, list[Axis]]:
    """Return what a read reads, whole along the dimensions of windows: with an axis of its own for each."""
    held = (
        low.held(low.local(image.tensor), image.tensor.axes)
        if isinstance(image.tensor, Local)
        else low.values[image.tensor.name]
    )
    spatial = {d: Axis(f"s{d}", held.shape[d]) for d in dims}
    indices = tuple(spatial.get(d, i) for d, i in enumerate(image.indices))
    name = "raw"
    inner = type(low)(low.board, {name: held})
    return inner.value(Read(Tensor(name, "input", held.shape), indices)), list(spatial.values())


def _size(axes: Sequence[Axis]) -> int:
    return math.prod(axis.size for axis in axes)


# -- pooling ------------------------------------------------------------------------------------------


def pooled(low: Lowering, node: Reduction) -> Laid | None:
    """Return the maximum or mean of windows as a pooling, where it has that form."""
    gone = set(node.axes)
    image = node.body
    if node.kind not in ("max", "mean") or not isinstance(image, Read):
        return None
    wanted = {"max": ("-inf", "zero"), "mean": ("skip", "zero")}[node.kind]
    windows = {d: w for d, i in enumerate(image.indices) if (w := _window(i, gone))}
    if not 1 <= len(windows) <= 3 or {w.tap for w in windows.values()} != gone:
        return None
    if image.padding is not None and image.outside not in wanted:
        return None
    shape = _shape(low, image.tensor)
    plain = {d: i for d, i in enumerate(image.indices) if d not in windows}
    own = _plain_axes(plain, shape)
    if own is None or any(w.by > 1 or w.spacing < 1 for w in windows.values()):
        return None
    before, after = [], []
    for d, w in windows.items():
        reach = w.step * (w.place.size - 1) + w.spacing * (w.tap.size - 1) + w.start
        before.append(-w.start)
        left = shape[d] - 1 - reach
        after.append(0 if 0 <= left < w.step else -left)
    board = low.board
    overhang = max(*before, *after, 0) > 0
    if overhang and (image.outside == "zero" or any(w.spacing > 1 for w in windows.values())):
        return None
    if overhang and any(
        p >= w.tap.size for p, w in zip([*before, *after], [*windows.values()] * 2, strict=True)
    ):
        return None
    raw, spatial = _raw(low, image, list(windows))
    lead = [a for a in raw.axes if a not in spatial]
    x = board.ordered(raw, [*lead, *spatial]).name
    x = board.shaped(x, [1, _size(lead), *(a.size for a in spatial)]) if len(lead) != 2 else x
    if min(*before, *after, 0) < 0:
        cut = [0, 0, *(min(b, 0) for b in before), 0, 0, *(min(a, 0) for a in after)]
        x = board.node("Pad", x, board.constant(cut, "int64"), board.constant(0.0))
    how: dict[str, Any] = {
        "kernel_shape": [w.tap.size for w in windows.values()],
        "strides": [w.step for w in windows.values()],
        "pads": [max(b, 0) for b in before] + [max(a, 0) for a in after],
    }
    if node.kind == "max":
        y = board.node("MaxPool", x, dilations=[w.spacing for w in windows.values()], **how)
    else:
        if any(w.spacing > 1 for w in windows.values()):
            return None
        y = board.node("AveragePool", x, count_include_pad=0, **how)
    axes = (*lead, *(w.place for w in windows.values()))
    return Laid(board.shaped(y, [a.size for a in axes]), axes)


# -- what taps give back ------------------------------------------------------------------------------


class _Back(Record):
    """A place that gets something from every window around it: place = by·output + spacing·tap − start."""

    place: Axis
    output: Axis
    tap: Axis
    by: int
    spacing: int
    start: int

    @property
    def reach(self) -> int:
        """How many places all windows reach together."""
        last: int = self.by * (self.output.size - 1) + self.spacing * (self.tap.size - 1)
        return last + 1


class _Placing(Rewriting):
    """Puts an axis in the place of an index, wherever that is read."""

    def __init__(self, placed: Sequence[tuple[Index, Axis]]) -> None:
        super().__init__()
        self.placed = placed

    def index(self, index: Index) -> Index:
        return next((axis for known, axis in self.placed if same(known, index)), index)

    def read(self, node: Read) -> Expression:
        made = super().read(node)
        assert isinstance(made, Read)
        if node.padding is None:
            return made
        new = {axis for _, axis in self.placed}
        padding = tuple(
            (0, 0) if index.axes() & new else pad
            for index, pad in zip(made.indices, node.padding, strict=True)
        )
        return Read(made.tensor, made.indices, padding, made.outside, made.scattered)

    def local(self, item: Local) -> Local:
        return item


def _scattered(low: Lowering, node: Reduction, parts: Sequence[Expression]) -> Laid | None:
    """Return a sum in which each place gets what the windows around it give back.

    Everything that depends on the place must be at (place + start − tap·spacing)/by, or the tap at
    place − by·output + start: then the body is worked out for all windows and taps, and laid back where
    they came from. A product of what windows hold with what taps hold is a transposed convolution.
    """
    gone = set(node.axes)
    left, backs = _conditions(parts, gone)
    placed: list[tuple[Index, Axis]] = []
    for part in left:
        for one in part.walk():
            if not isinstance(one, Read) or one.tensor.shape is None:
                continue
            for dim, index in enumerate(one.indices):
                window = _window(index, gone)
                if window is None or window.step != 1 or window.spacing >= 0:
                    continue
                if one.outside != "zero" or any(same(index, known) for known, _ in placed):
                    continue
                if any(window.place is back.place for back in backs):
                    return None
                output = Axis(f"{window.place.name}′", one.tensor.shape[dim])
                placed.append((index, output))
                backs.append(
                    _Back(
                        window.place, output, window.tap, window.by, -window.spacing, window.start
                    )
                )
    if not backs or all(back.by == 1 for back in backs):
        return None
    stands = {b.place: b.output * b.by + b.tap * b.spacing - b.start for b in backs}
    taps, outputs = [b.tap for b in backs], [b.output for b in backs]
    rewriting = _Placing(placed)
    left = [substituted(rewriting.expression(part), stands) for part in left]
    if len({*taps, *outputs}) != 2 * len(backs):
        return None
    rest = tuple(a for a in node.axes if a not in taps and a not in outputs)
    board = low.board
    laids = [low.value(part) for part in left]
    made = _transposed(low, laids, rest, backs) if len(laids) == 2 else None
    if made is not None:
        return made
    if rest:
        whole = left[0]
        for part in left[1:]:
            whole = whole * part
        laids = [low.value(Reduction("sum", rest, whole))]
    others = [a for a in joined(laids) if a not in taps and a not in outputs]
    apart = all(b.by == b.tap.size and b.spacing == 1 for b in backs)
    beside = [a for b in backs for a in (b.output, b.tap)]
    order = [*others, *(beside if apart else [*taps, *outputs])]
    result = laids[0]
    for n, more in enumerate(laids[1:], 2):
        result = board.together("Mul", result, more, over=order if n == len(laids) else None)
    name = board.ordered(board.whole(result, order), order).name
    sizes, full = [a.size for a in others], [b.reach for b in backs]
    if not apart:
        flat = board.shaped(name, [1, _size(others) * _size(taps), _size(outputs)])
        name = board.node(
            "Col2Im",
            flat,
            board.constant(full, "int64"),
            board.constant([t.size for t in taps], "int64"),
            strides=[b.by for b in backs],
            dilations=[b.spacing for b in backs],
        )
    name = board.shaped(name, [*sizes, *full])
    before = [0] * len(sizes) + [-b.start for b in backs]
    after = [0] * len(sizes) + [b.start + b.place.size - b.reach for b in backs]
    if any(before) or any(after):
        name = board.node("Pad", name, board.constant(before + after, "int64"), board.constant(0.0))
    return Laid(name, (*others, *(b.place for b in backs)))


def _conditions(
    parts: Sequence[Expression], gone: set[Axis]
) -> tuple[list[Expression], list[_Back]]:
    """Return the factors without conditions 0 ≤ place − by·output + start < taps, and those as backs."""
    left: list[Expression] = []
    backs: list[_Back] = []
    for part in parts:
        if not isinstance(part, Inside):
            left.append(part)
            continue
        kept = []
        for index, size in zip(part.indices, part.sizes, strict=True):
            terms = dict(index.terms)
            ours = [a for a, f in terms.items() if isinstance(a, Axis) and f == 1 and a not in gone]
            theirs = [a for a, f in terms.items() if isinstance(a, Axis) and f < 0 and a in gone]
            if len(terms) == 2 and len(ours) == len(theirs) == 1:
                (place,), (output,) = ours, theirs
                if all(place is not b.place and output is not b.output for b in backs):
                    tap = Axis(f"{place.name}″", size)
                    backs.append(_Back(place, output, tap, -terms[output], 1, index.const))
                    continue
            kept.append((index, size))
        if kept:
            left.append(Inside(tuple(i for i, _ in kept), tuple(size for _, size in kept)))
    return left, backs


def _transposed(
    low: Lowering, laids: Sequence[Laid], rest: Sequence[Axis], backs: Sequence[_Back]
) -> Laid | None:
    """Return a product of what windows hold with what taps hold as ConvTranspose."""
    taps, outputs = [b.tap for b in backs], [b.output for b in backs]
    for image, kernel in (laids, laids[::-1]):
        if not set(outputs) <= set(image.axes) or not set(taps) <= set(kernel.axes):
            continue
        if set(outputs) & set(kernel.axes) or set(taps) & set(image.axes):
            continue
        common = [a for a in image.axes if a in kernel.axes]
        summed = [a for a in common if a in rest]
        if set(summed) != set(rest) or len(backs) > 3:
            continue
        each = [a for a in common if a not in rest]
        lead = [a for a in image.axes if a not in common and a not in outputs]
        filters = [a for a in kernel.axes if a not in common and a not in taps]
        board = low.board
        x = board.ordered(image, [*lead, *each, *summed, *outputs]).name
        x = board.shaped(x, [_size(lead), _size(each) * _size(summed), *(a.size for a in outputs)])
        w = board.ordered(kernel, [*each, *summed, *filters, *taps]).name
        w = board.shaped(w, [_size(each) * _size(summed), _size(filters), *(a.size for a in taps)])
        ends = [b.reach - b.start - b.place.size for b in backs]
        y = board.node(
            "ConvTranspose",
            x,
            w,
            strides=[b.by for b in backs],
            dilations=[b.spacing for b in backs],
            pads=[max(b.start, 0) for b in backs] + [max(e, 0) for e in ends],
            group=_size(each),
        )
        before, after = [max(-b.start, 0) for b in backs], [max(-e, 0) for e in ends]
        if any(before) or any(after):
            pads = [0, 0, *before, 0, 0, *after]
            y = board.node("Pad", y, board.constant(pads, "int64"), board.constant(0.0))
        axes = (*lead, *each, *filters, *(b.place for b in backs))
        return Laid(board.shaped(y, [a.size for a in axes]), axes)
    return None


# -- digits -------------------------------------------------------------------------------------------


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
    if _axes_of(found) & set(by):
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


def _axes_of(node: Expression) -> set[Axis]:
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
    highs, lows = [d[1] for d in digits], [d[2] for d in digits]
    others = [p for p in parts if p is not gates[0]]
    if not isinstance(first, Read) or not isinstance(place, Place):
        return None
    if place.index.axes() != set(lows) or any(_axes_of(p) & set(lows) for p in (first, *others)):
        return None
    at, _ = places(place.index, lows)
    if sorted(at.ravel().tolist()) != list(range(_size(lows))):
        return None
    board = low.board
    value = low.value(others[0])
    for more in others[1:]:
        value = board.together("Mul", value, low.value(more))
    chosen = low.value(first)
    rest = [a for a in joined([value, chosen]) if a not in highs]
    order = [*rest, *highs]
    wide = [h.size * little.size for _, h, little in digits]
    strides = [math.prod(wide[n + 1 :]) for n in range(len(wide))]
    table = np.zeros(_size(lows), np.int64)
    table[at] = sum(
        np.arange(little.size).reshape([-1 if m == n else 1 for m in range(len(lows))]) * stride
        for n, (little, stride) in enumerate(zip(lows, strides, strict=True))
    )
    spatial = sum(
        (np.arange(h.size) * little.size * stride).reshape(
            [-1 if m == n else 1 for m in range(len(highs))]
        )
        for n, (h, little, stride) in enumerate(zip(highs, lows, strides, strict=True))
    )
    shape = [1, _size(rest), *(h.size for h in highs)]
    x = board.shaped(board.ordered(board.whole(value, order), order).name, shape)
    k = board.shaped(board.ordered(board.whole(chosen, order), order).name, shape)
    offset = board.node("Gather", board.constant(table, "int64"), board.node("Cast", k, to=INT64))
    offset = board.node("Add", offset, board.constant(spatial, "int64"))
    own = np.arange(_size(rest)).reshape([-1] + [1] * len(highs)) * math.prod(wide)
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

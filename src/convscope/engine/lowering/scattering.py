"""Sums in which each place gets what the windows around it give back.

Σ i, j, o   dout[(y + p − i·d)/s, (x …)/s, o] · kernel[i, j, c, o]  ConvTranspose
Σ i, j      f(i, j, (y + p − i)/s, (x …)/s)                         f for all taps, laid back: Col2Im
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.engine.lowering.board import Laid, joined
from convscope.engine.lowering.windows import (
    size_of,
    window_of,
)
from convscope.notation import Axis, Index
from convscope.notation.expression import (
    Expression,
    Inside,
    Local,
    Read,
    Reduction,
)
from convscope.notation.index import same
from convscope.notation.rewriting import Rewriting, substituted
from convscope.typed import Record

if TYPE_CHECKING:
    from convscope.engine.lowering.expressions import Lowering


class Back(Record):
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


def scattered(low: Lowering, node: Reduction, parts: Sequence[Expression]) -> Laid | None:
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
                window = window_of(index, gone)
                if window is None or window.step != 1 or window.spacing >= 0:
                    continue
                if one.outside != "zero" or any(same(index, known) for known, _ in placed):
                    continue
                if any(window.place is back.place for back in backs):
                    return None
                output = Axis(f"{window.place.name}′", one.tensor.shape[dim])
                placed.append((index, output))
                backs.append(
                    Back(window.place, output, window.tap, window.by, -window.spacing, window.start)
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
        flat = board.shaped(name, [1, size_of(others) * size_of(taps), size_of(outputs)])
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
) -> tuple[list[Expression], list[Back]]:
    """Return the factors without conditions 0 ≤ place − by·output + start < taps, and those as backs."""
    left: list[Expression] = []
    backs: list[Back] = []
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
                    backs.append(Back(place, output, tap, -terms[output], 1, index.const))
                    continue
            kept.append((index, size))
        if kept:
            left.append(Inside(tuple(i for i, _ in kept), tuple(size for _, size in kept)))
    return left, backs


def _transposed(
    low: Lowering, laids: Sequence[Laid], rest: Sequence[Axis], backs: Sequence[Back]
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
        x = board.shaped(
            x, [size_of(lead), size_of(each) * size_of(summed), *(a.size for a in outputs)]
        )
        w = board.ordered(kernel, [*each, *summed, *filters, *taps]).name
        w = board.shaped(
            w, [size_of(each) * size_of(summed), size_of(filters), *(a.size for a in taps)]
        )
        y = laid_back(low, x, w, backs, size_of(each))
        axes = (*lead, *each, *filters, *(b.place for b in backs))
        return Laid(board.shaped(y, [a.size for a in axes]), axes)
    return None


def laid_back(low: Lowering, x: str, w: str, backs: Sequence[Back], groups: int) -> str:
    """Return ConvTranspose; places that no window reaches are added, those outside cut off."""
    ends = [b.reach - b.start - b.place.size for b in backs]
    y = low.board.node(
        "ConvTranspose",
        x,
        w,
        strides=[b.by for b in backs],
        dilations=[b.spacing for b in backs],
        pads=[max(b.start, 0) for b in backs] + [max(e, 0) for e in ends],
        group=groups,
    )
    before, after = [max(-b.start, 0) for b in backs], [max(-e, 0) for e in ends]
    if any(before) or any(after):
        pads = [0, 0, *before, 0, 0, *after]
        y = low.board.node("Pad", y, low.board.constant(pads, "int64"), low.board.constant(0.0))
    return y

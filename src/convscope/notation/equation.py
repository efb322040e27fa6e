"""An equation: output[axes] = expression, and what can be asked of it.

>>> y, i = Axis("y", word="row"), Axis("i", 3)
>>> image = source((28,))
>>> blur = Equation((y,), Sum(i)(image[y + i] * weight("kernel")[i]))
>>> print(blur)
out[y] = Σ i<3  in[y + i] · kernel[i]
>>> blur.shape, blur.weights
((26,), {'kernel': (3,)})
>>> print(blur.fits[y])
a window of 3 rows fits at 26 starting rows, 0 … 25, of 28
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from convscope.errors import ShapeError, WindowError
from convscope.notation.expression import (
    Expression,
    Local,
    Pieces,
    Read,
    Sum,
    Tensor,
    by_place,
    reads,
    source,
    weight,
)
from convscope.notation.index import Axis, Index, Range
from convscope.notation.sizes import (
    UNKNOWN,
    Size,
    counted,
    is_known,
    is_rational,
    largest,
    product,
    show,
    smallest,
    surely_less,
    tidy,
)
from convscope.notation.spread import Spread, spread
from convscope.typed import TYPE_CHECKING, Record, cached_property

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["Axis", "Equation", "Fit", "Sum", "source", "weight"]


class Fit(Record):
    """Why an output axis has the size it has: at how many places the window still fits.

    window      how far one window reaches along the axis, in input positions
    taps        how many of those it reads, `spacing` apart (dilation)
    size        the input's size there
    before, after   the padding
    first       where the first window starts: at −before, unless something is cut off
    stride      how far neighbouring windows are apart
    count       the output's size
    unused      positions at the end, of the input and then of its padding, that no window reaches
    word        what a position along the axis is called: row, column, step …
    """

    window: Size
    taps: Size
    spacing: Size
    size: Size
    before: Size
    after: Size
    first: Size
    stride: Size
    count: Size
    unused: Size
    word: str

    def __str__(self) -> str:
        from convscope.notation import printing

        return printing.fit_in_words(self)


Inlined: TypeAlias = tuple[Read, tuple[Index, ...], frozenset[Axis]]
"""A read, its indices, and the axes that reductions around it run over."""

Piece: TypeAlias = tuple[Index, Size, Size, Axis | None]
"""An index, and from where to before where it must lie: for a piece to hold, or for a local to be read at its axis,
which then is as far inside as the index is."""


class Equation:
    """What one output number of a layer is, and everything that follows from it.

    axes        the output's axes; those of size None are solved: the largest size at which every
                window still fits
    expression  the value at one position of those axes
    name        what the left-hand side is called
    """

    def __init__(self, axes: Sequence[Axis], expression: Expression, name: str = "out") -> None:
        self.axes = tuple(axes)
        self.expression = expression
        self.name = name

    def __str__(self) -> str:
        from convscope.notation import printing

        return printing.text(self)

    def latex(self) -> str:
        """Return the equation as LaTeX, without surrounding dollar signs."""
        from convscope.notation import printing

        return printing.latex(self)

    # -- what it reads ----------------------------------------------------------------------------

    @cached_property
    def inlined(self) -> tuple[Inlined, ...]:
        """Every read of an input or a weight, with its indices as if locals were written out.

        The third part holds the axes that reductions run over at that read.
        """
        return tuple(found for found, _ in self._placed)

    @cached_property
    def _placed(self) -> tuple[tuple[Inlined, tuple[Piece, ...]], ...]:
        """Every read as `inlined` has it, with the pieces in which it stands."""
        return tuple(self._inline(self.expression, {}, frozenset(), ()))

    @cached_property
    def walked(self) -> tuple[Expression, ...]:
        """The expression and everything below it, each before its parts; locals are not gone into."""
        return tuple(self.expression.walk())

    @cached_property
    def _bordered(self) -> tuple[tuple[Inlined, tuple[Piece, ...]], ...]:
        """The same, but for locals with a border: what lies in it reads nothing, so that their axes stay."""
        if not any(
            isinstance(read.tensor, Local) and read.padding is not None
            for read in reads([self.expression])
        ):
            return self._placed
        return tuple(self._inline(self.expression, {}, frozenset(), (), True))

    def _inline(
        self,
        node: Expression,
        replaced: Mapping[Axis, Index],
        bound: frozenset[Axis],
        pieces: tuple[Piece, ...],
        borders: bool = False,
    ) -> Sequence[tuple[Inlined, tuple[Piece, ...]]]:
        if isinstance(node, Read):
            indices = node.indices
            if replaced:
                indices = tuple(index.substitute(replaced) for index in indices)
            if isinstance(node.tensor, Local):
                inner = dict(zip(node.tensor.axes, indices, strict=True))
                if borders and node.padding is not None:
                    sizes = node.tensor.shape or ()
                    moved = ((i, 0, s, a) for (a, i), s in zip(inner.items(), sizes, strict=True))
                    pieces, inner = (*pieces, *moved), {}
                return self._inline(node.tensor.expression, inner, bound, pieces, borders)
            return (((node, indices, bound), pieces),)
        found: list[tuple[Inlined, tuple[Piece, ...]]] = []
        if isinstance(node, Pieces):
            along = node.along.substitute(replaced) if replaced else node.along
            for start, end, body in zip((0, *node.ends[:-1]), node.ends, node.bodies, strict=True):
                here = (*pieces, (along, start, end, None))
                found += self._inline(body, replaced, bound, here, borders)
            return found
        axes = getattr(node, "axes", ())
        bound = bound.union(axes) if axes else bound
        for part in node.parts():
            found += self._inline(part, replaced, bound, pieces, borders)
        return found

    @cached_property
    def locals(self) -> tuple[Local, ...]:
        """The locals, each after those that it reads."""
        ordered: dict[Local, None] = {}

        def visit(nodes: Iterable[Expression]) -> None:
            for node in nodes:
                tensor = node.tensor if isinstance(node, Read) else None
                if isinstance(tensor, Local) and tensor not in ordered:
                    visit(tensor.expression.walk())
                    ordered[tensor] = None

        visit(self.walked)
        return tuple(ordered)

    @cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs that are read, in the order of their first reading."""
        return tuple(
            dict.fromkeys(r.tensor for r in reads([self.expression]) if r.tensor.role == "input")
        )

    # -- sizes ------------------------------------------------------------------------------------

    @cached_property
    def fits(self) -> dict[Axis, Fit]:
        """For each output axis that was solved: why it has its size."""
        found: dict[Axis, Fit] = {}
        for axis in self.axes:
            if axis.size is not None:
                continue
            for read, indices, bound in self.inlined:
                if read.tensor.role != "input":
                    continue
                for dimension, index in enumerate(indices):
                    fit = _fit(axis, read, dimension, index, bound)
                    if fit is None:
                        continue
                    if axis not in found or surely_less(fit.count, found[axis].count):
                        found[axis] = fit
            if axis not in found:
                raise ShapeError(f"nothing in the equation limits its axis {axis.name}")
        return found

    @cached_property
    def sizes(self) -> dict[Axis, Size]:
        """The size of each output axis."""
        fits = self.fits
        return {a: fits[a].count if a.size is None else a.size for a in self.axes}

    @property
    def shape(self) -> tuple[Size, ...]:
        """The output's shape, without the batch."""
        return tuple(self.sizes.values())

    @cached_property
    def weights(self) -> dict[str, tuple[Size, ...]]:
        """The shape of each weight: the ranges of the axes that index it."""
        shapes: dict[str, tuple[Size, ...]] = {}
        for (read, indices, bound), pieces in self._placed:
            if read.tensor.role == "weight":
                shape = self._run_over(read, indices, bound, pieces)
                known = shapes.get(read.tensor.name)
                shapes[read.tensor.name] = tuple(map(largest, known, shape)) if known else shape
        return shapes

    def _run_over(
        self, read: Read, indices: Sequence[Index], bound: frozenset[Axis], pieces: Sequence[Piece]
    ) -> tuple[Size, ...]:
        """Return how many places the indices of a weight run over."""
        sizes = self.sizes
        if not pieces and read.padding is None:  # one axis each: as most weights are read
            alone = [index.single() for index in indices]
            counts = [None if axis is None else sizes.get(axis, axis.size) for axis in alone]
            if all(type(count) is int for count in counts):
                return tuple(counts)
        outputs: dict[Axis, Range] = {axis: (0, size - 1) for axis, size in sizes.items()}
        every = outputs | _running(bound)
        # without a border it is there along the whole axis
        held = every if read.padding is None else _held(pieces, every) or every
        after = [last for _, last in read.padding or ((0, 0),) * len(indices)]
        return tuple(
            tidy(1 + smallest(index.bounds(held)[1], index.bounds(every)[1] - last))
            for index, last in zip(indices, after, strict=True)
        )

    @property
    def params(self) -> Size:
        """How many numbers all weights hold together."""
        return tidy(sum((product(shape) for shape in self.weights.values()), 0))

    # -- windows ----------------------------------------------------------------------------------

    def window(self, box: Sequence[Range], name: str | None = None) -> tuple[Range, ...] | None:
        """Return which part of an input a box of outputs reads: (first, last) for each dimension.

        `box` has (first, last) for each output axis; a single position p is (p, p). The window may
        reach into the padding (negative, or past the end). `name` picks the input where there are
        several. None when nothing of that input is read, or nothing but padding.
        """
        ranges: dict[Axis, Range] = dict(zip(self.axes, box, strict=True))
        name = name or self.inputs[0].name
        result: tuple[Range, ...] | None = None
        for (read, indices, bound), pieces in self._bordered:
            if read.tensor.name != name or read.tensor.role != "input":
                continue
            here = _held(pieces, ranges | _running(bound))
            if here is None:
                continue
            new = tuple(index.bounds(here) for index in indices)
            if not _beyond(read, new):
                result = new if result is None else hull(result, new)
        return result

    @cached_property
    def spreads(self) -> dict[str, tuple[Spread, ...]]:
        """For each input and each of its dimensions: how the window moves with the output axes."""
        found: dict[str, tuple[Spread, ...]] = {}
        for read, indices, bound in self.inlined:
            if read.tensor.role == "input":
                running = _running(bound)
                new = tuple(spread(index, running) for index in indices)
                old = found.get(read.tensor.name)
                found[read.tensor.name] = new if old is None else tuple(map(self._united, old, new))
        return found

    @cached_property
    def in_place(self) -> frozenset[str]:
        """The inputs of which every output reads what lies at its own position, and nothing else of them."""
        found: dict[str, bool] = {}
        shape = self.shape
        for (read, indices, _), pieces in self._placed:
            if read.tensor.role == "input":
                own = (
                    not pieces
                    and read.padding is None
                    and read.tensor.shape == shape
                    and UNKNOWN not in shape
                )
                own = own and all(i.single() is a for i, a in zip(indices, self.axes, strict=True))
                found[read.tensor.name] = own and found.get(read.tensor.name, True)
        return frozenset(name for name, own in found.items() if own)

    @cached_property
    def turns(self) -> frozenset[Axis | None]:
        """The output axes along which it is now one expression, now another; None where that turns on anything else.

        So it is where a border repeats the nearest number inside: beyond it the window stands still.
        """
        found: set[Axis | None] = set()
        for body in (self.expression, *(item.expression for item in self.locals)):
            for part in body.walk():
                if isinstance(part, Pieces):
                    axis = part.along.single()
                    found.add(axis if axis in self.axes else None)
                elif by_place(part):
                    found.add(None)
                elif isinstance(part, Read) and part.outside == "edge" and part.padding:
                    for index, border in zip(part.indices, part.padding, strict=True):
                        if any(border):
                            found.update(axis for axis in self.axes if axis in index.axes())
        return frozenset(found)

    @cached_property
    def still(self) -> dict[str, frozenset[int]]:
        """For each input: the dimensions along which every output reads at its own position, and nowhere else."""
        found: dict[str, frozenset[int]] = {}
        shape = self.shape
        for read, indices, _ in self.inlined:
            tensor = read.tensor
            if tensor.role == "input":
                parted = self.parted.get(tensor.name, {})
                places = enumerate(zip(self.axes, indices, shape, tensor.shape or (), strict=False))
                own = frozenset(
                    place
                    for place, (axis, index, count, size) in places
                    if index.is_at(axis) and count == size and axis not in parted
                )
                found[tensor.name] = found.get(tensor.name, own) & own
        return found

    @cached_property
    def parted(self) -> dict[str, dict[Axis, frozenset[int]]]:
        """For each input and output axis along which the equation has pieces: where those in which it is read end."""
        found: dict[str, dict[Axis, frozenset[int]]] = {}
        for (read, _, _), pieces in self._placed:
            for along, start, end, within in pieces:
                axis = along.single()
                if within is None and axis is not None and read.tensor.role == "input":
                    ends = {e for e in (start - 1, start, end - 1, end) if is_known(e)}
                    known = found.setdefault(read.tensor.name, {})
                    known[axis] = known.get(axis, frozenset()) | ends
        return found

    @cached_property
    def periods(self) -> dict[str, tuple[int, ...]]:
        """For each input and each of its dimensions: after how many outputs the window repeats."""
        found: dict[str, tuple[int, ...]] = {}
        for read, indices, _ in self.inlined:
            if read.tensor.role == "input":
                new = tuple(index.period() for index in indices)
                found[read.tensor.name] = tuple(
                    map(math.lcm, found.get(read.tensor.name, new), new)
                )
        return found

    def bounds(self, name: str, dimension: int, place: Mapping[Axis, int]) -> Range:
        """Return what one output reads along an input's dimension, the border included.

        `place` has the position along those output axes that matter; first > last for nothing.
        """
        ranges: dict[Axis, Range] = {axis: (0, 0) for axis in self.axes}
        ranges |= {axis: (p, p) for axis, p in place.items()}
        found: Range | None = None
        for (read, indices, bound), pieces in self._placed:
            here = _held(pieces, ranges | _running(bound)) if read.tensor.name == name else None
            if here is not None:
                low, high = indices[dimension].bounds(here)
                if low <= high:
                    found = (
                        (low, high) if found is None else (min(found[0], low), max(found[1], high))
                    )
        return found or (0, -1)

    def _united(self, a: Spread, b: Spread) -> Spread:
        """Return the smallest spread that holds two."""
        a, b = a.settled(), b.settled()
        if a.slopes != b.slopes:
            # one stands still and holds wherever the other moves: a mean over the whole axis
            for still, moving in ((a, b), (b, a)):
                if still.slopes == {} and moving.slopes:
                    low, high = self._reach(moving)
                    if all(map(is_rational, (still.low, still.high, low, high))) and (
                        still.low <= low and high <= still.high
                    ):
                        return still
        slopes = a.slopes if a.slopes == b.slopes else None
        return Spread(slopes, smallest(a.low, b.low), largest(a.high, b.high))

    def _reach(self, moving: Spread) -> Range:
        """Return the lowest and highest position that a moving window reaches over all outputs."""
        low, high = moving.low, moving.high
        for axis, slope in (moving.slopes or {}).items():
            way = slope * (self.sizes[axis] - 1)
            low, high = low + smallest(way, 0), high + largest(way, 0)
        return low, high


def hull(a: Sequence[Range], b: Sequence[Range]) -> tuple[Range, ...]:
    """Return the smallest box that holds two."""
    return tuple((smallest(p, r), largest(q, s)) for (p, q), (r, s) in zip(a, b, strict=True))


def _held(pieces: Iterable[Piece], ranges: Mapping[Axis, Range]) -> Mapping[Axis, Range] | None:
    """Return the ranges as far as all of some pieces hold; None where one holds nowhere."""
    for along, start, end, within in pieces:
        low, high = along.bounds(ranges)
        if surely_less(high, start) or surely_less(end - 1, low):
            return None
        axis = within or along.single()
        if axis is not None:
            ranges = {**ranges, axis: (largest(low, start), smallest(high, tidy(end - 1)))}
    return ranges


def _running(bound: Iterable[Axis]) -> dict[Axis, Range]:
    """Return the ranges of axes that reductions run over."""
    return {axis: (0, axis.size - 1) for axis in bound}


def _fit(
    axis: Axis, read: Read, dimension: int, index: Index, bound: frozenset[Axis]
) -> Fit | None:
    """Return how often the window of one read fits along an axis; None if it does not move there."""
    if not index.moves_with(axis):
        return None
    others = [(atom, factor) for atom, factor in index.terms if atom is not axis]
    stride = next((factor for atom, factor in index.terms if atom is axis), 0)
    if not surely_less(0, stride) or not all(atom.axes() <= bound for atom, _ in others):
        raise ShapeError(
            f"the size of axis {axis.name} cannot be solved from {index}: give it a size"
        )
    low, high = index.bounds(_running(bound) | {axis: (0, 0)})
    shape = read.tensor.shape
    assert shape is not None, "an input knows its shape"
    size = shape[dimension]
    before, after = read.padding[dimension] if read.padding else (0, 0)
    if surely_less(low + before, 0):
        raise ShapeError(f"{index} begins at {show(low)}, before a padding of {before}")
    reach = tidy(high - low + 1)
    taps, spacing = reach, 1
    if len(others) == 1 and surely_less(1, reach):
        inside, factor = others[0]
        if isinstance(inside, Axis):
            taps, spacing = inside.size, largest(factor, -factor)
    spare = size - 1 + after - high
    if surely_less(spare, 0):
        raise WindowError(_too_large(reach, taps, spacing, size, before, after, axis.word))
    count = tidy(spare // stride + 1)
    unused = tidy(spare - (count - 1) * stride)
    return Fit(reach, taps, spacing, size, before, after, low, stride, count, unused, axis.word)


def _beyond(read: Read, window: Sequence[Range]) -> bool:
    """Whether a window reads nothing of the tensor: it is empty, or lies in a border entirely."""
    if any(surely_less(high, low) for low, high in window):  # no division comes out whole
        return True
    shape = read.tensor.shape
    if read.padding is None or shape is None or read.outside == "edge":
        return False
    return any(
        surely_less(high, 0) or surely_less(size - 1, low)
        for (low, high), size in zip(window, shape, strict=True)
    )


def _too_large(
    reach: Size, taps: Size, spacing: Size, size: Size, before: Size, after: Size, word: str
) -> str:
    padded = tidy(before + after)
    padding = "" if is_known(padded) and padded == 0 else f" and {show(padded)} of padding"
    room = f"{show(size)} + {show(padded)}" if padding else show(size)
    spaced = (
        "" if is_known(spacing) and spacing == 1 else f"({show(taps)} − 1)·{show(spacing)} + 1 = "
    )
    return (
        f"a window of {counted(reach, word)} does not fit: "
        f"the input has {counted(size, word)}{padding}, "
        f"and {room} ≥ {spaced}{show(reach)} fails"
    )

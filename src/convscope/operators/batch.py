"""Leaving the batch out of an equation over whole tensors, where every row depends on its own row alone.

A rule writes its equation over all axes, the batch included. That an output row depends on the input row of
the same number, and on nothing else of the batch, is seen from the equation itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convscope.equations.stating import NoEquation
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Index, Local, Read, Size, Tensor, source
from convscope.notation.expression import Inside, Pieces, Place
from convscope.notation.index import as_index
from convscope.notation.node import changed
from convscope.notation.rewriting import Rewriting
from convscope.notation.sizes import UNKNOWN, is_known
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")


def settled(equation: Equation, batched: frozenset[str]) -> tuple[Equation, bool]:
    """Return the equation of one image, and whether its output is one row of a batch.

    `batched` names the inputs whose first axis is the batch. Where every read of those is of the
    output's own row, the batch is left out on both sides. Where the operator mixes or moves the batch
    axis, the output is what one image gives, all axes kept.
    """
    if not batched:
        return equation, False
    row = equation.axes[0] if equation.axes else None
    rows = None if row is None else row.size
    keeps = row is not None and not _told_by(row, equation)
    for read, indices, _ in equation.inlined:
        if read.tensor.name in batched:
            if read.padding is not None and read.padding[0] != (0, 0):
                raise NoEquation("it pads the batch")
            keeps = keeps and indices[0].single() is row and not _any_moves(indices[1:], row)
            keeps = keeps and (read.tensor.shape or (None,))[0] == rows
        elif row is not None and _any_moves(indices, row):
            keeps = False
    strip = _Strip(dict.fromkeys(batched, 0), row if keeps else None)
    return _stripped(equation, equation.axes[1:] if keeps else equation.axes, strip), keeps


def without_row(equation: Equation, places: Mapping[str, int], row: int | None) -> Equation:
    """Return the equation of the only row of a batch, whose axis, of size 1, is known: of inputs, and of the output if it has it."""
    axis = None if row is None else equation.axes[row]
    for read, _, _ in equation.inlined:
        place = places.get(read.tensor.name)
        if place is not None and read.padding is not None and read.padding[place] != (0, 0):
            raise NoEquation("it pads the batch")
    if axis is not None and any(
        isinstance(node, Pieces) and node.along.moves_with(axis) for node in equation.walked
    ):
        raise NoEquation("it puts rows together")
    axes = tuple(one for one in equation.axes if one is not axis)
    return _stripped(equation, axes, _Strip(places, axis, alone=True))


def _stripped(equation: Equation, axes: tuple[Axis, ...], strip: _Strip) -> Equation:
    found = Equation(axes, strip.expression(equation.expression), equation.name)
    if "fits" in vars(equation):  # the batch solves no other axis
        found.fits = {axis: fit for axis, fit in equation.fits.items() if axis in axes}
    return found


def _told_by(row: Axis, equation: Equation) -> bool:
    """Whether a number depends on which row of the batch it stands in."""
    for nodes in (equation.walked, *[item.expression.walk() for item in equation.locals]):
        for node in nodes:
            if isinstance(node, Inside):
                indices = node.indices
            elif isinstance(node, (Place, Pieces)):
                indices = (node.index if isinstance(node, Place) else node.along,)
            else:
                continue
            if _any_moves(indices, row):
                return True
    return False


def _any_moves(indices: Sequence[Index], row: Axis | None) -> bool:
    """Whether any of some indices depends on the row."""
    for index in indices:  # noqa: SIM110  (a generator takes three times as long)
        if row is not None and index.moves_with(row):
            return True
    return False


class _Strip(Rewriting):
    """Leaves out the index at a place of batched inputs, and one axis.

    alone   whether that axis has one position, so that what else is read there is read at 0
    """

    def __init__(self, places: Mapping[str, int], row: Axis | None, alone: bool = False) -> None:
        super().__init__()
        self.places, self.row = places, row
        self.put = {row: as_index(0)} if alone and row is not None else {}
        self._tensors: dict[str, Tensor] = {}

    def index(self, index: Index) -> Index:
        return index.substitute(self.put) if self.put else index

    def read(self, node: Read) -> Expression:
        tensor = node.tensor
        if isinstance(tensor, Local):
            kept = [n for n, axis in enumerate(tensor.axes) if axis is not self.row]
            padding = None if node.padding is None else tuple(node.padding[n] for n in kept)
            return changed(
                node,
                tensor=self.local(tensor),
                indices=tuple(self.index(node.indices[n]) for n in kept),
                padding=padding,
            )
        place = self.places.get(tensor.name) if tensor.role == "input" else None
        if place is None:
            return super().read(node) if self.put else node
        if tensor.name not in self._tensors:
            assert tensor.shape is not None
            self._tensors[tensor.name] = source(_without(tensor.shape, place), tensor.name)
        short = self._tensors[tensor.name]
        padding = None if node.padding is None else _without(node.padding, place)
        at = tuple(map(self.index, _without(node.indices, place)))
        return Read(short, at, padding, node.outside, node.scattered)

    def axes(self, item: Local) -> tuple[Axis, ...]:
        return tuple(axis for axis in item.axes if axis is not self.row)


def _without(items: tuple[T, ...], place: int) -> tuple[T, ...]:
    return items[:place] + items[place + 1 :]


def check_reads(equation: Equation) -> None:
    """Raise `ShapeError` when an axis runs further than the input that it reads."""
    sizes = equation.sizes
    for read, indices, _ in equation.inlined:
        if read.tensor.role != "input" or read.padding is not None:
            continue
        for index, size in zip(indices, read.tensor.shape or (), strict=True):
            axis = index.single()
            length = None if axis is None else sizes.get(axis, axis.size)
            if is_known(length) and is_known(size) and length > size:
                raise ShapeError(f"an axis of {length} positions reads an input of {size}")


def unknown_in(shape: Sequence[Size] | None) -> bool:
    """Whether a size of a shape is not known."""
    return shape is None or UNKNOWN in shape

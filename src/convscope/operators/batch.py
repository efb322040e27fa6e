"""Leaving the batch out of an equation over whole tensors, where every row depends on its own row alone.

A rule writes its equation over all axes, the batch included. That an output row depends on the input row of
the same number, and on nothing else of the batch, is seen from the equation itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations.stating import NoEquation
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Index, Local, Read, Size, Tensor, source
from convscope.notation.expression import Inside, Pieces, Place
from convscope.notation.node import changed
from convscope.notation.rewriting import Rewriting
from convscope.notation.sizes import UNKNOWN, is_known


def settled(equation: Equation, batched: frozenset[str]) -> tuple[Equation, bool]:
    """Return the equation of one image, and whether its output is one row of a batch.

    `batched` names the inputs whose first axis is the batch. Where every read of those is of the
    output's own row, the batch is left out on both sides. Where the operator mixes or moves the batch
    axis, the output is what one image gives, all axes kept.
    """
    if not batched:
        return equation, False
    row = equation.axes[0] if equation.axes else None
    keeps = row is not None and not _told_by(row, equation)
    for read, indices, _ in equation.inlined:
        if read.tensor.name in batched:
            if read.padding is not None and read.padding[0] != (0, 0):
                raise NoEquation("it pads the batch")
            keeps = keeps and indices[0].single() is row and not _any_moves(indices[1:], row)
        elif row is not None and _any_moves(indices, row):
            keeps = False
    strip = _Strip(batched, row if keeps else None)
    axes = equation.axes[1:] if keeps else equation.axes
    found = Equation(axes, strip.expression(equation.expression), equation.name)
    if "fits" in vars(equation):  # the batch solves no other axis
        found.fits = {axis: fit for axis, fit in equation.fits.items() if axis in axes}
    return found, keeps


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
    """Leaves out the first index of batched inputs, and one axis."""

    def __init__(self, batched: frozenset[str], row: Axis | None) -> None:
        super().__init__()
        self.batched, self.row = batched, row
        self._tensors: dict[str, Tensor] = {}

    def read(self, node: Read) -> Expression:
        tensor = node.tensor
        if isinstance(tensor, Local):
            kept = [n for n, axis in enumerate(tensor.axes) if axis is not self.row]
            padding = None if node.padding is None else tuple(node.padding[n] for n in kept)
            return changed(
                node,
                tensor=self.local(tensor),
                indices=tuple(node.indices[n] for n in kept),
                padding=padding,
            )
        if tensor.role != "input" or tensor.name not in self.batched:
            return node
        if tensor.name not in self._tensors:
            assert tensor.shape is not None
            self._tensors[tensor.name] = source(tensor.shape[1:], tensor.name)
        short = self._tensors[tensor.name]
        padding = None if node.padding is None else node.padding[1:]
        return Read(short, node.indices[1:], padding, node.outside, node.scattered)

    def axes(self, item: Local) -> tuple[Axis, ...]:
        return tuple(axis for axis in item.axes if axis is not self.row)


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

"""Which positions of its input a layer reads along each axis that it moves along, from its equation alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from convscope.notation import Axis, Equation
from convscope.notation.anatomy import anatomy
from convscope.notation.equation import Fit
from convscope.notation.expression import Read
from convscope.notation.sizes import is_known
from convscope.typed import Record

MOST_TAPS = 4096
"""Windows of more positions along an axis are not walked through."""

MOST_READ = 1 << 20


class Along(Record):
    """What one input is read at along one of its dimensions, as an output axis moves.

    dimension   which dimension of the input
    taps        where the first window reads, negative in the padding, without repeats
    """

    axis: Axis
    fit: Fit
    read: Read
    dimension: int
    taps: tuple[int, ...]

    @property
    def positions(self) -> set[int]:
        """Every position that some window reads, those in the padding too."""
        fit = self.fit
        return {tap + fit.stride * place for tap in self.taps for place in range(fit.count)}


def windows(equation: Equation) -> Iterator[Along]:
    """Yield what a layer with windows reads along each axis that it moves along.

    Layers that only move numbers about, as a crop or a slice, have no windows: what they leave out is meant.
    """
    if anatomy(equation).main is not None:
        yield from along_axes(equation)


def along_axes(equation: Equation) -> Iterator[Along]:
    """Yield what a layer reads along each axis whose size follows from how often its window fits."""
    for axis, fit in equation.fits.items():
        if not all(map(is_known, fit[:-1])) or fit.count * fit.taps > MOST_READ:
            continue
        found: set[int] = set()
        where: tuple[Read, int] | None = None
        for read, indices, bound in equation.inlined:
            if read.tensor.role != "input":
                continue
            for dimension, index in enumerate(indices):
                if axis not in index.axes():
                    continue
                inner = [a for a in index.axes() if a is not axis and a in bound]
                if not all(is_known(a.size) for a in inner):
                    return
                ranges = [range(a.size) for a in inner]
                if len(index.axes()) != len(inner) + 1 or _many(ranges):
                    continue
                where = read, dimension
                for places in product(*ranges):
                    at = {axis: 0, **dict(zip(inner, places, strict=True))}
                    found.add(int(index.at(at)))
        if where is not None:
            yield Along(axis, fit, *where, tuple(sorted(found)))


def _many(ranges: list[range]) -> bool:
    count = 1
    for each in ranges:
        count *= len(each)
    return count > MOST_TAPS

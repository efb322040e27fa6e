"""How an index moves with axes: what windows and receptive fields are made of.

>>> y, i = Axis("y"), Axis("i", 3)
>>> moved = spread(y * 2 + i - 1, {i: (0, 2)})
>>> moved.slopes, moved.low, moved.high
({Axis('y', None): 2}, -1, 1)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from convscope.notation.index import (
    Atom,
    Axis,
    Division,
    ExactQuotient,
    Index,
    PlaceTable,
    Quotient,
    Range,
)
from convscope.notation.sizes import Size, is_known, is_rational, surely_less
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Spread:
    """How an index moves with axes: Σ slope·axis, plus something between low and high.

    `slopes` is None when it moves, but not along a straight line (a remainder); low and high are
    then those of position 0. `shift` is what is to be added to both and is no number: the padding of
    an input whose size is a symbol or unknown.
    """

    __slots__ = ("high", "low", "shift", "slopes")

    def __init__(
        self, slopes: dict[Axis, Any] | None, low: Any, high: Any, shift: Size = 0
    ) -> None:
        self.slopes = slopes
        self.low = low
        self.high = high
        self.shift = shift

    def scaled(self, factor: Any) -> Spread:
        if is_known(factor) and factor == 1:
            return self
        slopes = None if self.slopes is None else {a: s * factor for a, s in self.slopes.items()}
        low, high = self.low * factor, self.high * factor
        shift = 0 if (is_known(self.shift) and self.shift == 0) else self.shift * factor
        if surely_less(factor, 0):
            low, high = high, low
        return Spread(slopes, low, high, shift)

    def plus(self, other: Spread) -> Spread:
        slopes: dict[Axis, Any] | None = None
        if self.slopes is not None and other.slopes is not None:
            slopes = dict(self.slopes)
            for axis, slope in other.slopes.items():
                slopes[axis] = slopes.get(axis, 0) + slope
        low, high = self.low + other.low, self.high + other.high
        return Spread(slopes, low, high, self.shift + other.shift)

    def settled(self) -> Spread:
        """Return the same with the shift put into the bounds, which may then be no numbers."""
        if is_known(self.shift) and self.shift == 0:
            return self
        return Spread(self.slopes, self.low + self.shift, self.high + self.shift)


def spread(index: Index, bound: Mapping[Axis, Range]) -> Spread:
    """Return how an index moves with its axes while the bound ones run over their ranges."""
    const = index.const
    result = Spread({}, const, const) if is_rational(const) else Spread({}, 0, 0, const)
    for atom, factor in index.terms:
        result = result.plus(_of_atom(atom, bound).scaled(factor))
    return result


def _of_atom(atom: Atom, bound: Mapping[Axis, Range]) -> Spread:
    if isinstance(atom, PlaceTable):
        free = atom.axes() - bound.keys()
        low, high = atom.bounds({**bound, **{axis: (0, 0) for axis in free}})
        return Spread(None if free else {}, low, high)
    if not isinstance(atom, Division):
        assert isinstance(atom, Axis)
        return Spread({}, *bound[atom]) if atom in bound else Spread({atom: 1}, 0, 0)
    inner = spread(atom.of, bound).settled()
    if isinstance(atom, ExactQuotient):
        return inner.scaled(ratio(1, atom.by))
    if inner.slopes == {}:
        return Spread({}, *atom.bounds(bound))
    if isinstance(atom, Quotient):
        exact = inner.scaled(ratio(1, atom.by))
        return Spread(exact.slopes, exact.low + ratio(1 - atom.by, atom.by), exact.high)
    numbers = is_rational(inner.low) and is_rational(inner.high)
    if numbers and inner.high - inner.low < 1:  # one number at a time, wherever that is
        first = math.ceil(inner.low) % atom.by
        return Spread(None, first, first)
    return Spread(None, 0, atom.by - 1)


def ratio(a: Size, b: Size) -> Any:
    """Return a / b without rounding."""
    if not (is_known(a) and is_known(b)):
        return a / b
    if a % b == 0:
        return a // b
    from fractions import Fraction

    return Fraction(a, b)

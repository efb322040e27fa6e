"""What outputs see of an image along its axes: as windows that move, and as figures.

Fields are not cut at the image's border, as is the custom (Araujo et al., Computing Receptive Fields of Convolutional
Neural Networks, Distill 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from convscope.notation import Size
from convscope.notation.index import Range
from convscope.notation.sizes import (
    is_known,
    is_rational,
    largest,
    plain,
    smallest,
    surely_less,
    tidy,
)
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from convscope.notation.seen import Parts

Number: TypeAlias = int | float


class ReceptiveField(Record):
    """Along each spatial axis of the image, in image positions:

    size     how many one output can see; a symbol's size is one with symbols
    stride   how far apart the fields of neighbouring outputs are, with symbols where a stride is one; None
             when there is one output only
    start    where the field of output 0 starts (negative: in the padding)
    """

    size: tuple[Size | None, ...]
    stride: tuple[Number | Size | None, ...]
    start: tuple[Size | None, ...]

    @property
    def alike(self) -> bool:
        """Whether the field of every output has this size and lies at start + stride · position."""
        return True

    def plain(self) -> ReceptiveField:
        """Return the same with sizes as JSON holds them: symbols as text."""
        if {*map(type, (*self.size, *self.stride, *self.start))} <= {int, float, type(None)}:
            return self
        return type(self)(*(tuple(_plain(figure) for figure in part) for part in self))


class OnAverage(ReceptiveField):
    """Behind an up-sampling: the size is the largest there is, and stride · position only near the truth.

    `Graph.patch` says what one output sees exactly.
    """

    __slots__ = ()

    @property
    def alike(self) -> bool:
        return False


class Field(Record):
    """The field along one axis of the image, as it moves with one dimension of the output.

    axis      that dimension; None when all outputs see the same
    slope     how far it moves, in image positions, from one output to the next
    windows   (first, last) that the outputs 0 … n − 1 see, n more being n·slope further; behind an
              up-sampling they are not all of one size. None for an output that sees nothing.
    reach     what all outputs see together
    image     the image's size along the axis
    even      False when it moves, but not so; the one window is then that of the first output that sees something,
              after a None where others come before it; None alone where not even a window's size is known
    among     where it is not even: the dimensions of the output that move it
    placed    False when only the size of a window is known, not where it is: behind a padding that
              depends on an image size which nobody knows yet
    listed    whether there is a window for every output, and some of them see nothing: of tensors that are
              joined along the dimension, each gives some
    """

    axis: int | None
    slope: Any
    windows: tuple[Range | None, ...]
    reach: Range
    image: Size
    even: bool = True
    placed: bool = True
    among: tuple[int, ...] = ()
    listed: bool = False

    def at(self, low: int, high: int) -> Range | None:
        """Return what the outputs low … high see together; None for nothing."""
        whole = type(self.slope) is int or is_rational(self.slope)
        if whole and type(low) is int and type(high) is int:
            if low > high:
                return None
        else:  # symbols: there is one window then
            only = self.windows[0]
            if only is None or surely_less(high, low):
                return None
            return tidy(only[0] + self.slope * low), tidy(only[1] + self.slope * high)
        if self.listed:
            there = [w for w in self.windows[max(low, 0) : max(high + 1, 0)] if w is not None]
            return (min(w[0] for w in there), max(w[1] for w in there)) if there else None
        period = len(self.windows)
        if period == 1 and (only := self.windows[0]):
            return only[0] + int(self.slope * low), only[1] + int(self.slope * high)
        # windows move one way, so that the ends hold what is between, unless one is missing
        places: Iterable[int] = (low, high)
        if None in self.windows:  # the first and the last that are there
            near = range(low, min(high, low + period) + 1), range(max(low, high - period), high + 1)
            places = (*near[0], *near[1])
        found: Range | None = None
        for place in places:
            turns, rest = divmod(place, period)
            window = self.windows[rest]
            if window is not None:
                moved = int(self.slope * period * turns)
                new = window[0] + moved, window[1] + moved
                found = new if found is None else hull(found, new)
        return found

    @property
    def moved(self) -> tuple[int, ...]:
        """The dimensions of the output that move it."""
        return () if self.axis is None else (self.axis,) if self.even else self.among

    @property
    def alike(self) -> bool:
        """Whether every output's window is the first one, moved by the slope."""
        first = self.windows[0]
        return len(self.windows) == 1 or (
            first is not None
            and all(
                window == (first[0] + self.slope * place, first[1] + self.slope * place)
                for place, window in enumerate(self.windows)
            )
        )

    @property
    def one_size(self) -> bool:
        """Whether every output sees as many positions, if not at the first one's place and moved by the slope."""
        return len({None if w is None else w[1] - w[0] for w in self.windows}) == 1

    @property
    def size(self) -> int | None:
        """How many positions one output sees, where it sees the most."""
        sizes = [w[1] - w[0] + 1 for w in self.windows if w is not None]
        return tidy(sizes[0]) if len(sizes) == 1 else max(sizes, default=None)

    @property
    def start(self) -> int | None:
        """Where the first output's window starts that has one."""
        window = next(filter(None, self.windows), None)
        return window[0] if window is not None and self.placed else None


Fields: TypeAlias = tuple[Field | None, ...]
"""One for each spatial axis of the image; None where it cannot be said."""


def image_fields(first: int, sizes: Sequence[Size]) -> Fields:
    """Return the fields of the image itself, where every position sees itself.

    first   the dimension of the image's first spatial axis
    """
    return tuple(
        Field(axis, 1, ((0, 0),), (0, size - 1), size) for axis, size in enumerate(sizes, first)
    )


@lru_cache(maxsize=4096)
def readable(fields: Fields) -> ReceptiveField | None:
    """Return fields as figures; None when there is no spatial axis. Networks repeat themselves.

    Where one axis moves unevenly, there are no neighbours along any (after a Flatten).
    """
    if not fields:
        return None
    even = all(field is None or field.even or field.windows == (None,) for field in fields)
    size = tuple(None if field is None else field.size for field in fields)
    stride = tuple(
        number(field.slope) if even and field and field.axis is not None and field.even else None
        for field in fields
    )
    start = tuple(None if field is None else field.start for field in fields)
    moving = [field for field in fields if field is not None and field.axis is not None]
    alike = all(field.alike if even else field.one_size for field in moving)
    return (ReceptiveField if alike else OnAverage)(size, stride, start)


def patch(fields: Fields, position: Sequence[int]) -> tuple[Range | None, ...]:
    """Return the first and the last position of the image that one output sees, along each axis of it.

    None along an axis where that is not known, or where the output sees nothing.
    """
    found: list[Range | None] = []
    for field in fields:
        if field is None or not field.placed or not field.even:
            found.append(None)
        elif field.axis is None:
            found.append(field.windows[0])
        else:
            found.append(field.at(position[field.axis], position[field.axis]))
    return tuple(found)


def ends(
    fields: Fields, parts: Parts, shape: Sequence[Size] | None
) -> tuple[list[int], ...] | None:
    """Return along each axis of the image the ends of what some outputs see; None where their fields do not tell.

    parts   those outputs, place by place
    shape   of all outputs: a field is of all maps, and of every place between two; None for the image's own
    """
    moved = {field.axis for field in fields if field is not None}
    for part in (*parts.inside, *parts.beyond):
        for n, (places, size) in enumerate(zip(part, shape or (), strict=bool(shape))):
            if len(places) != (places[-1] - places[0] + 1 if n in moved else size):
                return None
    found: list[list[int]] = []
    for field in fields:
        if field is None or not (field.placed and field.even and is_known(field.image)):
            return None
        here: list[int] = []
        for outside, some in ((False, parts.inside), (True, parts.beyond)):
            for part in some:
                window = field.windows[0]
                if field.axis is not None:
                    window = field.at(part[field.axis][0], part[field.axis][-1])
                if window is None:
                    continue
                low, high = window
                if not outside:
                    here += (low, high)
                here += (low, min(high, -1)) if low < 0 else ()
                here += (max(low, field.image), high) if high >= field.image else ()
        found.append(here)
    return tuple(found)


def hull(a: Range, b: Range) -> Range:
    if {*map(type, (*a, *b))} == {int}:
        return min(a[0], b[0]), max(a[1], b[1])
    return smallest(a[0], b[0]), largest(a[1], b[1])


def number(value: Any, exact: bool = False) -> Any:
    """Return a whole number as an int; another as it is, or as a float; symbols in one form.

    Beyond 2^53 floats are whole numbers too, and soon there are none.
    """
    if not is_rational(value):
        return tidy(value)
    if value == int(value) or (abs(value) >= 1 << 53 and not exact):
        return int(value)
    return value if exact else float(value)


def _plain(figure: Any) -> Any:
    """Return a figure as JSON holds it."""
    return figure if figure is None or isinstance(figure, float) else plain(figure)

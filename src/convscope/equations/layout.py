"""In which order a dialect keeps its axes, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.notation import Axis, Size
from convscope.notation.expression import Padding
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any

WORDS: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("step",),
    2: ("row", "column"),
    3: ("plane", "row", "column"),
}
"""What a position along each spatial axis is called."""

MAP_NAMES: dict[int, tuple[str, ...]] = {0: (), 1: ("t",), 2: ("y", "x"), 3: ("z", "y", "x")}
WINDOW_NAMES: dict[int, tuple[str, ...]] = {0: (), 1: ("i",), 2: ("i", "j"), 3: ("h", "i", "j")}


class Layout(Record):
    """How a dialect orders the axes of a map and of a kernel.

    channels_last   (rows, columns, channels), or the channels first
    taps_first      kernel[i, j, c, o], or kernel[o, c, i, j]
    lead            axes before the map's own: the batch, where it is there
    """

    channels_last: bool = True
    taps_first: bool = True
    lead: tuple[Axis, ...] = ()

    def image(self, channel: Any, spatial: Sequence[Any]) -> tuple[Any, ...]:
        """Return what stands for the channel and for the spatial axes, in the order of a map."""
        if self.channels_last:
            return (*self.lead, *spatial, channel)
        return (*self.lead, channel, *spatial)

    def borders(self, spatial: Sequence[Padding]) -> tuple[Padding, ...]:
        """Return the border of a map that has one along its spatial axes only."""
        return ((0, 0),) * len(self.lead) + Layout(self.channels_last).image((0, 0), spatial)

    def kernel(self, taps: Sequence[Any], inner: Any, outer: Any) -> tuple[Any, ...]:
        """Return the window's axes, the channels of each filter and the filters, in a kernel's order."""
        return (*taps, inner, outer) if self.taps_first else (outer, inner, *taps)

    def split(self, shape: Sequence[Size]) -> tuple[tuple[Size, ...], Size]:
        """Return the spatial sizes and the number of channels; a single number is one channel."""
        own = tuple(shape[len(self.lead) :])
        if not own:
            return (), 1
        return (own[:-1], own[-1]) if self.channels_last else (own[1:], own[0])

    def axes(
        self, shape: Sequence[Size], name: str = "c", word: str = "channel"
    ) -> tuple[Axis, ...]:
        """Return axes for any tensor; one with no more axes than lead has none of those."""
        lead = len(self.lead) if len(shape) > len(self.lead) else 0
        return axes_of(shape, -1 if self.channels_last else 0, name, word, lead)


def axes_of(
    shape: Sequence[Size], channel: int = -1, name: str = "c", word: str = "channel", lead: int = 0
) -> tuple[Axis, ...]:
    """Return an axis for each dimension of any tensor, called as those of a map of that rank.

    channel   the place of the channels among the axes after the leading ones
    name      what the axis of the channels is called, and `word` a step along it
    lead      how many axes stand before the map's own: n, for images

    >>> [axis.name for axis in axes_of((8, 9, 3))], [axis.name for axis in axes_of((2, 3, 8, 9), 0, lead=1)]
    (['y', 'x', 'c'], ['n', 'c', 'y', 'x'])
    """
    before = [Axis("n", size, "image") for size in shape[:lead]]
    own = tuple(shape[lead:])
    rank = len(own)
    if rank == 0:
        return tuple(before)
    place = channel % rank
    names = MAP_NAMES.get(rank - 1, tuple(f"p{n}" for n in range(1, rank)))
    words = WORDS.get(rank - 1, ("position",) * (rank - 1))
    axes = list(map(Axis, names, [*own[:place], *own[place + 1 :]], words))
    axes.insert(place, Axis(name, own[place], word, role="in"))
    return (*before, *axes)


def map_axes(sizes: Sequence[Size]) -> tuple[Axis, ...]:
    """Return the spatial axes of a map of these sizes."""
    rank = len(sizes)
    return tuple(map(Axis, MAP_NAMES[rank], sizes, WORDS[rank]))


def window_axes(sizes: Sequence[Size]) -> tuple[Axis, ...]:
    """Return the axes that run over a window."""
    rank = len(sizes)
    return tuple(map(Axis, WINDOW_NAMES[rank], sizes, WORDS[rank]))

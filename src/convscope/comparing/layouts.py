"""Where a number of one network lies in the other: arrays of the same map, channels first or last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from convscope.typed import Array, Record


class Way(Record):
    """How an array of `other` shape lies in one of `shape`: its axes in another order, sizes of 1 left out or put in."""

    shape: tuple[int, ...]
    other: tuple[int, ...]
    order: tuple[int, ...]

    def fetched(self, array: Array) -> Array:
        """Return an array of the other network as this one keeps it."""
        return array.transpose(self.order).reshape(self.shape)

    def brought(self, array: Array) -> Array:
        """Return an array of this network as the other keeps it."""
        return array.reshape(self._turned).transpose(np.argsort(self.order))

    def place(self, position: Sequence[int]) -> tuple[int, ...]:
        """Return where a number of this network lies in the other."""
        flat = int(np.ravel_multi_index(tuple(position), self.shape)) if self.shape else 0
        found = np.unravel_index(flat, self._turned)
        places = dict(zip(self.order, map(int, found), strict=True))
        return tuple(places[axis] for axis in range(len(self.other)))

    @property
    def _turned(self) -> tuple[int, ...]:
        return tuple(self.other[axis] for axis in self.order)


def ways(shape: Sequence[int], other: Sequence[int], turned: bool) -> Iterator[Way]:
    """Yield how an array of `other` shape may lie in one of `shape`, the likeliest first.

    turned   whether the two networks keep their channels at different ends, so that a map turned comes first
    """
    axes = tuple(range(len(other)))
    tried = [axes]
    if len(axes) > 2:
        tried += [(axes[-1], *axes[:-1]), (*axes[1:], axes[0])]
        if turned:
            tried = [*tried[1:], tried[0]]
    elif len(axes) == 2:
        tried = [(1, 0), axes] if turned else [axes, (1, 0)]
    wanted = [size for size in shape if size != 1]
    seen: list[tuple[int, ...]] = []
    for order in tried:
        long = tuple(axis for axis in order if other[axis] != 1)
        if long not in seen and [other[axis] for axis in long] == wanted:
            seen.append(long)
            yield Way(tuple(shape), tuple(other), order)

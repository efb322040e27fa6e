"""Where a number of one network lies in the other: arrays of the same map, channels first or last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from convscope.typed import Array


def ways(shape: Sequence[int], other: Sequence[int], turned: bool) -> Iterator[Array]:
    """Yield how an array of `other` shape may lie in one of `shape`: for each place, which of the other's numbers.

    turned   whether the two networks keep their channels at different ends, so that a map turned comes first
    """
    numbers = np.arange(int(np.prod(other))).reshape(tuple(other))
    tried = [numbers]
    if numbers.ndim > 2:
        tried += [np.moveaxis(numbers, -1, 0), np.moveaxis(numbers, 0, -1)]
        if turned:
            tried = [*tried[1:], tried[0]]
    elif numbers.ndim == 2:
        tried = [numbers.T, numbers] if turned else [numbers, numbers.T]
    seen: list[Array] = []
    for way in tried:
        if way.shape != tuple(shape):
            plain = [n for n in way.shape if n != 1]
            if plain != [n for n in shape if n != 1]:
                continue
            way = way.reshape(tuple(shape))
        if not any(np.array_equal(way, one) for one in seen):
            seen.append(way)
            yield way


def brought(way: Array, array: Array, other: Sequence[int]) -> Array:
    """Return an array of the one network as the other keeps it."""
    found = np.empty(way.size, array.dtype)
    found[way.reshape(-1)] = array.reshape(-1)
    return found.reshape(tuple(other))


def fetched(way: Array, array: Array) -> Array:
    """Return an array of the other network as this one keeps it."""
    return array.reshape(-1)[way]

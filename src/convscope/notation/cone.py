"""One number of a chain of equations, computed from nothing but the window that it sees.

Backwards, the windows grow from the one position to a patch of the image; forwards, each layer is
evaluated on its patch alone. What it costs depends on the depth of the chain, not on the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.notation.equation import Equation, hull
from convscope.notation.evaluation import TensorPart, evaluate_box
from convscope.notation.index import Range
from convscope.typed import Array


@dataclass(frozen=True, slots=True)
class Link:
    """One equation of a chain: what feeds each of its inputs, and its weights."""

    equation: Equation
    feeds: Mapping[str, str]
    weights: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Cone:
    """What one number depends on.

    boxes     for every link on the way, and every given array: (first, last) along each axis
    values    the numbers that the last equation reads: its inputs as patches, and its weights
    numbers   how many numbers were computed on the way
    """

    boxes: dict[str, tuple[Range, ...]]
    values: dict[str, Any]
    numbers: int


def cone(
    links: Mapping[str, Link],
    target: str,
    position: Sequence[int],
    given: Mapping[str, Array],
    taken: Callable[[str, Array], Array] = lambda name, seen: seen,
) -> Cone:
    """Return what the number of `target` at `position` depends on, computed.

    `links` are in an order in which each comes after what feeds it; `given` holds the arrays that
    are known from the start (the images), without a batch axis; `taken` gives what is seen of them
    in the type in which an engine takes it.
    """

    def shape_of(name: str) -> tuple[int, ...]:
        return given[name].shape if name in given else tuple(links[name].equation.shape)

    names = list(links)
    boxes: dict[str, tuple[Range, ...]] = {target: tuple((int(p), int(p)) for p in position)}
    for name in reversed(names[: names.index(target) + 1]):
        if name not in boxes:
            continue
        link = links[name]
        for tensor, feed in link.feeds.items():
            window = link.equation.window(boxes[name], tensor)
            if window is None:
                continue
            shape = shape_of(feed)
            clipped = tuple(
                (min(max(low, 0), size - 1), max(min(high, size - 1), 0))
                for (low, high), size in zip(window, shape, strict=True)
            )
            boxes[feed] = hull(boxes[feed], clipped) if feed in boxes else clipped

    patches: dict[str, TensorPart] = {}
    for name, array in given.items():
        if name in boxes:
            seen = array[tuple(slice(low, high + 1) for low, high in boxes[name])]
            origin = tuple(low for low, _ in boxes[name])
            patches[name] = TensorPart(taken(name, seen), origin, array.shape)
    numbers = 0
    for name in names:
        if name not in boxes:
            continue
        link = links[name]
        values: dict[str, Any] = dict(link.weights)
        for tensor, feed in link.feeds.items():
            values[tensor] = patches[feed] if feed in patches else _nothing(shape_of(feed))
        if name == target:
            return Cone(boxes, values, numbers + 1)
        box = boxes[name]
        array = evaluate_box(link.equation, box, values)
        numbers += array.size
        origin = tuple(low for low, _ in box)
        patches[name] = TensorPart(array, origin, tuple(link.equation.shape))
    raise AssertionError(f"{target} is not among the links")


def _nothing(shape: tuple[int, ...]) -> TensorPart:
    """Return a tensor of which no number is needed: every read of it falls into its border."""
    return TensorPart(np.zeros((1,) * len(shape)), (0,) * len(shape), shape)

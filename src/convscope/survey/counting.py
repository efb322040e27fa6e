"""What is counted of the numbers of one layer, by numpy; `compiled` counts the same, to the last bit, in one pass."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from convscope.survey.exact import ExactSums, Histograms
from convscope.typed import Array, Record

LANES = 16
"""The numbers of a map, image after image, are added up in so many sums side by side, the first of which takes of each
image the first number, the 17th and so on; at last their upper half goes to their lower half, until one is left. So
the order is a rule, whoever adds, and a processor adds 8 at a time."""


class Room(Record):
    """Where the figures of a layer go: views of the arrays of all maps.

    value, place           (images, maps): the largest finite number, −∞ without one, and where it is first
    sums, squares          (maps,): of the finite numbers, in float64
    zeros, odd             (maps,): how many are 0, and not finite, are added
    low                    (maps,): the smallest finite number so far
    worst                  (maps,): a response that is less is not kept, so that nobody asks where it is
    """

    value: Array
    place: Array
    sums: Array
    squares: Array
    zeros: Array
    odd: Array
    low: Array
    worst: Array


class Clip(Record):
    """What else is counted: what becomes of the same numbers where those below 0 are made 0, those above `cap` cap.

    room         where that goes
    histograms   whose zeros are counted; their bins follow from those of the numbers themselves, see `Histograms.clip`
    """

    cap: float
    room: Room
    histograms: Histograms


class Top(Record):
    """The largest responses of each map, the largest first: (maps, top) each.

    image   numbers of images, −1 where there is none; place: where in the map
    """

    value: Array
    image: Array
    place: Array


class Counting(Protocol):
    """What counts: this module, or `compiled`."""

    def count(self, x: Array, histograms: Histograms, room: Room, clip: Clip | None = None) -> bool:
        """Count the numbers of a layer, and what is clipped of them if all are finite: return whether they are."""

    def add(self, sums: ExactSums, values: Array) -> None:
        """Add one finite number to each sum."""

    def enter(self, top: Top, maps: Array, value: Array, image: Array, place: Array) -> None:
        """Let responses of some maps enter the largest ones."""


def count(x: Array, histograms: Histograms, room: Room, clip: Clip | None = None) -> bool:
    """Count the numbers of a layer: float32 (images, maps, places)."""
    before = histograms.zeros.copy()
    histograms.add(x)
    own = len(before) == x.shape[1]
    room.zeros[...] += histograms.zeros - before if own else np.count_nonzero(x == 0, axis=(0, 2))
    room.sums[...], room.squares[...] = _powers(x)
    least = x
    sure = bool(np.isfinite(room.squares).all())
    if not sure:
        finite = np.isfinite(x)
        room.odd[...] += np.count_nonzero(~finite, axis=(0, 2))
        room.sums[...], room.squares[...] = _powers(np.where(finite, x, np.float32(0)))
        least = np.where(finite, x, np.float32(np.inf))
        x = np.where(finite, x, np.float32(-np.inf))
    np.minimum(room.low, least.min(axis=(0, 2)), out=room.low)
    x.argmax(axis=2, out=room.place)
    x.max(axis=2, out=room.value)
    if sure and clip is not None:
        count(clipped(x, clip.cap), apart := Histograms(histograms.rows), clip.room)
        clip.histograms.zeros += apart.zeros
    return sure


def clipped(x: Array, cap: float) -> Array:
    """Return numbers with 0 for those below it, and `cap` for those above that."""
    found: Array = np.minimum(np.maximum(x, np.float32(0)), np.float32(cap))
    return found


def _powers(x: Array) -> tuple[Array, Array]:
    """Return the sums over images and places of the numbers and of their squares, in float64, in the order of `LANES`."""
    _, maps, places = x.shape
    rows = -(-places // LANES)
    # the sums so far, and below them an image's numbers: one image at a time, since float64 takes twice the room
    wide = np.zeros((2, maps, 1 + rows, LANES))
    sums, numbers = wide[:, :, 0], wide.reshape(2, maps, -1)[:, :, LANES : LANES + places]
    with np.errstate(invalid="ignore", over="ignore"):
        for image in x:
            numbers[0] = image
            np.multiply(numbers[0], numbers[0], out=numbers[1])
            sums[...] = wide.sum(axis=2)
        half = LANES // 2
        while half:
            sums[..., :half] += sums[..., half : 2 * half]
            half //= 2
    return sums[0, :, 0].copy(), sums[1, :, 0].copy()


def add(sums: ExactSums, values: Array) -> None:
    """Add one finite number to each sum."""
    sums.add(values)


def enter(top: Top, maps: Array, value: Array, image: Array, place: Array) -> None:
    """Let responses, (images, maps), of some maps enter the largest ones; `image` says which images they are of."""
    maps = maps[np.isfinite(value[:, maps]).any(axis=0)]
    if len(maps):
        of = np.where(np.isfinite(value), image[:, None], -1)
        keep(top, maps, Top(value[:, maps].T, of[:, maps].T, place[:, maps].T))


def keep(top: Top, maps: Array, more: Top) -> None:
    """Keep of the responses of some maps and of more the largest, of equal ones those of the first images."""
    value, image, place = (
        np.concatenate([kept[maps], given], axis=1) for kept, given in zip(top, more, strict=True)
    )
    order = np.lexsort((image, -value), axis=1)[:, : top.value.shape[1]]
    for kept, given in zip(top, (value, image, np.where(image < 0, 0, place)), strict=True):
        kept[maps] = np.take_along_axis(given, order, axis=1)

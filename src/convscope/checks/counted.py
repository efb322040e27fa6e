"""What a survey counted, as rules look at it: of every map over all images, and what that rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from convscope.explain.words import grouped
from convscope.typed import Array, Record


class Counts(Record):
    """What was counted of one layer: arrays of one number a map.

    rows      whether each map is one number of a row, as of a dense layer, and no map of positions
    places    how many numbers a map has for one image
    zeros     how many of a map's numbers are 0; `odd` how many are NaN or infinite
    low, high the smallest and the largest finite number; ∞ and −∞ where there is none
    bins      of all maps together: lower end, upper end, how many numbers lie between
    """

    rows: bool
    places: int
    zeros: Array
    odd: Array
    low: Array
    high: Array
    bins: tuple[tuple[float, float, int], ...]

    @property
    def maps(self) -> int:
        return len(self.zeros)


class NotFinite(Record):
    """An image in which a layer's numbers are not finite: its name, the first such number and its position.

    born   whether everything that the layer reads is finite in this image
    """

    image: str
    value: float
    position: tuple[int, ...]
    born: bool


@dataclass(frozen=True)
class Counted:
    """A network's numbers over many images.

    data      what the images are, in words
    images    how many were counted; `of` of how many, where the survey was not finished: 0 if that is not known; else None
    skipped   how many images could not be taken
    layers    name → its counts
    same      layers that only move the numbers of a layer before them about
    example   gives an image in which a layer is not finite, or what is missing to name one, in words
    """

    data: str
    images: int
    of: int | None
    skipped: int
    layers: Mapping[str, Counts]
    same: frozenset[str]
    example: Callable[[str], NotFinite | str]

    def over(self, counts: Counts) -> str:
        """Return over what a map was counted: "50 images × 42 positions"."""
        images = f"{grouped(self.images)} image{'s' if self.images != 1 else ''}"
        if counts.places == 1:
            return images
        return f"{images} × {grouped(counts.places)} positions"

    def proof(self, counts: Counts) -> str:
        """Return what a finding rests on, in words."""
        more = ""
        if self.of is not None:
            more = f", not finished (of {grouped(self.of)} images)" if self.of else ", not finished"
        left = f"; {grouped(self.skipped)} could not be taken" if self.skipped else ""
        maps = f"{grouped(counts.maps)} {'numbers' if counts.rows else 'maps'}"
        return (
            f"{maps} were counted over {self.over(counts)}, by a survey of {self.data}{more}{left}"
        )

    def numbers(self, counts: Counts) -> dict[str, object]:
        """Return what a finding rests on, to be computed with."""
        return {
            "images": self.images,
            "positions": counts.places,
            "skipped": self.skipped,
            "data": self.data,
        }

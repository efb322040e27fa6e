"""What is counted of every map while images go through: figures that merge exactly, in any order.

All maps of all layers stand side by side in one row, so that a step is a few calls of numpy whatever the
number of layers. A `Plan` says which place belongs to which map.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np

from convscope.engine.blocks import Blocks
from convscope.survey import counting
from convscope.survey.counting import Clip, Counting, Room, Top
from convscope.survey.exact import ExactSums, Histograms
from convscope.typed import Array, Record

SAMPLED_PLACES = 4
"""In each image that is sampled, so many places of every map are kept for the correlations."""

SAMPLE_BYTES, LEAST_SAMPLED, MOST_SAMPLED = 64 << 20, 64, 512
"""How many images are sampled: as many as fit, within these bounds."""

ANY = np.uint64(0xFFFFFFFFFFFFFFFF)
"""No lot is higher."""

MOST_NAMED = 1000
"""So many of the images that were skipped are named; all are counted."""


class Measured(Record):
    """One layer as it is measured.

    axis     the axis of its array, batch included, that picks the map; None for a row of numbers, where
             each is a map of one place; 0 for one number an image, which has no axis but the batch's
    maps     how many; the first stands at `first` in the row of all maps
    places   how many numbers a map has for one image; `grid` are its axes
    """

    name: str
    axis: int | None
    maps: int
    first: int
    grid: tuple[int, ...]

    @property
    def places(self) -> int:
        count = 1
        for size in self.grid:
            count *= size
        return count

    @property
    def numbers(self) -> int:
        """How many numbers it has for one image."""
        return self.maps * self.places

    @property
    def slice(self) -> slice:
        return slice(self.first, self.first + self.maps)

    def arranged(self, array: Array | Blocks) -> Array:
        """Return an activation as float32 (images, maps, places), without a copy where that can be; blocks as they are."""
        if isinstance(array, Blocks):
            return array.array
        if self.axis and self.axis > 1:
            axes = [n for n in range(1, array.ndim) if n != self.axis]
            array = array.transpose(0, self.axis, *axes)
        if array.dtype != np.float32:
            with np.errstate(
                over="ignore"
            ):  # a number of float64 that float32 does not hold is infinite
                array = array.astype(np.float32)
        return array.reshape(len(array), self.maps, -1)

    def position(self, map_: int, place: int) -> tuple[int, ...]:
        """Return the position of a number in the layer's output, without the batch."""
        if not self.axis:
            return (map_,) if self.axis is None else ()
        inside = [int(p) for p in np.unravel_index(place, self.grid)]
        return (*inside[: self.axis - 1], map_, *inside[self.axis - 1 :])


class Plan(Record):
    """What is measured: the layers, and how much is kept of each map.

    top          how many of the largest responses are kept
    histograms   "maps": one a map; "layers": one a layer
    output       the layer whose largest number is the prediction; None where there is none
    """

    layers: tuple[Measured, ...]
    top: int
    histograms: str
    output: str | None

    @property
    def maps(self) -> int:
        return sum(layer.maps for layer in self.layers)

    @property
    def largest_first(self) -> list[int]:
        """The places of the layers, that of the most numbers first: threads that take one after another end together."""
        return sorted(range(len(self.layers)), key=lambda n: -self.layers[n].numbers)

    @property
    def sampled(self) -> int:
        """How many images are kept a sample of."""
        fit = SAMPLE_BYTES // (4 * SAMPLED_PLACES * max(self.maps, 1))
        return min(max(fit, LEAST_SAMPLED), MOST_SAMPLED)

    def layer(self, name: str) -> Measured:
        return next(layer for layer in self.layers if layer.name == name)


class Tally:
    """The figures of some images.

    images    how many were measured
    zeros     numbers that are 0, of each map; `odd` those that are not finite, which no other figure holds
    low, high the smallest and the largest; ∞ and −∞ where there is none
    sums      of the numbers, `squares` of their squares
    top_*     the largest responses, the largest first: value, number of the image (−1: none), place
    samples   number of an image → (places, maps), for the images whose numbers are drawn
    skipped   how many images could not be taken; `bad` names the first: number → (name, why)
    seen      number of an image → (name, label), of those among the largest responses
    confusion label → how often each class was the largest output

    Several threads may add to it at once: each layer is counted by one at a time, and so is what is of all layers.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        maps, top = plan.maps, plan.top
        self.images = 0
        self.zeros: Array = np.zeros(maps, np.int64)
        self.odd: Array = np.zeros(maps, np.int64)
        self.low: Array = np.full(maps, np.inf, np.float32)
        self.high: Array = np.full(maps, -np.inf, np.float32)
        self.sums, self.squares = ExactSums(maps), ExactSums(maps)
        self.top_value: Array = np.full((maps, top), -np.inf, np.float32)
        self.top_image: Array = np.full((maps, top), -1, np.int64)
        self.top_place: Array = np.zeros((maps, top), np.int64)
        rows = [layer.maps if plan.histograms == "maps" else 1 for layer in plan.layers]
        self.histograms = [Histograms(count) for count in rows]
        self.samples: dict[int, Array] = {}
        self._bound = ANY  # the highest lot of those that are kept
        self._alone = Lock()
        self.skipped = 0
        self.bad: dict[int, tuple[str, str]] = {}
        self.seen: dict[int, tuple[str, str | None]] = {}
        self.confusion: dict[str, Array] = {}
        self._clipped: dict[int, tuple[int, float]] = {}
        self._order = plan.largest_first

    @property
    def _top(self) -> Top:
        return Top(self.top_value, self.top_image, self.top_place)

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in vars(self).items() if name != "_alone"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _alone=Lock())

    # -- adding -----------------------------------------------------------------------------------

    def skip(self, number: int, name: str, why: str) -> None:
        """Note an image that cannot be taken."""
        with self._alone:
            self.skipped += 1
            self.bad[number] = (name, why.removeprefix(f"{name} "))
            self._trim_bad()

    def add(
        self,
        numbers: Sequence[int],
        names: Sequence[tuple[str, str | None]],
        activations: dict[str, Array],
        by: Counting = counting,
        over: Callable[[Callable[[int], None], Iterable[int]], Iterable[None]] = map,
        again: Callable[[], dict[str, Array]] = dict,
    ) -> None:
        """Add the activations of a few images, whose numbers rise; `by` is what counts them.

        over    goes over the layers, `map` or a pool's: no layer writes where another does
        again   gives the activations of all layers: what becomes of a NaN that is clipped is the engine's to say
        """
        plan, images = self.plan, len(numbers)
        value = np.empty((images, plan.maps), np.float32)
        place = np.empty((images, plan.maps), np.int64)
        sums, squares = np.empty(plan.maps), np.empty(plan.maps)
        (own,) = _drawn(numbers)
        chosen = np.flatnonzero(own <= self._bound)  # which of them stay, `_trim_samples` tells
        of_chosen = [numbers[row] for row in chosen.tolist()]
        drawn = np.empty((len(chosen), SAMPLED_PLACES, plan.maps), np.float32)
        lots = _drawn(of_chosen, SAMPLED_PLACES)[1:].T

        clips = {of: (clip, cap) for clip, (of, cap) in self._clipped.items()}
        unclear: list[int] = []
        waiting, taking = list(self._order), Lock()

        def room(of: int) -> Room:
            at = plan.layers[of].slice
            return Room(
                value[:, at], place[:, at], sums[at], squares[at],
                self.zeros[at], self.odd[at], self.low[at], self.top_value[at, -1],
            )  # fmt: skip

        def draw(layer: Measured, x: Array) -> None:
            if of_chosen:  # after counting, which brought the numbers near the processor
                where = (lots % np.uint64(layer.places)).astype(np.int64)
                # of blocks: (chosen, places, blocks, maps of a block)
                taken = x[chosen[:, None], :, where].reshape(*where.shape, -1)
                drawn[:, :, layer.slice] = taken[..., : layer.maps]

        def free() -> int:
            """Take a layer that nobody counts; where there is none, wait for the first."""
            with taking:
                taken = (of for of in waiting if self.histograms[of].busy.acquire(blocking=False))
                if (of := next(taken, None)) is None:
                    of = waiting[0]
                    self.histograms[of].busy.acquire()
                waiting.remove(of)
            return of

        def count(_: int) -> None:
            layer, histograms = plan.layers[of := free()], self.histograms[of]
            beside = None
            try:
                x = layer.arranged(activations[layer.name])
                if of in clips:
                    clip, cap = clips[of]
                    beside = Clip(cap, room(clip), self.histograms[clip])
                sure = by.count(x, histograms, room(of), beside)
            finally:
                histograms.busy.release()
            draw(layer, x)
            if beside is not None and not sure:
                unclear.append(of)
            elif beside is not None and of_chosen:
                own, its = layer.slice, plan.layers[clip].slice
                drawn[:, :, its] = counting.clipped(drawn[:, :, own], cap)

        for _ in over(count, self._order):
            pass
        found = again() if unclear else {}
        for of in unclear:
            clip, histograms = clips[of][0], self.histograms[clips[of][0]]
            x, y = (one.arranged(found[one.name]) for one in (plan.layers[of], plan.layers[clip]))
            draw(plan.layers[clip], y)
            with self.histograms[of].busy:
                by.count(y, apart := Histograms(histograms.rows), room(clip))
                histograms.zeros += apart.zeros
                odd = ~np.isfinite(x) & (y != 0)  # the other bins follow
                if odd.any():
                    histograms.note(np.nonzero(odd)[1] % histograms.rows, y.view(np.uint32)[odd])
        value += np.float32(0)  # −0 and 0 are one number
        drawn += np.float32(0)
        with self._alone:
            most = value.max(axis=0)
            np.maximum(self.high, most, out=self.high)
            by.add(self.sums, sums)
            by.add(self.squares, squares)
            some = np.flatnonzero(most >= self.top_value[:, -1])
            by.enter(self._top, some, value, np.array(numbers, np.int64), place)
            self._predict(names, activations)
            if of_chosen:
                kept = drawn if len(drawn) == 1 else map(np.copy, drawn)  # each by itself
                self.samples |= dict(zip(of_chosen, kept, strict=True))
                if len(self.samples) > plan.sampled * 9 // 8:
                    self._trim_samples()
            self.seen |= dict(zip(numbers, names, strict=True))
            self.images += images
            if len(self.seen) > 2 * (images + self.top_image.size):
                self._trim_seen()

    def follow(self, clipped: Mapping[str, tuple[str, float]]) -> None:
        """Let what is added from here on say of these layers only that they clip another, at how much (see `Clip`).

        Their histograms then hold only what does not follow from those that they clip; all others are whole.
        Nobody may add anything meanwhile.
        """
        numbered = {layer.name: n for n, layer in enumerate(self.plan.layers)}
        following = {numbered[n]: (numbered[of], cap) for n, (of, cap) in clipped.items()}
        if following == self._clipped:
            return
        for which, away in ((self._clipped, False), (following, True)):
            for clip, (of, cap) in which.items():
                self.histograms[clip].clip(self.histograms[of], cap, away)
        self._clipped = following
        self._order = [n for n in self.plan.largest_first if n not in following]

    def _predict(
        self, names: Sequence[tuple[str, str | None]], activations: dict[str, Array]
    ) -> None:
        """Count which class was the largest output, for images with a label."""
        if self.plan.output is None:
            return
        outputs = activations[self.plan.output]
        outputs = outputs.plain() if isinstance(outputs, Blocks) else outputs
        for (_, label), row in zip(names, outputs.reshape(len(outputs), -1), strict=True):
            if label is not None and not np.isnan(row).any():
                if label not in self.confusion:
                    self.confusion[label] = np.zeros(len(row), np.int64)
                self.confusion[label][int(row.argmax())] += 1

    # -- drawing a sample -------------------------------------------------------------------------

    def _trim_samples(self) -> None:
        """Keep those that drew the lowest lots, as many as are sampled; no two images draw the same."""
        numbers, most = list(self.samples), self.plan.sampled
        (lots,) = _drawn(numbers)
        order = np.argsort(lots)
        for row in order[most:].tolist():
            del self.samples[numbers[row]]
        self._bound = lots[order[most - 1]] if len(order) >= most else ANY

    def _trim_bad(self) -> None:
        if len(self.bad) > MOST_NAMED:
            self.bad = {number: self.bad[number] for number in sorted(self.bad)[:MOST_NAMED]}

    def _trim_seen(self) -> None:
        wanted = set(np.unique(self.top_image).tolist())
        self.seen = {number: names for number, names in self.seen.items() if number in wanted}

    # -- merging ----------------------------------------------------------------------------------

    def merge(self, other: Tally) -> None:
        """Add the figures of other images: the result does not depend on the order."""
        if self.plan != other.plan:
            raise ValueError("tallies of two different plans cannot be merged")
        for one in (self, other):
            one.follow({})
        self.images += other.images
        self.zeros += other.zeros
        self.odd += other.odd
        self.low = np.minimum(self.low, other.low)
        self.high = np.maximum(self.high, other.high)
        self.sums.merge(other.sums)
        self.squares.merge(other.squares)
        for own, others in zip(self.histograms, other.histograms, strict=True):
            own.merge(others)
        counting.keep(self._top, np.arange(self.plan.maps), other._top)
        self.samples |= other.samples
        self._trim_samples()
        self.skipped += other.skipped
        self.bad |= other.bad
        self._trim_bad()
        self.seen |= other.seen
        for label, row in other.confusion.items():
            self.confusion[label] = self.confusion.get(label, 0) + row

    def settle(self) -> None:
        """Bring the figures into the one form that the same figures have, whatever the way to them."""
        self.follow({})
        self._trim_samples()
        self.low += np.float32(0)  # −0 and 0 are one number
        self.sums.settle()
        self.squares.settle()
        self._trim_seen()
        self.seen = dict(sorted(self.seen.items()))
        self.bad = dict(sorted(self.bad.items()))
        self.confusion = dict(sorted(self.confusion.items()))
        self.samples = dict(sorted(self.samples.items()))

    # -- as arrays --------------------------------------------------------------------------------

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield the settled figures as arrays by name, always in the same order."""
        self.settle()
        for name in ("zeros", "odd", "low", "high", "top_value", "top_image", "top_place"):
            yield name, getattr(self, name)
        yield "sums", self.sums.limbs
        yield "squares", self.squares.limbs
        for number, histograms in enumerate(self.histograms):
            octaves, counts, _ = histograms.told()
            yield f"octaves_{number}", octaves
            yield f"counts_{number}", counts
        yield "sampled", np.array(list(self.samples), np.int64)
        rows = list(self.samples.values())
        empty = np.zeros((0, SAMPLED_PLACES, self.plan.maps), np.float32)
        yield "samples", np.stack(rows) if rows else empty

    def said(self) -> dict[str, Any]:
        """Return what is no array, as plain data."""
        return {
            "images": self.images,
            "skipped": self.skipped,
            "bad": [[n, *why] for n, why in self.bad.items()],
            "seen": [[n, *what] for n, what in self.seen.items()],
            "confusion": {label: row.tolist() for label, row in self.confusion.items()},
        }

    @classmethod
    def from_arrays(cls, plan: Plan, arrays: dict[str, Array], said: dict[str, Any]) -> Tally:
        """Return the figures that were given as arrays."""
        tally = cls(plan)
        for name in ("zeros", "odd", "low", "high", "top_value", "top_image", "top_place"):
            setattr(tally, name, arrays[name])
        tally.sums = ExactSums(plan.maps, arrays["sums"])
        tally.squares = ExactSums(plan.maps, arrays["squares"])
        tally.histograms = [
            Histograms(
                one.rows,
                arrays[f"octaves_{n}"],
                arrays[f"counts_{n}"],
                np.add.reduceat(
                    tally.zeros[layer.slice], np.arange(0, layer.maps, layer.maps // one.rows)
                ),
            )
            for n, (layer, one) in enumerate(zip(plan.layers, tally.histograms, strict=True))
        ]
        tally.samples = {
            int(n): row for n, row in zip(arrays["sampled"], arrays["samples"], strict=True)
        }
        tally.images, tally.skipped = said["images"], said["skipped"]
        tally.bad = {n: (name, why) for n, name, why in said["bad"]}
        tally.seen = {n: (name, label) for n, name, label in said["seen"]}
        tally.confusion = {
            label: np.array(row, np.int64) for label, row in said["confusion"].items()
        }
        return tally


def _drawn(numbers: Collection[int], places: int = 0) -> Array:
    """Return the lots that images draw, then those of so many of their places: the same for everybody."""
    steps = np.arange(1, places + 2, dtype=np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
    state = np.fromiter(numbers, np.uint64, len(numbers)) + steps  # SplitMix64
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Array = z ^ (z >> np.uint64(31))
    return found

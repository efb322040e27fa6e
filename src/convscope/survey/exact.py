"""Sums and counts that come out the same, bit for bit, in whatever order their parts are added.

A sum of float64 is kept as a whole number of 2^-352, in limbs of 32 bits: nothing is rounded, so that order
does not matter. A histogram counts the upper 16 bits of each float32: its sign, its exponent and 7 bits of its
mantissa. A bin is then 1/128 of its lower end wide, less than 0.8 %, and counts only add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from convscope.typed import Array

LIMBS, BITS, LOW = 22, 32, 352
"""From 2^-352, below the square of the smallest float32, to 2^352."""

MANTISSA = 53

BINS = 128
"""In an octave: the numbers of one sign and one exponent, which are kept together."""

AT_ONCE = 1 << 18
"""So many numbers are counted at a time: their places fit in the processor's cache."""

ALONE = 1 << 16
"""A row with so many is counted by itself, all of its upper halves; rows with fewer go together, by octaves."""


class ExactSums:
    """Sums of float64 without rounding, many side by side.

    >>> sums = ExactSums(2)
    >>> for values in ([1e16, 0.25], [1.0, 0.5], [-1e16, -1e-300]):
    ...     sums.add(np.array(values))
    >>> sums.totals(2)
    [Fraction(1, 2), Fraction(3, 8)]
    """

    def __init__(self, count: int, limbs: Array | None = None) -> None:
        self.limbs: Array = np.zeros((LIMBS, count), np.int64) if limbs is None else limbs
        self._added = 0

    def add(self, values: Array) -> None:
        """Add one finite number to each sum; what is smaller than 2^-352 is cut off."""
        mantissa, exponent = np.frexp(values)
        place = exponent.astype(np.int64) - MANTISSA + LOW
        whole = np.abs(np.ldexp(mantissa, MANTISSA)).astype(np.int64)
        whole >>= np.clip(-place, 0, 63)
        place = np.maximum(place, 0)
        limb, shift = place >> 5, place & 31
        sign = np.sign(values).astype(np.int64)
        mask = (1 << BITS) - 1
        low, high = (whole & mask) << shift, (whole >> BITS) << shift
        columns = np.arange(len(values))
        self.limbs[limb, columns] += sign * (low & mask)
        self.limbs[limb + 1, columns] += sign * ((low >> BITS) + (high & mask))
        self.limbs[limb + 2, columns] += sign * (high >> BITS)
        self._added += 1
        if self._added >= 1 << 28:  # each added less than 2^33 to a limb of 63 bits
            self.settle()

    def merge(self, other: ExactSums) -> None:
        """Add the sums of another."""
        other.settle()
        self.settle()
        self.limbs += other.limbs
        self._added = 1

    def settle(self) -> None:
        """Carry, so that the same sums have the same limbs."""
        for limb in range(LIMBS - 1):
            carried = self.limbs[limb] >> BITS
            self.limbs[limb] -= carried << BITS
            self.limbs[limb + 1] += carried
        self._added = 0

    def whole(self, place: int) -> int:
        """Return one sum as a whole number of 2^-352."""
        return sum(int(limb) << (BITS * n) for n, limb in enumerate(self.limbs[:, place]))

    def totals(self, divisor: int = 1) -> list[Any]:
        """Return the sums divided by a number, as fractions."""
        from fractions import Fraction

        return [Fraction(self.whole(place), divisor << LOW) for place in range(self.limbs.shape[1])]


class Histograms:
    """How often each number came, in bins of the upper 16 bits of its float32; one row a map.

    octaves   which signs and exponents came: the upper 9 bits; each has 128 bins
    counts    (rows, octaves, 128)
    """

    def __init__(
        self, rows: int, octaves: Array | None = None, counts: Array | None = None
    ) -> None:
        self.rows = rows
        self.octaves: list[int] = [] if octaves is None else [int(o) for o in octaves]
        self.counts: Array = np.zeros((rows, 0, BINS), np.int64) if counts is None else counts
        self._places = np.full(1 << 16, -1, np.int32)
        self._know()

    def _know(self) -> None:
        for slot, octave in enumerate(self.octaves):
            bins = np.arange(slot * BINS, (slot + 1) * BINS)
            self._places[octave * BINS : (octave + 1) * BINS] = bins

    def _grow(self, octaves: list[int]) -> None:
        more = np.zeros((self.rows, len(octaves), BINS), np.int64)
        self.counts = np.concatenate([self.counts, more], axis=1)
        self.octaves += octaves
        self._know()

    def add(self, numbers: Array) -> None:
        """Count numbers: float32 (images, rows, places)."""
        images, rows, places = numbers.shape
        keys = numbers.view(np.uint16).reshape(*numbers.shape, 2)[..., _UPPER]
        if images * places >= ALONE:
            for row in range(rows):
                self._enter(row, np.bincount(keys[:, row].ravel()))
            return
        step = max(1, AT_ONCE // max(1, images * places))
        for first in range(0, rows, step):
            part = keys[:, first : first + step]
            at = np.take(self._places, part, mode="clip")
            if at.size and at.min() < 0:
                new = np.bincount((part >> 7).ravel(), minlength=512) > 0
                new[self.octaves] = False
                self._grow([int(octave) for octave in np.flatnonzero(new)])
                at = np.take(self._places, part, mode="clip")
            many, width = part.shape[1], len(self.octaves) * BINS
            at += (np.arange(many, dtype=np.int32) * width)[:, None]
            counted = np.bincount(at.ravel(), minlength=many * width)
            self.counts[first : first + many] += counted.reshape(many, -1, BINS)

    def _enter(self, row: int, counted: Array) -> None:
        """Add how often each upper half came in a row, from 0 on."""
        whole = np.zeros(-(-len(counted) // BINS) * BINS, np.int64)
        whole[: len(counted)] = counted
        octaves = whole.reshape(-1, BINS)
        there = np.flatnonzero(octaves.any(axis=1))
        if (self._places[there * BINS] < 0).any():
            self._grow([int(octave) for octave in there if self._places[octave * BINS] < 0])
        self.counts[row, self._places[there * BINS] // BINS] += octaves[there]

    def merge(self, other: Histograms) -> None:
        """Add the counts of another."""
        self._grow([octave for octave in other.octaves if octave not in self.octaves])
        slots = [self.octaves.index(octave) for octave in other.octaves]
        self.counts[:, slots] += other.counts

    def settle(self) -> None:
        """Put the octaves in order, so that the same counts are the same bytes."""
        order = np.argsort(np.array(self.octaves, np.int64))
        self.counts = np.ascontiguousarray(self.counts[:, order])
        self.octaves = sorted(self.octaves)
        self._know()

    def bins(self, row: int) -> Iterator[tuple[float, float, int]]:
        """Yield the bins of a row that are not empty: their lower and upper end, and how many came.

        From the smallest to the largest; a bin of negative numbers holds its lower end, one of positive
        numbers too, but not its upper end. What is not finite is left out.
        """
        found = []
        for slot, octave in enumerate(self.octaves):
            if octave & 0xFF == 0xFF:
                continue
            for place in np.flatnonzero(self.counts[row, slot]):
                key = (octave & 0xFF) * BINS + int(place)
                low, high = _end(key), _end(key + 1)
                count = int(self.counts[row, slot, place])
                found.append((-high, -low, count) if octave & 0x100 else (low, high, count))
        yield from sorted(found)


_UPPER = 1 if np.little_endian else 0


def _end(key: int) -> float:
    """Return the number whose float32 has these upper bits, and zeros below; ∞'s is the end of the largest."""
    value = np.array([key << 16], np.uint32).view(np.float32)[0]
    return float(value)

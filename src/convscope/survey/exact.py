"""Sums and counts that come out the same, bit for bit, in whatever order their parts are added.

A sum of float64 is kept as a whole number of 2^-352, in limbs of 32 bits: nothing is rounded, so that order
does not matter. A histogram counts the upper 16 bits of each float32: its sign, its exponent and 7 bits of its
mantissa. A bin is then 1/128 of its lower end wide, less than 0.8 %, and counts only add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any

import numpy as np

from convscope.typed import Array

LIMBS, BITS, LOW = 22, 32, 352
"""From 2^-352, below the square of the smallest float32, to 2^352."""

MANTISSA = 53

BINS, EXPONENTS = 128, 256
"""In an octave: the numbers of one sign and one exponent, which are kept together. How many exponents there are."""

HEAD = 8
"""So many columns of a table come before its bins: numbers that belong in none are added there, and nobody reads them.
They are several so that an addition need not wait for the one before."""

AT_ONCE = 1 << 16
"""So many numbers are counted at a time: their places fit in the processor's cache."""


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
        limbs = self.room()
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
        limbs[limb, columns] += sign * (low & mask)
        limbs[limb + 1, columns] += sign * ((low >> BITS) + (high & mask))
        limbs[limb + 2, columns] += sign * (high >> BITS)

    def room(self) -> Array:
        """Return the limbs, for somebody who adds one number to each sum."""
        self._added += 1
        if self._added >= 1 << 28:  # each adds less than 2^33 to a limb of 63 bits
            self.settle()
        return self.limbs

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

    zeros     how many numbers of each row are 0, or −0: they stand apart, and in the bin at 0 when it is told
    octaves   which signs and exponents came: the upper 9 bits; each has 128 bins
    counts    (rows, octaves, 128)
    busy      held by whoever counts

    While numbers are counted, a row has all bins from the lowest exponent that came to the highest, so that the
    place of a number's bin is its upper bits less a constant: first `HEAD` columns, then the bins of positive
    numbers, then those of negative ones, apart: of a map after a ReLU half as much goes through the cache.
    """

    def __init__(
        self,
        rows: int,
        octaves: Array | None = None,
        counts: Array | None = None,
        zeros: Array | None = None,
    ) -> None:
        self.rows, self.busy = rows, Lock()
        self._low, self._high, self._most = EXPONENTS, -1, 0
        self._table: Array = np.zeros((rows, HEAD), np.uint32)
        self.zeros: Array = np.zeros(rows, np.int64)
        if octaves is None or counts is None or zeros is None:
            return
        self._expect(int(counts.sum(axis=(1, 2)).max(initial=0)))
        if len(octaves):
            exponents = octaves % EXPONENTS
            self.reach(int(exponents.min()), int(exponents.max()))
        for octave, came in zip(octaves.tolist(), counts.transpose(1, 0, 2), strict=True):
            self._bins(octave)[:] = came
        if 0 in octaves:
            self._bins(0)[:, 0] -= zeros.astype(self._table.dtype)
        self.zeros[:] = zeros

    def __reduce__(self) -> Any:
        octaves, counts, zeros = self.told()
        return Histograms, (self.rows, octaves, counts.astype(self._table.dtype), zeros)

    def _bins(self, octave: int) -> Array:
        """Return the part of the table that counts one sign and exponent: (rows, 128)."""
        sign, exponent = divmod(octave, EXPONENTS)
        first = HEAD + sign * self._half + (exponent - self._low) * BINS
        return self._table[:, first : first + BINS]

    @property
    def _half(self) -> int:
        """How many bins there are of one sign."""
        return int(self._table.shape[1] - HEAD) // 2

    @property
    def empty(self) -> bool:
        """Whether there is no bin yet."""
        return self._high < 0

    def reach(self, low: int, high: int) -> None:
        """Let the table reach from one exponent to another, at least; none, from a higher to a lower one."""
        if low > high:
            return
        low, high = min(low, self._low), max(high, self._high)
        if (low, high) == (self._low, self._high):
            return
        before, self._table = (
            self._table,
            np.zeros((self.rows, HEAD + (high - low + 1) * 2 * BINS), self._table.dtype),
        )
        was, self._low, self._high = self._low, low, high
        self._put(before, was)

    def _put(self, table: Array, low: int) -> None:
        """Add what another table counted, which begins at an exponent and ends before this one."""
        half, first = (table.shape[1] - HEAD) // 2, HEAD + (low - self._low) * BINS
        for sign in range(2 if half else 0):
            at = first + sign * self._half
            self._table[:, at : at + half] += table[:, HEAD + sign * half :][:, :half]

    def ready(self, more: int) -> tuple[Array, int]:
        """Return the table and its lowest exponent, for somebody who adds so many more numbers to a row."""
        self._expect(more)
        return self._table, self._low

    def _expect(self, more: int) -> None:
        """Make ready for so many more numbers in a row: counts take 8 bytes each where 4 may not hold them."""
        self._most += more
        if self._most >= 1 << 32:
            self._table = self._table.astype(np.int64, copy=False)

    def note(self, rows: Array, bits: Array) -> None:
        """Count some numbers beside 0 one by one: of which row each is, and its bits."""
        keys = (bits >> np.uint32(16)).astype(np.int64)
        negative, keys = keys >> 15, keys & 0x7FFF
        self.reach(int(keys.min()) // BINS, int(keys.max()) // BINS)
        places = HEAD + negative * self._half + keys - self._low * BINS
        np.add.at(self._table, (rows, places), self._table.dtype.type(1))

    def add(self, numbers: Array) -> None:
        """Count numbers: float32 (images, maps, places); of one row, those of all maps."""
        images, maps, places = numbers.shape
        if self.rows < maps:
            numbers = numbers.reshape(images, 1, maps * places)
        images, rows, places = numbers.shape
        self._expect(images * places)
        together = max(1, min(images, AT_ONCE // places))
        step = max(1, AT_ONCE // (together * places))
        for image in range(0, images, together):
            for row in range(0, rows, step):
                self._enter(row, numbers[image : image + together, row : row + step])

    def _enter(self, first: int, numbers: Array) -> None:
        """Count numbers of the rows from one on. (Array by array: numpy is slow with one number beside many.)"""
        zero, rows = numbers == 0, numbers.shape[1]
        nothing = np.count_nonzero(zero, axis=(0, 2))
        self.zeros[first : first + rows] += nothing
        some = int(nothing.sum())
        if some == numbers.size:
            return
        keys = (numbers.view(np.uint32) >> 16).astype(np.uint16)
        negative = keys >> 15
        negative[zero] = 0  # −0 is 0
        keys &= 0x7FFF
        if (highest := int(keys.max()) // BINS) > self._high:
            self.reach(highest, highest)
        if np.count_nonzero(keys < self._low * BINS) != some:
            lowest = int(keys[~zero].min()) // BINS
            self.reach(lowest, lowest)
        if self._low:  # below the table there are only zeros
            least = self._low * BINS - HEAD
            places = np.maximum(keys, np.uint16(least)).astype(np.int64)
        else:
            least = 0
            places = np.where(zero, 0, keys.astype(np.int64) + HEAD)
        places += negative * np.int64(self._half)
        width = self._table.shape[1]
        starts = np.arange(first, first + rows) * width - least
        places += np.broadcast_to(starts[:, None], numbers.shape[1:]).copy()
        np.add.at(self._table.reshape(-1), places.reshape(-1), self._table.dtype.type(1))

    def clip(self, of: Histograms, cap: float, away: bool = False) -> None:
        """Add, or take away, the bins of another's finite numbers once those below 0 are 0, and those above `cap` cap."""
        self._most = max(self._most, of._most)
        self._expect(0)
        most = min(int(np.float32(cap).view(np.uint32)) >> 16, (EXPONENTS - 1) * BINS)
        first, last = of._low * BINS, min(of._high, EXPONENTS - 2)
        if of._low > last:
            return
        bins = of._table[:, HEAD:][:, : (last + 1) * BINS - first].astype(self._table.dtype)
        below = bins[:, : max(most - first, 0)]
        self.reach(min(of._low, most // BINS), min(last, most // BINS))
        at = HEAD + first - self._low * BINS
        into = self._table[:, at : at + below.shape[1]]
        (np.subtract if away else np.add)(into, below, out=into)
        if below.shape[1] < bins.shape[1]:
            above = bins[:, below.shape[1] :].sum(axis=1, dtype=self._table.dtype)
            into = self._table[:, HEAD + most - self._low * BINS]
            (np.subtract if away else np.add)(into, above, out=into)

    def merge(self, other: Histograms) -> None:
        """Add the counts of another."""
        self._expect(other._most)
        if other._high >= 0:
            self.reach(other._low, other._high)
            self._put(other._table, other._low)
        self.zeros += other.zeros

    def told(self) -> tuple[Array, Array, Array]:
        """Return octaves, counts and zeros: the same counts are the same bytes, whatever the way to them."""
        came = []
        for octave in range(2 * EXPONENTS):
            inside = self._low <= octave % EXPONENTS <= self._high
            there = inside and self._bins(octave).any()
            if there or (octave == 0 and self.zeros.any()):
                came.append(octave)
        counts = np.zeros((self.rows, len(came), BINS), np.int64)
        for place, octave in enumerate(came):
            if self._low <= octave % EXPONENTS <= self._high:
                counts[:, place] = self._bins(octave)
        if came and came[0] == 0:
            counts[:, 0, 0] += self.zeros
        return np.array(came, np.int64), counts, self.zeros.copy()

    def bins(self, row: int) -> Iterator[tuple[float, float, int]]:
        """Yield the bins of a row that are not empty: their lower and upper end, and how many came.

        From the smallest to the largest; a bin of negative numbers holds its lower end, one of positive
        numbers too, but not its upper end. What is not finite is left out.
        """
        found: dict[tuple[float, float], int] = {}
        if zeros := int(self.zeros[row]):
            found[0.0, _end(1)] = zeros
        for place in np.flatnonzero(self._table[row, HEAD:]).tolist():
            sign, key = divmod(place, self._half)
            key += self._low * BINS
            if key // BINS == EXPONENTS - 1:
                continue
            low, high = _end(key), _end(key + 1)
            ends = (-high, -low) if sign else (low, high)
            found[ends] = found.get(ends, 0) + int(self._table[row, HEAD + place])
        yield from ((*ends, count) for ends, count in sorted(found.items()))


def _end(key: int) -> float:
    """Return the number whose float32 has these upper bits, and zeros below; ∞'s is the end of the largest."""
    value = np.array([key << 16], np.uint32).view(np.float32)[0]
    return float(value)

"""The numbers of a layer counted in one pass, compiled by Numba: the same bits as `counting`, several times as fast.

A piece of a map at a time goes through the processor's cache: its sums, its extremes, the place of each number in
the histogram, and then the histogram itself, which takes most: one addition in memory for every number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convscope.engine.blocks import side
from convscope.survey import compiled_blocks
from convscope.survey.compiling import (
    ALONE,
    EXPONENT,
    OUTSIDE,
    Fill,
    add_up,
    clipped,
    compiled,
    fold,
    inner,
    join,
    place_of,
    reach,
)
from convscope.survey.counting import LANES, Clip, Room, Top
from convscope.survey.exact import BINS, BITS, HEAD, LOW, ExactSums, Histograms
from convscope.typed import Array

PIECE = 2048
"""So many numbers are looked at together: they and their places in the histogram stay in the nearest cache."""

FEW = 256
"""Maps of so few places are put side by side first: see `compiled_blocks`."""

INFINITE, ABSENT = np.int32(0x7F800000), np.int32(-0x7F800001)
"""∞ and −∞ as whole numbers in the order of the numbers; see `_ordered`."""


def count(x: Array, histograms: Histograms, room: Room, clip: Clip | None = None) -> bool:
    """Count the numbers of a layer: float32 (images, maps, places), or in blocks of maps."""
    x = np.require(x, np.float32, ["C", "A", "W"])  # a kind of array each would be compiled for
    if x.ndim == 3 and x.shape[2] <= FEW:
        x = _in_blocks(x, side() if side() > 1 else 8)
    if x.ndim == 4:
        return compiled_blocks.count(x, histograms, room, clip)
    bits = x.view(np.uint32)
    images, maps, places = x.shape
    if histograms.empty:
        histograms.reach(*reach(bits.reshape(-1)))
    table, low = histograms.ready(images * places * (maps // histograms.rows))
    fill = Fill(room, histograms, clip)
    least, most, strange = _pass(x, bits, table, low, fill.own, fill.clip, fill.cap)
    fill.done()
    if least <= most:  # there are numbers beside 0
        before = low, (table.shape[1] - HEAD) // (2 * BINS) + low
        if least < before[0] or most >= before[1]:
            histograms.reach(least, most)
            table, low = histograms.ready(0)
            _others(bits, table, low, *before)
    return not strange


def ready() -> None:
    """Compile all of it, or take what was compiled before; raises what Numba raises where it cannot."""
    for shape in ((1, 1, FEW + 1), (1, 1, 1)):
        value, place = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int64)
        wide, whole, narrow = (np.zeros(1, kind) for kind in (np.float64, np.int64, np.float32))
        room = Room(value, place, wide, wide.copy(), whole, whole.copy(), narrow, narrow.copy())
        count(np.ones(shape, np.float32), Histograms(1), room)
    add(ExactSums(1), wide)
    enter(Top(value.copy(), place.copy(), place.copy()), whole, value, whole, place)


def add(sums: ExactSums, values: Array) -> None:
    """Add one finite number to each sum; see `ExactSums.add`."""
    _add_exactly(sums.room(), values)


def enter(top: Top, maps: Array, value: Array, image: Array, place: Array) -> None:
    """Let responses, (images, maps), of some maps enter the largest ones; `image` says which images they are of."""
    _enter(*top, maps, value, image, place)


@compiled
def _in_blocks(x: Array, side: Any) -> Any:
    """Return maps as convolutions leave them: (images, blocks, places, maps of a block), 0 beyond the last."""
    images, maps, places = x.shape
    blocks = (maps + side - 1) // side
    found = np.zeros((images, blocks, places, side), np.float32)
    for n in range(images):
        for block in range(blocks):
            for c in range(min(side, maps - block * side)):
                for p in range(places):
                    found[n, block, p, c] = x[n, block * side + c, p]
    return found


@compiled
def _add_exactly(limbs: Array, values: Array) -> Any:
    bits, mask = values.view(np.int64), np.int64((1 << BITS) - 1)
    for n in range(len(values)):
        exponent = (bits[n] >> 52) & 0x7FF
        if not exponent:  # 0, or below 2^-1022
            continue
        whole = (bits[n] & ((1 << 52) - 1)) | (1 << 52)
        place = exponent - 1075 + LOW
        if place < 0:
            whole >>= min(-place, 63)
            place = 0
        limb, shift = place >> 5, place & 31
        low, high = (whole & mask) << shift, (whole >> BITS) << shift
        sign = np.int64(-1) if bits[n] < 0 else np.int64(1)
        limbs[limb, n] += sign * (low & mask)
        limbs[limb + 1, n] += sign * ((low >> BITS) + (high & mask))
        limbs[limb + 2, n] += sign * (high >> BITS)


@compiled
def _enter(
    values: Array,
    images: Array,
    places: Array,
    maps: Array,
    value: Array,
    image: Array,
    place: Array,
) -> Any:
    kept = values.shape[1]
    for m in maps:
        for n in range(len(value)):
            new, of = value[n, m], image[n]
            rank = kept
            while rank and (
                new > values[m, rank - 1]
                or (new == values[m, rank - 1] and of < images[m, rank - 1])
            ):
                rank -= 1
            if rank == kept or not np.isfinite(new):
                continue
            for later in range(kept - 1, rank, -1):
                values[m, later] = values[m, later - 1]
                images[m, later] = images[m, later - 1]
                places[m, later] = places[m, later - 1]
            values[m, rank], images[m, rank], places[m, rank] = new, of, place[n, m]


@inner
def _ordered(bits: Any) -> Any:
    """Return a float32's bits as a whole number that is larger where the number is larger."""
    signed = np.int32(bits)
    return np.int32(signed ^ ((signed >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@compiled
def _pass(
    x: Array,
    bits: Array,
    table: Array,
    low: Any,
    own: Any,
    clip: Any,
    cap: Any,
) -> Any:
    """Count all but the numbers whose exponent the table has no bins for.

    Return which exponents came, and in how many maps of images some are odd.
    """
    value, place, sums, squares, zeros, odd, lows, worst, nothing = own
    value_, place_, sums_, squares_, zeros_, _, lows_, worst_, nothing_ = clip
    images, maps, places = x.shape
    numbers, raw = x.reshape(-1), bits.reshape(-1)
    first, half = np.uint32(low * BINS), np.uint32((table.shape[1] - HEAD) // 2)
    at, some_ = np.empty(PIECE, np.uint32), np.empty(PIECE, np.float32)
    one, two, three, four = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    ordered, lowest = value.view(np.int32), np.empty(1, np.float32)
    smallest, largest = np.uint32(0xFFFFFFFF), np.uint32(0)
    several, strange = len(table) == maps, 0
    many, under = np.zeros(maps, np.int64), np.empty(maps, np.float32)
    for m in range(maps):
        row = table[m if several else 0]
        one[:], two[:], three[:], four[:] = 0, 0, 0, 0
        least, odd_before = INFINITE, odd[m]
        for n in range(images):
            here, most, none, above = INFINITE, ABSENT, np.int32(0), np.int32(0)
            begin = (n * maps + m) * places
            for start in range(begin, begin + places, PIECE):
                size = min(PIECE, begin + places - start)
                add_up(numbers, start, size, one, two, ALONE)
                if cap:
                    _clip(numbers, start, size, cap, some_)
                    add_up(some_, 0, size, three, four, ALONE)
                for p in range(size):
                    u = raw[np.uint64(start) + np.uint64(p)]
                    t = np.uint32(u << np.uint32(1))
                    bin = place_of(u, first, half)
                    here_is = t != np.uint32(0) and bin != OUTSIDE
                    at[np.uint64(p)] = bin if here_is else np.uint32(p) & np.uint32(HEAD - 1)
                    smallest = min(smallest, np.uint32(t - np.uint32(1)))
                    largest = max(largest, t)
                    none += np.int32(t == np.uint32(0))
                    whole = _ordered(u)
                    above += np.int32(whole > 0)
                    here, most = min(here, whole), max(most, whole)
                for p in range(size):
                    row[at[np.uint64(p)]] += np.uint32(1)
            if most >= INFINITE or here <= ABSENT:
                here, most, some = _finite(bits[n, m])
                odd[m] += some
                strange += 1
            zeros[m] += none
            nothing[m if several else 0] += none
            least = min(least, here)
            ordered[n, m] = _ordered(most)
            place[n, m] = 0
            best = value[n, m]
            if best >= worst[m]:
                place[n, m] = _first(numbers[begin : begin + places], best, np.float32(np.inf))
            if cap:
                many[m] += places - above
                bound = clipped(best, cap)
                value_[n, m], place_[n, m] = bound, 0
                if bound > 0 and bound >= worst_[m]:
                    known = bound == best and best >= worst[m]
                    place_[n, m] = (
                        place[n, m]
                        if known
                        else _first(numbers[begin : begin + places], bound, cap)
                    )
        if odd[m] > odd_before:
            _add_finite(x, m, one, two)
        for lanes in (one, two, three, four):
            fold(lanes, ALONE)
        sums[m], squares[m] = one[0], two[0]
        lowest.view(np.int32)[0] = _ordered(least)
        lows[m] = min(lows[m], lowest[0])
        if cap:
            sums_[m], squares_[m] = three[0], four[0]
            under[m] = clipped(lowest[0], cap)
    if cap and not strange:
        join(many, under, zeros_, lows_, nothing_)
    return (smallest + 1) >> EXPONENT, largest >> EXPONENT, strange


@inner
def _clip(numbers: Array, start: Any, size: Any, cap: Any, some: Array) -> None:
    for i in range(size):
        some[i] = clipped(numbers[np.uint64(start + i)], cap)


@inner
def _first(numbers: Array, wanted: Any, cap: Any) -> Any:
    """Return the first place of a number that is another, or of one from `cap` on if that is cap; 0 without one."""
    at = np.uint64(0)
    while at + np.uint64(LANES) <= np.uint64(len(numbers)):
        some = np.int32(0)
        for lane in range(LANES):
            some |= np.int32(min(numbers[at + np.uint64(lane)], cap) == wanted)
        if some:
            break
        at += np.uint64(LANES)
    while at < np.uint64(len(numbers)) and min(numbers[at], cap) != wanted:
        at += np.uint64(1)
    return at if at < np.uint64(len(numbers)) else np.uint64(0)


@inner
def _finite(bits: Array) -> Any:
    """Return the smallest and the largest of the finite numbers, and how many are not finite."""
    least, most, odd = INFINITE, ABSENT, 0
    for p in range(len(bits)):
        whole = _ordered(bits[p])
        if ABSENT < whole < INFINITE:
            least, most = min(least, whole), max(most, whole)
        else:
            odd += 1
    return least, most, odd


@inner
def _add_finite(x: Array, m: Any, one: Array, two: Array) -> None:
    """Add up the finite numbers of a map alone."""
    images, _, places = x.shape
    one[:], two[:] = 0, 0
    for n in range(images):
        for p in range(places):
            wide = np.float64(x[n, m, p])
            if np.isfinite(wide):
                one[p % LANES] += wide
                two[p % LANES] += wide * wide


@compiled
def _others(bits: Array, table: Array, low: Any, first: Any, last: Any) -> Any:
    """Count the numbers whose exponent is not from one to before another."""
    images, maps, places = bits.shape
    several, half = len(table) == maps, (table.shape[1] - HEAD) // 2
    for n in range(images):
        for m in range(maps):
            for p in range(places):
                t = np.uint32(bits[n, m, p] << np.uint32(1))
                exponent = t >> np.uint32(EXPONENT)
                if t and not first <= exponent < last:
                    place = place_of(bits[n, m, p], np.uint32(low * BINS), np.uint32(half))
                    table[m if several else 0, place] += np.uint32(1)

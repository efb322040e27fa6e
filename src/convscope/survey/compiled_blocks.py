"""The numbers of a layer that lie in blocks of maps, counted as `compiled` counts them: to the same bits.

Side by side in a block lie numbers of 8 or 16 maps. So a processor adds up that many maps at once, and
what is found of them needs no adding up at the end of each. A piece of a block goes through the nearest cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from convscope.survey.compiling import (
    EXPONENT,
    OUTSIDE,
    Fill,
    clipped,
    compiled,
    inner,
    place_of,
    prefetch,
    reach,
)
from convscope.survey.counting import LANES, Clip, Room
from convscope.survey.exact import BINS, HEAD, Histograms
from convscope.typed import Array

PIECE = 512
"""So many places of a block are looked at together."""

ROWS = 8
"""Of so many places the smallest and the largest stand side by side."""

LINE = 16
"""Numbers that come from memory together."""

BEYOND = 4096
"""So many numbers that have no bin yet are noted one by one."""

MOST = 255
"""Of so many exponents a bin's place is told by 16 bits."""


@lru_cache
def _aside(side: int) -> Array:
    """Return where the numbers of a piece go that are 0: never twice in turn to the same place."""
    i = np.arange(PIECE * side)
    return ((i // side + i) % HEAD).astype(np.uint16)


def count(x: Array, histograms: Histograms, room: Room, clip: Clip | None) -> None:
    """Count the numbers of a layer: float32 (images, blocks, places, maps of a block)."""
    x = np.require(x, np.float32, ["C", "A", "W"])
    bits, maps = x.view(np.uint32), len(room.sums)
    images, _, places, side = x.shape
    if histograms.empty:
        histograms.reach(*reach(bits.reshape(-1)))
    table, low = histograms.ready(images * places * (maps // histograms.rows))
    fill = Fill(room, clip)
    which, beyond = np.empty(BEYOND, np.int64), np.empty(BEYOND, np.uint32)
    found = _pass(x, bits, table, low, _aside(side), which, beyond, fill.own, fill.clip, fill.cap)
    fill.done()
    if found > BEYOND:
        before = low, low + min((table.shape[1] - HEAD) // (2 * BINS), MOST)
        histograms.reach(*reach(bits.reshape(-1)))
        table, low = histograms.ready(0)
        _others(bits, table, low, *before, maps)
    elif found:
        histograms.note(which[:found] % histograms.rows, beyond[:found])
    histograms.zeros += fill.own[4].reshape(histograms.rows, -1).sum(axis=1)


@compiled
def _pass(
    x: Array,
    bits: Array,
    table: Array,
    low: Any,
    aside: Array,
    which: Array,
    beyond: Array,
    own: Any,
    clip: Any,
    cap: Any,
) -> Any:
    """Count all but the numbers that the table has no bins for; return how many there are.

    `which` map each is of, and its bits, are noted as far as there is room.
    """
    value, place, sums, squares, zeros, odd, lows, worst = own
    value_, place_, sums_, squares_, zeros_, _, lows_, worst_ = clip
    images, blocks, places, side = x.shape
    numbers, raw = x.reshape(-1), bits.reshape(-1)
    maps, several = len(sums), len(table) == len(sums)
    first, half = np.uint32(low * BINS), np.uint32((table.shape[1] - HEAD) // 2)
    at = np.empty(PIECE * side, np.uint16)
    span = LANES
    while span // 2 >= places:
        span //= 2
    lanes, rows = span * side, ROWS * side
    one, two, three, four = np.empty(lanes), np.empty(lanes), np.empty(lanes), np.empty(lanes)
    least, most = np.empty(rows, np.float32), np.empty(rows, np.float32)
    best = np.empty(rows, np.float32)
    few = np.zeros(rows, np.uint16)
    none, below = np.empty(rows, np.int32), np.empty(rows, np.int32)
    negative = np.uint16(half + np.uint32(HEAD))
    found = 0
    for block in range(blocks):
        start = block * side
        here = min(side, maps - start)
        for c in range(here):
            sums[start + c], squares[start + c] = 0.0, 0.0
            if cap:
                sums_[start + c], squares_[start + c] = 0.0, 0.0
        least[:], none[:], below[:] = np.inf, 0, 0
        for n in range(images):
            most[:] = -np.inf
            one[:] = two[:] = 0
            if cap:
                three[:] = four[:] = 0
            begin = (n * blocks + block) * places * side
            for p in range(0, places, PIECE):
                size = min(PIECE, places - p) * side
                from_ = begin + p * side
                piece = numbers[from_ : from_ + size]
                _add(piece, one, two)
                if cap:
                    _add_clipped(piece, cap, three, four)
                _bound(piece, least, most)
                to = at[:size]
                if _keys(raw[from_ : from_ + size], first, half, aside, to) == OUTSIDE:
                    for i in range(size):
                        if to[i] == np.uint16(OUTSIDE):
                            to[i] = aside[i]
                            if i % side < here:
                                none[i % rows] -= 1
                                below[i % rows] += np.int32(piece[i] < 0)
                                if found < BEYOND:
                                    which[found], beyond[found] = start + i % side, raw[from_ + i]
                                found += 1
                _count_between(to, np.uint16(0), np.uint16(HEAD), few, none)
                if cap:
                    _count_between(to, negative, np.uint16(OUTSIDE), few, below)
                if p + PIECE < places:
                    ahead = from_ + size
                elif n + 1 < images:
                    ahead = begin + blocks * places * side
                else:
                    ahead = (block + 1) * places * side
                if several or here < side:
                    for c in range(0, here - 1, 2):
                        row, other = (
                            table[start + c if several else 0],
                            table[start + c + 1 if several else 0],
                        )
                        _enter(row, other, to, c, c + 1, side, numbers, ahead)
                    if here % 2:
                        row = table[start + here - 1 if several else 0]
                        _enter_one(row, to, here - 1, side)
                else:
                    _enter_all(table[0], to, numbers, ahead)
            _fold(one, lanes // 2, side)
            _fold(two, lanes // 2, side)
            best[:] = most
            _most(best, rows // 2, side)
            sums[start : start + here] += one[:here]
            squares[start : start + here] += two[:here]
            value[n, start : start + here], place[n, start : start + here] = best[:here], 0
            whole = numbers[begin : begin + places * side]
            for c in range(here):
                if best[c] >= worst[start + c] and np.isfinite(two[c]):
                    place[n, start + c] = _first(whole, most, c, side, best[c])
            if cap:
                _fold(three, lanes // 2, side)
                _fold(four, lanes // 2, side)
                sums_[start : start + here] += three[:here]
                squares_[start : start + here] += four[:here]
                for c in range(here):
                    m, bound = start + c, clipped(best[c], cap)
                    value_[n, m], place_[n, m] = bound, 0
                    if bound > 0 and bound >= worst_[m] and np.isfinite(two[c]):
                        known = bound == best[c] and best[c] >= worst[m]
                        place_[n, m] = place[n, m] if known else _first(whole, most, c, side, bound)
        for i in range(rows):
            least[i] = -least[i]
        _most(least, rows // 2, side)
        _fold(none, rows // 2, side)
        if cap:
            _fold(below, rows // 2, side)
        for c in range(here):
            m = start + c
            zeros[m] += none[c]
            if cap:
                zeros_[m] += none[c] + below[c]
                lows_[m] = min(lows_[m], clipped(-least[c], cap))
            if np.isfinite(squares[m]):
                lows[m] = min(lows[m], -least[c])
            else:
                _finite(x, block, c, m, value, place, sums, squares, odd, lows, worst)
    return found


@inner
def _keys(bits: Array, first: Any, half: Any, aside: Array, at: Array) -> Any:
    """Find each number's place in the histogram: aside for 0, `OUTSIDE` without a bin; return the largest."""
    largest, bound = np.uint32(0), np.uint32(min(half, np.uint32(MOST * BINS)))
    after = np.uint32(half + np.uint32(HEAD))
    for i in range(len(bits)):
        size = np.uint32(bits[i] & np.uint32(0x7FFFFFFF))
        place = np.uint32(np.uint32(size >> np.uint32(16)) - first)
        inside = place < bound
        place = np.uint32(place + (after if size != bits[i] else np.uint32(HEAD)))
        place = place if inside else OUTSIDE
        place = np.uint32(aside[i]) if size == np.uint32(0) else place
        largest = max(largest, place)
        at[i] = np.uint16(place)
    return largest


@inner
def _enter(
    row: Array, other: Array, at: Array, c: Any, d: Any, side: Any, numbers: Array, ahead: Any
) -> None:
    """Count the numbers of two maps of a block in turn, since equal ones have to wait for one another.

    Meanwhile a part of the next piece comes nearer.
    """
    places = len(at) // side
    for p in range(places):
        if p % 8 == 0:
            prefetch(numbers, ahead + (c * places + p) * 2)
        row[at[np.uint64(p) * np.uint64(side) + np.uint64(c)]] += np.uint32(1)
        other[at[np.uint64(p) * np.uint64(side) + np.uint64(d)]] += np.uint32(1)


@inner
def _enter_one(row: Array, at: Array, c: Any, side: Any) -> None:
    """Count the numbers of one map of a block."""
    for p in range(len(at) // side):
        row[at[np.uint64(p) * np.uint64(side) + np.uint64(c)]] += np.uint32(1)


@inner
def _enter_all(row: Array, at: Array, numbers: Array, ahead: Any) -> None:
    """Count numbers of all maps of a block together."""
    for line in range(len(at) // LINE):
        prefetch(numbers, ahead + line * LINE)
        for i in range(line * LINE, line * LINE + LINE):
            row[at[np.uint64(i)]] += np.uint32(1)
    for i in range(len(at) // LINE * LINE, len(at)):
        row[at[np.uint64(i)]] += np.uint32(1)


@inner
def _add(piece: Array, one: Array, two: Array) -> None:
    """Add numbers to the sums side by side, and their squares; four rows of them at a time."""
    width, i = len(one), 0
    while i + 4 * width <= len(piece):
        _add_four(
            piece[i : i + width],
            piece[i + width : i + 2 * width],
            piece[i + 2 * width : i + 3 * width],
            piece[i + 3 * width : i + 4 * width],
            one,
            two,
        )
        i += 4 * width
    while i < len(piece):
        _add_one(piece[i : min(i + width, len(piece))], one, two)
        i += width


@inner
def _add_four(p: Array, q: Array, r: Array, s: Array, one: Array, two: Array) -> None:
    for i in range(len(one)):
        a, b, c, d = np.float64(p[i]), np.float64(q[i]), np.float64(r[i]), np.float64(s[i])
        one[i] = (((one[i] + a) + b) + c) + d
        two[i] = (((two[i] + a * a) + b * b) + c * c) + d * d


@inner
def _add_one(p: Array, one: Array, two: Array) -> None:
    for i in range(len(p)):
        wide = np.float64(p[i])
        one[i] += wide
        two[i] += wide * wide


@inner
def _add_clipped(piece: Array, cap: Any, one: Array, two: Array) -> None:
    """Add numbers once they are clipped, and their squares; four rows of them at a time."""
    width, i = len(one), 0
    while i + 4 * width <= len(piece):
        _add_four_clipped(
            piece[i : i + width],
            piece[i + width : i + 2 * width],
            piece[i + 2 * width : i + 3 * width],
            piece[i + 3 * width : i + 4 * width],
            cap,
            one,
            two,
        )
        i += 4 * width
    while i < len(piece):
        _add_one_clipped(piece[i : min(i + width, len(piece))], cap, one, two)
        i += width


@inner
def _add_four_clipped(
    p: Array, q: Array, r: Array, s: Array, cap: Any, one: Array, two: Array
) -> None:
    for i in range(len(one)):
        a, b = np.float64(clipped(p[i], cap)), np.float64(clipped(q[i], cap))
        c, d = np.float64(clipped(r[i], cap)), np.float64(clipped(s[i], cap))
        one[i] = (((one[i] + a) + b) + c) + d
        two[i] = (((two[i] + a * a) + b * b) + c * c) + d * d


@inner
def _add_one_clipped(p: Array, cap: Any, one: Array, two: Array) -> None:
    for i in range(len(p)):
        wide = np.float64(clipped(p[i], cap))
        one[i] += wide
        two[i] += wide * wide


@inner
def _fold(lanes: Array, half: Any, side: Any) -> None:
    """Add the upper half of the sums side by side to the lower one, until each map has one."""
    while half >= side:
        low, high = lanes[:half], lanes[half : 2 * half]
        for i in range(half):
            low[i] += high[i]
        half //= 2


@inner
def _most(most: Array, half: Any, side: Any) -> None:
    while half >= side:
        low, high = most[:half], most[half : 2 * half]
        for i in range(half):
            low[i] = max(low[i], high[i])
        half //= 2


@inner
def _bound(piece: Array, least: Array, most: Array) -> None:
    """Note the smallest and the largest numbers; NaN is passed over."""
    width, i = len(least), 0
    while i + 4 * width <= len(piece):
        _bound_four(
            piece[i : i + width],
            piece[i + width : i + 2 * width],
            piece[i + 2 * width : i + 3 * width],
            piece[i + 3 * width : i + 4 * width],
            least,
            most,
        )
        i += 4 * width
    while i < len(piece):
        _bound_one(piece[i : min(i + width, len(piece))], least, most)
        i += width


@inner
def _bound_four(p: Array, q: Array, r: Array, s: Array, least: Array, most: Array) -> None:
    for i in range(len(least)):
        a, b, c, d = p[i], q[i], r[i], s[i]
        low, lower = min(b, a), min(d, c)
        low = min(lower, low)
        high, higher = max(b, a), max(d, c)
        high = max(higher, high)
        least[i] = min(least[i], low)
        most[i] = max(most[i], high)


@inner
def _bound_one(p: Array, least: Array, most: Array) -> None:
    for i in range(len(p)):
        a = p[i]
        least[i] = min(least[i], a)
        most[i] = max(most[i], a)


@inner
def _count_between(at: Array, low: Any, high: Any, few: Array, many: Array) -> None:
    """Count the numbers whose places lie from one to before another; in 16 bits, which hold what a piece has."""
    width, span = len(few), np.uint16(high - low)
    for i in range(0, len(at), width):
        row = at[i : min(i + width, len(at))]
        for j in range(len(row)):
            few[j] += np.uint16(np.uint16(row[j] - low) < span)
    for j in range(width):
        many[j] += np.int32(few[j])
        few[j] = 0


@inner
def _first(numbers: Array, most: Array, c: Any, side: Any, wanted: Any) -> Any:
    """Return where a map of a block first has a number not less than one that it has: in which rows, is known."""
    found = np.uint64(len(numbers))
    for i in range(c, len(most), side):
        if most[i] >= wanted:
            at = np.uint64(i)
            while numbers[at] < wanted:
                at = np.uint64(at + np.uint64(len(most)))
            found = min(found, at)
    return found // np.uint64(side)


@inner
def _finite(
    x: Array,
    block: Any,
    c: Any,
    m: Any,
    value: Array,
    place: Array,
    sums: Array,
    squares: Array,
    odd: Array,
    lows: Array,
    worst: Array,
) -> None:
    """Look at the finite numbers of a map alone."""
    images, _, places, _ = x.shape
    one, two = np.empty(LANES), np.empty(LANES)
    sums[m] = squares[m] = 0.0
    for n in range(images):
        one[:] = two[:] = 0
        value[n, m], place[n, m] = -np.inf, 0
        for p in range(places):
            number = x[n, block, p, c]
            if not np.isfinite(number):
                odd[m] += 1
                continue
            wide = np.float64(number)
            one[p % LANES] += wide
            two[p % LANES] += wide * wide
            lows[m] = min(lows[m], number)
            if number > value[n, m]:
                value[n, m], place[n, m] = number, p
        _fold(one, LANES // 2, 1)
        _fold(two, LANES // 2, 1)
        sums[m] += one[0]
        squares[m] += two[0]


@compiled
def _others(bits: Array, table: Array, low: Any, first: Any, last: Any, maps: Any) -> None:
    """Count the numbers whose exponent is not from one to before another."""
    images, _, places, side = bits.shape
    own, half = len(table) == maps, (table.shape[1] - HEAD) // 2
    for n in range(images):
        for m in range(maps):
            for p in range(places):
                number = bits[n, m // side, p, m % side]
                size = np.uint32(number << np.uint32(1))
                exponent = np.int64(size >> np.uint32(EXPONENT))
                if size and not first <= exponent < last:
                    place = place_of(number, np.uint32(low * BINS), np.uint32(half))
                    table[m if own else 0, place] += np.uint32(1)

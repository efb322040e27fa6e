"""The numbers of a layer that lie in blocks of maps, counted as `compiled` counts them: to the same bits.

Side by side in a block lie numbers of 8 or 16 maps. So a processor adds up that many maps at once, and
what is found of them needs no adding up at the end of each. A piece of a block goes through the nearest cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

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
    prefetch,
    reach,
)
from convscope.survey.counting import LANES, Clip, Room
from convscope.survey.exact import BINS, HEAD, Histograms
from convscope.typed import Array

PIECE = 256
"""So many places of a block are looked at together."""

ROWS = 8
"""Of so many places the smallest and the largest stand side by side."""

MANY = 3
"""From more maps of a block on their largest numbers are looked for together."""

NOWHERE: Any = np.int32(1 << 27)
"""More than there are rows of places."""

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


def count(x: Array, histograms: Histograms, room: Room, clip: Clip | None) -> bool:
    """Count the numbers of a layer: float32 (images, blocks, places, maps of a block)."""
    x = np.require(x, np.float32, ["C", "A", "W"])
    bits, maps = x.view(np.uint32), len(room.sums)
    images, _, places, side = x.shape
    if histograms.empty:
        histograms.reach(*reach(bits.reshape(-1)))
    table, low = histograms.ready(images * places * (maps // histograms.rows))
    fill = Fill(room, histograms, clip)
    which, beyond = np.empty(BEYOND, np.int64), np.empty(BEYOND, np.uint32)
    found, strange = _pass(
        x, bits, table, low, (0,) * side, _aside(side),
        which, beyond, fill.own, fill.clip, fill.cap,
    )  # fmt: skip
    fill.done()
    if found > BEYOND:
        before = low, low + min((table.shape[1] - HEAD) // (2 * BINS), MOST)
        histograms.reach(*reach(bits.reshape(-1)))
        table, low = histograms.ready(0)
        _others(bits, table, low, *before, maps)
    elif found:
        histograms.note(which[:found] % histograms.rows, beyond[:found])
    return not strange


@compiled
def _pass(
    x: Array,
    bits: Array,
    table: Array,
    low: Any,
    sides: Any,
    aside: Array,
    which: Array,
    beyond: Array,
    own: Any,
    clip: Any,
    cap: Any,
) -> Any:
    """Count all but the numbers that the table has no bins for; return how many those are, and in how many maps some are odd.

    sides           of the length of a block's side, which is known where this is compiled
    which, beyond   of which map each of those is, and its bits, as far as there is room
    """
    value, place, sums, squares, zeros, odd, lows, worst, nothing = own
    value_, place_, sums_, squares_, zeros_, _, lows_, worst_, nothing_ = clip
    images, blocks, places, _ = x.shape
    side, rows = len(sides), ROWS * len(sides)
    numbers, raw, bins = x.reshape(-1), bits.reshape(-1), table.reshape(-1)
    maps, width = len(sums), table.shape[1]
    several = len(table) == maps
    first, half = np.uint32(low * BINS), np.uint32((width - HEAD) // 2)
    negative = np.uint16(half + np.uint32(HEAD))
    at = np.empty(PIECE * side, np.uint16)
    one, two = np.empty(LANES * side), np.empty(LANES * side)
    three, four = np.empty(LANES * side), np.empty(LANES * side)
    least, most = np.empty(rows, np.float32), np.empty(rows, np.float32)
    best, firsts = np.empty(rows, np.float32), np.empty(rows, np.int32)
    none, below = np.empty(rows, np.int32), np.empty(rows, np.int32)
    few, nought = np.zeros(rows, np.uint16), np.zeros(side, np.int64)
    found = strange = 0
    many, lowest = np.empty(maps, np.int64), np.empty(maps, np.float32)
    for block in range(blocks):
        start = block * side
        here = min(side, maps - start)
        one[:], two[:], three[:], four[:] = 0, 0, 0, 0
        least[:], none[:], below[:] = np.inf, 0, 0
        for c in range(here if several else 0):
            nought[c] = _zeros(table[start + c])
        for n in range(images):
            most[:] = -np.inf
            begin = (n * blocks + block) * places * side
            for p in range(0, places, PIECE):
                size = min(PIECE, places - p) * side
                from_ = begin + p * side
                if cap:
                    _add_both(numbers, from_, size, cap, one, two, three, four, sides)
                else:
                    add_up(numbers, from_, size, one, two, sides)
                _bound(numbers, from_, size, least, most, sides)
                if _keys(raw, from_, size, first, half, aside, at) == OUTSIDE:
                    for i in range(size):
                        if at[i] == np.uint16(OUTSIDE):
                            at[i] = aside[i]
                            if i % side < here:
                                none[i % rows] -= 1
                                below[i % rows] += np.int32(numbers[from_ + i] < 0)
                                if found < BEYOND:
                                    which[found], beyond[found] = start + i % side, raw[from_ + i]
                                found += 1
                if not several:
                    _count_between(at, size, np.uint16(0), np.uint16(HEAD), few, none, sides)
                if cap:
                    _count_between(at, size, negative, np.uint16(OUTSIDE), few, below, sides)
                if p + PIECE < places:
                    ahead = from_ + size
                elif n + 1 < images:
                    ahead = begin + blocks * places * side
                else:
                    ahead = (block + 1) * places * side
                if several or here < side:
                    for c in range(0, here - 3, 4):
                        row, apart = ((start + c) * width, width) if several else (0, 0)
                        _enter(bins, row, apart, at, size, c, sides, numbers, ahead)
                    for c in range(here // 4 * 4, here):
                        row = (start + c) * width if several else 0
                        _enter_one(bins, row, at, size, c, sides)
                else:
                    _enter_all(bins, at, size, numbers, ahead)
            best[:] = most
            _most(best, sides)
            wanted = 0
            for c in range(here):
                m = start + c
                value[n, m], place[n, m] = best[c], 0
                wanted += best[c] >= worst[m]
            if cap:
                for c in range(here):
                    m, bound = start + c, clipped(best[c], cap)
                    value_[n, m], place_[n, m] = bound, 0
                    wanted += bound > 0 and bound >= worst_[m]
            together = wanted > MANY
            if together:
                _firsts(numbers, begin, places, best, firsts, sides)
            for c in range(here if wanted else 0):
                m = start + c
                if np.isfinite(best[c]):
                    known = together or best[c] >= worst[m]
                    if together:
                        place[n, m] = firsts[c]
                    elif known:
                        place[n, m] = _first(numbers, begin, most, c, best[c], sides)
                    if cap and value_[n, m] > 0 and value_[n, m] >= worst_[m]:
                        bound = value_[n, m]
                        known = known and bound == best[c]
                        place_[n, m] = (
                            place[n, m] if known else _first(numbers, begin, most, c, bound, sides)
                        )
        for i in range(rows):
            least[i] = -least[i]
        _most(least, sides)
        _fold_rows(none, sides)
        _fold_rows(below, sides)
        for lanes in (one, two, three, four):
            fold(lanes, sides)
        for c in range(here):
            m = start + c
            sums[m], squares[m] = one[c], two[c]
            here_are = none[c] + (_zeros(table[m]) - nought[c] if several else 0)
            zeros[m] += here_are
            nothing[m if several else 0] += here_are
            if cap:
                sums_[m], squares_[m] = three[c], four[c]
                many[m], lowest[m] = here_are + below[c], clipped(-least[c], cap)
            if np.isfinite(squares[m]):
                lows[m] = min(lows[m], -least[c])
            else:
                strange += 1
                _finite(x, block, c, m, value, place, sums, squares, odd, lows)
    if cap and not strange:
        join(many, lowest, zeros_, lows_, nothing_)
    return found, strange


@inner
def _zeros(row: Array) -> Any:
    """Return how many numbers a map's table has in no bin."""
    found = np.int64(0)
    for i in range(HEAD):
        found += np.int64(row[i])
    return found


@inner
def _keys(
    bits: Array, from_: Any, size: Any, first: Any, half: Any, aside: Array, at: Array
) -> Any:
    """Find each number's place in the histogram: aside for 0, `OUTSIDE` without a bin; return the largest."""
    largest, bound = np.uint32(0), np.uint32(min(half, np.uint32(MOST * BINS)))
    after = np.uint32(half + np.uint32(HEAD))
    for i in range(size):
        whole = bits[np.uint64(from_ + i)]
        unsigned = np.uint32(whole & np.uint32(0x7FFFFFFF))
        place = np.uint32(np.uint32(unsigned >> np.uint32(16)) - first)
        inside = place < bound
        place = np.uint32(place + (after if unsigned != whole else np.uint32(HEAD)))
        place = place if inside else OUTSIDE
        place = np.uint32(aside[i]) if unsigned == np.uint32(0) else place
        largest = max(largest, place)
        at[i] = np.uint16(place)
    return largest


@inner
def _enter(
    bins: Array,
    row: Any,
    apart: Any,
    at: Array,
    size: Any,
    c: Any,
    sides: Any,
    numbers: Array,
    ahead: Any,
) -> None:
    """Count the numbers of four maps of a block in turn, since equal ones have to wait for one another.

    row, apart   where the table of the first begins, and how far from it that of the next: 0 where they share one

    Meanwhile a part of the next piece comes nearer.
    """
    side, one = len(sides), np.uint64(1)
    first, second = np.uint64(row), np.uint64(row + apart)
    third, last = np.uint64(row + 2 * apart), np.uint64(row + 3 * apart)
    for p in range(size // side):
        if p % 4 == 0:
            prefetch(numbers, ahead + c * (size // side) + p * 4)
        i = np.uint64(p * side + c)
        bins[first + np.uint64(at[i])] += np.uint32(1)
        bins[second + np.uint64(at[i + one])] += np.uint32(1)
        bins[third + np.uint64(at[i + one + one])] += np.uint32(1)
        bins[last + np.uint64(at[i + one + one + one])] += np.uint32(1)


@inner
def _enter_one(bins: Array, row: Any, at: Array, size: Any, c: Any, sides: Any) -> None:
    """Count the numbers of one map of a block."""
    side = len(sides)
    for p in range(size // side):
        bins[np.uint64(row) + np.uint64(at[np.uint64(p * side + c)])] += np.uint32(1)


@inner
def _enter_all(bins: Array, at: Array, size: Any, numbers: Array, ahead: Any) -> None:
    """Count numbers of all maps of a block together."""
    for line in range(size // LINE):
        prefetch(numbers, ahead + line * LINE)
        for i in range(line * LINE, line * LINE + LINE):
            bins[at[np.uint64(i)]] += np.uint32(1)
    for i in range(size // LINE * LINE, size):
        bins[at[np.uint64(i)]] += np.uint32(1)


@inner
def _add_both(
    numbers: Array,
    from_: Any,
    size: Any,
    cap: Any,
    one: Array,
    two: Array,
    three: Array,
    four: Array,
    sides: Any,
) -> None:
    """Add numbers to the sums side by side, and their squares, and both once they are clipped."""
    width, row = LANES * len(sides), np.uint64(LANES * len(sides))
    at, end = np.uint64(from_), np.uint64(from_ + size)
    while at + np.uint64(4 * width) <= end:
        for i in range(width):
            j = at + np.uint64(i)
            p, q, r, s = (
                numbers[j], numbers[j + row], numbers[j + row + row], numbers[j + row + row + row]
            )  # fmt: skip
            a, b, c, d = np.float64(p), np.float64(q), np.float64(r), np.float64(s)
            one[i] = (((one[i] + a) + b) + c) + d
            two[i] = (((two[i] + a * a) + b * b) + c * c) + d * d
            a, b = np.float64(clipped(p, cap)), np.float64(clipped(q, cap))
            c, d = np.float64(clipped(r, cap)), np.float64(clipped(s, cap))
            three[i] = (((three[i] + a) + b) + c) + d
            four[i] = (((four[i] + a * a) + b * b) + c * c) + d * d
        at += np.uint64(4 * width)
    while at < end:
        rest: Any = np.int64(end - at)
        for i in range(min(width, rest)):
            number = numbers[at + np.uint64(i)]
            wide, cut = np.float64(number), np.float64(clipped(number, cap))
            one[i] += wide
            two[i] += wide * wide
            three[i] += cut
            four[i] += cut * cut
        at += row


@inner
def _fold_rows(many: Array, sides: Any) -> None:
    """Add up what was counted in rows."""
    part = len(sides)
    for i in range(part):
        for row in range(1, ROWS):
            many[i] += many[i + row * part]


@inner
def _most(most: Array, sides: Any) -> None:
    """Put the largest of the rows first."""
    part = len(sides)
    for i in range(4 * part):
        most[i] = max(most[i], most[i + 4 * part])
    for i in range(2 * part):
        most[i] = max(most[i], most[i + 2 * part])
    for i in range(part):
        most[i] = max(most[i], most[i + part])


@inner
def _bound(numbers: Array, from_: Any, size: Any, least: Array, most: Array, sides: Any) -> None:
    """Note the smallest and the largest numbers; NaN is passed over."""
    width, row = ROWS * len(sides), np.uint64(ROWS * len(sides))
    at, end = np.uint64(from_), np.uint64(from_ + size)
    while at + np.uint64(4 * width) <= end:
        for i in range(width):
            j = at + np.uint64(i)
            a, b = numbers[j], numbers[j + row]
            c, d = numbers[j + row + row], numbers[j + row + row + row]
            low, lower = min(b, a), min(d, c)
            low = min(lower, low)
            high, higher = max(b, a), max(d, c)
            high = max(higher, high)
            least[i] = min(least[i], low)
            most[i] = max(most[i], high)
        at += np.uint64(4 * width)
    while at < end:
        rest: Any = np.int64(end - at)
        for i in range(min(width, rest)):
            a = numbers[at + np.uint64(i)]
            least[i] = min(least[i], a)
            most[i] = max(most[i], a)
        at += row


@inner
def _count_between(
    at: Array, size: Any, low: Any, high: Any, few: Array, many: Array, sides: Any
) -> None:
    """Count the numbers whose places lie from one to before another; in 16 bits, which hold what a piece has."""
    width, span = ROWS * len(sides), np.uint16(high - low)
    whole = size // width
    for row in range(whole):
        for j in range(width):
            i = np.uint64(row * width + j)
            few[j] += np.uint16(np.uint16(at[i] - low) < span)
    for j in range(size - whole * width):
        few[j] += np.uint16(np.uint16(at[np.uint64(whole * width + j)] - low) < span)
    for j in range(width):
        many[j] += np.int32(few[j])
        few[j] = 0


@inner
def _first(numbers: Array, begin: Any, most: Array, c: Any, wanted: Any, sides: Any) -> Any:
    """Return where a map of a block first has a number not less than one that it has: in which rows, is known."""
    side, found = len(sides), NOWHERE * ROWS
    for row in range(ROWS):
        if most[row * side + c] >= wanted:
            p = row
            while numbers[np.uint64(begin + p * side + c)] < wanted:
                p += ROWS
            found = min(found, p)
    return found


@inner
def _firsts(
    numbers: Array, begin: Any, places: Any, best: Array, firsts: Array, sides: Any
) -> None:
    """Find where each map of a block first has its largest number."""
    side = len(sides)
    for row in range(1, ROWS):
        for c in range(side):
            best[row * side + c] = best[c]
    firsts[:] = NOWHERE
    for row in range(places // ROWS):
        from_ = begin + row * ROWS * side
        for i in range(ROWS * side):
            here = np.int32(row) if numbers[np.uint64(from_ + i)] == best[i] else NOWHERE
            firsts[i] = min(firsts[i], here)
    whole = places // ROWS
    from_ = begin + whole * ROWS * side
    for i in range((places - whole * ROWS) * side):
        here = np.int32(whole) if numbers[np.uint64(from_ + i)] == best[i] else NOWHERE
        firsts[i] = min(firsts[i], here)
    for c in range(side):
        found = NOWHERE * ROWS
        for row in range(ROWS):
            found = min(found, firsts[row * side + c] * ROWS + row)
        firsts[c] = found


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
) -> None:
    """Look at the finite numbers of a map alone."""
    images, _, places, _ = x.shape
    one, two = np.zeros(LANES), np.zeros(LANES)
    for n in range(images):
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
    fold(one, ALONE)
    fold(two, ALONE)
    sums[m], squares[m] = one[0], two[0]


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

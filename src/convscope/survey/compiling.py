"""How Numba compiles what counts, and what both forms of it share: see `compiled` and `compiled_blocks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from convscope.survey.counting import LANES, Clip, Room
from convscope.survey.exact import HEAD, Histograms
from convscope.typed import Array

EXPONENT = 24
"""Where the exponent stands in the bits of a float32 once the sign was pushed out of them."""

OUTSIDE = np.uint32(0xFFFFFFFF)
"""The place of a number that has no bin; its lower 16 bits say so too."""


ALONE = (0,)
"""The side of a block of one map."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and keep it on disk where there is a place for that."""
    try:
        return numba.njit(function, nogil=True, cache=True)
    except RuntimeError:  # no folder that may be written to
        return numba.njit(function, nogil=True)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function with whoever calls it: what lies on disk cannot become a part of another."""
    return numba.njit(function, nogil=True)


def _prefetch(context: Any, array: Any, index: Any) -> Any:
    """Have a number's line brought into the second cache; beyond the end of an array nothing happens."""

    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        where = builder.gep(data, [given[1]])
        whole = ir.IntType(32)
        call = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [where.type],
            ir.FunctionType(ir.VoidType(), [where.type, whole, whole, whole]),
        )
        builder.call(call, [where, whole(0), whole(2), whole(1)])
        return context.get_dummy_value()

    return types.void(array, index), write


prefetch: Any = intrinsic(_prefetch)


class Fill:
    """Where compiled code puts figures: arrays of one kind each, since for each kind it is compiled.

    own, clip   value, place, sums, squares, zeros, odd, low and worst, and the zeros of the histograms; cap is 0 where
                nothing is clipped
    """

    def __init__(self, room: Room, histograms: Histograms, clip: Clip | None) -> None:
        own = (room, histograms)
        self._rooms = (own,) if clip is None else (own, clip[1:])
        given = [
            (_contiguous(value), _contiguous(place), *more, np.ascontiguousarray(worst), one.zeros)
            for (value, place, *more, worst), one in self._rooms
        ]
        self.own, self.clip = given[0], given[-1]
        self.cap = np.float32(0 if clip is None else clip.cap)

    def done(self) -> None:
        """Put what was found where it belongs."""
        for (room, _), (value, place, *_) in zip(self._rooms, (self.own, self.clip), strict=False):
            if value is not room.value:
                room.value[...], room.place[...] = value, place


def _contiguous(array: Array) -> Array:
    return array if array.flags.c_contiguous else np.empty(array.shape, array.dtype)


@compiled
def reach(bits: Array) -> Any:
    """Return the lowest and the highest exponent of the numbers beside 0, from 256 to 0 where there are none."""
    least, most = np.uint32(0xFFFFFFFF), np.uint32(0)
    for i in range(len(bits)):
        size = np.uint32(bits[i] << np.uint32(1))
        least = min(least, np.uint32(size - np.uint32(1)))  # 0 becomes the largest
        most = max(most, size)
    return (np.int64(least) + 1) >> EXPONENT, np.int64(most) >> EXPONENT


@inner
def join(many: Array, least: Array, zeros: Array, lows: Array, nothing: Array) -> None:
    """Add what was found of clipped numbers, each map's zeros and least number, to what was before."""
    several = len(nothing) == len(many)
    for m in range(len(many)):
        zeros[m] += many[m]
        lows[m] = min(lows[m], least[m])
        nothing[m if several else 0] += many[m]


@inner
def clipped(number: Any, cap: Any) -> Any:
    """Return a number with 0 below 0, and no more than `cap`."""
    return min(max(number, np.float32(0)), cap)


@inner
def add_up(numbers: Array, from_: Any, size: Any, one: Array, two: Array, sides: Any) -> None:
    """Add numbers to the sums side by side, and their squares; four rows of them at a time.

    sides   as long as there are maps side by side: `ALONE` of numbers of one map
    """
    width, row = LANES * len(sides), np.uint64(LANES * len(sides))
    at, end = np.uint64(from_), np.uint64(from_ + size)
    while at + np.uint64(4 * width) <= end:
        for i in range(width):
            j = at + np.uint64(i)
            a, b = np.float64(numbers[j]), np.float64(numbers[j + row])
            c, d = np.float64(numbers[j + row + row]), np.float64(numbers[j + row + row + row])
            one[i] = (((one[i] + a) + b) + c) + d
            two[i] = (((two[i] + a * a) + b * b) + c * c) + d * d
        at += np.uint64(4 * width)
    while at < end:
        rest: Any = np.int64(end - at)
        for i in range(min(width, rest)):
            wide = np.float64(numbers[at + np.uint64(i)])
            one[i] += wide
            two[i] += wide * wide
        at += row


@inner
def fold(lanes: Array, sides: Any) -> None:
    """Add the upper half of the sums side by side to the lower one, until each map has one; two steps at a time."""
    part = 4 * len(sides)
    for i in range(part):
        lanes[i] = (lanes[i] + lanes[i + 2 * part]) + (lanes[i + part] + lanes[i + 3 * part])
    part = len(sides)
    for i in range(part):
        lanes[i] = (lanes[i] + lanes[i + 2 * part]) + (lanes[i + part] + lanes[i + 3 * part])


@inner
def place_of(bits: Any, first: Any, half: Any) -> Any:
    """Return where the bin of a float32 is in a table whose bins begin at a key, so many of each sign.

    That of a number that the table has no bin for comes out as too large: as `OUTSIDE`.
    """
    place = np.uint32(np.uint32(np.uint32(bits & np.uint32(0x7FFFFFFF)) >> np.uint32(16)) - first)
    after = np.uint32(half + np.uint32(HEAD)) if bits >> np.uint32(31) else np.uint32(HEAD)
    return np.uint32(place + after) if place < half else OUTSIDE

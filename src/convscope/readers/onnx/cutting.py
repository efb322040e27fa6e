"""An ONNX file without its large weights: those stay in the mapped file, and are looked at where they lie.

A protocol buffer is a row of fields, each a tag and, for what has parts, a length. So the large tensors of
a file are found by stepping from field to field, and what is left without their bytes is a small model
that refers to them as to external data.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

from convscope.engine.onnx_form import EMPTY_FILE

LARGE_FILE = 1 << 24
"""Files of fewer bytes are read whole."""

WORTH_CUTTING = 1 << 16
"""Tensors of fewer bytes stay in the model."""

MOST_FIELDS = 2_000_000
"""Files of more fields are left to protobuf: stepping through them here would take seconds."""

GRAPH, INITIALIZER = 7, 5
DATA_TYPE, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 2, 9, 13, 14
_PARTS = 2
"""The wire type of what has a length."""

PLAIN = (1, 10, 11)
"""ONNX's numbers for float32, float16 and float64: what numpy reads as it lies in the file."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A model's bytes without its large weights.

    large   the number of an initializer → where its bytes begin in the file, and how many they are
    """

    data: bytes
    large: dict[int, tuple[int, int]]


class _NotSimple(Exception):
    """The bytes are left to protobuf, which will say what is wrong with them if something is."""


def cut(data: mmap.mmap) -> Cut | None:
    """Return a file's model without its large weights; None where that cannot be told so simply."""
    if len(data) < LARGE_FILE:
        return None
    try:
        return _cut(data)
    except (_NotSimple, IndexError):  # an index error: it ends in the middle of a number
        return None


def _cut(data: mmap.mmap) -> Cut | None:
    budget = [MOST_FIELDS]
    outer = list(_fields(data, 0, len(data), budget))
    graphs = [field for field in outer if field[0] == GRAPH]
    if len(graphs) != 1 or graphs[0][1] != _PARTS:
        return None  # several add up
    _, _, begin, start, end = graphs[0]
    pieces: list[bytes] = []
    large: dict[int, tuple[int, int]] = {}
    number, kept = 0, start
    for field, kind, tag, first, last in _fields(data, start, end, budget):
        if field != INITIALIZER or kind != _PARTS:
            continue
        if last - first >= WORTH_CUTTING:
            found = _raw(data, first, last, budget)
            if found is not None:
                at, low, high = found
                large[number] = (low, high - low)
                tensor = data[first:at] + data[high:last] + _reference()
                pieces += (data[kept:tag], _tag(INITIALIZER), _varint(len(tensor)), tensor)
                kept = last
        number += 1
    if not large:
        return None
    pieces.append(data[kept:end])
    size = sum(map(len, pieces))
    whole = (data[:begin], _tag(GRAPH), _varint(size), *pieces, data[end:])
    return Cut(b"".join(whole), large)


def _raw(data: mmap.mmap, start: int, end: int, budget: list[int]) -> tuple[int, int, int] | None:
    """Return where a tensor's raw bytes stand (their tag, begin, end), if those are all that it holds."""
    found: tuple[int, int, int] | None = None
    element = 0
    for field, kind, tag, first, last in _fields(data, start, end, budget):
        if field == DATA_TYPE and kind == 0:
            element, _ = _number(data, first, last)
        elif field in (EXTERNAL_DATA, DATA_LOCATION) or (field == RAW_DATA and found):
            return None
        elif field == RAW_DATA and kind == _PARTS:
            found = (tag, first, last)
    if found is None or element not in PLAIN or found[2] - found[1] < WORTH_CUTTING:
        return None
    return found


def _fields(
    data: mmap.mmap, start: int, end: int, budget: list[int]
) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield (number, wire type, where its tag stands, where its value begins and ends) of each field."""
    at = start
    while at < end:
        budget[0] -= 1
        if budget[0] < 0:
            raise _NotSimple
        key, first = _number(data, at, end)
        kind = key & 7
        if kind == _PARTS:
            length, first = _number(data, first, end)
            last = first + length
        elif kind == 0:
            _, last = _number(data, first, end)
        elif kind in (1, 5):
            last = first + (8 if kind == 1 else 4)
        else:
            raise _NotSimple
        if last > end:
            raise _NotSimple
        yield key >> 3, kind, at, first, last
        at = last


def _number(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends."""
    found, shift = 0, 0
    while shift < 64:
        if at >= end:
            raise _NotSimple
        byte = data[at]
        found |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return found, at
    raise _NotSimple


def _reference() -> bytes:
    """Return data_location = EXTERNAL, and external_data = {key: "location", value: an empty file}."""
    key, value = b"location", EMPTY_FILE.encode()
    entry = b"".join(
        (_tag(1), _varint(len(key)), key, _tag(2), _varint(len(value)), value),
    )
    location = _varint(DATA_LOCATION << 3) + _varint(1)
    return location + _tag(EXTERNAL_DATA) + _varint(len(entry)) + entry


def _tag(field: int) -> bytes:
    return _varint(field << 3 | _PARTS)


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)

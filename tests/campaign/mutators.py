"""Good files made bad, each in its own format's way: what a number draws is drawn again by the same number."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 3, 255, 1 << 31, 1 << 62, 1 << 70, -(1 << 63), 1.5, 1e308, -0.0, 5e-324, "",
    "x", "same", "../../etc/passwd", "\u0000", "\ud7ff", [], [[]], [None, None], [0], [-1, 1 << 40], {},
    {"a": 1}, {"class_name": "function", "config": "os.system"}, [["image", 0, 0]], [1] * 40,
]  # fmt: skip
"""What may stand where something else belongs, in JSON."""

NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 65535, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
"""Numbers at which counters, sizes and signs turn over."""


def raw(data: bytes, draw: random.Random) -> bytes:
    """Bits, bytes and stretches changed, removed, doubled or moved, whatever they mean."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        if not found:
            break
        place, length = draw.randrange(len(found)), draw.randint(1, 16)
        match draw.randrange(7):
            case 0:
                found[place] ^= 1 << draw.randrange(8)
            case 1:
                found[place] = draw.choice((0, 1, 127, 128, 255))
            case 2:
                del found[place : place + length]
            case 3:
                found[place:place] = found[place : place + length]
            case 4:
                other = draw.randrange(len(found))
                found[place : place + length] = found[other : other + length]
            case 5:
                number = draw.choice(NUMBERS).to_bytes(8, "little")
                size = draw.choice((2, 4, 8))
                found[place : place + size] = number[:size]
            case 6:
                del found[place:]
    return bytes(found)


def tree(value: Any, draw: random.Random) -> Any:
    """Return a JSON value with one of its places changed, taken away, doubled or nested."""
    places: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        held = stack.pop()
        items = held.items() if isinstance(held, dict) else enumerate(held)
        for key, below in list(items):
            places.append((held, key))
            if isinstance(below, (dict, list)):
                stack.append(below)
    if not places:
        return deepcopy(draw.choice(ODD))
    held, key = draw.choice(places)
    match draw.randrange(6):
        case 0 | 1:
            held[key] = deepcopy(draw.choice(ODD))
        case 2:
            del held[key]
        case 3 if isinstance(held, list):
            held.insert(key, deepcopy(held[key]))
        case 4:
            for _ in range(draw.choice((1, 3, 90, 200))):
                held[key] = [held[key]] if draw.random() < 0.5 else {"a": held[key]}
        case 5:
            other, there = draw.choice(places)
            if there in other if isinstance(other, dict) else there < len(other):
                held[key] = json.loads(json.dumps(other[there]))
    return value


def json_text(data: bytes, draw: random.Random) -> bytes:
    """JSON with odd values at its places; now and then as text that is no JSON any more."""
    if draw.random() < 0.15:
        return raw(data, draw)
    value = json.loads(data)
    for _ in range(draw.randint(1, 3)):
        value = tree(value, draw)
        if not isinstance(value, (dict, list)):
            break
    text = json.dumps(value)
    if draw.random() < 0.1:
        text = text.replace("1", draw.choice(("1e999", "NaN", "-Infinity", "1" * 400)), 1)
    return text.encode("utf-8", "surrogatepass")


def archive(data: bytes, draw: random.Random) -> bytes:
    """A zip whose members are mutated each in its own way, or whose own structure is."""
    if draw.random() < 0.3:
        return raw(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as given:
        members = [(name, given.read(name)) for name in given.namelist()]
    place = draw.randrange(len(members))
    name, held = members[place]
    match draw.randrange(6):
        case 0:
            members.append(members[place])
        case 1:
            del members[place]
        case 2:
            members[place] = (
                draw.choice(("../x", "/etc/passwd", "config.json", "ä" * 300)),
                held,
            )
        case _:
            change = {"json": json_text, "h5": hdf5}.get(name.rpartition(".")[2], raw)
            members[place] = (name, change(held, draw))
    made = io.BytesIO()
    method = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(made, "w", method) as written:
        for member, content in members:
            written.writestr(member, content)
    return made.getvalue()


def safetensors(data: bytes, draw: random.Random) -> bytes:
    """A header changed as the JSON that it is, its size told right or not; now and then any bytes."""
    size = int.from_bytes(data[:8], "little")
    if draw.random() < 0.2 or not 0 < size <= len(data) - 8:
        return raw(data, draw)
    header = json_text(data[8 : 8 + size], draw)
    told = len(header) if draw.random() < 0.9 else draw.choice(NUMBERS)
    return told.to_bytes(8, "little") + header + data[8 + size :]


def hdf5(data: bytes, draw: random.Random) -> bytes:
    """An HDF5 file changed where its structure is: near the signatures of its blocks."""
    marks = (
        b"\x89HDF",
        b"TREE",
        b"HEAP",
        b"SNOD",
        b"OHDR",
        b"FRHP",
        b"BTHD",
        b"GCOL",
        b"layers",
        b"vars",
    )
    mark = draw.choice(marks)
    places = [found.start() for found in re.finditer(re.escape(mark), data)]
    if not places:
        return raw(data, draw)
    at = draw.choice(places) + draw.randrange(64)
    size = draw.choice((1, 2, 4, 8))
    number = draw.choice((*NUMBERS, at, len(data))).to_bytes(8, "little")[:size]
    return data[:at] + number + data[at + size :]


def protobuf(data: bytes, draw: random.Random) -> bytes:
    """A protocol buffer with a field of it, at any depth, changed, doubled, moved or taken away."""
    fields = _fields(data)
    if not fields:
        return raw(data, draw)
    place = draw.randrange(len(fields))
    number, kind, value = fields[place]
    match draw.randrange(8):
        case 0:
            del fields[place]
        case 1:
            fields.insert(place, fields[place])
        case 2:
            fields[place] = (draw.randrange(1, 24), kind, value)
        case 3:
            fields[place] = (number, 0, draw.choice(NUMBERS))
        case _ if kind == 2 and isinstance(value, bytes) and len(value) > 1:
            change = protobuf if draw.random() < 0.8 and _fields(value) else raw
            fields[place] = (number, kind, change(value, draw))
        case _ if kind == 0:
            fields[place] = (number, kind, draw.choice(NUMBERS))
        case _:
            fields[place] = (number, 2, draw.randbytes(draw.randrange(12)))
    return b"".join(_written(field) for field in fields)


def _fields(data: bytes) -> list[tuple[int, int, Any]]:
    """Return the fields of a message; [] for bytes that are none."""
    found: list[tuple[int, int, Any]] = []
    at = 0
    try:
        while at < len(data):
            key, at = _varint(data, at)
            kind = key & 7
            if kind == 0:
                value, at = _varint(data, at)
                found.append((key >> 3, kind, value))
                continue
            if kind == 2:
                size, at = _varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                return []
            if at + size > len(data):
                return []
            found.append((key >> 3, kind, data[at : at + size]))
            at += size
    except IndexError:
        return []
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _written(field: tuple[int, int, Any]) -> bytes:
    number, kind, value = field
    if kind == 0:
        return _number(number << 3) + _number(value)
    size = _number(len(value)) if kind == 2 else b""
    held: bytes = value
    return _number(number << 3 | kind) + size + held


def _number(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def png(data: bytes, draw: random.Random) -> bytes:
    """A PNG whose chunks are changed, doubled, moved or taken away, their checksums right."""
    if draw.random() < 0.15:
        return raw(data, draw)
    chunks: list[tuple[bytes, bytes]] = []
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(chunks))
        kind, held = chunks[place]
        match draw.randrange(5):
            case 0:
                chunks.insert(draw.randrange(len(chunks)), (kind, held))
            case 1 if len(chunks) > 1:
                del chunks[place]
            case 2:
                more = draw.choice(
                    (b"PLTE", b"tRNS", b"IHDR", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"iCCP")
                )
                chunks.insert(place, (more, draw.randbytes(draw.choice((0, 3, 6, 13, 26, 48)))))
            case _:
                chunks[place] = (kind, raw(held, draw) if held else b"\0")
    made = [data[:8]]
    for kind, held in chunks:
        made += [
            struct.pack(">I", len(held)),
            kind,
            held,
            struct.pack(">I", zlib.crc32(kind + held)),
        ]
    return b"".join(made)

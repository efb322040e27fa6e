"""Tensors in a .safetensors file: eight bytes that say how long the header is, the header in JSON, the numbers.

Nothing in it is code. What the header says is checked against the file's size before any number is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from convscope.errors import SourceError
from convscope.files.json_text import MOST_BYTES, read_json
from convscope.files.source_file import SourceFile
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any

MOST_AXES = 64

BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "U16": 2,
    "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
}  # fmt: skip
"""How many bytes a number of each type takes."""


class Stored(Record):
    """A tensor as the header tells it: its type, its shape, where its bytes begin in the file, and how many."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def header(file: SourceFile) -> dict[str, Stored]:
    """Return what a file says of its tensors, by name.

    Raises `SourceError` for a file that is not of this format, or whose tensors do not lie where it says.
    """
    with file.open() as opened:
        length = int.from_bytes(opened.read(8), "little")
        room = file.size - 8
        if not 2 <= length <= min(MOST_BYTES, room):
            raise SourceError(
                f"{file} is no .safetensors file: its header would be {length:,} bytes of {max(room, 0):,}"
            )
        text = opened.read(length)
    told = read_json(text, str(file))
    if not isinstance(told, dict):
        raise SourceError(f"{file} is no .safetensors file: its header is no object")
    found = {
        name: _stored(file, name, one, 8 + length)
        for name, one in told.items()
        if name != "__metadata__"
    }
    reached = 8 + length
    for name, one in sorted(found.items(), key=lambda item: (item[1].start, item[1].size)):
        if one.start < reached and one.size:
            raise SourceError(f"{file}: {name!r} shares its bytes with another tensor")
        reached = max(reached, one.start + one.size)
    return found


def _stored(file: SourceFile, name: str, told: Any, begin: int) -> Stored:
    given: Any = told if isinstance(told, dict) else {}
    shape: Any = given.get("shape")
    place: Any = given.get("data_offsets")
    dtype: Any = given.get("dtype")
    width = BYTES.get(dtype) if isinstance(dtype, str) else None
    if not _wholes(shape) or not _wholes(place) or len(place) != 2 or width is None:
        raise SourceError(f"{file}: what it says of {name!r} is no tensor")
    first, last = place
    if not first <= last <= file.size - begin or prod(shape) * width != last - first:
        raise SourceError(
            f"{file}: {name!r}, {dtype} of shape {tuple(shape)}, does not lie where it says: bytes {first:,} to "
            f"{last:,} of {file.size - begin:,}"
        )
    return Stored(str(dtype), tuple(shape), begin + first, last - first)


def _wholes(given: Any) -> bool:
    few = isinstance(given, list) and len(given) <= MOST_AXES
    return few and all(type(n) is int and n >= 0 for n in given)


def numbers(file: SourceFile, tensors: dict[str, Stored]) -> Iterator[tuple[str, bytearray]]:
    """Yield the bytes of tensors, one at a time."""
    with file.open() as opened:
        for name, one in tensors.items():
            opened.seek(one.start)
            data = bytearray(one.size)
            if opened.readinto(data) != one.size:  # type: ignore[attr-defined]
                raise SourceError(f"{file} has become shorter; open it again")
            yield name, data

"""Zip archives, looked at before anything is read; nothing is ever extracted to disk."""

from __future__ import annotations

import struct
import zipfile
import zlib

from convscope.errors import SourceError
from convscope.files.source_file import SourceFile
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, BinaryIO

MOST_MEMBERS = 10_000
MOST_RATIO = 100
MOST_LISTED = 16 << 20
"""Bytes of the list of members at an archive's end."""

_LISTED = b"PK\x01\x02"
"""How each entry of that list begins."""

_LOCAL_HEADER = 30
_STORED, _DEFLATED = 0, 8


class Archive:
    """The members of a zip archive: where each lies, and its bytes.

    Raises `SourceError` for an archive with too many members, two of one name, two that share
    bytes, an encrypted one, or one that would grow more than a hundredfold.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        with file.open() as opened:
            try:
                counted: Any = _Counted(opened, file)
                with zipfile.ZipFile(counted) as archive:
                    members = archive.infolist()
                    end = archive.start_dir
                    self._check(members)
                    self._places = self._located(opened, members, end)
            except SourceError:
                raise
            except Exception as error:  # zipfile raises many kinds on damaged archives
                raise SourceError(f"{file} is a damaged zip archive: {error}") from error
        self._members = {member.filename: member for member in members}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        """Return the names of all members."""
        return list(self._members)

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        seen: set[str] = set()
        for member in members:
            name = member.filename
            if name in seen:
                raise SourceError(f"{self.file} has two members named {name!r}")
            seen.add(name)
            if member.flag_bits & 0x1:
                raise SourceError(f"{self.file}: its member {name!r} is encrypted")
            if member.compress_type not in (_STORED, _DEFLATED):
                raise SourceError(
                    f"{self.file}: its member {name!r} is compressed by method "
                    f"{member.compress_type}; stored and deflated ones are read"
                )
            if member.file_size > MOST_RATIO * max(member.compress_size, 1):
                raise SourceError(
                    f"{self.file}: its member {name!r} says that {member.compress_size:,} bytes "
                    f"unpack to {member.file_size:,}, more than {MOST_RATIO} times as many"
                )
            if member.compress_type == _STORED and member.file_size != member.compress_size:
                raise SourceError(f"{self.file}: its member {name!r} states two sizes")

    def _located(self, file: BinaryIO, members: list[zipfile.ZipInfo], end: int) -> dict[str, int]:
        """Return where the bytes of each member start; raise if any two of them overlap."""
        places: dict[str, int] = {}
        reached = 0
        for member in sorted(members, key=lambda m: m.header_offset):
            file.seek(member.header_offset)
            header = file.read(_LOCAL_HEADER)
            if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
                raise SourceError(f"{self.file}: its member {member.filename!r} has no header")
            name, extra = struct.unpack("<HH", header[26:30])
            if file.read(name) != member.orig_filename.encode(
                "utf-8" if member.flag_bits & 0x800 else "cp437"
            ):
                raise SourceError(f"{self.file}: its member {member.filename!r} has two names")
            start = member.header_offset + _LOCAL_HEADER + name + extra
            if member.header_offset < reached or start + member.compress_size > end:
                raise SourceError(f"{self.file}: its member {member.filename!r} overlaps another")
            reached = start + member.compress_size
            places[member.filename] = start
        return places

    def read(self, name: str, most: int) -> bytes:
        """Return a member's bytes, at most so many."""
        member = self._members.get(name)
        if member is None:
            raise SourceError(f"{self.file} has no member {name!r}")
        if member.file_size > most:
            raise SourceError(
                f"{self.file}: its member {name!r} is {member.file_size:,} bytes; {most:,} are the most"
            )
        with self.file.open() as file:
            file.seek(self._places[name])
            data = file.read(member.compress_size)
        if member.compress_type == _DEFLATED:
            data = _inflated(data, member.file_size)
        if len(data) != member.file_size or zlib.crc32(data) != member.CRC:
            raise SourceError(f"{self.file}: its member {name!r} is damaged: the checksum differs")
        return data

    def place(self, name: str) -> tuple[int, int] | None:
        """Return where a stored member lies in the file: (start, size); None for a deflated one."""
        member = self._members[name]
        if member.compress_type != _STORED:
            return None
        return self._places[name], member.file_size


class _Counted:
    """A file whose list of members is counted before zipfile makes an object of each."""

    def __init__(self, opened: BinaryIO, file: SourceFile) -> None:
        self._opened, self._file = opened, file
        self.seek, self.tell, self.seekable = opened.seek, opened.tell, opened.seekable

    def read(self, count: int = -1) -> bytes:
        """Return bytes; the list is read in one piece. Raises `SourceError` for one that is too long."""
        if count > MOST_LISTED:
            raise SourceError(
                f"{self._file} has a list of members of {count:,} bytes; {MOST_LISTED:,} are the most"
            )
        data = self._opened.read(count)
        found = data.count(_LISTED)
        if found > MOST_MEMBERS:
            raise SourceError(f"{self._file} has {found:,} members; {MOST_MEMBERS:,} are the most")
        return data


def _inflated(data: bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj(-15).decompress(data, size + 1)
    except zlib.error:
        return b""

"""Zip archives as Python's own zipfile writes them: the same bytes, found where they lie; damage is said."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from convscope.errors import SourceError
from convscope.files.archive import Archive
from convscope.files.source_file import SourceFile

MEMBERS = {"config.json": b'{"a": 1}' * 90, "weights/k.bin": bytes(range(251)) * 3, "leer-é": b""}


def archive(path: Path, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as written:
        for name, data in MEMBERS.items():
            written.writestr(name, data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_what_was_written(method: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.keras", method)
    found = Archive(SourceFile(path))
    assert {name: found.read(name, 1 << 20) for name in MEMBERS} == MEMBERS
    assert "config.json" in found and "config" not in found


def test_a_stored_member_lies_where_it_is_said_to(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.keras")
    found = Archive(SourceFile(path))
    for name, data in MEMBERS.items():
        start, size = found.place(name) or (0, -1)
        assert path.read_bytes()[start : start + size] == data
    deflated = Archive(SourceFile(archive(tmp_path / "b.keras", zipfile.ZIP_DEFLATED)))
    assert deflated.place("config.json") is None


def test_what_is_asked_for_and_is_not_there_or_too_large(tmp_path: Path) -> None:
    found = Archive(SourceFile(archive(tmp_path / "a.keras")))
    with pytest.raises(SourceError, match=r"a\.keras has no member 'weights'"):
        found.read("weights", 100)
    with pytest.raises(SourceError, match=r"'weights/k\.bin' is 753 bytes; 752 are the most"):
        found.read("weights/k.bin", 752)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bit_that_turned_is_seen(method: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.keras", method)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as written:
        member = written.getinfo("weights/k.bin")
    data[member.header_offset + 30 + len(member.filename) + 20] ^= 4
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"'weights/k\.bin' is damaged"):
        Archive(SourceFile(path)).read("weights/k.bin", 1 << 20)

"""Pictures and arrays that are damaged, or made to be so: each ends in an InputError."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.engine.images import as_input, open_image
from convscope.engine.preparing import prepare
from convscope.errors import InputError


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(columns: int, rows: int, colours: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, colours, 0, 0, 0))


def two_headers() -> bytes:
    """A PNG that says first that it has a palette, and then that it is grey."""
    pixels = zlib.compress(b"\0" + bytes(range(8)))
    parts = (header(14, 16, 3), chunk(b"PLTE", bytes(range(48))), header(8, 1, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_picture_that_says_twice_what_it_is() -> None:
    with Image.open(io.BytesIO(two_headers())) as image:
        image.load()
        assert image.mode != image.im.mode, "this Pillow sees it by itself"
    with pytest.raises(InputError, match="says twice what it is, and differently"):
        open_image(two_headers(), "the picture")
    with pytest.raises(InputError, match="says twice"):
        prepare(two_headers(), (28, 28, 1), True, ("resize",))


def npy(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        npy(b"{'descr': '<f4', ("),
        npy(b"-" * 9001),
        npy(b"(" * 9001),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1e3,)}"),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999)}"),
        npy(b"{'descr': [('a', '<f4'), ('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"),
        npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + b"\x80\x04N.",
        npy(b"\xff\xfe"),
        npy(b"[1]"),
        npy(b""),
        b"\x93NUMPY\x07\x00",
        b"\x93NUMPY",
        b"",
    ],
    ids=lambda data: repr(data[6:40]),
)
def test_arrays_with_bad_headers(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"bad.npy cannot be read as a \.npy array: .+") as caught:
        as_input(path, (28, 28, 1), True, "x")
    assert "Error" not in str(caught.value) and "statement" not in str(
        caught.value
    )  # words for people


def test_a_good_array_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", np.arange(12, dtype=np.float32).reshape(3, 4, 1))
    assert as_input(tmp_path / "good.npy", (3, 4, 1), True, "x").sum() == 66

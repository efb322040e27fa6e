"""Data in other files than the model's own.

The file may be hostile. Nothing that it names is opened unless it is a plain file, with one name, inside
the model's own folder.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.errors import SourceError
from convscope.readers.onnx.tensors import MOST_BYTES, bits, declared, plain
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import TensorProto

MOST_AGAIN = 1 << 24
"""So many bytes of other files may be read more than once."""

KEYS = ("location", "offset", "length", "checksum")
"""What a reference to external data may say."""


class Beside:
    """An open file beside the model; closed when nobody needs it any more."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self) -> None:
        os.close(self.handle)

    def read(self, start: int, length: int) -> bytes:
        parts, left = [], length
        while left:
            part = os.pread(self.handle, min(left, 1 << 30), start + length - left)
            if not part:
                raise OSError("the file has become shorter")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def external_reader(
    tensor: TensorProto,
    shape: tuple[int, ...],
    dtype: Any,
    folder: Path,
    where: str,
    opened: dict[str, Beside],
) -> tuple[Callable[[], Array], Callable[[], bytes]]:
    """Return what gives an array that lies in another file in the model's folder, and what its first bytes.

    The file is opened at once, following no link at any step, and checked on the open handle. Tensors in one
    file share a handle, of which a process has some hundreds: those in `opened`.
    """
    what = f"{where}: the tensor {tensor.name!r}"
    if not plain(dtype):
        raise SourceError(f"{what} lies in another file as {dtype}, which is not read")
    read = _external_bytes(tensor, math.prod(shape) * dtype.itemsize, folder, what, opened)

    def get() -> Array:
        return np.frombuffer(read(), dtype).reshape(shape)

    return get, lambda: read(8 * dtype.itemsize)


def put_inside(
    tensors: Sequence[TensorProto], folder: Path, where: str, opened: dict[str, Beside]
) -> None:
    """Let tensors hold what they refer to in other files, read by our rules.

    Those of types that numpy does not have (bfloat16, 4 bits), which cannot be lent to the engine; and all, where
    the model is to be converted. Raises `SourceError` where they are too large for one message.
    """
    readers, total = [], 0
    for tensor in tensors:
        shape, dtype = declared(tensor, where)
        what = f"{where}: the tensor {tensor.name!r}"
        if dtype.kind == "O":
            raise SourceError(f"{what} lies in another file as text, which is not read")
        length = -(-math.prod(shape) * bits(dtype) // 8)
        readers.append(_external_bytes(tensor, length, folder, what, opened))
        total += length
    there = sum(os.fstat(held.handle).st_size for held in opened.values())
    if total > min(there + MOST_AGAIN, MOST_BYTES // 2):
        raise SourceError(
            f"{where} needs {total:,} bytes of {there:,} in other files put into it, to convert it or for their "
            f"types; {MOST_BYTES // 2:,} at most are, and no more than there are"
        )
    for tensor, read in zip(tensors, readers, strict=True):
        tensor.raw_data = read()
        del tensor.external_data[:]
        tensor.data_location = tensor.DEFAULT


def _external_bytes(
    tensor: TensorProto, length: int, folder: Path, what: str, opened: dict[str, Beside]
) -> Callable[..., bytes]:
    """Return what gives the bytes that a tensor refers to, or the first of them; the file is opened and checked at once."""
    told: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key not in KEYS or entry.key in told:
            raise SourceError(
                f"{what} refers to other data by {entry.key!r}; only {', '.join(KEYS)} mean something, "
                f"each once"
            )
        told[entry.key] = entry.value
    start = _number(told.get("offset", "0"), "offset", what)
    if "length" in told and _number(told["length"], "length", what) != length:
        raise SourceError(f"{what} needs {length:,} bytes, but refers to {told['length']}")
    location = told.get("location", "")
    if location not in opened:
        opened[location] = Beside(_handle(location, folder, what))
    held = opened[location]
    found = os.fstat(held.handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise SourceError(f"{what}: {told['location']!r} is no plain file with one name")
    if start + length > found.st_size:
        raise SourceError(
            f"{what} needs {length:,} bytes from {start:,} on, but {told['location']!r} has "
            f"{found.st_size:,}"
        )

    def read(most: int = length) -> bytes:
        try:
            return held.read(start, min(most, length))
        except OSError as error:
            raise SourceError(f"{what} cannot be read: {error}") from error

    return read


def _number(text: str, name: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise SourceError(f"{what}: the {name} {text[:40]!r} is no whole number")
    return int(text)


def _handle(location: str, folder: Path, what: str) -> int:
    """Open a file inside the folder, following no link; return the handle."""
    windows = PureWindowsPath(location)
    steps = PurePosixPath(location).parts
    bad = "\0" in location or "\\" in location or windows.drive or windows.root
    if not steps or bad or PurePosixPath(location).is_absolute() or ".." in steps:
        raise SourceError(
            f"{what} refers to {location[:80]!r}, which is not inside the model's folder"
        )
    follow = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    here = -1
    try:
        here = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        for step in steps[:-1]:
            inner = os.open(step, os.O_RDONLY | os.O_DIRECTORY | follow, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(steps[-1], os.O_RDONLY | os.O_NONBLOCK | follow, dir_fd=here)
    except OSError as error:
        raise SourceError(
            f"{what} refers to {location[:80]!r}, which cannot be opened as a plain file in the "
            f"model's folder: {error.strerror or error}"
        ) from error
    finally:
        if here >= 0:
            os.close(here)

"""HDF5 files that may be hostile: groups, attributes and arrays, through pyfive.

pyfive is pure Python, so that a bad file can make it raise but not crash. What it reads goes through a
window on the file that counts bytes, steps and seconds. Only hard links are followed, only data inside
the file is read, and an array may not declare far more than is stored.
"""

from __future__ import annotations

import math
import mmap
import time
import warnings
import weakref
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from convscope.errors import SourceError
from convscope.files.source_file import SourceFile
from convscope.layers.mapped import check_whole
from convscope.typed import Array

MOST_STEPS = 2_000_000
MOST_SECONDS = 20.0
MOST_DECLARED = 64 << 20
MOST_TIMES_STORED = 1000
MOST_GROUPS = 100_000
_EXTERNAL_FILES = 0x07
_COMPACT, _CONTIGUOUS, _CHUNKED = range(3)
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3


class _Window:
    """A part of a file as a file of its own, with an end to how much is read through it."""

    closed = False

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._at = 0
        self.renew()

    def renew(self) -> None:
        self._steps = MOST_STEPS
        self._bytes = max(MOST_DECLARED, 2 * min(self._size, 1 << 28))
        self._until = time.monotonic() + MOST_SECONDS

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, self._size)[whence]
        if base + offset < 0 or base + offset > self._size:
            raise SourceError(f"it points at byte {base + offset:,}, outside the file")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes:
        left = self._size - self._at
        count = left if count is None or count < 0 else min(count, left)
        self._steps -= 1
        self._bytes -= count
        if self._steps < 0 or self._bytes < 0 or time.monotonic() > self._until:
            raise SourceError(
                "its structure takes too long to read: it is damaged, or made to be so"
            )
        self._file.seek(self._start + self._at)
        self._at += count
        return self._file.read(count)


@dataclass(frozen=True)
class Stored:
    """One array of the file: what it is, and where it lies if it lies in one piece."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None
    identity: Any

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class Hdf5:
    """An HDF5 file, or one that lies inside another file from `start` on.

    Raises `SourceError`, which says what is wrong and where, for anything that is not as it should be.
    """

    def __init__(self, file: SourceFile, start: int = 0, size: int | None = None) -> None:
        import pyfive

        self.source = file
        self._start = start
        self._size = file.size - start if size is None else size
        self._file = file.open()
        weakref.finalize(self, self._file.close)
        self._window = _Window(self._file, start, self._size)
        self._mapped: mmap.mmap | None = None
        with self._reading("its start"):
            self._root = pyfive.File(self._window)
            if self._root.userblock_size:
                raise SourceError("it has a user block before its start, which is not read")

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Turn whatever pyfive raises on a bad file into one error that says where."""
        self._window.renew()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except SourceError as error:
            raise SourceError(f"{self.source}, HDF5, {what}: {error}") from error
        except MemoryError as error:
            raise SourceError(f"{self.source}, HDF5, {what}: it declares too much") from error
        except Exception as error:  # a bad file can make it raise anything
            at = f"near byte {self._start + self._window.tell():,}"
            detail = f": {error}" if str(error) and not isinstance(error, AssertionError) else ""
            raise SourceError(
                f"{self.source}, HDF5, {what} is damaged {at}: what lies there is not what HDF5 has there{detail}"
            ) from error

    def group(self, path: str) -> Any | None:
        """Return the group at a path, through hard links only; None if there is none."""
        with self._reading(path or "/"):
            found = self._root
            for part in filter(None, path.split("/")):
                if part not in found._links:
                    return None
                found = self._child(found, part)
                if not hasattr(found, "_links"):
                    return None
            return found

    def _child(self, group: Any, name: str) -> Any:
        if not isinstance(group._links[name], int):
            raise SourceError(f"{name!r} is a soft link; only hard links are followed")
        if "/" in name or name in ("", ".", ".."):
            raise SourceError(f"a link is named {name!r}")
        return group.get_lazy_view(name)

    def attributes(self, path: str) -> Mapping[str, Any]:
        """Return the attributes of a group; empty if there is no such group."""
        found = self.group(path)
        if found is None:
            return {}
        with self._reading(f"the attributes of /{path}"):
            return dict(found.attrs)

    def walk(self, top: str = "") -> tuple[dict[str, Stored], dict[str, Any]]:
        """Return every array below a group by its path, and every group."""
        arrays: dict[str, Stored] = {}
        groups: dict[str, Any] = {}
        root = self.group(top)
        if root is None:
            return arrays, groups
        seen: set[int] = set()
        declared = 0
        stack = [(top.strip("/"), root)]
        with self._reading(f"/{top}"):
            while stack:
                path, found = stack.pop()
                groups[path] = found
                for name, address in found._links.items():
                    below = f"{path}/{name}".lstrip("/")
                    child = self._child(found, name)
                    if address in seen:
                        raise SourceError(f"/{below} is linked to twice")
                    seen.add(address)
                    if len(seen) > MOST_GROUPS:
                        raise SourceError(f"it holds more than {MOST_GROUPS:,} objects")
                    if hasattr(child, "_links"):
                        stack.append((below, child))
                    elif hasattr(child, "id"):
                        arrays[below] = self._described(below, child)
                        declared += arrays[below].nbytes
            self._check_amount(declared, self._size, "all arrays together declare")
        return arrays, groups

    def _described(self, path: str, dataset: Any) -> Stored:
        """Return what an array says it is, checked; no number of it is read."""
        identity = dataset.id
        if any(m["type"] == _EXTERNAL_FILES for m in self._messages(identity)):
            raise SourceError(f"/{path} keeps its numbers in another file, which is never opened")
        if identity.layout_class not in (_COMPACT, _CONTIGUOUS, _CHUNKED):
            raise SourceError(f"/{path} is a virtual data set, which is not read")
        if dataset.shape is None:
            raise SourceError(f"/{path} is empty")
        shape = tuple(int(size) for size in dataset.shape)
        dtype = np.dtype(dataset.dtype)
        if dtype.kind not in "fiubV" or dtype.itemsize > 8 or dtype.names or dtype.subdtype:
            raise SourceError(f"/{path} holds {dtype}, not plain numbers")
        if len(shape) > 32 or any(not 0 <= size < 1 << 40 for size in shape):
            raise SourceError(f"/{path} has the shape {shape}")
        offset = None
        stored = self._size
        nbytes = math.prod(shape) * dtype.itemsize
        if identity.layout_class == _CONTIGUOUS:
            offset = int(identity.data_offset) if nbytes else 0
            if offset + nbytes > self._size:
                raise SourceError(
                    f"/{path} declares {nbytes:,} bytes at byte {offset:,}, but the file ends at "
                    f"{self._size:,}"
                )
        self._check_amount(nbytes, stored, f"/{path} declares")
        return Stored(path, shape, dtype, offset, identity)

    def _messages(self, identity: Any) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self._root._get_dataobjects(identity._meta.offset).msgs
        return messages

    def _check_amount(self, declared: int, stored: int, what: str) -> None:
        most = max(MOST_DECLARED, MOST_TIMES_STORED * stored)
        if declared > most:
            raise SourceError(f"{what} {declared:,} bytes, in a file of {self._size:,}")

    def numbers(self, stored: Stored) -> Array:
        """Return an array as it is stored: mapped from the file where it lies in one piece."""
        with self._reading(f"/{stored.path}"):
            if stored.offset is not None:
                return self._mapped_array(stored)
            if stored.identity.layout_class == _COMPACT:
                data = bytes(stored.identity._data)
                return np.frombuffer(data, stored.dtype, math.prod(stored.shape)).reshape(
                    stored.shape
                )
            return self._chunked(stored)

    def _mapped_array(self, stored: Stored) -> Array:
        assert stored.offset is not None
        count = math.prod(stored.shape)
        if not count:
            return np.zeros(stored.shape, stored.dtype)
        if self._mapped is None:
            self.source.open().close()  # it must still be the file that was checked
            self._mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        flat = np.frombuffer(self._mapped, stored.dtype, count, self._start + stored.offset)
        check_whole(flat)
        return flat.reshape(stored.shape)

    def _chunked(self, stored: Stored) -> Array:
        """Return an array that is stored in chunks, each unpacked to no more than its size."""
        identity = stored.identity
        chunk = tuple(int(size) for size in identity.chunks)
        most = math.prod(chunk) * stored.dtype.itemsize
        self._check_amount(most, self._size, "a chunk declares")
        out = np.zeros(stored.shape, stored.dtype)
        for number in range(identity.get_num_chunks()):
            info = identity.get_chunk_info(number)
            self._window.seek(int(info.byte_offset))
            data = self._window.read(int(info.size))
            for place, step in reversed(list(enumerate(identity.filter_pipeline or ()))):
                if not info.filter_mask >> place & 1:
                    data = _unfiltered(data, int(step["filter_id"]), stored.dtype.itemsize, most)
            if len(data) != most:
                raise SourceError(f"a chunk holds {len(data):,} bytes instead of {most:,}")
            values = np.frombuffer(data, stored.dtype).reshape(chunk)
            corner = [int(c) for c in info.chunk_offset]
            ends = [min(c + k, s) for c, k, s in zip(corner, chunk, stored.shape, strict=True)]
            at = tuple(slice(c, e) for c, e in zip(corner, ends, strict=True))
            out[at] = values[tuple(slice(0, e - c) for c, e in zip(corner, ends, strict=True))]
        return out


def _unfiltered(data: bytes, step: int, itemsize: int, most: int) -> bytes:
    if step == _DEFLATE:
        return zlib.decompressobj().decompress(data, most + 4)
    if step == _SHUFFLE:
        return np.frombuffer(data, np.uint8).reshape(itemsize, -1).T.tobytes()
    if step == _FLETCHER32:
        return data[:-4]
    raise SourceError(f"its chunks are packed by filter {step}, which is not read")


def text_of(value: Any, what: str) -> str:
    """Return an attribute's text; raise `SourceError` if it is none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeError as error:
            raise SourceError(f"{what} is not UTF-8 text") from error
    if isinstance(value, str):
        return str(value)
    raise SourceError(f"{what} is not a text")


def texts_of(attributes: Mapping[str, Any], name: str, what: str) -> list[str] | None:
    """Return an attribute that is a list of texts, also when it is cut into name0, name1, …"""
    pieces = [attributes[name]] if name in attributes else []
    while name not in attributes and f"{name}{len(pieces)}" in attributes:
        pieces.append(attributes[f"{name}{len(pieces)}"])
    if not pieces:
        return None
    found: list[str] = []
    for piece in pieces:
        values = piece.reshape(-1).tolist() if isinstance(piece, np.ndarray) else [piece]
        found += [text_of(value, f"{what}: {name}") for value in values]
    return found

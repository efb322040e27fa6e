"""A file on disk as readers use it: a regular file, the same one each time it is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from convscope.errors import ConvscopeError, SourceError
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


class SourceFile:
    """A regular file; `open` raises `SourceError` once it is no longer what it was."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            found = os.stat(path)
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot read {path}: {_reason(error)}") from error
        if stat.S_ISDIR(found.st_mode):
            raise SourceError(f"{path} is a folder, not a model file")
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{path} is not a regular file")
        self.size = found.st_size
        self._identity = _identity(found)

    def open(self) -> BinaryIO:
        """Return the file opened for reading."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115 – the caller closes it
        except OSError as error:
            raise SourceError(f"cannot read {self.path}: {_reason(error)}") from error
        if _identity(os.fstat(file.fileno())) != self._identity:
            file.close()
            raise SourceError(f"{self.path} has changed since it was opened; open it again")
        return file

    def first(self, count: int) -> bytes:
        """Return its first bytes."""
        with self.open() as file:
            return file.read(count)

    def __str__(self) -> str:
        return self.path


@contextmanager
def sensible(what: object) -> Iterator[None]:
    """Turn whatever reading a file raises into one `SourceError`: the last catch of every reader.

    A file may be wrong in a way that nobody thought of; no such error is its reader's problem.
    """
    try:
        yield
    except ConvscopeError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
        raise SourceError(f"{what} makes no sense: {said}") from error


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

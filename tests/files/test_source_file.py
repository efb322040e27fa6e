"""A file as readers use it: a regular one, and the same each time it is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from convscope.errors import ShapeError, SourceError
from convscope.files.source_file import SourceFile, sensible


def test_its_bytes_and_size(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    path.write_bytes(b"0123456")
    for name in (path, str(path)):
        file = SourceFile(name)
        assert (file.size, file.first(3), str(file)) == (7, b"012", str(path))


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder, not a model file"):
        SourceFile(tmp_path)
    with pytest.raises(SourceError, match=r"cannot read .*none: No such file"):
        SourceFile(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    with pytest.raises(SourceError, match="is not a regular file"):
        SourceFile(tmp_path / "pipe")


def test_a_file_that_has_changed_is_not_read_on(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    path.write_bytes(b"0123456")
    file = SourceFile(path)
    path.write_bytes(b"01234567")
    with pytest.raises(SourceError, match="has changed since it was opened; open it again"):
        file.open()


def test_whatever_reading_raises_says_which_file_makes_no_sense() -> None:
    said = r"net\.h5 makes no sense: KeyError: 'shape'"
    with pytest.raises(SourceError, match=said), sensible("net.h5"):
        raise KeyError("shape")
    with pytest.raises(ShapeError, match=r"^as it is$"), sensible("net.h5"):  # ours say it already
        raise ShapeError("as it is")

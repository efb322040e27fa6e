"""Arrays, groups and texts of HDF5 files as h5py writes them, alone and inside another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from convscope.errors import SourceError
from convscope.files.hdf5 import Hdf5, text_of, texts_of
from convscope.files.source_file import SourceFile
from convscope.layers.mapped import mapping_of

RNG = np.random.default_rng(5)
ARRAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "conv/kernel": (RNG.normal(size=(3, 2, 5, 4)).astype(np.float32), {}),
    "conv/bias": (RNG.normal(size=4), {}),
    "half": (RNG.normal(size=(7, 3)).astype(np.float16), {}),
    "whole": (RNG.integers(-9, 9, (2, 6), np.int32), {}),
    "chunked": (RNG.normal(size=(7, 5)).astype(np.float32), {"chunks": (3, 2)}),
    "packed": (
        RNG.normal(size=(11, 6)).astype(np.float32),
        {"chunks": (4, 5), "compression": "gzip", "shuffle": True, "fletcher32": True},
    ),
    "scalar": (np.float32(2.5), {}),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, (array, how) in ARRAYS.items():
            file.create_dataset(name, data=array, **how)
        file["conv"].attrs["name"] = "conv2d"
        file["conv"].attrs["weight_names"] = np.array([b"kernel:0", "höhe".encode()])
        file["conv"].attrs["cut0"], file["conv"].attrs["cut1"] = [b"a"], [b"b", b"c"]
    return tmp_path / "a.h5"


@pytest.mark.parametrize("before", [b"", b"PK, and 13 more"])
def test_every_array_is_as_h5py_wrote_it(before: bytes, path: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.write_bytes(before + path.read_bytes() + b"after")
    file = Hdf5(SourceFile(whole), len(before), path.stat().st_size)
    arrays, groups = file.walk()
    assert set(arrays) == set(ARRAYS) and "conv" in groups
    for name, (array, _) in ARRAYS.items():
        stored, expected = arrays[name], np.asarray(array)
        assert (stored.shape, stored.dtype, stored.nbytes) == (
            expected.shape, expected.dtype, expected.nbytes,
        )  # fmt: skip
        np.testing.assert_array_equal(file.numbers(stored), expected)


def test_what_lies_in_one_piece_is_mapped_and_not_read(path: Path) -> None:
    file = Hdf5(SourceFile(path))
    arrays, _ = file.walk("conv")
    assert set(arrays) == {"conv/kernel", "conv/bias"}
    assert mapping_of(file.numbers(arrays["conv/kernel"])) is not None


def test_texts(path: Path) -> None:
    file = Hdf5(SourceFile(path))
    said = file.attributes("conv")
    assert text_of(said["name"], "name") == "conv2d"
    assert texts_of(said, "weight_names", "conv") == ["kernel:0", "höhe"]
    assert texts_of(said, "cut", "conv") == ["a", "b", "c"]
    assert texts_of(said, "none", "conv") is None and file.attributes("none") == {}
    with pytest.raises(SourceError, match="its name is not a text"):
        text_of(3.5, "its name")


def test_a_file_that_is_none_and_one_that_ends_early(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(b"no HDF5 at all, though long enough to be one" * 9)
    with pytest.raises(SourceError, match=r"other\.h5, HDF5, its start"):
        Hdf5(SourceFile(other))
    tree = path.read_bytes().index(b"TREE")
    other.write_bytes(path.read_bytes().replace(b"TREE", b"TREF"))
    with pytest.raises(SourceError, match=r"is damaged near byte [0-9,]+: what lies there") as said:
        Hdf5(SourceFile(other)).walk()
    near = int(str(said.value).split("near byte ")[1].split(":")[0].replace(",", ""))
    assert abs(near - tree) < 2048 and "AssertionError" not in str(said.value)
    other.write_bytes(path.read_bytes()[:700])
    with pytest.raises(SourceError, match=r"other\.h5, HDF5"):
        Hdf5(SourceFile(other)).walk()

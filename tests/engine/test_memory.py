"""Memory that is given back: the pages of mapped arrays, and never a number with them."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.engine.memory import aligned, let_go, trim

Array = np.ndarray[Any, Any]


def resident(array: Array) -> int:
    """Return how many KiB of the mapping that holds an array are in memory, by the system's own list."""
    address = array.ctypes.data
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if "-" in first and ":" not in first:
            low, high = (int(part, 16) for part in first.split("-"))
            inside = low <= address < high
        elif inside and first == "Rss:":
            found = int(rest.split()[0])
    return found


@pytest.fixture
def mapped(tmp_path: Path) -> Array:
    numbers = np.arange(3 << 20, dtype=np.float32)
    (tmp_path / "numbers").write_bytes(b"odd" + numbers.tobytes())
    with (tmp_path / "numbers").open("rb") as file:
        base = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(base, np.float32, 3 << 20, 3).reshape(3, 1024, 1024)


def test_pages_of_a_mapped_array_are_let_go_and_come_back(mapped: Array) -> None:
    whole = mapped.sum(dtype=np.float64)
    assert resident(mapped) > 11 * 1024
    assert let_go(mapped[1])
    assert resident(mapped) < 9 * 1024
    assert let_go(mapped)
    assert resident(mapped) < 200
    assert mapped.sum(dtype=np.float64) == whole == (3 << 20) * ((3 << 20) - 1) / 2


def test_what_is_not_mapped_for_reading_is_left_alone(tmp_path: Path) -> None:
    assert not let_go(np.ones(5000))
    assert not let_go(np.frombuffer(b"\1" * 5000, np.uint8))
    (tmp_path / "numbers").write_bytes(bytes(1 << 20))
    with (tmp_path / "numbers").open("rb") as file:
        own = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    array = np.frombuffer(own, np.uint8)
    array[:] = 7  # seen by nobody else, and lost if its pages were dropped
    assert not let_go(array)
    assert array.min() == 7


def test_an_unaligned_array_is_copied_and_its_pages_let_go(mapped: Array) -> None:
    copy = aligned(mapped)
    assert copy.flags.aligned and copy is not mapped
    assert resident(mapped) < 200
    np.testing.assert_array_equal(copy, mapped)
    assert aligned(copy) is copy


def test_trimming_asks_the_c_library_only_for_much(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Library:
        def __init__(self, name: None) -> None:
            self.malloc_trim = asked.append

    monkeypatch.setattr(ctypes, "CDLL", Library)
    trim(1 << 20)
    assert asked == []
    trim(1 << 30)
    assert asked == ([0] if sys.platform == "linux" else [])

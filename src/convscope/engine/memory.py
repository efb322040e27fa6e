"""Memory that is given back once ONNX Runtime has its own copy of a weight."""

from __future__ import annotations

import mmap
import sys

import numpy as np

from convscope.layers.mapped import check_whole, mapping_of
from convscope.typed import Array

PIECE = 1 << 22
"""How many numbers are copied at a time."""

WORTH_TRIMMING = 1 << 24
"""Copies of so many bytes together, once freed, are asked back from the C library."""


def let_go(array: Array) -> bool:
    """Drop the pages of an array that is mapped from a file; return whether there were any.

    They are read from the file again when somebody looks at the array. Arrays that lie elsewhere, and
    mappings that can be written to, are left alone.
    """
    base = mapping_of(array)
    if base is None or not array.flags.c_contiguous or not array.nbytes:
        return False
    whole = np.frombuffer(base, np.uint8)
    if whole.flags.writeable or not hasattr(base, "madvise"):
        return False
    start = array.ctypes.data - whole.ctypes.data
    first = start - start % mmap.PAGESIZE
    base.madvise(mmap.MADV_DONTNEED, first, start + array.nbytes - first)
    return True


def aligned(array: Array) -> Array:
    """Return an array that starts where its numbers may; itself, or a copy made piece by piece.

    What was copied is let go of, so that a mapped file and its copy never take memory together.
    """
    if array.flags.aligned and array.flags.c_contiguous:
        return array
    check_whole(array)
    copy = np.empty(array.shape, array.dtype)
    flat, into = array.reshape(-1), copy.reshape(-1)
    for start in range(0, flat.size, PIECE):
        piece = flat[start : start + PIECE]
        into[start : start + PIECE] = piece
        let_go(piece)
    return copy


def trim(freed: int) -> None:
    """Ask the C library to give back what was freed; it keeps pieces of some megabytes otherwise.

    freed   how many bytes that may be; of few, nothing is asked
    """
    if freed < WORTH_TRIMMING or sys.platform != "linux":
        return
    import ctypes

    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if give_back is not None:
        give_back(0)

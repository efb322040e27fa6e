"""IDX files, as MNIST's are: images, with the labels in a file of their own beside them."""

from __future__ import annotations

import gzip
import os
from typing import Any

import numpy as np

from convscope.errors import InputError
from convscope.survey.data import Source, so_many
from convscope.survey.data.given import of_arrays
from convscope.typed import Array

ACCEPTS = "IDX files, as MNIST's (labels beside them)"

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""What the third byte says (Yann LeCun, THE MNIST DATABASE)."""

MOST = 4 << 30


def is_mine(data: Any) -> bool:
    """Whether a file begins like one of several axes; gzip's are looked into."""
    if not isinstance(data, str) or not os.path.isfile(data):
        return False
    named = data.lower().removesuffix(".gz").endswith(("ubyte", ".idx", ".idx3"))
    try:
        with _opened(data) as file:
            start = file.read(4)
    except (OSError, EOFError):
        return named
    return named or (
        start[:2] == b"\0\0" and start[2:3] in map(_byte, TYPES) and 2 <= start[3] <= 5
    )


def _byte(number: int) -> bytes:
    return bytes([number])


def _opened(path: str) -> Any:
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else open(path, "rb")


def read(data: str) -> Source:
    """Return the images of a file, with the labels of the file that is named like it."""
    images = _array(data)
    if images.ndim < 2:
        raise InputError(f"{data} holds labels, not images: name the file of images")
    labels, told = None, ""
    folder, name = os.path.split(data)
    wanted = name.replace("images", "labels").replace("idx3", "idx1")
    other = wanted.removesuffix(".gz") if wanted.endswith(".gz") else f"{wanted}.gz"
    paths = [os.path.join(folder, n) for n in (wanted, other)]
    beside = next(filter(os.path.isfile, paths), None) if wanted != name else None
    if beside is not None:
        labels = _array(beside)
        told = f", labels {os.path.basename(beside)}"
    if labels is not None and len(labels) != len(images):
        raise InputError(
            f"{beside} holds {so_many(len(labels), 'label')} for the {so_many(len(images))} of {data}"
        )
    return of_arrays(images, labels, f"{os.path.basename(data)}{told}", os.path.abspath(data))


def _array(path: str) -> Array:
    try:
        with _opened(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES:
                raise InputError(f"{path} is no IDX file: it starts with the bytes {head.hex(' ')}")
            sizes = np.frombuffer(file.read(4 * head[3]), ">u4").tolist()
            kind = np.dtype(TYPES[head[2]])
            wanted = kind.itemsize
            for size in sizes:
                wanted *= size
            if len(sizes) < head[3] or wanted > MOST:
                raise InputError(f"{path} says that it holds {sizes}, which is no data set")
            body = file.read(wanted)
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if len(body) < wanted:
        raise InputError(f"{path} is cut short: {len(body):,} of {wanted:,} bytes")
    return np.frombuffer(body, kind).reshape(sizes).astype(kind.newbyteorder("="), copy=False)

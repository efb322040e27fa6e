"""Data sets, one format a file: *is this mine?* then *read it*. This folder is discovered.

An item is a picture (the bytes of a PNG, JPEG, …, or uint8 numbers, which are pixels) or an array of numbers,
which goes into the network as it is. Nothing is decoded before it is asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from convscope.errors import InputError
from convscope.typed import Protocol, Record

MOST_BYTES = 256 << 20
"""A picture's file that is larger is not read."""

LOOKED_INTO = 5
"""So many items of a data set, evenly spread, are looked into to tell it from another."""

PICTURES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif")

NAMED = (*PICTURES, ".tif", ".tiff", ".avif", ".heic", ".jp2", ".jxl")
"""Files that are images by their name; one of a kind that is not read is skipped and named, not passed over."""


class Item(Record):
    """One image of a data set.

    content   bytes of a picture, a Pillow image or an array; None where it could not be read: `why` says it
    """

    number: int
    name: str
    label: str | None
    content: Any
    why: str = ""


class Source:
    """A data set: items by their number.

    words    what it is: "a folder of 1,797 images in 10 sub-folders, which are the labels"
    names    of the items; `labels` of each, None where there are none
    content  gives the content of an item by its number; raises whatever is wrong with it
    spec     how another process opens the same data: a path; None where only this process has it
    classes  the names that labels have, in the order of their numbers, where the data say so
    """

    classes: Sequence[str] = ()

    def __init__(
        self,
        words: str,
        names: Sequence[str],
        labels: Sequence[str | None] | None,
        content: Callable[[int], Any],
        spec: str | None = None,
    ) -> None:
        self.words, self.names, self.labels = words, names, labels
        self.content, self.spec = content, spec
        self.count: int | None = len(names)

    @property
    def labelled(self) -> bool:
        """Whether items have labels."""
        return self.labels is not None

    def item(self, number: int) -> Item:
        """Return one item; what is wrong with it stands in it."""
        name = self.names[number]
        label = None if self.labels is None else self.labels[number]
        try:
            return Item(number, name, label, self.content(number))
        except Exception as error:  # noqa: BLE001 – any kind of broken file is one image less
            said = str(error) or type(error).__name__
            return Item(number, name, label, None, said)

    def items(self, first: int, last: int | None) -> Iterator[Item]:
        """Yield the items of these numbers, the last left out."""
        assert self.count is not None
        for number in range(first, self.count if last is None else min(last, self.count)):
            yield self.item(number)

    def fingerprint(self) -> str:
        """Return what tells this data set from others: its names and labels, and what a few items hold."""
        told = hashlib.sha256(f"{self.count}".encode())
        labels = self.labels if isinstance(self.labels, list) else None
        for number, name in enumerate(self.names):
            label = None if labels is None else labels[number]
            told.update(f"\0{name}\0{label}".encode("utf-8", "surrogateescape"))
        last = (self.count or 0) - 1
        for number in sorted({last * n // (LOOKED_INTO - 1) for n in range(LOOKED_INTO)}):
            item = self.item(number) if number >= 0 else None
            held = None if item is None else item.content
            if held is not None:
                told.update(held if isinstance(held, bytes) else held.tobytes())
        return told.hexdigest()[:32]


class Numbered(Sequence[str]):
    """Names of items that have none: image 0, image 1, …"""

    def __init__(self, count: int) -> None:
        self._numbers = range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:
        return f"image {self._numbers[place]}"


class Format(Protocol):
    """What a module of this folder offers."""

    ACCEPTS: str
    """What it reads, for people."""

    def is_mine(self, data: Any) -> bool:
        """Whether this format should try; decided without reading more than a few bytes."""

    def read(self, data: Any) -> Source:
        """Return the data set; raises `InputError` when it cannot be read."""


@cache
def formats() -> tuple[Format, ...]:
    """Return every format of this folder."""
    found: list[Any] = [import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__)]
    return tuple(found)


def open_data(data: Any) -> Source:
    """Return the data set that a path names, or that arrays are.

    data   a folder of images (sub-folders are labels) or of .tar shards; a .zip or .tar of images; .npy or .npz
           (file.npz:name where it holds several); IDX or CIFAR files; Parquet with a column of images; arrays,
           (arrays, labels), or any iterable of arrays, pictures or (image, label)

    Raises `InputError`, which says what can be read.
    """
    if isinstance(data, os.PathLike):
        data = os.fspath(data)
    for one in formats():
        if one.is_mine(data):
            source: Source = one.read(data)
            if source.count == 0:
                raise InputError(
                    f"{data} holds no images" if isinstance(data, str) else "no images"
                )
            return source
    known = "; ".join(one.ACCEPTS for one in formats())
    if isinstance(data, str):
        path = Path(data)
        if not path.exists() and not Path(data.rpartition(":")[0]).is_file():
            raise InputError(f"there is no data {data}")
        if pickled(data):
            raise InputError(f"{data} {PICKLED}")
        if data.lower().endswith(NAMED):
            raise InputError(f"{data} is one image: give the folder that it lies in, {path.parent}")
        raise InputError(f"{data} is no data set that can be read; what can be read is {known}")
    raise InputError(
        f"a survey goes over a path or an iterable, not over {type(data).__name__}; what can be read is {known}"
    )


PICKLED = (
    "is a pickle, which runs code when it is opened, and stays closed: CIFAR's binary version holds the same "
    "images, and arrays are saved as .npy or .npz"
)


def pickled(path: str) -> bool:
    """Whether a file begins as Python's pickles do."""
    try:
        with open(path, "rb") as file:
            start = file.read(2)
    except OSError:
        return False
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def small(size: int, name: str) -> None:
    """Raise `InputError` for a picture's file of too many bytes."""
    if size > MOST_BYTES:
        raise InputError(f"{name} is {size:,} bytes, more than {MOST_BYTES:,}")


def ordered(name: str) -> tuple[Any, ...]:
    """Return a key by which names are in order, numbers by their value: 2.png before 10.png."""
    import re

    parts = re.split(r"(\d+)", name)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts), name


def so_many(count: int, what: str = "image") -> str:
    """Return how many there are in words: "1 image", "1,797 images"."""
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def counted(labels: Sequence[str | None] | None) -> int:
    """Return how many different labels there are."""
    return len({label for label in labels or () if label is not None})

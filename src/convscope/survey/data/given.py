"""What Python holds: arrays, (arrays, labels), any sequence or iterable of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convscope.errors import InputError
from convscope.survey.data import Item, Numbered, Source
from convscope.typed import Array

ACCEPTS = "from Python any iterable of arrays, pictures, paths, or (image, label)"


def is_mine(data: Any) -> bool:
    """Whether it can be gone through."""
    return not isinstance(data, (str, bytes, Mapping)) and (
        isinstance(data, Iterable) or (hasattr(data, "__len__") and hasattr(data, "__getitem__"))
    )


def read(data: Any) -> Source:
    """Return what a sequence or an iterable gives, one after another."""
    if isinstance(data, tuple) and len(data) == 2 and _rows(data[0]) and _labels(data[1], data[0]):
        return of_arrays(np.asarray(data[0]), np.asarray(data[1]), "an array with labels")
    if isinstance(data, np.ndarray):
        return of_arrays(data, None, "an array")
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return _sequence(data)
    return Passing(data)


def _rows(one: Any) -> bool:
    return hasattr(one, "ndim") and one.ndim >= 2


def _labels(one: Any, rows: Any) -> bool:
    return hasattr(one, "__len__") and len(one) == len(rows) and np.ndim(one) == 1


def of_arrays(images: Array, labels: Array | None, name: str, spec: str | None = None) -> Source:
    """Return the rows of an array as images; uint8 are pixels."""
    if images.ndim < 2 or images.dtype.kind not in "fiub":
        raise InputError(
            f"{name} has shape {images.shape} of {images.dtype}: images are one row each, of numbers"
        )
    names: list[str | None] | None = None
    if labels is not None:
        if labels.ndim == 2 and labels.shape[1] > 1:
            labels = labels.argmax(axis=1)  # one-hot
        names = [str(label) for label in np.asarray(labels).reshape(-1).tolist()]
    words = (
        f"{name}: {len(images):,} rows of {' × '.join(map(str, images.shape[1:]))}, {images.dtype}"
    )
    return Source(words, Numbered(len(images)), names, lambda n: content_of(images[n]), spec)


def content_of(one: Any) -> Any:
    """Return what a picture or an array holds: bytes, a Pillow image or an array.

    uint8 numbers are pixels where they lie like those of a picture: rows and columns, or with 1 or 3 channels.
    """
    if isinstance(one, (str, os.PathLike)):
        from pathlib import Path

        return Path(one).read_bytes()
    if isinstance(one, bytes) or hasattr(one, "getbands"):
        return one
    array = np.asarray(one)
    if array.dtype != np.uint8:
        return array
    if array.ndim == 3 and array.shape[2] not in (1, 3) and array.shape[0] in (1, 3):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3):
        from PIL import Image

        return Image.fromarray(np.ascontiguousarray(array))
    return array


def _pair(given: Any) -> tuple[Any, str | None]:
    if isinstance(given, (tuple, list)) and len(given) == 2 and np.ndim(given[1]) == 0:
        label = given[1]
        return given[0], None if label is None else str(getattr(label, "item", lambda: label)())
    return given, None


def _sequence(data: Sequence[Any]) -> Source:
    first = data[0] if len(data) else None
    labelled = first is not None and _pair(first)[1] is not None
    source = Source(
        f"{len(data):,} items from Python",
        Numbered(len(data)),
        None,
        lambda number: content_of(_pair(data[number])[0]),
    )
    if labelled:
        source.labels = [_pair(data[number])[1] for number in range(len(data))]
    return source


class Passing(Source):
    """An iterable, which is gone through once; nobody knows how long it is."""

    def __init__(self, data: Iterable[Any]) -> None:
        super().__init__("an iterable from Python", (), None, lambda number: None)
        self.count = None
        self._passing: Iterator[Any] = iter(data)
        self._known: list[Item] = []
        self._at = 0

    @property
    def labelled(self) -> bool:
        return any(item.label is not None for item in self.ahead(1))

    def _next(self) -> Item | None:
        for given in self._passing:
            number, self._at = self._at, self._at + 1
            name = f"image {number}"
            try:
                one, label = _pair(given)
                return Item(number, name, label, content_of(one))
            except Exception as error:  # noqa: BLE001 – one image less, never the end
                return Item(number, name, None, None, str(error) or type(error).__name__)
        return None

    def ahead(self, count: int) -> list[Item]:
        """Return the first items, which will be given again."""
        while len(self._known) < count and (item := self._next()) is not None:
            self._known.append(item)
        return self._known[:count]

    def items(self, first: int, last: int | None) -> Iterator[Item]:
        """Yield the items from one number on; those before it are passed over."""

        def all_items() -> Iterator[Item]:
            while self._known:
                yield self._known.pop(0)
            while (item := self._next()) is not None:
                yield item

        for item in all_items():
            if item.number >= first:
                yield item
                if last is not None and item.number + 1 >= last:
                    return

    def fingerprint(self) -> str:
        """Return "": nobody can tell before it has been gone through."""
        return ""

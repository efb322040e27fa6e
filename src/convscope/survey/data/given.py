"""What Python holds: arrays, (arrays, labels), any sequence or iterable of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convscope.errors import InputError
from convscope.survey.data import Item, Numbered, Source, so_many
from convscope.typed import Array

ACCEPTS = "from Python any iterable of arrays, pictures, paths, (image, label), or rows by name"


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
        return Rows(data)
    if hasattr(data, "dataset") and getattr(data, "batch_size", None):  # a DataLoader of PyTorch's
        return Passing(_singly(data))
    return Passing(data)


def _rows(one: Any) -> bool:
    return hasattr(one, "ndim") and one.ndim >= 2


def _labels(one: Any, rows: Any) -> bool:
    """Whether something is the labels of rows: numbers in a row, in a column, or one-hot.

    Raises `InputError` where they are not one for each row.
    """
    if not hasattr(one, "__len__") or np.ndim(one) not in (1, 2):
        return False
    if np.ndim(one) == 2:
        if rows.ndim == 2:  # a picture beside another
            return False
        array = np.asarray(one)
        hot = np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all()
        if array.shape[1] != 1 and not hot:
            return False
    if len(one) != len(rows):
        raise InputError(
            f"{len(one):,} labels are given with {len(rows):,} images: one each is needed"
        )
    return True


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
    sizes = " × ".join(map(str, images.shape[1:]))
    words = f"{name}: {so_many(len(images), 'row')} of {sizes}, {images.dtype}"
    rows = np.asarray(images)  # of a file that is mapped as well
    content = rows.__getitem__ if rows.dtype != np.uint8 else lambda n: content_of(rows[n])
    return Source(words, Numbered(len(images)), names, content, spec)


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


IMAGES = ("image", "img", "images", "pixel_values", "jpg", "png", "x")
LABELS = ("label", "labels", "fine_label", "class", "target", "cls", "y")
"""What a row by name calls its image and its label: Hugging Face's, WebDataset's and others' names."""


def _pair(given: Any) -> tuple[Any, str | None]:
    """Return the image and the label of an item: (image, label), a row by name, or an image alone."""
    if isinstance(given, Mapping):
        name = next((n for n in IMAGES if n in given), None)
        if name is None:
            raise InputError(f"a row of {', '.join(map(str, given))} has no image by that name")
        one, label = given[name], next((given[n] for n in LABELS if n in given), None)
        if isinstance(one, Mapping) and one.get("bytes") is not None:
            one = one["bytes"]
        return one, _said(label)
    if isinstance(given, (tuple, list)) and len(given) == 1 and np.ndim(given[0]) > 1:
        return given[0], None
    if isinstance(given, (tuple, list)) and len(given) == 2 and np.ndim(given[1]) == 0:
        return given[0], _said(given[1])
    return given, None


def _said(label: Any) -> str | None:
    return None if label is None else str(getattr(label, "item", lambda: label)())


class Rows(Source):
    """A sequence from Python; an item is made when it is asked for, and once."""

    def __init__(self, data: Sequence[Any]) -> None:
        super().__init__(
            f"{so_many(len(data), 'item')} from Python", Numbered(len(data)), None, self._content
        )
        self._data = data
        if len(data) and self.item(0).label is not None:
            self.labels = _Labels(self)

    def _content(self, number: int) -> Any:
        return content_of(_pair(self._data[number])[0])

    def item(self, number: int) -> Item:
        label = None
        try:
            one, label = _pair(self._data[number])
            return Item(number, self.names[number], label, content_of(one))
        except Exception as error:  # noqa: BLE001 – one image less, never the end
            said = str(error) or type(error).__name__
            return Item(number, self.names[number], label, None, said)


class _Labels(Sequence[Any]):
    """The labels of a sequence, each made with its item."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows.names)

    def __getitem__(self, place: Any) -> Any:
        return self._rows.item(range(len(self))[place]).label


def _singly(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield the items of batches one by one: of images, of (images, labels), or of columns by name."""
    for batch in batches:
        if isinstance(batch, Mapping):
            columns = dict(batch)
            for row in zip(*columns.values(), strict=False):
                yield dict(zip(columns, row, strict=True))
        elif isinstance(batch, (tuple, list)) and len(batch) in (1, 2):
            yield from zip(*batch, strict=True)
        else:
            yield from batch


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
        try:
            given = next(self._passing)
        except StopIteration:
            return None
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise InputError(
                f"what gives the images fails after {self._at:,} of them: {said}"
            ) from error
        number, self._at = self._at, self._at + 1
        name = f"image {number}"
        try:
            one, label = _pair(given)
            return Item(number, name, label, content_of(one))
        except Exception as error:  # noqa: BLE001 – one image less, never the end
            return Item(number, name, None, None, str(error) or type(error).__name__)

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

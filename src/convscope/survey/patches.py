"""The patch of an image that one number sees, cut out by its exact receptive field; padding is hatched."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.errors import InputError
from convscope.survey.data import Item
from convscope.typed import Array, Record

if TYPE_CHECKING:
    from convscope.survey.preparation import Preparation

LIGHT, DARK, HATCH = 0xF0, 0xA8, 4
"""Where there is no image: stripes of these greys, so many pixels apart."""

DRAWN = 64
"""A small patch with padding is drawn so large, that a pixel of padding has stripes and is not taken for one of the image."""

MOST_PIXELS = 512
"""A patch that is larger along an axis is cut to the image's own part and made smaller."""


class Patch(Record):
    """What one number sees.

    pixels    (rows, columns, 3) of uint8, as large as the receptive field
    rows      the first and the last row of the image, and `columns`; both may lie outside of it, in the padding
    exact     False where the receptive field is not known along an axis: all of the image is shown
    inside    (rows, columns): True where there is image, False in the padding
    """

    pixels: Array
    rows: tuple[int, int]
    columns: tuple[int, int]
    exact: bool
    inside: Array

    @property
    def padded(self) -> bool:
        """Whether some of it lies in the padding."""
        return not self.inside.all()

    @property
    def words(self) -> str:
        """Where it lies: "rows −1 … 3, columns 4 … 8; hatched: padding"."""
        (top, bottom), (left, right) = self.rows, self.columns
        told = f"rows {top} … {bottom}, columns {left} … {right}".replace("-", "−")
        told += "; hatched: padding" if self.padded else ""
        return told if self.exact else f"{told}; all of the image"

    def png(self, most: int = MOST_PIXELS) -> bytes:
        """Return the patch as a PNG, at most so large along each side; a small one with padding is drawn larger."""
        from PIL import Image

        pixels, times = self.pixels, min(DRAWN, most) // max(self.inside.shape)
        if self.padded and times > 1:
            pixels, inside = (
                one.repeat(times, axis=0).repeat(times, axis=1) for one in (pixels, self.inside)
            )
            stripes = _striped(*map(np.arange, inside.shape))
            pixels = np.where(inside[..., None], pixels, stripes)
        with BytesIO() as file:
            image = Image.fromarray(pixels)
            if max(image.size) > most:
                image.thumbnail((most, most))
            image.save(file, format="PNG", optimize=True)
            return file.getvalue()

    def address(self, most: int = MOST_PIXELS) -> str:
        """Return the patch as a data: address; see `png`."""
        return f"data:image/png;base64,{base64.b64encode(self.png(most)).decode()}"


def picture(preparation: Preparation, item: Item) -> Array:
    """Return an image as the network sees it, before its pixels become numbers: (rows, columns, 3) of uint8.

    Numbers that never were pixels are drawn from the smallest, black, to the largest, white. Raises
    `InputError` for what is no picture: of one or three axes, or of other than 1 or 3 channels.
    """
    array = preparation.pixels_of(item)
    if array.ndim != 3:
        raise InputError(f"{item.name} has {array.ndim} axes, and a picture has 3")
    array = array if preparation.channels_last else np.moveaxis(array, 0, -1)
    if array.shape[2] not in (1, 3):
        array = array.mean(axis=2, keepdims=True)
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def cut(image: Array, box: tuple[Any, ...]) -> Patch:
    """Return the patch of an image, (rows, columns, 3), in a box: first and last along rows and columns.

    >>> patch = cut(np.zeros((6, 7, 3), np.uint8), ((-1, 2), (3, 5)))
    >>> patch.pixels.shape, int(patch.pixels[0].min()), int(patch.pixels[1:].max())
    ((4, 3, 3), 168, 0)
    """
    sizes = image.shape[:2]
    exact = len(box) == 2 and None not in box
    ends = box if len(box) == 2 else (None, None)
    (top, bottom), (left, right) = (
        (0, size - 1) if end is None else end for end, size in zip(ends, sizes, strict=True)
    )
    if max(bottom - top, right - left) >= 4 * MOST_PIXELS:
        top, bottom = max(top, 0), min(bottom, sizes[0] - 1)
        left, right = max(left, 0), min(right, sizes[1] - 1)
    rows, columns = np.arange(top, bottom + 1), np.arange(left, right + 1)
    pixels = _striped(rows, columns)
    there = (rows >= 0) & (rows < sizes[0]), (columns >= 0) & (columns < sizes[1])
    if there[0].any() and there[1].any():
        pixels[np.ix_(*there)] = image[np.ix_(rows[there[0]], columns[there[1]])]
    inside = np.logical_and.outer(*there)
    return Patch(pixels, (int(top), int(bottom)), (int(left), int(right)), exact, inside)


def _striped(rows: Array, columns: Array) -> Array:
    """Return stripes at these places: (rows, columns, 3) of uint8."""
    stripes = (rows[:, None] + columns[None, :]) % HATCH == 0
    return np.where(stripes, DARK, LIGHT).astype(np.uint8)[..., None].repeat(3, axis=2)

"""A layer's maps as one picture: every map a tile, blue for negative and orange for positive numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from convscope.typed import Array
from convscope.views.colours import ENDS

if TYPE_CHECKING:
    from PIL.Image import Image


NEGATIVE, ZERO, POSITIVE = ENDS["light"].values()
GAP_COLOUR = (0xFF, 0xFF, 0xFF)


def atlas(maps: Array) -> Image:
    """Return a picture of maps, shape (rows, columns, maps): tiles in reading order, map 0 first.

    Colours are symmetric around zero and share one scale over all maps, so tiles can be compared.
    Small maps are enlarged by a whole factor. A vector is drawn as one row of squares, one number as one.
    """
    from PIL import Image

    if maps.ndim < 2:
        maps = maps.reshape(1, -1, 1)
    elif maps.ndim == 2:
        maps = maps[:, np.newaxis, :]
    while maps.ndim > 3:
        maps = np.moveaxis(maps, 0, -2).reshape(*maps.shape[1:-1], -1)
    rows, columns, count = maps.shape
    scale = max(1, min(16, 112 // max(rows, columns)))
    across = math.ceil(math.sqrt(count * rows / columns)) if count > 1 else 1
    down = math.ceil(count / across)
    gap = 2
    tall, wide = rows * scale + gap, columns * scale + gap
    picture = np.empty((down * tall + gap, across * wide + gap, 3), dtype=np.uint8)
    picture[:] = GAP_COLOUR
    finite = np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
    coloured = colours(maps, float(np.abs(finite).max()))
    for n in range(count):
        top, left = (n // across) * tall + gap, (n % across) * wide + gap
        tile = coloured[:, :, n].repeat(scale, axis=0).repeat(scale, axis=1)
        picture[top : top + rows * scale, left : left + columns * scale] = tile
    return Image.fromarray(picture)


def colours(values: Array, limit: float) -> Array:
    """Return RGB bytes for numbers: blue at −limit, near-white at 0, orange at +limit."""
    share = np.clip(np.nan_to_num(values / limit if limit else values * 0.0), -1, 1)[
        ..., np.newaxis
    ]
    zero = np.array(ZERO, dtype=np.float64)
    end = np.where(share < 0, np.array(NEGATIVE), np.array(POSITIVE))
    return (zero + (end - zero) * np.abs(share)).round().astype(np.uint8)

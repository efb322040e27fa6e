"""The digits that the demo network learns, and the network before it has learned them.

One fifth of the images, the same share of every digit, is held out. The split is by image, not by writer: other
images by the same people are among those that are learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.building import Sequential
from convscope.demo import layers

if TYPE_CHECKING:
    from convscope.typed import Array

SIDE = 28
L2 = 1e-3
HELD = 5
"""One image of so many is held out."""


def network(seed: int = 7) -> Sequential:
    """Return the digits network as it is before anyone trains it, its kernels with an L2 penalty.

    >>> network().count_params()
    110986
    """
    from convscope.learning.regularizers import L2 as Penalty

    return Sequential(layers(kernel_regularizer=Penalty(L2)), name="digits", seed=seed)


def enlarged(small: Array) -> Array:
    """Return 8×8 images with values 0 … 16 as 28×28 images with values 0 … 255, bicubic.

    All at once: beneath one another they are made wider, and beside one another higher, as Pillow does with one.
    """
    import numpy as np
    from PIL import Image

    count, rows, columns = small.shape
    grey = np.rint(small / 16 * 255).astype(np.uint8).reshape(count * rows, columns)
    wide = Image.fromarray(grey).resize((SIDE, count * rows), Image.Resampling.BICUBIC)
    beside = np.asarray(wide).reshape(count, rows, SIDE).transpose(1, 0, 2).reshape(rows, -1)
    high = Image.fromarray(beside).resize((count * SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(high).reshape(SIDE, count, SIDE).transpose(1, 0, 2)


def images() -> tuple[Array, Array]:
    """Return all 1,797 images, (1797, 28, 28) of bytes, and which digits they are."""
    from pathlib import Path

    import numpy as np

    with np.load(Path(__file__).parent / "images.npz", allow_pickle=False) as held:
        small, digits = held["images"], held["digits"]
    return enlarged(small), digits.astype(np.int64)


def split(seed: int = 7) -> tuple[Any, Any, Any, Any]:
    """Return images to learn from, images held out, and the digits of both; the same at every call."""
    import numpy as np

    every, digits = images()
    rng = np.random.default_rng(seed)
    held = np.zeros(len(every), bool)
    for digit in range(10):
        own = np.flatnonzero(digits == digit)
        held[rng.permutation(own)[: round(len(own) / HELD)]] = True
    order = rng.permutation(np.flatnonzero(~held))
    return every[order], every[held], digits[order], digits[held]


def as_input(pixels: Array) -> Array:
    """Return bytes (images, 28, 28) as the network takes them: (images, 28, 28, 1) in 0 … 1."""
    import numpy as np

    found: Array = (pixels[..., np.newaxis] / 255).astype(np.float32)
    return found


def examples() -> Any:
    """Return the digits as a training takes them (`learning.session.Examples`)."""
    from convscope.learning.session import Examples

    x, held, y, held_y = split()
    words = f"{len(x):,} digits; {len(held):,} are held out"
    return Examples(as_input(x), y, as_input(held), held_y, words, list("0123456789"))

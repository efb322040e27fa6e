"""Maps as one picture: whatever number of axes a layer gives."""

from __future__ import annotations

import numpy as np
import pytest

from convscope.views.picture import atlas


@pytest.mark.parametrize(
    ("shape", "squares"),
    [((), 1), ((5,), 5), ((3, 4), 12), ((2, 3, 4), 24), ((2, 3, 4, 5), 120)],
    ids=str,
)
def test_every_number_is_drawn(shape: tuple[int, ...], squares: int) -> None:
    numbers = np.arange(1, squares + 1, dtype=np.float32).reshape(shape)
    picture = np.asarray(atlas(numbers))
    colours = {tuple(pixel) for pixel in picture.reshape(-1, 3)}
    assert len(colours) > min(squares, 3)  # the gap's, and theirs
    assert picture.shape[0] >= 16

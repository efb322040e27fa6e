"""Keras models with a layer that we cannot state: it is opaque, and the rest is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

import convscope
from convscope.errors import SourceWarning

layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (layers.UpSampling2D(2, interpolation="bicubic", name="odd"), "'bicubic' is not supported"),
        (layers.UpSampling2D((3, 2), interpolation="lanczos5", name="odd"), "'lanczos5' is not"),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_one_layer_that_cannot_be_stated(odd: Any, why: str, suffix: str, tmp_path: Path) -> None:
    x = keras.Input((6, 5, 3), name="image")
    y = odd(layers.Conv2D(4, 3, name="conv")(x))
    model = keras.Model(x, layers.Dense(7, name="dense")(layers.Flatten()(y)))
    model.save(tmp_path / f"odd.{suffix}")
    with pytest.warns(SourceWarning, match=why):
        net = convscope.open(tmp_path / f"odd.{suffix}")
    rows = {row.name: row for row in net.facts().rows}
    assert rows["odd"].opaque and not rows["conv"].opaque
    assert rows["odd"].params == odd.count_params()
    assert net.count_params() == model.count_params()

"""Keras models with a layer that we cannot state: it is opaque, and the rest is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

import convscope
from convscope.errors import SourceWarning
from convscope.notation.sizes import UNKNOWN_SHAPE

layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (layers.LayerNormalization(axis=(1, -1), name="odd"), "count all of them from one side"),
        (layers.Resizing(5, 4, "lanczos5", antialias=True, name="odd"), "with antialias is not"),
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


def test_nothing_is_said_of_another_image_behind_a_lambda(tmp_path: Path) -> None:
    """What a Lambda gives for an image ten times the size nobody knows."""
    x = keras.Input((28, 26, 1), name="image")
    y = layers.Conv2D(3, 5, name="before")(x)
    y = layers.Lambda(lambda v: v[:, :8, :9], output_shape=(8, 9, 3), name="odd")(y)
    keras.Model(x, layers.Conv2D(6, 3, name="after")(y)).save(tmp_path / "net.keras")
    net = convscope.open(tmp_path / "net.keras")
    said = " ".join(str(net.explain("before")).split())
    assert "instead of 28×26×1 would make the output 276×256×3" in said
    assert "would make" not in str(net.explain("after"))
    assert "(6, 7, 6)" in str(net.explain("after"))
    larger = net.graph.at({"image": (280, 260, 1)})
    assert larger.facts["odd"].output_shape is UNKNOWN_SHAPE
    assert larger.nodes["after"].layer.opaque and larger.totals.params == net.count_params()
    same = net.graph.at({"image": (28, 26, 1)})
    assert same.facts["after"].output_shape == (6, 7, 6)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    "odd",
    [
        layers.LSTM(5),
        layers.GRU(5, return_sequences=True),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.Bidirectional(layers.GRU(4), merge_mode="sum"),
        layers.Lambda(lambda v: v[:, :3], output_shape=(3, 6)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_stands_behind_is_explained(odd: Any, suffix: str, tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((7, 6)), odd, layers.Flatten(), layers.Dense(4, name="dense")]
    )
    model.save(tmp_path / f"net.{suffix}")
    first, flat, dense = convscope.open(tmp_path / f"net.{suffix}").facts().rows
    assert (first.opaque, flat.opaque, dense.opaque) == (True, False, False)
    assert first.output_shape == tuple(model.layers[0].output.shape)
    assert dense.params == model.layers[-1].count_params()

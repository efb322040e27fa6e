"""What save and save_weights write: Keras 3 opens it, and computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from campaigns import in_turn
from given import samples
from layers.test_against_keras import not_comparable

import convscope as cs
from convscope import (
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
    Model,
    SeparableConv2D,
    Sequential,
)
from convscope.errors import OutputError, UnsupportedError, WeightsError
from convscope.layers.base import Sample
from convscope.network.keras_file import INNER, OWN

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own


def branching() -> Model:
    """Return a network that branches, with a layer that stands in it twice."""
    x = Input((9, 11, 3), name="picture")
    shared = Conv2D(
        3, 3, padding="same", activation="relu", kernel_regularizer=cs.regularizers.L2(0.1)
    )
    y = BatchNormalization()(shared(shared(x)))
    z = SeparableConv2D(5, 3)(Concatenate()([Add()([x, y]), y]))
    return Model(x, Dense(4)(Flatten()(Dropout(0.3)(z))), seed=4)


def turned() -> Model:
    """Return a network whose branches are written down in another order than Keras walks them.

    Of one branch the layers are nearer to the end, and of the two that are added the second comes first.
    """
    x = Input((9, 11, 3), name="picture")
    late = Conv2D(4, 1, name="late")(x)
    second = Conv2D(4, 3, padding="same", name="second")(x)
    first = Conv2D(4, 5, padding="same", name="first")(Conv2D(2, 1, name="deep")(x))
    y = Conv2D(4, 3, padding="same", name="after")(Add()([first, second]))
    return Model(x, Dense(5)(Flatten()(Concatenate()([y, late]))), seed=4)


def stacked() -> Sequential:
    return Sequential(
        [
            Conv2D(4, 3, input_shape=(9, 11, 3)),
            Conv2D(5, 2, strides=2),
            MaxPooling2D(2),
            Flatten(),
            Dense(6),
        ],
        seed=2,
    )


def same(network: Any, path: Path) -> None:
    theirs = keras.saving.load_model(path)
    x = np.random.default_rng(1).normal(size=(3, 9, 11, 3)).astype(np.float32)
    np.testing.assert_allclose(
        network.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("make", [branching, turned, stacked])
def test_keras_opens_what_is_saved(make: Any, tmp_path: Path) -> None:
    network = make()
    for layer in network.layers:  # no weight as it was drawn: biases are 0 then
        layer.set_weights([w + np.float32(0.3) for w in layer.get_weights()])
    path = tmp_path / "net.keras"
    network.save(path)
    same(network, path)
    again = {layer.name: layer for layer in cs.open(path).layers}
    for layer in network.layers:
        for mine, read in zip(layer.get_weights(), again[layer.name].get_weights(), strict=True):
            np.testing.assert_array_equal(mine, read)


@pytest.mark.parametrize("make", [branching, turned, stacked])
def test_weights_go_there_and_back(make: Any, tmp_path: Path) -> None:
    network, other = make(), make()
    for layer in other.layers:
        layer.set_weights([w * 0 for w in layer.get_weights()])
    network.save_weights(tmp_path / "net.weights.h5")
    other.load_weights(tmp_path / "net.weights.h5")
    for mine, read in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, read)
    network.save(tmp_path / "net.keras")
    theirs = keras.saving.load_model(tmp_path / "net.keras")
    theirs.load_weights(tmp_path / "net.weights.h5")
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    other.load_weights(tmp_path / "theirs.weights.h5")
    same(other, tmp_path / "net.keras")


@in_turn("sample", samples())
def test_every_kind(sample: Sample, tmp_path: Path) -> None:
    if reason := not_comparable(sample):
        pytest.skip(reason)
    wires = [Input(shape, name=f"in{n}") for n, shape in enumerate(sample.shapes)]
    layer = type(sample.layer)(**sample.layer.settings())
    network = Model(wires, layer(wires if len(wires) > 1 else wires[0]))
    if type(layer).__name__ in (*OWN, *INNER, "TimeDistributed", "SpectralNormalization"):
        with pytest.raises(UnsupportedError, match=layer.kind):
            network.save(tmp_path / "net.keras", overwrite=True)
        return
    network.save(tmp_path / "net.keras", overwrite=True)
    theirs = keras.saving.load_model(tmp_path / "net.keras")
    rng = np.random.default_rng(2)
    given = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in sample.shapes]
    x: Any = given if len(given) > 1 else given[0]
    np.testing.assert_allclose(
        network.predict(x), np.asarray(theirs.predict(x, verbose=0)), rtol=1e-4, atol=1e-5
    )


def test_what_does_not_fit_is_said_and_changes_nothing(tmp_path: Path) -> None:
    network = stacked()
    network.save_weights(tmp_path / "net.weights.h5")
    other = Sequential([Conv2D(4, 3, input_shape=(9, 11, 3)), Conv2D(6, 2)])
    before = other.get_weights()
    with pytest.raises(
        WeightsError, match=r"kernel of conv2d_1 .* \(2, 2, 4, 5\), not \(2, 2, 4, 6\)"
    ):
        other.load_weights(tmp_path / "net.weights.h5")
    for mine, read in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, read)
    with pytest.raises(OutputError, match="overwrite=True"):
        network.save_weights(tmp_path / "net.weights.h5", overwrite=False)
    with pytest.raises(OutputError, match=r"net\.keras"):
        network.save(tmp_path / "net.onnx")

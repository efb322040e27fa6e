"""How many parameters Keras files hold: what Keras itself counts, in every kind of file and live."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import convscope

L = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore::convscope.errors.SourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Keras with numpy 2
]


def stack(*layers: Any, shape: tuple[int, ...]) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


def attention(layer: Any) -> Any:
    x = keras.Input((5, 8))
    return keras.Model(x, layer(x, x))


def with_adapters() -> Any:
    rng = np.random.default_rng(0)
    model = stack(L.Conv2D(4, (3, 2), name="conv"), L.Flatten(), L.Dense(3), shape=(5, 6, 2))
    model.layers[0].enable_lora(2)
    model.layers[2].enable_lora(3)
    for variable in model.weights:  # as if it had been trained: B is no longer 0
        variable.assign(rng.normal(size=variable.shape))
    return model


def rounded() -> Any:
    model = stack(L.Dense(7), L.Dense(3), shape=(25,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.quantize("int8")
    return model


MODELS: dict[str, Callable[[], Any]] = {
    "Bidirectional": lambda: stack(L.Bidirectional(L.LSTM(3)), shape=(5, 4)),
    "SpectralNormalization": lambda: stack(
        L.SpectralNormalization(L.Conv2D(3, 2)), shape=(5, 6, 4)
    ),
    "TimeDistributed": lambda: stack(L.TimeDistributed(L.Conv2D(3, 2)), shape=(4, 5, 6, 7)),
    "MultiHeadAttention": lambda: attention(L.MultiHeadAttention(2, 3)),
    "GroupQueryAttention": lambda: attention(L.GroupQueryAttention(3, 4, 2)),
    "LSTMs": lambda: stack(L.LSTM(3, return_sequences=True), L.LSTM(3), shape=(5, 3)),
    "lora": with_adapters,
    "int8": rounded,
    "float16": lambda: stack(L.Conv2D(3, 2, dtype="float16"), L.Conv2D(5, 2), shape=(5, 6, 4)),
    "float64": lambda: stack(L.Conv2D(3, 2, dtype="float64"), L.Flatten(), shape=(5, 6, 4)),
}


def saved(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def held(model: Any) -> int:
    """Return how many bytes Keras's own variables take."""
    sizes = {"float16": 2, "float32": 4, "float64": 8, "int8": 1}
    return sum(int(np.prod(v.shape)) * sizes[str(v.dtype)] for v in model.weights)


@pytest.mark.parametrize("name", MODELS)
def test_they_are_what_keras_counts(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    for suffix in ("keras", "h5", ""):
        source = saved(model, tmp_path / f"model.{suffix}") if suffix else model
        totals = convscope.open(source).facts().totals
        assert totals.params == model.count_params(), suffix
        assert totals.trainable in (None, trained), suffix
        assert totals.bytes == held(model), suffix


@pytest.mark.parametrize("suffix", ["keras", "h5", ""])
def test_low_rank_adapters_are_part_of_the_kernel_that_is_read(suffix: str, tmp_path: Path) -> None:
    model = with_adapters()
    net = convscope.open(saved(model, tmp_path / f"model.{suffix}") if suffix else model)
    assert net.facts().totals.trainable == sum(
        int(np.prod(v.shape)) for v in model.trainable_weights
    )
    x = np.random.default_rng(1).normal(size=(1, 5, 6, 2)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-4, atol=1e-4)
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    np.testing.assert_allclose(net.layers[0].get_weights()[0], kernel, rtol=1e-5, atol=1e-6)


def test_an_lstm_behind_another_of_the_same_shapes_keeps_its_own(tmp_path: Path) -> None:
    model = MODELS["LSTMs"]()
    for suffix in ("keras", "h5"):
        net = convscope.open(saved(model, tmp_path / f"model.{suffix}"))
        rows = net.facts().rows
        assert [row.params for row in rows] == [layer.count_params() for layer in model.layers]

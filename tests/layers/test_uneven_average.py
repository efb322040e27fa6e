"""Average pooling where `same` padding is uneven: what Keras on PyTorch does instead, and where that is said.

The expected numbers are added up here by hand: over the map alone, and over the map with its edge repeated.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from convscope import AveragePooling1D, AveragePooling2D, Input, MaxPooling2D, Model, open

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras with numpy 2

SIZE, WINDOW = 7, 4  # 1 before and 2 after
X = np.random.default_rng(6).normal(size=(SIZE, 3)).astype(np.float32)


def windows(inside: bool) -> np.ndarray[Any, Any]:
    """Return the mean of every window: over what lies inside the map, or with the edge repeated."""
    found = []
    for start in range(-1, SIZE - 1):
        places = np.arange(start, start + WINDOW)
        kept = places[(places >= 0) & (places < SIZE)] if inside else np.clip(places, 0, SIZE - 1)
        found.append(X[kept].astype(np.float64).mean(axis=0))
    return np.array(found)


def test_ours_is_over_the_map_and_keras_on_pytorch_repeats_the_edge() -> None:
    x = Input((SIZE, 3))
    ours = Model(x, AveragePooling1D(WINDOW, 1, "same")(x)).run(X).output
    np.testing.assert_allclose(ours, windows(inside=True), atol=1e-6)
    layer = keras.layers.AveragePooling1D(WINDOW, 1, "same")
    theirs = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(X[np.newaxis])))[0]
    np.testing.assert_allclose(theirs, windows(inside=False), atol=1e-6)
    assert np.abs(ours - theirs).max() > 0.05
    np.testing.assert_allclose(ours[1:-2], theirs[1:-2], atol=1e-6)  # away from the border


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (AveragePooling2D((4, 3), 1, "same"), "1 before and 2 after its rows."),
        (AveragePooling2D((4, 2), 1, "same"), "1 before and 2 after its rows and 0 before and 1 after its columns."),
        (AveragePooling2D((3, 5), 1, "same"), None),
        (AveragePooling2D((4, 4)), None),
        (MaxPooling2D((4, 4), 1, "same"), None),
    ],
)  # fmt: skip
def test_it_is_said_where_the_padding_is_uneven_and_nowhere_else(
    layer: Any, said: str | None
) -> None:
    x = Input((9, 11, 3))
    explained = Model(x, layer(x)).explain(0)
    text = " ".join(str(explained).split())
    assert ("a fault of its PyTorch backend" in text) == (said is not None)
    if said is None:
        assert "differs" not in explained.to_dict()
    else:
        assert f"the padding is uneven, {said}" in text
        assert said in explained.to_dict()["differs"]


def test_a_live_model_says_it_too() -> None:
    model = keras.Sequential([keras.Input((8, 9, 2)), keras.layers.AveragePooling2D(2, 1, "same")])
    assert "Keras on PyTorch" in str(open(model).explain(0))

"""The demo: a two-layer network trained on real handwritten digits, and a few of the digits.

ATTRIBUTION.md beside this file says where the digits come from; training/digits.py in the repository
trained the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.building import Sequential
from convscope.layers.convolution import Conv2D
from convscope.layers.dense import Dense
from convscope.layers.flatten import Flatten
from convscope.layers.pooling import MaxPooling2D
from convscope.network import Network

if TYPE_CHECKING:
    from convscope.layers.base import Layer

_HERE = Path(__file__).parent


def layers(**kernels: Any) -> list[Layer]:
    """Return the layers of the digits network; `kernels` are settings of those that have one."""
    return [
        Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1), **kernels),
        Conv2D(64, 3, activation="relu", **kernels),
        MaxPooling2D(2),
        Flatten(),
        Dense(10, activation="softmax", **kernels),
    ]


def network() -> Network:
    """Return the digits network: 28×28 grey pixels in, ten probabilities out, trained weights.

    >>> network().count_params()
    110986
    """
    import numpy as np

    model = Sequential(layers(), name="digits")
    with np.load(_HERE / "digits.npz", allow_pickle=False) as stored:
        for layer in model.layers:
            names = [f"{layer.name}/{weight}" for weight in layer.weight_shapes or ()]
            if names:
                layer.set_weights([stored[name] for name in names])
    model.samples, model.labels = digits(), list("0123456789")
    model.untrained = _untrained
    model.lessons = ["padding"]
    return model


def digits() -> dict[str, Path]:
    """Return the shipped digits: name to PNG file."""
    return {path.stem: path for path in sorted(_HERE.glob("*.png"))}


def _untrained() -> Any:
    """Return the network before it learned, ready to learn, and its digits."""
    from convscope.demo.training import examples, network

    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, examples()

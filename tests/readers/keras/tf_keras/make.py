"""Writes the files of this folder: networks as the Keras of TensorFlow 2.12, 2.13 and 2.15 saves them.

    python -m venv tf && tf/bin/pip install tensorflow-cpu==2.15.1 && tf/bin/python make.py 2.15

Beside each network an .npz has an input, TensorFlow's output for it, and how many parameters it counts.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf  # not among the tests' dependencies: 1.3 GB
from tensorflow import keras

HERE = Path(__file__).parent
K = keras.layers


def plain() -> Any:
    return keras.Sequential(
        [
            K.Conv2D(5, (3, 2), activation="relu", input_shape=(9, 11, 2)),
            K.BatchNormalization(),
            K.DepthwiseConv2D(3, padding="same"),
            K.ReLU(6.0),
            K.MaxPooling2D(2),
            K.Flatten(),
            K.Dense(4, activation="softmax"),
        ],
        name="plain",
    )


def branches() -> Any:
    inner = keras.Sequential(
        [
            K.Conv2D(6, 3, padding="same", input_shape=(9, 11, 4)),
            K.BatchNormalization(),
            K.Activation("swish"),
        ],
        name="inner",
    )
    shared = K.Conv2D(4, 1, name="shared")
    image = keras.Input((9, 11, 3))
    first = K.Conv2D(4, 3, padding="same", name="first")(image)
    once = shared(first)
    twice = inner(shared(once))
    y = K.Add()([twice, K.SeparableConv2D(6, 3, padding="same")(once)])
    y = tf.nn.relu(K.Concatenate()([y, first]) * 2.0)
    return keras.Model(image, K.Dense(3)(K.GlobalAveragePooling2D()(y)), name="branches")


def outer() -> Any:
    image = keras.Input((9, 11, 3))
    return keras.Model(image, K.Dense(2, name="last")(branches()(image)), name="outer")


def main(version: str) -> None:
    keras.utils.set_random_seed(3)
    for make in (plain, outer):
        model = make()
        for weight in model.weights:
            draw = np.random.default_rng(len(weight.name)).normal(size=weight.shape)
            if "moving_variance" in weight.name:
                weight.assign(np.abs(draw) + 0.5)
            elif "moving_mean" in weight.name or "bias" in weight.name:
                weight.assign(draw)
        x = np.random.default_rng(5).normal(size=(2, *model.input_shape[1:])).astype("f4")
        model.save(HERE / f"{model.name}_{version}.h5")
        archive = "keras_v3" if version == "2.12" else "keras"  # 2.12's "keras" still was HDF5
        model.save(HERE / f"{model.name}_{version}.keras", save_format=archive)
        y = model.predict(x, verbose=0)
        np.savez(HERE / f"{model.name}_{version}.npz", x=x, y=y, params=model.count_params())


if __name__ == "__main__":
    main(sys.argv[1])

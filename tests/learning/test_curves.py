"""The same start, the same data: the curve of the loss is Keras's, on PyTorch, step by step."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import convscope as cs
from convscope import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Sequential,
)

STEPS = 50
SIDE = (7, 9, 2)
rng = np.random.default_rng(11)
X = rng.normal(size=(STEPS * 6, *SIDE)).astype(np.float32)
RULE = rng.normal(size=(126, 5))
CLASSES = (X.reshape(len(X), -1) @ RULE).argmax(axis=1)
SHOWN = np.eye(5, dtype=np.float32)[CLASSES]


def small(*end: Any) -> Sequential:
    """Return a small network with its weights drawn anew; `end` are its last layers."""
    return Sequential(
        [
            Conv2D(4, 3, activation="relu", input_shape=SIDE),
            MaxPooling2D(2),
            Flatten(),
            *(end or (Dense(5, activation="softmax"),)),
        ],
        seed=3,
    )


def curves(
    ours: Sequential,
    y: Any,
    optimizer: str,
    settings: dict[str, Any],
    loss: str,
    logits: bool = False,
) -> tuple[Any, Any, Any]:
    """Return the losses of the steps, ours and Keras's, and Keras's model."""
    theirs = ours.to_keras()
    kinds = {"sgd": "SGD", "adam": "Adam", "rmsprop": "RMSprop"}
    name = {
        "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
        "categorical_crossentropy": "CategoricalCrossentropy",
        "binary_crossentropy": "BinaryCrossentropy",
    }.get(loss)
    mine: Any = loss if name is None or not logits else getattr(cs.losses, name)(from_logits=True)
    his: Any = loss if name is None or not logits else getattr(keras.losses, name)(from_logits=True)
    ours.compile(getattr(cs.optimizers, kinds[optimizer])(**settings), mine)
    theirs.compile(getattr(keras.optimizers, kinds[optimizer])(**settings), his)
    found, wanted = [], []
    for step in range(STEPS):
        rows = slice(step * 6, step * 6 + 6)
        found.append(ours.train_on_batch(X[rows], y[rows]))
        theirs.reset_metrics()
        wanted.append(theirs.train_on_batch(X[rows], y[rows]))
    return np.array(found), np.array([np.ravel(w)[0] for w in wanted], float), theirs


def weights_of(model: Any) -> list[Any]:
    return [w.value.detach().numpy() for layer in model.layers for w in layer.weights]


def same(found: Any, wanted: Any, room: float = 2e-5) -> None:
    np.testing.assert_allclose(found, wanted, rtol=room, atol=room)
    assert abs(found[-1] - found[0]) > 1e-3  # it learned something


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("sgd", {"learning_rate": 0.05}),
        ("sgd", {"learning_rate": 0.05, "momentum": 0.9}),
        ("sgd", {"learning_rate": 0.02, "momentum": 0.8, "nesterov": True}),
        ("adam", {}),
        ("adam", {"learning_rate": 0.003, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-5}),
        ("rmsprop", {}),
        ("rmsprop", {"momentum": 0.5, "centered": True, "rho": 0.8}),
    ],
)
def test_every_optimizer(optimizer: str, settings: dict[str, Any]) -> None:
    ours = small()
    found, wanted, theirs = curves(
        ours, CLASSES, optimizer, settings, "sparse_categorical_crossentropy"
    )
    same(found, wanted)
    for mine, his in zip(ours.get_weights(), weights_of(theirs), strict=True):
        np.testing.assert_allclose(mine, his, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("loss", "logits", "y"),
    [
        ("sparse_categorical_crossentropy", True, CLASSES),
        ("categorical_crossentropy", False, SHOWN),
        ("categorical_crossentropy", True, SHOWN),
        ("binary_crossentropy", False, SHOWN),
        ("binary_crossentropy", True, SHOWN),
        ("mse", False, SHOWN),
        ("mae", False, SHOWN),
    ],
)
def test_every_loss(loss: str, logits: bool, y: Any) -> None:
    end = None if logits else "sigmoid" if loss == "binary_crossentropy" else "softmax"
    found, wanted, _ = curves(
        small(Dense(5, activation=end)), y, "sgd", {"learning_rate": 0.05}, loss, logits
    )
    same(found, wanted)


def test_statistics_of_batches_and_their_moving_means() -> None:
    ours = Sequential(
        [
            Conv2D(4, 3, padding="same", strides=2, input_shape=SIDE),
            BatchNormalization(momentum=0.9),
            DepthwiseConv2D(2, activation="elu"),
            BatchNormalization(scale=False),
            AveragePooling2D(2, padding="same"),
            GlobalAveragePooling2D(),
            Dense(5, activation="softmax"),
        ],
        seed=5,
    )
    found, wanted, theirs = curves(
        ours, CLASSES, "adam", {"learning_rate": 0.01}, "sparse_categorical_crossentropy"
    )
    same(found, wanted, 2e-3)  # Keras takes the variance as E[x²] − E[x]², which rounds more
    for mine, his in zip(ours.get_weights(), weights_of(theirs), strict=True):
        np.testing.assert_allclose(mine, his, rtol=2e-2, atol=5e-3)


def test_regularizers_constraints_and_what_is_not_trained() -> None:
    ours = Sequential(
        [
            Conv2D(4, 3, activation="relu", input_shape=SIDE, kernel_regularizer="l1",
                   kernel_constraint=cs.constraints.MaxNorm(0.5, [0, 1, 2])),
            BatchNormalization(trainable=False),
            Flatten(),
            Dense(7, kernel_regularizer=cs.regularizers.L1L2(0.001, 0.02), bias_regularizer="l2"),
            Dense(6, trainable=False, activation="tanh"),
            Dense(5, activation="softmax", kernel_constraint="non_neg"),
        ],
        seed=5,
    )  # fmt: skip
    frozen = ours.layers[4].get_weights()
    found, wanted, theirs = curves(
        ours, CLASSES, "sgd", {"learning_rate": 0.05}, "sparse_categorical_crossentropy"
    )
    same(found, wanted, 1e-4)
    for mine, his in zip(ours.get_weights(), weights_of(theirs), strict=True):
        np.testing.assert_allclose(mine, his, rtol=1e-3, atol=1e-3)
    for before, after in zip(frozen, ours.layers[4].get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
def test_fit_and_evaluate_report_what_keras_reports() -> None:
    ours = small()
    theirs = ours.to_keras()
    asked = ["accuracy", "sparse_top_k_categorical_accuracy"]
    ours.compile("adam", "sparse_categorical_crossentropy", metrics=asked)
    theirs.compile("adam", "sparse_categorical_crossentropy", metrics=asked)
    how: dict[str, Any] = {
        "batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0, "validation_split": 0.2,
        "class_weight": {0: 1.0, 1: 3.0, 2: 0.5, 3: 1.0, 4: 2.0},
    }  # fmt: skip
    mine, his = ours.fit(X, CLASSES, **how), theirs.fit(X, CLASSES, **how)
    assert set(mine.history) == set(his.history)
    for name, values in his.history.items():
        np.testing.assert_allclose(mine.history[name], values, rtol=1e-4, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(
        ours.evaluate(X, CLASSES, verbose=0), theirs.evaluate(X, CLASSES, verbose=0), rtol=1e-4
    )
    np.testing.assert_allclose(ours.predict(X[:9]), theirs.predict(X[:9], verbose=0), atol=1e-4)
    # a list begins with the loss, as Keras's does
    theirs.reset_metrics()
    np.testing.assert_allclose(
        ours.train_on_batch(X[:9], CLASSES[:9]),
        theirs.train_on_batch(X[:9], CLASSES[:9]),
        rtol=1e-4,
    )

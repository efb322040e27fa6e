"""What is said of a number that float32 can hardly hold, or not at all: proved, wrong, or not to be judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_models
import pytest
from onnx import helper

import convscope
from convscope import (
    AveragePooling2D,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Sequential,
    UpSampling2D,
)
from convscope.explain.trace import Trace

Array = np.ndarray[Any, Any]
node = helper.make_node


def judged(layer: Any, image: Array, where: tuple[int, ...], weights: Any = None) -> Trace:
    model = Sequential([layer])
    model.build((None, *image.shape))
    if weights is not None:
        layer.set_weights(weights)
    return model.run(image.astype(np.float32)).trace(layer.name, where).facts


def test_a_mean_of_the_smallest_numbers() -> None:
    image = np.zeros((5, 7, 2), np.float32)
    image[3, 2, 1] = 2.0**-149  # a thirty-fifth of it is no float32
    found = judged(GlobalAveragePooling2D(), image, (1,))
    assert found.value == 2.0**-149 / 35 and found.engine_value in (0.0, 2.0**-149)
    assert found.agrees


@pytest.mark.parametrize("size", [1e-20, 1e-30, 1e-38, 3e-42])
def test_products_below_the_smallest_float32(size: float) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(3, 2, 4, 5)) * 1e-22
    image = rng.normal(size=(6, 7, 4)) * size
    weights = [kernel, rng.normal(size=5) * size]
    for where in ((0, 0, 0), (3, 5, 4), (2, 1, 3)):
        found = judged(Conv2D(5, (3, 2)), image, where, weights)
        assert found.agrees
        assert found.ledger.rounding < 1e-5 * size + 1e-35


def test_a_wrong_number_among_small_ones_is_still_wrong() -> None:
    from dataclasses import replace

    found = judged(AveragePooling2D(2), np.full((4, 4, 2), 1e-36), (1, 1, 1))
    assert found.agrees
    assert replace(found, engine_value=1.01e-36).agrees is False


def test_a_sum_beyond_the_largest_float32_is_not_judged() -> None:
    found = judged(Dense(3), np.full(4, 1e20), (2,), [np.full((4, 3), 1.6e18), np.zeros(3)])
    assert found.value == pytest.approx(6.4e38) and found.engine_value == np.inf
    assert found.agrees is None and found.to_dict()["agrees"] is None
    assert "This cannot be judged" in str(found.document().parts[-1])
    assert "3.4·10³⁸" in str(found.document().parts[-1])
    # on the way only: the terms cancel, but what is added up first need not
    kernel = np.array([[3e38], [3e38], [-3e38], [-3e38]])
    found = judged(Dense(1), np.ones(4), (0,), [kernel, np.zeros(1)])
    assert found.value == 0.0 and (found.agrees is None or found.engine_value == 0.0)


@pytest.mark.parametrize("layer", [MaxPooling2D(2), UpSampling2D(2, interpolation="bilinear")])
def test_a_nan_in_a_maximum_or_an_infinity_beside_an_enlarged_map(layer: Any) -> None:
    image = np.random.default_rng(2).normal(size=(4, 6, 3))
    image[1, 2, 1] = np.nan if isinstance(layer, MaxPooling2D) else np.inf
    model = Sequential([layer])
    model.build((None, 4, 6, 3))
    run = model.run(image.astype(np.float32))
    for place in np.ndindex(*run.output.shape):
        found = run.trace(layer.name, place).facts
        assert found.agrees is not False, (place, found.value, found.engine_value)


def test_two_nans_are_no_proof() -> None:
    found = judged(Dense(3), np.array([1.0, np.nan]), (2,), [np.ones((2, 3)), np.zeros(3)])
    assert found.agrees
    text = str(found.document().parts[-1])
    assert "Both are NaN" in text and "proves little" in text and "good" not in text


def test_an_infinity_that_the_engine_makes_of_ordinary_numbers_is_wrong() -> None:
    from dataclasses import replace

    found = judged(Dense(3), np.ones(2), (2,), [np.ones((2, 3)), np.zeros(3)])
    assert found.agrees
    assert replace(found, engine_value=np.inf).agrees is False
    assert replace(found, engine_value=np.nan).agrees is False


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceL2", "Softmax", "ReduceSumSquare"])
def test_operators_on_numbers_of_every_size(op: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(3, 5, 7)) * 10.0 ** rng.integers(-44, 38, (3, 5, 7))).astype(np.float32)
    model = onnx_models.model([node(op, ["x"], ["y"], "op")], {"x": [1, 3, 5, 7]}, ["y"], opset=13)
    run = convscope.open(model).run(x)
    shape = run["op"].shape
    for _ in range(10):
        place = tuple(int(rng.integers(size)) for size in shape)
        assert run.trace("op", place).facts.agrees is not False

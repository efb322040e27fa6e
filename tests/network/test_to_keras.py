"""The way back: a network of ours as a live Keras model computes the same."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
from campaigns import in_turn
from given import samples

from convscope import Conv2D, Sequential
from convscope.demo import digits, network
from convscope.errors import NotBuiltError, UnsupportedError
from convscope.layers import Sample
from convscope.layers.input_layer import InputLayer

pytest.importorskip("keras")

# Keras's torch backend sets weights from numpy in a way that numpy 2 remarks on
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NOT_IN_KERAS = {"Arithmetic", "Operation", "CustomScaleLayer", "LayerScale"}
"""Kinds of operations and of keras.applications, which keras.layers does not have."""


def one_input(sample: Sample) -> bool:
    kind = type(sample.layer)
    return len(sample.shapes) == 1 and kind.inputs_taken == (1, 1) and kind is not InputLayer


@in_turn(
    "sample",
    samples(lambda sample: one_input(sample) and sample.layer.kind not in NOT_IN_KERAS),
)
def test_every_kind_goes_back_to_keras_with_its_weights(sample: Sample) -> None:
    layer = copy.deepcopy(sample.layer)
    model = Sequential([InputLayer(shape=sample.shapes[0]), layer])
    rng = np.random.default_rng(3)
    # a scalar is a count, of the images that a Normalization has seen
    drawn = [rng.uniform(0.5, 1.5, w.shape) if w.shape else 3 for w in model.get_weights()]
    model.set_weights([np.asarray(w) for w in drawn])
    theirs = model.to_keras()
    assert [tuple(w.shape) for w in theirs.get_weights()] == [w.shape for w in model.get_weights()]
    for ours, other in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, other)
    assert theirs.layers[0].name == layer.name


def test_the_digits_network_predicts_the_same_in_keras() -> None:
    net = network()
    run = net.run(digits()["two"])
    theirs = net.to_keras()  # type: ignore[attr-defined]
    found = np.asarray(theirs(run["input"][None]).detach().cpu())[0]
    np.testing.assert_allclose(found, run.output, atol=1e-6)
    assert theirs.count_params() == net.count_params()


def test_without_keras_or_a_shape_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotBuiltError, match="no input shape"):
        Sequential([Conv2D(3, 3)]).to_keras()
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(UnsupportedError, match="pip install keras torch"):
        Sequential([Conv2D(3, 3, input_shape=(5, 6, 1))]).to_keras()


def test_a_backend_that_is_not_there_is_said_with_one_that_is() -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from convscope import Sequential, Conv2D\n"
        "Sequential([Conv2D(3, 3, input_shape=(5, 6, 1))]).to_keras()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    said = done.stderr.splitlines()[-1]
    assert "UnsupportedError" in said and "set KERAS_BACKEND=torch" in said

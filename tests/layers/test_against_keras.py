"""Every sample of every kind against Keras: shapes, weights' shapes and order, counts and numbers.

The expected values come from Keras itself, run on its torch backend.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import pytest
import torch
from campaigns import in_turn
from given import case, samples

from convscope.layers import kinds, spellings
from convscope.layers.activations import Activation
from convscope.layers.base import Layer, Sample
from convscope.layers.operation import Operation
from convscope.model.facts import facts_of

NOT_IN_KERAS: dict[str, str] = {
    "Operation": "it is one of keras.ops, and not a layer",
    "Arithmetic": "what a config says of `x + 3` is an operation and not a layer",
}
"""Kinds that Keras does not have, with the reason why we do."""

K = kinds()
OF_SINGLE_NETWORKS = {
    "LayerScale": keras.src.applications.convnext.LayerScale,
    "CustomScaleLayer": keras.src.applications.inception_resnet_v2.CustomScaleLayer,
}
"""Classes that single networks of keras.applications bring along."""


class Spoken:
    """An operation of keras.ops, dressed as a layer of Keras for these tests."""

    weights: tuple[Any, ...] = ()
    non_trainable_weights: tuple[Any, ...] = ()

    def __init__(self, operation: str, options: Any, given: Any, output: int, **_: Any) -> None:
        options = dict(options)
        self.later = {k: options.pop(k) for k in ("constant_values",) if k in options}
        self.given, self.output = given, output
        rooms = (
            keras.src.ops.numpy,
            keras.src.ops.nn,
            keras.src.ops.math,
            keras.src.ops.core,
            keras.src.ops.linalg,
        )
        kind = next(getattr(room, operation) for room in rooms if hasattr(room, operation))
        self.operation, self.listed = kind(**options), operation == "Stack"

    def build(self, *shapes: Any) -> None:
        """Nothing is to be built."""

    def set_weights(self, weights: list[Any]) -> None:
        assert weights == []

    def count_params(self) -> int:
        return 0

    def call(self) -> None:
        """What has a signature without training."""

    def __call__(self, *inputs: Any) -> Any:
        tensors = list(inputs[0]) if isinstance(inputs[0], list) else list(inputs)
        if self.listed:
            return self.operation.call(tensors)
        feeds, dtype = iter(tensors), tensors[0].dtype
        given = [
            next(feeds) if isinstance(one, str) else one
            for one in self.given or ["in"] * len(tensors)
        ]
        given = [torch.tensor(one, dtype=dtype) if isinstance(one, list) and any(isinstance(v, float) for v in one)
                 else one for one in given]  # fmt: skip
        found = self.operation.call(*given, **self.later)
        found = found[self.output] if isinstance(found, (list, tuple)) else found
        return found.to(dtype)


def kerass(name: str, layer: Layer | None = None) -> Any:
    if isinstance(layer, Operation):
        return Spoken
    return OF_SINGLE_NETWORKS.get(name) or getattr(keras.layers, name)


IN_KERAS = [name for name in kinds() if name not in NOT_IN_KERAS]


def keras_settings(layer: Layer, **common: Any) -> dict[str, Any]:
    settings = {}
    for name, value in layer.settings().items():
        if isinstance(value, Layer):  # one inside another
            value = kerass(value.kind)(**keras_settings(value), **common)
        settings[name] = value.name if isinstance(value, Activation) else value
    return settings


def build(layer: Layer) -> Any:
    return kerass(layer.kind, layer)(**keras_settings(layer))


def not_comparable(sample: Sample) -> str | None:
    """Return why Keras cannot give the expected numbers of a sample; None where it can."""
    layer = sample.layer
    found = layer.settings()
    if layer.kind in NOT_IN_KERAS and not isinstance(layer, Operation):
        return NOT_IN_KERAS[layer.kind]
    if layer.kind == "InputLayer":
        return "Keras's InputLayer cannot be called; it only carries a shape"
    if layer.kind.startswith("AveragePooling") and found["padding"] == "same":
        fits = layer.equation(*sample.shapes).fits.values()
        if any(fit.before != fit.after for fit in fits):
            return (
                "where `same` padding is uneven, Keras's torch backend repeats the edge; TensorFlow's "
                "leaves the padding out, as we do (test_against_torch has these)"
            )
    if layer.kind == "Activation" and found["activation"].name == "sparsemax":
        return (
            "Keras up to 3.15 sums the wrong numbers (keras-team/keras#23425, mended in #23469); "
            "test_activations compares with the paper's algorithm"
        )
    if str(found.get("interpolation")).startswith("lanczos"):
        return "Keras on PyTorch has no Lanczos (test_lanczos compares with Pillow)"
    if layer.kind == "LayerNormalization" and found["axis"] == 1:
        return (
            "Keras's torch backend takes any run of axes for the last ones and fails "
            "(test_against_torch has this)"
        )
    return None


@in_turn("sample", samples())
def test_numbers_and_shapes(sample: Sample) -> None:
    if reason := not_comparable(sample):
        pytest.skip(reason)
    ours = case(sample)
    theirs = build(sample.layer)
    batches = [keras.ops.convert_to_tensor(x[np.newaxis]) for x in ours.inputs]
    build_for(theirs, sample.layer, batches)

    # `weights` is what get_weights lists; its own conversion to numpy warns with numpy 2 and torch
    assert [tuple(w.shape) for w in theirs.weights] == [w.shape for w in ours.weights.values()]
    assert theirs.count_params() == facts_of(ours.layer, sample.shapes).params
    fixed = {w.name for w in theirs.non_trainable_weights if "seed" not in w.name}
    assert fixed == set(ours.layer.non_trainable) & set(ours.weights)

    theirs.set_weights(list(ours.weights.values()))
    output = called(theirs, sample.layer, batches).detach().numpy()
    assert output.shape[1:] == ours.equation.shape
    for position in ours.positions():
        expected = output[(0, *position)]
        assert ours.at(position) == pytest.approx(expected, rel=1e-4, abs=2e-5), position


ONE_BY_ONE = ("MultiHeadAttention", "GroupQueryAttention")
"""Kinds that Keras calls with several inputs, and not with a list of them."""


def arranged(layer: Layer, items: list[Any]) -> list[Any]:
    """Return what Keras's layer of a kind is called with, or built for, one argument after another."""
    if layer.kind in ONE_BY_ONE:
        return items
    return [items] if len(items) > 1 or layer.inputs_taken[1] is None else items


def build_for(theirs: Any, layer: Layer, batches: list[Any]) -> None:
    theirs.build(*arranged(layer, [b.shape for b in batches]))


def called(theirs: Any, layer: Layer, batches: list[Any]) -> Any:
    return theirs(*arranged(layer, batches), **({"training": False} if trains(theirs) else {}))


def trains(layer: Any) -> bool:
    return "training" in inspect.signature(layer.call).parameters


def test_every_kind_is_in_keras_or_has_a_reason() -> None:
    missing = {n for n in kinds() if not hasattr(keras.layers, n) and n not in OF_SINGLE_NETWORKS}
    assert missing == set(NOT_IN_KERAS)


ONLY_HERE = {("LayerNormalization", "rms_scaling")}
"""Settings that Keras takes without naming them in its signature."""


@pytest.mark.parametrize("name", IN_KERAS)
def test_settings_have_kerass_names_and_order(name: str) -> None:
    parameters = inspect.signature(kerass(name).__init__).parameters
    common = {"self", "name", "dtype", "trainable", "kwargs"} - set(kinds()[name].parameters())
    theirs = [p for p in parameters if p not in common]
    ours = [p for p in kinds()[name].parameters() if (name, p) not in ONLY_HERE]
    assert ours == theirs


@pytest.mark.parametrize("name", IN_KERAS)
def test_defaults_are_kerass(name: str) -> None:
    """A layer with nothing but its required settings ends up with the settings that Keras has."""
    parameters = inspect.signature(kerass(name).__init__).parameters
    required = [
        p for p in parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    given = {p.name: REQUIRED[p.name] for p in required if p.name != "self"}
    if name == "InputLayer":
        given = {"shape": (5, 7)}
    held = {n: build(v) if isinstance(v, Layer) else v for n, v in given.items()}
    theirs = kerass(name)(**held).get_config()
    for setting, value in keras_settings(kinds()[name](**given)).items():
        if setting in theirs and not setting.endswith("_initializer") and setting != "layer":
            expected = theirs[setting]
            assert _plain(value) == _plain(expected), setting


REQUIRED = {
    "filters": 4,
    "pool_size": 2,
    "kernel_size": 3,
    "units": 5,
    "rate": 0.5,
    "stddev": 0.5,
    "activation": "relu",
    "dims": (2, 1),
    "n": 3,
    "scale": 2.0,
    "init_values": 0.5,
    "projection_dim": 4,
    "target_shape": (3, 4),
    "height": 5,
    "width": 6,
    "equation": "abc,cd->abd",
    "output_shape": (None, 4),
    "axes": 1,
    "input_dim": 9,
    "output_dim": 4,
    "num_heads": 2,
    "key_dim": 3,
    "head_dim": 3,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    "output_size": 2,
    "layer": K["Conv2D"](filters=4, kernel_size=3),
}
"""A value for each setting that has no default in Keras 3 (pool_size has one in Keras 2, and here)."""


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def test_spellings_are_kerass() -> None:
    """Every other name that Keras exports for a kind is one of ours, and the other way round."""
    theirs = {
        other
        for other, value in vars(keras.layers).items()
        if isinstance(value, type) and value.__name__ in kinds() and other != value.__name__
    }
    ours = set(spellings()) - set(kinds())
    assert ours == theirs

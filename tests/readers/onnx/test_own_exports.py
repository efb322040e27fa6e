"""ONNX files that convscope wrote, opened again: the same parameters, trained and not, and the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import convscope
from convscope import (
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    GroupNormalization,
    Normalization,
    SeparableConv2D,
    Sequential,
    SpectralNormalization,
)
from convscope.engine.notes import FIXED, TRAINED, UNREAD


def network() -> Any:
    """Moving averages, a layer that is not trained, a count and a vector that nothing reads, a shared layer's like."""
    model = Sequential(
        [
            Normalization(input_shape=(9, 8, 3)),
            Conv2D(4, 3, name="frozen", trainable=False),
            BatchNormalization(),
            SpectralNormalization(Conv2D(6, 2, activation="relu")),
            GroupNormalization(3),
            BatchNormalization(renorm=True, scale=False),
            GlobalAveragePooling2D(),
            Dense(5, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(4)
    model.set_weights([np.asarray(rng.uniform(0.5, 1.5, w.shape)) for w in model.get_weights()])
    return model


def test_parameters_and_numbers_come_back(tmp_path: Path) -> None:
    model = network()
    model.export(tmp_path / "own.onnx")
    again = convscope.open(tmp_path / "own.onnx")
    ours, found = model.facts().totals, again.facts().totals
    assert (found.params, found.trainable) == (ours.params, ours.trainable)
    assert found.macs == ours.macs and not any(r.opaque for r in again.facts().rows)
    image = np.random.default_rng(1).normal(size=(9, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(again.run(image).output, model.run(image).output, rtol=1e-6)
    kept = {
        name: w for name, w in again.get_layer("normalization").weights.items() if name == "count"
    }
    assert kept["count"] == model.layers[0].weights["count"]


def test_a_file_without_our_notes_does_not_say_what_is_trained(tmp_path: Path) -> None:
    model = Sequential([Flatten(input_shape=(3, 4)), Dense(5)])
    model.export(tmp_path / "own.onnx")
    proto = onnx.load(tmp_path / "own.onnx")
    assert convscope.open(proto).facts().totals.trainable == 65
    proto.producer_name = "somebody"
    assert convscope.open(proto).facts().totals.trainable is None


@pytest.mark.parametrize(
    "said",
    ["", "{", "[" * 5000, "[1, 2]", "{}", '{"dense": 3}', '{"dense": {"x": 5}}', '{"dense": {"kernel": "none"}}'],
)  # fmt: skip
def test_notes_that_make_no_sense_are_passed_over(said: str, tmp_path: Path) -> None:
    model = Sequential([Flatten(input_shape=(3, 4)), Dense(5)])
    model.export(tmp_path / "own.onnx")
    for key in (FIXED, TRAINED, UNREAD):
        proto = onnx.load(tmp_path / "own.onnx")
        for prop in proto.metadata_props:
            if prop.key == key:
                prop.value = said
        found = convscope.open(proto)
        assert found.run(np.ones((3, 4), np.float32)).output.shape == (5,)
        assert found.count_params() in (65, 0) and (key == TRAINED or found.count_params() == 65)


def test_folded_an_export_has_the_rows_that_it_had(tmp_path: Path) -> None:
    model = Sequential(
        [
            Conv2D(4, 3, activation="relu", padding="same", input_shape=(9, 8, 2)),
            SeparableConv2D(5, 2),
            Dense(6, activation="relu"),
            Flatten(),
            Dense(3, activation="softmax"),
        ]
    )
    model.export(tmp_path / "own.onnx")
    again = convscope.open(tmp_path / "own.onnx")
    held = again.graph.nodes["dense/Add_3"].layer.weight_shapes
    assert held is not None and list(held) == ["bias"]
    rows, before = again.facts(depth=1).rows, model.facts().rows
    assert [(r.name, r.params, r.macs, r.receptive_field) for r in rows] == [
        (r.name, r.params, r.macs, r.receptive_field) for r in before
    ]

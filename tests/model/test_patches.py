"""What one output sees of the image, exactly: measured with one row of NaN at a time, which reaches all that reads it,
also with weight 0."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx_models
import pytest
from onnx import helper

import convscope
from convscope import (
    AveragePooling2D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Sequential,
    UpSampling2D,
)

NETWORKS: dict[str, list[Any]] = {
    "enlarged": [UpSampling2D(2), Conv2D(2, 3, use_bias=False)],
    "enlarged and strided": [UpSampling2D(3), Conv2D(2, 3, strides=2, use_bias=False)],
    "transposed": [Conv2DTranspose(2, 3, strides=2, use_bias=False)],
    "transposed, same": [
        Conv2D(2, 3, use_bias=False),
        Conv2DTranspose(2, 4, strides=3, padding="same", use_bias=False),
        AveragePooling2D(2),
    ],
    "by lines": [UpSampling2D(3, interpolation="bilinear"), AveragePooling2D(2)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_patch_is_what_is_seen(name: str) -> None:
    model = Sequential(NETWORKS[name])
    model.build((None, 9, 8, 1))
    for layer in model.layers:
        layer.set_weights([np.abs(w) + 0.1 for w in layer.get_weights()])
    last = model.graph.outputs[0]
    field = model.graph.receptive_field(last)
    assert field is not None
    seen = []
    for row in range(9):
        image = np.zeros((9, 8, 1), np.float32)
        image[row] = np.nan
        seen.append(np.any(np.isnan(model.run(image).output), axis=(1, 2)).tolist())
    widest = 0
    for place in range(model.graph.shape(last)[0]):
        box = model.graph.patch(last, (place, 0, 0))[0]
        rows = [row for row in range(9) if seen[row][place]]
        assert box is not None
        low, high = box
        inside = [row for row in range(9) if low <= row <= high]
        assert rows == inside
        widest = max(widest, high - low + 1)
        if field.alike:
            assert low == field.start[0] + field.stride[0] * place  # type: ignore[operator]
    assert widest <= (field.size[0] or 0)


def test_figures_that_hold_on_average_are_said_to() -> None:
    model = Sequential([UpSampling2D(2), Conv2D(2, 3)])
    model.build((None, 9, 8, 1))
    field = model.graph.receptive_field("conv2d")
    assert field is not None and not field.alike
    assert "up to 2×2 of the image, in steps of 0.5×0.5 on average" in str(model.explain("conv2d"))
    plain = Sequential([Conv2D(2, 3, strides=2), Conv2D(2, 3)])
    plain.build((None, 19, 18, 1))
    field = plain.graph.receptive_field("conv2d_1")
    assert field is not None and field.alike
    assert plain.graph.patch("conv2d_1", (2, 1, 0)) == ((4, 10), (2, 8))


def test_no_fraction_leaks_out() -> None:
    model = Sequential(
        [Conv2DTranspose(4, 3, strides=2), Conv2D(4, 3, strides=2), Flatten(), Dense(3)]
    )
    model.build((None, 9, 8, 1))
    for row in model.facts().rows:
        assert row.receptive_field is not None
        assert all(type(size) is int for size in row.receptive_field.size)
    told = json.loads(json.dumps(model.facts().to_dict()))
    assert told["layers"][-1]["receptive_field"]["size"] == [11, 10]
    model.edit("conv2d", kernel_size=2).changes()


def test_a_field_goes_through_the_reshapes_of_a_group_normalisation() -> None:
    """As exporters write it: (6, 7, 9) becomes (2, 189), one row a group, and is taken back."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["c"], "conv"),
        node("Reshape", ["c", "flat"], ["f"], "flat"),
        node("InstanceNormalization", ["f", "one", "zero"], ["n"], "norm"),
        node("Reshape", ["n", "back"], ["y"], "back"),
    ]
    weights = {
        "w": np.ones((6, 4, 3, 2), np.float32), "flat": np.array([0, 2, -1]),
        "one": np.ones(2, np.float32), "zero": np.zeros(2, np.float32), "back": np.array([1, 6, 7, 9]),
    }  # fmt: skip
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 4, 9, 10]}, ["y"], weights))
    fields = {row.name: row.receptive_field for row in net.facts().rows}
    assert fields["conv"] is not None and fields["conv"].size == (3, 2)
    for name in ("norm", "back"):  # each output depends on all of the group's map
        assert fields[name] is not None and fields[name].size == (9, 10)  # type: ignore[union-attr]

"""Networks whose inputs leave their size open, on images of a size."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import convscope
from convscope.errors import SettingError, ShapeError

os.environ.setdefault("KERAS_BACKEND", "torch")


def test_mobilenet_v3_has_the_paper_s_macs_once_it_has_a_size() -> None:
    """56 million multiply-adds at 224: Howard et al. (2019), Searching for MobileNetV3, table 3."""
    import keras

    live = keras.applications.MobileNetV3Small(weights=None, input_shape=(None, None, 3))
    network = convscope.open(live)
    sized = network.sized(224)
    assert round(sized.facts().totals.macs / 1e6, -0) in (56, 57)
    assert sized.facts().totals.params == network.facts().totals.params
    assert sized.layers[3] is network.layers[3]


def test_each_open_axis_gets_its_number() -> None:
    network = convscope.Sequential([convscope.Conv2D(5, 3, input_shape=(None, "m", 2))])
    assert network.sized((9, 11)).output_shape == (7, 9, 5)
    assert network.sized(9).output_shape == (7, 7, 5)
    half = convscope.Sequential([convscope.Conv2D(5, 3, input_shape=(None, 8, 2))])
    assert half.sized(9).output_shape == (7, 6, 5)
    for size, said in (
        ((9, 11, 13), "leaves 2 sizes open, and 3 were given"),
        (0, "whole numbers from 1"),
        ("9", "whole numbers from 1"),
    ):
        with pytest.raises(SettingError, match=said):
            network.sized(size)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="has a size already: input 28×28×1"):
        convscope.open("demo").sized(28)
    with pytest.raises(ShapeError, match="conv2d"):
        network.sized(2)


def test_an_onnx_model_too(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    weight = helper.make_tensor("w", TensorProto.FLOAT, [5, 3, 2, 4], [0.5] * 120)
    node = helper.make_node("Conv", ["image", "w"], ["out"], name="conv")
    graph = helper.make_graph([node], "g", [image], [out], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    network = convscope.open(str(tmp_path / "net.onnx")).sized((9, 11))
    (row,) = network.facts().rows
    assert row.output_shape == (None, 5, 8, 8) and row.macs == 5 * 8 * 8 * 3 * 2 * 4

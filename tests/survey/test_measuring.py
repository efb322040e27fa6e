"""What is asked of the engine and what follows from that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import convscope
from convscope import Activation, Conv2D, ReLU, Sequential
from convscope.survey.data import open_data
from convscope.survey.measuring import Asked, Measuring, clips


def clipped(network: Any, **asked: Any) -> dict[str, tuple[str, float]]:
    shape = next(iter(network.graph.inputs.values()))
    measuring = Measuring(network, open_data(np.ones((1, *shape), np.float32)), Asked(**asked))
    found = measuring._runner.run({measuring.input: measuring._first})
    return clips(measuring.graph, measuring.plan, found)


def after_a_convolution(*layers: Any) -> Any:
    first = Conv2D(3, 2, input_shape=(7, 5, 2), name="conv")
    return Sequential([first, *layers, Conv2D(2, 3, name="last")], seed=1)


@pytest.mark.parametrize(
    ("layer", "cap"),
    [
        (ReLU(), np.inf),
        (ReLU(6), 6.0),
        (ReLU(0.1), float(np.float32(0.1))),
        (Activation("relu"), np.inf),
        (Activation("relu6"), 6.0),
        (ReLU(negative_slope=0.1), None),
        (ReLU(threshold=0.5), None),
        (ReLU(0), None),
        (Activation("tanh"), None),
        (Activation("hard_sigmoid"), None),
        (Activation("hard_tanh"), None),
        (Activation("leaky_relu"), None),
    ],
)
def test_layers_that_only_clip_another_are_known_by_their_equation(layer: Any, cap: Any) -> None:
    layer.name = "act"
    found = clipped(after_a_convolution(layer))
    assert found == ({} if cap is None else {"act": ("conv", cap)})


def test_what_clips_is_counted_itself_where_nothing_else_says_what_it_gives() -> None:
    first, second = ReLU(name="first"), ReLU(6, name="second")
    network = after_a_convolution(first, second)
    assert clipped(network) == {"first": ("conv", np.inf)}
    assert clipped(network, layers=("second", "first")) == {"second": ("first", 6.0)}
    assert clipped(network, layers=("second", "conv")) == {}
    output = Sequential([Conv2D(3, 2, input_shape=(7, 5, 2)), ReLU()], seed=1)
    assert clipped(output) == {}


def test_an_operator_of_a_file_clips_as_a_layer_does(tmp_path: Path) -> None:
    def constant(name: str, value: Any) -> Any:
        return numpy_helper.from_array(np.asarray(value, np.float32), name)

    nodes = [
        helper.make_node("Clip", ["in", "zero", "four"], ["of the image"]),
        helper.make_node("Conv", ["of the image", "kernel"], ["conv"]),
        helper.make_node("Clip", ["conv", "zero", "four"], ["clip"]),
        helper.make_node("Clip", ["conv", "four"], ["more"]),
        helper.make_node("Relu", ["more"], ["relu"]),
        helper.make_node("Add", ["clip", "relu"], ["out"]),
    ]
    kernel = np.random.default_rng(2).normal(size=(3, 2, 2, 2))
    graph = helper.make_graph(
        nodes, "clips",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, 2, 7, 5])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 6, 4])],
        [constant("zero", 0), constant("four", 4), constant("kernel", kernel)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20)]
    path = tmp_path / "clips.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    )
    assert clipped(convscope.open(path)) == {
        "clip_1": ("conv", 4.0),
        "relu": ("clip_2", np.inf),
    }

"""Verdicts about maps that were made to be so."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

import convscope as cs
from convscope import (
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    Model,
    ReLU,
    Sequential,
)
from convscope.survey.survey import Survey
from convscope.survey.verdicts import identical


def found() -> Survey:
    net = Sequential(
        [
            Conv2D(8, 3, activation="relu", input_shape=(7, 6, 2)),
            BatchNormalization(),
            Flatten(),
            Dense(4, activation="sigmoid"),
        ],
        seed=1,
    )
    kernel, bias = net.layers[0].get_weights()
    kernel[..., 1], bias[1] = 0, -1  # never fires
    kernel[..., 2], bias[2] = 0, 0.75  # constant
    bias[3] = 50  # always on
    kernel[..., 5], bias[5] = kernel[..., 4], bias[4]  # a copy
    kernel[..., 6], bias[6] = 2 * kernel[..., 4], 2 * bias[4]  # twice it: alike, and no copy
    bias[4:7] = 0.25, 0.25, 0.5
    net.layers[0].set_weights([kernel, bias])
    weights, bias = net.layers[3].get_weights()
    weights[:, 0], bias[0] = 0, 30  # 1 in float32
    weights[:, 1], bias[1] = 0, 6  # 0.9975, and more where map 0 is not 0
    weights[0::8, 1] = 0.25
    net.layers[3].set_weights([weights, bias])
    x = np.random.default_rng(0).normal(size=(90, 7, 6, 2)).astype(np.float32)
    return net.survey(x)


def test_each_kind_is_found_with_what_it_rests_on() -> None:
    survey = found()
    told = {(v.layer, v.kind): v for v in survey.verdicts}
    never = told["conv2d", "never fired"]
    assert never.maps == (1,) and not never.proved
    assert never.evidence.startswith(
        "every number is 0, in 90 images × 20 places; each number sees 3×3 pixels of the image; "
        "its bias is −1, the largest number of its kernel is 0 (of the layer's maps "
    )
    assert told["conv2d", "constant"].maps == (2,)
    assert told["conv2d", "constant"].evidence.startswith("every number is 0.75, in 90 images")
    assert told["conv2d", "always on"].maps == (3,)
    copies = told["conv2d", "copies"]
    assert copies.maps == (4, 5) and copies.proved
    assert "the same weights on the same inputs: equal for any image" in copies.evidence
    assert told["conv2d", "alike"].maps == (4, 6)
    assert told["conv2d", "alike"].evidence.endswith(
        "their weights differ: those of map 6 are 2 times those of map 4"
    )
    # the normalisation has its own numbers for each map, and here they are the same
    assert told["batch_normalization", "copies"].maps == (4, 5)
    assert told["dense", "constant"].maps == (0,)
    saturated = [v.maps for v in survey.verdicts if (v.layer, v.kind) == ("dense", "saturated")]
    assert (1,) in saturated
    assert not any(v.kind == "always on" for v in survey.verdicts if v.layer == "dense")
    words = str(survey)
    assert "never fired" in words and "copies" in words


def test_too_few_numbers_are_no_evidence() -> None:
    """Any two numbers are correlated by ±1, and one number is always the same."""
    net = Sequential([Conv2D(5, 3, input_shape=(7, 6, 1)), Flatten(), Dense(7)], seed=1)
    x = np.random.default_rng(2).normal(size=(9, 7, 6, 1)).astype(np.float32)
    assert not net.survey(x[:1]).verdicts and not net.survey(x[:2]).verdicts
    kernel, bias = net.layers[2].get_weights()
    kernel[:, 4] = 3 * kernel[:, 1]
    net.layers[2].set_weights([kernel, bias])
    for count, verdicts in ((8, 0), (9, 1)):  # eight numbers beside the usual one
        assert len(net.survey(x[:count]).verdicts) == verdicts


def test_a_map_that_is_not_finite_anywhere_is_not_said_to_be_0() -> None:
    net = Sequential([Conv2D(2, 1, use_bias=False, input_shape=(4, 3, 1))], seed=1)
    net.layers[0].set_weights([np.array([[[[0, 1]]]], np.float32)])
    x = np.random.default_rng(2).normal(size=(9, 4, 3, 1)).astype(np.float32)
    assert [v.kind for v in net.survey(x).verdicts] == ["never fired"]
    x[5, 2, 1] = np.inf  # 0 · ∞ is NaN
    assert [(v.maps, v.kind) for v in net.survey(x).verdicts] == [
        ((0,), "not finite"),
        ((1,), "not finite"),
    ]


def test_a_relu_rests_at_0_and_one_that_is_never_needed_is_said_so() -> None:
    net = Sequential([Conv2D(3, 1, activation="relu6", input_shape=(5, 4, 1)), ReLU()], seed=1)
    kernel = np.array([[[[1, 1, 1]]]], np.float32)
    x = np.abs(np.random.default_rng(2).normal(size=(40, 5, 4, 1))).astype(np.float32) % 1
    net.layers[0].set_weights([kernel, np.array([-0.97, 5.96, 0.5], np.float32)])
    found = [(v.layer, v.kind, v.maps) for v in net.survey(x).verdicts]
    # nearly all of map 0 is 0 and nearly all of map 1 is 6: that is no fault of the first
    assert ("conv2d", "saturated", (1,)) in found and ("conv2d", "saturated", (0,)) not in found
    net.layers[0].set_weights([kernel, np.array([0.25, 0.5, 0.75], np.float32)])
    told = [v for v in net.survey(x).verdicts if v.kind == "always on" and v.layer == "conv2d"]
    assert [v.maps for v in told] == [(0,), (1,), (2,)]  # also where the layer has no 0 at all
    assert (
        told[0].evidence.startswith("never below 0.25")
        and "while nothing of the layer is 0, in " in told[0].evidence
    )
    few = np.array([-x.min(), 0.5, 0.75], np.float32)  # one number of 2,400 is 0
    net.layers[0].set_weights([kernel, few])
    told = [v for v in net.survey(x).verdicts if v.kind == "always on" and v.layer == "conv2d"]
    assert (
        told[0].evidence.partition(", in ")[0].endswith("while < 0.1% of the layer's numbers are 0")
    )


def test_equal_filters_on_different_inputs_are_no_copies() -> None:
    """A depthwise layer's maps have an input each: only where those are copies are they."""
    net = Sequential(
        [
            Conv2D(4, 1, input_shape=(5, 4, 3)),
            DepthwiseConv2D(2),
            ReLU(),
        ],
        seed=3,
    )
    kernel, bias = net.layers[0].get_weights()
    kernel[..., 1], bias[1] = kernel[..., 0], bias[0]
    kernel[..., 3], bias[3] = kernel[..., 2] * np.float32(1.00001), bias[2]
    net.layers[0].set_weights([kernel, bias])
    kernel, bias = net.layers[1].get_weights()
    kernel[:] = kernel[:, :, :1]
    net.layers[1].set_weights([kernel, bias])
    x = np.random.default_rng(0).normal(size=(50, 5, 4, 3)).astype(np.float32)
    told = [(v.layer, v.kind, v.maps) for v in net.survey(x).verdicts if len(v.maps) > 1]
    for layer in ("conv2d", "depthwise_conv2d", "re_lu"):
        assert (layer, "copies", (0, 1)) in told
        assert (layer, "alike", (2, 3)) in told


def test_filters_that_are_nearly_the_same_are_not_said_to_be_1_times_each_other() -> None:
    net = Sequential([Conv2D(3, (3, 2), input_shape=(7, 6, 2))], seed=5)
    kernel, bias = net.layers[0].get_weights()
    kernel[..., 2] = kernel[..., 1]
    kernel[2, 1, 0, 2] = np.nextafter(kernel[2, 1, 0, 1], np.float32(9))
    net.layers[0].set_weights([kernel, bias])
    x = np.random.default_rng(0).normal(size=(50, 7, 6, 2)).astype(np.float32)
    (verdict,) = (v for v in net.survey(x).verdicts if v.kind == "alike")
    assert verdict.maps == (1, 2) and not verdict.proved
    assert verdict.evidence.endswith("their weights differ, none by more than 0.001 %")


def test_a_filter_with_another_bias_is_no_copy() -> None:
    net = Sequential([Conv2D(4, (3, 2), input_shape=(7, 6, 2))], seed=5)
    kernel, bias = net.layers[0].get_weights()
    kernel[..., 3], bias[:] = kernel[..., 1], (0.5, -1, 0.25, 2)
    kernel[..., 2] = -kernel[
        ..., 0
    ]  # as alike as can be, with the other sign: that is another verdict's
    net.layers[0].set_weights([kernel, bias])
    x = np.random.default_rng(0).normal(size=(50, 7, 6, 2)).astype(np.float32)
    (told,) = net.survey(x).verdicts
    assert (told.kind, told.maps, told.proved) == ("alike", (1, 3), False)
    assert told.evidence.endswith("their weights differ: kernel is the same, bias is not")


def test_what_weights_do_not_say_is_not_said() -> None:
    """A concatenation of a layer with itself: equal maps, which no weight of its own proves."""
    x = Input((5, 4, 3))
    maps = Conv2D(2, 2)(x)
    net = Model(x, Concatenate()([maps, maps]))
    data = np.random.default_rng(0).normal(size=(50, 5, 4, 3)).astype(np.float32)
    told = [v for v in net.survey(data).verdicts if v.layer == "concatenate"]
    assert [(v.kind, v.maps, v.proved) for v in told] == [
        ("alike", (0, 2), False),
        ("alike", (1, 3), False),
    ]
    assert told[0].evidence.endswith("do not say whether they are equal for any image")


def test_maps_that_read_parts_of_the_input_are_copies_where_those_are() -> None:
    """Groups, depthwise, slices: what weights prove is what ONNX Runtime computes, for every pair of maps."""
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(4)

    def weights(*shape: int) -> Any:
        drawn = rng.normal(size=shape).astype(np.float32)
        drawn[1], drawn[4:6] = drawn[0], drawn[3]  # maps 0 and 1; 3, 4 and 5
        return drawn

    made = {
        "w": weights(6, 3, 3, 2), "deep": weights(12, 1, 2, 3), "three": weights(6, 2, 3, 3),
        "two": weights(8, 3, 1, 1), "from": np.array([1]), "to": np.array([5]),
        "pads": np.array([0, 1, 0, 0, 0, 1, 0, 0]), "these": np.array([3, 0, 4, 2, 1]),
    }  # fmt: skip
    steps: list[tuple[str, str, str, dict[str, Any]]] = [
        ("c", "Conv", "x w", {}), ("depthwise", "Conv", "c deep", {"group": 6}),
        ("threes", "Conv", "c three", {"group": 3}), ("pair", "Conv", "c two", {"group": 2}),
        ("part", "Slice", "c from to from", {}), ("wider", "Pad", "c pads", {}),
        ("taken", "Gather", "c these", {"axis": 1}), ("twice", "Add", "wider wider", {}),
    ]  # fmt: skip
    nodes = [
        helper.make_node(kind, inputs.split(), [name], name=name, **more)
        for name, kind, inputs, more in steps
    ]
    info = helper.make_tensor_value_info
    outputs = [info(node.name, 1, None) for node in nodes]
    held = [numpy_helper.from_array(array, name) for name, array in made.items()]
    graph = helper.make_graph(nodes, "parts", [info("x", 1, ["n", 3, 9, 8])], outputs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = onnx.shape_inference.infer_shapes(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = rng.normal(size=(2, 3, 9, 8)).astype(np.float32)
    net = cs.open(model)
    proofs = 0
    for name, array in zip([o.name for o in outputs], session.run(None, {"x": x}), strict=True):
        for one, other in itertools.combinations(range(array.shape[1]), 2):
            equal = np.array_equal(array[:, one], array[:, other])
            dark = not array[:, one].any()  # what a Pad added is equal, and no weight says so
            assert (identical(net.graph, name, one, other) is True) == (equal and not dark)
            proofs += equal
    assert proofs > 12


def test_copies_are_proved_in_an_onnx_file(tmp_path: Path) -> None:
    net = Sequential([Conv2D(4, 3, activation="relu", input_shape=(7, 6, 2))], seed=1)
    kernel, bias = net.layers[0].get_weights()
    kernel[..., 3], bias[3] = kernel[..., 1], bias[1]
    net.layers[0].set_weights([kernel, bias])
    net.export(tmp_path / "net.onnx")
    x = np.random.default_rng(0).normal(size=(50, 7, 6, 2)).astype(np.float32)
    told = cs.open(tmp_path / "net.onnx").survey(x).verdicts
    assert {v.layer for v in told if v.kind == "copies" and v.maps == (1, 3)} == {
        "conv2d",
        "conv2d/Relu_3",
    }

"""The graph as ONNX operators: names, layouts, and weights that appear once."""

from __future__ import annotations

from typing import Any

import numpy as np

from convscope.engine.onnx_form import OnnxNode, Writer, WrittenGraph
from convscope.layers.activation import Activation
from convscope.layers.base import Form, Layer, Value
from convscope.layers.batch_normalization import BatchNormalization
from convscope.layers.concatenate import Concatenate
from convscope.layers.convolution import Conv2D
from convscope.layers.dense import Dense
from convscope.layers.flatten import Flatten
from convscope.layers.merging import Add
from convscope.layers.pooling import MaxPooling2D
from convscope.model.graph import Graph


def wired(
    shape: tuple[int, ...], *nodes: tuple[str, Layer, str], layout: str = "channels_last"
) -> Graph:
    """Return a graph of (name, layer, names of what feeds it)."""
    graph = Graph("net", {"image": shape}, layout)
    for name, layer, feeds in nodes:
        layer.build(graph.add(name, layer, feeds.split()).weights, (0,))
    return graph


def written(graph: Graph, *outputs: str) -> WrittenGraph:
    return Writer(graph).write(outputs or graph.outputs)


def of(found: WrittenGraph, op: str) -> list[OnnxNode]:
    return [operator for operator in found.operators if operator.op == op]


class PassesOn(Activation):
    """A layer that gives what it gets, without an operator of its own."""

    def __init__(self) -> None:
        super().__init__("linear")

    def settings(self) -> dict[str, Any]:
        return {}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        return inputs[0]


def chain() -> Graph:
    return wired(
        (13, 11, 2),
        ("first", Conv2D(4, 3, activation="relu"), "image"),
        ("norm", BatchNormalization(), "first"),
        ("act", Activation("gelu"), "norm"),
        ("quiet", PassesOn(), "act"),
        ("pool", MaxPooling2D(2), "quiet"),
        ("second", Conv2D(5, 3, padding="same", activation="softmax"), "pool"),
        ("flat", Flatten(), "second"),
        ("head", Dense(3, activation="tanh"), "flat"),
    )


def test_a_channels_last_network_is_turned_once_and_turned_back_where_it_must() -> None:
    found = written(chain())
    turns = of(found, "Transpose")
    assert [(t.inputs, t.attributes["perm"]) for t in turns] == [
        (["image"], [0, 3, 1, 2]),
        (["second/channels_first"], [0, 2, 3, 1]),
    ]
    # between the first convolution and the last nothing is turned
    names = [operator.name for operator in found.operators]
    assert names.index(turns[1].name) == names.index("second") + 2  # its softmax is between them


def test_a_channels_first_network_is_never_turned() -> None:
    first: dict[str, Any] = {"data_format": "channels_first"}
    graph = wired(
        (2, 13, 11),
        ("first", Conv2D(4, 3, **first), "image"),
        ("pool", MaxPooling2D(2, **first), "first"),
        ("second", Conv2D(5, 3, **first), "pool"),
        layout="channels_first",
    )
    assert of(written(graph), "Transpose") == []


def test_two_layers_that_want_the_same_layout_share_the_turn() -> None:
    graph = wired(
        (13, 11, 2),
        ("a", Conv2D(3, 3, padding="same"), "image"),
        ("b", Conv2D(3, 5, padding="same"), "image"),
        ("sum", Add(), "a b"),
        ("flat", Flatten(), "sum"),
        ("also", Flatten(), "sum"),
    )
    found = written(graph, "flat", "also")
    assert [t.inputs for t in of(found, "Transpose")] == [["image"], ["sum/channels_first"]]


def test_tensors_and_operators_have_the_layers_names() -> None:
    found = written(chain())
    names = {operator.name for operator in found.operators}
    assert {"first", "norm", "act", "pool", "second", "flat", "head"} <= names
    assert "quiet" not in names  # it passes its input on
    assert len(names) == len(found.operators)
    assert all("/" in name for name in names - set(chain().nodes))
    assert {name: value.name for name, value in found.values.items()} == {
        "image": "image",
        "first": "first/channels_first",
        "norm": "norm/channels_first",
        "act": "act/channels_first",
        "quiet": "act/channels_first",
        "pool": "pool/channels_first",
        "second": "second/channels_first",
        "flat": "flat",
        "head": "head",
    }
    assert set(found.weights) == {
        "first/kernel", "first/bias", "second/kernel", "second/bias", "head/kernel", "head/bias",
        "norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance",
    }  # fmt: skip
    # every tensor is made once, before it is read
    made = {"image", *found.weights, *found.constants}
    for operator in found.operators:
        assert set(operator.inputs) - {""} <= made
        assert operator.output not in made
        made.add(operator.output)


def test_weights_of_a_shared_layer_appear_once() -> None:
    twice = Conv2D(2, 3, padding="same")
    graph = wired(
        (13, 11, 2),
        ("a", twice, "image"),
        ("b", twice, "a"),
        ("c", twice, "b"),
        ("sum", Add(), "a c"),
    )
    found = written(graph)
    assert set(found.weights) == {"a/kernel", "a/bias"}
    assert [operator.inputs[1] for operator in of(found, "Conv")] == ["a/kernel"] * 3


class Both(Layer):
    """A layer that reads a square weight as it is, turned, and turned again."""

    def onnx(self, form: Form, *inputs: Value) -> Value:
        plain = form.weight("kernel")
        turned = form.weight("kernel", np.transpose)
        assert form.weight("kernel", lambda k: k.T) == turned != plain
        assert form.weight("kernel", lambda k: -k) not in (plain, turned)
        return Value(form.node("Add", form.node("MatMul", inputs[0].name, plain), turned))


def test_a_weight_in_two_arrangements_is_two_tensors() -> None:
    dense = Dense(3, use_bias=False)
    graph = wired((3,), ("a", dense, "image"))
    both = Both()
    both.weight_shapes, both._arrays = dense.weight_shapes, dense.weights
    writer = Writer(graph)
    writer._layer, writer._prefix = both, "both"
    both.onnx(writer, Value("image"))
    kernel = dense.weights["kernel"]
    arrays = writer.written.weights
    np.testing.assert_array_equal(arrays["both/kernel"], kernel)
    np.testing.assert_array_equal(arrays["both/kernel_2"], kernel.T)
    np.testing.assert_array_equal(arrays["both/kernel_3"], -kernel)
    # only a matrix that lies as it is read can be used in place
    assert writer.written.matrices == {"both/kernel"}


def test_only_what_an_output_needs_is_written() -> None:
    found = written(chain(), "norm")
    assert {operator.op for operator in found.operators} == {
        "Transpose", "Conv", "Relu", "BatchNormalization"
    }  # fmt: skip
    assert set(found.weights) == {n for n in found.weights if n.startswith(("first/", "norm/"))}


def test_branches_that_lie_alike_are_joined_as_they_lie() -> None:
    graph = wired(
        (13, 11, 2),
        ("a", Conv2D(3, 3, padding="same"), "image"),
        ("b", Conv2D(4, 1), "a"),
        ("both", Concatenate(), "a b"),
        ("out", Conv2D(2, 3), "both"),
    )
    found = written(graph)
    assert len(of(found, "Transpose")) == 1
    assert of(found, "Concat")[0].attributes["axis"] == 1

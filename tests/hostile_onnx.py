"""ONNX models that crash, stall or flood onnx's C++ or ONNX Runtime, made by code; each a few bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_models
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

node = helper.make_node


def _loop(body: list[NodeProto], more: dict[str, Any] | None = None) -> ModelProto:
    """Return a Loop without an end around some nodes that make `w` of `v`, and `more` of what they like."""
    made = more or {}
    graph = helper.make_graph(
        [node("Identity", ["go"], ["on"]), *body],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", 1, [1, 3]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", 1, [1, 3]),
            *(helper.make_tensor_value_info(name, 1, shape) for name, shape in made.items()),
        ],
    )
    nodes = [
        node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
        node("Loop", ["", "yes", "x"], ["y", *(f"{name}s" for name in made)], body=graph),
    ]
    return onnx_models.model(nodes, {"x": [1, 3]}, ["y", *(f"{name}s" for name in made)])


def endless_loop() -> ModelProto:
    """Runs for ever."""
    return _loop([node("Add", ["v", "v"], ["w"])])


def growing_loop() -> ModelProto:
    """Keeps 256 KiB more in each of its rounds, without an end."""
    value = numpy_helper.from_array(np.zeros((1, 1), np.float32))
    body = [
        node("Identity", ["v"], ["w"]),
        node("Constant", [], ["one"], value=value),
        node("Constant", [], ["sizes"], value_ints=[256, 256]),
        node("Expand", ["one", "sizes"], ["much"]),
    ]
    return _loop(body, {"much": [256, 256]})


def long_constants(times: int = 60) -> ModelProto:
    """Multiplies constants of a few bytes, for minutes, while a session is made."""
    return _products("one", times, 4000)


def long_run() -> ModelProto:
    """Multiplies what it is given, for minutes, by operators that all have an equation: each ends soon."""
    return _products("x", 300, 2000)


def _products(of: str, times: int, size: int) -> ModelProto:
    nodes = [node("Expand", [of, "sizes"], ["a"])]
    last = "a"
    for number in range(times):
        nodes.append(node("MatMul", [last, "a"], [f"b{number}"]))
        last = f"b{number}"
    nodes += [node("ReduceSum", [last], ["s"], keepdims=0), node("Add", ["x", "s"], ["y"])]
    weights = {"one": np.ones((1, 1), np.float32), "sizes": np.array([size, size])}
    return onnx_models.model(nodes, {"x": [1, 1]}, ["y"], weights)


def crashing_conversion() -> ModelProto:
    """Its pads are said to be one number and are several; onnx's converter reads them as such."""
    pad = node("Pad", ["x"], ["y"], mode="constant")
    pad.attribute.add(name="pads", type=AttributeProto.INT, ints=[0, 0, 1, 1])
    return onnx_models.model([pad], {"x": [1, 2]}, ["y"], opset=6)


def aborting_inference() -> ModelProto:
    """Padding makes an axis shorter than nothing, and slicing it divides: an assertion ends the process."""
    nodes = [
        node("Resize", ["x", "", "sc"], ["r"], mode="linear"),
        node("Pad", ["r", "pads", "value"], ["p"], mode="constant"),
        node("Slice", ["p", "starts", "ends", "axes", "steps"], ["s"]),
    ]
    weights = {
        "sc": np.array([1, 1, 2, 1.5], np.float32),
        "pads": np.array([0, 0, 1, -256, 2239231, 0, 0, 1]),
        "value": np.array(0.5, np.float32),
        "starts": np.array([0, -1]),
        "ends": np.array([99, -99]),
        "axes": np.array([2, 3]),
        "steps": np.array([2, -1]),
    }
    return onnx_models.model(nodes, {"x": [1, 2, 4, 4]}, ["s"], weights)


def flooding_inference() -> ModelProto:
    """An output with as many axes as an input says that it has numbers: two thousand millions."""
    model = onnx_models.model([node("Expand", ["x", "shape"], ["y"])], {"x": [1, 3, 1]}, ["y"])
    model.graph.input.append(
        helper.make_tensor_value_info("shape", TensorProto.INT64, [2147483647])
    )
    return model


def doubling_functions(times: int = 30) -> ModelProto:
    """Functions that each call the one before twice: written out they are 2ⁿ nodes."""
    model = onnx_models.model(
        [node(f"F{times - 1}", ["x"], ["y"], domain="my")], {"x": [1, 2]}, ["y"]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    for number in range(times):
        inner = ("Neg", "") if number == 0 else (f"F{number - 1}", "my")
        calls = [
            node(inner[0], ["X"], ["t"], domain=inner[1]),
            node(inner[0], ["t"], ["Y"], domain=inner[1]),
        ]
        model.functions.append(
            helper.make_function("my", f"F{number}", ["X"], ["Y"], calls, opsets)
        )
    model.opset_import.append(helper.make_opsetid("my", 1))
    return model


def function_of_itself() -> ModelProto:
    """Two functions that call each other."""
    model = doubling_functions(2)
    model.functions[0].node[0].op_type = "F1"
    model.functions[0].node[0].domain = "my"
    return model

"""ONNX models for tests, written with onnx.helper as exporters write them: channels first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Sequence[str],
    weights: Mapping[str, Array] | None = None,
    opset: int = 17,
    element: int = TensorProto.FLOAT,
) -> ModelProto:
    """Return a model of these nodes; output shapes are left open."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(n, element, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, element, None) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (weights or {}).items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="test"
    )


def small(opset: int = 17) -> ModelProto:
    """Return a small classifier as PyTorch exports one: named nodes, a shortcut, a computed reshape."""
    rng = np.random.default_rng(5)

    def drawn(*shape: int) -> Array:
        return (rng.normal(size=shape) / 3).astype(np.float32)

    weights = {
        "stem.weight": drawn(6, 3, 3, 5),
        "stem.bias": drawn(6),
        "bn.scale": drawn(6),
        "bn.bias": drawn(6),
        "bn.mean": drawn(6),
        "bn.var": np.abs(drawn(6)) + 1,
        "deep.weight": drawn(6, 1, 3, 3),
        "fc.weight": drawn(10, 6),
        "fc.bias": drawn(10),
    }
    node = helper.make_node
    nodes = [
        node(
            "Conv", ["image", "stem.weight", "stem.bias"], ["a"], "/stem/Conv",
            strides=[2, 1], pads=[1, 0, 0, 2],
        ),
        node("BatchNormalization", ["a", "bn.scale", "bn.bias", "bn.mean", "bn.var"], ["b"]),
        node("Relu", ["b"], ["c"], "/act/Relu"),
        node("Conv", ["c", "deep.weight"], ["d"], "/deep/Conv", group=6, pads=[1, 1, 1, 1]),
        node("Add", ["d", "c"], ["e"]),
        node("MaxPool", ["e"], ["f"], kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
        node("Relu", ["f"], ["g"]),
        node("GlobalAveragePool", ["g"], ["h"]),
        node("Shape", ["h"], ["s"]),
        node("Constant", [], ["zero"], value_int=0),
        node("Gather", ["s", "zero"], ["rows"]),
        node("Constant", [], ["open"], value_ints=[-1]),
        node("Constant", [], ["first"], value_ints=[0]),
        node("Unsqueeze", ["rows", "first"], ["one"]),
        node("Concat", ["one", "open"], ["wanted"], axis=0),
        node("Reshape", ["h", "wanted"], ["i"]),
        node("Gemm", ["i", "fc.weight", "fc.bias"], ["j"], "/fc/Gemm", transB=1),
        node("Softmax", ["j"], ["probabilities"], axis=1),
    ]  # fmt: skip
    return model(nodes, {"image": ["batch", 3, 13, 11]}, ["probabilities"], weights, opset)

"""NaN, infinities, numbers below 1e-38 and near the largest float32, in every primitive, by both engines.

What an engine makes of them is never called wrong where frameworks differ, and never left unjudged where they do not:
`JUDGED` has, for every operator, the odd numbers that are judged, and what differs is listed with both answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, ValueInfoProto, helper
from torch import nn
from torch.nn import functional as F

import convscope
from convscope.explain.trace import Trace
from convscope.network import Network
from convscope.typed import Array

# an infinity among the inputs is said as a warning, and here no cause for alarm
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NAN, INF = float("nan"), float("inf")
ODD = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 1e-40, -1e-40, 1e-20, 88.0, -88.0, 89.5, -104.0, 3e38, -3e38, INF, -INF,
     NAN, 6.0, -3.0, 3.0],
    np.float32,
)  # fmt: skip


def model_of(op: str, inputs: int, shape: tuple[int, ...], **settings: Any) -> ModelProto:
    names = ["x", "z"][:inputs]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], "n", **settings)],
        "odd",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, *shape)) for n in names],
        [ValueInfoProto(name="y")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def traced(net: Network, given: Any) -> list[tuple[tuple[int, ...], Trace]]:
    """Return the trace of every number."""
    run = net.run(given)
    (name,) = net.graph.outputs
    assert not net.graph.nodes[name].layer.opaque
    return [(place, run.trace(name, place).facts) for place in np.ndindex(*run[name].shape)]


def told(found: list[tuple[tuple[int, ...], Trace]], given: Array) -> tuple[list[Any], int]:
    """Return what is called wrong, and how many numbers are not judged."""
    wrong = [
        (place, given[place] if given.ndim == len(place) else None, one.value, one.engine_value)
        for place, one in found
        if one.agrees is False
    ]
    return wrong, sum(one.agrees is None for _, one in found)


ONE: dict[str, int] = {
    # how many of the 22 numbers cannot be judged: what passes the largest float32, and logarithms of what is flushed
    **dict.fromkeys((
        "Relu", "Sigmoid", "Softplus", "Softsign", "HardSwish", "Mish", "Tanh", "Sqrt", "Abs", "Erf", "Neg", "LeakyRelu",
        "Elu", "Celu", "Selu", "HardSigmoid", "Gelu", "ThresholdedRelu", "Shrink", "Round", "Sign", "Floor", "Ceil",
        "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh", "IsNaN", "Identity",
    ), 0),
    "Exp": 1, "Log": 1, "Reciprocal": 2, "Sinh": 2, "Cosh": 2,
}  # fmt: skip


@pytest.mark.parametrize("op", ONE)
def test_functions_of_one_number_in_onnx_runtime(op: str) -> None:
    net = convscope.open(model_of(op, 1, ODD.shape))
    wrong, unjudged = told(traced(net, ODD), ODD)
    assert wrong == []
    assert unjudged <= ONE[op]


TWO = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal")  # fmt: skip


@pytest.mark.parametrize("op", TWO)
def test_functions_of_two_numbers_in_onnx_runtime(op: str) -> None:
    a, b = np.repeat(ODD, len(ODD)), np.tile(ODD, len(ODD))
    found = traced(convscope.open(model_of(op, 2, a.shape)), {"x": a, "z": b})
    wrong = [
        (a[place], b[place], one.value, one.engine_value)
        for place, one in found
        if one.agrees is False
    ]
    assert wrong == []
    judged = sum(one.agrees is True for _, one in found)
    least = {"Pow": 0.7, "Div": 0.85, "Mul": 0.9, "Max": 0.9, "Min": 0.9}.get(op, 0.97)
    assert judged >= least * len(found)


TORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu, "relu6": F.relu6, "hardtanh": F.hardtanh, "sigmoid": torch.sigmoid,
    "log_sigmoid": F.logsigmoid, "silu": F.silu, "mish": F.mish, "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid, "gelu": F.gelu, "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu, "softplus": F.softplus,
    "threshold": lambda x: F.threshold(x, 0.3, -2.0), "hardshrink": F.hardshrink, "softshrink": F.softshrink,
    "tanhshrink": F.tanhshrink, "softsign": F.softsign, "clamp": lambda x: x.clamp(-1.0, 2.0), "exp": torch.exp,
    "log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "erf": torch.erf, "reciprocal": torch.reciprocal,
    "pow": lambda x: x**2.5, "square": lambda x: x**2, "round": torch.round, "floor": torch.floor,
    "sign": torch.sign, "isnan": torch.isnan, "ge": lambda x: x >= 1.0, "where": lambda x: torch.where(x > 0, x, 7.0),
    "squareplus": lambda x: (x + torch.sqrt(x * x + 4)) / 2,
    "max": lambda x: x.max(1, keepdim=True)[0], "softmax": lambda x: x.softmax(1),
    "mean": lambda x: x.mean(1, keepdim=True), "sum": lambda x: x.sum(1, keepdim=True),
    "layer_norm": lambda x: F.layer_norm(x, (22,)),
}  # fmt: skip


class Applied(nn.Module):
    def __init__(self, of: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.of(x)


@pytest.mark.parametrize("name", TORCH)
def test_functions_in_pytorch(name: str) -> None:
    net = convscope.open(Applied(TORCH[name]), torch.rand(1, 22))
    run = net.run(ODD)
    wrong = []
    for layer, node in net.graph.nodes.items():
        assert not node.layer.opaque
        for place in np.ndindex(*run[layer].shape):
            one = run.trace(layer, place).facts
            if one.agrees is False:
                wrong.append((layer, place, one.value, one.engine_value))
    assert wrong == []


ROWS = {
    "finite": [1.0, -2.0, 3.5, 0.25], "a NaN": [1.0, NAN, 3.5, 0.25], "a NaN first": [NAN, 1.0, 3.5, 0.25],
    "an infinity": [1.0, INF, 3.5, 0.25], "both infinities": [INF, -INF, 3.5, 0.25], "all −∞": [-INF] * 4,
    "subnormal": [1e-40, -2e-40, 3e-41, 1e-39], "overflow": [3e38, 3e38, -1.0, 2e38],
}  # fmt: skip
OVER_ROWS: dict[str, dict[str, Any]] = {
    "ReduceMax": {}, "ReduceMin": {}, "ReduceSum": {}, "ReduceMean": {}, "ReduceL1": {}, "ReduceL2": {},
    "ReduceLogSumExp": {}, "Softmax": {"axis": -1}, "LogSoftmax": {"axis": -1}, "ArgMax": {"axis": -1},
    "MaxPool": {"kernel_shape": [3]}, "AveragePool": {"kernel_shape": [3], "pads": [1, 1]},
}  # fmt: skip


@pytest.mark.parametrize("op", OVER_ROWS)
def test_rows_in_onnx_runtime(op: str) -> None:
    given = np.array([list(ROWS.values())], np.float32)[0]
    settings = OVER_ROWS[op]
    model = model_of(op, 1, given.shape, **settings)
    if op.startswith("Reduce"):
        model.graph.node[0].input.append("axes")
        axes = helper.make_tensor("axes", TensorProto.INT64, [1], [-1])
        model.graph.initializer.append(axes)
    wrong, _ = told(traced(convscope.open(model), given), given)
    assert wrong == []


def test_a_difference_that_is_one_is_told() -> None:
    """The proof can fail: a number that an engine did not compute is not taken for its rounding."""
    net = convscope.open(model_of("Sigmoid", 1, ODD.shape))
    run = net.run(ODD)
    for place in ((2,), (5,), (10,)):
        one = run.trace("n", place).facts
        assert one.agrees is True
        value = one.engine_value
        assert value is not None
        assert replace(one, engine_value=value * (1 + 1e-5) + 1e-6).agrees is False

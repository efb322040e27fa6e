"""How many parameters ONNX files hold: what PyTorch itself counts, whichever exporter wrote them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import convscope

IMAGE, ROW = torch.randn(1, 4, 9, 11), torch.randn(1, 5, 8)
node = helper.make_node


class Made(nn.Module):
    """A network of some modules and what is done with them."""

    def __init__(self, forward: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.does = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x: Any) -> Any:
        return self.does(self, x)


def behind(norm: nn.Module) -> Made:
    return Made(lambda s, x: s.norm(s.conv(x)), conv=nn.Conv2d(4, 6, 3), norm=norm)


def shared() -> Made:
    a, b = nn.Linear(8, 8), nn.Linear(8, 8)
    b.weight = a.weight
    return Made(lambda s, x: s.b(torch.relu(s.a(x))), a=a, b=b)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "a normalisation without scale": (
        lambda: behind(nn.LayerNorm([7, 9], elementwise_affine=False)), IMAGE),
    "ones of an instance normalisation": (lambda: behind(nn.InstanceNorm2d(6)), IMAGE),
    "a scaled instance normalisation": (lambda: behind(nn.InstanceNorm2d(6, affine=True)), IMAGE),
    "a group normalisation": (lambda: behind(nn.GroupNorm(2, 6)), IMAGE),
    "first states of zeros": (
        lambda: Made(lambda s, x: s.m(x)[0], m=nn.LSTM(8, 3, batch_first=True)), ROW),
    "two directions": (
        lambda: Made(lambda s, x: s.m(x)[0], m=nn.GRU(8, 3, bidirectional=True, batch_first=True)),
        ROW),
    "one matrix in two layers": (shared, ROW),
    "no bias": (lambda: nn.Conv2d(4, 6, 3, bias=False), IMAGE),
    "half": (lambda: nn.Conv2d(4, 6, 3).half(), IMAGE.half()),
    "double": (lambda: nn.Conv2d(4, 6, 3).double(), IMAGE.double()),
}  # fmt: skip


def exported(module: nn.Module, x: Any, path: Path, new: bool) -> Path:
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (x,), path, dynamo=new, verbose=False)
    logging.disable(logging.NOTSET)
    return path


USUAL = ("a scaled instance normalisation", "two directions", "one matrix in two layers", "half")
EXPORTS = [
    pytest.param(
        name,
        new,
        id=f"{name}-{'new' if new else 'old'}",
        marks=[pytest.mark.full] if new and name not in USUAL else [],
    )
    for name in NETWORKS
    for new in (True, False)
]
"""PyTorch's newer exporter takes half a second a network: four of the ten in quick runs, the older takes all."""


@pytest.mark.parametrize(("name", "new"), EXPORTS)
def test_they_are_what_pytorch_counts(name: str, new: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    make, x = NETWORKS[name]
    module = make()
    path = exported(module, x, tmp_path / "net.onnx", new)
    totals = convscope.open(path).facts().totals
    assert totals.params == sum(p.numel() for p in module.parameters())
    assert totals.bytes == sum(p.numel() * p.element_size() for p in module.parameters())
    assert totals.trainable is None  # an ONNX file does not say what was trained
    assert "not trained" not in str(convscope.open(path).explain())


@pytest.mark.parametrize("element", ["int8", "uint8", "int4"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_whole_numbers_that_are_scaled_are_weights(element: str, axis: int | None) -> None:
    """A convolution whose kernel is stored as whole numbers has its equation, MACs and parameters."""
    rng = np.random.default_rng(4)
    kind = {"int8": onnx.TensorProto.INT8, "uint8": onnx.TensorProto.UINT8}.get(
        element, onnx.TensorProto.INT4
    )
    low, high = (0, 200) if element == "uint8" else (-8, 8)
    whole = rng.integers(low, high, (6, 4, 3, 2))
    count = 1 if axis is None else whole.shape[axis]
    kernel = helper.make_tensor("k", kind, whole.shape, whole.ravel().tolist())
    zero = helper.make_tensor("z", kind, [count] if axis is not None else [], [3] * count)
    scale = rng.uniform(0.01, 0.1, count).astype(np.float32)
    given: dict[str, Any] = {} if axis is None else {"axis": axis}
    model = onnx_models.model(
        [
            node("DequantizeLinear", ["k", "s", "z"], ["w"], **given),
            node("Conv", ["x", "w", "b"], ["y"], "conv"),
        ],
        {"x": [1, 4, 9, 11]},
        ["y"],
        {"s": scale if axis is not None else scale[0], "b": np.ones(6, np.float32)},
        21,
    )
    model.graph.initializer.extend([kernel, zero])
    model.ir_version = 10
    net = convscope.open(model)
    (row,) = net.facts().rows
    assert (row.weights, row.params) == ({"kernel": (6, 4, 3, 2), "bias": (6,)}, 144 + 6)
    assert row.macs == 7 * 10 * 6 * 24
    assert net.facts().totals.bytes == (72 if element == "int4" else 144) + 4 * 6
    run = net.run(rng.normal(size=(4, 9, 11)).astype(np.float32))
    assert run.trace("conv", (5, 6, 7)).facts.agrees


@pytest.mark.parametrize("same", [True, False])
def test_a_kernel_that_is_stored_twice_counts_once(same: bool) -> None:
    rng = np.random.default_rng(5)
    first = rng.normal(size=(8, 8)).astype(np.float32)
    second = first.copy() if same else rng.normal(size=(8, 8)).astype(np.float32)
    zeros = np.zeros(8, np.float32)
    weights = {"a": first, "b": second, "c": zeros, "d": zeros.copy()}
    model = onnx_models.model(
        [
            node("Gemm", ["x", "a", "c"], ["h"], "one"),
            node("Gemm", ["h", "b", "d"], ["y"], "two"),
        ],
        {"x": [1, 8]},
        ["y"],
        weights,
    )
    facts = convscope.open(model).facts()
    assert facts.totals.params == (80 if same else 144)  # two biases of zeros are two biases
    assert [row.own for row in facts.rows] == [None, (8, None) if same else None]


def test_half_precision_is_opaque_and_counted() -> None:
    kernel = numpy_helper.from_array(np.ones((6, 4, 3, 2), np.float16), "k")
    model = onnx_models.model(
        [node("Conv", ["x", "k"], ["y"], "conv")], {"x": [1, 4, 9, 11]}, ["y"], element=10
    )
    model.graph.initializer.append(kernel)
    (row,) = convscope.open(model).facts().rows
    assert (row.opaque, row.weights, row.params) == (True, {"kernel": (6, 4, 3, 2)}, 144)
    assert row.output_shape == (None, 6, 7, 10)

"""Multiply–accumulates against fvcore, and against PyTorch's own counter, on networks nobody here wrote.

fvcore (FlopCountAnalysis) counts one operation for a multiply–accumulate, as we do, and writes down other
figures beside them. What the two disagree on is named here, each with the reason and the exact amount:

- batch_norm, layer_norm: fvcore adds 2 and 5 operations a number. They are no products of an input and a
  weight under a sum; we list them apart, as other work.
- adaptive_avg_pool2d: fvcore adds one operation for every number that is averaged; for us, other work.
- upsample_bilinear2d: fvcore adds 4 for every number made; for us, other work.
- matmul: fvcore counts the products of attention, two activations with one another; no weight is among
  them, so that they are no multiply–accumulates of ours.
- fvcore does not know convolutions with padding="same" or "valid" as words, and leaves them out.

A convolution, a transposed convolution and a dense layer cost the same for both.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_networks
from campaigns import often
from torch.utils.flop_counter import FlopCounterMode

import convscope
from convscope.network import Network
from convscope.parts import SummaryRow

SIZE = (3, 64, 96)
NETWORKS: dict[str, dict[str, Any]] = {
    "ResNet": {},
    "MobileNetV2": {},
    "RegNet": {},
    "ConvNext": {},
    "EfficientNet": {"hidden_dim": 1280, "width_coefficient": 1.0, "depth_coefficient": 1.0},
    "Segformer": {"task": "SemanticSegmentation", "attn_implementation": "eager"},
}
"""Their settings: transformers' defaults are ResNet-50, MobileNetV2, RegNetY-040, ConvNeXt-T; EfficientNet-B0
and SegFormer-B0."""

DENSE = ("Gemm", "MatMul")
KNOWN = {"conv", "linear", "batch_norm", "layer_norm", "adaptive_avg_pool2d", "upsample_bilinear2d", "matmul"}  # fmt: skip


@dataclass
class Counted:
    """What fvcore, PyTorch and we count for one network."""

    name: str
    fvcore: Counter[str]
    modules: Counter[str]
    left_out: Counter[str]
    torch: Counter[str]
    rows: Sequence[SummaryRow]


def by_fvcore(model: torch.nn.Module, image: torch.Tensor) -> tuple[Counter[str], ...]:
    """Return fvcore's figures by operator and by module, and the operators that it leaves out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns
        from fvcore.nn import FlopCountAnalysis

        logging.getLogger("fvcore").setLevel(logging.ERROR)
        found = FlopCountAnalysis(model, (image,))
        found.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return found.by_operator(), found.by_module(), found.unsupported_ops()


def by_torch(model: torch.nn.Module, image: torch.Tensor) -> Counter[str]:
    """Return PyTorch's own figures by operator, in multiply–accumulates: it counts two for each."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return Counter(
        {
            str(op).removeprefix("aten."): n // 2
            for op, n in counter.get_flop_counts()["Global"].items()
        }
    )


def opened(model: torch.nn.Module, folder: Path) -> Network:
    image = np.zeros(SIZE, np.float32)
    how = torch_networks.EXPORTERS["TorchScript, nothing folded"]
    return convscope.open(torch_networks.exported(model, image, folder / "net.onnx", **how))


@pytest.fixture(scope="module", params=often(NETWORKS, "MobileNetV2"))
def counted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    model = torch_networks.made(request.param, **NETWORKS[request.param])
    image = torch.zeros(1, *SIZE)
    fvcore, modules, left_out = by_fvcore(model, image)
    net = opened(model, tmp_path_factory.mktemp(request.param))
    return Counted(
        request.param, fvcore, modules, left_out, by_torch(model, image), net.facts().rows
    )


def macs(rows: Sequence[SummaryRow], *kinds: str) -> int:
    return sum(int(row.macs or 0) for row in rows if row.kind in kinds)


def size(shape: Sequence[Any] | None) -> int:
    """Return how many numbers there are for one image."""
    assert shape is not None
    return math.prod(int(n) for n in shape[1:])


def numbers(rows: Sequence[SummaryRow], *kinds: str) -> int:
    """Return how many numbers layers of these kinds give."""
    return sum(size(row.output_shape) for row in rows if row.kind in kinds)


def test_convolutions_and_products_cost_the_same(counted: Counted) -> None:
    rows = counted.rows
    if counted.name == "EfficientNet":  # each of its 81 convolutions is given its padding as a word
        assert counted.left_out["aten::_convolution_mode"] == 81
        assert counted.fvcore["conv"] == 0 < macs(rows, "Conv")
    else:
        assert macs(rows, "Conv") == counted.fvcore["conv"] > 0
    assert macs(rows, *DENSE) == counted.fvcore["linear"] > 0
    # nothing else is a multiply–accumulate
    assert sum(int(row.macs or 0) for row in rows) == macs(rows, "Conv", *DENSE)


def test_every_layer_costs_the_same(counted: Counted) -> None:
    if counted.name == "EfficientNet":
        pytest.skip("fvcore counts none of its convolutions")
    for row in counted.rows:
        if row.macs:
            assert row.macs == counted.modules[torch_networks.module_of(row.name)], row.name


def test_every_difference_is_known(counted: Counted) -> None:
    rows = counted.rows
    assert {op for op, count in counted.fvcore.items() if count} <= KNOWN
    assert counted.fvcore["batch_norm"] == 2 * numbers(rows, "BatchNormalization")
    assert counted.fvcore["layer_norm"] == 5 * numbers(rows, "LayerNormalization")
    averaged = sum(size(row.input_shapes[0]) for row in rows if row.kind == "GlobalAveragePool")
    assert counted.fvcore["adaptive_avg_pool2d"] == averaged
    assert counted.fvcore["upsample_bilinear2d"] == 4 * numbers(rows, "Resize")
    # the weights of attention, and what they weigh: heads · positions · positions · width, twice
    attention = sum(
        size(row.output_shape) * int((row.input_shapes[0] or ())[-1])
        for row in rows
        if row.kind == "MatMul" and len(row.inputs) == 2
    )
    assert counted.fvcore["matmul"] == attention
    assert (attention > 0) == (counted.name == "Segformer")


def test_every_layer_has_its_equation(counted: Counted) -> None:
    opaque = [row.kind for row in counted.rows if row.opaque]
    if counted.name == "EfficientNet":
        # its last pooling has a window of 1280×1280 that reaches beyond the map, and what follows is reshaped
        # by sizes that are computed from what that leaves
        assert opaque[0] == "AveragePool" and "Conv" not in opaque
    else:
        assert opaque == []


def test_pytorch_counts_the_same_with_two_for_each(counted: Counted) -> None:
    rows, theirs = counted.rows, counted.torch
    assert macs(rows, "Conv") == theirs["convolution"]
    assert macs(rows, *DENSE) == theirs["addmm"] + theirs["mm"]
    # it counts attention as fvcore does, and nothing else
    assert theirs["bmm"] == counted.fvcore["matmul"]
    assert set(theirs) <= {"convolution", "addmm", "mm", "bmm"}


def test_a_transposed_convolution_costs_its_input_positions(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2),
        torch.nn.ConvTranspose2d(8, 12, (3, 2), stride=2, groups=4, output_padding=1),
        torch.nn.ConvTranspose2d(12, 5, 4, stride=3, padding=1, dilation=2),
    ).eval()
    image = torch.zeros(1, *SIZE)
    fvcore, modules, _ = by_fvcore(model, image)
    rows = opened(model, tmp_path).facts().rows
    # 31·47 input positions × 12 · 2 · 3 · 2 numbers of a kernel of 4 groups
    assert rows[1].macs == 31 * 47 * 8 * 3 * 3 * 2 == modules["1"]
    assert [row.macs for row in rows] == [modules["0"], modules["1"], modules["2"]]
    assert (
        macs(rows, "Conv", "ConvTranspose")
        == fvcore["conv"]
        == by_torch(model, image)["convolution"]
    )

"""Every operator that treats numbers by themselves, where numbers end: infinite, none, ±0, denormal, the largest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch.nn import functional as F

import convscope as cs
from convscope.readers.torch.graph import TorchGraph
from convscope.readers.torch.onnx_form import model_of

from .cases import Called, Case

Of = Callable[..., torch.Tensor]
nan, inf, most = torch.nan, torch.inf, 3.4e38
POINTS = [inf, -inf, nan, 0.0, -0.0, 1e-45, -1e-45, 1e-39, -1e-39, 1.2e-38, most, -most, 1e30, -1e30, 1e10, -1e10,
          100.0, -100.0, 89.0, -89.0, 20.5, -20.5, 7.0, 6.0, 3.0, -3.0, 2.5, 1.5, 1.0, -1.0, 0.5, -0.5]  # fmt: skip
FUNCTIONAL = "relu relu6 hardtanh sigmoid logsigmoid tanh silu mish hardswish hardsigmoid gelu leaky_relu rrelu elu selu celu softplus hardshrink softshrink tanhshrink softsign"
PLAIN = """exp log sqrt erf abs neg square sign sgn floor ceil sin cos tan asin acos atan sinh cosh asinh acosh atanh round deg2rad rad2deg
    trunc frac expm1 log1p log2 log10 exp2 rsqrt reciprocal isnan isinf isfinite logical_not nan_to_num"""
EACH: dict[str, Of] = {
    **{name: getattr(F, name) for name in FUNCTIONAL.split()},
    **{name: getattr(torch, name) for name in PLAIN.split()},
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "softplus of 2": partial(F.softplus, beta=2.0, threshold=5.0),
    "celu of 0.7": partial(F.celu, alpha=0.7),
    "threshold": partial(F.threshold, threshold=0.1, value=20.0),
    "round to 2": partial(torch.round, decimals=2),
    "clamp": partial(torch.clamp, min=-1, max=2),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.25])),
    "glu": lambda x: F.glu(torch.stack([x, x], 1), 1),
    **{f"pow of {p}": partial(torch.pow, exponent=p) for p in (0.5, -0.5, 2, 3, -1, -2, 1.7, 0, 1)},
    **{f"{of.__name__} by {b}": lambda x, b=b, of=of: of(x, b) for of in (torch.remainder, torch.fmod) for b in (3.0, -0.7, inf)},
    **{f"{of.__name__} from {a}": lambda x, a=a, of=of: of(torch.tensor(a), x) for of in (torch.remainder, torch.fmod) for a in (7.3, -7.3)},
}  # fmt: skip

UNLIKE_IN_ONNX: dict[str, set[float]] = {
    "sigmoid": {-20.5}, "silu": {-20.5}, "glu": {-20.5},  # ORT's sigmoid is 0 from about −18 on
    "hardswish": {most}, "gelu": {inf, most},  # PyTorch multiplies before it divides: ∞, and NaN of ∞
    "sinh": {89.0, -89.0}, "cosh": {89.0, -89.0},  # e^89 / 2 has a float32, e^89 has none
    "pow of -0.5": {-0.0},  # 1 / √−0 is −∞
    # PyTorch's remainders are NaN where the quotient has no float32
    **{f"{of} by -0.7": {most, -most} for of in ("remainder", "fmod")},
    **{f"{of} from {a}": {1e-45, -1e-45, 1e-39, -1e-39, 1.2e-38} for of in ("remainder", "fmod") for a in (7.3, -7.3)},
}  # fmt: skip
"""Where ONNX Runtime computes something else than PyTorch from an operator that means the same."""

MISSING = {"gelu", *(name for name in EACH if name.startswith(("remainder", "fmod")))}
"""What PyTorch makes a NaN of a number that it passes through on the way: nothing is judged there."""


def opened(of: Of) -> tuple[cs.Network, str, torch.Tensor, Any]:
    x = torch.tensor([POINTS])
    net = cs.open(Called(Case("", [(1, len(POINTS))], of)), x)
    return net, net.graph.outputs[0], x, of(x).to(torch.float64).numpy().ravel()


@pytest.mark.parametrize("name", EACH)
def test_its_equation_says_what_pytorch_computes(name: str) -> None:
    net, layer, x, expected = opened(EACH[name])
    run = net.run(x.numpy()[0])
    for n, place in enumerate(np.ndindex(run[layer].shape)):
        facts = run.trace(layer, place).facts
        assert facts.agrees is not False, (name, POINTS[n], facts.value, expected[n])
        if name not in MISSING:
            assert np.isnan(facts.value) == np.isnan(expected[n]), (name, POINTS[n])


@pytest.mark.parametrize("name", EACH)
def test_as_onnx_it_computes_the_same(name: str) -> None:
    net, layer, x, expected = opened(EACH[name])
    assert isinstance(net.graph, TorchGraph)
    session = ort.InferenceSession(model_of(net.graph, (layer,)).SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    same = np.isclose(found.ravel(), expected, 2e-4, 1e-9, equal_nan=True)
    unlike = UNLIKE_IN_ONNX.get(name, set())
    assert {POINTS[n] for n in np.flatnonzero(~same)} <= unlike

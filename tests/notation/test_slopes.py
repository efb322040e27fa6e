"""Slopes of every function that a layer or an operator applies, against PyTorch and central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from convscope.equations import formulas
from convscope.notation.functions import PRIMITIVES, Function, compute
from convscope.notation.slopes import slope

ALL = {
    value.name: value
    for value in vars(formulas).values()
    if isinstance(value, Function) and not value.primitive
}
DEFAULTS = {"negative_slope": 0.1, "alpha": 0.7, "threshold": 0.5, "b": 4.0}


def arguments(function: Function, x: Any) -> list[Any]:
    return [x, *(DEFAULTS.get(name, 0.3) for name in function.parameters[1:])]


@pytest.mark.parametrize("name", ALL)
def test_slopes_are_central_differences(name: str) -> None:
    function, rng = ALL[name], np.random.default_rng(3)
    x = rng.uniform(-7, 7, size=300)  # none of them at a corner
    for place in range(len(function.parameters)):
        given = [np.full_like(x, a) if np.ndim(a) == 0 else a for a in arguments(function, x)]
        up, down = list(given), list(given)
        up[place], down[place] = given[place] + 1e-6, given[place] - 1e-6
        expected = (compute(function, up, np) - compute(function, down, np)) / 2e-6
        smooth = np.abs(expected) < 1e4  # no jump between
        found = np.broadcast_to(compute(slope(function, place), given, np), x.shape)
        np.testing.assert_allclose(found[smooth], expected[smooth], rtol=1e-6, atol=1e-8)
        assert smooth.mean() > 0.98


TORCH: dict[str, Any] = {
    "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "silu": F.silu,
    "softplus": F.softplus, "softsign": F.softsign, "log_sigmoid": F.logsigmoid,
    "hard_tanh": F.hardtanh, "mish": F.mish, "elu": lambda x: F.elu(x, 0.7),
    "celu": lambda x: F.celu(x, 0.7), "selu": F.selu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1), "gelu": F.gelu,
    "tanh_shrink": F.tanhshrink, "hard_sigmoid": F.hardsigmoid,
}  # fmt: skip


CONSTANTS = {"celu": 1e-6, "hard_sigmoid": 1e-6}
"""How near PyTorch is whose constants there are float32."""


@pytest.mark.parametrize("name", [name for name in TORCH if name in ALL])
def test_slopes_at_corners_and_far_out_are_those_of_pytorch(name: str) -> None:
    x = np.array([-40.0, -6.0, -1.5, 0.0, 0.25, 6.0, 40.0])  # 0 and 6 are corners
    given = torch.from_numpy(x).requires_grad_()
    TORCH[name](given).sum().backward()
    assert given.grad is not None
    found = compute(slope(ALL[name], 0), arguments(ALL[name], x), np)
    np.testing.assert_allclose(
        np.broadcast_to(found, x.shape), given.grad, rtol=CONSTANTS.get(name, 1e-9), atol=1e-15
    )


@pytest.mark.parametrize("name", [n for n, many in PRIMITIVES.items() if many == 1])
def test_primitives_of_one_number(name: str) -> None:
    x = np.array([0.2, 0.7, 1.9, 3.3])
    given = torch.from_numpy(x).requires_grad_()
    getattr(torch, name)(given).sum().backward()
    with np.errstate(all="ignore"):  # an arc sine of 1.9 and its slope are NaN, here and there
        found = compute(slope(Function(name, ("x",)), 0), [x], np)
    assert given.grad is not None
    np.testing.assert_allclose(found, given.grad.numpy(), rtol=1e-12)


def test_ties_have_one_rule() -> None:
    larger, smaller, size = (
        Function(n, ("x", "a")[:k]) for n, k in (("max", 2), ("min", 2), ("abs", 1))
    )
    for function in (larger, smaller):  # of two equal ones the first has it all
        both = [
            float(compute(slope(function, place, alone=False), [2.0, 2.0], np)) for place in (0, 1)
        ]
        assert both == [1.0, 0.0]
    assert compute(slope(size, 0), [0.0], np) == 0.0

"""Orders of numbers among which are a NaN, infinite ones and equal ones, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

import convscope as cs
from convscope.readers.torch.graph import TorchGraph
from convscope.readers.torch.onnx_form import model_of

from .cases import Called, Case

Of = Callable[[torch.Tensor], Any]
nan, inf = torch.nan, torch.inf
MIXED = torch.tensor([[0.5, nan, 2.0, -1.0, nan, inf, -inf, 2.0]])
LEVEL = torch.tensor([[1.0, 3.0, 0.0, 3.0, 0.0, 0.0, 0.0, 2.0]])


def judged(of: Of, x: torch.Tensor) -> list[tuple[float, bool | None, float, str]]:
    """Return for each number the ledger's value, whether PyTorch agrees, what it computed, and what is said."""
    net = cs.open(Called(Case("", [tuple(x.shape)], of)), x)
    layer = net.graph.outputs[0]
    run = net.run(x.numpy()[0])
    places = np.ndindex(tuple(of(x).shape[1:]))
    told = [run.trace(layer, place) for place in places]
    return [(t.facts.value, t.facts.agrees, float(t.facts.engine_value or 0), str(t)) for t in told]


IN_ORDER: dict[str, Of] = {
    **{f"kthvalue {k}": lambda x, k=k: torch.kthvalue(x, k)[0] for k in range(1, 9)},  # type: ignore[misc]
    **{f"topk {way}": lambda x, way=way: torch.topk(x, 7, largest=way)[0] for way in (True, False)},  # type: ignore[misc]
    **{
        f"sort {way} {n}": lambda x, way=way, n=n: torch.sort(x, descending=way, stable=True)[n]  # type: ignore[misc]
        for way in (True, False)
        for n in (0, 1)
    },
    "median": lambda x: torch.median(x, 1)[0],
    "nanmedian": lambda x: torch.nanmedian(x, 1)[0],
    "argmax": lambda x: torch.argmax(x, 1),
    "amin": lambda x: torch.amin(x, 1),
    "cummax": lambda x: torch.cummax(x, 1)[0],
    "cummin": lambda x: torch.cummin(x, 1)[0],
}


@pytest.mark.parametrize("x", [MIXED, LEVEL, MIXED[:, 1:], MIXED[:, 4:5].expand(1, 8)])
@pytest.mark.parametrize("name", IN_ORDER)
def test_a_nan_is_the_greatest(name: str, x: torch.Tensor) -> None:
    if x.shape[1] < 8 and name.endswith("8"):
        return
    assert all(agrees for _, agrees, _, _ in judged(IN_ORDER[name], x))


@pytest.mark.parametrize("name", [name for name in IN_ORDER if name[:2] not in ("ar", "am", "cu")])
def test_as_onnx_too(name: str) -> None:
    net = cs.open(Called(Case("", [(1, 8)], IN_ORDER[name])), MIXED)
    assert isinstance(net.graph, TorchGraph)
    session = ort.InferenceSession(model_of(net.graph, net.graph.outputs).SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: MIXED.numpy()})
    np.testing.assert_array_equal(found, IN_ORDER[name](MIXED).numpy())


@pytest.mark.parametrize(
    "of", [lambda x: torch.topk(x, 4, 1)[1], lambda x: torch.kthvalue(x, 3, keepdim=True)[1]]
)
@pytest.mark.parametrize("x", [MIXED, LEVEL])
def test_where_one_of_equal_numbers_was_is_not_judged(of: Of, x: torch.Tensor) -> None:
    found = judged(of, x)
    assert not any(agrees is False for _, agrees, _, _ in found)
    numbers = x.numpy()[0]
    for value, agrees, theirs, said in found:
        one, other = numbers[int(value)], numbers[int(theirs)]
        assert np.array_equal(one, other, equal_nan=True)
        if value != theirs:
            assert agrees is None
            if x is LEVEL:
                assert "Several numbers are equal there" in said

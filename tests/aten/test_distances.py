"""Distances as PyTorch finds them: those between many rows from products of matrices, which round otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs


class Apart(nn.Module):
    def __init__(self, rows: int) -> None:
        super().__init__()
        rng = np.random.default_rng(2)
        self.table = nn.Parameter(
            torch.from_numpy(rng.normal(300, 1, (rows, 7)).astype(np.float32))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cdist(x, self.table)


@pytest.mark.parametrize(("rows", "off", "macs"), [(25, 1e-5, 0), (26, 1e-2, 3 * 26 * 7)])
def test_far_from_0_many_rows_lose_digits_and_few_do_not(rows: int, off: float, macs: int) -> None:
    module = Apart(rows)
    x = np.random.default_rng(3).normal(300, 1, (1, 3, 7)).astype(np.float32)
    net = cs.open(module, torch.from_numpy(x))
    run, (name,) = net.run(x), net.graph.nodes
    exact = np.linalg.norm(x[0, :, None] - module.table.detach().numpy().astype(np.float64), axis=2)
    assert (abs(run[name] - exact).max() > 1e-3) == (off > 1e-3)
    assert abs(run[name] - exact).max() < 30 * off
    assert all(run.trace(name, (n, 2 * n)).facts.agrees for n in range(3))
    assert net.facts().rows[0].macs == macs


def test_halves_are_rounded_between_the_steps() -> None:
    class Alike(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cosine_similarity(x, x.flip(2), 2)

    net = cs.open(Alike(), torch.rand(1, 3, 5, dtype=torch.float16))
    assert net.graph.nodes["cosine_similarity"].layer.reason == (
        "PyTorch rounds to float16 between its steps"
    )

"""Several rows go through a module in one forward where each is computed as it is alone, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.readers.torch import module as live
from convscope.typed import Array

ROWS, SHAPE = 5, (3, 9, 8)


def opened(compute: Callable[[Any, Any], Any], **given: Any) -> tuple[Any, list[int]]:
    """Return the network of a module that computes that of a convolution and its input, and the rows of its forwards."""
    seen: list[int] = []

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.token = nn.Parameter(torch.randn(1, 4, 7, 1))

        def forward(self, x: Any) -> Any:
            seen.append(len(x))
            return compute(self, x)

    torch.manual_seed(1)
    module = Module().train("training" in given)
    return cs.open(module, shape=SHAPE, **given), seen


def ran(network: Any, rows: Array) -> dict[str, Array]:
    runner = network.backing.runner(network.graph, tuple(network.graph.nodes), True)
    found: dict[str, Array] = runner.run({"x": rows})
    return found


def check(network: Any, rows: Array) -> None:
    """Every row of every layer is what the row by itself gives."""
    found = ran(network, rows)
    for place, row in enumerate(rows):
        alone = network.run(row)
        for name in network.graph.nodes:
            np.testing.assert_allclose(found[name][place], np.squeeze(alone[name]).reshape(found[name][place].shape), 1e-4, 1e-6)  # fmt: skip


def images() -> Array:
    return np.random.default_rng(2).normal(size=(ROWS, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize(
    "compute",
    [
        lambda m, x: torch.relu_(m.norm(m.conv(x))).flatten(1),
        lambda m, x: m.conv(x).view(-1, 4 * 7 * 6).softmax(-1),
        lambda m, x: torch.cat([m.token.expand(len(x), -1, -1, -1), m.conv(x)], 3),
        lambda m, x: m.conv(x) + x.new_zeros(x.shape[0], 4, 7, 6),
    ],
)
def test_rows_that_stay_apart_go_together(compute: Any) -> None:
    network, seen = opened(compute)
    rows = images()
    check(network, rows)
    seen.clear()
    runner = network.backing.runner(network.graph, tuple(network.graph.nodes), True)
    for _ in range(3):  # noted and shown, then told while it is taken
        runner.run({"x": rows})
    assert seen == [ROWS] * 3
    kept = list(runner._grouped[ROWS].fetched.values())
    for value in kept:
        assert value.tensor is None
        if value.call is not None:
            kept += [a for a in value.call.args if getattr(a, "fed", False)]


@pytest.mark.parametrize(
    "compute",
    [
        lambda m, x: m.conv(x) - x.mean(),
        lambda m, x: m.conv(x - x.mean(0, keepdim=True)),
        lambda m, x: m.conv(x) * x.shape[0],
        lambda m, x: m.conv(x) if len(x) == 1 else 2 * m.conv(x),
        lambda m, x: m.conv(x) + torch.arange(len(x)).view(-1, 1, 1, 1),
        lambda m, x: m.conv(x) + torch.randn(4, 7, 6),
        lambda m, x: m.conv(x) + m.conv(x[:1]),
        lambda m, x: m.conv(x) + x[0].mean(),
        lambda m, x: x - x[:1],
        lambda m, x: m.conv(x).split(1)[0].expand(len(x), -1, -1, -1),
        lambda m, x: m.conv(x).view(1, -1),
        lambda m, x: m.conv(x.reshape(1, *SHAPE)),
        lambda m, x: m.conv(x.roll(1, 0)),
    ],
)
def test_rows_that_depend_on_one_another_or_on_how_many_they_are_go_one_by_one(
    compute: Any,
) -> None:
    network, seen = opened(compute)
    rows = images()
    check(network, rows)
    seen.clear()
    ran(network, rows)
    assert seen.count(1) == ROWS


@pytest.mark.filterwarnings("ignore:the forward reads numbers")
def test_rows_whose_way_depends_on_their_numbers_go_one_by_one() -> None:
    def compute(module: Any, x: Any) -> Any:
        return module.conv(x) if np.isfinite(x.numpy()).all() else x

    network, seen = opened(compute)
    ran(network, images())
    assert seen.count(1) >= ROWS


def test_statistics_of_a_batch_are_of_one_row() -> None:
    network, seen = opened(lambda m, x: m.norm(m.conv(x)), training=True)
    check(network, images())
    assert seen.count(1) >= ROWS


def test_so_many_rows_as_fit_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    network, seen = opened(lambda m, x: m.conv(x).relu())
    (last,), rows = network.graph.outputs, images()
    expected = np.stack([network.run(row).output for row in rows])
    of_one = 4 * (4 * 7 * 6)  # what the convolution gives, in float32
    for most, together in ((2 * of_one, [2, 2, 1]), (2 * of_one - 1, [1] * ROWS)):
        monkeypatch.setattr(live, "BESIDE", most)
        seen.clear()
        found = network.backing.runner(network.graph, (last,), True).run({"x": rows})[last]
        assert seen == together
        np.testing.assert_allclose(found, expected, 1e-4, 1e-6)


def test_a_survey_of_a_module_runs_groups_and_counts_what_hooks_see() -> None:
    network, seen = opened(lambda m, x: torch.relu(m.norm(m.conv(x))).flatten(1))
    x = np.random.default_rng(3).normal(size=(70, *SHAPE)).astype(np.float32)
    found = network.survey(x)
    assert seen.count(32) >= 2 and seen.count(1) <= 4
    module = network.backing.module
    with torch.no_grad():
        expected = module.norm(module.conv(torch.from_numpy(x))).numpy()
    name = next(n for n in network.graph.nodes if "norm" in n)
    for number, one in enumerate(found[name]):
        assert one.mean == pytest.approx(expected[:, number].mean(), abs=1e-6)
        assert one.numbers == 70 * 7 * 6
        assert one.top[0].image == np.unravel_index(expected[:, number].argmax(), (70, 7, 6))[0]

"""Reading and writing where numbers say, inside a network: explained, written as ONNX, and the same when that is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import convscope
from convscope.errors import UnsupportedError

Tensor = torch.Tensor


def _unpooled(x: Tensor) -> Tensor:
    y, places = F.max_pool2d(x, 3, 2, return_indices=True)
    return F.max_unpool2d(y, places, [3, 3], [2, 2], output_size=list(x.shape[2:]))


def _rows(x: Tensor) -> Tensor:
    """Return places along 7 rows, made of numbers; some are named twice, some counted from the end."""
    return (x * 3).long().clamp(-7, 6)


USES: dict[str, Callable[[Tensor], Tensor]] = {
    "unpooled": _unpooled,
    "rows and columns": lambda x: x[:, :, _rows(x[0, 0, 0, :3]), torch.tensor([1, 0, 4])],
    "columns": lambda x: x[:, :, :, _rows(x[0, 0, :4, 0]) // 2],
    "written at rows": lambda x: x.index_put((_rows(x[0, 0, :1, 0]) * 0, _rows(x[0, 0, 0, :3]) // 3), x[0, :3], accumulate=True),
    "written under a mask": lambda x: x.index_put((x > 0.3,), torch.tensor(0.5)),
    "scattered": lambda x: x.scatter(2, _rows(x[:, :, :4]) % 7, x),
    "the largest": lambda x: x.scatter_reduce(2, _rows(x[:, :, :4]) % 7, x[:, :, :4], "amax"),
}  # fmt: skip


class Used(nn.Module):
    def __init__(self, use: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.use, self.conv = use, nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.use(self.conv(x))


IMAGE = torch.randn(1, 3, 7, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("use", USES)
def test_a_network_is_the_same_from_its_onnx_file(use: str, tmp_path: Path) -> None:
    net = convscope.open(Used(USES[use]), IMAGE)
    assert not [name for name, node in net.graph.nodes.items() if node.layer.opaque]
    run = net.run(IMAGE[0].numpy())
    last = list(net.graph.nodes)[-1]
    rng = np.random.default_rng(2)
    for _ in range(3):
        assert run.trace(last, tuple(int(rng.integers(s)) for s in run[last].shape)).facts.agrees
    net.export(tmp_path / "net.onnx")
    back = convscope.open(tmp_path / "net.onnx")
    assert not [name for name, node in back.graph.nodes.items() if node.layer.opaque]
    found = back.run(IMAGE[0].numpy())
    assert np.allclose(found.output.reshape(run.output.shape), run.output, 1e-4, 1e-5)
    assert net.explain(last).latex() and "conv" in str(net.whatif([("conv", "out_channels", 6)]))


def test_what_a_mask_picks_is_known_and_not_written(tmp_path: Path) -> None:
    net = convscope.open(Used(lambda x: x[:, :, x[0].sum(0) > 0]), IMAGE)
    run = net.run(IMAGE[0].numpy())
    assert run.trace("index", (3, 2)).facts.agrees
    with pytest.raises(UnsupportedError, match="how many numbers it gives depends on its mask"):
        net.export(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("ends", "equal"), [([0, 3, 6], True), ([0, 3, 5], False), ([0, 2, 6], False)]
)
def test_bags_of_different_sizes_have_no_equation(ends: list[int], equal: bool) -> None:
    """The last of these numbers is where the last bag ends: what lies behind is in none."""
    table, offsets = torch.rand(7, 4), torch.tensor(ends)

    def bags(x: Tensor) -> Tensor:
        rows = _rows(x[0, 0, :2, :3]).reshape(-1).abs() % 7
        return F.embedding_bag(rows, table, offsets, include_last_offset=True)

    net = convscope.open(Used(bags), IMAGE)
    assert net.graph.node("embedding_bag").layer.opaque is not equal


def test_numbers_that_are_none_are_written_and_read() -> None:
    image = IMAGE.clone()
    image[0, 0, 3, 2] = float("nan")

    class Plain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.scatter_reduce(2, (x[:, :, :4].nan_to_num() * 3).long().abs() % 7, x[:, :, :4], "amax")  # fmt: skip

    net = convscope.open(Plain(), image)
    run = net.run(image[0].numpy())
    last = list(net.graph.nodes)[-1]
    places = list(np.ndindex(*run[last].shape))
    assert np.isnan(run[last]).any()
    assert False not in [run.trace(last, place).facts.agrees for place in places]


class Masked(nn.Module):
    def __init__(self, use: Callable[[Any, Tensor], Tensor], mask: Tensor, rows: Tensor) -> None:
        super().__init__()
        self.use = use
        self.register_buffer("mask", mask)
        self.register_buffer("rows", rows)

    def forward(self, x: Tensor) -> Tensor:
        return self.use(self, x) * 2


def _put(module: Any, x: Any) -> Any:
    y = x.unflatten(3, (5, 1)) * 1
    y[:, module.mask] = module.rows
    return y


@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")  # PyTorch's own
@pytest.mark.parametrize("mask", [[1, 1, 1], [0, 2, 1], [[0, 1, 3, 1, 0, 0, 0]] * 3])
def test_small_whole_numbers_are_a_mask_as_for_pytorch(mask: list[int]) -> None:
    held = torch.tensor(mask, dtype=torch.uint8)
    module = Masked(lambda m, x: x[:, m.mask], held, torch.zeros(1))
    net = convscope.open(module, IMAGE, engine="onnxruntime")
    run = net.run(IMAGE[0].numpy())
    assert np.array_equal(run.output, module(IMAGE)[0].numpy())
    assert net.graph.facts["index"].equation is not None
    for at in list(np.ndindex(*run["index"].shape))[::7]:
        assert run.trace("index", at).facts.agrees


@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
def test_a_mask_of_small_whole_numbers_that_is_computed_has_no_equation() -> None:
    module = Masked(lambda m, x: x[(x[:, :, 0, 0] * 0 + 1).byte()], torch.ones(1), torch.ones(1))
    net = convscope.open(module, IMAGE)
    assert "uint8 for a mask" in str(net.explain("index"))


@pytest.mark.parametrize("rows", [(5, 1), (7, 5, 1), (2, 1, 5, 1)])
def test_fewer_axes_are_written_under_a_mask_than_lie_behind_it(rows: tuple[int, ...]) -> None:
    held = torch.tensor([True, False, True])
    module = Masked(_put, held, torch.rand(rows))
    run = convscope.open(module, IMAGE, engine="onnxruntime").run(IMAGE[0].numpy())
    assert np.array_equal(run.output, module(IMAGE)[0].numpy())


def test_a_mask_that_holds_nowhere_gives_nothing() -> None:
    module = Masked(
        lambda m, x: torch.cat([x, x[:, m.mask]], 1), torch.zeros(3).bool(), torch.ones(1)
    )
    net = convscope.open(module, IMAGE)
    assert "its output is empty" in str(net.explain("index"))

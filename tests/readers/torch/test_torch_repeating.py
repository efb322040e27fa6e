"""A forward that takes a known path once more gives what a recording of it gives, and no other path is taken for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.readers.torch import repeating

from .modules import TRAPS, made, same, unchanged

APART = {"views", "slope", "remembering", "writing", "rebinding", "chosen"}
"""The traps whose paths are only told from a whole recording."""


@pytest.fixture
def repeats(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Give a list that notes of every forward along a known path whether it took it."""
    seen: list[bool] = []
    repeated = repeating.repeated

    def noted(*given: Any) -> Any:
        found = repeated(*given)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(repeating, "repeated", noted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cs.errors.SourceWarning)
        yield seen


@pytest.mark.parametrize("name", TRAPS)
def test_what_is_repeated_is_what_is_recorded(name: str, repeats: list[bool]) -> None:
    module, x = made(name)
    module.eval()
    y = torch.rand(x.shape, generator=torch.Generator().manual_seed(5)).to(x.dtype)
    net, other = cs.open(module, x), cs.open(module, x)
    for image in (x.numpy(), x.numpy()):
        net.run(image)
    with unchanged(module, x):
        run, recorded = net.run(y.numpy()), other.run(y.numpy())
    assert list(run.graph.nodes) == list(recorded.graph.nodes)
    assert run.activations.keys() == recorded.activations.keys()
    for layer, array in recorded.activations.items():
        if layer.startswith("new_empty"):  # nobody has written there
            continue
        assert same(torch.as_tensor(array), torch.as_tensor(run.activations[layer])), layer
    assert (repeats == [True, True]) == (name not in APART), repeats


class Residual(nn.Module):
    """Sums in place, of a value that a module has passed on; numbers that leave before they are overwritten."""

    def __init__(self, leaves: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.passing = (
            nn.Conv2d(3, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.Identity(),
        )
        self.leaves = leaves

    def forward(self, x: Any) -> Any:
        y = self.passing(self.norm(self.conv(x)))
        seen = y.numpy() if self.leaves else np.zeros(1)
        y += x
        y.relu_()
        return y * float(seen.max()) if self.leaves else torch.flatten(y, 1)


@pytest.mark.parametrize("leaves", (False, True))
def test_numbers_that_are_overwritten_stay_those_of_the_values_before(
    leaves: bool, repeats: list[bool]
) -> None:
    torch.manual_seed(3)
    module, x = Residual(leaves).eval(), torch.rand(1, 3, 5, 4)
    net = cs.open(module, x)
    net.run(x.numpy())
    run = net.run(x.numpy())
    with torch.no_grad():
        normed = module.norm(module.conv(x))
        total, output = normed + x, module(x)
        assert np.array_equal(run["conv"], module.conv(x)[0].numpy())
    assert np.array_equal(run["norm"], normed[0].numpy())
    assert np.array_equal(run["passing"], normed[0].numpy())
    assert np.array_equal(run["add"], total[0].numpy())
    assert np.array_equal(run["relu"], total.relu()[0].numpy())
    assert np.array_equal(run.output, output[0].numpy())
    assert repeats == ([] if leaves else [True])  # who looks on sees another face of the memory


class Masking(nn.Module):
    """Reads a part of what it then writes into, by operators that give it nowhere else."""

    def forward(self, x: Any) -> Any:
        y = x * 2
        total = y[:, 1:].sum()
        y[y < 1] = 5
        y.copy_(y + 1)
        return y * total


def test_a_part_that_was_read_stays_what_it_was(repeats: list[bool]) -> None:
    net, x = cs.open(Masking(), shape=(3, 5, 4)), torch.rand(1, 3, 5, 4)
    net.run(x.numpy())
    run = net.run(x.numpy())
    assert np.array_equal(run["slice"], 2 * x[0, 1:].numpy())
    assert repeats == [True]


class Choosing(nn.Module):
    """The same operators by other modules, of other values, with other settings, or more of them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.conv = nn.ReLU(), nn.ReLU(), nn.Conv2d(2, 2, 1)
        self.kept, self.odd = nn.Identity(), nn.Identity()

    def forward(self, x: Any) -> Any:
        way = int(x[0, 0, 0, 0])
        y = self.conv(x)
        y = self.kept(y) if way == 1 else y
        a = self.two(y) if way == 2 else self.one(y)
        b = a + (x if way == 3 else y)
        b = nn.functional.avg_pool2d(b, 2, ceil_mode=way == 4)
        return b.mul_(2) if way == 5 else b * 2


def test_another_path_is_none_that_is_known(repeats: list[bool]) -> None:
    torch.manual_seed(4)
    module, x = Choosing().eval(), torch.rand(1, 2, 5, 7)
    images = [x.clone() for _ in range(6)]
    for way, image in enumerate(images):
        image[0, 0, 0, 0] = way
    net = cs.open(module, images[0])
    for way in (0, 0, 1, 0, 0, 2, 0, 0, 3, 3, 0, 0, 4, 0, 0, 5, 0, 0):
        run, fresh = net.run(images[way].numpy()), cs.open(module, images[way])
        assert list(run.graph.nodes) == list(fresh.graph.nodes)
        assert np.array_equal(run.output, fresh.run(images[way].numpy()).output)
        for layer, node in fresh.graph.nodes.items():
            assert run.graph.nodes[layer].inputs == node.inputs
    # the way that writes in place gives the same graph, and is the known one from there on
    assert repeats.count(True) == 6 and repeats.count(False) == 6


class Catching(nn.Module):
    """Whatever goes wrong in it is caught, and another way is taken."""

    def forward(self, x: Any) -> Any:
        try:
            y = torch.linalg.cholesky(x[0])
        except:  # noqa: E722  (as people write it)
            y = x[0] * 3
        return y + 1


def test_a_forward_that_catches_everything_is_not_taken_for_one_that_failed(
    repeats: list[bool],
) -> None:
    module, definite = Catching(), torch.eye(3)[None] * 2
    net = cs.open(module, -definite)
    for image in (-definite, -definite, definite):
        assert np.array_equal(net.run(image.numpy()).output, module(image).numpy())
    assert repeats[-1] is False and any(repeats)


def test_a_weight_that_changes_is_seen(repeats: list[bool]) -> None:
    module, x = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU()).eval(), torch.rand(1, 2, 4, 5)
    net = cs.open(module, x)
    for factor in (1.0, 2.0, 3.0):
        with torch.no_grad():
            next(iter(module.parameters())).mul_(factor)
            assert np.array_equal(net.run(x.numpy()).output, module(x)[0].numpy())
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert np.array_equal(net.run(x.numpy()).output, module(x)[0].detach().numpy())
    assert repeats == [True, True, False]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:torch.quantize_per_tensor")
def test_weights_that_torchscript_packs_are_no_other_path() -> None:
    module = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    packed = torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, torch.qint8)  # type: ignore[no-untyped-call]
    network, x = cs.open(packed, shape=(5,)), np.linspace(-1, 1, 5, dtype=np.float32)
    expected = packed(torch.from_numpy(x)[None])[0].numpy()
    for _ in range(3):
        np.testing.assert_array_equal(network.run(x).output, expected)


def test_what_a_forward_prints_is_printed_once_a_run(
    repeats: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    class Telling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2)  # a forward of no rows is run, too

        def forward(self, x: Any) -> Any:
            print("large" if x.max() > 1 else "small")
            y = self.attention(x, x, x)[0]
            return y * 2 if x.max() > 1 else y

    x = torch.rand(1, 3, 4).numpy()
    net = cs.open(Telling(), x)
    for image in (x, x, x, x + 1, x + 1, x):
        net.run(image)
    said = capsys.readouterr().out.split()
    assert said == ["small"] * 4 + ["large"] * 2 + ["small"] and False in repeats


def test_a_forward_of_no_rows_warns_nobody() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2)

        def forward(self, x: Any) -> Any:
            return self.attention(x, x, x)[0] * x.std()

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cs.open(Scaled(), shape=(3, 4))
    assert not said


def test_ways_whose_layers_have_the_same_names_are_told_apart(repeats: list[bool]) -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * (2 if x.max() > 1 else 3)

    x = torch.rand(1, 3, 4).numpy()
    net = cs.open(Scaled(), x, engine="onnxruntime")
    for _ in range(2):  # each way is compared with its own graph in ONNX Runtime
        assert np.array_equal(net.run(x).output, 3 * x[0])
        assert np.array_equal(net.run(x + 1).output, 2 * (x[0] + 1))
        assert net.run(x + 1).trace("mul", (1, 2)).facts.agrees and repeats

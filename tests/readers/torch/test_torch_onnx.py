"""A recorded module written as ONNX: equal in its outputs, its layers explained as they are in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

import convscope as cs

from . import architectures, modules

NAMES = [
    n if n in architectures.USUAL else pytest.param(n, marks=pytest.mark.full)
    for n in architectures.ARCHITECTURES
]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_gives_the_modules_outputs(name: str, tmp_path: Path) -> None:
    module, shape = architectures.made(name)
    x = torch.rand(1, *shape)
    net = cs.open(module, x)
    net.export(tmp_path / "net.onnx")
    onnx.checker.check_model(str(tmp_path / "net.onnx"), full_check=True)
    session = ort.InferenceSession(str(tmp_path / "net.onnx"))
    found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    run = net.run(x.numpy())
    for output, array in zip(net.graph.outputs, found, strict=True):
        expected = run[output]
        assert np.allclose(
            array.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )


@pytest.mark.parametrize("name", ["resnet", "mobilenetv2"])
def test_receptive_fields_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    module, shape = architectures.made(name)
    net = cs.open(module, shape=shape)
    net.export(tmp_path / "net.onnx")
    theirs = {row.name: row for row in cs.open(str(tmp_path / "net.onnx")).facts().rows}
    compared = 0
    for row in net.facts().rows:
        if row.name in theirs and row.receptive_field is not None:
            assert theirs[row.name].receptive_field == row.receptive_field, row.name
            compared += 1
    assert compared > 40


@pytest.mark.parametrize("name", ["kinds", "shared", "functional", "attention", "normed", "hooked"])
def test_two_engines_and_the_ledger_agree(name: str) -> None:
    module, x = modules.made(name)
    net = cs.open(module, x, engine="onnxruntime")
    run = net.run(x.numpy())
    assert run.engine == "ONNX Runtime"
    rng = np.random.default_rng(5)
    for layer, node in net.graph.nodes.items():
        if not node.layer.opaque:
            where = tuple(int(rng.integers(size)) for size in run[layer].shape)
            assert run.trace(layer, where).facts.agrees, layer
    differences = net.backing.differences  # type: ignore[attr-defined]
    assert set(differences) == set(net.graph.nodes)
    assert max(differences.values()) < 1e-4


def test_two_engines_agree_on_infinities_and_in_the_precision_of_halves() -> None:
    class Dividing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nan_to_num(x.round() / 0)

    x = torch.tensor([[2.0, -3.0, 0.1]])
    assert cs.open(Dividing(), x, engine="onnxruntime").run(x.numpy()).output.any()
    torch.manual_seed(0)
    half = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 2)).bfloat16()
    net = cs.open(half, shape=(3, 8, 9), engine="onnxruntime")
    net.run(torch.rand(3, 8, 9).numpy())
    assert max(net.backing.differences.values()) > 1e-3  # type: ignore[attr-defined]


def test_what_onnx_cannot_say_is_named(tmp_path: Path) -> None:
    class Second(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return torch.linalg.svdvals(x) * 2

    net = cs.open(Second(), torch.rand(1, 5, 7))
    with pytest.raises(cs.errors.UnsupportedError, match="linalg_svdvals"):
        net.export(tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
    with pytest.raises(cs.errors.SettingError, match="onnxruntime"):
        cs.open(Second(), torch.rand(1, 5, 7), engine="tensorrt")


def test_tokens_see_their_patch_and_after_attention_all() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.lin = nn.Conv2d(3, 6, (4, 5), (4, 5)), nn.Linear(6, 6)
            self.first = nn.Parameter(torch.rand(1, 1, 6))
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x: Any) -> Any:
            x = self.lin(self.patches(x).flatten(2).transpose(1, 2))
            joined = torch.cat([self.first, x], 1)
            return (joined + self.attention(joined, joined, joined)[0])[:, 0]

    net = cs.open(Tokens(), shape=(3, 12, 20))
    found: dict[str, Any] = {row.name: row.receptive_field for row in net.facts().rows}
    # a patch each; the first token sees none before it looks at the others; then all see all
    patch, image = ((4, 5), (None, None), (0, 0)), ((12, 20), (None, None), (0, 0))
    assert found["lin"] == found["cat"] == patch and found["add"] == found["select"] == image
    alike = [getattr(found[name], "alike", None) for name in ("lin", "cat", "select")]
    assert alike == [True, False, True]


@pytest.mark.parametrize(
    ("module", "size", "start"),
    [
        (nn.Unfold((3, 2), padding=1, stride=2), (1, 1), (-1, -1)),
        (nn.Sequential(nn.Conv2d(3, 4, (3, 2), stride=2), nn.Unfold((2, 3), padding=(1, 0))), (3, 2), (-2, 0)),
    ],
)  # fmt: skip
def test_a_number_of_a_column_sees_one_place_of_what_is_unfolded(
    module: nn.Module, size: tuple[int, int], start: tuple[int, int]
) -> None:
    net = cs.open(module, shape=(3, 9, 8))
    last = list(net.graph.nodes)[-1]
    field = net.graph.receptive_field(last)
    assert field is not None and (field.size, field.start) == (size, start)


@pytest.mark.parametrize("pad", [nn.ReplicationPad2d((1, 3, 2, 0)), nn.CircularPad2d((1, 3, 2, 0))])
def test_what_a_repeated_border_sees_is_what_it_repeats(pad: nn.Module) -> None:
    torch.manual_seed(6)
    module = nn.Sequential(nn.Conv2d(2, 3, (2, 3), stride=(2, 3)), pad, nn.Conv2d(3, 4, 1)).eval()
    x = torch.rand(1, 2, 9, 14)
    net = cs.open(module, x)
    for at in ((0, 0, 0), (1, 1, 7), (2, 3, 6), (3, 5, 2)):
        rows, columns = net.graph.patch(
            "2", at
        )  # what is no number in the image is none in the result
        for axis, (first, last) in ((2, rows), (3, columns)):  # type: ignore[misc]
            read = []
            for place in range(x.shape[axis]):
                other = x.clone()
                other.select(axis, place).fill_(float("nan"))
                if module(other)[0][at].isnan():
                    read.append(place)
            assert (first, last) == (read[0], read[-1]), at

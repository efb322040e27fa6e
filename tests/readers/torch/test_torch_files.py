"""Files of PyTorch's that are read by content: programs of torch.export, and weights for a module."""

from __future__ import annotations

import json
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.cli.program import main
from convscope.errors import SettingError, SourceError, WeightsError

from . import architectures
from .modules import unchanged


class Small(nn.Module):
    """A convolution used twice, constants of every kind, and something frozen."""

    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.again = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=2), nn.BatchNorm2d(6))
        self.fc = nn.Linear(6, 5)
        self.fc.bias.requires_grad_(False)
        self.register_buffer("steps", torch.arange(5.0) / 3, persistent=False)

    def forward(self, x: Any, shift: Any) -> Any:
        x = self.again(self.again(self.conv(x)))
        x = x[:, :, 1:] + torch.arange(x.shape[3], dtype=torch.float32)
        left, right = x.chunk(2, 1)
        return {"scores": self.fc(torch.cat([right, left], 1).mean((2, 3))) + self.steps + shift}


SHAPES = (3, 9, 8), (5,)


def exported(module: nn.Module, example: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        torch.export.save(torch.export.export(module.eval(), example), path)
    return path


@pytest.fixture
def small(tmp_path: Path) -> tuple[nn.Module, Path]:
    torch.manual_seed(4)
    module = Small()
    example = tuple(torch.rand(1, *shape) for shape in SHAPES)
    return module, exported(module, example, tmp_path / "small.pt2")


def test_a_program_is_the_module_that_was_exported(small: tuple[nn.Module, Path]) -> None:
    module, path = small
    net, live = cs.open(path), cs.open(module, shape=list(SHAPES))
    assert {n.name: n.layer.kind for n in net.graph.nodes.values()} == {
        n.name: n.layer.kind for n in live.graph.nodes.values()
    }
    assert net.graph.totals == live.graph.totals
    assert [r.receptive_field for r in net.facts().rows] == [
        r.receptive_field for r in live.facts().rows
    ]
    rng = np.random.default_rng(2)
    given = [rng.random(shape, np.float32) for shape in SHAPES]
    run = net.run(given)
    with torch.no_grad():
        expected = module(*(torch.from_numpy(one)[None] for one in given))["scores"]
    np.testing.assert_allclose(run.output, expected[0].numpy(), rtol=1e-5, atol=1e-6)
    for name, node in net.graph.nodes.items():
        assert not node.layer.opaque, (name, node.layer.reason)
        where = tuple(int(rng.integers(s)) for s in run[name].shape)
        assert run.trace(name, where).facts.agrees, name
    assert net.edit("conv", kernel_size=5, padding=2).run(given).output.shape == (5,)


@pytest.mark.parametrize("name", ["resnet", pytest.param("vit", marks=pytest.mark.full)])
def test_programs_of_networks_that_others_wrote(name: str, tmp_path: Path) -> None:
    module, shape = architectures.made(name)
    x = torch.rand(1, *shape)
    net = cs.open(exported(module, (x,), tmp_path / "net.pt2"))
    live = cs.open(module, x)
    assert net.graph.totals == live.graph.totals
    with torch.no_grad():
        expected = module(x).logits[0].numpy()
    np.testing.assert_allclose(net.run(x[0].numpy()).output, expected, rtol=1e-3, atol=1e-5)


class Open(nn.Module):
    """Sizes that an exported program leaves open: a batch, rows and columns that differ, and what is made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        half = x[:, :, : x.shape[2] // 2].flatten(2)
        return self.fc(half.mean(2)) / x.shape[3]


def test_sizes_that_a_program_leaves_open_are_those_of_its_export(tmp_path: Path) -> None:
    torch.manual_seed(6)
    module, x = Open().eval(), torch.rand(2, 3, 18, 13)
    sizes = {
        "x": {
            0: torch.export.Dim("batch"),
            2: torch.export.Dim.AUTO,
            3: torch.export.Dim.AUTO,
        }
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        program = torch.export.export(module, (x,), dynamic_shapes=sizes)
        torch.export.save(program, tmp_path / "open.pt2")
    with pytest.warns(
        cs.errors.SourceWarning,
        match=r"sizes open: x is \(s\d+, 3, s\d+, s\d+\), and is shown for \(2, 3, 18, 13\), as it was exported",
    ):
        net = cs.open(tmp_path / "open.pt2")
    # (18 + 2 − 3)//2 + 1 rows of the convolution, of which half, and (13 + 2 − 3)//2 + 1 columns
    assert net.get_layer("conv") is not None
    assert net.graph.shape("conv") == (4, 9, 7)
    assert [s for n, s in ((n, net.graph.shape(n)) for n in net.graph.nodes) if s == (4, 4 * 7)]
    with torch.no_grad():
        expected = module(x)[0]
    run = net.run(x[0].numpy())
    assert np.allclose(run.output, expected.numpy(), atol=1e-6)
    assert run.trace("conv", (3, 5, 4)).facts.agrees
    assert net.graph.totals.params == sum(p.numel() for p in module.parameters())


class Tied(nn.Module):
    """A weight that two modules share, one that is computed from parameters, and arguments that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(7, 7), nn.Linear(7, 7, bias=False)
        self.second.weight = self.first.weight
        self.normed = torch.nn.utils.parametrizations.weight_norm(nn.Linear(7, 5))

    def forward(self, x: Any, times: int, how: str, mask: Any = None) -> Any:
        assert mask is None
        return self.normed(self.second(self.first(x).relu())) * times


def test_a_program_shares_and_computes_weights_as_its_module_does(tmp_path: Path) -> None:
    torch.manual_seed(6)
    module, x = Tied(), torch.rand(1, 7)
    net = cs.open(exported(module, (x, 3, "so", None), tmp_path / "tied.pt2"))
    assert list(net.graph.inputs) == ["x"]
    assert not any(node.layer.opaque for node in net.graph.nodes.values())
    assert net.count_params() == sum(p.numel() for p in module.parameters())
    assert net.graph.totals.macs == 7 * 7 * 2 + 7 * 5
    with torch.no_grad():
        expected = module(x, 3, "so")[0].numpy()
    assert np.allclose(net.run(x[0].numpy()).output, expected, atol=1e-6)


def test_no_pickle_is_opened_and_no_code_is_run(small: tuple[nn.Module, Path]) -> None:
    seen: list[str] = []
    on = [True]

    def hook(event: str, args: Any) -> None:
        if on[0] and event.startswith(
            ("pickle", "exec", "compile", "marshal", "subprocess", "socket")
        ):
            seen.append(event)

    cs.open(small[1])  # so that modules are imported
    sys.addaudithook(hook)
    cs.open(small[1]).facts()
    on[0] = False
    assert seen == []


def rewritten(
    path: Path, change: Callable[[dict[str, Any]], None], member: str = "models/model.json"
) -> Path:
    """Write the archive again with one of its JSON members changed."""
    other = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith(member):
                told = json.loads(data)
                change(told)
                data = json.dumps(told).encode()
            new.writestr(info.filename, data)
    return other


def nodes(told: dict[str, Any]) -> Any:
    return told["graph_module"]["graph"]["nodes"]


def test_hostile_programs_end_in_one_error(small: tuple[nn.Module, Path]) -> None:
    _, path = small
    weights = "weights/model_weights_config.json"

    def config(told: dict[str, Any], **more: Any) -> None:
        told["config"]["conv.weight"].update(more)

    def meta(told: dict[str, Any], **more: Any) -> None:
        told["config"]["conv.weight"]["tensor_meta"].update(more)

    def far(told: dict[str, Any]) -> None:
        made = next(n for n in nodes(told) if "arange" in n["target"])
        made["inputs"] = [{"name": "end", "arg": {"as_int": 1 << 50}, "kind": 1}]

    def from_file(told: dict[str, Any]) -> None:
        made = next(n for n in nodes(told) if "arange" in n["target"])
        made["target"] = "torch.ops.aten.from_file.default"
        made["inputs"] = [
            {"name": "filename", "arg": {"as_string": str(path.with_name("written"))}, "kind": 1},
            {"name": "shared", "arg": {"as_bool": True}, "kind": 1},
            {"name": "size", "arg": {"as_int": 8}, "kind": 1},
        ]

    for change, member, words in [
        (lambda t: config(t, use_pickle=True), weights, "is pickled"),
        (lambda t: config(t, path_name="../../secret"), weights, "no member"),
        (lambda t: meta(t, sizes=[{"as_int": 1 << 40}] * 4), weights, "does not lie in"),
        (lambda t: meta(t, strides=[{"as_int": -1}] * 4), weights, "does not lie in"),
        (lambda t: meta(t, dtype="Long"), weights, "makes no sense"),
        (lambda t: t.update(schema_version={"major": 3}), "models/model.json", "version 3"),
        (lambda t: nodes(t)[0].update(target=["x"]), "models/model.json", ""),
        (lambda t: nodes(t)[0]["inputs"].clear(), "models/model.json", ""),
        (lambda t: t["graph_module"].pop("graph"), "models/model.json", "makes no sense"),
        (lambda t: nodes(t).extend([0] * 100_001), "models/model.json", "operators; 100,000"),
    ]:
        changed = rewritten(path, change, member)
        try:
            net = cs.open(changed)
        except SourceError as error:
            assert words in str(error), (words, str(error))
        else:
            assert not words
            assert any(node.layer.opaque for node in net.graph.nodes.values())
    for change in (far, from_file):
        net = cs.open(rewritten(path, change))
        assert any(node.layer.opaque for node in net.graph.nodes.values())
    assert not path.with_name("written").exists()
    path.with_name("no.pt2").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(SourceError, match="no zip archive"):
        cs.open(path.with_name("no.pt2"))
    torch.save({"a": torch.ones(2)}, path.with_name("old.pt2"))
    with pytest.raises(SourceError, match="export it again"):
        cs.open(path.with_name("old.pt2"))
    with pytest.raises(SettingError, match="without an example"):
        cs.open(path, torch.rand(1, 3, 9, 8))


def test_weights_of_a_file_stand_in_a_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    torch.manual_seed(6)
    module, other = Small().eval(), Small().eval()
    with torch.no_grad():
        other.again[1].running_mean.uniform_(1, 2)  # type: ignore[operator]
    path = tmp_path / "small.safetensors"
    safetensors.save_file(other.state_dict(), path)
    with pytest.warns(cs.errors.SourceWarning, match="weights and no network"):
        alone = cs.open(path)
    assert alone.facts().to_dict()["totals"]["macs"] is None  # nobody knows what is done with them
    given = [np.random.default_rng(3).random(shape, np.float32) for shape in SHAPES]
    with unchanged(module):
        net = cs.open(module, shape=list(SHAPES), weights=path)
        found = net.run(given).output
    with torch.no_grad():
        expected = other(*(torch.from_numpy(one)[None] for one in given))["scores"][0].numpy()
    assert np.array_equal(found, expected)
    assert net.graph.totals == cs.open(module, shape=list(SHAPES)).graph.totals
    state = other.state_dict()
    state["fc.weights"] = state.pop("fc.weight")
    safetensors.save_file(state, path)
    with pytest.raises(
        WeightsError,
        match=r"lacks fc\.weight; fc\.weights is not among .*did you mean 'fc\.weight'",
    ):
        cs.open(module, shape=list(SHAPES), weights=path)
    safetensors.save_file(Small().state_dict() | {"fc.bias": torch.ones(4)}, path)
    with pytest.raises(WeightsError, match=r"fc\.bias is \(4,\), and the module's \(5,\)"):
        cs.open(module, shape=list(SHAPES), weights=path)
    code = tmp_path / "nets.py"
    code.write_text("from torch import nn\nnet = nn.Conv2d(3, 6, 3, padding=1)\n")
    safetensors.save_file({"weight": torch.ones(6, 3, 3, 3), "bias": torch.ones(6)}, path)
    args = [f"{code}:net", "--shape", "3,5,6", "--weights", str(path)]
    with pytest.raises(SystemExit) as ended:
        main(["summary", *args])
    assert ended.value.code == 0
    assert "168 parameters" in capsys.readouterr().out
    with pytest.raises(SettingError, match="for PyTorch modules"):
        cs.open("demo", weights=path)

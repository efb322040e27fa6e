"""Summaries of modules: names, folding, what was never called, failures, and torchinfo's figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import torch
import torchinfo
from torch import nn

import convscope as cs
from convscope.cli.program import main

from .architectures import made

CODE = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, wide=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, (3, 5), stride=2)
        self.bn = nn.BatchNorm2d(8)
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Conv2d(8, 9, 3, padding=1), nn.ReLU()), nn.Sequential(nn.Conv2d(9, 12, 1))
        )
        self.fc = nn.Linear(12, wide)
        self.unused = nn.Linear(3, 4)

    def forward(self, x):
        x = self.bn(self.conv(x)).relu()
        return self.fc(self.blocks(x).mean((2, 3)))

def make():
    return Small(5)

net = Small(7)

def bad():
    net = Small()
    net.fc = nn.Linear(13, 4)
    return net
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "nets.py"
    path.write_text(CODE, encoding="utf-8")
    return path


def small(code: Path, name: str = "Small") -> Any:
    return run_path(str(code))[name]


def test_names_are_pytorchs_and_containers_fold(code: Path) -> None:
    net = cs.open(small(code)(), shape=(3, 15, 18))
    assert [(r.name, r.kind) for r in net.facts().rows] == [
        ("conv", "Conv2d"), ("bn", "BatchNorm2d"), ("relu", "relu"), ("blocks.0.0", "Conv2d"),
        ("blocks.0.1", "ReLU"), ("blocks.1.0", "Conv2d"), ("mean", "mean"), ("fc", "Linear"),
    ]  # fmt: skip
    folded = net.facts(depth=1).rows
    assert [(r.name, r.kind) for r in folded] == [
        ("conv", "Conv2d"), ("bn", "BatchNorm2d"), ("relu", "relu"), ("blocks", "Sequential"),
        ("mean", "mean"), ("fc", "Linear"),
    ]  # fmt: skip
    assert folded[3].params == 8 * 9 * 9 + 9 + 9 * 12 + 12
    assert net.facts().uncalled == (("unused", "Linear", 16),)
    assert net.facts().to_dict()["never_called"] == [["unused", "Linear", 16]]
    rows = {r.name: r for r in net.facts().rows}
    assert (rows["bn"].params, rows["bn"].weights["running_mean"]) == (16, (8,))


def test_a_module_alone_shows_its_parameters(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = small(code)()
    net = cs.open(module)
    assert net.graph.totals.params == sum(p.numel() for p in module.parameters())
    assert net.facts().to_dict()["totals"]["macs"] is None
    with pytest.raises(cs.errors.NotBuiltError, match="without an example"):
        net.run(torch.rand(3, 15, 18).numpy())
    net.summary()
    assert "blocks.1.0" in capsys.readouterr().out


@pytest.mark.parametrize("attribute", ["Small", "make", "net"])
def test_the_command_line_takes_modules_classes_and_functions(
    code: Path, attribute: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = {"Small": 10, "make": 5, "net": 7}[attribute]
    with pytest.raises(SystemExit) as ended:
        main(["summary", f"{code}:{attribute}", "--shape", "3,15,18", "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"][-1]["output_shape"] == [None, wide]
    with pytest.raises(SystemExit) as ended:
        main(["explain", f"{code}:{attribute}"])
    assert ended.value.code == 2
    assert "--shape" in capsys.readouterr().err


def test_a_failing_forward_says_where_and_what_would_fit(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        cs.errors.ForwardError, match=r"fc \(Linear\).*in_features=12 would fit"
    ) as failed:
        cs.open(small(code, "bad")(), shape=(3, 15, 18))
    assert (failed.value.module, failed.value.op) == ("fc", "linear")
    assert list(failed.value.network.graph.nodes)[-1] == "mean"
    with pytest.raises(SystemExit) as ended:
        main(["summary", f"{code}:bad", "--shape", "3,15,18"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "blocks.1.0 (Conv2d)" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("module", "shape", "words"),
    [
        (nn.Conv2d(3, 5, 3), (4, 8, 9), "in_channels=4 would fit"),
        (nn.Conv2d(3, 5, 3), (8, 9, 3), "channels-last"),
        (nn.Conv2d(3, 5, 7), (3, 5, 9), "padding=1 would fit"),
        (nn.Conv2d(3, 5, 3), (7,), "has 2 axes and it takes 4"),
        (nn.Linear(6, 5), (7,), "in_features=7 would fit"),
    ],
)
def test_an_example_of_the_wrong_shape(
    module: nn.Module, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(cs.errors.ForwardError, match=words):
        cs.open(module, shape=shape)


COLUMNS = (
    "input_size",
    "output_size",
    "num_params",
    "params_percent",
    "kernel_size",
    "mult_adds",
    "trainable",
)


@pytest.mark.parametrize("name", ["resnet", "mobilenetv2", "swin"])
def test_the_drop_in_holds_torchinfos_totals(name: str) -> None:
    module, shape = made(name)
    theirs = torchinfo.summary(
        module, input_size=(1, *shape), verbose=0, mode="eval", col_names=COLUMNS
    )
    ours = cs.summary(module, input_size=(1, *shape), verbose=0, col_names=COLUMNS)
    for figure in (
        "total_params",
        "trainable_params",
        "total_mult_adds",
        "total_output_bytes",
        "total_param_bytes",
    ):
        assert getattr(ours, figure) == getattr(theirs, figure), figure
    # torchinfo adds the 64 bytes of Python's empty dictionary of keyword arguments
    assert ours.total_input == theirs.total_input - sys.getsizeof({})


def test_the_drop_in_prints_once_and_names_what_it_cannot(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = cs.summary(nn.Conv2d(3, 8, 5), input_size=(2, 3, 9, 10))
    assert capsys.readouterr().out == f"{found}\n"
    assert "Total mult-adds (Units.MEGABYTES): 0.04" in str(found)
    cs.summary(nn.Conv2d(3, 8, 5), verbose=0)
    assert capsys.readouterr().out == ""
    with pytest.raises(cs.errors.SettingError, match="did you mean 'output_size'"):
        cs.summary(nn.Conv2d(3, 8, 5), input_size=(2, 3, 9, 10), col_names=("outputsize",))
    with pytest.raises(cs.errors.ForwardError, match="in_channels=4"):
        cs.summary(nn.Conv2d(3, 8, 5), input_size=(2, 4, 9, 10), verbose=0)


def test_neither_pytorch_nor_its_compiler_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, convscope as cs; cs.open('demo').facts(); assert 'torch' not in sys.modules\n"
        "import torch; net = cs.open(torch.nn.Conv2d(3, 5, 3), shape=(3, 8, 9)); net.facts()\n"
        "assert 'torch._dynamo' not in sys.modules, 'dynamo'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

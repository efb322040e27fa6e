"""Summaries of modules: names, folding, what was never called, failures, and torchinfo's figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
import torch
import torchinfo
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import convscope as cs
from convscope.cli.program import main

from .architectures import made
from .modules import TRAPS, unchanged
from .modules import made as trap

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
        print("a forward's own words")
        x = self.bn(self.conv(x)).relu()
        return self.fc(self.blocks(x).mean((2, 3)))

def make():
    return Small(5)

net = Small(7)
print("a file's own words")

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


def test_computed_weights_and_lists_of_parameters_are_called_in_words() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernels = nn.ParameterList([torch.randn(4, 3, 2, 2), torch.randn(4)])
            self.none = nn.ModuleList()
            self.normed = weight_norm(nn.Conv2d(4, 5, (2, 3)))
            self.attention = nn.MultiheadAttention(9, 3, batch_first=True)
            self.spare = nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            y = self.normed(nn.functional.conv2d(x, *self.kernels)).flatten(2)
            return self.attention(y, y, y)[0]

    module = Listed()
    net = cs.open(module, torch.rand(1, 3, 5, 6))
    first, normed = (net.graph.facts[name] for name in ("conv2d", "normed"))
    assert list(first.weights) == ["kernels_0", "kernels_1"]
    assert list(normed.weights) == ["weight", "bias", "weight_original0", "weight_original1"]
    assert net.graph.node("normed").layer.kind == "ParametrizedConv2d"
    never = net.graph.uncalled
    assert [(name, params) for name, _, params in never] == [
        ("attention.out_proj", 0),
        ("spare", 9),
    ]
    rows = sum(facts.params for facts in net.graph.facts.values())
    assert rows + 9 == net.count_params() == sum(p.numel() for p in module.parameters())
    with pytest.raises(cs.errors.ShapeError, match="computed from weight_original0"):
        net.edit("normed", out_channels=7)


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
    said = capsys.readouterr().out
    assert "blocks.1.0 (Conv2d)" in said and "the parameters are all that is known" in said


@pytest.mark.parametrize("attribute", ["Small", "make", "net"])
def test_the_command_line_takes_modules_classes_and_functions(
    code: Path, attribute: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = {"Small": 10, "make": 5, "net": 7}[attribute]
    with pytest.raises(SystemExit) as ended:
        main(["summary", f"{code}:{attribute}", "--shape", "3,15,18", "--json"])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["layers"][-1]["output_shape"] == [None, wide]
    assert "a file's own words" in said.err and "a forward's own words" in said.err
    image = code.with_name("image.npy")
    batch = (1,) * (attribute == "make")  # its shape is what the module is opened with
    np.save(image, np.ones((*batch, 3, 15, 18), np.float32))
    with pytest.raises(SystemExit) as ended:
        trace = ["trace", f"{code}:{attribute}", "conv", "1,2,3", "--json"]
        main([*trace, "--image", str(image)])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["position"] == [1, 2, 3]
    with pytest.raises(SystemExit) as ended:
        main(["explain", f"{code}:{attribute}"])
    assert ended.value.code == 2
    assert "--shape" in capsys.readouterr().err


def test_whose_type_alone_is_taken_is_no_parameter_of_a_layer() -> None:
    class Sized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 2)

        def forward(self, x: torch.Tensor) -> Any:
            w = self.conv.weight
            x = x + w.new_ones(2, 1, 1) + torch.zeros_like(w)[0, :, :1, :1]
            return self.conv(x)

    rows = {row.name: row.params for row in cs.open(Sized(), shape=(2, 5, 6)).facts().rows}
    assert rows == {"add": 0, "add:2": 0, "conv": 2 * 3 * 2 * 2 + 3}


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
        (
            nn.Conv2d(3, 5, 3),
            (8, 9),
            "1 channel and .* with a batch an input has 4 axes, and this one has 3",
        ),
        (nn.Conv2d(3, 5, 7), (3, 5, 9), "padding=1 would fit"),
        (nn.Conv2d(3, 5, 3), (7,), "has 2 axes and it takes 4"),
        (nn.Linear(6, 5), (7,), "in_features=7 would fit"),
        (nn.ConvTranspose2d(3, 5, 2), (4, 8, 9), "in_channels=4 would fit"),
        (nn.BatchNorm2d(3), (4, 8, 9), "num_features=4 would fit"),
        (nn.GroupNorm(3, 9), (8, 5, 7), "num_channels=8 and num_groups=1 or 2 or 4 or 8 would fit"),
        (nn.GroupNorm(3, 9, affine=False), (8, 5, 7), "do not make 3 groups: num_groups=1 or 2"),
        (nn.LayerNorm((5, 6)), (5, 7), r"normalized_shape=\(5, 7\) would fit"),
        (nn.MaxPool2d((2, 9), dilation=(1, 2)), (4, 5, 8), "kernel_size=4 at most would fit"),
        (nn.AvgPool1d(9, padding=1), (4, 5), "and 2 of padding: kernel_size=7 at most would fit"),
        (nn.Embedding(11, 3), (4,), r"as torch.randint\(11, \(1, 4\)\)"),
    ],
)
def test_an_example_of_the_wrong_shape(
    module: nn.Module, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(cs.errors.ForwardError, match=words):
        cs.open(module, shape=shape)


@pytest.mark.parametrize("kind", ["uint8", "float64", "bfloat16"])
def test_an_example_of_another_type_than_the_weights(kind: str) -> None:
    words = rf"input is {kind} and its weight float32: example\.to\(torch\.float32\) would fit"
    with pytest.raises(cs.errors.ForwardError, match=words):
        cs.open(nn.Conv2d(3, 5, 3), torch.ones(1, 3, 8, 9, dtype=getattr(torch, kind)))


def test_an_example_with_too_few_or_too_many_axes() -> None:
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(5 * 6 * 7, 4))
    with pytest.raises(
        cs.errors.ForwardError, match=r"no batch: example\[None\] is a batch of one"
    ):
        cs.open(module, torch.rand(3, 8, 9))
    with pytest.raises(cs.errors.ForwardError, match=r"5 axes and it takes 4.*without the batch"):
        cs.open(module, shape=(1, 3, 8, 9))
    assert cs.open(module, shape=np.array([3, 8, 9])).graph.inputs == {"input": (3, 8, 9)}
    for example, said in (("x.png", "no tensor, but str"), (np.array([None]), "array of object")):
        with pytest.raises(cs.errors.InputError, match=said):
            cs.open(module, example)


COLUMNS = (
    "input_size",
    "output_size",
    "num_params",
    "params_percent",
    "kernel_size",
    "mult_adds",
    "trainable",
)


NETWORKS = [
    *("resnet", "mobilenetv2", "swin", "segformer"),
    *(
        "branches",
        "functional",
        "shared",
        "normed",
        "views",
        "frozen",
        "hooked",
        "kinds",
        "attention",
        "encoder",
    ),
]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_drop_in_holds_torchinfos_totals(name: str) -> None:
    if name in TRAPS:
        module, x = trap(name)
    else:
        module, shape = made(name)
        x = torch.rand(1, *shape)
    theirs = torchinfo.summary(module, input_data=x, verbose=0, mode="eval", col_names=COLUMNS)
    ours = cs.summary(module, input_data=x, verbose=0, col_names=COLUMNS)
    for figure in ("total_mult_adds", "total_output_bytes"):
        assert getattr(ours, figure) == getattr(theirs, figure), figure
    every = list(module.parameters())
    assert ours.total_params == sum(p.numel() for p in every)
    assert ours.trainable_params == sum(p.numel() for p in every if p.requires_grad)
    assert ours.total_param_bytes == sum(p.numel() * p.element_size() for p in every)
    if name != "shared":  # torchinfo counts a weight that two modules hold twice
        assert (ours.total_params, ours.trainable_params) == (
            theirs.total_params,
            theirs.trainable_params,
        )
        # and leaves the bytes of parameters out that a module with modules in it holds by itself
        assert theirs.total_param_bytes <= ours.total_param_bytes
    # torchinfo adds the 64 bytes of Python's empty dictionary of keyword arguments
    assert ours.total_input == theirs.total_input - sys.getsizeof({})
    printed = str(theirs).partition("Total params")[2].splitlines()
    if (ours.total_params, ours.total_param_bytes) == (
        theirs.total_params,
        theirs.total_param_bytes,
    ):
        own = str(ours).partition("Total params")[2].splitlines()
        assert [line for line in own if "=" not in line] == [
            line for line in printed if "=" not in line
        ]


def test_the_drop_in_takes_torchinfos_options() -> None:
    module = nn.Sequential(
        nn.Embedding(9, 4), nn.Sequential(nn.Linear(4, 5), nn.ReLU()), nn.Linear(5, 2)
    )
    options: dict[str, Any] = {
        "batch_dim": 0, "dtypes": [torch.long], "device": "cpu", "verbose": 0, "mode": "eval",
        "cache_forward_pass": False, "col_names": COLUMNS, "col_width": 16,
    }  # fmt: skip
    for rows, depth in ((("depth",), 3), (("ascii_only",), 3), (("var_names", "depth"), 2)):
        theirs = torchinfo.summary(module, (7,), row_settings=rows, depth=depth, **options)
        ours = cs.summary(module, (7,), row_settings=rows, depth=depth, **options)
        assert len(str(ours).splitlines()) == len(str(theirs).splitlines())
        for own, other in zip(str(ours).splitlines(), str(theirs).splitlines(), strict=True):
            assert own.partition("   ")[0] == other.partition("   ")[0]
            if "(" not in own and "=" not in own:
                assert own.split() == other.split()
    whole = cs.summary(module, input_data=[torch.ones(3, 7, dtype=torch.long)], verbose=0)
    assert whole.summary_list[0].output_size == [3, 7, 2]
    assert whole.input_size == [torch.Size([3, 7])]
    with pytest.raises(cs.errors.SettingError, match="input_size or input_data"):
        cs.summary(module, (1, 7), torch.ones(1, 7), verbose=0)


def test_the_drop_in_prints_torchinfos_columns() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.pool = nn.Parameter(torch.rand(1, 1, 5)), nn.MaxPool2d(3)
            self.inner = nn.Sequential(nn.Conv2d(2, 4, (3, 2)), nn.ConvTranspose2d(4, 3, 2))

        def forward(self, x: torch.Tensor) -> Any:
            return self.inner(self.pool(x)) + self.token

    asked: dict[str, Any] = {"input_size": (1, 2, 21, 15), "col_names": COLUMNS, "verbose": 0}
    ours, theirs = cs.summary(Token(), **asked), torchinfo.summary(Token(), **asked)
    assert str(ours).partition("Total params")[0] == str(theirs).partition("Total params")[0]


def test_the_drop_in_lists_what_only_holds_modules() -> None:
    class Lists(nn.Module):
        used: Any = 3

        def __init__(self) -> None:
            super().__init__()
            self.many = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
            self.deep = nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), nn.Linear(5, 4))

        def forward(self, x: Any) -> Any:
            for one in self.many[: self.used]:
                x = one(x)
            return self.deep[1](self.deep[0](x))

    module = Lists()
    for used in (3, 2):
        module.used = used
        for depth in (1, 2, 3):
            columns = [name for name in COLUMNS if name != "mult_adds"]  # a list has none there
            options: dict[str, Any] = {"col_names": columns, "depth": depth, "verbose": 0}
            ours, theirs = (
                one(module, (2, 4), **options) for one in (cs.summary, torchinfo.summary)
            )
            assert ours.total_params == sum(p.numel() for p in module.parameters())
            if used == 3:
                tables = [str(one).partition("Total mult")[0] for one in (ours, theirs)]
                assert tables[0].split() == tables[1].split()


def test_the_drop_in_calls_with_what_it_is_given() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(5, 7)

        def forward(self, x: Any, more: Any = None) -> Any:
            return self.one(x["x"] if isinstance(x, dict) else sum(x)) + (0 if more is None else 1)

    x = torch.rand(2, 5)
    for given in ([{"x": x}], [[x, x]], {"x": {"x": x}}):
        assert cs.summary(Nested(), input_data=given, verbose=0).summary_list[1].output_size == [
            2,
            7,
        ]


def test_the_drop_in_runs_on_a_device_and_the_module_stays_where_it_is() -> None:
    module, x = trap("kinds")
    usual = cs.summary(module, input_data=x, verbose=0)
    with unchanged(module, x):
        shapes = cs.summary(module, input_data=x, device="meta", verbose=0)
        again = cs.summary(module, (1, 3, 12, 10), device=torch.device("cpu"), verbose=0)
    assert str(shapes) == str(again) == str(usual)
    huge = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(1), nn.ReLU())
    with unchanged(huge):  # 74 GB of numbers, were there any
        found = cs.summary(huge, (64, 3, 6002, 6002), device="meta", verbose=0)
    assert found.summary_list[0].output_size == [64, 8 * 6000 * 6000]
    there = nn.Linear(4, 3, device="meta")
    with pytest.raises(
        cs.errors.SettingError, match=r"Linear is not brought to device='cpu'.*meta"
    ):
        cs.summary(there, (1, 4), device="cpu", verbose=0)
    assert cs.summary(there, (5, 4), verbose=0).summary_list[0].output_size == [5, 3]
    assert cs.summary(nn.ReLU(), (5, 4), device="meta", verbose=0).summary_list[0].output_size == [
        5,
        4,
    ]


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


def test_the_drop_in_shows_each_weight_once_with_pytorchs_shape() -> None:
    module = nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 6, batch_first=True))
    columns = ("kernel_size", "num_params")
    table = str(
        cs.summary(module, (2, 7), dtypes=[torch.long], col_names=columns, verbose=2)
    ).splitlines()
    for name, weight in module.named_parameters():
        (row,) = (line for line in table if f"└─{name.partition('.')[2]} " in line)
        assert str(list(weight.shape)) in row  # torchinfo swaps the first two
        assert row.endswith(f"─{weight.numel()}")
    narrow = str(cs.summary(nn.Conv2d(3, 8, 5), (2, 3, 9, 10), col_width=4, verbose=0))
    assert "[2, 8, 5, 6] 608" in narrow


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"verbose": 5}, "verbose is 0"),
        ({"depth": -1}, "depth is a whole number from 0"),
        ({"batch_dim": 5}, "batch_dim is a place among 5 axes"),
        ({"device": "nosuch"}, "is not brought to device='nosuch'"),
    ],
)
def test_the_drop_in_refuses_what_it_would_misread(options: dict[str, Any], words: str) -> None:
    with pytest.raises(cs.errors.SettingError, match=words):
        cs.summary(nn.Conv2d(3, 8, 5), (2, 3, 9, 10), **options)
    with pytest.raises(cs.errors.SourceError, match="call it once"):
        cs.summary(nn.LazyLinear(4), verbose=0)
    module = nn.Conv2d(3, 8, 5)
    assert cs.summary(module, (3, 9, 10), batch_dim=-4, verbose=0).summary_list[0].output_size == [
        1,
        8,
        5,
        6,
    ]


def test_neither_pytorch_nor_its_compiler_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, convscope as cs; cs.open('demo').facts(); assert 'torch' not in sys.modules\n"
        "import torch; net = cs.open(torch.nn.Conv2d(3, 5, 3), shape=(3, 8, 9)); net.facts()\n"
        "assert 'torch._dynamo' not in sys.modules, 'dynamo'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_explanation_adds_up_parameters_alone() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kept = nn.Parameter(torch.rand(1, 4, 6))
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x: Any) -> Any:
            return torch.cat([self.kept.expand(len(x), -1, -1), self.norm(x)], 1)

    net = cs.open(Tokens(), torch.rand(1, 3, 6))
    assert net.explain("norm").to_dict()["parameters"] == [
        "weight (3,): 3",
        "bias (3,): one for each, 3",
        "running_mean (3,): 3 numbers, no parameters",
        "running_var (3,): 3 numbers, no parameters",
    ]
    assert "• 3 + 3 = 6 parameters" in str(net.explain("norm"))
    assert "tensors (1, 4, 6): 1·4·6 = 24 numbers, no parameters" in str(net.explain("cat"))
    assert "24 + 24" not in str(net.explain("cat"))

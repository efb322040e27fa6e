"""Edits of recorded modules, against PyTorch: the same module written with the new settings, the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import convscope as cs
from convscope.cli.program import main
from convscope.errors import SettingError, ShapeError, UnsupportedError

from .modules import made as trap
from .modules import unchanged


class Block(nn.Module):
    """A residual block with a module that is used on two sizes of map, and a table added to rows."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (3, 5), stride=(2, 1), padding=(1, 2))
        self.norm = nn.BatchNorm2d(8)
        self.shared = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.slope = nn.PReLU(8)
        self.pool = nn.MaxPool2d(2)
        self.deep = nn.Conv2d(8, 12, 3, groups=4)
        self.table = nn.Parameter(torch.randn(1, 1, 12))
        self.rows = nn.LayerNorm(12)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Any) -> Any:
        x = self.slope(self.norm(self.stem(x)))
        x = x + self.shared(x)
        x = self.shared(self.pool(x))
        x = self.deep(x).flatten(2).transpose(1, 2)
        return self.fc(self.rows(x + self.table).mean(1))


def sequence(*modules: nn.Module) -> Callable[[], nn.Module]:
    return lambda: copy.deepcopy(nn.Sequential(*modules))


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "block": (Block, (3, 23, 18)),
    "signal": (sequence(nn.Conv1d(2, 6, 5, dilation=2), nn.AvgPool1d(3), nn.Conv1d(6, 4, 2)), (2, 31)),
    "volume": (sequence(nn.Conv3d(2, 4, (2, 3, 1)), nn.AvgPool3d(2)), (2, 7, 9, 6)),
    "larger": (
        sequence(nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), nn.InstanceNorm2d(6, affine=True), nn.GroupNorm(3, 6)),
        (4, 5, 7),
    ),
    "even": (
        sequence(nn.Conv2d(3, 4, 3, padding="same"), nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveMaxPool2d((2, 1)), nn.Flatten(), nn.Linear(8, 6)),
        (3, 11, 13),
    ),
}  # fmt: skip

# module, edits, and what stands in the places of its modules then
EDITS: list[tuple[str, dict[str, dict[str, Any]], dict[str, nn.Module]]] = [
    ("block", {"stem": {"kernel_size": 5, "stride": 1}}, {"stem": nn.Conv2d(3, 8, 5, stride=1, padding=(1, 2))}),
    ("block", {"stem": {"out_channels": 12}, "shared": {"out_channels": 12}}, {"stem": nn.Conv2d(3, 12, (3, 5), (2, 1), (1, 2)), "shared": nn.Conv2d(12, 12, 3, padding=1, bias=False), "deep": nn.Conv2d(12, 12, 3, groups=4)}),
    ("block", {"deep": {"out_channels": 20, "groups": 2, "dilation": (2, 1)}}, {"deep": nn.Conv2d(8, 20, 3, groups=2, dilation=(2, 1)), "rows": nn.LayerNorm(20), "fc": nn.Linear(20, 5)}),
    ("block", {"pool": {"kernel_size": (3, 2), "stride": (2, 3), "ceil_mode": True}}, {"pool": nn.MaxPool2d((3, 2), (2, 3), ceil_mode=True)}),
    ("block", {"shared": {"padding": 2, "dilation": 2}}, {"shared": nn.Conv2d(8, 8, 3, padding=2, dilation=2, bias=False)}),
    ("block", {"fc": {"out_features": 9}}, {"fc": nn.Linear(12, 9)}),
    ("signal", {"0": {"out_channels": 3, "dilation": 3, "padding": "same"}}, {"0": nn.Conv1d(2, 3, 5, dilation=3, padding="same"), "2": nn.Conv1d(3, 4, 2)}),
    ("signal", {"1": {"kernel_size": 4, "padding": 2, "count_include_pad": False}}, {"1": nn.AvgPool1d(4, 3, 2, count_include_pad=False)}),
    ("volume", {"0": {"kernel_size": (1, 2, 3), "padding": (0, 1, 2)}}, {"0": nn.Conv3d(2, 4, (1, 2, 3), padding=(0, 1, 2))}),
    ("larger", {"0": {"out_channels": 12, "stride": 3, "output_padding": 0}}, {"0": nn.ConvTranspose2d(4, 12, 3, stride=3, padding=1, groups=2), "1": nn.InstanceNorm2d(12, affine=True), "2": nn.GroupNorm(3, 12)}),
    ("larger", {"0": {"kernel_size": (2, 4), "groups": 1}}, {"0": nn.ConvTranspose2d(4, 6, (2, 4), 2, 1, 1, 1)}),
    ("even", {"0": {"kernel_size": 5, "out_channels": 7}, "4": {"out_features": 3}}, {"0": nn.Conv2d(3, 7, 5, padding="same"), "4": nn.Linear(14, 3)}),
    ("even", {"0": {"padding": (0, 2)}, "2": {"output_size": 1}}, {"0": nn.Conv2d(3, 4, 3, padding=(0, 2)), "2": nn.AdaptiveMaxPool2d(1), "4": nn.Linear(4, 6)}),
]  # fmt: skip


def made(name: str) -> tuple[nn.Module, cs.Network]:
    torch.manual_seed(4)
    make, shape = MODULES[name]
    module = make()
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.uniform_(0.5, 1.5)
    return module, cs.open(module, shape=shape)


def twin(module: nn.Module, net: cs.Network, instead: dict[str, nn.Module]) -> nn.Module:
    """Return the module with others in their places, and the weights of an edited network in it."""
    other = copy.deepcopy(module).eval()
    for path, one in instead.items():
        other.set_submodule(path, copy.deepcopy(one))
    for name, node in net.graph.nodes.items():
        for weight, origin in net.graph.origins.get(name, {}).items():  # type: ignore[attr-defined]
            path, _, own = origin.partition(" ")[0].rpartition(".")
            held: Any = other.get_submodule(path)
            tensor = torch.from_numpy(node.layer.weights[weight].copy())
            kept = own in dict(held.named_buffers(recurse=False))
            setattr(held, own, tensor if kept else nn.Parameter(tensor))
    return other


@pytest.mark.parametrize(("name", "edits", "instead"), EDITS, ids=[str(e[1]) for e in EDITS])
def test_an_edited_network_is_the_module_written_so(
    name: str, edits: dict[str, Any], instead: dict[str, nn.Module], tmp_path: Path
) -> None:
    module, net = made(name)
    x = np.random.default_rng(3).normal(size=MODULES[name][1]).astype(np.float32)
    before = net.run(x).output
    with unchanged(module):
        new = net.edit(edits)
        report = str(new.changes())
        run = new.run(x)
    other = twin(module, new, instead)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        expected = other(torch.from_numpy(x)[None])[0].numpy()
    assert run.engine == "ONNX Runtime"
    assert run.output.shape == expected.shape
    np.testing.assert_allclose(run.output, expected, rtol=0, atol=3e-5 * np.abs(expected).max())
    assert new.count_params() == sum(p.numel() for p in other.parameters())
    assert 2 * new.graph.totals.macs == counted.get_total_flops()
    rng = np.random.default_rng(5)
    for layer, node in new.graph.nodes.items():
        assert not node.layer.opaque
        where = tuple(int(rng.integers(s)) for s in run[layer].shape)
        assert run.trace(layer, where).facts.agrees, layer
        assert str(new.explain(layer))
    for layer in edits:
        assert f"{layer}." in report
    assert "ONNX Runtime runs the graph" in report
    new.export(tmp_path / "new.onnx")
    session = ort.InferenceSession(str(tmp_path / "new.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x[None]})
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=3e-5 * np.abs(expected).max())
    assert np.array_equal(net.run(x).output, before)


def test_weights_are_kept_where_they_fit_and_edits_follow_edits() -> None:
    module, net = made("block")
    new = net.edit("stem", kernel_size=5)
    pointer = new.graph.nodes["fc"].layer.weights["weight"].__array_interface__["data"][0]
    assert pointer == module.get_submodule("fc").get_parameter("weight").data_ptr()
    bias = new.graph.nodes["stem"].layer.weights["bias"]
    assert np.array_equal(bias, net.graph.nodes["stem"].layer.weights["bias"])
    again = new.edit("pool", stride=1).edit("stem", kernel_size=(3, 5))
    assert again.graph.shape("pool") == (8, 11, 17)
    assert [(c.layer, c.setting, c.new) for c in again.changes().facts.edits] == [
        ("stem", "kernel_size", [3, 5]), ("pool", "stride", [1, 1]),
    ]  # fmt: skip
    # a module that is used twice is edited once
    both = net.edit("shared:2", padding=0, kernel_size=1)
    assert both.graph.nodes["shared"].layer.weights["weight"].shape == (8, 8, 1, 1)
    assert both.graph.nodes["shared:2"].layer.weights["weight"].shape == (8, 8, 1, 1)
    assert both.count_params() == net.count_params() - 8 * 8 * 8


def test_what_cannot_be_says_why_and_what_would_do() -> None:
    _, net = made("block")
    fine = r"fine for the layer itself \(stem gives \(9, 12, 18\)\), but a later layer breaks: add.*out_channels 1 or 8"
    with pytest.raises(ShapeError, match=fine):
        net.edit("stem", out_channels=9)
    with pytest.raises(SettingError, match="groups 1, 2 or 4 would do"):
        net.edit("deep", groups=5)
    with pytest.raises(ShapeError, match=r"PyTorch's max_pool2d refuses.*padding 0 or 1 would do"):
        net.edit("pool", padding=3)
    with pytest.raises(SettingError, match=r"no setting 'strides' \(did you mean 'stride'\?\)"):
        net.edit("stem", strides=2)
    with pytest.raises(UnsupportedError, match="convolutions, pooling and dense layers are"):
        net.edit("norm", eps=1)
    for value in (0, -1, True, 2.5, (1, 2, 3), "wide", None, 1 << 40):
        with pytest.raises(SettingError):
            net.edit("stem", kernel_size=value)
    with pytest.raises(SettingError, match="given twice"):
        net.edit({"shared": {"padding": 0}, "shared:2": {"padding": 0}})


def test_what_was_computed_in_python_stays_as_it_was() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3)
            self.fc = nn.Linear(4 * 6 * 7, 5)

        def forward(self, x: Any) -> Any:
            x = self.conv(x)
            return self.fc(x.view(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]))

    net = cs.open(Flat(), shape=(2, 8, 9))
    with pytest.raises(ShapeError, match=r"view refuses.*\(1, 168\) were computed in the forward"):
        net.edit("conv", padding=1)
    with pytest.raises(ShapeError, match=r"weight \(4, 3, 3, 3\) was computed from .*remove_param"):
        cs.open(trap("normed")[0], shape=(3, 10, 11)).edit("old", out_channels=6, kernel_size=2)

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3)

        def forward(self, x: Any) -> Any:
            x = self.conv(x)
            return x + torch.arange(x.shape[3]) * 0.5

    with pytest.raises(ShapeError, match="computed in the forward"):
        cs.open(Masked(), shape=(2, 8, 9)).edit("conv", kernel_size=2)


def test_a_batch_of_several_and_float64() -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 5, 6))
    x = torch.rand(5, 3, 8, 7)
    new = cs.open(module, x).edit("0", padding=1)
    other = twin(module, new, {"0": nn.Conv2d(3, 4, 3, padding=1)})
    with torch.no_grad():
        expected = other(x).numpy()
    np.testing.assert_allclose(new.run(x[2].numpy()).output, expected[2], atol=1e-5)
    np.testing.assert_allclose(new.predict(x.numpy()), expected, atol=1e-5)
    double = cs.open(module.double(), x.double()).edit("0", padding=1)
    assert "few of its operators take float64" in str(double.changes())
    assert double.graph.shape("2") == (6,)


def test_tied_weights_part_where_one_of_them_changes() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 7, bias=False), nn.Linear(4, 7, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x: Any) -> Any:
            return F.relu(self.first(x)), self.second(x)

    net = cs.open(Tied(), shape=(4,))
    assert net.count_params() == 28
    assert net.edit("first", out_features=9).count_params() == 28 + 36


def test_the_command_line_and_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = tmp_path / "nets.py"
    code.write_text(
        "from torch import nn\n"
        "net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1)), nn.Flatten(), nn.Linear(6, 4))\n"
    )
    with pytest.raises(SystemExit) as ended:
        main(
            ["whatif", f"{code}:net", "--shape", "3,9,8", "0.0.kernel_size=5,2", "2.out_features=7"]
        )
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "0.0.kernel_size: (3, 3) → (5, 2)" in said
    _, net = made("even")
    assert net.editable("0")["padding"] == {
        "value": "same", "kind": "choice", "choices": ["same", "valid"],
    }  # fmt: skip
    assert net.editable("3") == {}
    assert net.editable("1")["stride"] == {"value": [2, 2], "kind": "sizes", "count": 2}


def test_what_onnx_has_no_operator_for_is_not_run() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 4, 3), nn.Linear(9, 5)

        def forward(self, x: Any) -> Any:
            return self.fc(torch.special.i0(F.relu(self.conv(x))))

    net = cs.open(Odd(), shape=(2, 9, 11)).edit("conv", out_channels=3)
    assert "ONNX Runtime runs what does not depend on special_i0" in str(net.changes())
    assert net.graph.shape("fc") == (3, 7, 5)
    run = net.run(np.random.default_rng(2).random((2, 9, 11), np.float32))
    assert run["relu"].shape == (3, 7, 9)
    assert list(run.missing) == ["special_i0", "fc"]
    x = torch.rand(1, 2, 9, 11)
    both = cs.open(Odd(), x, engine="onnxruntime").run(x.numpy()[0])
    assert both.taken == {"special_i0": "PyTorch", "fc": "PyTorch"}
    assert both.trace("fc", (1, 2, 3)).facts.agrees


def test_weights_that_change_later_are_those_of_the_next_run() -> None:
    torch.manual_seed(8)
    module, x = (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval(),
        torch.rand(1, 3, 8, 9),
    )
    both, edited = (
        cs.open(module, x, engine="onnxruntime"),
        cs.open(module, x).edit("2", out_channels=5),
    )
    first: Any = module[0]
    for change in (
        lambda: None,
        lambda: first.weight.data.mul_(2),
        lambda: first.bias.data.sub_(1),
    ):
        change()
        with torch.no_grad():
            expected = first(x)[0].numpy()
        for net in (both, edited):  # ONNX Runtime has weights of its own
            run = net.run(x)
            assert run.engine == "ONNX Runtime" and run.trace("0", (3, 2, 1)).facts.agrees
            np.testing.assert_allclose(run["0"], expected, atol=1e-6)

"""What modules are called with: several inputs, by name, in lists and dicts; and forwards that look after errors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import convscope as cs
from convscope.errors import EngineError, InputError, OutputWarning, SourceError, SourceWarning

from .modules import unchanged


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 4, 3), nn.Linear(5, 4)

    def forward(self, image: Any, row: Any, scale: float = 1.0, *, shift: Any = None) -> Any:
        out = self.conv(image).mean((2, 3)) * scale + self.fc(row)
        return out if shift is None else out + shift


class Named(nn.Module):
    """One argument that is a dict, with a list in it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 4, 3), nn.Linear(5, 4)

    def forward(self, given: Any) -> Any:
        first, second = given["rows"]
        return self.conv(given["image"]).mean((2, 3)) + self.fc(first) - self.fc(second)


IMAGE, ROW, OTHER, SHIFT = (
    torch.rand(1, 2, 7, 6),
    torch.rand(1, 5),
    torch.rand(1, 5),
    torch.rand(1, 4),
)

CALLS: list[tuple[type[nn.Module], tuple[Any, ...], dict[str, Any], tuple[str, ...]]] = [
    (Pair, (IMAGE, ROW), {}, ("image", "row")),
    (Pair, ((IMAGE, ROW),), {}, ("image", "row")),
    (Pair, (), {"image": IMAGE, "row": ROW}, ("image", "row")),
    (Pair, (IMAGE,), {"row": ROW, "scale": 3.0, "shift": SHIFT}, ("image", "row", "shift")),
    (Pair, (IMAGE.numpy(), ROW.numpy()), {}, ("image", "row")),
    (Named, ({"image": IMAGE, "rows": [ROW, OTHER]},), {}, ("given.image", "given.rows.0", "given.rows.1")),
]  # fmt: skip


@pytest.mark.parametrize("engine", [None, "onnxruntime"])
@pytest.mark.parametrize(
    ("kind", "args", "named", "names"), CALLS, ids=[str(n) for n in range(len(CALLS))]
)
def test_every_tensor_among_the_arguments_is_an_input(
    kind: Any,
    args: tuple[Any, ...],
    named: dict[str, Any],
    names: tuple[str, ...],
    engine: str | None,
) -> None:
    torch.manual_seed(3)
    module = kind().eval()
    with unchanged(module, IMAGE, ROW):
        net = cs.open(module, *args, engine=engine, **named)
        assert tuple(net.graph.inputs) == names
        values = {"image": IMAGE, "row": ROW, "shift": SHIFT, "given.image": IMAGE, "given.rows.0": ROW,
                  "given.rows.1": OTHER}  # fmt: skip
        run = net.run({name: values[name][0].numpy() for name in names})
    call = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    tensors = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in call]
    with torch.no_grad():
        expected = module(*tensors, **named)[0].numpy()
    if engine is None:
        assert np.array_equal(run.output, expected)
    np.testing.assert_allclose(run.output, expected, rtol=1e-5, atol=1e-6)
    assert run.engine == ("ONNX Runtime" if engine else "PyTorch")
    for layer, node in run.graph.nodes.items():
        assert not node.layer.opaque
        assert run.trace(layer, (0,) * run[layer].ndim).facts.agrees
    shapes: Any = {name: tuple(values[name].shape[1:]) for name in names}
    if kind is Pair and not named:
        assert cs.open(module, shape=shapes).graph.inputs == net.graph.inputs
        assert cs.open(module, shape=list(shapes.values())).graph.inputs == net.graph.inputs


def test_a_dict_or_a_list_goes_in_as_forward_takes_it() -> None:
    class First(nn.Module):
        def forward(self, rows: Any, *, shift: Any = None, **more: Any) -> Any:
            return rows["a"] + more["b"] * shift

    class Lists(nn.Module):
        def forward(self, rows: list, wanted: Any = 1) -> Any:  # type: ignore[type-arg]
            return (rows[0] + rows[1]) * float(wanted)

    a, b, shift = torch.rand(1, 5), torch.rand(1, 5), torch.rand(1, 5)
    net = cs.open(First(), {"a": a}, shift=shift, b=b)
    assert tuple(net.graph.inputs) == ("rows.a", "shift", "b")
    assert tuple(cs.open(First(), {"rows": {"a": a}, "shift": shift, "b": b}).graph.inputs) == (
        "rows.a", "shift", "b",
    )  # fmt: skip
    assert tuple(cs.open(Lists(), [a, b]).graph.inputs) == ("rows.0", "rows.1")
    assert tuple(cs.open(Lists(), [a, b], wanted=np.float32(3)).graph.inputs) == (
        "rows.0",
        "rows.1",
    )
    packed = pack_padded_sequence(torch.rand(2, 6, 4), torch.tensor([6, 3]), batch_first=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceWarning)  # how many rows there are is read from it
        net = cs.open(nn.GRU(4, 5, batch_first=True), packed)
    assert net.graph.inputs == {"input.data": (9, 4), "input.batch_sizes": (6,)}
    for shape in ((3, 9, 99_999_999_999), (3, 1 << 70)):
        with pytest.raises(cs.errors.InputError, match="no room for an input of"):
            cs.open(Lists(), shape=shape)
    for odd in (torch.ones(2, 3), [np.array([3, 9]), np.array([4])], (True, 3), (3, 0), ()):
        with pytest.raises(cs.errors.InputError, match="a shape is whole numbers"):
            cs.open(Lists(), shape=odd)


def test_a_forward_that_ends_the_program_fails_as_any_other() -> None:
    class Ends(nn.Module):
        now = False

        def forward(self, x: Any) -> Any:
            if self.now:
                raise SystemExit(3)
            return x * 2

    module, x = Ends(), torch.rand(1, 5)
    net = cs.open(module, x)
    net.run(x.numpy()), net.run(x.numpy())
    module.now = True
    with pytest.raises(cs.errors.EngineError, match="SystemExit: 3"):
        net.run(x.numpy())
    with pytest.raises(cs.errors.ForwardError, match="SystemExit: 3"):
        cs.open(module, x)


def test_whole_numbers_stay_whole() -> None:
    module = nn.Embedding((1 << 24) + 3, 1, dtype=torch.float16)
    with torch.no_grad():
        module.weight.copy_(torch.arange(module.num_embeddings)[:, None] % 7)
    ids = torch.tensor([[(1 << 24) + 1, 5, 9]])  # the first is no float32
    net = cs.open(module, ids)
    for given in (ids, ids.numpy()[0], ids.double()):
        run = net.run(given)
        assert run["input"].tolist() == ids[0].tolist() and run["input"].dtype == np.int64
        assert run.output[:, 0].tolist() == [float(n % 7) for n in run["input"]]
    for wrong in (ids + 0.5, ids * float("nan"), np.full((1, 3), 1e30)):
        with pytest.raises(InputError, match=r"takes whole numbers \(int64\)"):
            net.run(wrong)


@pytest.mark.full
def test_a_number_of_a_table_with_more_rows_than_float32_counts_is_proved() -> None:
    module = nn.Embedding((1 << 24) + 3, 1)
    ids = torch.tensor([[(1 << 24) + 1, 5, 9]])
    assert cs.open(module, ids).run(ids).trace("Embedding", (0, 0)).facts.agrees


def test_complex_numbers_go_in_where_they_are_taken() -> None:
    class Turning(nn.Module):
        def forward(self, z: Any) -> Any:
            return torch.fft.ifft(z).abs() * 2

    z = torch.randn(1, 3, 8, dtype=torch.complex64)
    run = cs.open(Turning(), z).run(z)
    assert np.array_equal(run.output, Turning()(z)[0].numpy())
    assert run.trace("mul", (1, 2)).facts.agrees


def test_what_is_empty_is_read_as_such() -> None:
    class Joining(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.cat([x.flatten() * 3, x[:0].flatten()])

    run = cs.open(Joining(), IMAGE).run(IMAGE)
    with pytest.raises(InputError, match="its items are complex64"):
        run.network.run(IMAGE + 1j)
    assert run["flatten:2"].shape == (0,) and run.trace("cat", (5,)).facts.agrees


def test_inputs_that_do_not_fit_are_named() -> None:
    net = cs.open(Pair(), IMAGE, ROW)
    with pytest.raises(InputError, match="row"):
        net.run({"image": IMAGE[0].numpy(), "row": np.zeros(6, np.float32)})
    with pytest.raises(InputError, match="the inputs are image, row"):
        net.run({"image": IMAGE[0].numpy()})
    with pytest.raises(InputError, match="given no tensor"):
        cs.open(Pair(), 3, 4)


def test_a_forward_that_catches_what_a_module_raises_keeps_its_names() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong = nn.Sequential(nn.Conv2d(9, 4, 3))
            self.right = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU())

        def forward(self, x: Any) -> Any:
            try:
                return self.wrong(x)
            except RuntimeError:
                return self.right(x).sum((2, 3)) * 2

    net = cs.open(nn.Sequential(Careful(), nn.Linear(4, 3)), IMAGE)
    assert list(net.graph.nodes) == ["0.right.0", "0.right.1", "0.sum", "0.mul", "1"]


def test_the_methods_by_which_numbers_leave_are_put_back() -> None:
    before = {name: getattr(torch.Tensor, name) for name in ("numpy", "tolist", "__array__")}
    own = set(vars(torch.Tensor))

    class Leaving(nn.Module):
        def forward(self, x: Any) -> Any:
            if x.tolist():
                raise ValueError("after looking")
            return x

    with pytest.raises(cs.errors.ForwardError, match="after looking"):
        cs.open(Leaving(), IMAGE)
    assert set(vars(torch.Tensor)) == own
    assert all(getattr(torch.Tensor, name) is method for name, method in before.items())


def test_a_shape_goes_with_keywords_and_not_with_an_example() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any, *, times: float = 1.0, shift: Any = None) -> Any:
            return x * times if shift is None else x * times + shift

    net = cs.open(Scaled(), shape=(3, 4), times=2.5)
    assert str(net.graph.facts["Scaled"].equation) == "out[c, t] = in[c, t] · 2.5"
    net = cs.open(Scaled(), shape=(3, 4), shift=torch.ones(1, 3, 4))
    assert net.graph.inputs == {"x": (3, 4), "shift": (3, 4)}
    with pytest.raises(cs.errors.InputError, match="not both"):
        cs.open(Scaled(), torch.ones(1, 3, 4), shape=(3, 4))


def test_maps_without_a_batch_have_their_windows_equations() -> None:
    torch.manual_seed(6)
    module = nn.Sequential(
        nn.Conv2d(3, 4, (3, 2), padding=1), nn.MaxPool2d(2), nn.ConvTranspose2d(4, 5, 3, stride=2),
        nn.AvgPool2d(2), nn.AdaptiveAvgPool2d((3, 2)), nn.AdaptiveMaxPool2d(1),
    )  # fmt: skip
    x = torch.rand(3, 9, 8)
    net = cs.open(module, x)
    run = net.run(x.numpy())
    with torch.no_grad():
        assert np.array_equal(run.output, module(x).numpy())
    for name, node in net.graph.nodes.items():
        assert not node.layer.opaque and net.graph.shape(name) == run[name].shape
        assert run.trace(name, tuple(size - 1 for size in run[name].shape)).facts.agrees
    both = cs.open(module, x, engine="onnxruntime").run(x)
    np.testing.assert_allclose(both.output, run.output, atol=1e-5)
    # four rows pooled to three, two each: a window of 6 rows, and that of the next, 2 further
    seen: Any = net.graph.receptive_field("4")
    assert seen == ((8, 7), (2, 4), (-3, -3)) and seen.alike


def test_a_result_that_does_not_follow_from_the_input_is_said_to() -> None:
    class Over(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            y = x * 2
            y[:] = 0
            return y + 1

    class Nothing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = torch.nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return x

    with pytest.warns(
        SourceWarning, match="does not follow from what it was given .* Over stands as the output"
    ):
        cs.open(Over(), torch.rand(1, 3, 9, 8))
    with pytest.raises(SourceError, match="Nothing gives nothing that is computed"):
        cs.open(Nothing(), torch.rand(1, 3, 9, 8))


def test_a_token_that_is_expanded_leaves_the_rows_of_a_batch_apart() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.head = nn.Conv2d(2, 6, 3, stride=2), nn.Linear(6, 5)
            self.kept, self.place = (
                nn.Parameter(torch.rand(1, 4, 6)),
                nn.Parameter(torch.rand(1, 1, 6)),
            )

        def forward(self, x: Any) -> Any:
            rows = self.patch(x).flatten(2).transpose(1, 2)
            rows = torch.cat([self.kept.expand(len(x), -1, -1), rows], 1)
            return self.head(rows + self.place.repeat(len(x), 1, 1))

    module = Tokens().eval()
    net = cs.open(module, torch.rand(3, 2, 7, 9))
    alone = cs.open(module, torch.rand(1, 2, 7, 9))
    assert net.warnings == []
    assert net.graph.inputs == alone.graph.inputs == {"x": (2, 7, 9)}
    assert str(net.explain("cat")) == str(alone.explain("cat"))
    image = torch.rand(2, 7, 9)
    run = net.run(image.numpy())
    assert np.array_equal(run.output, module(image[None])[0].detach().numpy())
    for layer, place in (("cat", (2, 3)), ("cat", (5, 1)), ("add", (3, 2))):
        assert run.trace(layer, place).facts.agrees
    wider = net.edit("patch", stride=1)
    assert wider.run(image.numpy()).output.shape == (4 + 5 * 7, 5)
    with pytest.warns(SourceWarning, match="Softmax mixes or moves the 3 rows"):
        mixing = cs.open(nn.Softmax(0), torch.rand(3, 4))
    assert mixing.graph.inputs == {"input": (3, 4)}


def test_an_input_that_is_missing_is_asked_for() -> None:
    with pytest.raises(
        cs.errors.ForwardError, match=r"'row' \(every input is given: an example of each"
    ):
        cs.open(Pair(), IMAGE)


def test_what_is_expanded_on_the_meta_device_is_not_compared() -> None:
    class Shifted(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + torch.ones(len(x), 1, device=x.device) * 3

    with pytest.warns(SourceWarning, match="the 2 rows"):
        net = cs.open(Shifted().to("meta"), torch.rand(2, 5, device="meta"))
    assert net.graph.inputs == {"x": (2, 5)}


def test_numbers_beyond_halves_become_infinite_without_a_word() -> None:
    net = cs.open(nn.Conv2d(2, 3, 1).half(), torch.rand(1, 2, 4, 5).half())
    assert not np.isfinite(net.run(np.full((2, 4, 5), 1e6)).output).all()


def test_float64_in_onnx_runtime_says_what_lacks_and_what_would_run(tmp_path: Path) -> None:
    module = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1)).double().eval()
    net = cs.open(module, torch.rand(1, 2, 4, 5).double(), engine="onnxruntime")
    lacks = r"no Conv in float64, in which 1 \(Conv2d\) computes"
    with pytest.raises(EngineError, match=rf"{lacks}: module.float\(\) would run"):
        net.run(np.ones((2, 4, 5)))
    with pytest.warns(OutputWarning, match=lacks):
        net.export(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").exists()
    whole = cs.open(
        nn.Sequential(nn.Linear(5, 3), nn.Sigmoid()).double(),
        torch.rand(1, 5).double(),
        engine="onnxruntime",
    )
    whole.run(np.ones(5))
    whole.export(tmp_path / "whole.onnx")  # what it has in float64 is run in it
    assert max(whole.backing.differences.values()) < 1e-14  # type: ignore[attr-defined]


def test_what_learns_is_what_learns_now() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, (3, 2)), nn.BatchNorm2d(3), nn.ReLU())
    for net in (cs.open(module, shape=(2, 7, 6)), cs.open(module)):
        assert net.facts().totals.trainable == 3 * 12 + 3 + 6
        module[0].weight.requires_grad_(False)
        found = net.facts()
        assert (found.totals.trainable, found.totals.non_trainable) == (3 + 6, 3 * 12)
        assert [row.trainable for row in found.rows][:2] == [3, 6]
        module[0].weight.requires_grad_(True)
        assert net.facts().totals.trainable == 3 * 12 + 3 + 6


def test_rows_that_attention_moves_and_puts_back_are_a_batch() -> None:
    class Attending(nn.Module):
        def __init__(self, spread: bool) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
            self.spread = spread

        def forward(self, x: Any) -> Any:
            y = self.attention(x, x, x, need_weights=False)[0]
            return y - y.mean(0) if self.spread else y

    module, x = Attending(False).eval(), torch.rand(4, 5, 12)
    net, one = cs.open(module, x), cs.open(module, x[:1])
    assert net.graph.inputs == {"x": (5, 12)} and net.warnings == []
    assert net.graph.totals == one.graph.totals
    found = net.predict(x.numpy())  # the axis is moved, and left out all along
    assert [net.graph.shape(n) for n in ("attention.transpose", "attention.linear")] == [
        (5, 12),
        (5, 36),
    ]
    assert np.allclose(found, module(x).detach().numpy(), atol=1e-6)
    with pytest.warns(SourceWarning, match="transpose mixes or moves the 4 rows"):
        mixed = cs.open(Attending(True).eval(), x)  # no row is the same alone
    assert mixed.graph.inputs == {"x": (4, 5, 12)}


def test_a_batch_that_is_no_first_axis_is_left_out_wherever_it_is() -> None:
    class Sequences(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.lin = nn.Conv1d(3, 8, 2), nn.Linear(8, 7)
            self.layer = nn.TransformerEncoderLayer(8, 2, 12)

        def forward(self, x: Any) -> Any:
            y = self.layer(self.conv(x).permute(2, 0, 1))
            return {"all": self.lin(y), "last": y[-1]}

    torch.manual_seed(4)
    module, x = Sequences().eval(), torch.rand(3, 3, 6)
    net = cs.open(module, x, engine="onnxruntime")
    assert net.graph.shape("layer.norm2") == (5, 8) and net.graph.outputs == ("lin", "select")
    run, expected = net.run(x[1].numpy()), module(x)
    assert np.allclose(run["lin"], expected["all"][:, 1].detach().numpy(), atol=1e-6)
    assert np.allclose(run["select"], expected["last"][1].detach().numpy(), atol=1e-6)
    assert all(run.trace(n, (-1,) * len(net.graph.shape(n))).facts.agrees for n in net.graph.nodes)
    wider = net.edit("layer.linear1", out_features=15)
    assert wider.graph.shape("layer.linear1") == (5, 15)
    assert wider.run(x[1].numpy())["lin"].shape == (5, 7)


def test_rows_of_different_lengths_are_nobodys_batch() -> None:
    class Nested(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.nested.nested_tensor([row * 2 for row in x])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own: its form is to change
        net = cs.open(Nested(), torch.rand(2, 5))
    assert net.graph.inputs == {"x": (2, 5)}

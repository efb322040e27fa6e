"""Gradients through whole networks, against PyTorch's autograd; their ledgers; input × gradient."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional as F
from work import calls

import convscope as cs
from convscope.aten.rule import axes_of
from convscope.demo import digits
from convscope.equations.sampling import sampled
from convscope.errors import LayerLookupError, PositionError, SettingError, UnsupportedError
from convscope.explain.corners import jumps
from convscope.notation import source
from convscope.parts import Span, Table

Array = np.ndarray[Any, Any]


class Demo:
    """The demo network once more, in PyTorch and float64: nothing of ours but its weights."""

    def __init__(self) -> None:
        self.net = cs.open("demo")
        self.run = self.net.run(digits()["seven"])
        self.weights = {
            f"{layer.name}.{name}": torch.from_numpy(np.asarray(w, np.float64)).requires_grad_()
            for layer in self.net.layers
            for name, w in layer.weights.items()
        }
        image = torch.from_numpy(np.asarray(self.run["input"], np.float64))
        self.image = image.requires_grad_()
        w = self.weights
        x = self.image.permute(2, 0, 1)[None]
        self.conv2d = F.relu(F.conv2d(x, w["conv2d.kernel"].permute(3, 2, 0, 1), w["conv2d.bias"]))
        self.conv2d_1 = F.relu(
            F.conv2d(self.conv2d, w["conv2d_1.kernel"].permute(3, 2, 0, 1), w["conv2d_1.bias"])
        )
        flat = F.max_pool2d(self.conv2d_1, 2).permute(0, 2, 3, 1).flatten()
        self.logits = flat @ w["dense.kernel"] + w["dense.bias"]

    def expected(self, of: torch.Tensor) -> dict[str, Array]:
        """Return PyTorch's gradient of a number by the image and by every weight."""
        things = {"input": self.image, **self.weights}
        found = torch.autograd.grad(of, list(things.values()), allow_unused=True, retain_graph=True)
        return {n: g.numpy() for n, g in zip(things, found, strict=True) if g is not None}


@pytest.fixture(scope="module")
def demo() -> Demo:
    return Demo()


def near(ours: Any, theirs: Array) -> None:
    """Activations are float32, so that gradients agree to about seven digits of the largest."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-6 * np.abs(theirs).max())


def test_of_one_number(demo: Demo) -> None:
    expected = demo.expected(demo.conv2d_1[0, 7, 15, 17])
    assert set(expected) == {
        "input",
        "conv2d.kernel",
        "conv2d.bias",
        "conv2d_1.kernel",
        "conv2d_1.bias",
    }
    for to, gradient in expected.items():
        ours = demo.run.gradient(of=("conv2d_1", (15, 17, 7)), to=to)
        assert ours.array.shape == gradient.shape
        near(ours.array, gradient)


@pytest.mark.parametrize("target", [7, 2])
def test_of_a_loss(demo: Demo, target: int) -> None:
    loss = F.cross_entropy(demo.logits[None], torch.tensor([target]))
    for to, gradient in demo.expected(loss).items():
        ours = demo.run.gradient(loss="sparse_categorical_crossentropy", target=target, to=to)
        assert ours.value == pytest.approx(loss.item(), rel=1e-3)
        near(ours.array, gradient)


def test_a_ledger_adds_up_and_names_what_it_multiplies(demo: Demo) -> None:
    gradient = demo.net.gradient(
        digits()["seven"], of=("conv2d_1", (15, 17, 7)), to="conv2d.kernel"
    )
    found = gradient.at((1, 2, 0, 11))
    assert found.value == pytest.approx(gradient.array[1, 2, 0, 11], rel=1e-12)
    assert sum(g.partial_sum for g in found.groups) == pytest.approx(found.value, rel=1e-12)
    assert found.terms == 26 * 26  # one for each position that used it
    sizes = [abs(g.partial_sum) for g in found.groups]
    assert sizes == sorted(sizes, reverse=True)
    image, reached = found.groups[0].terms[0].factors
    assert image.what == "input" and image.value == demo.run["input"][image.index]
    y, x, o = reached.index
    assert image.index == (y + 1, x + 2, 0) and o == 11
    told = found.to_dict()
    assert told["value"] == found.value and told["terms"] == 676 and len(told["groups"]) == 676
    for text in (str(found), found.markdown(), found.latex(), found._repr_html_(), found.json()):
        assert text
    assert json.loads(gradient.json())["shape"] == [3, 3, 1, 32]


def test_an_activations_terms_are_grouped_by_filter(demo: Demo) -> None:
    gradient = demo.run.gradient(loss="sparse_categorical_crossentropy", target=7, to="conv2d")
    found = gradient.at((10, 12, 5))
    assert len(found.groups) == 64  # every filter of the next layer reads it
    assert {len(g.terms) for g in found.groups} == {9}
    assert found.value == pytest.approx(gradient.array[10, 12, 5], rel=1e-9)
    assert gradient.at((-16, 12, 5)).value == found.value


def test_the_shown_column_adds_up(demo: Demo) -> None:
    found = demo.run.gradient(of=("conv2d_1", (15, 17, 7)), to="conv2d.kernel").at((1, 2, 0, 11))
    table = found.facts.document().parts[-1]
    assert isinstance(table, Table)
    rows = [float(str(row[1]).replace("−", "-")) for row in table.rows]
    total = table.footer[0][1]
    assert isinstance(total, Span)
    assert round(sum(rows), 9) == float(total.text.replace("−", "-"))


def test_input_times_gradient_adds_up_to_the_number(demo: Demo) -> None:
    found = demo.run.gradient(of=("conv2d_1", (15, 17, 7))).shares()
    rows = {row.what: row.value for row in found.rows}
    assert set(rows) == {"input", "conv2d.bias", "conv2d_1.bias", "what remains"}
    assert sum(rows.values()) == pytest.approx(found.value)
    assert abs(rows["what remains"]) < 1e-5  # everything is straight lines
    expected = demo.expected(demo.conv2d_1[0, 7, 15, 17])
    assert rows["input"] == pytest.approx(
        float((expected["input"] * demo.run["input"]).sum()), rel=1e-4
    )


def test_float32_where_asked(demo: Demo) -> None:
    one = demo.run.gradient(of=("dense", (3,)), to="conv2d.kernel", dtype="float32").array
    assert one.dtype == np.float32
    near(one, demo.run.gradient(of=("dense", (3,)), to="conv2d.kernel").array)


def test_what_cannot_be(demo: Demo) -> None:
    run = demo.run
    with pytest.raises(LayerLookupError, match="does not depend on dense"):
        run.gradient(of=("conv2d", (1, 1, 1)), to="dense")
    with pytest.raises(
        LayerLookupError, match=r"has no weight scale; it has conv2d\.kernel, conv2d\.bias"
    ):
        run.gradient(of=("dense", (1,)), to="conv2d.scale")
    with pytest.raises(PositionError, match=r"\(3, 3, 1, 32\)"):
        run.gradient(of=("dense", (1,)), to="conv2d.kernel").at((1, 2))
    with pytest.raises(SettingError, match="there is no loss 'hinge'"):
        run.gradient(loss="hinge", target=1)
    with pytest.raises(SettingError, match="10 is no class: they are 0 … 9"):
        run.gradient(loss="sparse_categorical_crossentropy", target=10)
    with pytest.raises(SettingError, match="target of the output's shape"):
        run.gradient(loss="mse", target=np.zeros(9))
    with pytest.raises(SettingError, match="gradient needs of="):
        run.gradient(to="conv2d")


LOSSES: dict[tuple[str, bool], Any] = {
    ("mse", False): lambda x, t: F.mse_loss(x, t),
    ("mae", False): lambda x, t: F.l1_loss(x, t),
    ("binary_crossentropy", True): lambda x, t: F.binary_cross_entropy_with_logits(x, t),
    ("binary_crossentropy", False): lambda x, t: F.binary_cross_entropy(x, t),
    ("categorical_crossentropy", True): lambda x, t: -(t * F.log_softmax(x, -1)).sum(-1).mean(),
    ("categorical_crossentropy", False): lambda x, t: -(t * (x / x.sum(-1, True)).log()).sum(-1).mean(),
}  # fmt: skip


@pytest.mark.parametrize(("name", "logits"), LOSSES)
@pytest.mark.parametrize("shape", [(7,), (3, 5)])
def test_losses_are_those_of_pytorch(name: str, logits: bool, shape: tuple[int, ...]) -> None:
    from convscope.equations.losses import loss
    from convscope.notation.adjoint import adjoint
    from convscope.notation.evaluation import evaluate, evaluate_all

    rng = np.random.default_rng(4)
    x = rng.normal(size=shape) if logits else rng.uniform(0.05, 0.95, size=shape)
    target = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    given = torch.from_numpy(x).requires_grad_()
    expected = LOSSES[name, logits](given, torch.from_numpy(target))
    expected.backward()
    e = loss(name, shape, from_logits=logits)
    values = {"in": x, "target": target, "dout": np.float64(1.0)}
    assert evaluate(e, (), values) == pytest.approx(expected.item(), rel=1e-12)
    assert given.grad is not None
    np.testing.assert_allclose(
        evaluate_all(adjoint(e)["in"], values), given.grad, rtol=1e-9, atol=1e-14
    )


def test_a_file_of_onnx_against_the_module_it_came_from(tmp_path: Path) -> None:
    torch.manual_seed(5)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(), torch.nn.Conv2d(8, 12, 3, groups=4, padding=2, dilation=2),
        torch.nn.SiLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(12 * 3 * 4, 5),
    ).eval()  # fmt: skip
    image = torch.randn(1, 3, 13, 17)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's word on its older exporter
        torch.onnx.export(module, (image,), tmp_path / "net.onnx", dynamo=False)
    net = cs.open(tmp_path / "net.onnx")
    run = net.run(image.numpy()[0])
    given = image.double().requires_grad_()
    module.double()(given)[0, 3].backward()
    assert given.grad is not None
    near(run.gradient(of=(net.graph.outputs[0], (3,))).array, given.grad.numpy()[0])


def test_a_network_of_keras_applications_against_keras() -> None:
    keras.utils.set_random_seed(6)
    model = keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, classes=11)
    rng = np.random.default_rng(5)
    for layer in model.layers:  # statistics that change something
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.0, w.shape) for w in layer.weights])
    image = np.random.default_rng(7).uniform(size=(64, 64, 3)).astype(np.float32)
    given = torch.from_numpy(image[None]).requires_grad_()
    model(given, training=False)[0, 3].log().backward()
    run = cs.open(model).run(image)
    found = run.gradient(of=(run.graph.outputs[0], (3,)))
    assert given.grad is not None
    theirs = given.grad.numpy()[0] * float(
        found.value
    )  # of the probability, and not of its logarithm
    difference = np.abs(found.array - theirs).max() / np.abs(theirs).max()
    assert difference < 1e-3  # float32 through 157 layers, on both sides


def test_what_has_no_equation_stops_the_way_back() -> None:
    run = cs.open("demo").run(digits()["seven"])
    run.graph.facts["conv2d_1"] = run.graph.facts["conv2d_1"]._replace(equation=None)
    with pytest.raises(UnsupportedError, match=r"conv2d_1 \(Conv2D\) has no equation"):
        run.gradient(of=("dense", (0,)), to="conv2d.kernel")
    assert run.gradient(of=("dense", (0,)), to="dense.kernel").array.shape == (9216, 10)


def test_the_room_of_float32_holds_what_float32_gives(demo: Demo) -> None:
    gradient = demo.run.gradient(
        loss="sparse_categorical_crossentropy", target=7, to="conv2d_1.kernel"
    )
    largest = np.argsort(-np.abs(gradient.array).ravel())[[0, 5, 50]]
    for n in largest.tolist():
        found = gradient.at([int(p) for p in np.unravel_index(n, gradient.array.shape)])
        total = np.float32(0)
        for group in found.groups:
            for term in group.terms:
                factors = [np.float32(f.value) for f in term.factors]
                total += np.prod(factors, dtype=np.float32)
        assert 0 < abs(float(total) - found.value) <= found.rounding < 1e-3 * max(
            abs(g.partial_sum) for g in found.groups
        )  # fmt: skip


def test_what_is_done_where_there_is_no_slope_is_said_where_it_applies(demo: Demo) -> None:
    gradient = demo.run.gradient(
        loss="sparse_categorical_crossentropy", target=7, to="conv2d.kernel"
    )
    found = gradient.at((1, 2, 0, 11))
    assert found.corners[0].startswith("relu′(0) = 0. It is the frameworks' own rule")
    assert "relu′(0) = 0" in str(found) and len(found.corners) == 1
    pooled = demo.run.gradient(loss="sparse_categorical_crossentropy", target=7, to="conv2d_1")
    assert "Of equal numbers the maximum is the first" in pooled.at((2, 3, 4)).corners[0]
    smooth = cs.Sequential([cs.Dense(4, activation="tanh", input_shape=(5,)), cs.Dense(3)])
    run = smooth.run(np.arange(5, dtype=np.float32))
    assert run.gradient(("dense_1", (2,)), "dense.kernel").at((1, 2)).corners == []


def test_a_term_is_followed_further_back_and_forward(demo: Demo) -> None:
    found = demo.run.gradient(("conv2d_1", (15, 17, 7)), "conv2d_1.kernel").at((1, 2, 11, 7))
    assert found.ways == [
        "The number that it multiplies: trace MODEL conv2d 16,19,11.",
        "Its largest term, further back: --to conv2d_1:15,17,7.",
    ]
    back = demo.run.gradient(("conv2d_1", (15, 17, 7)), "conv2d_1").at((15, 17, 7))
    assert back.value == 1.0


def test_terms_are_told_one_by_one_when_somebody_asks(demo: Demo) -> None:
    gradient = demo.run.gradient(loss="sparse_categorical_crossentropy", target=7, to="conv2d")
    gradient.at((9, 12, 5))  # what is made once
    many = 576 * 3  # terms, and two factors each: none is an object yet
    assert calls(lambda: gradient.at((10, 12, 5))) < many
    assert calls(lambda: gradient.at((10, 12, 5)).groups) > many


def test_a_jump_has_no_slope_and_says_so() -> None:
    from onnx import TensorProto, helper

    def of(op: str) -> str:
        declared = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node(op, ["x"], ["y"])], "jump",
            [declared("x", TensorProto.FLOAT, (1, 3, 4))], [declared("y", TensorProto.FLOAT, (1, 3, 4))],
        )  # fmt: skip
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        run = cs.open(made).run(np.linspace(-2, 3, 12, dtype=np.float32).reshape(3, 4))
        return " ".join(str(run.gradient(of=(op.lower(), (0, 2)), to="x").at((0, 2))).split())

    for op in ("Floor", "Sign", "Round"):
        assert f"{op.lower()} jumps from value to value" in of(op) and "It is 0:" in of(op)
    assert "jumps" not in of("Abs") and "It is −1:" in of("Abs")


def test_what_is_sampled_jumps_from_place_to_place_and_not_with_the_map() -> None:
    image, grid = source((1, 2, 7, 9)), source((1, 3, 4, 2), "grid")

    def of(mode: str, to: str) -> list[str]:
        axes = axes_of((1, 2, 3, 4))
        return jumps([(sampled(image, grid, (7, 9), axes, mode, "reflection", False), to)])

    assert of("nearest", "grid") == ["round", "same"]
    assert of("nearest", "in") == of("linear", "in") == of("linear", "grid") == []


def test_what_has_no_part_in_a_loss_says_so(demo: Demo) -> None:
    loss: Any = {"loss": "sparse_categorical_crossentropy", "target": 7}
    other = str(demo.run.gradient(**loss, to="dense").at((2,)))
    assert "No term leads there: it has no part in it." in other and "It is 0:" in other
    assert "the loss itself" in str(demo.run.gradient(**loss, to="dense").at((7,)))

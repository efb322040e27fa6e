"""Networks across formats: PyTorch against Keras's spelling and its own export, folded normalisations, live Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import convscope
from convscope import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    MaxPooling2D,
    ReLU,
    Sequential,
)
from convscope.cli.program import main
from convscope.network import Network

RNG = np.random.default_rng(2)


def keras_twin() -> Network:
    model = Sequential(
        [
            Conv2D(6, 3, activation="relu", input_shape=(14, 12, 3)),
            MaxPooling2D(2),
            Conv2D(5, (3, 2)),
            BatchNormalization(epsilon=1e-5),
            ReLU(),
            Flatten(),
            Dense(7, activation="softmax"),
        ]
    )
    for layer in model.layers:
        layer.set_weights(
            [
                a if a.ndim > 1 else np.asarray(RNG.random(a.shape, dtype=np.float32) + 0.5)
                for a in layer.get_weights()
            ]
        )
    return model


def torch_twin(model: Network, order: str = "last", **settings: Any) -> Any:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    first, second, norm, dense = (
        layer.get_weights() for layer in model.layers if layer.weight_shapes
    )
    made = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, (3, 2)),
        nn.BatchNorm2d(5, eps=settings.get("eps", 1e-5)), nn.ReLU(), nn.Flatten(), nn.Linear(80, 7), nn.Softmax(1),
    ).eval()  # fmt: skip
    kernel = dense[0]
    if order == "last":  # PyTorch flattens channels first
        kernel = kernel.reshape(4, 4, 5, 7).transpose(2, 0, 1, 3).reshape(80, 7)
    with torch.no_grad():
        for module, (weight, bias) in ((made[0], first), (made[3], second)):
            module.weight.copy_(torch.from_numpy(weight.transpose(3, 2, 0, 1).copy()))
            module.bias.copy_(torch.from_numpy(bias))
        for name, array in zip(
            ("weight", "bias", "running_mean", "running_var"), norm, strict=True
        ):
            getattr(made[4], name).copy_(torch.from_numpy(array))
        made[7].weight.copy_(torch.from_numpy(kernel.T.copy()))
        made[7].bias.copy_(torch.from_numpy(dense[1]))
    return made


@pytest.fixture(scope="module")
def model() -> Network:
    return keras_twin()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    found: np.ndarray = RNG.random((14, 12, 3), dtype=np.float32)
    return found


def opened(module: Any) -> Network:
    torch = pytest.importorskip("torch")
    return convscope.open(module, torch.rand(1, 3, 14, 12))


def test_a_network_and_its_twin_in_pytorch_agree(model: Network, image: np.ndarray) -> None:
    report = convscope.compare(model, opened(torch_twin(model)), image)
    assert report.agree, str(report)
    assert all(layer.agrees for layer in report.layers)


def test_the_order_of_flatten_is_named(model: Network, image: np.ndarray) -> None:
    report = model.compare(opened(torch_twin(model, order="first")), image)
    assert report.first is not None and report.first.compared.one == "dense"
    assert "in the other order of its channels" in str(report.first.cause)


def test_an_epsilon_is_named_across_formats(model: Network, image: np.ndarray) -> None:
    report = model.compare(opened(torch_twin(model, eps=1e-3)), image)
    assert report.first is not None and report.first.compared.one == "re_lu"
    assert "epsilon of 0.001, and 1e-05 would agree" in str(report.first.cause)


def test_a_mean_over_the_padding_is_named() -> None:
    torch = pytest.importorskip("torch")
    twins = [
        convscope.open(
            torch.nn.Sequential(torch.nn.AvgPool2d(3, 1, 1, count_include_pad=counted)),
            torch.rand(1, 3, 9, 8),
        )
        for counted in (False, True)
    ]
    report = twins[0].compare(twins[1], RNG.random((3, 9, 8), dtype=np.float32))
    said = "count_include_pad = True, and False would agree"
    assert said in str(report.first.cause if report.first else "")


@pytest.mark.parametrize("exported", [False, True])
def test_corners_and_centres_of_pixels_are_named(exported: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    one, other = (
        convscope.open(
            torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=aligned),
            torch.rand(1, 3, 5, 6),
        )
        for aligned in (False, True)
    )
    said = "align_corners = True, and False would agree"
    if exported:
        other.export(tmp_path / "net.onnx")
        other = convscope.open(str(tmp_path / "net.onnx"))
        said = "coordinate_transformation_mode = 'align_corners', and 'half_pixel' would agree"
    report = one.compare(other, RNG.random((3, 5, 6), dtype=np.float32))
    assert said in str(report.first.cause if report.first else report)


def test_a_folded_normalisation_is_the_same_layer(model: Network, image: np.ndarray) -> None:
    folded = Sequential(
        [
            Conv2D(6, 3, activation="relu", input_shape=(14, 12, 3)),
            MaxPooling2D(2),
            Conv2D(5, (3, 2), activation="relu"),
            Flatten(),
            Dense(7, activation="softmax"),
        ]
    )
    first, second, (gamma, beta, mean, variance), dense = (
        layer.get_weights() for layer in model.layers if layer.weight_shapes
    )
    scale = gamma / np.sqrt(variance + 1e-5)
    parts = [first, [second[0] * scale, (second[1] - mean) * scale + beta], dense]
    for layer, arrays in zip([la for la in folded.layers if la.weight_shapes], parts, strict=True):
        layer.set_weights(arrays)
    report = model.compare(folded, image)
    assert report.agree, str(report)
    assert [(one.one, one.other) for one in report.layers][2] == ("re_lu", "conv2d_1")


def test_a_kernel_in_another_order_is_the_same_kernel(tmp_path: Path) -> None:
    """Without an image: Keras keeps two filters for a map beside one another, ONNX after one another."""
    net = Sequential([DepthwiseConv2D((3, 2), depth_multiplier=2, input_shape=(9, 8, 4))], seed=3)
    net.export(tmp_path / "net.onnx")
    other = convscope.open(str(tmp_path / "net.onnx"))
    assert net.compare(other).agree and other.compare(net).agree
    changed = net.layers[0].get_weights()
    changed[0] = changed[0][..., ::-1]
    net.layers[0].set_weights(changed)
    assert net.compare(other).agree is False


def test_what_has_no_partner_is_shown(model: Network, image: np.ndarray) -> None:
    shorter = Sequential(
        [Conv2D(6, 3, activation="relu", input_shape=(14, 12, 3)), MaxPooling2D(2)]
    )
    shorter.layers[0].set_weights(model.layers[0].get_weights())
    report = model.compare(shorter, image)
    assert not report.agree
    assert [one.other for one in report.layers] == ["conv2d", "max_pooling2d", None, None]


def test_fingerprints(model: Network) -> None:
    assert model.fingerprint() == opened(torch_twin(model)).fingerprint()
    again = keras_twin()
    assert again.fingerprint() == model.fingerprint()  # the weights do not matter
    for edit in (
        {"strides": 2},
        {"padding": "same"},
        {"activation": None},
        {"filters": 9},
        {"kernel_size": (3, 5)},
    ):
        assert model.edit("conv2d", **edit).fingerprint() != model.fingerprint(), edit
    assert model.edit("batch_normalization", epsilon=1e-3).fingerprint() != model.fingerprint()
    assert model.edit("dense", use_bias=False).fingerprint() != model.fingerprint()
    # a bias that a normalisation subtracts again is none
    assert model.edit("conv2d_1", use_bias=False).fingerprint() == model.fingerprint()
    turned = [
        Sequential([Conv2D(4, 3, input_shape=(h, w, 2))]).fingerprint() for h, w in ((9, 8), (8, 9))
    ]
    assert turned[0] != turned[1]


def test_on_the_command_line(model: Network, image: np.ndarray, tmp_path: Path) -> None:
    model.export(tmp_path / "a.onnx")
    model.edit("batch_normalization", epsilon=1e-2).export(tmp_path / "b.onnx")
    np.save(tmp_path / "image.npy", image)
    run = CliRunner().invoke
    names = [str(tmp_path / name) for name in ("a.onnx", "b.onnx", "image.npy")]
    assert run(main, ["compare", names[0], names[0], "--image", names[2]]).exit_code == 0
    done = run(main, ["compare", names[0], names[1], "--image", names[2], "--json"])
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert "epsilon of 0.01, and 1e-05 would agree" in said["first_difference"]["cause"]
    assert run(main, ["compare", names[0], "missing.onnx"]).exit_code == 2
    text = run(main, ["compare", *names[:2], "--image", names[2]]).output
    assert "Where they part" in text and "Its arithmetic in" in text


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
def test_what_has_no_equation_is_not_said_to_agree(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")

    def made(seed: int, activation: str = "tanh") -> Any:
        keras.utils.set_random_seed(seed)
        layers = [
            keras.Input((6, 3)),
            keras.layers.LSTM(4, activation, name="lstm"),
            keras.layers.Dense(2, kernel_initializer="ones"),
        ]
        return keras.Sequential(layers, name="net")

    x = RNG.random((6, 3), dtype=np.float32)
    one, other = convscope.open(made(1)), convscope.open(made(2))
    assert one.compare(other).agree is one.compare(other, x).agree is False  # its kernels differ
    other = convscope.open(made(1, "relu"))
    report = one.compare(other)
    assert report.agree is None and "lstm (there is no equation)" in str(report)
    assert "layers, 98 parameters" not in str(report) and "≥ 8 MACs" in str(report).replace(
        "\xa0", " "
    )
    assert one.compare(one).agree
    report = one.compare(other, x)
    assert report.agree is None and [layer.one for layer in report.untold] == ["lstm"]
    assert "cannot be told" in str(report) and "They agree" not in str(report)
    made(1).save(tmp_path / "net.keras")
    stored = convscope.open(str(tmp_path / "net.keras"))
    report = stored.compare(stored, x)
    assert report.agree is None
    assert {layer.why_not for layer in report.layers} == {"it was not computed"}


def test_padding_at_the_other_side_of_pytorchs_is_named() -> None:
    torch = pytest.importorskip("torch")
    model = Sequential([Conv2D(5, 3, strides=2, padding="same", input_shape=(14, 12, 3))])
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, stride=2, padding=1)).eval()
    kernel, bias = model.get_weights()
    with torch.no_grad():
        module[0].weight.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
        module[0].bias.copy_(torch.from_numpy(bias))
    image = RNG.random((14, 12, 3), dtype=np.float32)
    turned = image.transpose(2, 0, 1)
    for made in (model.compare(opened(module), image), opened(module).compare(model, turned)):
        assert made.first is not None
        assert "on the other side" in str(made.first.cause)


def test_numbers_of_64_bits_are_held_to_64_bits() -> None:
    torch = pytest.importorskip("torch")
    one = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU()).double()
    other = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU()).double()
    other.load_state_dict(one.state_dict())
    x = RNG.random((2, 7, 6))
    left, right = (convscope.open(net, torch.from_numpy(x[None])) for net in (one, other))
    assert left.compare(right, x).agree
    with torch.no_grad():
        other[0].bias += 1e-11
    report = left.compare(right, x)
    assert report.agree is False and "its bias differ" in str(report)


def test_what_is_nan_in_both_is_not_said_to_agree() -> None:
    def made() -> Network:
        return Sequential([Conv2D(4, 3, input_shape=(7, 6, 2), name="conv"), Flatten(), Dense(3, name="dense")])  # fmt: skip

    one, other = made(), made()
    x = np.full((7, 6, 2), np.nan, np.float32)
    assert one.compare(other, x).agree  # their weights are equal
    weights = other.get_layer("dense").get_weights()
    other.get_layer("dense").set_weights([w + 2 for w in weights])
    report = one.compare(other, x)
    assert {row.one: row.agrees for row in report.layers}["dense"] is None and not report.agree
    assert "every number that was" in str(report) and "agrees" not in str(report)


def test_what_a_module_is_opened_with_is_not_for_its_export(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    code = "import torch\ntorch.manual_seed(3)\nnet = torch.nn.Conv2d(2, 3, 3)"
    (tmp_path / "made.py").write_text(code)
    torch.manual_seed(3)
    net = convscope.open(torch.nn.Conv2d(2, 3, 3), shape=(2, 7, 6))
    net.export(tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", RNG.random((2, 7, 6)))
    names = [str(tmp_path / name) for name in ("made.py:net", "net.onnx", "x.npy")]
    asked = ["--shape", "2,7,6", "--image", names[2]]
    assert CliRunner().invoke(main, ["compare", *names[:2], *asked]).exit_code == 0
    refused = CliRunner().invoke(main, ["compare", names[1], names[1], *asked])
    assert refused.exit_code == 2 and "are for PyTorch modules, not for" in refused.output
    (tmp_path / "own.py").write_text(
        "from convscope import *\nnet = Sequential([Dense(3, input_shape=(4,))])"
    )
    refused = CliRunner().invoke(main, ["summary", str(tmp_path / "own.py"), "--shape", "4"])
    assert refused.exit_code == 2 and "a network of convscope's own" in refused.output


def test_a_module_whose_parts_are_taken_agrees_with_its_export(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Parted(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.lin = torch.nn.Conv1d(3, 12, 2), torch.nn.Linear(4, 5)

        def forward(self, x: Any) -> Any:
            y = self.conv(x).unflatten(1, (3, 4)).movedim(1, 0)  # queries, keys and values
            return [self.lin(part.transpose(1, 2)) for part in (y[0], y[1], y[2])]

    torch.manual_seed(1)
    net = convscope.open(Parted().eval(), shape=(3, 7))
    net.export(tmp_path / "net.onnx")
    image = RNG.random((3, 7), dtype=np.float32)
    found = convscope.compare(net, convscope.open(str(tmp_path / "net.onnx")), image)
    assert found.agree, str(found)
    parts = [layer.other for layer in found.layers if str(layer.one).startswith("select")]
    assert [str(name).partition("/")[0] for name in parts] == ["select", "select:2", "select:3"]

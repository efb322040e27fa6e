"""How pixels go in: what a network's first layers say, and every way there is, against Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_models import model as onnx_model

import convscope as cs
from convscope.engine.images import as_input
from convscope.engine.pixels import SCALES, applied, chosen
from convscope.errors import InputError, SettingError
from convscope.layers.base import Layer

PIXELS = np.random.default_rng(5).integers(0, 256, (7, 5, 3)).astype(np.uint8)
MEANS, VARIANCES = (0.485, 0.456, 0.406), (0.0524, 0.0502, 0.0506)


def network(*first: Layer, shape: tuple[int | None, ...] = (9, 8, 3)) -> cs.Sequential:
    return cs.Sequential([cs.Input(shape), *first, cs.Conv2D(4, 3)])


@pytest.mark.parametrize(
    ("first", "name", "why"),
    [
        ((), "0-1", "nothing in the network says otherwise"),
        ((cs.Rescaling(1 / 255),), "0-255", "its own rescaling takes 0 … 255 to 0 … 1"),
        ((cs.Rescaling(1 / 127.5, -1),), "0-255", "its own rescaling takes 0 … 255 to −1 … 1"),
        (
            (cs.Rescaling(1 / 255), cs.Normalization(mean=MEANS, variance=VARIANCES)),
            "0-255",
            "its own rescaling … normalization takes 0 … 255 to −2.12 … 2.64",
        ),
        (
            (cs.Normalization(mean=MEANS, variance=VARIANCES),),
            "0-1",
            "its own normalization takes 0 … 1 to −2.12 … 2.64",
        ),
        (
            (cs.Normalization(mean=(123.0, 116.0, 104.0), variance=(3400.0, 3300.0, 3290.0)),),
            "0-255",
            "its own normalization takes 0 … 255 to −2.11 … 2.63",
        ),
        ((cs.MaxPooling2D(2), cs.Rescaling(1 / 255)), "0-1", "nothing in the network says otherwise"),
        ((cs.ReLU(),), "0-1", "nothing in the network says otherwise"),
    ],
)  # fmt: skip
def test_the_first_layers_say_how_pixels_go_in(
    first: tuple[Layer, ...], name: str, why: str
) -> None:
    for layer in first:
        layer.name = type(layer).__name__.lower()
    found = chosen(network(*first).graph)
    assert (found.name, found.why) == (name, why)


def test_an_input_of_any_size_and_a_file_of_onnx_say_so_too() -> None:
    assert chosen(network(cs.Rescaling(1 / 255), shape=(None, None, 3)).graph).name == "0-255"
    nodes = [
        helper.make_node("Sub", ["image", "mean"], ["a"], "sub"),
        helper.make_node("Div", ["a", "std"], ["b"], "div"),
        helper.make_node("Conv", ["b", "w"], ["out"], "conv"),
    ]
    weights = {
        "mean": np.full((1, 3, 1, 1), 120, np.float32),
        "std": np.full((1, 3, 1, 1), 60, np.float32),
        "w": np.ones((2, 3, 3, 2), np.float32),
    }
    found = chosen(cs.open(onnx_model(nodes, {"image": [1, 3, 9, 8]}, ["out"], weights)).graph)
    assert (found.name, found.why) == ("0-255", "its own sub … div takes 0 … 255 to −2 … 2.25")


def test_a_file_that_takes_other_numbers_is_given_those() -> None:
    whole = [
        helper.make_node("Cast", ["image"], ["a"], "cast", to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["a"], ["b"], "mean", axes=[2, 3]),
        helper.make_node("Cast", ["b"], ["out"], "back", to=TensorProto.UINT8),
    ]
    net = cs.open(onnx_model(whole, {"image": [1, 3, 7, 5]}, ["out"], element=TensorProto.UINT8))
    assert chosen(net.graph).name == "0-255"
    means = net.run(PIXELS.transpose(2, 0, 1))["mean"].ravel()
    np.testing.assert_allclose(means, PIXELS.mean((0, 1)), rtol=1e-6)
    with pytest.raises(InputError, match=r"takes whole numbers \(uint8\)"):
        net.run(np.full((3, 7, 5), 300))
    exact = [helper.make_node("Mul", ["image", "w"], ["out"], "mul")]
    w = np.full((1, 1, 1), 1 / 3)
    net = cs.open(
        onnx_model(exact, {"image": [1, 3, 9, 8]}, ["out"], {"w": w}, element=TensorProto.DOUBLE)
    )
    x = np.random.default_rng(2).random((3, 9, 8))
    run = net.run(x)
    assert (
        np.array_equal(run.output, x * w)
        and net.trace(x, "mul", (1, 2, 3)).facts.value == run.output[1, 2, 3]
    )
    facts = run.trace("mul", (1, 2, 3)).facts
    assert facts.agrees and facts.ledger.dtype == "float64" and facts.ledger.rounding < 1e-14


def test_every_way_is_that_of_keras() -> None:
    pytest.importorskip("keras")
    from keras.applications.imagenet_utils import preprocess_input

    batch = PIXELS[np.newaxis].astype(np.float32)
    for name, mode in (("-1-1", "tf"), ("mean-std", "torch"), ("caffe", "caffe")):
        expected = preprocess_input(batch.copy(), data_format="channels_last", mode=mode)[0]
        np.testing.assert_allclose(applied(SCALES[name], PIXELS, "it"), expected, atol=2e-5)
    assert np.array_equal(applied(SCALES["0-255"], PIXELS, "it"), PIXELS)


def test_what_is_about_colours_is_refused_for_grey() -> None:
    for name in ("mean-std", "caffe"):
        with pytest.raises(InputError, match="is about R, G and B: choose 0-1, 0-255 or -1-1"):
            applied(SCALES[name], PIXELS[..., :1], "the image")


def test_a_network_is_given_pixels_as_it_says_or_as_it_was_told(tmp_path: Path) -> None:
    from PIL import Image

    file = tmp_path / "picture.png"
    Image.fromarray(PIXELS).save(file)
    net = network(cs.Rescaling(1 / 255), shape=PIXELS.shape)
    assert np.array_equal(net.run(file)["input"], PIXELS)
    net.pixels = "0-1"
    assert np.array_equal(net.run(file)["input"], PIXELS / np.float32(255))
    net.pixels = "0-2"
    with pytest.raises(SettingError, match="one of 0-1, 0-255, -1-1, mean-std, caffe"):
        net.run(file)
    plain = as_input(file, PIXELS.shape, True, "it", "mean-std")
    first = as_input(file, (3, 7, 5), False, "it", "mean-std")
    assert np.array_equal(np.moveaxis(first[0], 0, -1), plain[0])

"""Pairs of networks with one planted difference: found at the right layer, with the right cause; twins agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from convscope import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Dense,
    DepthwiseConv2D,
    Embedding,
    LayerNormalization,
    LeakyReLU,
    MaxPooling2D,
    PReLU,
    ReLU,
    Rescaling,
    SeparableConv2D,
    Sequential,
    Softmax,
    UpSampling2D,
    ZeroPadding2D,
)
from convscope.network import Network

IMAGE = (11, 10, 3)
Changes = Mapping[str, Mapping[str, Callable[[np.ndarray], np.ndarray]]]


class Planted(NamedTuple):
    """Two networks of the same weights: what differs, in which layer of the first, and what is said of it."""

    layer: str
    said: str
    layers: Callable[[], Sequence[Any]]
    others: Callable[[], Sequence[Any]] | None = None
    changes: Changes = MappingProxyType({})
    shape: tuple[int, ...] = IMAGE


def _made(layers: Sequence[Any], shape: tuple[int, ...]) -> Network:
    return Sequential([_first(layers[0], shape), *layers[1:]], seed=4)


def _first(layer: Any, shape: tuple[int, ...]) -> Any:
    layer.input_shape = shape
    return layer


def _drawn(network: Network) -> Network:
    """Give every row of weights, which would be zeros and ones, numbers of its own."""
    rng = np.random.default_rng(7)
    for layer in network.layers:
        arrays: list[np.ndarray[Any, Any]] = [
            a if a.ndim > 1 else np.asarray(rng.random(a.shape, dtype=np.float32) + 0.25)
            for a in layer.get_weights()
        ]
        if arrays:
            layer.set_weights(arrays)
    return network


def _pair(planted: Planted) -> tuple[Network, Network]:
    one = _drawn(_made(planted.layers(), planted.shape))
    other = _made((planted.others or planted.layers)(), planted.shape)
    ours, theirs = (
        [layer for layer in network.layers if layer.weight_shapes] for network in (one, other)
    )
    for mine, its in zip(ours, theirs, strict=True):
        held = mine.weights
        its.set_weights(
            [
                planted.changes.get(its.name or "", {}).get(name, np.asarray)(held[name].copy())
                if name in held and held[name].shape == array.shape
                else array
                for name, array in its.weights.items()
            ]
        )
    return one, other


def _changed(array: np.ndarray) -> np.ndarray:
    array.flat[1] += 0.5
    return array


def _conv(**settings: Any) -> Conv2D:
    return Conv2D(**{"filters": 4, "kernel_size": 3, **settings})


PLANTED = [
    # settings of a normalisation
    Planted("batch_normalization", "epsilon", lambda: [_conv(activation="relu"), BatchNormalization()], lambda: [_conv(activation="relu"), BatchNormalization(epsilon=1e-5)]),
    Planted("re_lu", "epsilon", lambda: [_conv(), BatchNormalization(epsilon=1e-5), ReLU()], lambda: [_conv(), BatchNormalization(epsilon=1e-2), ReLU()]),
    # activations
    Planted("conv2d", "relu6 would agree|relu would agree", lambda: [_conv(activation="relu", kernel_initializer="ones"), _conv()], lambda: [_conv(activation="relu6", kernel_initializer="ones"), _conv()]),
    Planted("conv2d", "gelu", lambda: [_conv(activation="gelu"), _conv()], lambda: [_conv(), Activation("relu"), _conv()]),
    Planted("dense", "no activation would agree", lambda: [Dense(5), Dense(3, activation="relu")], lambda: [Dense(5, activation="tanh"), Dense(3, activation="relu")], shape=(7,)),
    Planted("dense", "tanh would agree", lambda: [Dense(5, activation="tanh"), Dense(3)], lambda: [Dense(5, activation="sigmoid"), Dense(3)], shape=(7,)),
    Planted("dense", "has no activation", lambda: [Dense(5, activation="elu"), Dense(3)], lambda: [Dense(5), Dense(3)], shape=(7,)),
    Planted("leaky_re_lu", "with another number: 0.2", lambda: [Dense(9), LeakyReLU(0.2), Dense(3)], lambda: [Dense(9), LeakyReLU(0.3), Dense(3)], shape=(7,)),
    Planted("conv2d", "silu would agree|swish would agree", lambda: [_conv(activation="silu"), _conv()], lambda: [_conv(activation="relu"), _conv()]),
    # kernels
    Planted("conv2d", "180°", lambda: [_conv(activation="relu"), _conv()], changes={"conv2d": {"kernel": lambda k: k[::-1, ::-1]}}),
    Planted("conv2d_1", "180°", lambda: [_conv(activation="relu"), _conv()], changes={"conv2d_1": {"kernel": lambda k: k[::-1, ::-1]}}),
    Planted("conv2d", "rows and columns exchanged", lambda: [_conv(activation="relu"), _conv()], changes={"conv2d": {"kernel": lambda k: k.transpose(1, 0, 2, 3)}}),
    Planted("depthwise_conv2d", "180°", lambda: [DepthwiseConv2D(3), ReLU(), _conv()], changes={"depthwise_conv2d": {"kernel": lambda k: k[::-1, ::-1]}}),
    Planted("conv1d", "180°", lambda: [Conv1D(4, 5)], changes={"conv1d": {"kernel": lambda k: k[::-1]}}, shape=(13, 2)),
    Planted("conv3d", "180°", lambda: [Conv3D(2, 2)], changes={"conv3d": {"kernel": lambda k: k[::-1, ::-1, ::-1]}}, shape=(4, 5, 6, 2)),
    Planted("conv2d_transpose", "180°", lambda: [Conv2DTranspose(4, 3, strides=2)], changes={"conv2d_transpose": {"kernel": lambda k: k[::-1, ::-1]}}, shape=(5, 4, 2)),
    Planted("dense", "transposed", lambda: [Dense(7), Dense(3)], changes={"dense": {"kernel": lambda k: k.T}}, shape=(7,)),
    Planted("conv2d", "filters in another order", lambda: [_conv(activation="relu"), _conv()], changes={"conv2d": {"kernel": lambda k: k[..., [1, 0, 3, 2]], "bias": lambda b: b[[1, 0, 3, 2]]}}),
    Planted("conv2d_1", "1 of the 144 numbers", lambda: [_conv(activation="relu"), _conv()], changes={"conv2d_1": {"kernel": _changed}}),
    Planted("dense_1", "1 of the 15 numbers", lambda: [Dense(5), Dense(3)], changes={"dense_1": {"kernel": _changed}}, shape=(7,)),
    # rows
    Planted("conv2d_1", "bias differ", lambda: [_conv(activation="relu"), _conv()], changes={"conv2d_1": {"bias": _changed}}),
    Planted("batch_normalization", "beta differ", lambda: [BatchNormalization()], changes={"batch_normalization": {"beta": _changed}}),
    Planted("batch_normalization", "standard deviation", lambda: [_conv(activation="relu"), BatchNormalization(epsilon=1e-5)], changes={"batch_normalization": {"moving_variance": np.sqrt}}),
    Planted("batch_normalization", "gamma differ", lambda: [_conv(activation="relu"), BatchNormalization()], changes={"batch_normalization": {"gamma": lambda a: a * 0 + 1}}),
    # padding and pooling
    Planted("conv2d", "pads on the other side", lambda: [_conv(strides=2, padding="same")], lambda: [ZeroPadding2D(((1, 1), (1, 0))), _conv(strides=2)], shape=(11, 10, 3)),
    # the image
    Planted("conv2d", "RGB and BGR", lambda: [_conv(activation="relu")], changes={"conv2d": {"kernel": lambda k: k[:, :, ::-1]}}),
    Planted("rescaling", "", lambda: [Rescaling(1 / 255), _conv(activation="relu")], lambda: [_conv(activation="relu")]),
    Planted("conv2d", "255 times what the first", lambda: [_conv(activation="relu")], changes={"conv2d": {"kernel": lambda k: k / np.float32(255)}}),
    # structure
    Planted("conv2d_1", "moved by 1 | .* moved by 2", lambda: [_conv(activation="relu"), _conv()], lambda: [_conv(activation="relu"), _conv(strides=2)]),
    Planted("conv2d", "kernel 3×3 | 5×5", lambda: [_conv(activation="relu"), _conv()], lambda: [_conv(kernel_size=5, activation="relu"), _conv()]),
    Planted("conv2d_1", "spaced by 2", lambda: [_conv(activation="relu"), _conv()], lambda: [_conv(activation="relu"), _conv(dilation_rate=2)]),
    Planted("max_pooling2d", "max | mean", lambda: [MaxPooling2D(2), _conv()], lambda: [AveragePooling2D(2), _conv()]),
]  # fmt: skip


def _image(shape: tuple[int, ...]) -> np.ndarray:
    found: np.ndarray = np.random.default_rng(11).standard_normal(shape).astype(np.float32) * 3
    return found


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p.layer}-{p.said}")
def test_a_planted_difference_is_found_where_it_is(planted: Planted) -> None:
    one, other = _pair(planted)
    report = one.compare(other, _image(planted.shape))
    assert not report.agree
    different = [layer for layer in report.layers if not layer.same]
    first = report.first
    guilty = different[0].one if first is None else first.compared.one
    names = next(u for u in _units(one) if planted.layer in u)
    assert guilty in names, str(report)
    said = f"{first.cause if first else ''} {different[0].unlike}"
    assert any(word in said or _matches(word, said) for word in planted.said.split("|")), said


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern.strip(), text) is not None


def _units(network: Network) -> list[list[str]]:
    from convscope.comparing.units import Units

    units = Units(network.graph)
    return [
        [*unit.nodes, *[n for n in units.through if units.through[n] in unit.feeds]]
        for unit in units
    ]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p.layer}-{p.said}")
def test_a_network_and_its_export_are_twins(planted: Planted, tmp_path: Any) -> None:
    from convscope import open

    one = _drawn(_made(planted.layers(), planted.shape))
    one.export(tmp_path / "twin.onnx")
    twin = open(str(tmp_path / "twin.onnx"))
    report = one.compare(twin, _image(planted.shape))
    assert report.agree, str(report)
    assert one.fingerprint() == twin.fingerprint()
    assert all(layer.agrees for layer in report.layers)
    unrun = one.compare(twin)
    assert unrun.agree, str(unrun)


def test_at_least_twenty_five_differences_are_planted() -> None:
    assert len(PLANTED) >= 25


SETTINGS = [
    ("epsilon", lambda: [_conv(), BatchNormalization()], lambda: [_conv(), BatchNormalization(epsilon=1e-5)]),
    ("slope", lambda: [_conv(), LeakyReLU(0.2)], lambda: [_conv(), LeakyReLU(0.3)]),
    ("bias", lambda: [_conv(bias_initializer="ones")], lambda: [_conv()]),
    ("axis", lambda: [Softmax(axis=1)], lambda: [Softmax(axis=2)]),
    ("pixels", lambda: [UpSampling2D(2, interpolation="bilinear")], lambda: [UpSampling2D(2, interpolation="bicubic")]),
    ("padding", lambda: [ZeroPadding2D(((1, 0), (0, 1))), _conv()], lambda: [ZeroPadding2D(((0, 1), (1, 0))), _conv()]),
    ("size", lambda: [_conv(padding="same")], lambda: [_conv()]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "layers", "others"), SETTINGS, ids=[s[0] for s in SETTINGS])
def test_a_setting_that_differs_is_told_without_an_image(
    what: str, layers: Any, others: Any
) -> None:
    shape = (10, 10, 3) if what == "axis" else IMAGE
    one, other, again = (_made(made(), shape) for made in (layers, others, layers))
    for network in (other, again):
        for mine, its in zip(one.layers, network.layers, strict=True):
            if what != "bias" or network is again:
                its.set_weights(mine.get_weights())
    found, twins = one.compare(other), one.compare(again)
    assert found.agree is not True
    assert found.agree is False or what == "size"
    assert twins.agree is True
    assert "alike" not in str(found)


def test_the_ledgers_are_those_of_what_differs() -> None:
    one, other = (_made([_conv(), BatchNormalization(epsilon=e)], IMAGE) for e in (1e-3, 1e-2))
    other.set_weights(one.get_weights())
    folded = _made([_conv()], IMAGE)
    kernel, bias = one.layers[0].get_weights()
    folded.set_weights([kernel / np.float32(1.01**0.5), bias])
    for network in (other, folded):
        first = one.compare(network, _image(IMAGE)).first
        assert first is not None
        ours, theirs = first.ledgers
        assert ours is not None and theirs is not None
        assert "sqrt(" in str(ours.equation)
        told = [number.value for number in first.values]
        assert np.allclose([ours.value, theirs.value], told, rtol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SeparableConv2D(7, (3, 2), depth_multiplier=2, input_shape=IMAGE),
        lambda: Embedding(9, 5, input_shape=(6,)),
        lambda: PReLU(input_shape=IMAGE),
        lambda: LayerNormalization(axis=(-2, -1), input_shape=IMAGE),
        lambda: DepthwiseConv2D((3, 2), depth_multiplier=2, input_shape=IMAGE),
    ],
)
def test_no_weight_may_differ_unseen(make: Callable[[], Any]) -> None:
    """Without an image, of all weights of a layer, however many dimensions they have."""
    network = _drawn(Sequential([make()], seed=4))
    weights = network.layers[0].get_weights()
    for place in range(len(weights)):
        twin, changed = Sequential([make()]), [array.copy() for array in weights]
        twin.layers[0].set_weights(changed)
        assert network.compare(twin).agree
        changed[place].flat[-1] += 1
        twin.layers[0].set_weights(changed)
        report = network.compare(twin)
        assert report.agree is False and "The weights of 1 layer differ" in str(report)

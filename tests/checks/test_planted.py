"""Networks with one fault each: the rule that is meant finds it at the layer that is meant, and a twin without is quiet.

The faults are those of published lists (NeuraLint: Nikanjam et al. 2021; Theia: Manke et al. 2023; and the papers that
the rules name), as far as a network without its training program shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Input,
    MaxPooling1D,
    MaxPooling2D,
    Model,
    Permute,
    ReLU,
    Reshape,
    SeparableConv2D,
    Sequential,
    Softmax,
    UpSampling2D,
    ZeroPadding2D,
)
from convscope.network import Network

RELU = "relu"


class Planted(NamedTuple):
    """A network with a fault: which rule finds it, and where."""

    rule: str
    layer: str
    make: Callable[[], Network]
    image: tuple[int, ...] | None = None


def _set(network: Network, layer: str, **weights: object) -> Network:
    """Return the network with some weights of a layer made by functions of what they were."""
    held = network.get_layer(layer)
    held.set_weights(
        [
            weights[name](array) if name in weights else array  # type: ignore[operator]
            for name, array in held.weights.items()
        ]
    )
    return network


def _sliced() -> Network:
    image = Input((6, 7, 3))
    maps = Conv2D(8, 3, activation=RELU, name="maps")(image)
    turned = Permute((1, 3, 2), name="turned")(maps)
    cut = Cropping2D(((0, 0), (0, 3)), name="cut")(turned)
    return Model(image, Permute((1, 3, 2), name="back")(cut))


def _first(array: np.ndarray, value: float) -> np.ndarray:
    array.flat[0] = value
    return array


def _same_filters(array: np.ndarray) -> np.ndarray:
    array[..., 2] = array[..., 5]
    return array


def _padded() -> Network:
    """Return a convolution that pads both sides alike, of which the stride reads one: PyTorch's padding=1."""
    torch = pytest.importorskip("torch")
    from convscope import open

    module = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, stride=2, padding=1), torch.nn.ReLU())
    return open(module, torch.rand(1, 2, 16, 20))


def _resized() -> Network:
    """Return an ONNX model whose window was replaced, and not what the file says of the map after it."""
    from onnx import helper, numpy_helper

    from convscope import open

    info = helper.make_tensor_value_info
    kernel = numpy_helper.from_array(np.full((4, 2, 3, 3), 0.5, np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["maps"], name="conv"),
        helper.make_node("Relu", ["maps"], ["y"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes, "resized", [info("x", 1, ["n", 2, 9, 11])], [info("y", 1, ["n", 4, "h", "w"])], [kernel],
        value_info=[info("maps", 1, ["n", 4, 9, 11])],
    )  # fmt: skip
    return open(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


def _overflowing() -> Network:
    """Return a network whose second layer leaves float32."""
    made = Sequential([Dense(4, activation=RELU, input_shape=(5,)), Dense(3)])
    return _set(made, "dense_1", bias=lambda a: _first(a, 3e38), kernel=lambda a: a * 0 + 3e38)


PLANTED = [
    # positions that no window reads
    Planted("unread-positions", "conv2d", lambda: Sequential([Conv2D(4, 3, strides=2, activation=RELU, input_shape=(28, 31, 2))])),
    Planted("unread-positions", "max_pooling2d", lambda: Sequential([MaxPooling2D(2, input_shape=(9, 8, 2))])),
    Planted("unread-positions", "average_pooling2d", lambda: Sequential([AveragePooling2D(3, input_shape=(9, 11, 2))])),
    Planted("unread-positions", "conv2d", lambda: Sequential([Conv2D(4, 1, strides=2, activation=RELU, input_shape=(8, 10, 3))])),
    Planted("unread-positions", "conv1d", lambda: Sequential([Conv1D(4, 4, strides=3, activation=RELU, input_shape=(15, 2))])),
    Planted("unread-positions", "conv3d", lambda: Sequential([Conv3D(2, 2, strides=2, activation=RELU, input_shape=(5, 4, 6, 1))])),
    Planted("unread-positions", "separable_conv2d", lambda: Sequential([SeparableConv2D(4, 3, strides=2, activation=RELU, input_shape=(28, 31, 2))])),
    Planted("unread-positions", "max_pooling1d", lambda: Sequential([MaxPooling1D(4, input_shape=(13, 3))])),
    Planted("unread-positions", "depthwise_conv2d", lambda: Sequential([DepthwiseConv2D(2, strides=3, activation=RELU, input_shape=(8, 11, 3))])),
    Planted("contradicted-shapes", "conv", _resized),
    # padding
    Planted("uneven-padding", "conv2d", lambda: Sequential([Conv2D(4, 3, strides=2, padding="same", activation=RELU, input_shape=(28, 30, 2))])),
    Planted("uneven-padding", "conv2d", lambda: Sequential([Conv2D(4, 4, padding="same", activation=RELU, input_shape=(11, 9, 2))])),
    Planted("uneven-padding", "zero_padding2d", lambda: Sequential([ZeroPadding2D(((0, 1), (2, 2)), input_shape=(7, 9, 2))])),
    Planted("skewed-padding", "0", _padded),
    # weights and outputs that nothing reads
    Planted("unread-weights", "conv2d", lambda: Sequential([Conv2D(4, 5, padding="same", activation=RELU, input_shape=(2, 3, 2))])),
    Planted("unread-weights", "conv2d", lambda: Sequential([Conv2D(4, 3, padding="same", activation=RELU, input_shape=(1, 1, 5))])),
    Planted("unread-weights", "conv1d", lambda: Sequential([Conv1D(4, 7, padding="same", activation=RELU, input_shape=(3, 2))])),
    Planted("unread-weights", "depthwise_conv2d", lambda: Sequential([DepthwiseConv2D(5, padding="same", activation=RELU, input_shape=(2, 1, 3))])),
    Planted("unread-channels", "maps", _sliced),
    # a bias that is subtracted again
    Planted("bias-before-normalisation", "conv2d", lambda: Sequential([Conv2D(4, 3, input_shape=(9, 11, 2)), BatchNormalization(), ReLU()])),
    Planted("bias-before-normalisation", "dense", lambda: Sequential([Dense(5, input_shape=(7,)), BatchNormalization(), ReLU()])),
    Planted("bias-before-normalisation", "depthwise_conv2d", lambda: Sequential([DepthwiseConv2D(3, input_shape=(9, 11, 2)), BatchNormalization(), ReLU()])),
    Planted("bias-before-normalisation", "conv2d_transpose", lambda: Sequential([Conv2DTranspose(4, 2, strides=2, input_shape=(5, 6, 2)), BatchNormalization(), ReLU()])),
    Planted("bias-before-normalisation", "separable_conv2d", lambda: Sequential([SeparableConv2D(4, 3, input_shape=(9, 11, 2)), BatchNormalization(), ReLU()])),
    # no activation between
    Planted("linear-after-linear", "conv2d", lambda: Sequential([Conv2D(9, 3, input_shape=(9, 11, 2)), Conv2D(4, 3, activation=RELU)])),
    Planted("linear-after-linear", "dense", lambda: Sequential([Dense(9, input_shape=(7,)), Dense(3, activation="softmax")])),
    Planted("linear-after-linear", "conv2d", lambda: Sequential([Conv2D(9, 3, use_bias=False, input_shape=(9, 11, 2)), BatchNormalization(), Conv2D(4, 3, activation=RELU)])),
    Planted("linear-after-linear", "dense", lambda: Sequential([Dense(9, input_shape=(7,)), Dropout(0.3), Dense(3)])),
    # an activation twice
    Planted("activation-twice", "re_lu", lambda: Sequential([Conv2D(4, 3, activation=RELU, input_shape=(9, 11, 2)), ReLU()])),
    Planted("activation-twice", "activation", lambda: Sequential([Dense(4, activation="sigmoid", input_shape=(5,)), Activation("sigmoid")])),
    Planted("activation-twice", "softmax", lambda: Sequential([Dense(4, activation="softmax", input_shape=(5,)), Softmax()])),
    Planted("activation-twice", "activation", lambda: Sequential([Dense(4, activation="tanh", input_shape=(5,)), Activation("tanh")])),
    # softmax over the wrong numbers
    Planted("softmax-axis", "dense", lambda: Sequential([Flatten(input_shape=(3, 4, 2)), Dense(1, activation="softmax")])),
    Planted("softmax-axis", "softmax", lambda: Sequential([Conv2D(5, 3, activation=RELU, input_shape=(9, 11, 2)), Softmax(axis=1)])),
    Planted("softmax-axis", "conv2d", lambda: Sequential([Conv2D(1, 1, activation="softmax", input_shape=(9, 11, 2))])),
    # layers that change nothing
    Planted("changes-nothing", "max_pooling2d", lambda: Sequential([MaxPooling2D(1, input_shape=(9, 8, 2))])),
    Planted("changes-nothing", "up_sampling2d", lambda: Sequential([UpSampling2D(1, input_shape=(9, 8, 2))])),
    Planted("changes-nothing", "zero_padding2d", lambda: Sequential([ZeroPadding2D(0, input_shape=(9, 8, 2))])),
    Planted("changes-nothing", "activation", lambda: Sequential([Activation("linear", input_shape=(9, 8, 2))])),
    Planted("changes-nothing", "reshape", lambda: Sequential([Reshape((9, 8, 2), input_shape=(9, 8, 2))])),
    Planted("changes-nothing", "average_pooling2d", lambda: Sequential([AveragePooling2D(1, strides=1, input_shape=(9, 8, 2))])),
    # weights
    Planted("not-finite", "conv2d", lambda: _set(Sequential([Conv2D(4, 3, activation=RELU, input_shape=(9, 11, 2))]), "conv2d", kernel=lambda a: _first(a, np.nan))),
    Planted("not-finite", "dense", lambda: _set(Sequential([Dense(4, activation=RELU, input_shape=(5,))]), "dense", bias=lambda a: _first(a, np.inf))),
    Planted("zero-variance", "batch_normalization", lambda: _set(Sequential([BatchNormalization(input_shape=(5, 6, 3))]), "batch_normalization", moving_variance=lambda a: _first(a, 0.0))),
    Planted("identical-filters", "conv2d", lambda: _set(Sequential([Conv2D(7, 3, activation=RELU, input_shape=(9, 11, 2))]), "conv2d", kernel=_same_filters)),
    Planted("identical-filters", "dense", lambda: Sequential([Dense(4, activation=RELU, kernel_initializer="ones", input_shape=(5,))])),
    Planted("dead-filters", "conv2d", lambda: _set(Sequential([Conv2D(4, 3, activation=RELU, input_shape=(9, 11, 2))]), "conv2d", bias=lambda a: _first(a, -100.0))),
    Planted("dead-filters", "re_lu", lambda: _set(Sequential([Conv2D(4, 3, input_shape=(19, 21, 2)), ReLU()]), "conv2d", kernel=lambda a: -abs(a))),
    Planted("dead-filters", "conv2d_1", lambda: _set(Sequential([Conv2D(4, 3, padding="same", activation=RELU, input_shape=(9, 11, 2)), Conv2D(3, 3, padding="same", activation=RELU)]), "conv2d_1", kernel=lambda a: -abs(a))),
    # predicted
    Planted("past-the-border", "conv2d_3", lambda: Sequential([Conv2D(2, 3, padding="same", activation=RELU, input_shape=(7, 6, 1)), *(Conv2D(2 + n, 3, padding="same", activation=RELU) for n in range(3))])),
    Planted("checkerboard", "conv2d_transpose", lambda: Sequential([Conv2DTranspose(4, 3, strides=2, activation=RELU, input_shape=(5, 6, 2))])),
    Planted("checkerboard", "conv2d_transpose", lambda: Sequential([Conv2DTranspose(4, (5, 4), strides=(3, 2), padding="same", activation=RELU, input_shape=(5, 6, 2))])),
    Planted("aliasing", "max_pooling2d", lambda: Sequential([MaxPooling2D(2, input_shape=(8, 6, 2))])),
    # with an image
    Planted("dead-here", "conv2d", lambda: _set(Sequential([Conv2D(4, 3, activation=RELU, input_shape=(9, 11, 2))]), "conv2d", bias=lambda a: _first(a, -100.0)), (9, 11, 2)),
    Planted("saturated-here", "dense", lambda: _set(Sequential([Dense(4, activation="sigmoid", input_shape=(5,))]), "dense", bias=lambda a: a - 100), (5,)),
    Planted("nan-born", "dense_1", _overflowing, (5,)),
]  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p.rule}-{p.layer}")
def test_a_planted_fault_is_found(planted: Planted) -> None:
    network = planted.make()
    image = None
    if planted.image is not None:
        image = np.random.default_rng(3).random(planted.image, dtype=np.float32)
    found = network.check(image, advice=True).findings
    where = [(rule.name, one.layer) for rule, one in found]
    assert (planted.rule, planted.layer) in where, where
    for rule, one in found:
        assert one.words and one.proof and rule.source
        if one.repair is not None and one.repair.edits:
            (layer, setting, value), *_ = one.repair.edits
            again = network.edit(layer, **{setting: value}).check(image, advice=True)
            assert (rule.name, one.layer) not in [(r.name, f.layer) for r, f in again.findings]


def test_at_least_forty_faults_are_planted_and_every_rule_has_one() -> None:
    from convscope.checks.checking import all_rules

    assert len(PLANTED) >= 40
    assert {rule.name for rule in all_rules()} - {p.rule for p in PLANTED} <= {"odd-channels"}

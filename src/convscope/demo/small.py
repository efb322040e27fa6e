"""Two small networks for lessons, one of groups and one of residual blocks, trained on the demo's digits.

training/lessons.py in the repository trained them; ATTRIBUTION.md says how well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convscope.building import Input, Model
from convscope.layers.activation import Activation
from convscope.layers.batch_normalization import BatchNormalization
from convscope.layers.convolution import Conv2D
from convscope.layers.dense import Dense
from convscope.layers.depthwise import DepthwiseConv2D
from convscope.layers.flatten import Flatten
from convscope.layers.global_pooling import GlobalAveragePooling2D
from convscope.layers.merging import Add
from convscope.network import Network


def untrained_groups() -> Network:
    """Return a network that reads all maps, maps in groups, one map each, and all maps at one pixel."""
    x = Input((28, 28, 1), name="digit")
    y = Conv2D(6, 5, strides=2, activation="relu", name="stem")(x)
    y = Conv2D(12, 3, activation="relu", name="full")(y)
    y = Conv2D(18, 3, groups=3, activation="relu", name="grouped")(y)
    y = DepthwiseConv2D(3, activation="relu", name="depthwise")(y)
    y = Conv2D(24, 1, activation="relu", name="pointwise")(y)
    y = Flatten(name="flat")(y)
    return Model(x, Dense(10, activation="softmax", name="classes")(y), name="groups")


def untrained_resnet() -> Network:
    """Return a network of two residual blocks; the second halves the maps and has twice as many."""

    def part(y: Any, name: str, maps: int, size: int, strides: int = 1) -> Any:
        y = Conv2D(maps, size, strides, padding="same", use_bias=False, name=name)(y)
        return BatchNormalization(
            name=name.replace("conv", "bn") if "conv" in name else f"{name}_bn"
        )(y)

    def relu(y: Any, name: str) -> Any:
        return Activation("relu", name=name)(y)

    x = Input((28, 28, 1), name="digit")
    y = before = relu(part(x, "stem", 8, 3, 2), "stem_relu")
    y = relu(part(y, "block1_conv1", 8, 3), "block1_relu")
    y = Add(name="block1_add")([part(y, "block1_conv2", 8, 3), before])
    y = before = relu(y, "block1_out")
    y = relu(part(y, "block2_conv1", 16, 3, 2), "block2_relu")
    shortcut = part(before, "block2_shortcut", 16, 1, 2)
    y = Add(name="block2_add")([part(y, "block2_conv2", 16, 3), shortcut])
    y = GlobalAveragePooling2D(name="pool")(relu(y, "block2_out"))
    return Model(x, Dense(10, activation="softmax", name="classes")(y), name="resnet")


def groups() -> Network:
    """Return the network of the lesson on channels, groups and depthwise convolutions, trained."""
    return _trained(untrained_groups())


def resnet() -> Network:
    """Return the network of the lesson on residual blocks, trained."""
    return _trained(untrained_resnet())


def _trained(network: Network) -> Network:
    """Return a network with the weights that are kept for it, its digits, their names and its lesson."""
    import numpy as np

    from convscope.demo import digits

    name = str(network.graph.name)
    with np.load(Path(__file__).parent / f"{name}.npz", allow_pickle=False) as stored:
        for layer in network.layers:
            names = [f"{layer.name}/{weight}" for weight in layer.weight_shapes or ()]
            if names:
                layer.set_weights([stored[name] for name in names])
    network.labels = list("0123456789")
    network.samples, network.lessons = digits(), [name]
    return network

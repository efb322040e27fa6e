"""Networks for the tests of the explorer, each with an image: sizes all different, weights all drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper
from onnx_models import model as onnx_model

import convscope as cs
from convscope.demo import digits as pictures
from convscope.demo import network as trained
from convscope.layers import kinds

Array = np.ndarray[Any, Any]

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "__proto__",
    "constructor",
    "toString",
    "a" * 290 + " the tenth",
    "טבקת הסתרה \u202eevil",
    "\u200b",
    "l=x&o=1#y=%2",
    '" onclick="alert(3)',
]
"""Names that a file may give to layers."""


def drawn(network: Any, seed: int = 3) -> Any:
    """Return the network with weights that are all different, and no bias zero."""
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        shapes = layer.weight_shapes or {}
        size = {name: rng.normal(size=shape) / 2 for name, shape in shapes.items()}
        for name in ("moving_variance", "variance"):
            if name in size:
                size[name] = np.abs(size[name]) + 0.3
        if size:
            layer.set_weights([np.asarray(w, np.float32) for w in size.values()])
    return network


def image(*shape: int, seed: int = 11) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def digits() -> tuple[Any, ...]:
    """The demo's network, a seven and the samples that come along."""
    return trained(), pictures()["seven"], pictures()


PARTS = 6


def every_kind(part: int, channels_first: bool = False) -> tuple[Any, ...]:
    """Return every sample of every layer kind, each on inputs of its own, a part of them at a time."""
    inputs: dict[str, Any] = {}
    outputs = []
    samples = [
        (f"{name}_{number}", sample)
        for name, kind in kinds().items()
        for number, sample in enumerate(kind.samples())
        if (getattr(sample.layer, "data_format", None) == "channels_first") == channels_first
    ]
    for name, sample in samples[part :: 1 if channels_first else PARTS]:
        wires = [cs.Input(shape, name=f"in_{name}_{n}") for n, shape in enumerate(sample.shapes)]
        inputs.update((str(wire.layer.name), wire) for wire in wires)
        sample.layer.name = name
        outputs.append(sample.layer(wires if len(wires) > 1 else wires[0]))
    network = drawn(cs.Model(list(inputs.values()), outputs, name="kinds"))
    given = {n: image(*s, seed=k) for k, (n, s) in enumerate(network.graph.inputs.items())}
    return network, given


def branches() -> tuple[Any, ...]:
    """Strides, padding, dilation, groups, a shortcut and a concatenation: for looking and editing."""
    x = cs.Input((21, 17, 3), name="picture")
    a = cs.Conv2D(6, (3, 5), strides=(2, 3), padding="same", activation="relu", name="stem")(x)
    b = cs.Conv2D(6, 3, padding="same", dilation_rate=2, groups=3, name="grouped")(a)
    c = cs.Add(name="sum")([a, b])
    d = cs.Conv2D(9, 1, activation="relu", name="narrow")(c)
    e = cs.Concatenate(name="both")([c, d])
    f = cs.Conv2D(70, (2, 3), name="wide", activation="relu")(e)
    g = cs.Conv2D(4, (3, 2), name="gathers", padding="same")(f)
    h = cs.Flatten(name="flat")(g)
    network = cs.Model(x, cs.Dense(7, activation="softmax", name="classes")(h), name="branches")
    return drawn(network), image(21, 17, 3)


def volumes() -> tuple[Any, ...]:
    """A volume and a signal, each through a convolution of its own."""
    cube, sound = cs.Input((5, 7, 6, 3), name="cube"), cs.Input((13, 4), name="sound")
    a = cs.Conv3D(4, (2, 3, 2), strides=(1, 2, 1), name="volume")(cube)
    b = cs.Conv1D(5, 3, strides=2, activation="tanh", name="signal")(sound)
    given = {"cube": image(5, 7, 6, 3), "sound": image(13, 4)}
    return drawn(cs.Model([cube, sound], [a, b], name="volumes")), given


def groups() -> tuple[Any, ...]:
    """Maps in two groups, then each on its own, made to two of each."""
    layers = [
        cs.Conv2D(6, (2, 3), groups=2, input_shape=(9, 11, 14), name="conv2d"),
        cs.DepthwiseConv2D((3, 2), depth_multiplier=2, activation="tanh", name="depthwise_conv2d"),
        cs.Flatten(name="flatten"),
    ]
    return drawn(cs.Sequential(layers, name="groups")), image(9, 11, 14)


def shapes() -> tuple[Any, ...]:
    """A signal, a volume, and an image that is enlarged and then made one number a map."""
    sound, cube, small = (
        cs.Input((13, 4), name="sound"),
        cs.Input((5, 7, 6, 3), name="cube"),
        cs.Input((5, 6, 3), name="small"),
    )
    a = cs.Conv1D(5, 3, activation="relu", padding="same", name="signal")(sound)
    b = cs.Conv3D(4, (2, 3, 2), name="volume")(cube)
    c = cs.Conv2DTranspose(4, 3, strides=2, name="enlarged")(small)
    d = cs.Conv2D(9, 1, name="squeezed")(cs.GlobalAveragePooling2D(keepdims=True, name="global")(c))
    given = {"sound": image(13, 4), "cube": image(5, 7, 6, 3), "small": image(5, 6, 3)}
    return drawn(cs.Model([sound, cube, small], [a, b, d], name="shapes")), given


def nothing() -> tuple[Any, ...]:
    """A convolution whose weights are no numbers."""
    network = cs.Sequential([cs.Conv2D(5, 2, input_shape=(6, 7, 3), name="conv2d")], name="nothing")
    network.layers[0].set_weights(
        [np.full((2, 2, 3, 5), np.nan, np.float32), np.zeros(5, np.float32)]
    )
    return network, image(6, 7, 3)


def faint() -> tuple[Any, ...]:
    """Two convolutions whose numbers are around 1e-8: a difference there is small, and a difference."""
    layers = [cs.Conv2D(5, 3, input_shape=(9, 8, 2)), cs.Conv2D(7, (3, 2), name="second")]
    network = drawn(cs.Sequential(layers, name="faint"))
    for layer in network.layers:
        layer.set_weights([weight * np.float32(1e-4) for weight in layer.get_weights()])
    return network, image(9, 8, 2) * np.float32(1e-1)


def deep() -> tuple[Any, ...]:
    """400 layers; the last but one has 2,048 maps."""
    layers = [cs.Conv2D(4, 3, padding="same", activation="tanh", input_shape=(9, 7, 3))]
    layers += [cs.Conv2D(4, (1, 3), padding="same", activation="tanh") for _ in range(397)]
    layers += [cs.Conv2D(2048, 1, activation="relu", name="many")]
    layers += [cs.Conv2D(6, (2, 3), name="last")]
    return drawn(cs.Sequential(layers, name="deep")), image(9, 7, 3)


def photo() -> tuple[Any, ...]:
    """Takes an RGB picture, channels first, of 13×11 pixels: an ONNX model."""
    from onnx_models import small

    return cs.open(small()), image(3, 13, 11)


def _hostile_nodes() -> Iterator[NodeProto]:
    before = "image"
    for n, name in enumerate(HOSTILE):
        out = f"t{n}"
        if n % 2:
            yield helper.make_node("Relu", [before], [out], name)
        else:
            yield helper.make_node(
                "Conv", [before, f"w{n}", f"b{n}"], [out], name, pads=[1, 1, 0, 1]
            )
        before = out
    yield helper.make_node("Identity", [before], ["out"], "end")


def hostile_model() -> ModelProto:
    """An ONNX model whose layers have the names that a file should not have."""
    rng = np.random.default_rng(2)
    weights = {}
    channels = 3
    for n in range(0, len(HOSTILE), 2):
        weights[f"w{n}"] = rng.normal(size=(n + 2, channels, 2, 3)).astype(np.float32) / 2
        weights[f"b{n}"] = rng.normal(size=n + 2).astype(np.float32)
        channels = n + 2
    return onnx_model(list(_hostile_nodes()), {"image": [1, 3, 8, 9]}, ["out"], weights)


def hostile() -> tuple[Any, ...]:
    return cs.open(hostile_model()), image(3, 8, 9)

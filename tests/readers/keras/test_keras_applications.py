"""Networks that nobody here wrote: keras.applications, saved by Keras, opened by us, and compared.

Expected shapes, counts and numbers are Keras's own, with random weights of sensible size. The numbers of
every layer are compared with Keras's activations; random ones are taken apart, and must agree with the
engine and with Keras.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from campaigns import often

import convscope
from convscope.network import Network

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own conversions warn with numpy 2

Array = np.ndarray[Any, Any]

NETWORKS = {
    "ResNet50": (64, False),
    "VGG16": (40, False),
    "MobileNetV2": (64, False),
    "MobileNetV3Small": (64, True),
    "EfficientNetB0": (64, False),
    "EfficientNetV2B0": (64, False),
    "DenseNet121": (64, False),
    "InceptionV3": (75, False),
    "InceptionResNetV2": (75, False),
    "Xception": (75, False),
    "ConvNeXtTiny": (40, True),
}
"""The image's size, and whether with the dense layers at the end."""

LEGACY = ("ResNet50", "VGG16", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "DenseNet121",
          "InceptionV3", "Xception", "ConvNeXtTiny")  # fmt: skip
ROUNDING = 2e-5
"""How far two engines may differ, of a layer's largest number: some sixty layers of float32."""


@dataclass
class Theirs:
    """A network of Keras's, an image, and the activations that Keras computes for it."""

    name: str
    model: Any
    image: Array
    activations: dict[str, Array]


def randomise(model: Any, rng: np.random.Generator) -> None:
    """Give every weight numbers that keep activations of moderate size through deep networks."""
    for weight in model.weights:
        shape = tuple(weight.shape)
        if weight.name in ("gamma", "moving_variance", "variance"):
            values = rng.uniform(0.5, 1.5, shape)
        elif weight.name.endswith("kernel"):
            depthwise = "depthwise" in weight.path
            fan = np.prod(shape[:2] if depthwise else shape[:-1])
            values = rng.normal(size=shape) / np.sqrt(fan)
        else:
            values = rng.normal(size=shape) * 0.1
        weight.assign(np.asarray(values, dtype=np.float32))


def computed(model: Any, image: Array) -> dict[str, Array]:
    layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    every = keras.Model(model.inputs, [layer.output for layer in layers])
    with torch.no_grad():
        outputs = every(torch.from_numpy(image[np.newaxis]), training=False)
    names = [layer.name for layer in layers]
    return dict(zip(names, (o.detach().numpy()[0] for o in outputs), strict=True))


@pytest.fixture(
    scope="module", params=often(NETWORKS, "ResNet50", "MobileNetV2", "MobileNetV3Small")
)
def theirs(request: pytest.FixtureRequest) -> Theirs:
    size, top = NETWORKS[request.param]
    rng = np.random.default_rng(7)
    model = getattr(keras.applications, request.param)(
        weights=None, include_top=top, input_shape=(size, size, 3)
    )
    randomise(model, rng)
    image = rng.normal(size=(size, size, 3)).astype(np.float32)
    if any(layer.name.startswith(("rescaling", "normalization")) for layer in model.layers):
        image = image * 50 + 120  # it starts from pixels
    return Theirs(request.param, model, image, computed(model, image))


@pytest.fixture(params=["keras", "h5", "live"])
def ours(request: pytest.FixtureRequest, theirs: Theirs, tmp_path: Path) -> Iterator[Network]:
    if request.param == "live":
        yield convscope.open(theirs.model)
        return
    if request.param == "h5" and theirs.name not in LEGACY:
        pytest.skip("as .keras and live only: it is large")
    path = tmp_path / f"model.{request.param}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.model.save(path)
    yield convscope.open(str(path))
    path.unlink()


def test_it_is_what_keras_says(theirs: Theirs, ours: Network) -> None:
    model, graph = theirs.model, ours.graph
    assert ours.warnings == []
    assert [r.name for r in ours.facts().rows if r.opaque] == []

    # shapes and counts of every layer, and the totals
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            assert graph.inputs[layer.name] == tuple(layer.batch_shape[1:])
            continue
        params = layer.count_params() if hasattr(layer, "count_params") else 0
        if layer.name in graph.nodes:
            facts = graph.facts[layer.name]
            assert facts.output_shape == tuple(layer.output.shape[1:]), layer.name
            assert facts.params == params, layer.name
        else:
            inner = [facts for n, facts in graph.facts.items() if n.startswith(f"{layer.name}/")]
            assert inner[-1].output_shape == tuple(layer.output.shape[1:]), layer.name
            assert sum(facts.params for facts in inner) == params, layer.name
    totals = graph.totals
    assert totals.params == model.count_params()
    assert totals.trainable == sum(int(np.prod(w.shape)) for w in model.trainable_weights)

    # the activations of every layer
    run = ours.run(theirs.image)
    for name, expected in theirs.activations.items():
        if name in graph.nodes:
            room = ROUNDING * max(float(np.abs(expected).max()), 1e-30)
            assert np.abs(run[name] - expected).max() <= room, name
    assert graph.outputs[0] == model.output_names[0] or len(graph.outputs) == 1

    # random numbers, taken apart
    rng = np.random.default_rng(11)
    names = list(graph.nodes)
    for _ in range(100):
        name = names[rng.integers(len(names))]
        position = tuple(int(rng.integers(size)) for size in graph.shape(name))
        found = run.trace(name, position).facts
        assert found.agrees, (name, position, found.value, found.engine_value)
        if name in theirs.activations:
            expected = theirs.activations[name]
            room = ROUNDING * max(float(np.abs(expected).max()), 1e-30)
            assert abs(found.value - expected[position]) <= room, (name, position)


def test_a_summary_does_not_touch_the_weights(tmp_path: Path, monkeypatch: Any) -> None:
    """ResNet50 at its full size, once with its weights' bytes wiped out: nobody looks at them."""
    model = keras.applications.ResNet50(weights=None)
    path = tmp_path / "resnet50.keras"
    model.save(path)
    data = path.read_bytes()
    start = data.index(b"\x89HDF\r\n\x1a\n")
    path.write_bytes(data[:start] + bytes(1 << 20) + data[start + (1 << 20) :])

    facts = convscope.open(path).facts()
    assert facts.totals.params == model.count_params() == 25_636_712  # Keras's documentation, too
    assert facts.rows[-1].output_shape == (None, 1000)
    assert [r.output_shape for r in facts.rows] == [
        tuple(layer.output.shape) for layer in model.layers[1:]
    ]

"""Every network of keras.applications, with random weights: opened live, counted, run, and numbers taken apart.

`test_keras_applications` compares every activation of some of them, from files; these are all there are.
"""

from __future__ import annotations

import gc
import inspect
import zlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from campaigns import often
from readers.keras.test_keras_applications import randomise

import convscope

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own conversions warn with numpy 2

EVERY: dict[str, Callable[..., Any]] = {
    name: made
    for name, made in vars(keras.applications).items()
    if callable(made)
    and not inspect.isclass(made)
    and "weights" in inspect.signature(made).parameters
}
SIZES = {"Inception": 75, "Xception": 75, "NASNet": 64, "ConvNeXt": 40}
"""How small an image each family takes, where 40 is not enough or more than is needed."""

TRACED = 5

NOT_THERE = {"NASNetMobile": "Keras on PyTorch refuses to make it, for a fault of its own"}


def test_there_are_thirty_four_and_more_would_be_seen() -> None:
    assert len(EVERY) >= 34


@pytest.mark.parametrize("name", often(EVERY, "MobileNetV3Large", "EfficientNetV2B0"))
def test_it_opens_counts_and_proves(name: str) -> None:
    if name in NOT_THERE:
        with pytest.raises(ValueError, match="not available with the torch backend"):
            EVERY[name](weights=None)
        return
    size = next((s for start, s in SIZES.items() if name.startswith(start)), 40)
    model = EVERY[name](weights=None, include_top=False, input_shape=(size, size, 3))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    randomise(model, rng)
    net = convscope.open(model)
    rows, totals = net.facts().rows, net.facts().totals
    assert net.warnings == [] and [r.name for r in rows if r.opaque] == []
    assert totals.params == net.count_params() == model.count_params()
    assert totals.trainable == sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert rows[-1].output_shape == tuple(model.output.shape)

    image = rng.normal(size=(size, size, 3)).astype(np.float32) * 50 + 120
    names = [str(n) for n in rng.choice(list(net.graph.nodes), TRACED, replace=False)]
    wanted = [*names, *(feed for n in names for feed in net.graph.nodes[n].inputs)]
    run = net.run(image, keep=[n for n in wanted if n in net.graph.nodes])
    expected = model(keras.ops.convert_to_tensor(image[np.newaxis]), training=False)
    expected = keras.ops.convert_to_numpy(expected)[0]
    room = 1e-4 * max(float(np.abs(expected).max()), 1e-20)
    assert np.abs(run.output - expected).max() <= room
    for layer in names:
        position = tuple(int(rng.integers(s)) for s in net.graph.shape(layer))
        found = run.trace(layer, position).facts
        assert found.agrees, (layer, position, found.value, found.engine_value)
    del model, net, run
    gc.collect()

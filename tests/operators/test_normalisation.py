"""Normalisations of ONNX: what their axes are called."""

from __future__ import annotations

import numpy as np
import onnx_models
import pytest
from onnx import helper

from convscope.readers import open as read


@pytest.mark.parametrize(
    ("shape", "perm", "names"),
    [
        ((1, 3, 5, 7), [0, 2, 3, 1], "n, y, x, c"),  # ConvNeXt: moved to channels-last and back
        ((1, 3, 5), [0, 2, 1], "n, t, c"),
        ((1, 3, 5, 7), [0, 1, 3, 2], "n, y, x, c"),
    ],
)
def test_the_last_axis_of_a_layer_normalisation_is_its_channels(
    shape: tuple[int, ...], perm: list[int], names: str
) -> None:
    size = shape[perm[-1]]
    weights = {"w": np.linspace(1, 2, size, dtype=np.float32)}
    nodes = [
        helper.make_node("Transpose", ["x"], ["moved"], name="move", perm=perm),
        helper.make_node("LayerNormalization", ["moved", "w"], ["y"], name="norm", axis=-1),
    ]
    net = read(onnx_models.model(nodes, {"x": shape}, ["y"], weights))
    (one,) = [name for name in net.graph.nodes if name.startswith("norm")]
    own = names.removeprefix("n, ")
    assert str(net.graph.facts[one].equation).startswith(f"out[{own}] = scale[c] · (in[{own}] − μ[")
    run = net.run(np.random.default_rng(0).random(shape[1:], dtype=np.float32))
    assert run.trace(one, tuple(1 for _ in own.split(", "))).facts.agrees

"""Every sample of every kind: the layer's ONNX form, run by ONNX Runtime, against its equation.

The second of the two answers that must agree; each is written by hand, in its own terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from campaigns import in_turn
from given import case, samples

from convscope import Activation
from convscope.engine.runtime import Engine
from convscope.layers import kinds
from convscope.layers.activations import ACTIVATIONS
from convscope.layers.base import Sample
from convscope.model.graph import Graph
from convscope.notation.evaluation import evaluate_box
from convscope.notation.ledger import ledger

BATCH = 2


def run(sample: Sample, after_convolutions: bool) -> np.ndarray[Any, Any]:
    """Return what ONNX Runtime computes for a batch, the case's own inputs first.

    With `after_convolutions` each input passes through a convolution that changes nothing (1×1, the
    identity), after which the engine holds it channels-first.
    """
    ours = case(sample)
    names = [f"input_{n}" for n in range(len(sample.shapes))]
    graph = Graph("net", dict(zip(names, sample.shapes, strict=True)))
    fed = list(names)
    if after_convolutions:
        for n, shape in enumerate(sample.shapes):
            conv: Any = kinds()[f"Conv{len(shape) - 1}D"]
            same = conv(shape[-1], 1, use_bias=False)
            same.build(graph.add(f"same_{n}", same, [names[n]]).weights, (n,))
            same.set_weights(
                [np.eye(shape[-1]).reshape(*(1,) * (len(shape) - 1), *(shape[-1],) * 2)]
            )
            fed[n] = f"same_{n}"
    facts = graph.add("layer", sample.layer, fed)
    sample.layer.build(facts.weights, (0,))
    sample.layer.set_weights(list(ours.weights.values()))
    rng = np.random.default_rng(11)
    others = [np.asarray(rng.normal(size=x.shape), np.float32) for x in ours.inputs]
    feeds = {n: np.stack([x, y]) for n, x, y in zip(names, ours.inputs, others, strict=True)}
    return Engine(graph, ["layer"]).run(feeds)["layer"]


def check(sample: Sample, output: np.ndarray[Any, Any]) -> None:
    ours = case(sample)
    assert output.shape == (BATCH, *ours.equation.shape)
    for position in ours.positions():
        expected = float(output[(0, *position)])
        assert ours.at(position) == pytest.approx(expected, rel=1e-4, abs=2e-5), position
        found = ledger(ours.equation, position, ours.values)
        assert abs(found.value - expected) <= found.rounding, (
            "the difference that trace would allow"
        )


@in_turn("sample", samples())
def test_numbers_and_shape(sample: Sample) -> None:
    check(sample, run(sample, after_convolutions=False))


@in_turn("sample", samples(lambda one: all(2 <= len(s) <= 4 for s in one.shapes)))
def test_numbers_that_lie_channels_first(sample: Sample) -> None:
    check(sample, run(sample, after_convolutions=True))


FAR_OUT = np.unique(
    np.concatenate([[sign * 10.0**e, sign * 3 * 10.0**e] for sign in (-1, 1) for e in range(-6, 6)])
).astype(np.float32)
"""Numbers from a millionth to 300,000: past where e^x overflows float32 (88.7)."""


@pytest.mark.parametrize("name", [n for n, a in ACTIVATIONS.items() if not a.halves])
def test_activations_far_out(name: str) -> None:
    layer = Activation(name)
    graph = Graph("net", {"x": (FAR_OUT.size, 1)})
    graph.add("layer", layer, ["x"])
    found = Engine(graph, ["layer"]).run({"x": FAR_OUT.reshape(1, -1, 1)})["layer"].ravel()
    equation = layer.equation((FAR_OUT.size, 1))
    box = [(0, FAR_OUT.size - 1), (0, 0)]
    with np.errstate(over="ignore"):  # e^89 is no float32, in neither answer
        expected = evaluate_box(equation, box, {"in": FAR_OUT.reshape(-1, 1)}).astype(np.float32)
    np.testing.assert_allclose(found, expected.ravel(), rtol=1e-5, atol=2e-7)
    for place in range(0, FAR_OUT.size, 5):
        told = ledger(equation, (place, 0), {"in": FAR_OUT.reshape(-1, 1)})
        if np.isfinite(found[place]):
            assert abs(told.value - float(found[place])) <= told.rounding, FAR_OUT[place]

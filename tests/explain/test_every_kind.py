"""Every kind of layer can be explained and every one of its numbers taken apart, in every view."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from campaigns import in_turn
from given import samples

from convscope import Input, Model, Run
from convscope.layers import Sample


def network(sample: Sample) -> Model:
    inputs = [Input(shape) for shape in sample.shapes]
    layer = copy.deepcopy(sample.layer)
    layer.name = "layer"
    return Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def run(model: Model) -> Run:
    rng = np.random.default_rng(7)
    arrays = [rng.normal(size=shape) for shape in model.graph.inputs.values()]
    return model.run(arrays if len(arrays) > 1 else arrays[0])


@in_turn("sample", samples())
def test_a_number_of_every_kind_is_taken_apart_and_proved(sample: Sample) -> None:
    model = network(sample)
    done = run(model)
    where = done.liveliest("layer")
    trace = done.trace("layer", where)
    assert trace.agrees
    assert "The engine agrees" in str(trace)
    found = json.loads(trace.json())
    assert found["position"] == list(where)
    if found["groups"] and found["reduction"] == "sum":
        total = sum(g["partial_sum"] for g in found["groups"]) + (found["bias"] or 0.0)
        assert total == pytest.approx(found["preactivation"], rel=1e-12, abs=1e-12)
    for shown in (trace.markdown(), trace.latex(), trace._repr_html_()):
        assert "layer" in shown
    images = [done[name] for name in model.graph.inputs]
    cone = model.trace(images if len(images) > 1 else images[0], "layer", where)
    assert cone.value == pytest.approx(trace.value, rel=1e-12, abs=1e-12)


@in_turn("sample", samples())
def test_every_kind_is_explained_in_every_view(sample: Sample) -> None:
    explanation = network(sample).explain("layer")
    kind = sample.layer.kind
    assert f"layer ({kind})" in str(explanation)
    found = json.loads(explanation.json())
    assert found["kind"] == kind and found["equation"]["text"].startswith("out[")
    for shown in (explanation.markdown(), explanation.latex(), explanation._repr_html_()):
        assert kind in shown

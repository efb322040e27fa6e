"""The gradients of every sample of every kind against PyTorch's autograd, through Keras on PyTorch.

In float64, and along a random direction of the output, so that nothing cancels.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch
from campaigns import in_turn
from given import case, samples
from layers.test_against_keras import (
    build_for,
    called,
    keras_settings,
    kerass,
    not_comparable,
)

from convscope.layers.base import Sample, tensor_names
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate_all

CAST = {"LayerNormalization", "GroupNormalization", "MultiHeadAttention", "GroupQueryAttention"}
"""Kinds that Keras casts to float32 on the way, whatever they are told."""


@in_turn("sample", samples())
def test_every_sample(sample: Sample) -> None:
    if reason := not_comparable(sample):
        pytest.skip(reason)
    ours = case(sample)
    given = [np.asarray(x, np.float64) for x in ours.inputs]
    theirs: Any = kerass(sample.layer.kind, sample.layer)(
        **keras_settings(sample.layer, dtype="float64"), dtype="float64"
    )
    batches = [torch.from_numpy(x[np.newaxis]).requires_grad_() for x in given]
    build_for(theirs, sample.layer, batches)
    theirs.set_weights([np.asarray(w, np.float64) for w in ours.weights.values()])
    held = [w.value for w in theirs.weights]
    for weight in held:
        if weight.is_floating_point() and not weight.requires_grad and weight.is_leaf:
            weight.requires_grad_()
    output = called(theirs, sample.layer, batches)
    cast = sample.layer.kind in CAST or sample.layer.settings().get("renorm")
    rounded = output.dtype != torch.float64 or cast
    room = 1e-4 if rounded else 1e-7
    output = output.double()
    v = np.random.default_rng(8).normal(size=tuple(output.shape[1:]))
    if output.requires_grad:
        (output[0] * torch.from_numpy(v)).sum().backward()

    values = {**ours.values, OUTPUT: v}
    values = {name: np.asarray(array, np.float64) for name, array in values.items()}
    found = {n: evaluate_all(e, values) for n, e in adjoint(ours.equation).items()}
    theirs_by_name = dict(zip(tensor_names(len(batches)), [b.grad for b in batches], strict=True))
    expected = {n: None if g is None else g.numpy()[0] for n, g in theirs_by_name.items()}
    for name, weight in zip(ours.weights, held, strict=True):
        expected[name] = None if weight.grad is None else weight.grad.numpy()
    assert set(found) <= set(expected)
    for name, gradient in expected.items():
        mine = found.get(name, 0.0)
        if gradient is None:
            assert not np.any(mine), name
            continue
        size = 1.0 + float(np.abs(gradient).max(initial=0.0))
        np.testing.assert_allclose(
            np.broadcast_to(mine, gradient.shape), gradient, rtol=10 * room, atol=room * size
        )


def test_keras_runs_on_pytorch() -> None:
    assert keras.backend.backend() == "torch"

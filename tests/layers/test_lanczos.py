"""Resizing by Lanczos's curve, which Keras on PyTorch does not have: against Pillow, which has it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from convscope import Input, Model, Resizing, UpSampling2D

X = np.random.default_rng(9).normal(size=(5, 7, 1)).astype(np.float32)


@pytest.mark.parametrize(
    "layer", [Resizing(11, 9, "lanczos3"), UpSampling2D((2, 3), interpolation="lanczos3")]
)
def test_enlarging_is_pillows(layer: Resizing | UpSampling2D) -> None:
    x = Input(X.shape)
    run = Model(x, layer(x)).run(X)
    rows, columns, _ = run.output.shape
    expected = Image.fromarray(X[..., 0]).resize((columns, rows), Image.Resampling.LANCZOS)
    np.testing.assert_allclose(run.output[..., 0], np.asarray(expected), atol=2e-6)
    for place in ((0, 0, 0), (rows - 1, columns - 1, 0), (rows // 2, 3, 0)):
        assert run.trace(0, place).facts.agrees

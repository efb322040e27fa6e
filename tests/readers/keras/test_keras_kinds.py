"""Kinds of layers that Keras made, in every kind of file and live: counts, numbers and traces are Keras's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import convscope
from convscope.errors import SourceWarning

L = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Keras with numpy 2
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def chain(*layers: Any, shape: tuple[int, ...] = (7, 8, 6)) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


def wired(call: Callable[..., Any], *shapes: tuple[int, ...]) -> Any:
    inputs = [keras.Input(s) for s in shapes]
    return keras.Model(inputs, call(*inputs))


MODELS: dict[str, Callable[[], Any]] = {
    "GroupNormalization": lambda: chain(L.GroupNormalization(3), L.GroupNormalization(-1)),
    "UnitNormalization": lambda: chain(L.UnitNormalization(axis=(1, 2))),
    "RMSNormalization": lambda: chain(L.RMSNormalization()),
    "renorm": lambda: chain(L.BatchNormalization(renorm=True)),
    "CenterCrop": lambda: chain(L.CenterCrop(4, 5)),
    "Resizing": lambda: chain(
        L.Resizing(9, 5, "bicubic"), L.Resizing(4, 6, crop_to_aspect_ratio=True), L.CenterCrop(7, 9)
    ),
    "UpSampling2D": lambda: chain(L.UpSampling2D((2, 3), interpolation="bicubic")),
    "Adaptive": lambda: chain(L.AdaptiveAveragePooling2D((3, 4)), L.AdaptiveMaxPooling2D(2)),
    "EinsumDense": lambda: chain(
        L.EinsumDense("...c,cd->...d", 5, bias_axes="d", activation="relu")
    ),
    "TimeDistributed": lambda: chain(
        L.TimeDistributed(L.Conv1D(4, 3)),
        L.TimeDistributed(L.BatchNormalization()),
        L.TimeDistributed(L.SpectralNormalization(L.Dense(3))),
    ),
    "SpectralNormalization": lambda: chain(
        L.SpectralNormalization(L.Conv2D(5, 3)), L.SpectralNormalization(L.Conv2D(4, 2), name="s")
    ),
    "Embedding": lambda: chain(L.Embedding(11, 5), L.Conv1D(3, 2), shape=(9,)),
    "Dot": lambda: wired(lambda a, b: L.Dot((2, 1), normalize=True)([a, b]), (5, 6), (6, 4)),
    "Attention": lambda: wired(
        lambda q, v, k: L.Attention(use_scale=True, score_mode="concat")([q, v, k]),
        (5, 6),
        (7, 4),
        (7, 6),
    ),
    "MultiHeadAttention": lambda: wired(
        lambda x, y: L.MultiHeadAttention(2, 3, value_dim=5)(x, key=y, value=y), (5, 6), (7, 4)
    ),
    "MultiHeadAttention of maps": lambda: wired(
        lambda x: L.MultiHeadAttention(2, 3, use_gate=True, output_shape=9)(x, x), (4, 5, 6)
    ),
    "GroupQueryAttention": lambda: wired(
        lambda x: L.GroupQueryAttention(3, 4, 2, use_gate=True)(x, x, return_attention_scores=True)[
            0
        ],
        (5, 8),
    ),
}


def randomised(model: Any) -> Any:
    rng = np.random.default_rng(3)
    for variable in model.weights:
        low = 0.5 if "variance" in variable.path else -1.0
        variable.assign(rng.uniform(low, 1.0, size=tuple(variable.shape)))
    return model


def sources(model: Any, folder: Path) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for suffix in ("keras", "h5"):
            model.save(folder / f"model.{suffix}")
    return [folder / "model.keras", folder / "model.h5", model]


@pytest.mark.parametrize("name", MODELS)
def test_it_is_what_keras_says(name: str, tmp_path: Path) -> None:
    model = randomised(MODELS[name]())
    rng = np.random.default_rng(4)
    shapes = [tuple(x.shape[1:]) for x in model.inputs]
    whole = name == "Embedding"
    arrays = [rng.integers(0, 11, s) if whole else rng.normal(size=s) for s in shapes]
    given = [a.astype(np.float32) for a in arrays]
    batch = [keras.ops.convert_to_tensor(a[np.newaxis]) for a in given]
    expected = keras.ops.convert_to_numpy(model(batch if len(batch) > 1 else batch[0]))[0]
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    for source in sources(model, tmp_path):
        net = convscope.open(source)
        assert not any(r.opaque for r in net.facts().rows), net.warnings
        assert net.count_params() == model.count_params()
        assert net.facts().totals.trainable == trained
        run = net.run(given if len(given) > 1 else given[0])
        np.testing.assert_allclose(run.output, expected, rtol=2e-4, atol=2e-5)
        for layer in net.graph.nodes:
            assert run.trace(layer, run.liveliest(layer)).facts.agrees, layer


def test_an_embedding_costs_no_multiplications() -> None:
    net = convscope.open(MODELS["Embedding"]())
    rows = net.facts().rows
    assert rows[0].macs == 0 and rows[0].params == 55
    assert rows[1].macs == 8 * 3 * 2 * 5


def test_attention_counts_products_with_weights_apart_from_those_of_two_inputs() -> None:
    (row,) = convscope.open(MODELS["MultiHeadAttention"]()).facts().rows
    # projections: T·c·h·d of the query, S·c·h·d of the key, S·c·h·e of the value, T·h·e·c of the output
    assert row.macs == 5 * 6 * 2 * 3 + 7 * 4 * 2 * 3 + 7 * 4 * 2 * 5 + 5 * 2 * 5 * 6
    net = convscope.open(MODELS["MultiHeadAttention"]())
    assert net.graph.totals.products == 2 * 5 * 7 * 3 + 2 * 5 * 7 * 5


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda x, m: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True), "called with use_causal_mask=True"),
        (lambda x, m: L.MultiHeadAttention(2, 3)(x, x, attention_mask=m), "called with attention_mask"),
        (lambda x, m: L.Softmax()(m, mask=m > 0), "called with mask"),
        (lambda x, m: L.BatchNormalization()(x, training=True), "called with training=True"),
        (lambda x, m: keras.Sequential([keras.Input((5, 6)), L.Masking(), L.GlobalAveragePooling1D()])(x), "mask"),
        (lambda x, m: L.MultiHeadAttention(2, 3, sliding_window=2)(x, x), "sliding_window = 2"),
        (lambda x, m: L.TimeDistributed(L.LSTM(3))(keras.ops.expand_dims(x, 1)), "LSTM, which it holds"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["keras", "h5", "live"])
def test_what_its_equation_would_not_say_is_opaque(
    call: Callable[..., Any], why: str, suffix: str, tmp_path: Path
) -> None:
    x, m = keras.Input((5, 6)), keras.Input((5, 5))
    model = keras.Model([x, m], call(x, m))
    source = dict(zip(("keras", "h5", "live"), sources(model, tmp_path), strict=True))[suffix]
    with pytest.warns(SourceWarning, match=why):
        net = convscope.open(source)
    assert net.facts().rows[-1].opaque
    assert net.count_params() == model.count_params()
    if suffix == "live":
        given = [
            np.random.default_rng(0).normal(size=s).astype(np.float32) for s in ((5, 6), (5, 5))
        ]
        expected = model([keras.ops.convert_to_tensor(a[np.newaxis]) for a in given])
        found = net.run(given).output
        np.testing.assert_allclose(found, keras.ops.convert_to_numpy(expected)[0], atol=1e-5)

"""Operations of keras.ops in functional networks: stated as Keras computes them, in every kind of file and live."""

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

ops = keras.ops
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Keras with numpy 2
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

PADS = [[0, 0], [1, 2], [0, 1], [0, 0]]
STATED: dict[str, Callable[[Any, Any], Any]] = {
    "getitem": lambda x, z: x[:, 1:, ::2, 0],
    "getitem with a new axis": lambda x, z: x[..., None, 1:3],
    "getitem from the end": lambda x, z: x[:, -4:-1, -2],
    "neg": lambda x, z: -x,
    "abs": lambda x, z: ops.absolute(x) + ops.sign(z),
    "sqrt": lambda x, z: ops.sqrt(ops.abs(x)) * ops.rsqrt(ops.square(z) + 1),
    "exp": lambda x, z: ops.exp(x) - ops.log1p(ops.abs(z)) / ops.log(ops.abs(x) + 2.0),
    "waves": lambda x, z: ops.sin(x) + ops.cos(z) * ops.arctan(x) - ops.floor(z) + ops.ceil(x),
    "power": lambda x, z: x**2 + ops.power(ops.abs(z), 0.5) - 2.0 ** x,
    "powers": lambda x, z: ops.power(ops.abs(x), z),
    "clip": lambda x, z: ops.clip(x, -0.5, 0.75),
    "compare": lambda x, z: ops.where(x > z, x, 0.5) + ops.where(x <= 0.1, z, x),
    "logic": lambda x, z: ops.where(ops.logical_and(x > 0, ops.logical_not(z >= 0.2)), x, z),
    "divide": lambda x, z: x / (ops.abs(z) + 1.0),
    "reciprocal": lambda x, z: ops.reciprocal(ops.abs(x) + 0.5),
    "constants": lambda x, z: x * np.array([0.5, 2.0, -1.0, 3.0], np.float32) + np.float32(0.25),
    "sum": lambda x, z: ops.sum(x, axis=-1, keepdims=True) + ops.sum(z, axis=(1, 2), keepdims=True),
    "extremes": lambda x, z: ops.max(x, axis=1) - ops.amin(z, axis=[1]),
    "mean": lambda x, z: ops.mean(x, axis=3) + ops.var(z, axis=-1) - ops.std(x, axis=-1),
    "logsumexp": lambda x, z: ops.logsumexp(x, axis=2),
    "norm": lambda x, z: ops.norm(x, axis=-1),
    "normalize": lambda x, z: ops.normalize(x, axis=2),
    "pad": lambda x, z: ops.pad(x, PADS) + ops.pad(z, PADS, mode="reflect"),
    "pad with a number": lambda x, z: ops.pad(x, PADS, constant_values=2.0),
    "transpose": lambda x, z: ops.transpose(x, (0, 3, 1, 2)),
    "swap and move": lambda x, z: ops.moveaxis(ops.swapaxes(x, 1, -1), 1, 2),
    "reshape": lambda x, z: ops.reshape(x, (-1, 30, 4)),
    "matmul": lambda x, z: ops.matmul(x, ops.transpose(z, (0, 1, 3, 2))) @ z,
    "softmax": lambda x, z: ops.softmax(x, axis=2) + ops.log_softmax(z),
    "stack": lambda x, z: ops.stack([x, z], axis=-1),
    "split": lambda x, z: ops.concatenate(ops.split(x, 2, axis=-1)[::-1], axis=1),
    "split at": lambda x, z: ops.split(x, [1, 4], axis=1)[2],
    "unstack": lambda x, z: ops.unstack(x, axis=3)[2] * ops.unstack(z, axis=-1)[0],
    "flip": lambda x, z: ops.flip(x, axis=2) + ops.flip(z, axis=(1, 2)),
    "roll": lambda x, z: ops.roll(x, 2, axis=1) + ops.roll(z, (-1, 3), axis=(2, 3)),
    "dims": lambda x, z: ops.squeeze(ops.expand_dims(x, 1) * 2.0, 1),
    "take": lambda x, z: ops.take(x, [0, 3, 1], axis=2),
    "repeat": lambda x, z: ops.repeat(x, 2, axis=1),
    "repeat channels": lambda x, z: ops.repeat(x, 3, axis=-1),
    "tile": lambda x, z: ops.tile(x, (1, 2, 1, 3)),
    "einsum": lambda x, z: ops.einsum("bhwc,bhvc->bhwv", x, z),
    "pools": lambda x, z: ops.max_pool(x, (2, 2), padding="same") * ops.average_pool(z, 2, 2)[:, :1, :1],
    "adaptive": lambda x, z: ops.adaptive_average_pool(x, (3, 2)) - ops.adaptive_max_pool(z, (3, 2)),
    "activations": lambda x, z: ops.leaky_relu(x, 0.3) + ops.elu(z, 0.5) + ops.gelu(x) + ops.celu(z),
    "more activations": lambda x, z: ops.gelu(x, approximate=False) + ops.threshold(z, 0.1, 7.0) + ops.relu6(x),
    "resize": lambda x, z: ops.image.resize(x, (9, 7), interpolation="bicubic")
    + ops.image.resize(z, (9, 7), interpolation="nearest"),
    "glu": lambda x, z: ops.glu(x),
}  # fmt: skip
OPAQUE: dict[str, Callable[[Any, Any], Any]] = {
    "sum of the batch": lambda x, z: x + ops.sum(z),
    "cumulative product": lambda x, z: ops.cumprod(x, axis=1),
    "a table of numbers": lambda x, z: ops.dot(x, np.ones((4, 3), np.float32)),
    "sorted": lambda x, z: ops.sort(x, axis=1),
}


def sources(model: Any, folder: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for suffix in ("keras", "h5"):
            model.save(folder / f"model.{suffix}")
    return {"keras": folder / "model.keras", "h5": folder / "model.h5", "live": model}


def made(call: Callable[[Any, Any], Any]) -> tuple[Any, list[Any], Any]:
    x, z = keras.Input((6, 5, 4), name="x"), keras.Input((6, 5, 4), name="z")
    model = keras.Model([x, z], call(x, z))
    rng = np.random.default_rng(7)
    given = [rng.normal(size=(6, 5, 4)).astype(np.float32) for _ in range(2)]
    expected = model([ops.convert_to_tensor(a[np.newaxis]) for a in given])
    return model, given, ops.convert_to_numpy(expected)[0]


@pytest.mark.parametrize("name", STATED)
def test_it_is_stated_as_keras_computes_it(name: str, tmp_path: Path) -> None:
    model, given, expected = made(STATED[name])
    for suffix, source in sources(model, tmp_path).items():
        net = convscope.open(source)
        assert [r.name for r in net.facts().rows if r.opaque] == [], (suffix, net.warnings)
        run = net.run({n: given["xz".index(n)] for n in net.graph.inputs})
        np.testing.assert_allclose(run.output, expected, rtol=2e-5, atol=2e-6, err_msg=suffix)
        for layer in net.graph.nodes:
            assert run[layer].shape == net.graph.shape(layer)
            assert run.trace(layer, run.liveliest(layer)).facts.agrees, layer


@pytest.mark.parametrize("name", OPAQUE)
def test_what_is_not_stated_is_opaque_and_the_model_opens(name: str, tmp_path: Path) -> None:
    model, given, expected = made(OPAQUE[name])
    for suffix, source in sources(model, tmp_path).items():
        with pytest.warns(SourceWarning, match="has no equation here"):
            net = convscope.open(source)
        assert any(r.opaque for r in net.facts().rows)
        run = net.run({n: given["xz".index(n)] for n in net.graph.inputs})
        if suffix == "live":
            np.testing.assert_allclose(run.output, expected, rtol=2e-5, atol=2e-6)
        else:
            assert net.graph.outputs[0] in run.missing


def test_of_unknown_size_it_is_stated_once_the_size_is_known() -> None:
    x = keras.Input((None, None, 3))
    y = ops.flip(ops.roll(x[:, 1:-1, ::2], 1, axis=2), axis=1)
    y = ops.split(ops.pad(y, PADS, mode="reflect"), [2], axis=1)[1]
    model = keras.Model(x, ops.sum(y, axis=(1, 2)))
    net = convscope.open(model)
    image = np.random.default_rng(2).normal(size=(9, 11, 3)).astype(np.float32)
    run = net.sized((9, 11)).run(image)
    assert run.taken == {}
    expected = ops.convert_to_numpy(model(ops.convert_to_tensor(image[np.newaxis])))[0]
    np.testing.assert_allclose(run.output, expected, rtol=1e-5)

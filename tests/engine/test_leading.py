"""All gradients at once, by ONNX Runtime: against PyTorch's autograd, and against the equations' own evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import convscope as cs
from convscope import BatchNormalization, Conv2D, Dense, Flatten, Input, MaxPooling2D, Model
from convscope.errors import LayerLookupError, SettingError


def network() -> Model:
    x = Input((9, 12, 2))
    shared = Conv2D(2, 3, padding="same", activation="elu", name="twice")
    y = BatchNormalization()(shared(shared(x)))
    return Model(x, Dense(4, "softmax")(Flatten()(MaxPooling2D(2)(y))), seed=2)


@pytest.mark.parametrize(
    "asked",
    [
        {"of": ("twice_again", (3, 4, 1))},
        {"loss": "sparse_categorical_crossentropy", "target": 2},
        {"loss": "mse", "target": np.array([0.1, 0.2, 0.3, 0.4])},
    ],
)
def test_they_are_those_that_are_taken_apart(asked: Any) -> None:
    model = network()
    run = model.run(np.random.default_rng(3).normal(size=(9, 12, 2)).astype(np.float32))
    found = run.gradients(**asked)
    assert "twice.kernel" in found and "batch_normalization.moving_mean" not in found
    for name, array in found.items():
        other: Any = run.gradient(to=name, **asked).array
        size = 1e-6 + np.abs(other).max()
        np.testing.assert_allclose(array, other, rtol=1e-4, atol=1e-5 * size, err_msg=name)


def test_only_that_which_is_named() -> None:
    run = network().run(np.random.default_rng(3).normal(size=(9, 12, 2)).astype(np.float32))
    asked: Any = {"loss": "sparse_categorical_crossentropy", "target": 2}
    for to in (
        "input",
        "twice",
        "twice_again",
        "twice_again.kernel",
        "batch_normalization.moving_mean",
    ):
        ((name, array),) = run.gradients(to=to, **asked).items()
        other = run.gradient(to=to, **asked).array
        assert name == to and array.shape == other.shape
        np.testing.assert_allclose(array, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
    with pytest.raises(LayerLookupError, match="does not depend on"):
        run.gradients(of=("twice", (3, 4, 1)), to="dense.kernel")


def test_a_torch_module() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3, bias=False), torch.nn.BatchNorm2d(6),
        torch.nn.GELU(), torch.nn.MaxPool2d(3, 2, 1), torch.nn.Conv2d(6, 5, 1), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(5, 4),
    ).eval()  # fmt: skip
    x = torch.randn(1, 3, 17, 22)
    run = cs.open(module, x).run(x[0].numpy())
    found = run.gradients(loss="sparse_categorical_crossentropy", target=1, from_logits=True)
    torch.nn.functional.cross_entropy(module(x), torch.tensor([1])).backward()
    theirs = {name: p.grad.numpy() for name, p in module.named_parameters()}
    assert set(found) == set(theirs)
    for name, array in theirs.items():
        size = 1e-6 + np.abs(array).max()
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5 * size, err_msg=name)


def test_what_is_asked_wrongly_is_said() -> None:
    run = network().run(np.zeros((9, 12, 2), np.float32))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "needs of="),
        ({"loss": "sparse_categorical_crossentropy", "target": 4}, "0 … 3"),
        ({"loss": "mse", "target": [1.0]}, "target of the output's shape"),
    ]
    for asked, said in wrong:
        with pytest.raises(SettingError, match=said):
            run.gradients(**asked)

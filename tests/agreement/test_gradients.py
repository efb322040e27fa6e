"""The gradients of whole networks' weights, by ONNX Runtime from the layers' adjoints, against PyTorch's autograd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from campaigns import often

import convscope as cs

NETWORKS = (
    "MobileNet", "MobileNetV2", "ResNet50", "DenseNet121", "EfficientNetB0", "VGG16", "Xception", "EfficientNetV2B0",
    "ConvNeXtTiny",
)  # fmt: skip


@pytest.mark.parametrize("name", often(NETWORKS, "MobileNetV2"))
def test_networks_of_keras(name: str) -> None:
    keras.utils.set_random_seed(3)
    side = 71 if name == "Xception" else 64  # the smallest that it takes
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=7, classifier_activation=None
    )
    x = np.random.default_rng(5).random((side, side, 3)).astype(np.float32)
    found = (
        cs.open(model)
        .run(x)
        .gradients(loss="sparse_categorical_crossentropy", target=4, from_logits=True)
    )
    logits: Any = model(torch.from_numpy(x[np.newaxis]), training=False)
    loss: Any = torch.nn.functional.cross_entropy(logits, torch.tensor([4]))
    loss.backward()
    theirs = {
        f"{layer.name}.{w.name}": w.value.grad.cpu().numpy()
        for layer in model.layers
        for w in layer.trainable_weights
        if w.value.grad is not None
    }
    assert len(theirs) > 10
    for what, gradient in theirs.items():
        size = float(np.abs(gradient).max()) + 1e-12
        # what stands in a network within the network has another name
        mine = (
            [found[what]]
            if what in found
            else [a for a in found.values() if a.shape == gradient.shape]
        )
        assert what in found or name == "ConvNeXtTiny"
        assert any(np.allclose(one, gradient, rtol=5e-3, atol=2e-4 * size) for one in mine), what


@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_a_file_of_onnx(tmp_path: Path) -> None:
    torch.manual_seed(2)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, stride=2, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 8, 3, padding=1, groups=2), torch.nn.Sigmoid(), torch.nn.AvgPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(8 * 4 * 5, 5),
    ).eval()  # fmt: skip
    x = torch.randn(1, 3, 33, 41)
    torch.onnx.export(module, (x,), tmp_path / "net.onnx", dynamo=False)
    run = cs.open(tmp_path / "net.onnx").run(x[0].numpy())
    found = run.gradients(loss="sparse_categorical_crossentropy", target=3, from_logits=True)
    loss: Any = torch.nn.functional.cross_entropy(module(x), torch.tensor([3]))
    loss.backward()
    theirs = [p.grad.numpy() for p in module.parameters() if p.grad is not None]
    assert len(found) == len(theirs)
    for gradient in theirs:
        size = float(np.abs(gradient).max()) + 1e-12
        assert any(
            np.allclose(turned, gradient, rtol=1e-3, atol=1e-4 * size)
            for mine in found.values()
            for turned in (mine, mine.T)
            if turned.shape == gradient.shape
        )


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")  # the exporter's own
@pytest.mark.parametrize("kind", ["resnet", "mobilenet_v2", "convnext"])
def test_files_of_whole_networks(kind: str, tmp_path: Path) -> None:
    kinds: Any = pytest.importorskip("transformers")
    torch.manual_seed(4)
    config: Any = {
        "resnet": lambda: kinds.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12, 20], depths=[1, 2, 1], num_labels=5
        ),
        "mobilenet_v2": lambda: kinds.MobileNetV2Config(depth_multiplier=0.35, num_labels=5),
        "convnext": lambda: kinds.ConvNextConfig(
            hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 2, 1], num_labels=5
        ),
    }[kind]()
    inner = kinds.AutoModelForImageClassification.from_config(config).eval()

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return self.inner(x).logits

    module, x = Logits().eval(), torch.randn(1, 3, 70, 64)
    torch.onnx.export(module, (x,), tmp_path / "net.onnx", dynamo=False, do_constant_folding=False,
                      training=torch.onnx.TrainingMode.PRESERVE)  # fmt: skip
    run = cs.open(tmp_path / "net.onnx").run(x[0].numpy())
    found = run.gradients(loss="sparse_categorical_crossentropy", target=3, from_logits=True)
    loss: Any = torch.nn.functional.cross_entropy(module(x), torch.tensor([3]))
    loss.backward()
    theirs = {n: p.grad.numpy() for n, p in module.named_parameters() if p.grad is not None}
    assert len(theirs) > 10
    for name, gradient in theirs.items():
        size = float(np.abs(gradient).max()) + 1e-12
        assert any(
            np.allclose(turned, gradient, rtol=5e-3, atol=5e-4 * size)
            for mine in found.values()
            for turned in (mine, mine.T)
            if turned.shape == gradient.shape
        ), name


def test_a_unit_that_is_off_drops_even_an_infinite_gradient() -> None:
    ours = cs.Sequential(
        [
            cs.Dense(3, activation="relu", input_shape=(4,)),
            cs.Dense(2, use_bias=False),
            cs.Dense(1, use_bias=False),
        ],
        seed=4,
    )
    first, second, third = ours.layers
    kernel, bias = np.array(first.get_weights()[0]), np.array([1.0, -9.0, 1.0], np.float32)
    rows = np.ones((3, 2), np.float32)
    rows[1] = 1e30  # of the unit that is off: 1e30 · 1e30 is no float32
    first.set_weights([kernel, bias])
    second.set_weights([rows])
    third.set_weights([np.array([[1e30], [1e30]], np.float32)])
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2, bias=False), torch.nn.Linear(2, 1, bias=False)
    )  # fmt: skip
    weights = [kernel.T, bias, rows.T, np.full((1, 2), 1e30, np.float32)]
    for parameter, array in zip(module.parameters(), weights, strict=True):
        parameter.data = torch.from_numpy(np.ascontiguousarray(array))
    x = np.array([0.3, 0.1, 0.2, 0.4], np.float32)
    module(torch.from_numpy(x[np.newaxis])).sum().backward()
    found = ours.run(x).gradients(of=("dense_2", (0,)))
    first_layer: Any = module[0]
    theirs = first_layer.weight.grad.numpy().T
    assert np.isfinite(theirs).all() and not theirs[:, 1].any()
    np.testing.assert_allclose(found["dense.kernel"], theirs, rtol=1e-6)

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

NETWORKS = ("MobileNet", "MobileNetV2", "ResNet50", "DenseNet121", "EfficientNetB0", "VGG16")


@pytest.mark.parametrize("name", often(NETWORKS, "MobileNetV2"))
def test_networks_of_keras(name: str) -> None:
    keras.utils.set_random_seed(3)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None
    )
    x = np.random.default_rng(5).random((64, 64, 3)).astype(np.float32)
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
    assert set(theirs) <= set(found) and len(theirs) > 10
    for what, gradient in theirs.items():
        size = float(np.abs(gradient).max()) + 1e-12
        np.testing.assert_allclose(found[what], gradient, rtol=5e-3, atol=2e-4 * size, err_msg=what)


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

"""The shipped network is what the training script says it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from convscope.demo import digits, network

SCRIPT = Path(__file__).parents[2] / "training" / "digits.py"


@pytest.fixture(scope="module")
def training() -> ModuleType:
    """The training script as a module, for its data and its split; nothing is trained."""
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("digits_training", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_weights_reach_the_printed_accuracy_on_held_out_images(
    training: ModuleType,
) -> None:
    _, images, _, labels = training.split_digits()
    correct = network().predict(training.as_input(images)).argmax(axis=1) == labels
    page = (SCRIPT.parents[1] / "src/convscope/demo/ATTRIBUTION.md").read_text(encoding="utf-8")
    assert f"held-out accuracy {correct.mean():.2%} ({correct.sum()} of {correct.size})" in page
    assert correct.mean() >= 0.95


def test_the_shipped_digits_are_held_out_and_recognised(training: ModuleType) -> None:
    _, images, _, _ = training.split_digits()
    held = {image.tobytes() for image in images}
    for name, path in digits().items():
        with Image.open(path) as image:
            pixels = np.asarray(image)
        assert pixels.shape == (28, 28) and pixels.tobytes() in held, name
        assert training.NAMES[int(network().run(path).output.argmax())] == name

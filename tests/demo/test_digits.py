"""The shipped network is what the training script says it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from convscope.demo import digits, network
from convscope.demo.training import as_input, enlarged

SCRIPT = Path(__file__).parents[2] / "training" / "digits.py"


SEED = 7


@pytest.fixture(scope="module")
def held() -> tuple[np.ndarray, np.ndarray]:
    """The images and digits that the shipped weights never saw: scikit-learn's split, with which they were trained."""
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    _, small, _, labels = train_test_split(
        data.images, data.target, test_size=0.2, stratify=data.target, random_state=SEED
    )
    return enlarged(small), labels


@pytest.fixture(scope="module")
def training() -> ModuleType:
    """The training script as a module; nothing is trained."""
    spec = importlib.util.spec_from_file_location("digits_training", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_weights_reach_the_printed_accuracy_on_held_out_images(
    held: tuple[np.ndarray, np.ndarray],
) -> None:
    images, labels = held
    correct = network().predict(as_input(images)).argmax(axis=1) == labels
    page = (SCRIPT.parents[1] / "src/convscope/demo/ATTRIBUTION.md").read_text(encoding="utf-8")
    assert f"held-out accuracy {correct.mean():.2%} ({correct.sum()} of {correct.size})" in page
    assert correct.mean() >= 0.95


def test_the_shipped_digits_are_held_out_and_recognised(
    held: tuple[np.ndarray, np.ndarray], training: ModuleType
) -> None:
    unseen = {image.tobytes() for image in held[0]}
    for name, path in digits().items():
        with Image.open(path) as image:
            pixels = np.asarray(image)
        assert pixels.shape == (28, 28) and pixels.tobytes() in unseen, name
        assert training.NAMES[int(network().run(path).output.argmax())] == name

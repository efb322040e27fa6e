"""What a data set gives to learn from: folders with a sub-folder a class, arrays, .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import convscope as cs
from convscope.cli import main
from convscope.errors import InputError
from convscope.survey.examples import examples

SIZES = {"2 cats": 7, "10 dogs": 11, "owls": 5}


def network(classes: int = 3) -> Any:
    layers = [cs.Conv2D(4, 3, activation="relu", input_shape=(9, 8, 1)), cs.Flatten()]
    return cs.Sequential([*layers, cs.Dense(classes, activation="softmax")], seed=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return images of several sizes, the brightest ones of the class that comes last."""
    rng = np.random.default_rng(4)
    for number, (name, count) in enumerate(SIZES.items()):
        (tmp_path / "data" / name).mkdir(parents=True)
        for n in range(count):
            pixels = rng.integers(0, 80, (12 + n, 10, 3)) + 80 * number
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / name / f"{n}.png")
    return tmp_path / "data"


def test_a_sub_folder_is_a_class_and_a_fifth_of_each_is_held_out(folder: Path) -> None:
    found = examples(network(), folder, 7)
    assert found.labels == ["2 cats", "10 dogs", "owls"]  # numbers by their value
    assert (found.x.shape, found.held_x.shape) == ((19, 9, 8, 1), (4, 9, 8, 1))
    assert np.bincount(found.y).tolist() == [6, 9, 4] and np.bincount(found.held_y).tolist() == [
        1,
        2,
        1,
    ]
    means = [found.x[found.y == n].mean() for n in range(3)]
    assert means == sorted(means)
    again = examples(network(), folder, 7)
    assert np.array_equal(again.x, found.x) and not np.array_equal(
        examples(network(), folder, 8).x, found.x
    )


def test_arrays_with_labels(folder: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 9, 8, 1)).astype(np.float32)
    found = examples(network(), (x, np.arange(20) % 3), 7)
    assert len(found.y) + len(found.held_y) == 20 and found.labels == ["0", "1", "2"]


def test_what_cannot_be_learned_from_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 classes, but .* gives 2 numbers"):
        examples(network(2), folder, 7)
    with pytest.raises(InputError, match="to learn from it takes labels, one sub-folder a class"):
        examples(network(), folder / "owls", 7)
    (folder / "owls" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(
        InputError, match=r"1 of 24 images cannot be taken, the first: owls/broken\.png"
    ):
        examples(network(), folder, 7)
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 2)))
    with pytest.raises(InputError, match="needs arrays x and y; it has x"):
        examples(network(), tmp_path / "x.npz", 7)


def test_train_learns_from_a_folder(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "net.py").write_text(
        "import convscope as cs\n"
        "net = cs.Sequential([cs.Conv2D(4, 3, activation='relu', input_shape=(9, 8, 1)),\n"
        "    cs.Flatten(), cs.Dense(3, activation='softmax')], seed=2)\n"
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        main, ["train", "net.py:net", "--data", str(folder), "--epochs", "2", "--film", "f.npz"]
    )
    assert done.exit_code == 0, done.output
    assert "on 19 images; 4 were held out" in done.output
    film = CliRunner().invoke(main, ["film", "f.npz"])
    assert film.exit_code == 0 and "learned for 2 steps" in film.output

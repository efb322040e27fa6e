"""The forms of JSON are what docs/schemas says: no field more, none less, each of its type and with words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import convscope
from convscope.cli.program import main
from convscope.demo import digits

jsonschema = pytest.importorskip("jsonschema")
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
SEVEN = str(digits()["seven"])
NETS = """
from convscope import *
symbolic = Sequential([Conv2D("k1", 3, strides="s", input_shape=("n", "m", 1)), Conv2D("k2", 3)])
faulty = Sequential([Conv2D(7, 3, strides=2, padding="same", input_shape=(28, 26, 1)), BatchNormalization(), Conv2DTranspose(3, 3, strides=2)])
learner = Sequential([Conv2D(2, 3, activation="relu", input_shape=(6, 5, 1)), Flatten(), Dense(3, activation="softmax")])
steps = Sequential([Conv1D(4, 3, activation="relu", input_shape=(20, 2)), LayerNormalization(), Softmax()])
"""

ASKED = [
    ("summary", "summary demo"),
    ("summary", "summary demo:resnet --layers 2:5"),
    ("summary", "summary nets.py:symbolic"),
    ("summary", "summary nets.py:steps"),
    ("explain", "explain demo:groups depthwise"),
    ("explain", "explain demo:resnet block1_bn1"),
    ("explain", "explain nets.py:symbolic 1"),
    ("explain", "explain nets.py:steps 3"),
    ("trace", "trace demo:groups depthwise 2,3,4"),
    ("trace", "trace demo dense 3"),
    ("trace", "trace demo flatten 77 --cone"),
    ("models", "explain demo:groups full --models"),
    ("gradient", "gradient demo:groups --of full:2,3,4 --to stem.bias"),
    ("derivative", "gradient demo:groups --of full:2,3,4 --to stem.bias:1"),
    ("run", "run demo:groups"),
    ("check", "check nets.py:faulty --advice"),
    ("check", "check demo --image SEVEN"),
    ("compare", "compare demo demo:groups --image SEVEN"),
    ("compare", "compare nets.py:faulty nets.py:faulty"),
    ("whatif", "whatif demo:groups stem.kernel_size=3 full.strides=2"),
    ("survey", "survey demo:groups photos --layers stem --top 1"),
    ("survey", "survey demo classes --layers conv2d --top 1"),
    ("train", "train nets.py:learner --data some.npz --epochs 1 --out learned.keras --force"),
    ("film", "film learner.film.npz"),
    ("path", "film learner.film.npz --of conv2d.kernel:1,2,0,1"),
    (
        "movement",
        "film learner.film.npz --model nets.py:learner --of conv2d.kernel:1,2,0,1 --step 2",
    ),
    (
        "products",
        "film learner.film.npz --model nets.py:learner --of conv2d.kernel:1,2,0,1 --step 2 --image 0",
    ),
    (
        "trace",
        "film learner.film.npz --model nets.py:learner --step 2 --image 0 --number conv2d:1,2,0",
    ),
    (
        "derivative",
        "film learner.film.npz --model nets.py:learner --step 2 --image 0 --slope conv2d:1,2,0",
    ),
    ("draw", "draw demo:groups figure.svg --force --to grouped.kernel"),
    ("trace", "trace demo conv2d_1 3,4,5 --image nan.npy"),
    ("run", "run demo --image nan.npy"),
    ("models", "explain demo conv2d_1 --models --position 3,4,5 --image nan.npy"),
    ("gradient", "gradient demo --of dense:3 --to conv2d.bias --image nan.npy"),
    ("derivative", "gradient demo --of dense:3 --to conv2d.bias:1 --image nan.npy"),
    ("check", "check demo --image nan.npy"),
    ("compare", "compare demo demo --image nan.npy"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the commands name."""
    where = tmp_path_factory.mktemp("forms")
    (where / "nets.py").write_text(NETS, encoding="utf-8")
    rng = np.random.default_rng(1)
    image = rng.random((28, 28, 1), dtype=np.float32)
    image[4, 5] = np.nan
    np.save(where / "nan.npy", image)
    x, y = rng.random((20, 6, 5, 1), dtype=np.float32), rng.integers(0, 3, 20)
    np.savez(where / "some.npz", x=x, y=y, x_held=x[:7], y_held=y[:7])
    told = "train nets.py:learner --data some.npz --epochs 2 --batch-size 9 --frames 3 --film learner.film.npz"
    with contextlib.chdir(where):
        done = CliRunner().invoke(main, told.split())
    assert done.exit_code == 0, done.output
    for n in range(10):
        (where / "classes" / str(n)).mkdir(parents=True)
        (where / "classes" / str(n) / "0.png").write_bytes(Path(SEVEN).read_bytes())
    (where / "photos" / "seven").mkdir(parents=True)
    (where / "photos" / "seven" / "0.png").write_bytes(Path(SEVEN).read_bytes())
    return where


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(("name", "command"), ASKED, ids=[command for _, command in ASKED])
def test_a_command_keeps_to_its_schema(
    name: str, command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, [*command.replace("SEVEN", SEVEN).split(), "--json"])
    assert done.exit_code in (0, 1), done.output
    jsonschema.validate(json.loads(done.stdout), schema(name), cls=jsonschema.Draft202012Validator)


def test_every_schema_is_held() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == {name for name, _ in ASKED}


def fields(inner: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every field of a schema with its path."""
    for one in (inner, *inner.get("anyOf", ())):
        for name, field in one.get("properties", {}).items():
            yield f"{path}.{name}", field
            yield from fields(field, f"{path}.{name}")
        for within in (one.get("items"), one.get("additionalProperties")):
            if isinstance(within, dict):
                yield from fields(within, path)


def test_every_field_has_words() -> None:
    wordless = [
        path
        for file in SCHEMAS.glob("*.json")
        for path, field in fields(schema(file.stem), file.stem)
        if not field.get("description")
    ]
    assert wordless == []


def test_what_python_returns_is_the_same_object() -> None:
    jsonschema.validate(convscope.open("demo").facts().to_dict(), schema("summary"))

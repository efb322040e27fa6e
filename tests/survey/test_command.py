"""The command: facts on stdout, messages on stderr, one clear line for what cannot be."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from survey.sets import COUNT, folder, images
from survey.test_data import network

from convscope.cli import main

RELU = "conv2d/Relu_3"
"""What the first layer with its activation is called in the exported file."""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a network and a data set."""
    root = tmp_path_factory.mktemp("survey")
    network().export(root / "net.onnx")
    folder(root / "set")
    (root / "set" / "cat" / "3.png").write_bytes(b"broken")
    return root


def convscope(*words: object) -> Any:
    return CliRunner().invoke(main, ["survey", *map(str, words)])


def test_json_is_one_object_in_the_form_that_was_promised(there: Path, tmp_path: Path) -> None:
    out, page, parquet = (tmp_path / n for n in ("s.survey", "s.html", "s.parquet"))
    done = convscope(
        there / "net.onnx", there / "set", "--json", "--out", out, "--page", page, "--parquet", parquet
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["images"] == COUNT - 1 and told["skipped_count"] == 1
    assert told["skipped"][0]["name"] == "cat/3.png"
    conv = next(layer for layer in told["layers"] if layer["name"] == RELU)
    assert len(conv["maps"]) == 4
    want = network().survey(np.delete(images()[0], 3, axis=0))["conv2d"]
    for one, figures in zip(conv["maps"], want, strict=True):
        for name in ("numbers", "mean", "std", "min", "max", "zeros", "not_finite"):
            assert one[name] == pytest.approx(getattr(figures, name), rel=1e-12)
        assert set(one["top"][0]) == {"value", "image", "name", "label", "position"}
    assert told["confusion"].keys() == {"cat", "dog", "owl"} and told["accuracy"] is None
    for line in ("every image: divide by 255", "skipped 1 of 45 images", f"wrote {page}"):
        assert line in done.stderr
    assert out.exists() and "<!doctype html>" in page.read_text(encoding="utf-8")
    table = pytest.importorskip("pyarrow.parquet").read_table(parquet)
    assert table.num_rows == sum(len(layer["maps"]) for layer in told["layers"])


def test_csv_has_a_line_for_each_map(there: Path) -> None:
    twice = ("--layers", RELU, "--layers", f"{RELU}, {RELU}")
    done = convscope(there / "net.onnx", there / "set", "--csv", *twice)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["map"] for row in rows if row["layer"] == RELU] == ["0", "1", "2", "3"]
    want = network().survey(np.delete(images()[0], 3, axis=0))["conv2d"]
    assert float(rows[2]["mean"]) == pytest.approx(want[2].mean, rel=1e-12)


def test_text_names_layers_data_and_classes(there: Path) -> None:
    done = convscope(there / "net.onnx", there / "set")
    assert done.exit_code == 0
    for words in (
        "over 44 images",
        "in 3 sub-folders, which are the labels",
        "conv2d",
        "Skipped: 1",
    ):
        assert words in done.stdout
    assert "Which class was the largest output" in done.stdout


@pytest.mark.parametrize(
    "words, code, message",
    [
        (("set", "--resume"), 2, "--resume goes on with a file"),
        (("gone",), 2, "there is no data"),
        (("set", "--out", "s.npz"), 1, "name the file s.npz.survey"),
        (("set", "--out", "no/s.survey"), 1, "there is no folder"),
        (("set", "--page", "set"), 1, "is a folder: name a file"),
        (("set", "--layers", "conv9"), 2, "has no layer 'conv9'"),
        (("set", "--workers", "2", "--scheduler", "tcp://there:1"), 2, "give that or --scheduler"),
        (("set", "--prepare", "gray"), 2, "there is no step 'gray'"),
        (("set", "--top", "0"), 2, "0 is not in the range"),
        (("set", "--pixels", "mean-std"), 2, "is about R, G and B"),
    ],
)
def test_what_cannot_be_is_one_line(
    there: Path, monkeypatch: pytest.MonkeyPatch, words: Any, code: int, message: str
) -> None:
    monkeypatch.chdir(there)
    done = convscope("net.onnx", *words)
    assert done.exit_code == code and message in done.stderr
    assert "Traceback" not in done.output and not done.stdout


def test_where_stderr_is_a_file_lines_say_how_far_it_is(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.survey.bar.LINE_SECONDS", 0.0)
    monkeypatch.setattr("convscope.survey.work.OFTEN", 0.0)
    done = convscope(there / "net.onnx", there / "set", "--json")
    lines = [line for line in done.stderr.splitlines() if line.startswith("survey: ")]
    assert len(lines) == 2  # after each batch
    assert re.fullmatch(
        r"survey: 32 of 45 images, [\d.,e+-]+ a second, \d+:\d\d:\d\d left", lines[0]
    )


def test_a_full_disk_takes_nothing_of_what_is_printed(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("convscope.survey.stored.os.fsync", full)
    done = convscope(there / "net.onnx", there / "set", "--json", "--out", tmp_path / "s.survey")
    assert done.exit_code == 1 and "s.survey: No space left on device" in done.stderr
    assert json.loads(done.stdout)["images"] == 44 and not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_and_gone_on_with(there: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.survey"
    words = (there / "net.onnx", there / "set", "--out", out)
    assert convscope(*words).exit_code == 0
    before = out.read_bytes()
    kept = convscope(*words)
    assert kept.exit_code == 1 and "--resume goes on with it, --force replaces it" in kept.stderr
    resumed = convscope(*words, "--resume")
    assert resumed.exit_code == 0 and "resumed: 45 images are done" in resumed.stderr
    assert out.read_bytes() == before

"""`convscope check` as people use it: what it prints, its exit statuses, what a project leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from convscope.cli.program import main

QUIET = """
from convscope import Conv2D, Sequential
net = Sequential([Conv2D(8, 3, activation="relu", input_shape=(28, 30, 1))])
"""
LOUD = QUIET.replace("(8, 3,", "(8, 3, strides=2,")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quiet.py").write_text(QUIET, encoding="utf-8")
    (tmp_path / "loud.py").write_text(LOUD, encoding="utf-8")
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["check", *words])
    return done.exit_code, done.output


def test_exit_statuses(folder: Path) -> None:
    assert run("quiet.py")[0] == 0
    assert run("loud.py")[0] == 1
    assert run("missing.onnx")[0] == 2
    assert run("loud.py", "--ignore", "no-such-rule")[0] == 2
    assert run("loud.py", "--between", "2")[0] == 2


def test_what_it_prints(folder: Path) -> None:
    _, text = run("loud.py")
    assert (
        "row 27 of 28 is read by no window (a window of 3, moved by 2, fits 13 times)"
        in " ".join(text.split())
    )
    code, text = run("loud.py", "--json")
    assert code == 1
    assert {one["rule"] for one in json.loads(text)["findings"]} == {"unread-positions", "aliasing"}


def test_a_project_says_what_to_leave_out(folder: Path) -> None:
    file = folder / "pyproject.toml"
    file.write_text(
        '[tool.convscope.check]\nignore = ["aliasing", "unread-positions:conv2d"]\n',
        encoding="utf-8",
    )
    assert run("loud.py")[0] == 0
    file.write_text("[tool.convscope.check]\nignore = 3\n", encoding="utf-8")
    code, text = run("loud.py")
    assert code == 2 and "must be a list" in text
    file.write_text("no toml", encoding="utf-8")
    code, text = run("loud.py")
    assert code == 2 and "cannot be read" in text


def test_the_rules_are_listed(folder: Path) -> None:
    code, text = run("--rules")
    assert code == 0 and "unread-positions" in text and "predicted" in text

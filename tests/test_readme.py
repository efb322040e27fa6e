"""The README: its code runs, and what it shows is what the commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import convscope

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_the_python_block_runs(tmp_path: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(3, 3, 1, 32)\n(3, 3, 32, 64)\n")
    assert (tmp_path / "net.onnx").exists()


def steady(text: str) -> str:
    """Return output without the last digits, which differ between processors."""
    text = re.sub(
        r"(Difference|rounding allows) [−\d.·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", r"\1", " ".join(text.split())
    )
    return re.sub(r"\d+\.\d{4,}", lambda found: f"{float(found[0]):.3f}", text)


def test_the_readme_shows_what_the_demo_prints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convscope", "demo"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
    )
    printed = steady(done.stdout)
    shown = blocks("text")
    assert len(shown) >= 3
    for block in shown:
        assert steady(block) in printed


def test_there_are_exactly_two_set_up_commands() -> None:
    commands = blocks("sh")
    assert len(commands) == 2
    for command in commands:
        assert command.count("\n") == 1 and command.startswith("python3 -m venv")


def test_the_citation_is_of_this_version() -> None:
    citation = (Path(__file__).parents[1] / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [convscope.__version__]


def test_the_install_page_has_every_extra_that_is_for_users() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ours = {"test", "core-test", "bench", "docs", "dev"}
    extras = set(stated["project"]["optional-dependencies"]) - ours
    page = (ROOT / "docs" / "start" / "install.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `convscope\[(\w+)\]`", page, re.MULTILINE)) == sorted(extras)

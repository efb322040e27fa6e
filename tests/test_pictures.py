"""The documentation's pictures: they are there, they are small, and a script takes them anew."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import NoBrowser, executable
from campaigns import thorough
from needed import absent
from PIL import Image

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "screenshots.py"
PICTURES = sorted(p for p in (ROOT / "docs" / "images").iterdir() if p.suffix in (".png", ".gif"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"!\[(?P<words>[^]]*)\]\((?P<path>[^)\s]+)\)")


def shots(folder: Path, *names: str) -> dict[str, Path]:
    """Return the pictures that the script takes, by name."""
    try:
        executable()
    except NoBrowser as none:
        absent(str(none))
    command = [sys.executable, str(SCRIPT), str(folder), *names]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.stem: path for path in folder.glob("*.png")}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_picture_that_a_page_shows_is_in_the_repository(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<img" not in text
    for found in SHOWN.finditer(text):
        assert found["words"], f"{found['path']} has no words for those who do not see it"
        assert (page.parent / found["path"]).is_file()


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        (page.parent / found["path"]).resolve()
        for page in PAGES
        for found in SHOWN.finditer(page.read_text(encoding="utf-8"))
    }
    assert shown == {path.resolve() for path in PICTURES}


@pytest.mark.parametrize("picture", PICTURES, ids=[p.name for p in PICTURES])
def test_a_picture_is_small(picture: Path) -> None:
    assert picture.stat().st_size < 200_000


def test_the_script_takes_the_pictures_that_are_shown(tmp_path: Path) -> None:
    of_explorer = [p for p in PICTURES if p.suffix == ".png" and not p.stem.startswith("survey-")]
    if not thorough():  # for one of them the demo learns first
        of_explorer = [path for path in of_explorer if path.stem != "learning"]
    taken = shots(tmp_path, *(() if thorough() else [path.stem for path in of_explorer]))
    assert taken.keys() == {path.stem for path in of_explorer}
    for path in of_explorer:
        with Image.open(path) as kept, Image.open(taken[path.stem]) as new:
            assert new.size == kept.size and new.size[0] == 1280
            assert len(new.convert("RGB").getcolors(1 << 20) or ()) > 50  # something is on it


@pytest.mark.full
def test_the_same_browser_takes_the_same_picture(tmp_path: Path) -> None:
    first, second = (shots(tmp_path / n, "microscope")["microscope"] for n in ("1", "2"))
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), "stak"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    said = done.stderr.partition("there is no picture stak; there are ")[2].split()
    of_explorer = {p.stem for p in PICTURES if p.suffix == ".png"}
    assert {name.strip(",") for name in said} == {n for n in of_explorer if "survey-" not in n}

"""The explorer's module under TypeScript's checker: its JSDoc types hold, strictly.

The compiler comes from npm, one pinned version, into a folder outside of the repository that stays.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from needed import absent

import convscope

MODULE = Path(convscope.__file__).parent / "explorer" / "static" / "explorer.js"
TYPESCRIPT = "5.9.3"
SETTINGS = (
    "--checkJs",
    "--allowJs",
    "--noEmit",
    "--strict",
    "--target",
    "es2022",
    "--module",
    "es2022",
    "--lib",
    "es2022,dom,dom.iterable",
)


@pytest.fixture(scope="session")
def compiler() -> Path:
    """Return tsc, installed once for all runs of the tests on this machine."""
    npm = shutil.which("npm")
    if npm is None:
        absent("types are checked by TypeScript: it needs npm (apt-get install npm)")
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"convscope-typescript-{TYPESCRIPT}-{user}"
    found = folder / "node_modules" / "typescript" / "bin" / "tsc"
    if not found.exists():
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
        done = subprocess.run(
            [*command, f"typescript@{TYPESCRIPT}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if done.returncode:
            absent(f"npm could not install typescript@{TYPESCRIPT}: {done.stderr.strip()}")
    return found


def checked(compiler: Path, *files: Path) -> str:
    """Return what the compiler complains about."""
    node = shutil.which("node")
    if node is None:
        absent("types are checked by TypeScript: it needs node (apt-get install nodejs)")
    done = subprocess.run(
        [node, str(compiler), *SETTINGS, *map(str, files)],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert bool(done.stdout) == bool(done.returncode), done.stderr
    return done.stdout


def test_the_module_has_the_types_it_says(compiler: Path) -> None:
    assert checked(compiler, MODULE) == ""


@pytest.mark.parametrize("name", ["page.js", "file.js"])
def test_so_have_the_scripts_of_its_pages(name: str, compiler: Path) -> None:
    assert checked(compiler, MODULE.with_name(name)) == ""


def test_a_wrong_type_would_be_seen(compiler: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.js"
    shutil.copy(MODULE.with_name("types.d.ts"), tmp_path)
    said = MODULE.read_text(encoding="utf-8")
    assert "return lost > 0.5 ||" in said
    wrong.write_text(said.replace("return lost > 0.5 ||", "return lost.length ||"), "utf-8")
    assert "Property 'length' does not exist on type 'number'" in checked(compiler, wrong)


def test_the_module_stays_small() -> None:
    """A notebook carries it in every widget, and an exported file once."""
    assert len(MODULE.read_bytes()) < 150_000

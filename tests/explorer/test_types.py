"""The explorer's rooms under TypeScript's checker: their JSDoc types hold, strictly.

The compiler comes from npm, one pinned version, into a folder outside of the repository that stays. It takes
seconds: `scripts/check` runs this beside mypy, and `pytest --full`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from needed import absent
from npm import installed

import convscope

WEB = Path(convscope.__file__).parent / "explorer" / "web"
TYPESCRIPT = "5.9.3"
SETTINGS = (
    "--checkJs",
    "--allowJs",
    "--noEmit",
    "--strict",
    "--noUnusedLocals",
    "--target",
    "es2022",
    "--module",
    "es2022",
    "--moduleResolution",
    "bundler",
    "--lib",
    "es2022,dom,dom.iterable",
)


@pytest.fixture(scope="session")
def compiler() -> Path:
    """Return tsc, installed once for all runs of the tests on this machine."""
    return installed("typescript", TYPESCRIPT, "bin/tsc", "types are checked by TypeScript")


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
        timeout=600,
    )
    assert bool(done.stdout) == bool(done.returncode), done.stderr
    return done.stdout


@pytest.mark.full
def test_every_room_has_the_types_it_says(compiler: Path) -> None:
    assert checked(compiler, *sorted(WEB.rglob("*.js"))) == ""


@pytest.mark.full
def test_a_wrong_type_would_be_seen(compiler: Path, tmp_path: Path) -> None:
    for name in ("types.d.ts", "arrays.js", "elements.js"):
        shutil.copy(WEB / name, tmp_path)
    said = (WEB / "texts.js").read_text(encoding="utf-8")
    assert "return lost > 0.5 ||" in said
    wrong = tmp_path / "texts.js"
    wrong.write_text(said.replace("return lost > 0.5 ||", "return lost.length ||"), "utf-8")
    assert "Property 'length' does not exist on type 'number'" in checked(compiler, wrong)

"""The wheel: holds the package and nothing else, and what is installed from it serves the page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from programs import HEARS
from work import PATIENCE

from convscope.explorer.server import static_files

pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "convscope"


def held(folder: Path) -> dict[str, bytes]:
    """Return every file of a package's folder by its path, compiled Python left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the wheel and the source distribution, built by the build backend itself."""
    folder = tmp_path_factory.mktemp("dist")
    code = (
        "import hatchling.build as backend, sys\n"
        "backend.build_wheel(sys.argv[1]); backend.build_sdist(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh environment with the wheel in it.

    What convscope needs lies in this test's own environment, which the fresh one looks into last.
    """
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    where = ["--prefix", str(folder), "--ignore-installed", "--no-warn-script-location"]
    subprocess.run([*command, *where, str(built[0])], check=True)
    ours = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "zz_needed.pth").write_text("\n".join(ours), encoding="utf-8")
    return folder


def scripts(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")


def clean() -> dict[str, str]:
    """Return the surroundings of a command without any hint of where the repository lies."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@contextmanager
def exploring(environment: Path, folder: Path) -> Iterator[str]:
    """Run `convscope explore` there as people do; return the address that it prints."""
    python = str(scripts(environment) / "python")
    command = [python, "-m", "convscope", "explore", "--no-open", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=clean(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **HEARS,
    ) as server:
        assert server.stdout is not None and server.stderr is not None
        try:
            address = server.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), server.stderr.read()
            yield address
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=PATIENCE)


def test_the_wheel_holds_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
        inside = {
            n.removeprefix("convscope/"): wheel.read(n) for n in names if "dist-info/" not in n
        }
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"convscope"}
    assert inside == held(PACKAGE)
    assert "explorer/web/explorer.js" in inside and "demo/digits.npz" in inside


def test_the_source_distribution_holds_what_builds_it(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as source:
        names = {n.partition("/")[2] for n in source.getnames()}
    package = {f"src/convscope/{name}" for name in held(PACKAGE)}
    beside = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert names == package | beside


def test_the_installed_package_is_the_one_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    python = scripts(installed) / "python"
    code = "import convscope; print(convscope.__file__)"
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=clean(), check=True, capture_output=True, text=True
    )
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_what_is_installed_serves_the_page(installed: Path, tmp_path: Path) -> None:
    jar = urllib.request.HTTPCookieProcessor(CookieJar())
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
    with exploring(installed, tmp_path) as address:
        origin = address.split("/?")[0]
        # gives the cookie, and leads to the page
        with browser.open(address, timeout=PATIENCE) as answer:
            assert answer.url == f"{origin}/"
            assert answer.read() == static_files()["/"].content
        for path, file in static_files().items():
            with browser.open(origin + path, timeout=PATIENCE) as answer:
                assert answer.read() == file.content, path
        question = urllib.request.Request(
            f"{origin}/ask",
            b'{"ask": "network"}',
            {"Content-Type": "application/json", "X-Convscope": "1", "Origin": origin},
        )
        with browser.open(question, timeout=PATIENCE) as answer:
            assert b'"conv2d_1"' in answer.read()


def test_nobody_gets_the_page_without_the_key(installed: Path, tmp_path: Path) -> None:
    plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with exploring(installed, tmp_path) as address:
        with pytest.raises(urllib.error.HTTPError) as refused:
            plain.open(address.split("/?")[0] + "/explorer.js", timeout=PATIENCE)
        assert refused.value.code in (401, 403)
        refused.value.close()

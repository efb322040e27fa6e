"""What every test and every doctest runs under, and the ways to run them.

    pytest -n auto            minutes: a part of every campaign, the tests marked `full` left out
    pytest -n auto --full     everything
    pytest --core             what needs no other framework: files that import one are left out
    pytest --core --few       of a test with many parameters a few: what another Python may do differently

How many rounds a campaign takes is asked of `campaigns.rounds`.
"""

import ast
import gc
import importlib.util
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# tests that import ONNX Runtime themselves do not send what it counts either
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# read when keras is first imported; the other backends are not installed for the tests
os.environ.setdefault("KERAS_BACKEND", "torch")

# texts are as wide as where there is no terminal, whatever the tests are started from
os.environ["COLUMNS"] = "100"
for name in ("NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(name, None)

# processes that tests start find compiled files, as installed packages have them: each would compile all it imports
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are shared by the workers already
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# the same examples every time, so that a failure is a failure for everybody; HYPOTHESIS_PROFILE=random
# tries new ones. No deadlines: a core may be shared with others.
settings.register_profile("quick", deadline=None, max_examples=20, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("random", deadline=None, max_examples=60)

collect_ignore = [
    "tests/readers/keras/tf_keras/make.py"
]  # needs TensorFlow, which the tests do not


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="all examples of the long campaigns, and tests marked full",
    )
    parser.addoption(
        "--core", action="store_true", help="leave out files that import what is not installed"
    )
    parser.addoption(
        "--few", action="store_true", help="of each test's parameters a few, from first to last"
    )


def pytest_configure(config: pytest.Config) -> None:
    full = bool(config.getoption("--full"))
    os.environ["CONVSCOPE_TESTS"] = "full" if full else "quick"  # as `campaigns` reads it
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "full" if full else "quick"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = items
    if not config.getoption("--full"):
        chosen = [item for item in chosen if not item.get_closest_marker("full")]
    if config.getoption("--few"):
        chosen = few(chosen)
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen


def pytest_collection_finish() -> None:
    """Let whoever looks for garbage leave aside what was collected, which stays to the end, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


FEW = 6


def few(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return of each test at most so many of its parameters, as far apart as can be."""
    of: dict[str, list[pytest.Item]] = {}
    for item in items:
        of.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return [one for every in of.values() for one in every[:: -(-len(every) // FEW)]]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` starts: one more than there are cores, since tests wait now and then."""
    usable = getattr(os, "sched_getaffinity", None)
    return 1 + (len(usable(0)) if usable else os.cpu_count() or 1)


# -- the core alone -----------------------------------------------------------------------------------

HELPERS = Path(__file__).parent / "tests"
SOURCE = Path(__file__).parent / "src"
left_out: dict[Path, set[str]] = {}


@cache
def absent(file: Path) -> frozenset[str]:
    """Return the packages that are not here and that a file imports: a test or its helpers anywhere, what
    is tested where it is loaded, and in its examples."""
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    names = re.findall(r">>> (?:from|import) (\S+)", text)
    for node in ast.walk(tree) if HELPERS in file.parents else tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    found: set[str] = set()
    for name in names:
        home = SOURCE if name.startswith(("convscope.readers.", "convscope.survey.")) else HELPERS
        helper = home / f"{name.replace('.', '/')}.py"
        top = name.partition(".")[0]
        if helper.exists():
            found |= absent(helper)
        elif importlib.util.find_spec(top) is None and not (HELPERS / top).is_dir():
            found.add(top)
    return frozenset(found)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("--core") and collection_path.suffix == ".py":
        missing = absent(collection_path)
        if missing:
            left_out[collection_path] = set(missing)
            return True
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if left_out:
        names = ", ".join(sorted(set().union(*left_out.values())))
        terminalreporter.write_line(f"{len(left_out)} files were left out: they need {names}")


# -- the browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> "Iterator[Browser]":
    """Return Debian's Chromium, one for all tests of a process: Playwright drives no second one beside it."""
    import browsing
    import needed

    try:
        browsing.executable()
    except browsing.NoBrowser as none:
        if request.config.getoption("--core") and not importlib.util.find_spec("playwright"):
            pytest.skip(str(none))
        needed.absent(str(none))
    with browsing.chromium() as started:
        yield started

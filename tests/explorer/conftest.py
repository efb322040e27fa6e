"""A real browser for the tests of the explorer: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networks
import pytest
from npm import installed
from screens import READER, Served, Visit

from convscope.explorer.joining import joined, script, web

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

COMPILER = """export { compiled } from "./compiler.js";
export { errorFunction } from "./functions.js";
"""
"""Passes on what only a file on its own needs."""

DRIVER = Path(__file__).parent / "driver.js"

AXE = "4.10.3"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return an empty page in a profile of its own; what it throws and nobody catches fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(120_000)  # for slow machines
    thrown: list[str] = []
    opened.on("pageerror", lambda error: thrown.append(str(error)))
    yield opened
    context.close()
    assert thrown == []


@pytest.fixture(scope="session")
def loaded(browser: Browser) -> Iterator[Page]:
    """Return an empty page with the module in it, as `evaluator`, and the driver's questions."""
    page = browser.new_page()
    page.add_script_tag(path=DRIVER)
    compiler = joined("all.js", lambda name: COMPILER if name == "all.js" else web(name))
    page.evaluate("sources => load(...sources)", [script("explorer.js"), compiler])
    yield page
    page.close()


@pytest.fixture(scope="session")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """Return one person's browser: it keeps the cookies of all servers."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(path=READER)
    # somebody who was here before, and is not invited to a lesson
    context.add_init_script("try { localStorage.setItem('convscope-lessons', 'seen') } catch {}")
    yield context
    context.close()


@pytest.fixture(scope="session")
def served() -> Iterator[Callable[[str], Served]]:
    """Return what serves a network of `networks` by its name, once for all tests."""
    made: dict[str, Served] = {}

    def serve(name: str) -> Served:
        if name not in made:
            made[name] = Served(*getattr(networks, name)())
        return made[name]

    yield serve
    for one in made.values():
        one.server.stop()


@pytest.fixture
def visit(
    profile: BrowserContext, served: Callable[[str], Served]
) -> Iterator[Callable[..., Visit]]:
    """Return what opens a page on a network of `networks`, at an address.

    One that is given by its name is shared by all tests, which only look; one that is given as a
    function has a server of its own.

    Whatever a test does: no request leaves 127.0.0.1, and the console stays empty.
    """
    made: list[Visit] = []
    own: list[Served] = []

    def visiting(network: str | Callable[[], tuple[Any, ...]], address: str = "") -> Visit:
        if isinstance(network, str):
            behind = served(network)
        else:
            behind = Served(*network())
            own.append(behind)
        found = Visit(profile, behind)
        made.append(found)
        return found.open(address)

    yield visiting
    for one in made:
        one.close()
    for behind in own:
        behind.server.stop()
    for one in made:
        assert one.unexpected == []
        assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in one.urls)


@pytest.fixture(scope="session")
def axe() -> str:
    """Return axe-core's source: from npm, one pinned version, kept outside of the repository."""
    found = installed("axe-core", AXE, "axe.min.js", "accessibility is checked by axe-core")
    return found.read_text(encoding="utf-8")

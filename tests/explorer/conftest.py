"""A real browser for the tests of the explorer: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from needed import absent

import convscope

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MODULE = Path(convscope.__file__).parent / "explorer" / "static" / "explorer.js"
DRIVER = Path(__file__).parent / "driver.js"

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the browser, one for all tests."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("these tests need Playwright: pip install 'convscope[test]'")
    where = next(filter(None, map(shutil.which, BROWSERS)), None)
    if where is None:
        absent("these tests need a browser: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=where, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return an empty page in a profile of its own; what it throws and nobody catches fails the test."""
    context = browser.new_context()
    opened = context.new_page()
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
    page.evaluate("source => load(source)", MODULE.read_text(encoding="utf-8"))
    yield page
    page.close()

"""The browser that the tests, the measurements and the documentation's pictures look through: Debian's Chromium."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
SHELL = "chromium-headless-shell"
"""The engine without the browser around it: a page takes half of the processor that it takes in the whole browser."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SAME_PIXELS = (
    "--disable-lcd-text",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
"""What makes the same pictures wherever the fonts are the same."""


class NoBrowser(SystemExit):
    """There is none, or nothing to drive it: a script ends with these words, a test is skipped."""


def executable(whole: bool = False) -> str:
    """Return where the browser is, its shell first unless the whole one is wanted; raises `NoBrowser`."""
    if not importlib.util.find_spec("playwright"):
        raise NoBrowser("this needs Playwright: pip install 'convscope[test]'")
    where = next(
        filter(None, map(shutil.which, (*NAMES, SHELL) if whole else (SHELL, *NAMES))), None
    )
    if where is None:
        raise NoBrowser(f"this needs a browser: apt-get install {SHELL}")
    return where


@contextmanager
def chromium(*flags: str, whole: bool = False) -> Iterator[Browser]:
    """Return the browser, without a window; raises `NoBrowser`. Playwright drives one at a time in a process."""
    where = executable(whole)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=where, args=[*FLAGS, *flags])
        yield started
        started.close()

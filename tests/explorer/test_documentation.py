"""The finished site of the documentation in a browser: for everybody, on any width, and asking nobody else.

`scripts/docs` builds the site and runs this on it.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request
from screens import violations

if "CONVSCOPE_SITE" not in os.environ:
    pytest.skip("scripts/docs runs these on the finished site", allow_module_level=True)
SITE = Path(os.environ["CONVSCOPE_SITE"]).resolve()
TYPES = {
    "front": "index.html",
    "session": "start/command_line.html",
    "essay": "learn/padding_and_stride.html",
    "kind": "generated/layers/Conv2D.html",
    "list": "generated/onnx/index.html",
    "errors": "look_up/errors.html",
}


def _noted(asked: list[str], request: Request) -> None:
    asked.append(request.url)


@pytest.fixture(scope="module")
def found(browser: Browser, axe: str) -> dict[str, dict[str, Any]]:
    """Return what each type of page asks for, how wide it is, and what axe finds on it, light and dark."""
    seen: dict[str, dict[str, Any]] = {}
    looks: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 390))
    for scheme, width in looks:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
        )
        page = context.new_page()
        asked: list[str] = []
        page.on("request", partial(_noted, asked))
        for kind, path in TYPES.items():
            asked.clear()
            page.goto((SITE / path).as_uri())
            page.evaluate("for (const f of document.querySelectorAll('iframe')) f.remove()")
            seen[f"{kind}, {scheme}"] = {
                "asked": list(asked),
                "wide": page.evaluate("document.documentElement.scrollWidth") - width,
                "axe": violations(page, axe),
            }
        context.close()
    return seen


def test_axe_finds_nothing_serious(found: dict[str, dict[str, Any]]) -> None:
    assert {where: one["axe"] for where, one in found.items() if one["axe"]} == {}


def test_no_request_leaves_the_site(found: dict[str, dict[str, Any]]) -> None:
    asked = {url for one in found.values() for url in one["asked"]}
    assert asked
    for url in asked:
        parts = urlsplit(url)
        assert parts.scheme in ("file", "blob", "data"), url
        if parts.scheme == "file":
            assert Path(parts.path).is_relative_to(SITE), url


def test_nothing_is_wider_than_the_window(found: dict[str, dict[str, Any]]) -> None:
    assert {where: one["wide"] for where, one in found.items() if one["wide"] > 0} == {}


def test_the_explorer_on_a_page_is_alive_and_follows_the_numbers(page: Page) -> None:
    page.goto((SITE / "start" / "index.html").as_uri())
    page.locator("iframe").scroll_into_view_if_needed()
    number = page.frame_locator("iframe").locator("h2.cs-number")
    number.filter(has_text="row 15, column 17, map 7").wait_for()
    page.get_by_role("link", name="0.4299").click()
    number.filter(has_text="row 16, column 18, map 11").wait_for()


def test_search_works_from_disk(page: Page) -> None:
    page.goto((SITE / "search.html").as_uri() + "?q=checkerboard")
    page.locator("#search-results a", has_text="Transposed convolutions").first.wait_for()

"""For everybody: axe finds nothing serious, in both schemes; reduced motion, a narrow window, words for all."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from campaigns import rounds
from screens import OUT_OF_REACH, OpenPage, violations

SCREENS = ["network", "stack", "microscope", "models", "whatif", "input"]


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        pytest.param("dark", 1280, marks=pytest.mark.full),
        pytest.param("light", 390, marks=pytest.mark.full),
    ],
)
def test_axe_finds_nothing_serious_on_any_screen(
    visit: OpenPage, axe: str, scheme: Any, width: int
) -> None:
    page = visit("digits", "l=conv2d_1&o=50&y=13&x=7")
    page.page.set_viewport_size({"width": width, "height": 900})
    page.page.emulate_media(color_scheme=scheme)
    page.until("microscope", lambda m: m["engine"])
    assert page.page.locator(".convscope").get_attribute("data-scheme") == scheme
    found = {}
    others = ("l=dense&o=7", "l=flatten&o=7", "l=max_pooling2d", "l=input")
    for address in (
        *(f"l=conv2d_1&o=50&y=13&x=7&s={screen}" for screen in SCREENS),
        *(f"{other}&s=microscope" for other in others[: rounds(1, 4)]),
    ):
        page.go(address)
        page.settle()
        for summary in page.page.locator(".cs-screen summary:visible").all()[:2]:
            summary.click()
        found[address] = violations(page.page, axe)
    page.keys("?")
    found["help"] = violations(page.page, axe)
    page.keys("Escape")
    page.keys("/")
    found["find"] = violations(page.page, axe)
    page.keys("Escape")
    page.go("l=conv2d_1&s=whatif")
    page.expected.append("400 (Bad Request)")
    page.page.get_by_label("groups").fill("5")
    page.until("whatif", lambda w: w["error"])
    found["refusal"] = violations(page.page, axe)
    page.page.get_by_label("groups").fill("2")
    page.until("whatif", lambda w: w["redrawn"])
    found["edited"] = violations(page.page, axe)
    assert {where: what for where, what in found.items() if what} == {}


def test_axe_would_find_something(visit: OpenPage, axe: str) -> None:
    page = visit("digits", "l=conv2d_1&o=12&y=5&x=7")
    page.settle()  # pictures are named when they are drawn
    page.page.evaluate('document.querySelector(".cs-tools button").removeAttribute("aria-label")')
    page.page.evaluate(
        """() => {
          const button = document.querySelector(".cs-tools button");
          button.removeAttribute("title"); button.textContent = "";
        }"""
    )
    assert [one[0] for one in violations(page.page, axe)] == ["button-name"]


def test_light_and_dark_are_followed_and_chosen(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=50&y=13&x=7")
    root = page.page.locator(".convscope")
    ground = "e => getComputedStyle(e).backgroundColor"
    picture = "e => e.toDataURL()"
    seen = {}
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme)
        page.settle()
        seen[scheme] = (
            root.evaluate(ground),
            page.page.locator(".cs-map").evaluate(picture),
            page.page.locator(".cs-fall").evaluate(picture),
            page.page.locator(".cs-tiles-picture").evaluate(picture),
        )
    assert all(a != b for a, b in zip(seen["light"], seen["dark"], strict=True))
    page.page.get_by_role("button", name="Light or dark").click()
    page.settle()
    assert root.get_attribute("data-scheme") == "light"
    assert root.evaluate(ground) == seen["light"][0] == "rgb(255, 255, 255)"
    assert page.page.locator(".cs-map").evaluate(picture) == seen["light"][1]


def test_nothing_moves_for_those_who_asked_for_that(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=12&y=5&x=7")
    moving = """() => [...document.querySelectorAll("*")].filter((e) => {
      const style = getComputedStyle(e);
      return style.transitionDuration.split(", ").some((t) => parseFloat(t) > 0)
        || style.animationName !== "none" || style.scrollBehavior === "smooth";
    }).length"""
    page.page.emulate_media(reduced_motion="no-preference")
    assert page.page.evaluate(moving) > 0
    page.page.emulate_media(reduced_motion="reduce")
    for screen in SCREENS:
        page.go(f"s={screen}")
        page.settle()
        assert page.page.evaluate(moving) == 0


@pytest.mark.parametrize(
    ("network", "width"),
    [
        ("hostile", 390),
        ("branches", 640),
        *(pytest.param(name, 390, marks=pytest.mark.full) for name in ("digits", "branches")),
    ],
)
def test_a_narrow_window_holds_everything(visit: OpenPage, network: str, width: int) -> None:
    """390 pixels, a phone; 640, a window of 1,280 at 200 %."""
    page = visit(network)
    page.page.set_viewport_size({"width": width, "height": 800})
    graph = page.served.network.graph
    layers = [list(graph.nodes)[1], list(graph.nodes)[-1]]
    for screen in SCREENS:
        for layer in layers:
            page.go(f"l={quote(layer, safe='')}&s={screen}")
            page.settle()
            assert page.read("overflow") == 0, (screen, layer)
            assert page.page.evaluate(OUT_OF_REACH) == [], (screen, layer)


def test_pictures_have_words_and_the_grid_says_where_it_is(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=50&y=13&x=7")
    page.until("microscope", lambda m: m["engine"])
    live = page.page.locator("[aria-live=polite].cs-live")
    value = float(page.served.run["conv2d_1"][13, 7, 50])
    assert live.inner_text() == f"conv2d_1[50] at 13,7 = {value:.3f}"
    grid = page.page.get_by_role("grid", name="The output map")
    assert (grid.get_attribute("aria-rowcount"), grid.get_attribute("aria-colcount")) == (
        "24",
        "24",
    )
    cell = grid.get_by_role("gridcell")
    assert str(cell.text_content()).startswith("13, 7, 50: 0.0556")
    assert (cell.get_attribute("aria-rowindex"), cell.get_attribute("aria-colindex")) == ("14", "8")
    page.page.get_by_text("The numbers around it").click()
    rows = page.page.locator(".cs-output .cs-pixels tr")
    rows.nth(5).wait_for()
    assert rows.count() == 6
    here = page.page.locator(".cs-output .cs-here").inner_text()
    assert here == f"{value:.4f}"
    unnamed = page.page.evaluate(
        """() => [...document.querySelectorAll("canvas, svg, img")].filter((e) => e.checkVisibility()
          && !e.closest("[aria-hidden=true]") && !(e.getAttribute("aria-label") ?? "").trim())
          .map((e) => e.outerHTML.slice(0, 100))"""
    )
    assert unnamed == []

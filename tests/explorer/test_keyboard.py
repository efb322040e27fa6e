"""Every screen by keyboard alone: no mouse is touched here."""

from __future__ import annotations

import pytest
from campaigns import often
from screens import OpenPage, Visit
from shown import holds, is_the_table

SCREENS = ["network", "stack", "microscope", "models", "whatif", "input"]

FOLLOW_FOCUS = """() => {
  window.visited = new Set();
  window.unseen = [];
  document.addEventListener("focusin", ({ target }) => {
    visited.add(target);
    const style = getComputedStyle(target);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    if (!ring && style.boxShadow === "none") unseen.push(target.outerHTML.slice(0, 120));
  });
}"""

NOT_VISITED = """() => [...document.querySelectorAll(
    "button, input, select, textarea, summary, a[href], [tabindex='0']")]
  .filter((e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility() && !e.closest("dialog:not([open])"))
  .filter((e) => !visited.has(e)).map((e) => e.outerHTML.slice(0, 120))"""


def test_the_microscope_is_walked_with_keys(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=12&y=5&x=7")

    def at(sentence: str) -> None:
        page.until("microscope", lambda m: m["live"].startswith(sentence))

    at("conv2d_1[12] at 5,7 = ")
    for key, sentence in (
        ("ArrowRight", "conv2d_1[12] at 5,8 = "),
        ("Shift+ArrowDown", "conv2d_1[12] at 13,8 = "),
        ("ArrowUp", "conv2d_1[12] at 12,8 = "),
        ("Shift+ArrowLeft", "conv2d_1[12] at 12,0 = "),
        ("ArrowLeft", "conv2d_1[12] at 12,0 = "),  # at the edge it stays
        ("Shift+ArrowDown", "conv2d_1[12] at 20,0 = "),
        ("Shift+ArrowDown", "conv2d_1[12] at 23,0 = "),
        (".", "conv2d_1[13] at 23,0 = "),
        (",", "conv2d_1[12] at 23,0 = "),
        (",", "conv2d_1[11] at 23,0 = "),
    ):
        page.keys(key)
        at(sentence)
    holds(page.read("microscope"), page.served.run, "conv2d_1", (23, 0, 11))
    page.keys("]")
    liveliest = ",".join(map(str, page.served.run.liveliest("max_pooling2d")[:2]))
    page.until("microscope", lambda m: f"] at {liveliest} = " in m["live"] and "max" in m["live"])
    page.keys("[")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1["))


def test_down_with_enter_and_up_with_escape(visit: OpenPage) -> None:
    page = visit("digits", "l=dense&o=7")
    page.until("microscope", lambda m: m["engine"] and m["live"].startswith("dense(7) = "))
    page.page.locator("[role=gridcell]").focus()
    passed = ["dense(7) = "]
    for layer in ("flatten", "max_pooling2d", "conv2d_1", "conv2d", "input"):
        page.keys("Enter")
        shown = page.until(
            "microscope", lambda m, n=layer: m["live"].startswith((f"{n}(", f"{n}["))
        )
        passed.append(shown["live"])
    for sentence in passed[-2::-1]:
        page.keys("Escape")
        page.until("microscope", lambda m, s=sentence: m["live"].startswith(s))
    page.keys("Escape")
    page.until("tab", lambda tab: tab == "Stack")


def test_screens_layers_colours_and_help(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=12&y=5&x=7")
    page.until("microscope", lambda m: m["engine"])
    for colour in ("map", "grey", None):
        page.keys("c")
        page.until("live", lambda text: text.startswith("colours: "))
        assert page.address.get("c") == colour
    page.keys("?")
    assert page.page.get_by_role("dialog", name="Keys and words").is_visible()
    page.keys("Escape")
    assert not page.page.get_by_role("dialog", name="Keys and words").is_visible()
    assert page.read("tab") == "Microscope"
    page.keys("/")
    page.page.keyboard.type("dens")
    page.keys("Tab", "Enter")
    page.until("microscope", lambda m: m["live"].startswith("dense("))
    page.page.get_by_role("tab", selected=True).focus()
    after = (
        "Mental models",
        "What if",
        "Input",
        "Check",
        "Learning",
        "Network",
        "Stack",
        "Microscope",
    )
    for name in after:
        page.keys("ArrowRight")
        page.until("tab", lambda tab, name=name: tab == name)
        assert page.read("focused") == f"button {name}"


def test_the_stack_by_keys(visit: OpenPage) -> None:
    page = visit("branches", "s=stack")
    page.page.get_by_role("tab", selected=True).focus()
    focus_on(page, "Filter layers")
    page.page.keyboard.type("wide")
    page.until("stack", lambda rows: len(rows) == 1)
    focus_on(page, "Sort maps by")
    page.keys("ArrowDown")
    page.until("tab", lambda _: page.address.get("sort") == "energy")
    page.page.get_by_role("button", name="all 70 maps").wait_for()
    focus_on(page, "all 70 maps")  # which stays there also where the maps are drawn only now
    page.keys("Enter")
    page.until("stack", lambda rows: "fewer" in rows[0]["foot"])
    page.until("focused", lambda at: at == "button fewer")
    focus_on(page, "The maps as a table")
    page.keys("Enter")
    page.until("stack", lambda rows: len(rows[0]["table"]) == 71)
    page.page.keyboard.press("Shift+Tab")
    focus_on(page, "wide", backwards=True)
    page.keys("Enter")
    page.until("microscope", lambda m: m["live"].startswith("wide["))


def test_what_if_by_keys(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&s=whatif")
    is_the_table(page, [])
    page.page.get_by_role("tab", selected=True).focus()
    focus_on(page, "kernel size 1", exactly=True)
    page.keys("Control+A")
    page.page.keyboard.type("5")
    is_the_table(page, [("conv2d_1", "kernel_size", (5, 3))])
    page.keys("Tab")
    page.keys("ArrowUp")
    is_the_table(page, [("conv2d_1", "kernel_size", (5, 4))])
    focus_on(page, "undo all")
    page.keys("Enter")
    is_the_table(page, [])


def test_models_and_samples_by_keys(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=50&y=13&x=7&s=models")
    page.until("models", lambda m: len(m["cards"]) == 4)
    page.page.get_by_role("tab", selected=True).focus()
    focus_on(page, "One slice")
    page.keys("Enter")
    page.until("models", lambda m: m["cards"][1]["checked"] == "true")


def focus_on(page: Visit, words: str, backwards: bool = False, exactly: bool = False) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(150):
        page.keys("Shift+Tab" if backwards else "Tab")
        name = str(page.read("focused")).partition(" ")[2]
        if name == words or (not exactly and name.startswith(words)):
            return
    raise AssertionError(f"{words} is not reached by Tab")


@pytest.mark.parametrize("screen", often(SCREENS, "stack", "microscope", "whatif"))
def test_all_is_reached_by_tab_and_seen_to_be(visit: OpenPage, screen: str) -> None:
    page = visit("digits", f"l=conv2d_1&o=12&y=5&x=7&s={screen}")
    page.settle()
    page.page.evaluate(FOLLOW_FOCUS)
    for _ in range(140):
        page.keys("Tab")
        if page.read("focused") is None:
            break
    for _ in range(2):
        page.keys("Tab")
    assert page.page.evaluate(NOT_VISITED) == []
    assert page.page.evaluate("unseen") == []

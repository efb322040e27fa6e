"""The screen Check and the marks of layers: what check finds, a card each, on every screen and in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networks
import pytest
from screens import OUT_OF_REACH, OpenPage, violations

from convscope import Conv2D, Dense, Flatten, MaxPooling2D, Sequential
from convscope.explorer.host import Host
from convscope.explorer.late import check as late
from convscope.explorer.single_file import single_file

CARDS = "[...document.querySelectorAll('.cs-check-card')].map((card) => card.innerText)"
MARKED = "(box) => [...document.querySelectorAll(`${box} [data-found]`)].map((e) => [e.getAttribute('aria-label'), e.dataset.found, 'sure' in e.dataset])"


def strided() -> tuple[Any, ...]:
    """Return a network that leaves a column unread, which an edit mends, and its image."""
    network = networks.drawn(
        Sequential(
            [
                Conv2D(3, 3, strides=2, activation="relu", input_shape=(13, 16, 2), name="first"),
                MaxPooling2D(2, name="pool"),
                Flatten(name="flat"),
                Dense(4, name="dense"),
            ]
        )
    )
    return network, networks.image(13, 16, 2)


def test_layers_are_marked_where_check_finds_something(visit: OpenPage) -> None:
    network, image = strided()
    expected: dict[str, list[bool]] = {}
    for rule, found in network.check(image).findings:
        expected.setdefault(found.layer, []).append(rule.certainty == "fact")
    page = visit(strided, "l=dense").page
    page.locator(".cs-ribbon [data-found]").first.wait_for()
    for box, address in (
        (".cs-ribbon", "l=dense"),
        (".cs-overview", "s=network"),
        (".cs-stack", "s=stack"),
    ):
        page.evaluate("to => (location.hash = to)", address)
        page.locator(f"{box} [data-found]").first.wait_for()
        marked = page.evaluate(f"({MARKED})({box!r})")
        assert {label.split(",")[0]: (int(many), sure) for label, many, sure in marked} == {
            name: (len(facts), any(facts)) for name, facts in expected.items()
        }, box
        assert all("found by check" in label for label, _, _ in marked)
    page.keyboard.press("Tab")
    page.locator(".cs-marked[data-found]").first.focus()
    page.keyboard.press("Enter")
    page.locator(".cs-check-card").first.wait_for()


def test_a_card_says_what_python_says_and_its_repair_can_be_tried(
    visit: OpenPage,
    axe: str,
) -> None:
    network, image = strided()
    opened = visit(strided, "l=first&s=check")
    page = opened.page
    page.locator(".cs-check-card").first.wait_for()
    text = "\n".join(page.evaluate(CARDS))
    for rule, found in network.check(image).findings:
        assert f"{found.words}." in text and found.proof in text and rule.name in text
    assert "Of first, where you are" in page.locator(".cs-check-cards").inner_text()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        opened.settle()
        assert violations(page, axe) == []
    page.set_viewport_size({"width": 390, "height": 800})
    opened.settle()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(OUT_OF_REACH) == []
    mended = page.get_by_text("try it in What if").first
    mended.focus()
    page.keyboard.press("Enter")
    page.locator("[role=tab][aria-selected=true]", has_text="What if").wait_for()
    assert opened.address["w"]


def test_a_large_network_is_looked_at_when_its_screen_is_opened(
    visit: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "CHEAP_LAYERS", 1)
    opened = visit(strided, "l=dense")
    opened.settle()
    assert opened.page.locator("[data-found]").count() == 0
    opened.go("l=dense&s=check")
    opened.page.locator(".cs-check-card").first.wait_for()
    opened.page.locator(".cs-ribbon [data-found]").first.wait_for()


def test_a_file_holds_what_was_found(page: Any, tmp_path: Path) -> None:
    network, image = strided()
    (tmp_path / "page.html").write_text(single_file(Host(network, image)).text(), "utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    page.locator(".cs-ribbon [data-found]").first.wait_for()
    page.get_by_role("tab", name="Check").click()
    page.locator(".cs-check-card").first.wait_for()
    assert len(page.evaluate(CARDS)) == len(network.check(image).findings)


def test_weights_that_are_nan_are_told_all_the_same() -> None:
    network, image = strided()
    network.get_layer("dense").set_weights(
        [w * float("nan") for w in network.get_layer("dense").get_weights()]
    )
    told = Host(network, image).answer({"ask": "check"}).facts
    assert "not-finite" in {one["rule"] for one in told["findings"]}

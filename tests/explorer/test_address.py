"""The address holds the state; a server that is lost is said and found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import networks
import pytest
from campaigns import often
from screens import OpenPage, Served, Visit

from convscope.explorer.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

TITLES = {
    "stack": "Stack", "microscope": "Microscope", "models": "Mental models",
    "whatif": "What if", "input": "Input",
}  # fmt: skip


@pytest.fixture(scope="module")
def everywhere(profile: BrowserContext, served: Callable[[str], Served]) -> Visit:
    return Visit(profile, served("digits")).open()


@pytest.mark.parametrize("screen", often(TITLES, "models", "whatif"))
def test_an_address_restores_what_was_on_the_screen(visit: OpenPage, screen: str) -> None:
    address = f"l=conv2d_1&o=12&y=5&x=7&m=shared&c=map&sort=energy&s={screen}"
    page = visit("digits", address)
    assert page.read("tab") == TITLES[screen]
    current = page.page.locator(".cs-card[aria-current]")
    assert (current.get_attribute("aria-label") or "").startswith("conv2d_1, Conv2D, 24×24×64")
    page.screen("Microscope")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[12] at 5,7 = "))
    page.screen("Mental models")
    page.until("models", lambda m: [c["checked"] for c in m["cards"]][1:2] == ["true"])
    page.screen("Stack")
    assert page.page.get_by_label("Sort maps by").input_value() == "energy"
    assert page.page.get_by_label("Colours").input_value() == "map"
    want = {"l": "conv2d_1", "o": "12", "y": "5", "x": "7", "m": "shared", "s": "stack"}
    assert page.address == {**want, "c": "map", "sort": "energy"}


def test_the_layer_of_an_address_is_brought_into_view(visit: OpenPage) -> None:
    page = visit("deep", "l=conv2d_200&s=stack")
    row = page.page.locator('.cs-row[aria-label="conv2d_200"]')
    row.wait_for()
    page.settle()
    box = row.bounding_box()
    assert box is not None and 0 <= box["y"] <= 12  # where it begins, once all above it is drawn


def test_the_keys_of_an_address_are_those_of_the_layer(visit: OpenPage) -> None:
    page = visit("volumes", "l=volume&p=1,2,3,1")
    page.until("microscope", lambda m: m["live"].startswith("volume[1] at 1,2,3 = "))
    page.keys("ArrowRight")
    page.until("microscope", lambda m: m["live"].startswith("volume[1] at 1,2,4 = "))
    assert page.address["p"] == "1,2,4,1"
    page = visit("digits", "l=dense&o=4")
    page.until("microscope", lambda m: m["live"].startswith("dense(4) = "))
    page = visit("photo", "l=/deep/Conv&o=4&y=3&x=7")
    page.until("microscope", lambda m: m["live"].startswith("/deep/Conv[4] at 3,7 = "))


@pytest.mark.parametrize(
    "address",
    [
        "l=nobody&o=1", "l=__proto__", "s=constructor", "s=toString", "c=__proto__&sort=valueOf",
        "m=hasOwnProperty", "l=conv2d_1&o=99999999999999999999&y=-4&x=1e3", "p=", "p=,,,,,,", "o=NaN",
        "l=conv2d_1&p=99,99,99,99", "%", "&&==&", "l=%E0%A4%A", "#" * 50, "l=" + "x" * 5000,
        "l=<img src=x onerror=alert(1)>", "p=1;2;3&y=0x10",
    ],
)  # fmt: skip
def test_a_nonsense_address_does_no_harm(everywhere: Visit, address: str) -> None:
    page = everywhere
    page.go("l=conv2d_1&o=12&y=5&x=7&s=microscope&c=layer&sort=index&m=real")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[12] at 5,7 = "))
    page.go(address)
    page.page.wait_for_timeout(30)
    assert page.read("tab") == "Microscope"
    shown = page.until("microscope", lambda m: m["engine"] and m["live"].startswith("conv2d_1["))
    assert shown["error"] is None
    assert page.unexpected == []


def test_back_and_forward(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=12&y=5&x=7")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[12] at 5,7 = "))
    page.screen("What if")
    page.until("tab", lambda tab: tab == "What if")
    page.screen("Microscope")
    page.page.locator('.cs-card[aria-label^="max_pooling2d"]').click()
    below = page.until("microscope", lambda m: m["live"].startswith("max_pooling2d["))["live"]
    page.page.go_back()
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[12] at 5,7 = "))
    page.page.go_back()
    page.until("tab", lambda tab: tab == "What if")
    page.page.go_forward()
    page.page.go_forward()
    page.until("microscope", lambda m: m["live"] == below)
    assert page.read("tab") == "Microscope"


def test_two_pages_on_one_server_do_not_disturb_each_other(visit: OpenPage) -> None:
    one = visit(networks.digits, "l=dense&o=7&s=input")
    other = Visit(one.page.context, one.served).open("l=conv2d_1&o=12&y=5&x=7")
    one.expected.append(
        "503"
    )  # two questions are answered at once; a page that asks a third asks it again
    other.expected.append("503")
    before = other.until("microscope", lambda m: m["engine"] and "conv2d_1[12]" in m["live"])
    source = other.page.locator(".cs-source").inner_text()
    one.page.get_by_role("button", name="zero", exact=True).click()
    one.until("input", lambda i: i["source"] == "zero.png")
    again = other.number("conv2d_1", (6, 7, 12))
    again = other.number("conv2d_1", (5, 7, 12))
    assert again["engine"] == before["engine"]
    assert other.page.locator(".cs-source").inner_text() == source


def test_a_run_that_an_open_page_shows_is_kept(visit: OpenPage) -> None:
    one = visit(networks.digits, "s=input")
    other = Visit(one.page.context, one.served).open("l=conv2d&o=12&y=5&x=7")
    one.expected.append("503")  # both may ask at once
    other.until("microscope", lambda m: m["engine"])
    for name in ("zero", "two", "three", "five", "nine"):
        one.page.get_by_role("button", name=name, exact=True).click()
        one.until("input", lambda i, name=name: i["source"] == f"{name}.png")
    other.page.locator(".cs-card", has_text="dense").click()
    other.until("microscope", lambda m: m["engine"] and m["live"].startswith("dense("))


def test_old_numbers_never_stand_under_a_new_name(visit: OpenPage) -> None:
    """Whatever the reason why the new ones do not come."""
    other = visit(networks.digits, "l=conv2d&o=12&y=5&x=7")
    other.until("microscope", lambda m: m["engine"])
    other.expected.append("400 (Bad Request)")
    other.served.host._runs.clear()  # forgotten
    other.page.locator(".cs-card", has_text="dense").click()
    shown = other.until("microscope", lambda m: m["error"])
    assert "not remembered any more" in shown["error"]
    assert shown["title"] == "dense"
    assert shown["steps"] == shown["tiles"] == [] and shown["engine"] is None
    other.screen("Mental models")
    other.page.locator(".cs-card", has_text="conv2d_1").click()
    other.page.locator(".cs-models-screen .cs-number", has_text="conv2d_1").wait_for()
    models = other.read("models")  # what was asked for before is here; nothing of another layer is
    assert not models["cards"] or any("c<32" in card["equation"] for card in models["cards"])
    assert "choose the image again" in shown["error"]
    other.screen("Input")
    other.page.get_by_role("button", name="three", exact=True).click()
    other.until("input", lambda i: i["source"] == "three.png")
    shown = other.number("dense", (3,))
    assert float(shown["engine"]) > 0.9
    assert [f for f in other.faults if "400 (Bad Request)" not in f] == []


def test_a_stopped_server_is_said_and_the_page_goes_on_when_it_is_back(visit: OpenPage) -> None:
    page = visit(networks.digits, "l=conv2d_1&o=12&y=5&x=7")
    page.until("microscope", lambda m: m["engine"] and "conv2d_1[12]" in m["live"])
    banner = page.page.locator(".cs-banner")
    assert not banner.is_visible()
    page.settle()  # nothing is being answered that would be cut off
    page.expected += ["ERR_CONNECTION", "401", "403", "503"]  # two pages ask the new one at once
    page.served.server.stop()
    page.page.evaluate("window.marked = true")
    page.keys("]")  # numbers that are not here yet
    banner.wait_for()
    assert "The server does not answer" in banner.inner_text()
    with Server(page.served.host, port=page.served.server.port) as again:
        page.until("banner", lambda text: "was started anew" in (text or ""))
        other = page.page.context.new_page()
        other.goto(again.address)
        page.until("fresh", lambda fresh: fresh)  # drawn anew, where it was
        page.until("microscope", lambda m: m["engine"] and "conv2d_1[12] at 5,7" in m["live"])
        assert not banner.is_visible()
        other.close()


def test_a_server_out_of_reach_is_said_and_the_question_asked_again(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=12&y=5&x=7")
    page.until("microscope", lambda m: m["engine"] and "conv2d_1[12]" in m["live"])
    context = page.page.context
    page.expected.append("ERR_INTERNET_DISCONNECTED")
    context.set_offline(True)
    page.page.locator(".cs-card", has_text="dense").click()
    banner = page.page.locator(".cs-banner")
    banner.wait_for()
    assert "does not answer" in banner.inner_text()
    context.set_offline(False)
    page.until("microscope", lambda m: m["engine"] and m["live"].startswith("dense("))
    page.until("banner", lambda text: text is None)
    context.set_offline(True)
    page.page.get_by_role("tab", name="Check", exact=True).click()  # whose text is not here yet
    refused = page.page.locator(".cs-screen").get_by_role("alert")
    refused.wait_for()
    assert "does not answer" in refused.inner_text() and banner.is_visible()
    context.set_offline(False)
    page.page.locator(".cs-check-screen").wait_for()

"""What moves: the sliding window, the way down and back, the finder, edits in the address."""

from __future__ import annotations

import networks
from screens import OpenPage


def test_the_window_slides_over_all_maps_and_the_output_fills(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=7&y=15&x=17")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 15,17 = "))
    slide = page.page.get_by_role("group", name="The sliding window")
    step = slide.get_by_role("button", name="Slide the window by one number")
    step.click()
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 0,0 = "))
    step.click()
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 0,1 = "))
    assert (page.address["y"], page.address["x"]) == ("0", "1")
    slide.get_by_role("combobox").select_option("240")
    play = slide.get_by_role("button", name="Slide the window over the maps")
    play.click()
    page.until("microscope", lambda m: "row 9, " in m["title"] or "row 11, " in m["title"])
    play.click()
    assert 8 < int(page.address["y"]) < 24
    # what it has not come to is not drawn: the last row is of one colour
    row = """c => { const p = c.getContext("2d").getImageData(0, c.height - 4, c.width, 1).data;
      return new Set(Array.from({length: c.width}, (_, n) => p.slice(4 * n, 4 * n + 3).join())).size }"""
    assert page.page.locator(".cs-map").evaluate(row) == 1
    slide.get_by_role("button", name="Show the whole map").click()
    page.page.wait_for_timeout(100)
    assert page.page.locator(".cs-map").evaluate(row) > 1


def test_whoever_wants_no_motion_goes_step_by_step(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=7&y=15&x=17")
    page.page.emulate_media(reduced_motion="reduce")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 15,17 = "))
    play = page.page.get_by_role("button", name="Slide the window over the maps")
    play.click()
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 0,0 = "))
    page.page.wait_for_timeout(300)
    assert (page.address["y"], page.address["x"]) == ("0", "0")


def test_the_way_down_is_a_way_back(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=7&y=15&x=17")
    seen = page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 15,17 = "))
    top = seen["output"]
    crumbs = page.page.get_by_role("navigation", name="The way down")
    assert not crumbs.is_visible()
    page.page.locator(".cs-lens .cs-figure-cell").nth(4).click()
    page.until("microscope", lambda m: m["live"].startswith("conv2d["))
    page.page.locator(".cs-lens .cs-figure-cell").nth(4).click()
    page.until("microscope", lambda m: m["live"].startswith("input("))
    words = crumbs.inner_text()
    assert words.startswith(f"conv2d_1(15, 17, 7) = {top} ← conv2d(16, 18, ")
    assert words.endswith("← input(17, 19, 0)")
    crumbs.get_by_role("button").first.click()
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 15,17 = "))
    assert not crumbs.is_visible()


def test_enter_opens_the_first_that_was_found_and_arrows_choose(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=7&y=15&x=17")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 15,17 = "))
    page.keys("/")
    page.page.keyboard.type("conv")
    page.keys("Enter")
    page.until("microscope", lambda m: m["live"].startswith("conv2d["))
    page.keys("/")
    page.page.keyboard.type("conv")
    page.keys("ArrowDown", "Enter")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1["))


def test_edits_are_in_the_address_and_what_cannot_be_stands_beside_the_table(
    visit: OpenPage,
) -> None:
    page = visit(networks.branches, "l=stem&s=whatif")
    page.expected.append("400 (Bad Request)")
    page.page.get_by_role("spinbutton", name="strides 1").fill("3")
    page.until("whatif", lambda w: any(isinstance(cell, list) for row in w["rows"] for cell in row))
    link = page.page.url.partition("#")[2]
    assert page.address["w"] == '[["stem","strides",[3,3]]]'
    page.page.get_by_role("spinbutton", name="filters").fill("7")
    shown = page.until("whatif", lambda w: w["error"])
    assert len(shown["rows"]) > 5
    other = visit("branches", link)
    again = other.until("whatif", lambda w: w["edits"])
    assert again["edits"] == ["stem.strides=3,3"]
    other.until("whatif", lambda w: any(isinstance(c, list) for row in w["rows"] for c in row))
    assert other.page.get_by_role("spinbutton", name="strides 1").input_value() == "3"

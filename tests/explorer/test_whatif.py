"""What if, on the screen: the table is the one that Python makes; what cannot be says why and what would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from screens import OpenPage, figure
from shown import is_the_table

import convscope as cs
from convscope.errors import ConvscopeError


def test_every_layer_after_an_edit_follows_at_once(visit: OpenPage) -> None:
    page = visit("branches", "l=stem&p=1,2,3&s=whatif")
    is_the_table(page, [])
    page.page.get_by_label("strides 1").fill("3")
    is_the_table(page, [("stem", "strides", (3, 3))])
    page.page.get_by_label("kernel size 2").fill("4")
    is_the_table(page, [("stem", "strides", (3, 3)), ("stem", "kernel_size", (3, 4))])
    page.page.get_by_label("padding").select_option("valid")
    edits = [
        ("stem", "strides", (3, 3)), ("stem", "kernel_size", (3, 4)), ("stem", "padding", "valid")
    ]  # fmt: skip
    is_the_table(page, edits)
    page.page.get_by_role("button", name="grouped").click()  # another layer, in the same network
    page.page.get_by_role(
        "heading", name="What if grouped"
    ).wait_for()  # until then the form is stem's
    page.page.get_by_label("groups").fill("2")
    shown, _ = is_the_table(page, [*edits, ("grouped", "groups", 2)])
    assert shown["edits"] == [
        "stem.strides=3,3", "stem.kernel_size=3,4", "stem.padding=valid", "grouped.groups=2"
    ]  # fmt: skip
    page.page.get_by_role("button", name="undo all").click()
    is_the_table(page, [])
    assert page.page.get_by_label("groups").input_value() == "3"
    page.go("l=stem&s=whatif")
    page.page.get_by_label("strides 1").wait_for()
    assert page.page.get_by_label("strides 1").input_value() == "2"


def test_what_a_stride_drops_is_drawn(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&p=1,2,3&s=whatif")
    page.page.get_by_label("strides 2").fill("3")
    shown, facts = is_the_table(page, [("conv2d_1", "strides", (1, 3))])
    (dropped,) = next(x["dropped"] for x in facts["layers"] if x["name"] == "conv2d_1")
    # 26 columns: windows of 3 start at 0 … 23; those at 0, 3, …, 21 stay, which read up to column 23
    assert (dropped["positions"], dropped["kept"]) == (24, 8)
    assert "conv2d_1, columns: the tall ones are kept." in shown["strides"]
    said = (
        "conv2d_1: stride 3 keeps 8 of the 24 columns that stride 1 would give and skips 16; 2 of "
    )
    assert page.page.get_by_text(said).count() == 1  # as the command line says it
    canvas = page.page.get_by_role("img", name="conv2d_1: 8 of 24 columns")
    tall = canvas.evaluate(
        """canvas => {
          const pen = canvas.getContext("2d"), scale = canvas.width / (24 * 14 + 1), found = [];
          for (let n = 0; n < 24; n++)
            found.push(pen.getImageData((n * 14 + 5) * scale, 2 * scale, 1, 1).data[3] > 0);
          return found;
        }"""
    )
    assert [n for n, on in enumerate(tall) if on] == list(range(0, 24, 3))


REFUSED: list[tuple[str, str, str, Any]] = [
    ("conv2d_1", "kernel size 1", "27", ("conv2d_1", "kernel_size", (27, 3))),
    ("conv2d_1", "groups", "5", ("conv2d_1", "groups", 5)),
    ("conv2d_1", "filters", "0", ("conv2d_1", "filters", 0)),
    ("conv2d", "filters", "-3", ("conv2d", "filters", -3)),
    ("max_pooling2d", "pool size 2", "25", ("max_pooling2d", "pool_size", (2, 25))),
    ("dense", "units", "2.5", ("dense", "units", 2.5)),
]


def test_what_cannot_be_says_why_and_what_would_do(visit: OpenPage) -> None:
    page = visit("digits", "s=whatif")
    page.expected.append("400 (Bad Request)")  # a refusal is no fault
    for layer, field, text, edit in REFUSED:
        page.go(f"l={layer}&s=whatif")
        is_the_table(page, [])
        page.page.get_by_label(field).fill(text)
        with pytest.raises(ConvscopeError) as caught:
            page.served.network.whatif([edit])
        shown = page.until("whatif", lambda w: w["error"])
        assert shown["error"] == str(caught.value)
        assert len(shown["rows"]) > 3  # the table as it was stays beside it, and says what it is of
        of = page.page.locator(".cs-of")
        assert of.inner_text() == "Below is still the network as it is, without this."
        page.page.get_by_role("button", name="undo all").click()
        page.until("whatif", lambda w: not w["error"] and not w["edits"])
        is_the_table(page, [])
        assert of.inner_text() == ""


def test_a_link_to_what_cannot_be_shows_the_network_as_it_is(visit: OpenPage) -> None:
    edits = [["conv2d", "strides", [1, 2]], ["conv2d_1", "kernel_size", [40, 3]]]
    page = visit("digits", "l=conv2d_1&s=whatif&w=" + json.dumps(edits).replace(" ", ""))
    page.expected.append("400 (Bad Request)")
    page.until("whatif", lambda w: w["error"])
    is_the_table(page, [])
    of = page.page.locator(".cs-of")
    assert of.inner_text() == "Below is still the network as it is, without this."
    page.page.get_by_label("kernel size 1").fill("2")
    is_the_table(page, [("conv2d", "strides", (1, 2)), ("conv2d_1", "kernel_size", (2, 3))])
    page.page.get_by_label("kernel size 1").fill("41")
    page.until("whatif", lambda w: w["error"])
    said = "the network with conv2d.strides=1,2 conv2d_1.kernel_size=2,3, without this."
    assert " ".join(of.inner_text().split()).endswith(said)


def test_a_choice_a_switch_and_a_list_are_edited(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d&s=whatif")
    page.page.get_by_label("use bias").uncheck()
    is_the_table(page, [("conv2d", "use_bias", False)])
    page.page.get_by_label("use bias").check()
    is_the_table(page, [])


def test_a_list_is_edited_as_text(visit: OpenPage) -> None:
    def padded() -> tuple[Any, ...]:
        first = cs.ZeroPadding2D(((1, 2), (0, 3)), input_shape=(6, 7, 2))
        return cs.Sequential([first, cs.Conv2D(3, 2)]), networks.image(6, 7, 2)

    page = visit(padded, "l=zero_padding2d&s=whatif")
    box = page.page.locator(".cs-form").get_by_label("padding")
    box.fill("[[0, 1], [2, 3]]")
    page.keys("Enter")
    is_the_table(page, [("zero_padding2d", "padding", ((0, 1), (2, 3)))])
    box.fill("[[0, 1")
    page.keys("Tab")
    assert "is a list such as" in page.until("whatif", lambda w: w["error"])["error"]


def test_an_input_has_no_settings(visit: OpenPage) -> None:
    page = visit("digits", "l=input&s=whatif")
    page.page.get_by_text("An input has no settings").wait_for()


def test_old_and_new_maps_and_what_comes_out_stand_side_by_side(visit: OpenPage) -> None:
    page = visit(networks.digits, "l=conv2d_1&s=whatif&i=three")
    host, network = page.served.host, page.served.network
    page.page.get_by_label("padding").select_option("same")
    page.page.get_by_label("strides 1").fill("2")
    page.page.get_by_label("strides 2").fill("2")
    beside = page.page.locator(".cs-beside")
    beside.get_by_text("edited: 13×13×64").wait_for()
    assert beside.get_by_text("as it is: 24×24×64").is_visible()
    edits = [("conv2d_1", "strides", (2, 2)), ("conv2d_1", "padding", "same")]
    picture = host.answer({"ask": "network"}).facts["run"]
    assert picture["source"] == "three.png"  # the edited network's run is nobody's image
    old = network.run(network.samples["three"])
    new = network.edited(edits).run(old["input"])
    for n, run in enumerate((old, new)):
        shown = page.page.evaluate(
            "n => [...document.querySelectorAll('.cs-beside table')[n].rows].map(r => r.innerText.split(/\\s+/))",
            n,
        )
        order = np.argsort(-run.output)[:5]
        assert [row[0] for row in shown] == [str(k) for k in order]
        np.testing.assert_allclose(
            [float(figure(row[1])) for row in shown], run.output[order], atol=5.1e-5
        )
    assert "weights that were drawn anew means little" in beside.inner_text()
    assert page.page.get_by_text("are drawn anew (seed ").count() == 1  # which, is said once
    strides = page.read("whatif")["strides"]  # rows and columns drop the same: told once
    assert [text.split(":")[0] for text in strides] == [
        "conv2d_1, rows and columns", "max_pooling2d, rows and columns"
    ]  # fmt: skip
    pixels = """n => { const c = document.querySelectorAll('.cs-beside canvas')[n];
      return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size }"""
    page.until(lambda: min(page.page.evaluate(pixels, n) for n in (0, 1)) > 20)
    first = "n => document.querySelectorAll('.cs-beside table')[n]?.rows[0].innerText.split(/\\s/)[0] === '5'"
    assert not page.page.evaluate(first, 0)
    page.go(page.url.split("#")[1].replace("i=three", "i=five"))
    page.page.wait_for_function(first, arg=0)  # of another image nothing of the one before stays
    page.page.get_by_role("button", name="undo all").click()
    page.until("whatif", lambda w: not w["edits"])
    beside.locator("canvas").first.wait_for(state="detached")


def test_the_image_is_in_the_address_and_the_place_can_be_shared(visit: OpenPage) -> None:
    page = visit(networks.digits, "l=dense&o=3&s=input")
    page.page.get_by_role("button", name="three").click()
    page.until("input", lambda i: i["source"] == "three.png")
    assert page.address["i"] == "three"
    page.screen("Microscope")
    page.until("microscope", lambda m: m["live"].startswith("dense(3) = 0.99"))
    page.page.get_by_role("button", name="Share this place").click()
    link = page.page.get_by_role("textbox", name="The link to this place")
    assert link.input_value() == page.url
    embed = page.page.get_by_role("textbox", name="To embed it in a page").input_value()
    assert embed.startswith(f'<iframe src="digits.html#{page.url.split("#")[1]}" ')
    page.keys("Escape")
    page.go("l=dense&o=5&i=five")
    page.until("microscope", lambda m: m["live"].startswith("dense(5) = 0.99"))
    assert page.read("input")["source"] == "five.png"


def test_a_convolution_of_an_onnx_file_is_edited(visit: OpenPage, tmp_path: Path) -> None:
    def from_file() -> tuple[Any, ...]:
        layers = [cs.Conv2D(3, 2, input_shape=(6, 7, 2)), cs.Conv2D(5, (1, 3))]
        cs.Sequential(layers).export(tmp_path / "net.onnx")
        return cs.open(tmp_path / "net.onnx"), networks.image(6, 7, 2)

    page = visit(from_file, "l=conv2d_1&s=whatif")
    page.page.get_by_label("auto pad").select_option("SAME_UPPER")
    is_the_table(page, [("conv2d_1", "auto_pad", "SAME_UPPER")])
    page.page.get_by_label("auto pad").select_option("NOTSET")
    page.page.get_by_label("strides 2").fill("2")
    is_the_table(page, [("conv2d_1", "strides", (1, 2))])

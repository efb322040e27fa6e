"""Input: samples, files, dropping, pasting, drawing; what a picture still needs is offered as a step."""

from __future__ import annotations

import base64
import io
from typing import Any

import networks
import numpy as np
import pytest
from PIL import Image
from screens import OpenPage, Visit, figure

from convscope.demo import digits
from convscope.engine.preparing import prepare

Array = np.ndarray[Any, Any]


def picture(array: Array, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def colourful(rows: int, columns: int) -> Array:
    return np.random.default_rng(5).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def choose(page: Visit, content: bytes, name: str = "mine.png") -> None:
    file: Any = {"name": name, "mimeType": "image/png", "buffer": content}
    page.page.get_by_label("Choose an image file").set_input_files(file)


def says(page: Visit, source: str, array: Array) -> Any:
    """Wait until a picture went through, and hold what came out against Python's own run of it."""
    run = page.served.network.run(array)
    output = run.output
    order = np.argsort(-output.ravel(), kind="stable")[:5]
    labels = page.served.network.labels
    names = [f"{labels[n]} " if labels else "" for n in order]
    names = [f"{label}{run.graph.outputs[0]}({n})" for label, n in zip(names, order, strict=True)]
    shown = page.until(
        "input", lambda i: i["source"] == source and [row[0] for row in i["out"]] == names
    )
    for row, n in zip(shown["out"], order, strict=True):
        assert float(figure(row[1])) == pytest.approx(float(output[n]), abs=5.1e-5)
    return shown


def as_network_sees(content: bytes, *steps: str) -> Array:
    array: Array = np.asarray(prepare(content, (28, 28, 1), True, steps)["array"])[0]
    return array


def test_a_sample_changes_every_number(visit: OpenPage) -> None:
    page = visit(networks.digits, "l=dense&o=7&s=input")
    before = page.number("dense", (7,))["engine"]
    page.screen("Input")
    seen = np.asarray(Image.open(digits()["three"]))[..., None].astype(np.float32) / 255
    page.page.get_by_role("button", name="three", exact=True).click()
    shown = says(page, "three.png", seen)
    assert shown["out"][0][0] == "3 dense(3)"
    assert shown["steps"][0].startswith("divide by 255: value = pixel / 255 28×28×1 → 28×28×1")
    after = page.number("dense", (7,))
    assert after["engine"] != before
    engine = page.served.network.run(seen).output[7]
    assert np.float32(float(figure(after["engine"]))) == engine


def test_a_coloured_picture_for_a_grey_network_is_offered_a_visible_step(visit: OpenPage) -> None:
    page = visit(networks.digits, "s=input")
    pixels = colourful(28, 28)
    choose(page, picture(pixels))
    shown = page.until("input", lambda i: i["offer"])
    assert shown["source"] != "mine.png"  # nothing is done that was not asked for
    assert shown["offer"] == [
        "three channels where one is wanted: make it grey: 0.299·R + 0.587·G + 0.114·B"
    ]
    page.page.get_by_role("button", name="Do this").click()
    grey = np.rint(pixels @ [0.299, 0.587, 0.114])[..., None].astype(np.float32) / 255
    shown = page.until("input", lambda i: i["source"] == "mine.png" and i["steps"])
    assert (
        shown["steps"][0] == "grey: grey = 0.299·R + 0.587·G + 0.114·B, rounded 28×28×3 → 28×28×1"
    )
    # Pillow rounds in whole numbers: within a level of this, and so within a little of the output
    run = page.served.network.run(as_network_sees(picture(pixels), "grey"))
    assert np.abs(run["input"] - grey).max() < 1.01 / 255
    says(page, "mine.png", run["input"])


def test_a_picture_of_another_size_is_offered_two_ways(visit: OpenPage) -> None:
    page = visit(networks.digits, "s=input")
    content = picture(colourful(40, 67))
    choose(page, content)
    shown = page.until("input", lambda i: i["offer"])
    assert len(shown["offer"]) == 2
    assert shown["offer"][1].startswith("40×67 pixels where 28×28 are wanted")
    page.page.locator(".cs-offer select").select_option("resize")
    page.page.get_by_role("button", name="Do this").click()
    shown = says(page, "mine.png", as_network_sees(content, "grey", "resize"))
    assert [step.split(":")[0] for step in shown["steps"]] == ["grey", "resize", "divide by 255"]
    page.page.get_by_label("invert it", exact=False).check()
    choose(page, content, "again.png")
    page.until("input", lambda i: i["offer"])
    page.page.get_by_role("button", name="Do this").click()
    seen = as_network_sees(content, "grey", "crop-and-resize", "invert")
    says(page, "again.png", seen)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_dropped_and_pasted_pictures_go_in(visit: OpenPage, way: str) -> None:
    page = visit(networks.digits, "s=input")
    content = digits()["two"].read_bytes()
    page.page.evaluate(
        """([way, text]) => {
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const held = new DataTransfer();
          held.items.add(new File([bytes], `${way}ed.png`, { type: "image/png" }));
          const given = { bubbles: true, cancelable: true };
          if (way === "paste") document.dispatchEvent(new ClipboardEvent("paste", { ...given, clipboardData: held }));
          else document.querySelector(".cs-drop").dispatchEvent(new DragEvent("drop", { ...given, dataTransfer: held }));
        }""",
        [way, base64.b64encode(content).decode()],
    )
    shown = says(page, f"{way}ed.png", as_network_sees(content))
    assert shown["out"][0][0] == "2 dense(2)"


def pad(page: Visit) -> bytes:
    """Return what is on the drawing pad, as a PNG."""
    url = page.page.evaluate('document.querySelector(".cs-pad").toDataURL("image/png")')
    return base64.b64decode(url.partition(",")[2])


def test_a_digit_is_drawn_with_the_mouse(visit: OpenPage) -> None:
    page = visit(networks.digits, "s=input")
    box = page.page.locator(".cs-pad").bounding_box()
    assert box is not None
    mouse = page.page.mouse
    mouse.move(box["x"] + 70, box["y"] + 50)
    mouse.down()
    for x, y in ((150, 50), (110, 120), (90, 190)):
        mouse.move(box["x"] + x, box["y"] + y, steps=5)
    mouse.up()
    steps = ("grey", "crop-and-resize")
    shown = page.until("input", lambda i: i["source"] == "your drawing" and i["out"])
    shown = says(page, "your drawing", as_network_sees(pad(page), *steps))
    assert shown["out"][0][0] == "7 dense(7)"
    page.page.get_by_role("button", name="clear").click()
    assert not np.asarray(Image.open(io.BytesIO(pad(page))).convert("L")).any()


def test_and_with_the_keyboard(visit: OpenPage) -> None:
    page = visit(networks.digits, "s=input")
    keyboard = page.page.keyboard
    page.page.locator(".cs-pad").focus()
    page.keys(*["ArrowUp"] * 10)
    keyboard.down(" ")
    page.keys(*["ArrowDown"] * 20)
    keyboard.up(" ")
    page.until("input", lambda i: i["source"] == "your drawing")
    says(page, "your drawing", as_network_sees(pad(page), "grey", "crop-and-resize"))
    assert page.address.get("s") == "input"


def test_what_is_no_picture_says_so_and_is_forgotten(visit: OpenPage) -> None:
    page = visit(networks.digits, "s=input")
    page.expected.append("400 (Bad Request)")  # a refusal is no fault
    choose(page, b"hello, world", "notes.png")
    shown = page.until("input", lambda i: i["error"])
    assert "notes.png" in shown["error"] and "68 65 6c 6c" in shown["error"]
    assert shown["busy"] == ""
    page.page.evaluate(
        """() => {
          const held = new DataTransfer();
          held.items.add(new File([new Uint8Array(33 << 20)], "large.png", { type: "image/png" }));
          const given = { bubbles: true, cancelable: true, dataTransfer: held };
          document.querySelector(".cs-drop").dispatchEvent(new DragEvent("drop", given));
        }"""
    )
    shown = page.until("input", lambda i: "large.png" in (i["error"] or ""))
    assert shown["error"] == "large.png has 34,603,008 bytes; an image may have at most 33,554,432"
    assert not [url for url in page.urls if "large.png" in url]
    page.page.get_by_role("button", name="five", exact=True).click()
    shown = page.until("input", lambda i: i["source"] == "five.png")
    assert shown["error"] is None


def test_a_grey_picture_for_a_network_of_three_channels(visit: OpenPage) -> None:
    page = visit(networks.photo, "s=input")
    grey = colourful(13, 11)[..., 0]
    choose(page, picture(grey), "grey.png")
    shown = page.until("input", lambda i: i["offer"])
    assert shown["offer"] == [
        "one channel where three are wanted: make it RGB: the same grey three times"
    ]
    page.page.get_by_role("button", name="Do this").click()
    shown = says(page, "grey.png", np.stack([grey.astype(np.float32) / 255] * 3))
    steps = [step.split(":")[0] for step in shown["steps"]]
    assert steps == ["rgb", "channels first", "divide by 255"]


def test_a_network_that_takes_no_picture_says_what_it_takes(visit: OpenPage) -> None:
    page = visit("volumes", "s=input")
    text = page.page.locator(".cs-input").inner_text()
    assert "This network takes cube 5×7×6×3 and sound 13×4, which is no picture" in text
    assert page.page.locator(".cs-pad").count() == 0

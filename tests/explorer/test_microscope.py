"""The microscope: every layer kind, the second layer's pixel, down to the image and up again."""

from __future__ import annotations

import re
import zlib
from decimal import Decimal
from functools import partial
from typing import Any

import networks
import numpy as np
import pytest
from campaigns import often
from screens import OpenPage, Visit, figure
from shown import holds

import convscope as cs

PIXEL = (11, 8, 38)


def position_in(shape: tuple[int, ...], text: str) -> tuple[int, ...]:
    rng = np.random.default_rng(zlib.crc32(text.encode()))
    return tuple(int(rng.integers(size)) for size in shape)


EVERY_KIND = {
    **{f"part {n}": partial(networks.every_kind, n) for n in range(networks.PARTS)},
    "channels first": partial(networks.every_kind, 0, channels_first=True),
    "ONNX": networks.photo,
}


@pytest.mark.parametrize("network", often(EVERY_KIND, "part 0", "channels first", "ONNX"))
def test_every_kind_is_what_python_and_the_engine_say(visit: OpenPage, network: str) -> None:
    page = visit(EVERY_KIND[network])
    page.page.set_viewport_size({"width": 700, "height": 900})  # fewer cards to draw on the way
    served = page.served
    seen = 0
    for name, facts in served.network.graph.facts.items():
        if facts.equation is None or not served.run[name].size:
            continue
        position = position_in(served.run[name].shape, name)
        shown = page.number(name, position)
        try:
            holds(shown, served.run, name, position)
        except AssertionError as error:
            raise AssertionError(f"{name} at {position}: {error}\n{shown}") from error
        seen += 1
    assert seen >= {"channels first": 30, "ONNX": 11}.get(network, 28)


def unfolded(page: Visit) -> Any:
    """Show the small partial sums too, each by itself, and return what stands there."""
    button = page.page.locator(".cs-board-bar button[aria-pressed]").nth(1)
    if button.get_attribute("aria-pressed") == "false":
        button.click()
    return page.read("microscope")


def test_one_pixel_of_the_second_layer_all_maps_in_one_number_out(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=38&y=0&x=0")
    run = page.served.run
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[38] at 0,0 = "))
    box = page.page.locator(".cs-map").bounding_box()
    assert box is not None
    side = box["width"] / 24
    page.page.mouse.click(box["x"] + 8.5 * side, box["y"] + 11.5 * side)
    folded = page.until("microscope", lambda m: m["live"].startswith("conv2d_1[38] at 11,8 = "))
    assert len(folded["tiles"]) == 12 and folded["tiles"][-1][0] == "the other 21 maps"
    holds(folded, run, "conv2d_1", PIXEL)
    column = re.findall(r"(?m)^(map \d+|the other 21 maps) {2}", str(run.trace("conv2d_1", PIXEL)))
    assert [name for name, _ in folded["tiles"]] == column  # the same rows as the command line's
    shown = unfolded(page)
    assert page.address == {"l": "conv2d_1", "o": "38", "y": "11", "x": "8", "m": "real"}
    assert [name for name, _ in shown["tiles"]] == [f"map {n}" for n in range(32)]
    assert (
        shown["reads"]
        == "It reads 3·3·32 = 288 numbers: a 3×3 window of every one of the 32 maps of "
        "conv2d. All 32 go in; one number comes out."
    )
    said = str(run.trace("conv2d_1", PIXEL))  # in the same words
    assert shown["reads"].replace("conv2d", "the input") in " ".join(said.split())
    holds(shown, run, "conv2d_1", PIXEL)
    # a third way, which knows none of our code
    kernel, bias = page.served.network.get_layer("conv2d_1").get_weights()
    window = run["conv2d"][11:14, 8:11].astype(np.float64)
    partial = (window * kernel[..., 38]).sum(axis=(0, 1))
    digits = Decimal(shown["tiles"][0][1][1:]).as_tuple().exponent
    assert isinstance(digits, int)
    np.testing.assert_allclose(
        [float(figure(value)) for _, value in shown["tiles"]], partial, atol=1.01 * 10**digits
    )
    before = partial.sum() + bias[38]
    assert before > 0.1
    assert shown["activations"] == ["relu"]
    assert float(figure(shown["output"])) == pytest.approx(max(before, 0), abs=10**digits)
    assert page.page.locator(".cs-fall").get_attribute("aria-label") == (
        f"A waterfall of 33 numbers that end at {dict(shown['steps'])['pre-activation']}; "
        f"the table below has each"
    )


def test_the_table_says_the_same_and_adds_up_row_by_row(visit: OpenPage) -> None:
    page = visit("digits")
    page.number("conv2d_1", PIXEL)
    shown = unfolded(page)
    page.page.get_by_text("The same as a table").click()
    found = page.until("microscope", lambda m: m["table"])
    head, *rows, foot = found["table"]
    assert head == ["from", "partial sum", "so far"]
    so_far = Decimal(0)
    for name, part, after in rows:
        so_far += figure(part)
        assert so_far == figure(after), name
    assert [row[0] for row in rows] == [f"map {n}" for n in range(32)] + ["bias"]
    assert [row[1] for row in rows[:32]] == [value for _, value in shown["tiles"]]
    assert figure(foot[1]) == so_far == figure(dict(shown["steps"])["pre-activation"])


def test_numbers_beyond_twenty_decimals_are_shown_in_a_unit(visit: OpenPage) -> None:
    def made() -> tuple[Any, ...]:
        net = cs.Sequential([cs.Input((6, 5, 2)), cs.Conv2D(3, (2, 3), name="faint")], seed=4)
        kernel, bias = net.get_layer("faint").get_weights()
        net.get_layer("faint").set_weights([kernel * np.float32(1e-26), bias])
        return net, np.random.default_rng(6).uniform(0.2, 1, (6, 5, 2)).astype(np.float32)

    page = visit(made)
    shown = page.number("faint", (3, 1, 2))
    texts = [*(value for _, value in shown["tiles"]), shown["output"]]
    *parts, whole = [figure(text.removesuffix("·10⁻²⁷")) for text in texts]
    assert all("·10⁻²⁷" in text for text in texts) and sum(parts) == whole
    engine = float(page.served.run["faint"][3, 1, 2])
    assert float(whole) * 1e-27 == pytest.approx(engine, rel=1e-5)
    assert dict(shown["steps"])["2 partial sums"] == shown["output"]


def test_a_number_that_reads_more_than_a_call_takes(visit: OpenPage) -> None:
    inputs = 150_001

    def made() -> tuple[Any, ...]:
        net = cs.Sequential([cs.Input((inputs,)), cs.Dense(2, name="wide")], seed=4)
        return net, np.linspace(-1, 1, inputs, dtype=np.float32)

    shown = visit(made).number("wide", (1,))
    assert shown["reads"].startswith(f"It reads {inputs:,} numbers of ")
    assert shown["tiles"][-1][0] == f"the other {inputs - 11:,} inputs"


def test_of_many_maps_the_largest_and_a_rest_that_still_adds_up(visit: OpenPage) -> None:
    page = visit("branches")
    for layer, position, count, one in (
        ("gathers", (3, 2, 1), 70, "map"),
        ("classes", (5,), 160, "input"),
    ):
        page.number(layer, position)
        shown = unfolded(page)
        names = [name for name, _ in shown["tiles"]]
        assert len(names) == 64
        assert names[-1] == f"the other {count - 63} {one}s"
        holds(shown, page.served.run, layer, position)
        groups = page.served.run.trace(layer, position).facts.ledger.groups
        sums = np.abs(np.asarray(groups.partials))
        kept = {int(name.split(":")[0].split()[-1]) for name in names[:-1]}
        largest = np.argsort(-sums, kind="stable")[:63]
        assert kept == {int(channel) for channel in np.asarray(groups.channels)[largest]}


def test_padding_is_hatched_and_counted(visit: OpenPage) -> None:
    page = visit("branches")
    shown = page.number("stem", (0, 5, 4))
    run = page.served.run
    kernel = page.served.network.get_layer("stem").get_weights()[0]
    rows, columns = np.meshgrid(np.arange(-1, 2), np.arange(14, 19), indexing="ij")
    outside = (rows < 0) | (columns >= 17)
    holds(shown, run, "stem", (0, 5, 4))
    assert f" {outside.sum() * 3} of them lie in the padding (hatched)." in shown["reads"]
    window, weights, products = shown["lens"]["parts"]
    assert [text.startswith("[") for text in window] == outside.ravel().tolist()
    assert shown["lens"]["outside"] == [text for text in window if text.startswith("[")]
    assert all(figure(text) == 0 for text in shown["lens"]["outside"])
    channel = int(shown["lens"]["caption"].split()[1])
    np.testing.assert_allclose(
        [float(figure(t)) for t in weights], kernel[:, :, channel, 4].ravel(), atol=5.1e-6
    )
    padded = np.pad(run["picture"], ((1, 9), (1, 9), (0, 0)))[0:3, 15:20, channel]
    np.testing.assert_allclose([float(figure(t)) for t in window], padded.ravel(), atol=5.1e-6)
    assert all(figure(p) == 0 for p, w in zip(products, window, strict=True) if "[" in w)
    style = "e => getComputedStyle(e).backgroundImage"
    hatched = page.page.locator(".cs-figure-cell.cs-outside").first.evaluate(style)
    assert "repeating-linear-gradient" in hatched


def test_a_maximum_says_which_is_the_largest(visit: OpenPage) -> None:
    page = visit("digits")
    shown = page.number("max_pooling2d", (4, 3, 7))
    block = page.served.run["conv2d_1"][8:10, 6:8, 7]
    assert shown["steps"][0][0] == "largest of 4"
    (window,) = shown["lens"]["parts"]
    np.testing.assert_allclose([float(figure(t)) for t in window], block.ravel(), atol=5.1e-6)
    assert {figure(t) for t in shown["lens"]["largest"]} == {max(map(figure, window))}
    assert figure(shown["lens"]["end"].split()[-1]) == figure(shown["output"])


def test_down_to_the_image_with_the_mouse_and_up_again(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=38&y=11&x=8")
    shown = page.until("microscope", lambda m: m["engine"] and m["lens"])
    channel = int(shown["lens"]["caption"].split()[1])
    page.page.locator(".cs-lens button.cs-figure-cell").nth(5).click()  # row 1, column 2
    below = page.until(
        "microscope", lambda m: m["live"].startswith(f"conv2d[{channel}] at 12,10 = ")
    )
    assert figure(shown["lens"]["parts"][0][5]) == figure(below["engine"]).quantize(
        figure(shown["lens"]["parts"][0][5])
    )
    holds(below, page.served.run, "conv2d", (12, 10, channel))
    page.page.locator(".cs-lens button.cs-figure-cell").nth(6).click()  # row 2, column 0
    image = page.until("microscope", lambda m: m["live"].startswith("input(14, 10, 0) = "))
    value = page.served.run["input"][14, 10, 0]
    assert np.float32(float(figure(image["output"]))) == value
    assert f"It is {round(float(value) * 255)} ÷ 255." in image["reads"]
    assert image["equation"] == "" and image["lens"] is None
    page.keys("Escape")
    again = page.until(
        "microscope", lambda m: m["live"].startswith(f"conv2d[{channel}] at 12,10 = ")
    )
    assert again["equation"] == below["equation"] != ""
    page.keys("Escape")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[38] at 11,8 = "))
    assert page.address == {"l": "conv2d_1", "o": "38", "y": "11", "x": "8", "m": "real"}
    unfolded(page)
    # a click on a tile's map goes down to the middle of its window
    page.page.locator(".cs-tile").nth(21).click(position={"x": 20, "y": 20})
    page.until("microscope", lambda m: m["live"].startswith("conv2d[21] at 12,9 = "))


def test_hovering_shows_a_number_and_leaving_takes_it_back(visit: OpenPage) -> None:
    page = visit("digits")
    page.number("conv2d_1", PIXEL)
    before = page.address
    box = page.page.locator(".cs-map").bounding_box()
    assert box is not None
    side = box["width"] / 24
    asked = len(page.asked)
    page.page.mouse.move(box["x"] + 3.5 * side, box["y"] + 20.5 * side)
    shown = page.until("microscope", lambda m: m["live"].startswith("conv2d_1[38] at 20,3 = "))
    holds(shown, page.served.run, "conv2d_1", (20, 3, 38))
    assert page.address == before
    assert not [q for q in page.asked[asked:] if q["ask"] == "values"]  # no round trip
    page.page.mouse.move(5, 5)
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[38] at 11,8 = "))


def test_a_tile_and_a_term_are_lit_wherever_they_are_seen(visit: OpenPage) -> None:
    page = visit("digits")
    page.number("conv2d_1", PIXEL)
    shown = unfolded(page)
    page.page.locator(".cs-tile").nth(17).hover()
    lit = page.until("microscope", lambda m: m["lens"]["caption"].startswith("map 17 of conv2d"))
    assert figure(lit["lens"]["end"].split()[-1]) == figure(shown["tiles"][17][1])
    assert page.page.locator(".cs-term.cs-lit").all_text_contents()[0].startswith("in[")
    page.page.locator(".cs-term", has_text="bias").hover()
    assert page.page.locator(".cs-term.cs-lit").all_text_contents() == ["bias[o]"]


def test_steppers_and_the_picker_choose_positions(visit: OpenPage) -> None:
    page = visit("digits")
    page.number("conv2d_1", PIXEL)
    page.page.locator(".cs-steppers").get_by_label("row").fill("13")
    page.keys("Enter")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[38] at 13,8 = "))
    page.page.locator(".cs-steppers input").nth(2).fill("99999")  # beyond: the last
    page.keys("Enter")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[63] at 13,8 = "))
    page.page.locator(".cs-picker canvas").click(position={"x": 4, "y": 4})
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[0] at 13,8 = "))


@pytest.mark.parametrize(("layer", "source"), [("volume", "cube"), ("signal", "sound")])
def test_volumes_and_signals_are_walked_through(visit: OpenPage, layer: str, source: str) -> None:
    page = visit("volumes")
    run = page.served.run
    last = tuple(size - 1 for size in run[layer].shape)
    shown = page.number(layer, last)
    assert page.page.locator(".cs-steppers input").count() == len(last)
    holds(shown, run, layer, last)
    page.page.locator(".cs-lens button.cs-figure-cell").nth(1).click()
    below = page.until("microscope", lambda m: m["live"].startswith(source))
    seen = figure(shown["lens"]["parts"][0][1])
    assert figure(below["output"]).quantize(seen) == seen
    page.keys("Escape")
    up = page.sentence(layer, last)
    page.until("microscope", lambda m: m["live"].startswith(up))


def test_windows_of_any_rank_in_words(visit: OpenPage) -> None:
    page = visit("shapes")
    for layer, position, words in (
        ("signal", (3, 2), "a window of 3 of every one of the 4 maps of sound"),
        ("volume", (1, 2, 3, 1), "a 2×3×2 window of every one of the 3 maps of cube"),
        ("enlarged", (4, 5, 2), "fall between its numbers, where the stride leaves gaps (hatched)"),
        ("enlarged", (0, 0, 2), "lie beyond its edge (hatched)"),
    ):
        shown = page.number(layer, position)
        assert words in shown["reads"], layer
        assert "padding" not in shown["reads"] or layer == "signal"


def test_a_volume_is_drawn_plane_by_plane_and_a_row_of_maps_of_one_number_as_bars(
    visit: OpenPage,
) -> None:
    page = visit("shapes")
    page.number("volume", (1, 2, 3, 1))
    caption = page.page.locator(".cs-output .cs-caption")
    assert caption.inner_text() == "map 1 of volume, 4 planes of 5×5"
    labels = page.page.locator(".cs-steppers label span:first-child")
    assert [text.split()[0] for text in labels.all_inner_texts() if text[0] in "prcm"][:4] == [
        "plane", "row", "column", "map",
    ]  # fmt: skip
    page.number("squeezed", (0, 0, 4))
    assert caption.inner_text() == "squeezed: 1×1×9"
    assert page.page.locator(".cs-steppers label").count() == 1
    width = page.page.locator(".cs-map").evaluate("c => c.clientWidth / c.clientHeight")
    assert width > 2  # nine bars beside one another


def test_a_click_on_any_plane_of_a_volume_finds_its_number(visit: OpenPage) -> None:
    """Four planes of 5×5 stand two by two: 250 pixels for ten numbers along each side."""
    page = visit("shapes")
    page.number("volume", (1, 2, 3, 1))
    for plane, row, column in ((0, 4, 0), (1, 0, 4), (3, 2, 1)):
        at = {"x": 25 * (plane % 2 * 5 + column) + 12, "y": 25 * (plane // 2 * 5 + row) + 12}
        page.page.locator(".cs-map").click(position=at)  # type: ignore[arg-type]
        wanted = page.sentence("volume", (plane, row, column, 1))
        page.until("microscope", lambda m, wanted=wanted: m["live"].startswith(wanted))


THREAD = """() => {
  const box = document.querySelector(".cs-thread").parentElement.getBoundingClientRect();
  const map = document.querySelector(".cs-map").getBoundingClientRect();
  const numbers = document.querySelector(".cs-thread path").getAttribute("d").match(/[-\\d.]+/g).map(Number);
  return [(numbers.at(-1) + box.left - map.left) / map.width * 24, (numbers.at(-2) + box.top - map.top) / map.height * 24,
    getComputedStyle(document.querySelector(".cs-thread")).visibility];
}"""


def test_a_thread_leads_from_what_comes_out_to_its_pixel(visit: OpenPage) -> None:
    page = visit("digits")
    page.number("conv2d_1", (15, 17, 7))
    column, row, seen = page.page.evaluate(THREAD)
    assert (round(column, 1), round(row, 1), seen) == (17.5, 15.5, "visible")
    page.keys("ArrowDown", "ArrowLeft")
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[7] at 16,16 "))
    column, row, _ = page.page.evaluate(THREAD)
    assert (round(column, 1), round(row, 1)) == (16.5, 16.5)
    curve = page.page.get_by_role("img", name="relu as a curve")
    assert curve.count() == 1
    page.page.get_by_role("button", name="Add one more").click()  # half of a sum comes out nowhere
    assert page.page.evaluate(THREAD)[2] == "hidden"
    page.number("dense", (7,))  # softmax is no curve of one number
    assert page.page.locator(".cs-act canvas").count() == 0


def unfinished() -> tuple[Any, ...]:
    """A weight that is no number, where the window's corner lies in the padding."""
    layer = cs.Conv2D(2, 3, padding="same", input_shape=(5, 6, 3), name="conv")
    network = networks.drawn(cs.Sequential([layer], name="unfinished"))
    kernel, bias = layer.get_weights()
    kernel[0, 0, 1, 1] = np.nan
    layer.set_weights([kernel, bias])
    return network, networks.image(5, 6, 3)


def test_a_weight_that_is_no_number_around_padding_and_in_the_funnel(visit: OpenPage) -> None:
    page = visit(unfinished)
    shown = page.number("conv", (0, 0, 1))
    words = "A weight that is no finite number meets their zeros there, which makes NaN"
    assert shown["output"] == "NaN" and words in shown["reads"]
    assert np.isfinite(float(figure(shown["engine"])))
    assert [value for _, value in shown["tiles"]][1] == "NaN"
    inside = page.number("conv", (2, 3, 1))
    assert inside["output"] == inside["engine"] == "NaN" and words not in inside["reads"]
    assert words not in page.number("conv", (0, 0, 0))["reads"]
    for _ in range(3):
        page.page.get_by_role("button", name="Add one more").click()
    hint = page.page.get_by_text("3 partial sums")
    hint.focus()
    style = "e => getComputedStyle(e, '::after').content"
    assert "its window times its slice" in hint.evaluate(style)


def digits() -> tuple[Any, ...]:
    """Return a network whose layers are named by bare numbers, as PyTorch's containers name theirs."""
    layers = [cs.Conv2D(4, 3, input_shape=(9, 10, 2), name="0"), cs.Conv2D(5, 2, name="1")]
    return cs.Sequential(layers), np.random.default_rng(3).random((9, 10, 2), np.float32)


def test_a_layer_named_by_a_number_is_said_to_be_one(visit: OpenPage) -> None:
    page = visit(digits)
    shown = page.number("1", (2, 3, 4))
    assert shown["title"].startswith("One number of layer 1: ")
    assert "every one of the 4 maps of layer 0." in page.page.inner_text(".cs-screen")
    assert page.page.get_by_text("map 4 of layer 1, 6×7").count()
    trace = page.served.run.trace("1", (2, 3, 4))
    assert str(trace).startswith("One number of layer 1 (Conv2D)")

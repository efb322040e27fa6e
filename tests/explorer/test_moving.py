"""What moves: the sliding window, the way down and back, the finder, edits in the address."""

from __future__ import annotations

import networks
import numpy as np
import pytest
from screens import OpenPage, figure

import convscope as cs


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
    # paused by the page itself in the moment when it is there: a hand may come when all has been gone over
    page.page.evaluate("""async () => {
      await reader.until("microscope", ({ title }) => Number(/row (\\d+)/.exec(title)[1]) > 8);
      document.querySelector("[aria-label='Slide the window over the maps']").click();
    }""")
    assert 8 < int(page.address["y"]) < 24
    # what it has not come to is not drawn: the last row is of one colour
    row = """c => { const p = c.getContext("2d").getImageData(0, c.height - 4, c.width, 1).data;
      return new Set(Array.from({length: c.width}, (_, n) => p.slice(4 * n, 4 * n + 3).join())).size }"""
    assert page.page.locator(".cs-map").evaluate(row) == 1
    slide.get_by_role("button", name="Show the whole map").click()
    page.until(lambda: page.page.locator(".cs-map").evaluate(row) > 1)


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
    link = page.url.partition("#")[2]
    assert page.address["w"] == '[["stem","strides",[3,3]]]'
    page.page.get_by_role("spinbutton", name="filters").fill("7")
    shown = page.until("whatif", lambda w: w["error"])
    assert len(shown["rows"]) > 5
    other = visit("branches", link)
    again = other.until("whatif", lambda w: w["edits"])
    assert again["edits"] == ["stem.strides=3,3"]
    other.until("whatif", lambda w: any(isinstance(c, list) for row in w["rows"] for c in row))
    assert other.page.get_by_role("spinbutton", name="strides 1").input_value() == "3"


SOME = """() => { const c = document.querySelector(".cs-curves");
  const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  const seen = { orange: 0, blue: 0 };
  for (let n = 0; n < p.length; n += 4) {
    if (p[n + 3] > 150) seen[p[n] > p[n + 2] ? "orange" : "blue"]++;
  }
  return seen; }"""
"""How many pixels of the curves are strong, by their colour."""


def test_maps_are_added_one_by_one_and_come_to_the_number(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=5&y=13&x=12")
    page.page.emulate_media(reduced_motion="reduce")
    shown = page.until("microscope", lambda m: m["live"].startswith("conv2d_1[5] at 13,12 = "))
    whole = page.page.evaluate(SOME)
    assert min(whole.values()) > 200  # sums of both signs come in
    step = page.page.get_by_role("button", name="Add one more")
    parts = [figure(value) for _, value in shown["tiles"]]
    before: dict[str, int] = {"orange": 0, "blue": 0}
    for count in range(1, 13):
        step.click()
        steps = dict(page.read("microscope")["steps"])
        assert figure(steps["32 partial sums"]) == sum(parts[:count])
        assert steps["bias"] == steps["pre-activation"] == steps["output"] == "…"
        now = page.page.evaluate(SOME)
        colour = "blue" if parts[count - 1] < 0 else "orange"
        assert now[colour] > before[colour] or count > 6  # curves lie over one another
        before = now
    assert page.page.locator(".cs-tile.cs-later").count() == 0
    page.keys("p")  # whoever wants no motion goes step by step
    steps = dict(page.read("microscope")["steps"])
    assert (
        steps["pre-activation"] == dict(shown["steps"])["pre-activation"] and steps["output"] == "…"
    )
    page.keys("p")
    assert page.read("microscope")["steps"] == shown["steps"]
    assert not page.page.get_by_role("button", name="Show the whole sum").is_visible()
    page.page.emulate_media(reduced_motion="no-preference")
    page.page.get_by_role("combobox", name="Adding up: how quickly").select_option("12")
    page.page.get_by_role("button", name="Add up, one by one").click()
    page.page.locator(".cs-tile.cs-later").first.wait_for()
    page.until("microscope", lambda m: m["steps"] == shown["steps"])


def test_curves_and_tiles_light_one_another_and_sort(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=5&y=13&x=12")
    shown = page.until("microscope", lambda m: m["live"].startswith("conv2d_1[5] at 13,12 = "))
    tile = page.page.locator(".cs-tile").nth(3)
    box = tile.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + box["width"] + 4, box["y"] + box["height"] / 2)  # its curve
    lit = page.page.locator(".cs-tile.cs-lit .cs-tile-name")
    lit.wait_for()
    assert (
        lit.inner_text() == shown["tiles"][3][0] == page.read("microscope")["lens"]["caption"][:5]
    )
    page.page.mouse.click(box["x"] + box["width"] + 4, box["y"] + box["height"] / 2)
    page.page.mouse.move(5, 5)
    assert page.read("microscope")["lens"]["caption"].startswith(f"{shown['tiles'][3][0]} of")
    page.page.get_by_role("button", name="largest first").click()
    *largest, rest = page.read("microscope")["tiles"]
    sizes = [abs(figure(value)) for _, value in largest]
    assert sizes == sorted(sizes, reverse=True) and rest[0] == "the other 21 maps"
    assert sorted(largest) == sorted(map(list, shown["tiles"][:-1]))


def test_the_funnel_of_one_map_of_a_group_of_a_signal_and_of_a_volume(visit: OpenPage) -> None:
    """Curves begin at the tiles and end at the sum, at any width; few maps stand one by one."""
    pages = {network: visit(network) for network in ("digits", "volumes", "groups")}
    for network, layer, at, tiles in (
        ("digits", "conv2d", (12, 14, 1), 1),
        ("volumes", "volume", (0, 0, 0, 0), 3),
        ("volumes", "signal", (0, 0), 4),
        ("groups", "conv2d", (2, 2, 3), 7),
        ("digits", "max_pooling2d", (8, 7, 7), 1),
    ):
        page = pages[network]
        for width in (1280, 700, 390):
            page.page.set_viewport_size({"width": width, "height": 800})
            shown = page.number(layer, at)
            page.settle()
            assert len(shown["tiles"]) == tiles
            first, curves, sigma = (
                page.page.locator(one).first.bounding_box()
                for one in (".cs-tile", ".cs-curves", ".cs-sigma")
            )
            assert first and curves and sigma
            assert abs(curves["x"] - first["x"] - first["width"]) < 2
            assert curves["y"] - 1 <= first["y"]
            assert curves["x"] + curves["width"] >= sigma["x"] - 1
            assert curves["y"] + curves["height"] >= sigma["y"]
            assert page.read("overflow") == 0


def test_the_image_is_in_view_with_what_the_number_sees(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=7&y=15&x=17")
    image = page.page.locator(".cs-image canvas")
    page.page.get_by_text("sees 5×5").wait_for()
    label = "The image; this number sees its rows 15 to 19 and columns 17 to 21"
    assert image.get_attribute("aria-label") == label
    page.page.set_viewport_size({"width": 390, "height": 700})
    page.page.locator(".cs-tile").nth(9).scroll_into_view_if_needed()
    page.page.locator(".cs-tile").nth(9).click(position={"x": 150, "y": 9})
    page.settle()
    for one in (image, page.page.locator(".cs-lens"), page.page.locator(".cs-tile").nth(9)):
        box = one.bounding_box()
        assert box and box["y"] >= 0 and box["y"] + box["height"] <= 700, one
    page.page.set_viewport_size({"width": 1280, "height": 900})
    page.number("dense", (7,))
    assert page.page.locator(".cs-image figcaption").inner_text() == "sees 28×28"
    image.click(position={"x": 45, "y": 19})
    page.until("microscope", lambda m: m["live"].startswith("input(7, 17, 0) = "))


def enlarged() -> tuple[object, ...]:
    picture = cs.Input((7, 9, 3), name="picture")
    up = cs.UpSampling2D(3, name="up")(picture)
    out = cs.Conv2D(4, 3, name="out")(up)
    return networks.drawn(cs.Model(picture, out, name="enlarged")), networks.image(7, 9, 3)


def test_behind_an_up_sampling_the_host_says_what_a_number_sees(visit: OpenPage) -> None:
    page = visit(enlarged)
    graph = page.served.network.graph
    seen = set()
    for at in ((3, 4, 1), (4, 5, 1), (0, 15, 2)):
        page.number("out", at)
        rows, columns = graph.patch("out", at)
        first, last = max(rows[0], 0), min(rows[1], 6)
        words = f"rows {first} to {last} and columns {max(columns[0], 0)} to {min(columns[1], 8)}"
        page.page.locator(f".cs-image canvas[aria-label*='{words}']").wait_for()
        seen.add((rows[1] - rows[0], columns[1] - columns[0]))
    assert len(seen) > 1  # no two need be alike


def test_a_dense_layers_inputs_are_heat_over_the_maps_that_fed_it(visit: OpenPage) -> None:
    page = visit("digits")
    page.number("dense", (7,))
    heat = page.page.locator(".cs-heat canvas")
    heat.wait_for()
    run, network = page.served.run, page.served.network
    kernel = network.get_layer("dense").get_weights()[0]
    parts = (run["flatten"].astype(np.float64) * kernel[:, 7]).reshape(12, 12, 64)
    where = np.unravel_index(np.abs(parts).argmax(), parts.shape)
    row, column, map_ = map(int, where)
    box = heat.bounding_box()
    assert box is not None
    across = round((box["width"] + 2) / 26)
    x = (map_ % across) * 26 + column * 2 + 1
    y = (map_ // across) * 26 + row * 2 + 1
    page.page.mouse.move(box["x"] + x, box["y"] + y)
    caption = page.page.locator(".cs-heat figcaption, .cs-heat .cs-caption")
    words = f"max_pooling2d({row}, {column}, {map_}) adds "
    page.page.get_by_text(words).wait_for()
    said = caption.inner_text().split(" adds ")[1]
    assert float(figure(said)) == pytest.approx(parts[where], abs=1e-5)
    page.page.mouse.click(box["x"] + x, box["y"] + y)
    page.until(
        "microscope", lambda m: m["live"].startswith(f"max_pooling2d[{map_}] at {row},{column}")
    )


def normalised() -> tuple[object, ...]:
    picture = cs.Input((3, 4, 14), name="picture")
    norm = cs.LayerNormalization(name="norm")(picture)
    soft = cs.Softmax(name="soft")(picture)
    return networks.drawn(cs.Model(picture, [norm, soft], name="normalised")), networks.image(
        3, 4, 14
    )


def test_softmax_and_layer_normalisation_open_too(visit: OpenPage) -> None:
    page = visit(normalised)
    numbers = page.served.run["picture"][1, 2].astype(np.float64)
    found = {}
    for layer in ("norm", "soft"):
        page.number(layer, (1, 2, 5))
        for section in page.page.locator(".cs-inner").all():
            name = str(section.get_attribute("aria-label"))
            total = figure(section.locator(".cs-step-value").inner_text())
            tiles = [
                figure(t)
                for t in section.locator(".cs-tile-value").all_inner_texts()
                if t != "none larger"
            ]
            assert "max" in name or sum(tiles) == total
            assert len(tiles) in (11, 12)
            found[name] = float(total)
    shifted = np.exp(numbers - numbers.max())
    assert found == pytest.approx({
        "μ = mean of 14 numbers": numbers.mean(),
        "σ² = mean of 14 numbers": numbers.var(),
        "top = max of 14 numbers": numbers.max(),
        "Σ of 14 numbers": shifted.sum(),
    }, abs=1e-5)  # fmt: skip

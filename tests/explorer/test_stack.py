"""The stack: every layer's maps and figures; only what is in view is asked for."""

from __future__ import annotations

import threading
from typing import Any

import networks
import numpy as np
import pytest
from screens import OpenPage, Visit
from work import PATIENCE


def row(page: Visit, layer: str) -> Any:
    """Return a layer's row as a locator."""
    return page.page.locator(f'.cs-row[aria-label="{layer}"]')


def order_of(page: Visit, layer: str) -> list[int]:
    """Return the maps of a layer in the order in which they are drawn, from its table."""
    found = page.until("stack", lambda rows: next(r for r in rows if r["name"] == layer)["table"])
    table = next(r for r in found if r["name"] == layer)["table"]
    return [int(cells[0]) for cells in table[1:]]


def times(shape: Any) -> str:
    return "×".join(map(str, shape))


def test_each_layer_has_the_figures_of_the_summary(visit: OpenPage) -> None:
    page = visit("branches", "s=stack")
    rows = {r["name"]: r for r in page.until("stack", lambda rows: len(rows) == 10)}
    for layer in page.served.network.facts().to_dict()["layers"]:
        shown = rows[layer["name"]]
        assert shown["kind"] == layer["kind"]
        wanted = {"output": times(layer["output_shape"][1:])}
        if layer["weights"]:
            wanted["weights"] = ", ".join(f"{n} {times(s)}" for n, s in layer["weights"].items())
            wanted["parameters"] = f"{layer['params']:,}"
        if layer["macs"]:
            wanted["MACs"] = f"{layer['macs']:,}"
        field = layer["receptive_field"]
        if field:
            stride = "" if all(s in (1, None) for s in field["stride"]) else "stride"
            seen = shown["facts"].pop("sees")
            assert seen.startswith(f"{times(field['size'])} pixels") and stride in seen
        assert shown["facts"] == wanted


def test_branches_are_drawn_as_branches(visit: OpenPage) -> None:
    page = visit("branches")
    cards = page.page.locator(".cs-card")
    places = {
        str(card.get_attribute("aria-label")).split(",")[0]: card.bounding_box()
        for card in cards.all()
    }
    columns = {name: box["x"] for name, box in places.items() if box}
    assert columns["picture"] < columns["stem"] < columns["grouped"] < columns["sum"]
    assert columns["narrow"] < columns["both"] < columns["wide"] < columns["gathers"]
    # a line from each layer to each that reads it; the shortcut and the concatenation have one more
    graph = page.served.network.graph
    assert page.page.locator(".cs-wire").count() == sum(len(n.inputs) for n in graph.nodes.values())


def test_a_click_on_a_map_opens_the_microscope_there(visit: OpenPage) -> None:
    page = visit("branches", "s=stack&l=narrow")
    canvas = row(page, "narrow").locator("canvas")
    page.until("stack", lambda rows: next(r for r in rows if r["name"] == "narrow")["drawn"])
    canvas.hover(position={"x": 3, "y": 3})
    run = page.served.run
    found = page.until(
        "stack", lambda rows: next(r for r in rows if r["name"] == "narrow")["under"]
    )
    under = next(r for r in found if r["name"] == "narrow")["under"]
    assert under.startswith("narrow(0, 0, 0) = ")
    shown = float(under.split("= ")[1].replace("−", "-"))
    np.testing.assert_allclose(shown, run["narrow"][0, 0, 0], atol=1e-4)
    # 11×6 numbers a map, each drawn 10 pixels wide, 3 between maps: map 1, row 4, column 2
    canvas.click(position={"x": 6 * 10 + 3 + 25, "y": 45})
    page.until("microscope", lambda m: m["live"].startswith("narrow[1] at 4,2 = "))
    page.keys("Escape")
    assert page.until("tab", lambda tab: tab == "Stack")


def test_maps_are_sorted_by_energy_and_by_contribution(visit: OpenPage) -> None:
    page = visit("branches", "s=stack&l=gathers&o=2&y=4&x=1")
    run = page.served.run
    wide = row(page, "wide")
    wide.locator("summary").click()
    page.until("stack", lambda rows: order_of(page, "wide") == list(range(64)))
    page.page.get_by_label("Sort maps by").select_option("energy")
    energy = np.square(run["wide"].astype(np.float64)).mean(axis=(0, 1))
    wanted = np.lexsort((np.arange(70), -energy))[:64].tolist()
    page.until("stack", lambda rows: order_of(page, "wide") == wanted)
    assert page.address["sort"] == "energy"
    page.page.get_by_label("Sort maps by").select_option("contribution")
    kernel = page.served.network.get_layer("gathers").get_weights()[0][..., 2]
    padded = np.pad(run["wide"], ((1, 1), (0, 1), (0, 0)))[4:7, 1:3].astype(np.float64)
    share = (padded * kernel).sum(axis=(0, 1))
    wanted = np.lexsort((np.arange(70), -abs(share)))[:64].tolist()
    page.until("stack", lambda rows: order_of(page, "wide") == wanted)
    assert "adds to gathers at (4, 1, 2)" in page.page.locator(".cs-note").first.inner_text()
    wide.get_by_role("button", name="all 70 maps").click()
    wanted = np.lexsort((np.arange(70), -abs(share))).tolist()
    page.until("stack", lambda rows: order_of(page, "wide") == wanted)


def test_the_order_that_was_chosen_last_stays(
    visit: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what the one before is made from comes later."""
    page = visit(networks.branches, "s=stack&l=wide")
    page.until("stack", lambda rows: next(r["drawn"] for r in rows if r["name"] == "wide"))
    page.settle()
    go, answer = threading.Event(), page.served.host.answer

    def late(question: Any, body: bytes | None = None) -> Any:
        if question["ask"] == "maps":
            go.wait(PATIENCE)
        return answer(question, body)

    monkeypatch.setattr(page.served.host, "answer", late)
    sort = page.page.get_by_label("Sort maps by")
    sort.select_option("energy")
    page.until(lambda: page.asked_for("maps"))
    sort.select_option("index")
    page.until(lambda: "sort" not in page.address)
    go.set()
    row(page, "wide").locator("summary").click()
    page.until("stack", lambda rows: next(r for r in rows if r["name"] == "wide")["table"])
    page.settle()
    assert order_of(page, "wide") == list(range(64))


def test_layers_are_filtered_and_maps_that_are_all_zero_left_out(visit: OpenPage) -> None:
    page = visit("branches", "s=stack")
    page.page.get_by_label("Filter layers by name or kind").fill("conv2d")
    kinds = {r["kind"] for r in page.until("stack", lambda rows: len(rows) == 5)}
    assert kinds == {"Conv2D"}
    page.page.get_by_label("Filter layers by name or kind").fill("nobody")
    page.until("stack", lambda rows: rows == [])
    assert "No layer of this network has that" in page.page.locator(".cs-rows").inner_text()
    page.page.get_by_label("Filter layers by name or kind").fill("wide")
    page.until("stack", lambda rows: len(rows) == 1)
    page.page.get_by_label("only maps that are not all zero").check()
    active = (page.served.run["wide"] != 0).any(axis=(0, 1))
    row(page, "wide").locator("summary").click()
    wanted = np.flatnonzero(active)[:64].tolist()
    page.until("stack", lambda rows: order_of(page, "wide") == wanted)


def test_of_400_layers_only_those_in_view_are_asked_for(visit: OpenPage) -> None:
    page = visit("deep", "s=stack&l=conv2d_3&o=1&y=2&x=3")
    page.until("stack", lambda rows: len(rows) >= 60)
    page.settle()
    asked = {q["layer"] for q in page.asked_for("tiles")}
    assert 3 < len(asked) < 60
    assert len(page.read("stack")) < 401
    # far away: that layer's row and its card, without those on the way
    page.go("s=stack&l=conv2d_300&o=1&y=2&x=3")
    page.until("stack", lambda rows: any(r["name"] == "conv2d_300" for r in rows))
    page.until(lambda: "conv2d_300" in {q["layer"] for q in page.asked_for("tiles")})
    page.settle()
    assert len({q["layer"] for q in page.asked_for("tiles")}) < 200
    box = row(page, "conv2d_300").bounding_box()
    assert box is not None and -20 <= box["y"] < 900
    assert page.page.locator(".cs-card").count() < 40
    # the ribbon follows what is scrolled into view
    assert page.page.locator(".cs-card[aria-current]").inner_text().startswith("conv2d_300")


def test_2048_maps_come_by_page(visit: OpenPage) -> None:
    page = visit("deep", "s=stack&l=many&o=5&y=1&x=1")
    wide = row(page, "many")
    wide.get_by_role("button", name="all 2,048 maps").wait_for()

    def asked() -> list[Any]:
        return [q["maps"] for q in page.asked_for("tiles") if q["layer"] == "many"]

    page.settle()
    assert max(map(len, asked())) == 64
    wide.get_by_role("button", name="all 2,048 maps").click()
    wide.get_by_role("button", name="fewer").wait_for()
    page.until(lambda: max(map(len, asked())) == 2048)
    page.page.get_by_label("Sort maps by").select_option("energy")
    wide.locator("summary").click()
    energy = np.square(page.served.run["many"].astype(np.float64)).mean(axis=(0, 1))
    wanted = np.lexsort((np.arange(2048), -energy))[:256].tolist()
    page.until("stack", lambda rows: order_of(page, "many") == wanted)
    # the last of them is there to be clicked
    before = len(page.asked)
    shown = page.number("last", (5, 3, 2))
    assert shown["tiles"][-1][0] == "the other 2,037 maps"
    assert len([q for q in page.asked[before:] if q["ask"] == "tiles"]) < 40


def test_planes_of_a_volume_stand_beside_one_another(visit: OpenPage) -> None:
    """Each number is where the pointer finds it: the larger it is, the brighter its place."""
    page = visit("volumes", "s=stack&l=volume&c=grey")
    for layer, beside in (("cube", 5), ("volume", 2)):
        values = np.asarray(page.served.run[layer], float)
        depth, rows, columns, _ = values.shape
        page.until(
            "stack", lambda rows, of=layer: next(r["drawn"] for r in rows if r["name"] == of)
        )
        sheet = page.page.locator(f"article[aria-label={layer}] canvas.cs-atlas")
        box = sheet.bounding_box()
        assert box is not None and box["width"] > box["height"]
        scale = 112 * 2 // max(beside * columns, depth // beside * rows)
        found = []
        for plane in range(depth):
            y = (plane // beside * rows + 1 + 0.5) * scale
            x = (plane % beside * columns + 2 + 0.5) * scale
            sheet.hover(position={"x": x, "y": y})
            said = page.page.locator(f"article[aria-label={layer}] .cs-under").inner_text()
            assert said.startswith(f"{layer}({plane}, 1, 2, 0) = ")
            code = "(c, [x, y]) => c.getContext('2d').getImageData(x, y, 1, 1).data[0]"
            found.append((values[plane, 1, 2, 0], sheet.evaluate(code, [int(x), int(y)])))
        shades = [shade for _, shade in sorted(found)]
        assert shades == sorted(shades) and len(set(shades)) > 2

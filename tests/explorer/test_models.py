"""The mental models on the screen: shapes, costs, values and verdicts are those that Python finds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from screens import OpenPage, figure
from shown import near


def times(shape: Any) -> str:
    return "×".join(map(str, shape))


def column(rows: list[list[str]], n: int) -> dict[str, str]:
    """Return one model's cells by the rows' names."""
    return {row[0]: row[n + 1] for row in rows[1:-1]}


@pytest.mark.parametrize(
    ("network", "layer", "position"),
    [
        ("digits", "conv2d_1", (13, 7, 50)),
        ("branches", "wide", (3, 2, 61)),
        ("photo", "/stem/Conv", (4, 3, 8)),
        ("volumes", "signal", (2, 4)),
        ("faint", "second", (2, 3, 4)),
        ("groups", "conv2d", (3, 2, 5)),
        ("groups", "depthwise_conv2d", (2, 1, 4)),
    ],
)
def test_the_pictures_are_those_that_python_compares(
    visit: OpenPage, network: str, layer: str, position: tuple[int, ...]
) -> None:
    page = visit(network, f"l={layer}&p={','.join(map(str, position))}&s=models")
    compared = page.served.run.compare(layer, position).facts
    pictures = compared.to_dict()["pictures"]
    shown = page.until("models", lambda m: len(m["cards"]) == len(pictures))
    for n, (card, picture) in enumerate(zip(shown["cards"], pictures, strict=True)):
        cells = column(shown["rows"], n)
        assert card["name"] == shown["rows"][0][n + 1] == picture["name"]
        assert card["claim"] == picture["claim"]
        assert card["equation"] == picture["equation"]
        assert cells["output"] == times(picture["output_shape"])
        assert cells["kernel"] == times(picture["kernel"])
        assert cells["parameters"] == f"{picture['params']:,}"
        assert cells["MACs"] == f"{picture['macs']:,}"
        value = cells[f"value at ({', '.join(map(str, position))})"]
        near(value, picture["value"])
        word = (
            "yes"
            if picture["proved"]
            else "cannot be told here"
            if picture["engine_agrees"]
            else "no"
        )
        assert cells["the engine agrees"] == word
        sign = {"yes": "✓", "no": "✗", "cannot be told here": "Cannot"}[word]
        assert card["verdict"].startswith(sign)
        if "off by" in card["verdict"]:
            off = figure(card["verdict"].split("off by ")[1].rstrip("."))
            engine = Decimal(float(compared.engine_value))
            assert abs(off - abs(Decimal(picture["value"]) - engine)) < Decimal("1e-4")
    agreeing = [card["name"] for card in shown["cards"] if card["verdict"].startswith("✓")]
    assert agreeing == [p.picture.name for p in compared.verdicts if compared.proved(p)]
    assert shown["rows"][-1][1].startswith(f"{times(compared.output_shape)}, and ")


def test_what_the_next_layer_would_need(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&p=5,9,40&s=models")
    rows = page.until("models", lambda m: len(m["cards"]) == 4)["rows"]
    needed = [column(rows, n)["the next layer would need"] for n in range(4)]
    # 24·24 rows and columns are pooled to 12·12, times as many maps as each picture has
    for text, maps in zip(needed, (2048, 64, 64, 32), strict=True):
        inputs = 12 * 12 * maps
        assert text == f"dense: kernel {inputs}×10, bias 10 = {inputs * 10 + 10:,} parameters"


def test_m_goes_through_them_and_a_click_chooses_one(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&p=5,9,40&s=microscope&m=real")
    names = [
        p["name"] for p in page.served.run.compare("conv2d_1", (5, 9, 40)).to_dict()["pictures"]
    ]
    order = [names[3], names[0], names[1], names[2]]  # from the real one on
    for model, name in zip(("depth", "apart", "shared", "real"), order, strict=True):
        page.keys("m")
        shown = page.until(
            "models",
            lambda m, name=name: (
                [c["name"] for c in m["cards"] if c["checked"] == "true"] == [name]
            ),
        )
        assert page.address["m"] == model
        assert page.address["s"] == "models"
        assert shown["live"].startswith(f"{name}: ")
    page.page.get_by_role("radio", name="One slice").click()
    page.until("models", lambda m: [c["checked"] == "true" for c in m["cards"]].index(True) == 1)
    assert page.address["m"] == "shared"
    # arrows move the pixel here too
    page.page.locator("h1").click()
    page.keys("ArrowRight")
    page.until("models", lambda m: any("(5, 10, 40)" in row[0] for row in m["rows"]))


def test_a_layer_without_pictures_says_so_and_leads_to_one_that_has_them(visit: OpenPage) -> None:
    page = visit("digits", "l=dense&o=3&s=models")
    lead = page.page.locator(".cs-models-screen .cs-reads")
    lead.get_by_role("button", name="conv2d_1").wait_for()
    assert "is not a convolution" in lead.inner_text()
    lead.get_by_role("button", name="conv2d_1").click()
    page.until("models", lambda m: len(m["cards"]) == 4)
    assert page.address["l"] == "conv2d_1"


def test_a_depthwise_layer_offers_the_others_to_try_and_not_itself(visit: OpenPage) -> None:
    page = visit("groups", "l=flatten&s=models")
    lead = page.page.locator(".cs-models-screen .cs-reads")
    lead.get_by_role("button", name="depthwise_conv2d").wait_for()
    assert lead.get_by_role("button").all_inner_texts() == ["conv2d", "depthwise_conv2d"]


def test_m_goes_through_the_pictures_that_the_layer_has(visit: OpenPage) -> None:
    page = visit("groups", "l=depthwise_conv2d&o=4&y=2&x=1&s=models")
    page.until(
        "models",
        lambda m: [c["name"] for c in m["cards"] if c["checked"] == "true"] == ["Depthwise"],
    )
    page.keys("m")
    page.until("models", lambda m: m["cards"][0]["checked"] == "true")
    assert page.address["m"] == "apart"


def test_the_microscope_says_which_group_is_read(visit: OpenPage) -> None:
    page = visit("groups", "l=conv2d&o=5&y=3&x=2")
    shown = page.until("microscope", lambda m: m["reads"] and "window" in m["reads"])
    assert "a 2×3 window of 7 of the 14 maps of input: maps 7 … 13, group 2 of 2" in shown["reads"]


def test_numbers_that_are_none_look_like_neither_sign(visit: OpenPage) -> None:
    page = visit("nothing", "l=conv2d&o=2&y=1&x=3&s=models")
    shown = page.until("models", lambda m: len(m["cards"]) == 4)
    signs = [card["verdict"][0] for card in shown["cards"]]
    assert signs == ["✗", "C", "C", "✗"]
    assert all(
        "NaN" not in card["verdict"] or "off by" not in card["verdict"] for card in shown["cards"]
    )

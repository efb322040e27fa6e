"""The whole network: maps and what goes into them, branches, blocks that repeat."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import networks
import pytest
from screens import OpenPage

import convscope as cs
from convscope.demo import digits, network
from convscope.explain.repeats import Signature, pieces
from convscope.explorer import description


def steps(*names: str) -> list[Signature]:
    return [
        Signature(name, name.split("_")[-1], name.split("_")[-1] in ("conv", "bn"))
        for name in names
    ]


def named(found: Any) -> list[tuple[str, int]]:
    return [(piece.name, len(piece.blocks)) for piece in found]


def test_blocks_are_told_by_names_that_count() -> None:
    names = ["conv1_conv", "conv1_bn"]
    for stage, count in ((2, 3), (3, 4)):
        for block in range(1, count + 1):
            shortcut = [f"conv{stage}_block{block}_0_conv"] if block == 1 else []
            parts = [f"{n}_{part}" for n in (1, 2, 3) for part in ("conv", "bn", "relu")]
            names += [f"conv{stage}_block{block}_{part}" for part in parts] + shortcut
            names.append(f"conv{stage}_block{block}_add")
    found = pieces(steps(*names))
    assert named(found) == [("conv1_conv", 1), ("conv1_bn", 1), ("conv2", 3), ("conv3", 4)]
    assert [name for piece in found for block in piece.blocks for name in block] == names


@pytest.mark.parametrize(
    ("form", "title"),
    [
        ("net/stages.0/layers.{}/{}", "net/stages.0/layers"),
        ("block4{}_{}", "block4"),
        ("expanded_conv_{}_{}", "expanded_conv"),
    ],
)
def test_names_of_several_ecosystems(form: str, title: str) -> None:
    parts = ["conv", "relu", "project_conv"]
    counts = "abcdefghi" if "4{" in form else range(9)
    found = pieces([
        Signature(form.format(n, part), part, "conv" in part) for n in counts for part in parts
    ])  # fmt: skip
    assert named(found) == [(title, 9)]


def test_where_names_say_nothing_the_kinds_are_looked_at() -> None:
    kinds = ["pad", *["conv", "norm", "relu"] * 9, "dense"]
    found = pieces(
        [Signature(f"node_{kind}_{'x' * n}", kind, True) for n, kind in enumerate(kinds)]
    )
    assert [len(piece.blocks) for piece in found] == [1, 9, 1]
    assert found[1].name == "node_conv_x …"


def test_few_layers_are_not_folded_and_every_layer_is_in_one_piece() -> None:
    assert len(pieces(steps(*[f"block_{n}_conv" for n in range(20)]))) == 20
    assert pieces([]) == []


def folded() -> tuple[Any, ...]:
    """A stem, five blocks with a shortcut, and a head; no two sizes equal."""
    picture = cs.Input((9, 11, 3), name="picture")
    here = cs.Conv2D(5, 3, name="stem_conv")(picture)
    for n in range(1, 6):
        inner = cs.Conv2D(7, 3, padding="same", name=f"body_block{n}_1_conv")(here)
        inner = cs.BatchNormalization(name=f"body_block{n}_1_bn")(inner)
        inner = cs.ReLU(name=f"body_block{n}_1_relu")(inner)
        inner = cs.Conv2D(5, 1, name=f"body_block{n}_2_conv")(inner)
        here = cs.Add(name=f"body_block{n}_add")([here, inner])
    head = cs.Dense(4, activation="softmax", name="head")(cs.Flatten(name="flat")(here))
    return networks.drawn(cs.Model(picture, head, name="folded")), networks.image(9, 11, 3)


def test_a_network_is_told_in_pieces_with_their_places() -> None:
    network, _ = folded()
    found = description.network(network.graph)["overview"]
    assert [(one["name"], len(one["blocks"])) for one in found] == [
        ("picture", 1), ("stem_conv", 1), ("body", 5), ("flat", 1), ("head", 1),
    ]  # fmt: skip
    assert [one["feeds"] for one in found] == [[], [0], [1], [2], [3]]
    assert [one["place"] for one in found] == [(n, 0) for n in range(5)]
    first, second = found[2]["blocks"][:2]
    assert [name for name, *_ in second] == [name.replace("block1", "block2") for name, *_ in first]
    assert second[-1][2] == ["body_block1_add", "body_block2_2_conv"]


def test_blocks_that_repeat_open_and_lead_to_a_layer(visit: OpenPage) -> None:
    page = visit(folded, "s=network")
    cards = page.page.locator(".cs-node")
    body = "body, 5 times, 25 layers, 7×9×5, 6 found by check"  # which says it some time later
    page.until(lambda: cards.nth(2).get_attribute("aria-label") == body)
    assert cards.count() == 5
    assert not page.page.locator(".cs-ribbon").is_visible()
    cards.nth(2).click()
    page.page.get_by_text("block 5 of 5").wait_for()
    assert cards.count() == 25
    assert page.page.locator(".cs-graph .cs-wire").count() == 5 * 4
    page.keys("Escape")  # out of the blocks first
    assert cards.count() == 5
    cards.nth(2).click()
    page.page.get_by_role("button", name="body_block2_1_conv, Conv2D").click()
    page.until("microscope", lambda m: m["live"].startswith("body_block2_1_conv["))
    page.keys("Escape")
    page.page.locator(".cs-node[aria-current]").first.wait_for()
    page.page.get_by_role("button", name="the whole network").click()
    held = page.page.locator(".cs-node[aria-current]")
    assert held.get_attribute("aria-label") == body
    for _ in range(5):
        for width in (390, 1280):
            page.page.set_viewport_size({"width": width, "height": 800})
            page.settle()
            boxes = [box for card in cards.all() if (box := card.bounding_box())]
            assert len(boxes) == 5 and page.read("overflow") == 0
            for n, a in enumerate(boxes):
                for b in boxes[:n]:
                    apart = (
                        a["x"] >= b["x"] + b["width"] - 1
                        or b["x"] >= a["x"] + a["width"] - 1
                        or a["y"] >= b["y"] + b["height"] - 1
                        or b["y"] >= a["y"] + a["height"] - 1
                    )
                    assert apart, (a, b)
        smaller = page.page.get_by_role("button", name="Smaller")
        if smaller.is_disabled():
            break
        smaller.click()


def test_a_small_network_is_drawn_map_by_map(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&o=7&y=15&x=17&s=network")
    picture = page.page.locator(".cs-columns-picture")
    note = page.page.locator(".cs-columns > .cs-caption")
    page.page.get_by_text("Of each layer the first 8 maps").wait_for()
    assert page.page.locator(".cs-column-head").all_inner_texts()[-1].split() == ["dense", "10"]
    box = picture.bounding_box()
    assert box is not None
    pitch = box["width"] / 6

    def point(column: float, down: float) -> str:
        page.page.mouse.move(
            box["x"] + column * pitch, box["y"] + down * (box["height"] - 34)
        )  # scales below
        page.page.wait_for_timeout(50)
        return note.inner_text()

    assert point(2.5, 0.07) == "map 0 of conv2d_1: it reads all 32 maps of conv2d."
    assert point(3.5, 0.19) == "map 1 of max_pooling2d: it reads map 1 of conv2d_1."
    assert point(1.5, 0.95) == "map 7 of conv2d: it reads the one map of input."
    seen = point(5.5, 0.75)
    assert seen.startswith("dense 7 = 0.998") and seen.endswith("all 9,216 numbers of flatten.")
    page.page.mouse.click(box["x"] + 2.5 * pitch, box["y"] + 0.07 * box["height"])
    page.until("microscope", lambda m: m["live"].startswith("conv2d_1[0] at "))
    page.keys("Escape")
    picture.wait_for()
    assert page.address["s"] == "network"
    page.page.locator(".cs-column-head").nth(3).focus()
    page.keys("Enter")
    page.until("microscope", lambda m: m["live"].startswith("max_pooling2d["))


def mobile() -> tuple[Any, ...]:
    """Each map by itself, then all maps of one place, and only then windows of several maps."""
    layers = [
        cs.Conv2D(7, 3, input_shape=(11, 13, 3), name="stem"),
        cs.DepthwiseConv2D(3, padding="same", name="each"),
        cs.Conv2D(5, 1, name="mixed"),
        cs.Conv2D(6, 3, name="windows"),
    ]
    return networks.drawn(cs.Sequential(layers, name="mobile")), networks.image(11, 13, 3)


def test_it_opens_at_a_convolution_of_several_maps_away_from_the_border(visit: OpenPage) -> None:
    page = visit(mobile)
    shown = page.until("microscope", lambda m: m["live"].startswith("windows["))
    rows, columns = map(int, shown["live"].split(" at ")[1].split(" = ")[0].split(","))
    assert 2 <= rows < 5 and 2 <= columns < 7
    assert len(shown["tiles"]) == 5


def test_another_image_is_chosen_beside_the_network(visit: OpenPage) -> None:
    def made() -> tuple[Any, ...]:
        demo = network()
        return demo, digits()["seven"], demo.samples

    page = visit(made, "l=conv2d_1&s=network")
    along = page.page.get_by_role("group", name="Images that come along").get_by_role("button")
    assert along.all_inner_texts() == [*network().samples, "+\nyour own"]
    along.get_by_text("nine").click()
    page.page.locator(".cs-source", has_text="nine.png").wait_for()
    assert page.address["i"] == "nine" and page.address["s"] == "network"
    pressed = page.page.locator(".cs-overview [aria-pressed=true]")
    assert pressed.inner_text() == "nine"
    small = "c => c.getContext('2d').getImageData(20, 20, 1, 1).data[3] > 0"
    page.until(lambda: pressed.locator("canvas").evaluate(small))
    along.get_by_text("your own").click()
    page.page.locator(".cs-pad").wait_for()


def unet() -> tuple[Any, ...]:
    """Three connections that skip layers, one within another."""
    x = given = cs.Input((16, 8, 3), name="image")
    skips = []
    for n in range(3):
        x = cs.Conv2D(2 + n, 3, padding="same", name=f"down{n}")(x)
        skips.append(x)
        x = cs.MaxPooling2D(2, name=f"pool{n}")(x)
    for n in (2, 1, 0):
        x = cs.Conv2DTranspose(2 + n, 2, strides=2, name=f"up{n}")(x)
        x = cs.Concatenate(name=f"both{n}")([x, skips[n]])
    return cs.Model(given, x, name="unet"), networks.image(16, 8, 3)


@pytest.mark.parametrize("width", [700, 1900])
def test_lines_that_skip_layers_do_not_run_on_one_another(visit: OpenPage, width: int) -> None:
    page = visit(unet, "s=network")
    page.page.set_viewport_size({"width": width, "height": 800})
    page.page.locator(".cs-skip").first.wait_for(state="attached")
    page.settle()
    drawn = page.page.eval_on_selector_all(".cs-skip", "all => all.map(e => e.getAttribute('d'))")
    assert len(drawn) == 3
    level: list[tuple[int, float, float, float]] = []
    for n, path in enumerate(drawn):
        numbers = [float(x) for x in re.findall(r"-?[\d.]+", path)]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        pairs = pairwise(points)
        level += [
            (n, b, min(a, c), max(a, c)) for (a, b), (c, d) in pairs if b == d and abs(c - a) > 8
        ]
    assert len({n for n, *_ in level}) == 3
    for n, y, low, high in level:
        for other, at, first, last in level:
            assert other == n or abs(at - y) >= 4 or last <= low or first >= high

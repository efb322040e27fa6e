"""Nothing collides and nothing is cut off, whatever the network: words, ways and blocks of every figure."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from figures.geometry import faults, groups
from figures.networks import FORMS, chain, residual, unet

import convscope as cs
from convscope.figures.blocks import blocks
from convscope.figures.drawing import FIGURES, NEEDS_IMAGE, FigureAsked, scene
from convscope.figures.scene import Scene, Shape, Text, walk
from convscope.figures.styles import STYLES
from convscope.figures.venues import VENUES
from convscope.layers import kinds

PAGE = 690.0


def said(drawn: Scene) -> list[str]:
    return [part.text for part in walk(drawn.parts) if isinstance(part, Text)]


def checked(graph: Any, asked: FigureAsked, run: Any = None) -> Scene:
    drawn = scene(graph, asked, run)
    assert faults(drawn) == [], (graph.name, asked)
    sizes = [part.size for part in walk(drawn.parts) if isinstance(part, Text)]
    assert min(sizes) >= 2.0
    return drawn


@pytest.mark.parametrize("name", FORMS)
def test_networks_of_every_form_in_every_width_and_style(name: str) -> None:
    graph = FORMS[name]().graph
    for style in STYLES:
        drawn = checked(graph, FigureAsked("architecture", style))
        assert drawn.height < PAGE or style == "lecture"
    for columns in VENUES:
        checked(graph, FigureAsked("architecture", "paper", columns))
    checked(graph, FigureAsked("architecture", flat=True))


def test_every_kind_by_itself() -> None:
    count = 0
    for kind in kinds().values():
        for sample in kind.samples():
            inputs = [cs.Input(tuple(shape)) for shape in sample.shapes]
            network = cs.Model(inputs, sample.layer(inputs if inputs[1:] else inputs[0]))
            checked(network.graph, FigureAsked("architecture", columns="ieee"))
            count += 1
    assert count > 100


@pytest.mark.parametrize(
    "network", [lambda: chain(400), lambda: residual(177), lambda: unet(256, 6)]
)
def test_long_networks_fit_one_page_in_letters_that_are_read(network: Any) -> None:
    graph = network().graph
    for columns in ("ieee", "ieee:2", "a4"):
        drawn = checked(graph, FigureAsked("architecture", columns=columns))
        assert drawn.height < PAGE
        words = [p for p in walk(drawn.parts) if isinstance(p, Text)]
        assert min(p.size for p in words) > 5.9
    inside = [n for block in blocks(graph) for n in block.layers]
    assert sorted(inside) == sorted([*graph.inputs, *graph.nodes])  # each layer in one block


def test_a_u_goes_down_and_up_and_its_ways_across_are_level() -> None:
    drawn = checked(unet().graph, FigureAsked("architecture"))
    firsts = [g.parts[0] for g in groups(drawn.parts) if g.id.startswith("way-")]
    ways = [first.points for first in firsts if isinstance(first, Shape)]
    across = [way for way in ways if len(way) == 2 and way[1][0] - way[0][0] > 60]
    assert len(across) == 3 and len({round(way[0][1], 2) for way in across}) == 3
    assert all(abs(way[0][1] - way[1][1]) < 0.01 for way in across)
    down_and_up = [way[-1][1] - way[0][1] for way in ways if len(way) == 4]
    assert [step > 0 for step in down_and_up] == [True] * 3 + [False] * 3


def test_repeated_blocks_stand_once_with_how_often_and_only_when_they_are_alike() -> None:
    words = said(checked(residual().graph, FigureAsked("architecture")))
    assert "stage × 16" in words
    net = cs.Sequential([cs.Conv2D(5, 3, input_shape=(200, 180, 3))])
    for _ in range(12):  # the same kinds again and again, each time smaller
        net.add(cs.Conv2D(5, 3))
        net.add(cs.ReLU())
        net.add(cs.BatchNormalization())
    assert not [w for w in said(checked(net.graph, FigureAsked("architecture"))) if " × " in w]


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    words = said(checked(FORMS["unknown"]().graph, FigureAsked("architecture")))
    assert "?×?×8" in words and "4" in words
    words = said(checked(FORMS["opaque"]().graph, FigureAsked("architecture")))
    assert "shape unknown" in words and "no equation" in words
    words = said(checked(FORMS["symbols"]().graph, FigureAsked("architecture")))
    assert "(n\u00a0−\u00a02)×(m\u00a0−\u00a02)×" in words and "k1" in words


def test_shapes_in_the_figure_are_the_summary_s() -> None:
    net = cs.open("demo:resnet")
    words = said(checked(net.graph, FigureAsked("architecture")))
    for row in net.facts().rows:
        if row.kind in ("Conv2D", "Dense"):
            shape = "×".join(map(str, (row.output_shape or ())[1:]))
            assert words.count(shape) >= 1, row.name


def test_every_way_is_drawn_or_said() -> None:
    graph = FORMS["dense_block"]().graph
    drawn = checked(graph, FigureAsked("architecture"))
    ids = {g.id for g in groups(drawn.parts) if g.id.startswith("way-")}
    text = " ".join(said(drawn))
    edges = [(feed, name) for name, node in graph.nodes.items() for feed in node.inputs]
    drawn_ways = [(a, b) for a, b in edges if f"way-{a}-to-{b}" in ids]
    told = [
        a
        for block in text.split("also reads ")[1:]
        for a in re.findall(r"image|grow[a-g]", block.split("Con")[0])
    ]
    assert len(drawn_ways) == len(ids) and len(told) > 6
    assert len(drawn_ways) + len(told) == len(edges)


def test_a_range_of_layers_begins_with_what_feeds_it() -> None:
    words = said(
        checked(
            cs.open("demo:resnet").graph,
            FigureAsked("architecture", layers="block2_conv1:block2_out"),
        )
    )
    assert "block1_out" in words and "stem" not in words and "input" not in words[:1]


@pytest.mark.parametrize("model", ["demo", "demo:resnet", "demo:groups"])
def test_every_figure_of_a_run_in_wide_and_narrow(model: str) -> None:
    from convscope.demo import digits

    net = cs.open(model)
    image = (
        digits()["seven"]
        if model != "demo:groups"
        else np.ones(next(iter(net.graph.inputs.values())), np.float32)
    )
    run = net.run(image)
    for figure in FIGURES:
        for style, columns in (
            ("plain", None),
            ("lecture", "slide"),
            ("paper", "ieee"),
            ("dark", "a4"),
        ):
            checked(run.graph, FigureAsked(figure, style, columns), run)


def test_gradients_of_losses_and_of_kernels_in_wide_and_narrow() -> None:
    from convscope.demo import digits

    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("demo", digits()["seven"], {"to": "conv2d_1.kernel"}),
        ("demo", digits()["seven"], {"to": "conv2d_1.kernel", "at": ("conv2d_1", (15, 17, 7))}),
        ("demo:groups", np.full((28, 28, 1), 0.5, np.float32), {"to": "grouped.kernel"}),
        ("demo:groups", np.full((28, 28, 1), 0.5, np.float32), {"to": "depthwise.kernel"}),
        ("demo", digits()["seven"], {"to": "conv2d_1"}),
        ("demo", digits()["seven"], {}),
    ]
    for model, image, more in cases:
        run = cs.open(model).run(image)
        for style, columns in (("plain", None), ("lecture", "slide"), ("paper", "ieee")):
            loss: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "target": 7}
            if "at" in more:
                loss = {}
            checked(run.graph, FigureAsked("gradient", style, columns, **more, **loss), run)


def test_runs_of_one_and_three_dimensions() -> None:
    rng = np.random.default_rng(3)
    for name in ("one_dimension", "three_dimensions"):
        net = FORMS[name]()
        run = net.run(rng.normal(size=next(iter(net.graph.inputs.values()))).astype(np.float32))
        for figure in NEEDS_IMAGE:
            checked(run.graph, FigureAsked(figure, columns="ieee:2"), run)
        for figure in ("kernels", "receptive"):
            checked(run.graph, FigureAsked(figure))


def test_numbers_that_are_not_finite_are_drawn_as_none() -> None:
    net = cs.open("demo")
    image = np.ones((28, 28, 1), np.float32)
    image[4, 5] = np.nan
    with np.errstate(all="ignore"):
        run = net.run(image)
        for figure in ("content", "number", "architecture"):
            checked(run.graph, FigureAsked(figure, at=("conv2d_1", (3, 4, 7))), run)


def test_the_number_figure_adds_up() -> None:
    from decimal import Decimal

    from convscope.demo import digits

    run = cs.open("demo").run(digits()["seven"])
    drawn = checked(run.graph, FigureAsked("number", at=("conv2d_1", (5, 7, 12))), run)
    table = next(g for g in groups(drawn.parts) if g.id == "sum")
    words = [part.text for part in table.parts if isinstance(part, Text)]
    numbers = [w for w in words if re.fullmatch(r"−?[0-9]+\.[0-9]{6}", w)]
    partial, total = numbers[:-1:2], numbers[-1]
    value = {w: Decimal(w.replace("−", "-")) for w in numbers}
    assert sum(value[w] for w in partial) == value[total]
    for group in (g for g in groups(drawn.parts) if g.id.startswith("map-")):
        texts = [p.text for p in group.parts if isinstance(p, Text)]
        products = texts[texts.index("products") + 1 :][:9]
        result = next(t for t in texts if t.startswith("sum ")).removeprefix("sum ")
        assert sum(Decimal(w.replace("−", "-")) for w in products) == Decimal(
            result.replace("−", "-")
        )

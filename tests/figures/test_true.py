"""What a figure shows is the network's: windows, slices, roles and how often blocks repeat, each against another source."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from figures.networks import FORMS, residual
from networks import drawn

import convscope as cs
from convscope.explorer.description import roles as axes_of
from convscope.figures.blocks import blocks, role_of
from convscope.figures.drawing import FigureAsked, scene
from convscope.figures.scene import Pixels, Text, named_parts, walk
from convscope.figures.sheets import coloured, maps_read, slice_of
from convscope.figures.way import stops, windows
from convscope.layers import kinds


@pytest.mark.parametrize("name", ["demo", "demo:resnet", "residual", "unet", "dense_block"])
def test_the_window_in_the_image_is_the_receptive_field_s(name: str) -> None:
    graph = FORMS[name]().graph
    image = next(iter(graph.inputs))
    checked = 0
    for layer in graph.nodes:
        shape = graph.shape(layer)
        axes = axes_of(graph, shape, layer)
        if axes["rows"] is None or axes["maps"] is None:
            continue
        position = tuple(size // 3 for size in shape)
        box = windows(graph, layer, position)[image]
        inner = axes_of(graph, graph.shape(image), image)
        seen = (box[inner["rows"]], box[inner["columns"]])  # type: ignore[index]  # the image has both
        patch = graph.patch(layer, position)
        if None not in patch:  # that is of all maps: where maps are joined, one may see less
            inside = all(
                a[0] <= b[0] and b[1] <= a[1] for a, b in zip(patch, seen, strict=True)
            )  # no None
            assert inside if name in ("unet", "dense_block") else seen == patch, layer
            checked += 1
        way = stops(graph, layer, position, 5)
        assert way[0].name == image and way[-1].name == layer and len(way) <= 5
        assert (way[0].rows, way[0].columns) == seen
    assert checked > 1


def held(found: Any) -> Any:
    assert found is not None
    return found


def test_a_slice_is_what_the_kernel_holds() -> None:
    net = drawn(cs.Sequential([
        cs.Conv2D(6, (2, 3), groups=1, input_shape=(9, 11, 4), name="plain"),
        cs.Conv2D(9, (3, 2), groups=3, name="grouped"),
        cs.DepthwiseConv2D((2, 3), depth_multiplier=2, name="depthwise"),
    ]))  # fmt: skip
    plain, grouped, depthwise = (
        net.get_layer(n).get_weights()[0] for n in ("plain", "grouped", "depthwise")
    )
    graph = net.graph
    for o, c in np.ndindex(6, 4):
        assert np.array_equal(held(slice_of(graph, "plain", o, c)), plain[:, :, c, o])
    for o in range(9):
        assert list(maps_read(graph, "grouped", o)) == [2 * (o // 3), 2 * (o // 3) + 1]
        for c in range(6):
            found = slice_of(graph, "grouped", o, c)
            if c // 2 == o // 3:
                assert np.array_equal(held(found), grouped[:, :, c % 2, o])
            else:
                assert found is None
    flat = depthwise.reshape(2, 3, 18)
    for o in range(18):
        assert list(maps_read(graph, "depthwise", o)) == [o // 2]
        assert np.array_equal(held(slice_of(graph, "depthwise", o, o // 2)), flat[:, :, o])


def test_a_kernel_s_gradient_is_what_the_equations_give() -> None:
    """The figure's numbers are led back by ONNX Runtime in float32; `Run.gradient` evaluates the equations in float64."""
    from convscope.demo import digits

    run = cs.open("demo").run(digits()["seven"])
    asked: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "target": 4}
    slopes = run.gradient(to="conv2d_1.kernel", **asked).array
    figure = scene(run.graph, FigureAsked("gradient", to="conv2d_1.kernel", **asked), run)
    plate = [g for g in named_parts(figure.parts) if g.id.startswith("filter-")]
    weight = np.abs(slopes).sum(axis=(0, 1, 2))
    order = list(dict.fromkeys(int(g.id.split("-")[1]) for g in plate))
    assert order == [int(n) for n in np.argsort(-weight)[: len(order)]] and len(order) > 9
    shown = {g.id: g for g in plate}
    filters = {n: [g for g in plate if g.id.startswith(f"filter-{n}-")] for n in order}
    limit = max(np.abs(slopes[:, :, : len(filters[n]), n]).max() for n in order)
    for n, c in ((order[0], 3), (order[-1], 0)):
        picture = shown[f"filter-{n}-slice-{c}"].parts[0]
        assert isinstance(picture, Pixels)
        wanted = coloured(slopes[:, :, c, n], float(limit))
        assert np.abs(picture.rgb.astype(int) - wanted).max() <= 1
    words = " ".join(p.text for p in walk(figure.parts) if isinstance(p, Text))
    said = re.search(
        r"All 18,432 numbers add up to (\S+); the largest, at \(([^)]*)\), is (\S+)\.", words
    )
    at = np.unravel_index(np.abs(slopes).argmax(), slopes.shape)
    assert said is not None and said[2] == ", ".join(map(str, at))
    assert np.isclose(float(said[1].replace(",", "")), slopes.sum(), rtol=1e-4)
    assert np.isclose(float(said[3]), slopes[at], rtol=1e-4)
    unmoved = int((weight == 0).sum())
    assert f"The gradient of {unmoved} of 64 filters is 0." in words and unmoved > 0


def test_roles_are_read_off_equations() -> None:
    """Names say what Keras means; the roles know no name."""
    wanted = {
        "Conv": {"convolution", "up"}, "DepthwiseConv": {"convolution"}, "SeparableConv": {"convolution"},
        "MaxPooling": {"pooling"}, "AveragePooling": {"pooling"}, "Global": {"pooling"}, "UpSampling": {"up"},
        "BatchNormalization": {"normalisation"}, "RMSNormalization": {"normalisation"}, "Dense": {"dense"},
        "ReLU": {"pointwise"}, "Dropout": {"pointwise"}, "PReLU": {"pointwise"}, "Add": {"merge"},
        "Concatenate": {"merge"}, "ZeroPadding": {"shape"}, "Cropping": {"shape"}, "MultiHeadAttention": {"attention"},
    }  # fmt: skip
    for kind in kinds().values():
        start = next((w for w in wanted if kind.__name__.startswith(w)), None)
        if start is None:
            continue
        for sample in kind.samples():
            inputs = [cs.Input(tuple(shape)) for shape in sample.shapes]
            graph = cs.Model(inputs, sample.layer(inputs if inputs[1:] else inputs[0])).graph
            assert role_of(graph, list(graph.nodes)[-1]) in wanted[start], kind


def branches() -> Any:
    """Four heads that are alike, beside one another."""
    image = cs.Input((24, 20, 3), name="image")
    here = cs.Conv2D(5, 3, name="stem")(image)
    heads = []
    for n in range(8):
        head = cs.ReLU(name=f"head{n}_relu")(
            cs.BatchNormalization(name=f"head{n}_bn")(cs.Conv2D(4, 1, name=f"head{n}_conv")(here))
        )
        heads.append(cs.Conv2D(2, 1, name=f"head{n}_out")(head))
    return cs.Model(image, cs.Concatenate(name="all")(heads), name="branches")


def test_what_stands_beside_one_another_is_not_said_to_stand_after_one_another() -> None:
    assert [b for b in blocks(branches().graph) if b.times > 1] == []
    found = [b for b in blocks(residual().graph) if b.times > 1]
    assert [(b.times, b.detail) for b in found] == [(16, "each 2 Conv2D 3×3, 1×1")]


def test_blocks_that_differ_are_counted_together() -> None:
    image = here = cs.Input((30, 28, 3), name="image")
    for n in range(9):
        for k in range(4 if n == 0 else 3):
            here = cs.Conv2D(5, 3, padding="same", name=f"body_block{n}_{k}_conv")(here)
    (found,) = (b for b in blocks(cs.Model(image, here).graph) if b.times > 1)
    assert (found.times, found.detail) == (9, "28 Conv2D 3×3 in all")

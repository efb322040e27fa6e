"""Resizing along lines and curves: against ONNX Runtime, and against PyTorch's interpolate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_models
import pytest
import torch
from onnx import ModelProto, helper, numpy_helper

import convscope
from convscope.operators.layer import Operator, state

Array = np.ndarray[Any, Any]


def resized(scales: Sequence[float] = (), sizes: Sequence[int] = (), **settings: Any) -> ModelProto:
    """Return a model that resizes maps of 3×10×12."""
    weights = (
        {"scales": np.array([1, 1, *scales], np.float32)}
        if scales
        else {"sizes": np.array([1, 3, *sizes], np.int64)}
    )
    inputs = ["x", "", "scales"] if scales else ["x", "", "", "sizes"]
    settings = {"mode": "linear", **settings}
    nodes = [helper.make_node("Resize", inputs, ["y"], "resize", **settings)]
    return onnx_models.model(nodes, {"x": [1, 3, 10, 12]}, ["y"], weights, opset=18)


def image() -> Array:
    return np.random.default_rng(4).normal(size=(3, 10, 12)).astype(np.float32)


@pytest.mark.parametrize("scales", [(2, 4), (8, 0.5), (0.25, 16), (1, 2)])
@pytest.mark.parametrize("how", ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric"])  # fmt: skip
def test_a_line_between_two_numbers(how: str, scales: tuple[float, float]) -> None:
    net = convscope.open(resized(scales, coordinate_transformation_mode=how))
    run = net.run(image())
    assert not net.layers[0].opaque
    # ⌊10 · scale⌋ rows, ⌊12 · scale⌋ columns
    assert run.output.shape == (3, int(10 * scales[0]), int(12 * scales[1]))
    rng = np.random.default_rng(6)
    borders = [(0, 0, 0), tuple(size - 1 for size in run.output.shape)]
    places = [tuple(int(rng.integers(s)) for s in run.output.shape) for _ in range(30)]
    for place in [*borders, *places]:
        found = run.trace("resize", place).facts
        assert found.agrees, (place, found.value, found.engine_value)
        by_cone = net.trace(image(), "resize", place).facts
        assert by_cone.value == pytest.approx(found.value, abs=1e-6)


@pytest.mark.parametrize(
    ("sizes", "how", "corners"),
    [((20, 48), "half_pixel", False), ((37, 45), "align_corners", True), ((5, 24), "pytorch_half_pixel", False)],
)  # fmt: skip
def test_it_is_what_pytorch_interpolates(sizes: tuple[int, int], how: str, corners: bool) -> None:
    net = convscope.open(resized(sizes=sizes, coordinate_transformation_mode=how))
    assert not net.layers[0].opaque
    x = torch.from_numpy(image()[np.newaxis])
    expected = torch.nn.functional.interpolate(
        x, sizes, mode="bilinear", align_corners=corners
    ).numpy()[0]
    rng = np.random.default_rng(8)
    for _ in range(40):
        place = tuple(int(rng.integers(size)) for size in expected.shape)
        value = net.trace(image(), "resize", place).facts.value
        assert value == pytest.approx(expected[place], abs=2e-6)


def test_its_equation_and_what_it_sees() -> None:
    net = convscope.open(resized((2, 4)))
    assert str(net.graph.facts["resize"].equation) == (
        "out[c, y, x] = Σ i<2, j<2  in[c, ⌊(2y − 1)/4⌋ + i, ⌊(2x − 3)/8⌋ + j] · "
        "triangle(((2y − 1) mod 4) / 4 − i) · triangle(((2x − 3) mod 8) / 8 − j)"
    )
    (row,) = net.facts().rows
    assert row.macs == 0
    assert row.receptive_field is not None and row.receptive_field.size == (2, 2)
    told = str(net.run(image()).trace("resize", (1, 5, 9)))
    assert "its weights" in told and "products" in told  # 3/4 and 1/4, 7/8 and 1/8
    assert "0.656" in told  # 3/4 · 7/8


HOW = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("mode", "more"),
    [("linear", {}), ("linear", {"antialias": 1}), ("cubic", {}), ("cubic", {"exclude_outside": 1}),
     ("cubic", {"antialias": 1, "cubic_coeff_a": -0.5})],
)  # fmt: skip
def test_any_ratio_in_every_mode(mode: str, more: dict[str, Any], how: str) -> None:
    net = convscope.open(
        resized(sizes=(7, 31), mode=mode, coordinate_transformation_mode=how, **more)
    )
    (layer,) = net.layers
    assert isinstance(layer, Operator)
    if how == "align_corners" and "antialias" in more:
        assert layer.opaque and "aligned at its corners" in layer.reason
        return
    run = net.run(image())
    rng = np.random.default_rng(2)
    for _ in range(20):
        place = tuple(int(rng.integers(size)) for size in run.output.shape)
        facts = run.trace("resize", place).facts
        assert facts.agrees, (place, facts.value, facts.engine_value)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            resized((0.55, 2), coordinate_transformation_mode="align_corners"),
            "the standard and ONNX Runtime differ about where its corners lie",
        ),
    ],
)
def test_what_has_no_equation_says_why(model: ModelProto, reason: str) -> None:
    net = convscope.open(model)
    (layer,) = net.layers
    assert isinstance(layer, Operator) and layer.opaque
    assert state(layer.use, net.graph.facts["resize"].input_shapes).reason == reason
    assert net.run(image()).output.shape == tuple(net.graph.shape("resize"))


@pytest.mark.parametrize(
    ("policy", "shape"), [("not_larger", (3, 15, 18)), ("not_smaller", (3, 25, 30))]
)
def test_sizes_that_keep_the_aspect_ratio(policy: str, shape: tuple[int, ...]) -> None:
    # 25 / 10 = 2.5 and 18 / 12 = 1.5: the smaller of them for both, or the larger
    model = resized(
        sizes=(25, 18), mode="nearest", keep_aspect_ratio_policy=policy,
        axes=[2, 3], coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([25, 18]), "sizes"))
    net = convscope.open(model)
    run = net.run(image())
    assert run.output.shape == shape == tuple(net.graph.shape("resize"))
    assert run.trace("resize", (2, shape[1] - 1, shape[2] - 1)).facts.agrees

"""Operators whose windows numbers name: far outside, at edges, beside a NaN, as ONNX Runtime has it; and what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

import convscope
from convscope.errors import EngineError, SourceWarning

Array = np.ndarray[Any, Any]
NAN = float("nan")


def model(op: str, fed: dict[str, Array], held: Any = None, opset: Any = 19, **settings: Any) -> ModelProto:  # fmt: skip
    held = held or {}
    node = helper.make_node(op, [*fed, *held], ["y"], "node", **settings)
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in fed.items()
    ]
    kept = [numpy_helper.from_array(a, n) for n, a in held.items()]
    graph = helper.make_graph([node], "g", inputs, [helper.make_empty_tensor_value_info("y")], kept)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def agreed(fed: dict[str, Array], made: ModelProto) -> tuple[list[bool | None], Array]:
    """Return of every number whether it agrees with the engine's, and the engine's."""
    net = convscope.open(made)
    given = {n: fed[n][0] if len(s) < fed[n].ndim else fed[n] for n, s in net.graph.inputs.items()}
    run = net.run(given)
    values = np.asarray(run["node"])
    places = np.ndindex(*values.shape)
    return [run.trace("node", place).facts.agrees for place in places], values


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_deformable_convolution_is_counted_as_a_convolution() -> None:
    x, offset = drawn(1, 6, 5, 7), drawn(1, 24, 4, 6, seed=1)
    kernel, bias = drawn(8, 3, 2, 3, seed=2), drawn(8, seed=3)
    settings: dict[str, Any] = {"group": 2, "pads": [0, 0, 0, 1]}
    fed, held = {"x": x, "o": offset}, {"b": bias}
    made = model(
        "DeformConv", {"x": x}, {"w": kernel, "o": offset, **held}, offset_group=2, **settings
    )
    plain = model("Conv", {"x": x}, {"w": kernel, **held}, **settings)
    (facts,) = (convscope.open(m).facts().to_dict()["layers"][-1] for m in (made,))
    (known,) = convscope.open(plain).facts().to_dict()["layers"]
    for name in ("output_shape", "weights", "params", "macs"):
        assert facts[name] == known[name]
    # no tap moved: it is the convolution
    fed["o"] = offset * 0
    still = model("DeformConv", {"x": x}, {"w": kernel, "o": fed["o"], **held}, offset_group=2, **settings)  # fmt: skip
    one, other = (convscope.open(m).run(x[0]) for m in (still, plain))
    assert np.allclose(one["node"], other["node"], 1e-5, 1e-5)
    for place in ((0, 0, 0), (7, 3, 5)):
        assert one.trace("node", place).facts.value == pytest.approx(other.trace("node", place).facts.value)  # fmt: skip


def test_taps_that_are_far_away_or_no_numbers() -> None:
    x, offset = drawn(1, 2, 4, 5), drawn(1, 8, 3, 4, seed=1)
    offset[0, :, 0, 0] = 1e9
    offset[0, :, 0, 1] = -1e9
    offset[0, :, 0, 2] = np.inf
    offset[0, :, 0, 3] = NAN
    offset[0, :, 1, :] = [-1.0, 0.0, 1.0, 2.0]  # whole places, at and beyond the edges
    x[0, 1, 3, 4] = NAN
    fed = {"x": x, "w": drawn(3, 2, 2, 2, seed=2), "o": offset}
    found, values = agreed(fed, model("DeformConv", fed))
    assert False not in found
    assert (values[:, 0, :2] == 0).all()
    assert 0 < np.isnan(values).sum() < values.size / 2


@pytest.mark.parametrize("shape", [(1, 7, 4, 6), (1, 24, 3, 6)])
def test_offsets_of_another_shape_are_said(shape: tuple[int, ...]) -> None:
    made = model("DeformConv", {"x": drawn(1, 4, 5, 7)}, {"w": drawn(8, 4, 2, 2), "o": drawn(*shape)})  # fmt: skip
    with pytest.warns(SourceWarning, match=r"an offset of shape .* is not that of 4 taps"):
        convscope.open(made)


def test_regions_beyond_their_map_and_of_no_size() -> None:
    x = drawn(1, 2, 5, 6)
    x[0, 0, 2, 3] = NAN
    boxes = np.array(
        [[0, 0, 5, 4], [-9, -9, -5, -5], [4, 3, 1, 1], [2, 2, 2, 2], [-1.5, -1.5, 7, 6], [5, 4, 90, 80]], np.float32,
    )  # fmt: skip
    fed = {"x": x, "r": boxes, "b": np.zeros(6, np.int64)}
    settings = {"output_height": 3, "output_width": 2, "sampling_ratio": 2}
    for more in ({}, {"coordinate_transformation_mode": "output_half_pixel"}):
        found, values = agreed(fed, model("RoiAlign", fed, opset=16, **settings, **more))
        assert False not in found
        assert np.isnan(values).any() and (values[1] == 0).all()


def test_largest_numbers_of_regions_beyond_their_map() -> None:
    x = drawn(1, 2, 5, 6)
    x[0, 0, 2, 3] = NAN
    boxes = np.array(
        [[0, 0, 0, 5, 4], [0, 3, 2, 3, 2], [0, -9, -9, -5, -5], [0, 4, 3, 1, 1], [0, 2.5, 1.5, 3.5, 4.5]], np.float32,
    )  # fmt: skip
    fed = {"x": x, "r": boxes}
    found, values = agreed(fed, model("MaxRoiPool", fed, pooled_shape=[3, 2]))
    assert False not in found
    assert np.isfinite(values[2]).all() and (values[2] == 0).all()
    halves = np.array(found, object).reshape(values.shape)[4, 1]  # away from 0, as the engine does
    assert (halves == True).all()


def test_what_has_no_equation_says_why() -> None:
    fed = {"x": drawn(1, 2, 5, 6), "r": drawn(3, 4), "b": np.zeros(3, np.int64)}
    for settings, why in (
        ({"mode": "max", "sampling_ratio": 2}, "the largest of the weighed numbers"),
        ({}, "how many samples it takes depends on numbers"),
    ):
        layer = convscope.open(model("RoiAlign", fed, opset=16, **settings)).graph.nodes["node"].layer  # fmt: skip
        shapes = [(2, 5, 6), (3, 4), (3,)]
        assert layer.opaque and why in layer.stated(tuple(shapes)).reason  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["none", "add", "mul", "max", "min"])
def test_what_is_written_may_be_no_number(how: str) -> None:
    x, updates = drawn(3, 4), drawn(2, 4, seed=1)
    x[0, 1], updates[1, 0], updates[0, 3] = NAN, NAN, np.inf
    index = np.array([[0, 2, -3, 1], [0, 1, 0, -1]])
    fed = {"x": x, "i": index, "u": updates}
    found, values = agreed(fed, model("ScatterElements", fed, opset=18, axis=0, reduction=how))
    assert False not in found and np.isnan(values).any()


def test_places_outside_are_refused_by_the_engine() -> None:
    x = drawn(4, 5, 3)
    index = np.array([[0, 5], [3, 1]])
    fed = {"x": x, "i": index}
    with pytest.raises(EngineError, match=r"node"):
        agreed(fed, model("GatherND", fed))
    with pytest.warns(SourceWarning, match=r"\[0, 5, 3, 1\] lie outside axes of \(4, 5\)"):
        convscope.open(model("GatherND", {"x": x}, {"i": index}))

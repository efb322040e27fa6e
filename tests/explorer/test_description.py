"""What a page is told of a network: shapes, places, tiles."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import convscope as cs
from convscope.explorer import description

NET = cs.Sequential(
    [
        cs.Conv2D(5, (2, 3), input_shape=(9, 11, 4), padding="same", activation="relu"),
        cs.Conv2D(7, 3, strides=2),
        cs.GlobalAveragePooling2D(),
        cs.Dense(3, activation="softmax"),
    ],
    name="small",
)


def test_a_network_is_its_summary_with_places() -> None:
    found = description.network(NET.graph)
    json.dumps(found, allow_nan=False)
    said = NET.facts().to_dict()
    assert found["totals"] == said["totals"]
    for row, told in zip(said["layers"], found["layers"], strict=True):
        assert told["name"] == row["name"]
        assert told["weights"] == row["weights"]
        assert told["shape"] == row["output_shape"][1:]
    assert [told["place"] for told in found["layers"]] == [(n, 0) for n in range(1, 5)]
    assert found["inputs"][0]["shape"] == [9, 11, 4]


@pytest.mark.parametrize(
    ("layout", "shape", "axes"),
    [
        ("channels_last", (9, 11, 4), (2, 0, 1)),
        ("channels_first", (4, 9, 11), (0, 1, 2)),
        ("channels_last", (9, 4), (1, None, 0)),
        ("channels_first", (4, 9), (0, None, 1)),
        ("channels_last", (13,), (None, None, 0)),
        ("channels_last", (5, 9, 11, 4), (3, 1, 2)),
        ("channels_first", (4, 5, 9, 11), (0, 2, 3)),
        ("channels_last", (), (None, None, None)),
    ],
)
def test_which_axis_picks_the_map(
    layout: str, shape: tuple[int, ...], axes: tuple[int | None, ...]
) -> None:
    graph = cs.Sequential([cs.Flatten(input_shape=(3, 4))]).graph
    graph.layout = layout
    found = description.roles(graph, shape)
    assert (found["maps"], found["rows"], found["columns"]) == axes
    # and the maps are cut along just these axes
    array = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    maps = description.maps_of(array, found)
    assert maps.size == array.size
    if axes[0] is not None:
        for n in range(shape[axes[0]]):
            np.testing.assert_array_equal(maps[n].ravel(), array.take(n, axis=axes[0]).ravel())


def test_shrunk_maps_are_means_of_blocks() -> None:
    maps = np.random.default_rng(3).normal(size=(2, 7, 11))
    found = description.shrunk(maps, 4)
    assert found.shape == (2, 3, 4)  # blocks of 3: ⌈7/3⌉ × ⌈11/3⌉
    for row in range(3):
        for column in range(4):
            block = maps[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            np.testing.assert_allclose(found[:, row, column], block.mean(axis=(1, 2)))
    assert description.shrunk(maps, 11) is maps


def test_the_pictures_say_what_the_next_layer_would_need() -> None:
    told = description.layer(NET.graph, "conv2d")
    needs = {p["shape"][-1]: p["next"] for p in told["pictures"]}
    assert needs[5] == {
        "layer": "conv2d_1",
        "weights": {"kernel": [3, 3, 5, 7], "bias": [7]},
        "params": 3 * 3 * 5 * 7 + 7,
    }
    assert needs[20]["weights"]["kernel"] == [3, 3, 20, 7]  # 4 · 5 maps, were nothing added up
    real = [p for p in told["pictures"] if p["real"]]
    assert [p["kernel"] for p in real] == [[2, 3, 4, 5]]


def test_a_picture_that_the_next_layer_cannot_take_says_so() -> None:
    image = cs.Input((6, 8, 3))
    apart = cs.Conv2D(4, 3)(image)
    net = cs.Model(image, cs.Conv2D(6, 2, groups=2)(apart))
    told = description.layer(net.graph, str(net.layers[-2].name))
    depthwise = next(p for p in told["pictures"] if p["shape"][-1] == 3)
    assert "impossible" in depthwise["next"]


def test_an_opaque_layer_has_no_equation() -> None:
    told: dict[str, Any] = description.layer(_opaque().graph, "mystery")
    assert told["equation"] is None
    assert told["pictures"] == []


def test_ranges_leave_out_what_is_not_finite() -> None:
    found = description.ranges(
        {"a": np.array([np.nan, -2.0, 3.0, np.inf]), "b": np.full(3, np.nan), "c": np.empty((0, 2))}
    )
    assert found == {"a": [-2.0, 3.0], "b": [0.0, 0.0], "c": [0.0, 0.0]}


def _opaque() -> cs.Network:
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Mystery", ["x"], ["y"], name="mystery", domain="nobody")]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 5, 7])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 5, 7])
    graph = helper.make_graph(nodes, "g", [given], [made])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nobody", 1)]
    return cs.open(helper.make_model(graph, opset_imports=opsets, ir_version=9))

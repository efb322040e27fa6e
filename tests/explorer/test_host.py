"""The host: every question a page asks, and questions that nobody should ask."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import convscope as cs
from convscope.demo import digits, network
from convscope.errors import ConvscopeError, InputError, LayerLookupError, PositionError
from convscope.explorer.host import PAGES_KEPT, RUNS_KEPT, Host

NET = cs.Sequential(
    [cs.Conv2D(5, (2, 3), input_shape=(9, 11, 4), activation="relu"), cs.Conv2D(7, 3), cs.Flatten()]
)
IMAGE = np.random.default_rng(7).normal(size=(9, 11, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def host() -> Host:
    return Host(NET, IMAGE)


def numbers(host: Host, question: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    answer = host.answer(question)
    return np.frombuffer(answer.body, answer.facts["dtype"]).reshape(answer.facts["shape"])


def test_values_are_those_of_the_run_and_of_the_layer(host: Host) -> None:
    run = NET.run(IMAGE)
    for name in ("conv2d", "conv2d_1", "flatten"):
        found = numbers(host, {"ask": "values", "run": 1, "layer": name, "box": None})
        np.testing.assert_array_equal(found, run[name])
    box = [[1, 2], [0, 0], [2, 4]]
    found = numbers(host, {"ask": "values", "run": 1, "layer": "conv2d", "box": box})
    np.testing.assert_array_equal(found, run["conv2d"][1:3, 0:1, 2:5])
    kernel = numbers(host, {"ask": "values", "layer": "conv2d_1", "weight": "kernel"})
    np.testing.assert_array_equal(kernel, NET.layers[1].get_weights()[0])


def test_double_precision_stays_double() -> None:
    import onnx
    from onnx import TensorProto, helper

    value = np.array([0.1, 0.2, 1 / 3])
    nodes = [helper.make_node("Add", ["x", "w"], ["y"], name="add")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [1, 3])],
        [onnx.numpy_helper.from_array(value, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    net = cs.open(model)
    layer = net.layers[0]
    (weight,) = layer.weights
    found = numbers(Host(net), {"ask": "values", "layer": layer.name, "weight": weight})
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found.ravel(), value)


def test_tiles_are_maps_in_the_order_asked_for(host: Host) -> None:
    run = NET.run(IMAGE)
    answer = host.answer({"ask": "tiles", "run": 1, "layer": "conv2d", "maps": [3, 0], "side": 20})
    assert answer.facts == {"tile": [8, 9], "of": [8, 9]}
    found = np.frombuffer(answer.body, np.float32).reshape(2, 8, 9)
    np.testing.assert_array_equal(found, np.moveaxis(run["conv2d"], -1, 0)[[3, 0]])
    answer = host.answer({"ask": "tiles", "run": 1, "layer": "conv2d", "maps": [4], "side": 5})
    assert answer.facts == {"tile": [4, 5], "of": [8, 9]}


def test_energy_is_the_mean_of_squares(host: Host) -> None:
    found = host.answer({"ask": "maps", "run": 1, "layer": "conv2d_1"}).facts["energy"]
    maps = NET.run(IMAGE)["conv2d_1"].astype(np.float64)
    np.testing.assert_allclose(found, np.square(maps).mean(axis=(0, 1)))


def test_what_a_page_is_told_of_a_picture() -> None:
    host = Host(network(), digits()["three"], digits())
    told = host.answer({"ask": "network"}).facts
    assert told["run"]["source"] == "three.png"
    assert [s["step"] for s in told["run"]["steps"]] == ["divide by 255"]
    assert told["run"]["largest"][0]["position"] == [3]
    other = host.answer({"ask": "sample", "name": "seven"}).facts["run"]
    assert other["id"] != told["run"]["id"]
    assert other["largest"][0]["position"] == [7]
    picture = digits()["zero"].read_bytes()
    sent = host.answer({"ask": "image", "name": "mine", "steps": []}, picture).facts["run"]
    assert sent["source"] == "mine"
    assert sent["largest"][0]["position"] == [0]


def test_an_image_that_needs_steps_is_offered_them() -> None:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (28, 28), (10, 200, 30)).save(file, "PNG")
    host = Host(network())
    assert host.answer({"ask": "network"}).facts["run"] is None
    asked = {"ask": "image", "name": "green", "steps": []}
    assert [o["step"] for o in host.answer(asked, file.getvalue()).facts["offer"]] == ["grey"]
    run = host.answer({**asked, "steps": ["grey"]}, file.getvalue()).facts["run"]
    assert [s["step"] for s in run["steps"]] == ["grey", "divide by 255"]


def test_edits_are_told_as_the_command_tells_them(host: Host) -> None:
    edits = [["conv2d", "kernel_size", [3, 4]], ["conv2d_1", "padding", "same"]]
    told = host.answer({"ask": "whatif", "edits": edits}).facts
    assert (
        told
        == NET.edit({"conv2d": {"kernel_size": (3, 4)}, "conv2d_1": {"padding": "same"}})
        .changes()
        .facts.to_dict()
    )
    json.dumps(told, allow_nan=False)
    settings = host.answer({"ask": "settings", "layer": "conv2d"}).facts["settings"]
    assert settings["kernel_size"]["value"] == [2, 3]


def test_old_runs_are_forgotten_and_say_so(host: Host) -> None:
    own = Host(NET, IMAGE)
    for _ in range(RUNS_KEPT):
        own._ran(IMAGE)
    with pytest.raises(InputError, match="not remembered any more"):
        own.answer({"ask": "values", "run": 1, "layer": "conv2d", "box": None})
    own.answer({"ask": "values", "run": RUNS_KEPT + 1, "layer": "conv2d", "box": None})


def test_a_run_that_a_page_shows_is_kept_whatever_others_run() -> None:
    own = Host(NET, IMAGE)
    own.answer({"ask": "maps", "run": 1, "layer": "conv2d", "page": "one"})
    for _ in range(3 * RUNS_KEPT):
        own._ran(IMAGE)
    own.answer({"ask": "maps", "run": 1, "layer": "conv2d_1", "page": "one"})
    assert len(own._runs) == RUNS_KEPT + 1
    own.answer({"ask": "maps", "run": 3 * RUNS_KEPT, "layer": "conv2d", "page": "one"})  # went on
    own._ran(IMAGE)
    with pytest.raises(InputError, match="not remembered any more"):
        own.answer({"ask": "maps", "run": 1, "layer": "conv2d", "page": "two"})
    for n in range(2 * PAGES_KEPT):
        last = own._ran(IMAGE)["id"]
        own.answer({"ask": "maps", "run": last, "layer": "conv2d", "page": f"page {n}"})
    assert len(own._runs) <= RUNS_KEPT + PAGES_KEPT


def test_a_run_can_be_explored() -> None:
    run = NET.run(IMAGE)
    told = Host(NET, run).answer({"ask": "network"}).facts["run"]
    assert told["shapes"]["conv2d_1"] == [6, 7, 7]


@pytest.mark.parametrize(
    ("question", "error", "words"),
    [
        ({}, ConvscopeError, "cannot be asked None"),
        ({"ask": ["values"]}, ConvscopeError, "cannot be asked"),
        ({"ask": "__init__"}, ConvscopeError, "cannot be asked"),
        ({"ask": "layer"}, InputError, "layer must be a name"),
        ({"ask": "layer", "layer": "conv3d"}, LayerLookupError, "conv2d"),
        ({"ask": "values", "run": True, "layer": "conv2d"}, InputError, "not remembered"),
        ({"ask": "values", "run": 1, "layer": "x"}, LayerLookupError, "no layer"),
        ({"ask": "values", "layer": "conv2d", "weight": "bais"}, LayerLookupError, "bias"),
        ({"ask": "values", "layer": "conv2d", "weight": ["bias"]}, LayerLookupError, "no weight"),
        ({"ask": "values", "run": 1, "layer": "conv2d", "box": [[0, 8]] * 3}, PositionError, "box"),
        (
            {"ask": "values", "run": 1, "layer": "conv2d", "box": [[-1, 0]] * 3},
            PositionError,
            "box",
        ),
        ({"ask": "values", "run": 1, "layer": "conv2d", "box": [[0, 0]]}, PositionError, "box"),
        ({"ask": "values", "run": 1, "layer": "conv2d", "box": "all"}, PositionError, "box"),
        (
            {"ask": "values", "run": 1, "layer": "conv2d", "box": [[0.0, 1]] * 3},
            PositionError,
            "box",
        ),
        (
            {"ask": "tiles", "run": 1, "layer": "conv2d", "maps": [5], "side": 9},
            InputError,
            "0 … 4",
        ),
        (
            {"ask": "tiles", "run": 1, "layer": "conv2d", "maps": "0", "side": 9},
            InputError,
            "0 … 4",
        ),
        (
            {"ask": "tiles", "run": 1, "layer": "conv2d", "maps": [0], "side": 0},
            InputError,
            "1 to 1024",
        ),
        ({"ask": "sample", "name": "../x"}, InputError, "no sample"),
        ({"ask": "sample", "name": {}}, InputError, "no sample"),
        ({"ask": "image", "steps": []}, InputError, "no picture"),
        ({"ask": "whatif", "edits": "conv2d"}, InputError, "edits must be"),
        ({"ask": "whatif", "edits": [[1]]}, ConvscopeError, "an edit is"),
        ({"ask": "whatif", "edits": [["conv2d", "kernel_size", 40]]}, ConvscopeError, "40"),
        ({"ask": "settings", "layer": "nobody"}, LayerLookupError, "no layer"),
    ],
)
def test_questions_that_cannot_be_answered(
    host: Host, question: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        host.answer(question)


def test_an_image_that_does_not_fit_is_refused_at_the_start() -> None:
    with pytest.raises(InputError, match="the network takes"):
        Host(NET, np.zeros((9, 12, 4)))


def test_small_pictures_of_what_comes_along() -> None:
    from io import BytesIO

    from PIL import Image

    host = Host(network(), samples=network().samples)
    found = Image.open(BytesIO(host.answer({"ask": "picture", "name": "seven"}).body))
    assert (found.format, found.size) == ("PNG", (28, 28))
    with pytest.raises(InputError, match="there is no sample"):
        host.answer({"ask": "picture", "name": "/etc/passwd"})


def test_the_structure_is_told_before_anything_heavy_is_loaded() -> None:
    """A page shows the layers while numpy, the engine and pictures are still to come."""
    code = """
import sys
import convscope as cs
import convscope.explorer.server
from convscope.explorer.host import Host
net = cs.Sequential([cs.Conv2D(3, 2, input_shape=(5, 6, 2)), cs.Flatten(), cs.Dense(4)])
host = Host(net, "image.png", {}, late=True)
convscope.explorer.server.static_files()
assert len(host.answer({"ask": "network"}).facts["layers"]) == 3
print(sorted({"numpy", "PIL", "onnx", "onnxruntime", "sympy", "h5py"} & set(sys.modules)))
"""
    found = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (found.stdout, found.stderr) == ("[]\n", "")

"""What a file says of its own shapes: each place where it can be wrong is found, and honest files are quiet."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope import BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D, Sequential, open
from convscope.checks.finding import Finding
from convscope.network import Network


def network() -> Network:
    return Sequential(
        [
            Conv2D(4, (3, 2), padding="same", name="first", input_shape=(9, 11, 2)),
            BatchNormalization(name="norm"),
            Conv2D(5, 3, activation="relu", name="second"),
            MaxPooling2D(2, name="pool"),
            Flatten(name="flat"),
            Dense(7, name="dense"),
        ]
    )


def found_in(net: Network, **asked: Any) -> list[Finding]:
    return [f for rule, f in net.check(**asked).findings if rule.name == "contradicted-shapes"]


# -- ONNX -----------------------------------------------------------------------------------------


def exported(folder: Path) -> Any:
    import onnx

    network().export(folder / "net.onnx")
    return onnx.shape_inference.infer_shapes(onnx.load(str(folder / "net.onnx")))


def _maps(model: Any) -> Any:
    """Return what the file says of the first convolution's output."""
    (conv,) = [node for node in model.graph.node if node.name == "first"]
    (value,) = [value for value in model.graph.value_info if value.name == conv.output[0]]
    return value.type.tensor_type.shape


def _size(model: Any) -> None:
    _maps(model).dim[2].dim_value = 8


def _axes(model: Any) -> None:
    del _maps(model).dim[3]


def _output(model: Any) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 10


def _kernel(model: Any) -> None:
    (conv,) = [node for node in model.graph.node if node.name == "first"]
    (said,) = [a for a in conv.attribute if a.name == "kernel_shape"] or [conv.attribute.add()]
    said.name, said.type = "kernel_shape", 7
    said.ints[:] = [3, 3]


def _weight(model: Any) -> None:
    from onnx import helper

    (conv,) = [node for node in model.graph.node if node.name == "first"]
    model.graph.input.append(helper.make_tensor_value_info(conv.input[1], 1, [4, 2, 3, 3]))


@pytest.mark.parametrize(
    ("plant", "layer", "said"),
    [
        (_size, "first", "value_info"),
        (_axes, "first", "value_info"),
        (_output, "dense", "the graph's output"),
        (_weight, "first", "the graph's input"),
    ],
)
def test_each_place_of_an_onnx_file_that_says_a_shape(
    plant: Callable[[Any], None], layer: str, said: str, tmp_path: Path
) -> None:
    model = exported(tmp_path)
    assert model.graph.value_info and not found_in(open(model))
    plant(model)
    (one,) = found_in(open(model))
    assert one.layer == layer and said in one.words and one.proof and one.repair


@pytest.mark.filterwarnings("ignore:first .Conv. has no equation")
def test_a_kernel_shape_that_is_not_that_of_the_weight(tmp_path: Path) -> None:
    model = exported(tmp_path)
    _kernel(model)
    (one,) = found_in(open(model))
    assert one.layer == "first" and "kernel_shape says (3, 3), and it is (3, 2)" in one.words


@pytest.mark.filterwarnings("ignore:first .Conv. has no equation")
@pytest.mark.parametrize("kind", [1, 2])
def test_a_kernel_shape_that_is_no_shape_says_nothing(kind: int, tmp_path: Path) -> None:
    """A single number, and a setting of a function around it: the check ended in a TypeError."""
    model = exported(tmp_path)
    _kernel(model)
    (conv,) = [node for node in model.graph.node if node.name == "first"]
    (said,) = [a for a in conv.attribute if a.name == "kernel_shape"]
    del said.ints[:]
    said.type, said.i = (2, 3) if kind == 2 else (0, 0)
    assert not [one for one in found_in(open(model)) if "kernel_shape" in one.words]


def test_sizes_that_are_open_contradict_nothing_and_a_run_keeps_the_finding(tmp_path: Path) -> None:
    model = exported(tmp_path)
    for dim in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dim.dim_param = "open"
    assert not found_in(open(model))
    _output(model)
    image = np.random.default_rng(1).random((9, 11, 2), dtype=np.float32)
    assert [one.layer for one in found_in(open(model), image=image)] == ["dense"]
    # at other sizes than the file's, what it says is of another network
    net = open(exported(tmp_path))
    assert [*net.graph.said()] and not [*net.graph.at({"input": (8, 10, 2)}).said()]


def test_an_edit_takes_away_what_the_file_says(tmp_path: Path) -> None:
    model = exported(tmp_path)
    edited = open(model).edit("second", strides=2)
    assert not found_in(edited)
    edited.export(tmp_path / "edited.onnx")
    assert not found_in(open(str(tmp_path / "edited.onnx")))


def test_the_first_layer_of_a_path_is_named_and_the_others_counted(tmp_path: Path) -> None:
    model = exported(tmp_path)
    for value in model.graph.value_info:
        for dim in value.type.tensor_type.shape.dim[2:]:
            dim.dim_value += 1
    (one,) = found_in(open(model))
    assert one.numbers["after"] > 1 and "layers after it" in one.words


# -- Keras ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation", "ignore:.*its config says"
)  # Keras's own
@pytest.mark.parametrize("place", ["tensor", "built"])
def test_a_keras_config_that_says_another_shape(place: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("h5py")
    x = keras.Input((9, 11, 2))
    maps = keras.layers.Conv2D(4, (3, 2), name="first")(x)
    maps = keras.layers.Conv2D(5, 3, name="second")(maps)
    keras.Model(x, maps).save(tmp_path / "net.keras")
    assert not found_in(open(str(tmp_path / "net.keras")))
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(held["config.json"])
    (second,) = [one for one in config["config"]["layers"] if one["config"]["name"] == "second"]
    if place == "tensor":
        second["inbound_nodes"][0]["args"][0]["config"]["shape"] = [None, 9, 11, 4]
    else:
        second["build_config"]["input_shape"] = [None, 7, 10, 3]
    held["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)
    (one,) = found_in(open(str(tmp_path / "other.keras")))
    if place == "tensor":
        assert (
            one.layer == "first" and "its config says (9, 11, 4), and it is (7, 10, 4)" in one.words
        )
        assert one.repair and one.repair.edits == (("first", "padding", "same"),)
    else:
        assert one.layer == "second" and "(3, 3, 3, 5), and it is (3, 3, 4, 5)" in one.words

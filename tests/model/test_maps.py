"""Which axis picks the map: it follows the numbers through whatever moves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper
from onnx_models import model as onnx_model

import convscope as cs
from convscope.explorer.description import roles
from convscope.model.maps import channel_axes


def test_a_block_in_channels_last_inside_a_network_with_channels_first() -> None:
    """As ConvNeXt has it: the maps are normalised and weighed by dense layers, then put back."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["a"], ["b"], "to_last", perm=[0, 2, 3, 1]),
        helper.make_node("LayerNormalization", ["b", "g"], ["c"], "norm", axis=-1),
        helper.make_node("MatMul", ["c", "m"], ["d"], "wider"),
        helper.make_node("Relu", ["d"], ["e"], "relu"),
        helper.make_node("MatMul", ["e", "k"], ["f"], "back"),
        helper.make_node("Transpose", ["f"], ["out"], "to_first", perm=[0, 3, 1, 2]),
    ]
    rng = np.random.default_rng(0)
    shapes = {"w": (5, 3, 3, 3), "g": (5,), "m": (5, 11), "k": (11, 5)}
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    graph = cs.open(onnx_model(nodes, {"image": [1, 3, 9, 8]}, ["out"], weights)).graph
    found = channel_axes(graph)
    assert {n: found[n] for n in found} == {
        "image": 0, "conv": 0, "to_last": 2, "norm": 2, "wider": 2, "relu": 2, "back": 2, "to_first": 0,
    }  # fmt: skip
    shape = graph.facts["wider"].output_shape
    assert shape == (9, 8, 11)
    assert roles(graph, shape, "wider") == {"maps": 2, "rows": 0, "columns": 1}


def test_groups_concatenations_and_pooling_keep_it_where_it_is() -> None:
    x = cs.Input((9, 8, 6))
    grouped = cs.Conv2D(4, 3, groups=2, padding="same", name="grouped")(x)
    each = cs.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="each")(x)
    both = cs.Concatenate(name="both")([grouped, each])
    moved = cs.Permute((3, 1, 2), name="moved")(cs.MaxPooling2D(2, name="pooled")(both))
    flat = cs.Flatten(name="flat")(moved)
    found = channel_axes(cs.Model(x, cs.Dense(3, name="dense")(flat)).graph)
    expected = {
        "grouped": 2,
        "each": 2,
        "both": 2,
        "pooled": 2,
        "moved": 0,
        "flat": None,
        "dense": None,
    }
    assert {name: found[name] for name in expected} == expected


def test_a_file_whose_images_have_their_channels_last(tmp_path: Path) -> None:
    """A network of Keras's layout, written as ONNX: its images keep the axis, its maps come first."""
    own = cs.Sequential([cs.Conv2D(4, 3, input_shape=(9, 8, 2)), cs.MaxPooling2D(2), cs.Flatten()])
    own.export(tmp_path / "net.onnx")
    found = channel_axes(cs.open(tmp_path / "net.onnx").graph)
    assert next(iter(found.values())) == 2
    shapes = cs.open(tmp_path / "net.onnx").graph
    for name in ("conv2d", "max_pooling2d"):
        assert shapes.shape(name)[found[name] or 0] == 4


def test_an_image_that_is_rescaled_and_padded_before_its_axes_move(tmp_path: Path) -> None:
    """As Keras's ResNet50 is exported: what stands before the transposition leaves the axes where they are."""
    own = cs.Sequential(
        [
            cs.Rescaling(0.5, input_shape=(9, 8, 2)),
            cs.ZeroPadding2D(1),
            cs.Conv2D(4, 3, name="conv"),
        ]
    )
    own.export(tmp_path / "net.onnx")
    graph = cs.open(tmp_path / "net.onnx").graph
    assert graph.image_layout == "channels_last"
    found = channel_axes(graph)
    assert {graph.shape(name)[axis] for name, axis in found.items() if axis is not None} == {2, 4}
    assert graph.shape("conv")[found["conv"] or 0] == 4


def test_a_convolution_makes_maps_of_its_own_whatever_fed_it() -> None:
    """As in a block that weighs its maps: a row of numbers becomes (1, 1, 6), and then goes channels-first."""
    nodes = [
        helper.make_node("Reshape", ["row", "shape"], ["a"], "image"),
        helper.make_node("Transpose", ["a"], ["b"], "moved", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["b", "w"], ["out"], "conv"),
    ]
    w = np.ones((5, 6, 1, 1), np.float32)
    weights = {"shape": np.array([-1, 1, 1, 6]), "w": w}
    graph = cs.open(onnx_model(nodes, {"row": ["n", 6]}, ["out"], weights)).graph
    assert channel_axes(graph)["conv"] == 0 and graph.shape("conv") == (5, 1, 1)

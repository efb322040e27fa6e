"""Another network with some settings changed: what Keras builds with them, and the weights that still fit."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import convscope
from convscope import Add, BatchNormalization, Conv2D, Dense, Flatten, Input, Model, Sequential
from convscope.demo import digits, network
from convscope.errors import (
    LayerLookupError,
    NotBuiltError,
    SettingError,
    ShapeError,
    UnsupportedError,
    WindowError,
)
from convscope.layers import Sample, kinds
from convscope.layers.input_layer import InputLayer
from convscope.model.editing import with_settings
from convscope.network import Network

pytestmark = pytest.mark.filterwarnings("default")  # Keras's torch backend remarks on numpy 2

L = keras.layers


# -- what Keras builds ----------------------------------------------------------------------------


def stack() -> Any:
    return keras.Sequential(
        [
            keras.Input((31, 27, 3)),
            L.Conv2D(8, (3, 5), activation="relu", name="first"),
            L.BatchNormalization(name="norm"),
            L.MaxPooling2D((2, 3), name="pool"),
            L.DepthwiseConv2D((3, 2), depth_multiplier=2, name="depthwise"),
            L.SeparableConv2D(12, (2, 3), name="separable"),
            L.Flatten(name="flat"),
            L.Dense(7, name="dense"),
        ],
        name="stack",
    )


def branches() -> Any:
    x = keras.Input((26, 23, 5), name="image")
    a = L.Conv2D(6, 3, padding="same", name="a")(x)
    b = L.Conv2D(6, (5, 1), padding="same", name="b")(x)
    joined = L.Concatenate(name="both")([L.Add(name="sum")([a, b]), x])
    y = L.Conv2DTranspose(4, 3, strides=2, name="larger")(joined)
    y = L.GlobalAveragePooling2D(name="mean")(y)
    return keras.Model(x, [y, L.Dense(9, name="dense")(y)], name="branches")


def nested() -> Any:
    inner = keras.Sequential(
        [keras.Input((17, 14, 3)), L.Conv2D(4, 3, name="conv"), L.ReLU(name="relu")], name="inner"
    )
    x = keras.Input((17, 14, 3), name="image")
    return keras.Model(x, L.Conv2D(5, 2, name="after")(inner(x)), name="nested")


def volume() -> Any:
    return keras.Sequential(
        [
            keras.Input((9, 11, 13, 2)),
            L.Conv3D(4, (2, 3, 4), name="conv"),
            L.AveragePooling3D((2, 1, 2), name="pool"),
        ]
    )


EDITS: list[tuple[Any, list[tuple[str, str, Any]]]] = [
    (stack, [("first", "kernel_size", (5, 4))]),
    (stack, [("first", "strides", 2)]),
    (stack, [("first", "strides", (1, 2)), ("first", "padding", "same"), ("pool", "padding", "same")]),
    (stack, [("first", "filters", 10), ("first", "use_bias", False)]),
    (stack, [("first", "dilation_rate", (2, 3))]),
    (stack, [("norm", "scale", False)]),
    (stack, [("pool", "pool_size", (3, 2)), ("pool", "strides", (2, 1))]),
    (stack, [("depthwise", "depth_multiplier", 3), ("depthwise", "kernel_size", 4)]),
    (stack, [("separable", "filters", 9), ("separable", "depth_multiplier", 2)]),
    (stack, [("separable", "kernel_size", (1, 2)), ("dense", "units", 11)]),
    (stack, [("first", "activation", "tanh")]),
    (branches, [("a", "kernel_size", (7, 2)), ("b", "dilation_rate", (2, 1))]),
    (branches, [("a", "filters", 8), ("b", "filters", 8)]),
    (branches, [("a", "groups", 1), ("larger", "padding", "same")]),
    (branches, [("larger", "strides", (3, 1)), ("larger", "kernel_size", (4, 2))]),
    (branches, [("mean", "keepdims", True)]),
    (nested, [("inner/conv", "kernel_size", (4, 2))]),
    (nested, [("inner/conv", "filters", 7), ("after", "strides", (2, 3))]),
    (volume, [("conv", "kernel_size", (3, 1, 2)), ("pool", "strides", (1, 2, 3))]),
    (volume, [("conv", "groups", 2)]),
]  # fmt: skip


def edited_by_keras(model: Any, edits: list[tuple[str, str, Any]]) -> Any:
    config = model.get_config()
    for name, setting, value in edits:
        part = config
        for step in name.split("/"):
            (found,) = (c for c in part["layers"] if c["config"].get("name") == step)
            part = found["config"]
        part[setting] = value
    return type(model).from_config(_not_built(config))


def _not_built(config: Any) -> Any:
    """Return a config without the shapes that Keras has built its layers for."""
    if isinstance(config, dict):
        return {k: _not_built(v) for k, v in config.items() if k != "build_config"}
    return [_not_built(v) for v in config] if isinstance(config, list) else config


def leaf(model: Any, name: str) -> Any:
    for step in name.split("/"):
        model = model.get_layer(step)
    return model


def macs_by_hand(layer: Any, inside: tuple[int, ...], out: tuple[int, ...]) -> int:
    """Return multiply–accumulates, counted from Keras's own weights; shapes without the batch."""
    kind = type(layer).__name__
    if kind in ("Conv2D", "Conv3D"):  # one kernel's slice, all filters, at every output position
        return math.prod(out[:-1]) * math.prod(map(int, layer.kernel.shape))
    if kind == "Conv2DTranspose":
        return math.prod(inside[:-1]) * math.prod(map(int, layer.kernel.shape))
    if kind == "DepthwiseConv2D":
        return math.prod(out[:-1]) * math.prod(map(int, layer.kernel.shape))
    if kind == "SeparableConv2D":
        weights = (*layer.depthwise_kernel.shape,), (*layer.pointwise_kernel.shape,)
        return math.prod(out[:-1]) * sum(map(math.prod, weights))
    return math.prod(map(int, layer.kernel.shape)) if kind == "Dense" else 0


@pytest.mark.parametrize(
    ("make", "edits"), EDITS, ids=lambda v: v.__name__ if callable(v) else v[0][0] + "." + v[0][1]
)
def test_an_edited_network_is_the_one_that_keras_builds(make: Any, edits: Any) -> None:
    theirs = make()
    base = convscope.open(theirs)
    before = base.facts().to_dict()
    kept = {layer.name: layer.get_weights() for layer in base.layers}
    wanted = edited_by_keras(theirs, edits)

    report = base.whatif(edits)
    ours = base.edit({name: {s: v for n, s, v in edits if n == name} for name, _, _ in edits})
    assert report.to_dict() == ours.changes().to_dict()
    rows = {row["name"]: row["new"] for row in report.to_dict()["layers"]}
    for name, row in rows.items():
        layer = leaf(wanted, name)
        assert tuple(row["output_shape"]) == tuple(layer.output.shape), name
        assert [tuple(s) for s in row["weights"].values()] == [
            tuple(w.shape) for w in layer.weights
        ]
        assert row["params"] == layer.count_params()
        inside = layer.input[0].shape if isinstance(layer.input, list) else layer.input.shape
        assert (row["macs"] or 0) == macs_by_hand(layer, inside[1:], layer.output.shape[1:]), name
    assert report.to_dict()["totals"]["new"]["params"] == wanted.count_params()

    # the same numbers, run by ONNX Runtime, taken apart by us, and computed by Keras
    for name in rows:
        leaf(wanted, name).set_weights(ours.get_layer(name).get_weights())
    image = np.random.default_rng(1).normal(size=wanted.input_shape[1:]).astype(np.float32)
    run = ours.run(image)
    expected = wanted(keras.ops.convert_to_tensor(image[None]), training=False)
    expected = expected if isinstance(expected, list) else [expected]
    for name, array in zip(ours.graph.outputs, expected, strict=True):
        np.testing.assert_allclose(run[name], array.detach().numpy()[0], rtol=1e-4, atol=1e-5)
    for name in rows:
        where = tuple(s // 2 for s in ours.graph.shape(name))
        assert run.trace(name, where).facts.agrees, name

    # and the network that was edited is what it was
    assert base.facts().to_dict() == before
    for layer in base.layers:
        for a, b in zip(layer.get_weights(), kept[layer.name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_kind_can_be_made_again_from_its_settings() -> None:
    for kind in kinds().values():
        if kind is not InputLayer:
            for sample in kind.samples():
                again = with_settings(sample.layer, {})
                assert str(again.equation(*sample.shapes)) == str(_equation(sample))


def _equation(sample: Sample) -> Any:
    return sample.layer.equation(*sample.shapes)


# -- weights --------------------------------------------------------------------------------------


def test_weights_that_fit_are_the_same_arrays_and_the_others_are_drawn_from_the_seed() -> None:
    net = network()
    new = net.edit("conv2d_1", kernel_size=(3, 4))
    report = new.changes().to_dict()
    assert {r["name"]: r["weights_redrawn"] for r in report["layers"] if r["weights_redrawn"]} == {
        "conv2d_1": ["kernel"],
        "dense": ["kernel"],
    }
    for layer, weight in (("conv2d", "kernel"), ("conv2d_1", "bias"), ("dense", "bias")):
        assert net.get_layer(layer).weights[weight] is new.get_layer(layer).weights[weight]
    again = network().edit("conv2d_1", kernel_size=(3, 4))
    kernels = [n.get_layer("dense").weights["kernel"] for n in (new, again)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert kernels[0].shape == (12 * 11 * 64, 10) and kernels[0].std() > 0
    said = new.changes().text(80)
    assert "drawn anew (seed 0), and not trained: conv2d_1\n(kernel) and dense (kernel)" in said


def test_what_is_drawn_late_is_the_same_on_both_sides_whoever_asks_first() -> None:
    def made() -> Sequential:
        return Sequential([Conv2D(6, 3, input_shape=(11, 9, 2)), Conv2D(4, 2)], seed=7)

    net = made()
    new = net.edit("conv2d_1", strides=2)
    assert new.get_layer("conv2d").weights["kernel"] is net.get_layer("conv2d").weights["kernel"]
    late = made()
    late_new = late.edit("conv2d_1", use_bias=False)
    kernel = late_new.get_layer("conv2d_1").weights["kernel"]  # drawn here first
    assert kernel is late.get_layer("conv2d_1").weights["kernel"]
    np.testing.assert_array_equal(kernel, net.get_layer("conv2d_1").weights["kernel"])
    assert list(late_new.get_layer("conv2d_1").weights) == ["kernel"]
    assert len(late_new.get_weights()) == 3


def test_an_untrained_network_is_edited_into_the_one_that_is_built_with_these_settings() -> None:
    def made(kernel: int, bias: bool) -> Sequential:
        first = Conv2D(6, kernel, input_shape=(11, 9, 2), bias_initializer="random_normal")
        return Sequential([first, Conv2D(4, 2, use_bias=bias), Flatten(), Dense(3)], seed=7)

    edited = made(3, True).edit({"conv2d": {"kernel_size": 4}, "conv2d_1": {"use_bias": False}})
    for ours, direct in zip(edited.get_weights(), made(4, False).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, direct)


def test_setting_weights_in_one_is_not_seen_in_the_other() -> None:
    net = Sequential([Conv2D(6, 3, input_shape=(11, 9, 2)), Conv2D(4, 2)])
    before = net.get_weights()
    new = net.edit("conv2d_1", strides=2)
    net.set_weights([w + 1 for w in before])
    for a, b in zip(new.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    new.set_weights([w - 1 for w in before])
    np.testing.assert_array_equal(net.get_weights()[0], before[0] + 1)


def test_no_weight_of_a_file_is_read_for_the_table(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stack().save(path)
    net = convscope.open(path)
    new = net.edit("first", kernel_size=(2, 4))
    new.changes().text()
    assert all(not layer._arrays for layer in (*net.layers, *new.layers))
    bias = new.get_layer("separable").weights["bias"]
    assert bias is net.get_layer("separable").weights["bias"]
    image = np.random.default_rng(2).normal(size=(31, 27, 3)).astype(np.float32)
    assert new.run(image).trace("dense", (3,)).facts.agrees


# -- what comes back ------------------------------------------------------------------------------


def test_a_sequential_stays_one_that_can_grow() -> None:
    net = Sequential([Conv2D(6, 3, input_shape=(11, 9, 2)), Conv2D(4, 2)], name="small")
    new = net.edit("conv2d", kernel_size=2)
    assert isinstance(new, Sequential) and new.name == "small"
    new.add(Conv2D(3, 1))
    new.pop()
    net.add(Conv2D(3, 1))
    assert net.pop().name == "conv2d_2"
    new.add(Flatten())
    new.add(Dense(5))
    assert [layer.name for layer in net.layers] == ["conv2d", "conv2d_1"]
    assert [layer.name for layer in new.layers] == ["conv2d", "conv2d_1", "flatten", "dense"]
    rows = {row["name"]: row for row in new.changes().to_dict()["layers"]}
    assert rows["dense"]["old"] is None and rows["dense"]["changed"]
    assert "–" in new.changes().text()
    net.add(Dense(3))
    net.pop()
    theirs = new.to_keras()
    assert theirs.count_params() == new.count_params()


def test_edits_in_a_row_are_one_change_from_the_first() -> None:
    net = network()
    twice = net.edit("conv2d", kernel_size=5).edit("conv2d", kernel_size=3)
    report = twice.changes().to_dict()
    assert report["edits"] == [
        {"layer": "conv2d", "setting": "kernel_size", "old": [3, 3], "new": [3, 3]}
    ]
    (row,) = (r for r in report["layers"] if r["name"] == "conv2d")
    # the shape is back, the trained kernel is not
    assert row["changed"] and row["old"] == row["new"] and row["weights_redrawn"] == ["kernel"]
    more = net.edit("conv2d", kernel_size=5).edit("conv2d_1", strides=2).changes()
    both = net.whatif([("conv2d", "kernel_size", 5), ("conv2d_1", "strides", 2)])
    assert more.to_dict() == both.to_dict()


def test_a_layer_that_is_used_twice_is_edited_once() -> None:
    x = Input((12, 9, 4))
    shared = Conv2D(4, 3, padding="same", name="shared")
    net = Model(x, Add()([shared(shared(x)), x]))
    new = net.edit("shared_again", kernel_size=5)
    first, second = (new.graph.nodes[n].layer for n in ("shared", "shared_again"))
    assert first is second and new.count_params() == 5 * 5 * 4 * 4 + 4
    assert "shared and shared_again are one layer, used 2 times" in " ".join(
        new.changes().text(100).split()
    )
    with pytest.raises(ShapeError) as caught:
        net.edit("shared", filters=5)
    assert "is shared, and its weights would need other shapes" in str(caught.value)
    assert "filters 4 would do" in str(caught.value)  # 1 would, if each use had weights of its own


def test_the_trained_demo_still_reads_its_digit_after_an_edit_that_keeps_its_weights() -> None:
    net = network()
    new = net.edit("flatten", data_format="channels_last").edit("conv2d", activation="linear")
    seven = digits()["seven"]
    assert new.changes().to_dict()["totals"]["old"] == new.changes().to_dict()["totals"]["new"]
    run = new.run(seven)
    assert run.trace("conv2d", (15, 17, 7)).facts.agrees
    assert run["conv2d"].min() < 0 <= net.run(seven)["conv2d"].min()


def test_a_layer_without_an_equation_makes_what_follows_unknown() -> None:
    x = keras.Input((9, 7, 4), name="image")
    y = L.Conv2D(4, 1, name="conv")(x)
    y = L.Lambda(lambda v: v, output_shape=(9, 7, 4), name="custom")(y)
    model = keras.Model(x, L.Conv2D(3, 2, name="after")(y))
    net = convscope.open(model)
    unchanged = net.edit("conv", use_bias=False)
    assert unchanged.graph.shape("after") == (8, 6, 3)
    new = net.edit("conv", kernel_size=2)
    report = new.changes().to_dict()
    rows = {row["name"]: row for row in report["layers"]}
    assert rows["conv"]["new"]["output_shape"] == [None, 8, 6, 4]
    assert rows["custom"]["new"]["output_shape"] is rows["after"]["new"]["output_shape"] is None
    assert "Nobody knows what custom and after would give on other inputs" in report["notes"][-1]
    with pytest.raises(UnsupportedError, match=r"custom \(Lambda\) has no equation here"):
        net.edit("custom", function=None)
    assert net.editable("custom") == {}


# -- what cannot be -------------------------------------------------------------------------------


def two_branches() -> Network:
    x = Input((26, 23, 3))
    a = Conv2D(4, 3, padding="same", name="a")(x)
    b = Conv2D(4, 5, padding="same", name="b")(x)
    return Model(x, Dense(7)(Flatten()(Add(name="join")([a, b]))))


def convolutions() -> Network:
    return Sequential(
        [
            Conv2D(32, 3, input_shape=(28, 26, 2)),
            Conv2D(64, 3),
            BatchNormalization(),
            Conv2D(6, (5, 4)),
        ]
    )


@pytest.mark.parametrize(
    ("make", "edits", "error", "words"),
    [
        (
            network,
            {"conv2d_1": {"kernel_size": 40}},
            WindowError,
            ["conv2d_1.kernel_size = 40 cannot be", "26 ≥ 40 fails",
             "kernel_size 1 … 25 would do (1 … 26 for this layer alone)",
             "conv2d_1.padding = 'same' beside it"],
        ),
        (
            convolutions,
            {"conv2d_1": {"kernel_size": (2, 9), "dilation_rate": 3}},
            WindowError,
            ["the input has 24 columns, and 24 ≥ (9 − 1)·3 + 1 = 25 fails",
             "conv2d_1.kernel_size (2, 1) … (2, 7)", "(2, 1) … (2, 8) or (1, 1) … (8, 8) for this layer alone",
             "conv2d_1.dilation_rate 1 or 2 would do"],
        ),
        (
            network,
            {"conv2d_1": {"groups": 5}},
            ShapeError,
            ["64 filters cannot be divided into 5 groups", "its input has shape (26, 26, 32)",
             "groups 1, 2, 4, 8, 16 or 32 would do"],
        ),
        (
            network,
            {"conv2d_1": {"groups": 64}},
            ShapeError,
            ["32 input channels cannot be divided into 64 groups", "1, 2, 4, 8, 16 or 32 would do"],
        ),
        (network, {"conv2d": {"strides": 0}}, SettingError,
         ["strides must be at least 1, not 0", "strides 1 … "]),
        (
            network,
            {"conv2d": {"kernel_size": 26}},
            WindowError,
            ["is fine for the layer itself (conv2d gives (3, 3, 32)), but a later layer breaks",
             ": max_pooling2d: a window of 2 rows", "1 ≥ 2 fails", "kernel_size 1 … 25 would do"],
        ),
        (
            two_branches,
            {"a": {"kernel_size": 5, "padding": "valid"}},
            ShapeError,
            ["a later layer breaks: join: Add", "a has shape (22, 19, 4)", "b has shape (26, 23, 4)",
             "a.kernel_size 1 would do", "a.padding 'same' would do", "b.padding = 'valid' beside it"],
        ),
        (
            two_branches,
            {"a": {"filters": 6}},
            ShapeError,
            ["join: Add", "filters 1 or 4 would do", "b.filters = 6 beside it"],
        ),
        (two_branches, {"a": {"strides": 2}}, ShapeError, ["strides 1", "b.strides = 2 beside it"]),
        (
            network,
            {"conv2d": {"kernel_size": 9}, "conv2d_1": {"kernel_size": 20}},
            WindowError,
            ["conv2d_1.kernel_size = 20"],
        ),
        (network, {"conv2d": {"padding": "smae"}}, SettingError,
         ["must be one of 'valid', 'same', not 'smae' (did you mean 'same'?)"]),
        (network, {"conv2d": {"activation": "rleu"}}, SettingError, ["did you mean 'relu'?"]),
        (network, {"conv2d": {"kernel": 5}}, SettingError,
         ["conv2d (Conv2D) has no setting 'kernel'", "it takes filters, kernel_size, strides"]),
        (network, {"conv2": {"kernel_size": 5}}, LayerLookupError, ["did you mean 'conv2d'?"]),
        (network, {"conv2d": {"kernel_size": {}}}, SettingError, ["kernel_size must be"]),
        (network, {"dense": {"units": -1}}, SettingError, ["dense.units = -1 cannot be"]),
        (network, {"flatten": {"units": 3}}, SettingError, ["it takes data_format"]),
    ],
)  # fmt: skip
def test_an_impossible_edit_says_what_fails_and_what_would_do(
    make: Any, edits: Any, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        make().edit(edits)
    for word in words:
        assert word in str(caught.value)


def test_the_values_that_are_said_to_do_do_and_their_neighbours_do_not() -> None:
    net = network()
    for kernel in (1, 25):
        net.edit("conv2d_1", kernel_size=kernel)
    with pytest.raises(WindowError):
        net.edit("conv2d_1", kernel_size=26)
    for groups in (1, 2, 4, 8, 16, 32):
        net.edit("conv2d_1", groups=groups)
    for groups in {*range(1, 65)} - {1, 2, 4, 8, 16, 32}:
        with pytest.raises(ShapeError):
            net.edit("conv2d_1", groups=groups)


def test_wrong_uses_are_said() -> None:
    net = network()
    with pytest.raises(SettingError, match="one dict of several"):
        net.edit({"conv2d": {"kernel_size": 5}}, strides=2)
    with pytest.raises(SettingError, match="is given twice"):
        net.whatif([("conv2d", "strides", 1), ("conv2d", "strides", 2)])
    with pytest.raises(SettingError, match="an edit is \\(layer, setting, value\\)"):
        net.whatif([("conv2d", "strides")])
    for edits in ("conv2d.strides=2", {"conv2d": {"strides": 2}}):
        with pytest.raises(SettingError, match=r"edits are a list, as .* not .*conv2d.*strides"):
            net.whatif(edits)
    with pytest.raises(NotBuiltError):
        Sequential([Conv2D(3, 3)]).edit("conv2d", strides=2)

"""What Keras's files can say, in each of the ways it has said it; and the command line on such files."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import hostile
import keras
import numpy as np
import pytest
from click.testing import CliRunner

import convscope
from convscope.cli import main
from convscope.errors import SourceError, SourceWarning, WeightsError

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own conversions warn with numpy 2

layers = keras.layers


def saved(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def output(model: Any, image: np.ndarray[Any, Any]) -> Any:
    batch = keras.ops.convert_to_tensor(image[np.newaxis])
    return model(batch, training=False).detach().numpy()[0]


def branching() -> Any:
    """Operations with numbers on either side, a network used twice, two outputs."""
    x = keras.Input((8, 9, 3), name="image")
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    inner = keras.Sequential([keras.Input((8, 9, 3)), conv, layers.ReLU(name="relu")], name="inner")
    y, z = inner(x), inner(x * 0.5)
    y = (2.0 - y) / 4.0
    w = keras.ops.maximum(keras.ops.concatenate([y, z, keras.ops.subtract(y, z)], axis=-1), -0.25)
    w = keras.ops.mean(keras.ops.relu(w) + 1, axis=(1, 2))
    shared = layers.Dense(9, activation="tanh", name="shared")
    w = shared(shared(w))
    return keras.Model(x, [w, layers.Activation("hard_silu")(w)], name="branching")


@pytest.mark.parametrize("suffix", ["keras", "h5", "live"])
def test_operations_nested_and_shared_layers(tmp_path: Path, suffix: str) -> None:
    model = branching()
    source = model if suffix == "live" else saved(model, tmp_path / f"m.{suffix}")
    network = convscope.open(source)
    assert network.count_params() == model.count_params() == 84 + 90
    assert not any(r.opaque for r in network.facts().rows)
    names = [r.name for r in network.facts().rows]
    assert names[:2] == ["inner/conv", "inner/relu"]
    assert {"inner_again/relu", "shared", "shared_again"} <= set(names)

    image = np.random.default_rng(0).normal(size=(8, 9, 3)).astype(np.float32)
    expected = model(keras.ops.convert_to_tensor(image[np.newaxis]))
    for ours, theirs in zip(network.predict(image[np.newaxis]), expected, strict=True):
        assert np.allclose(ours, theirs.detach().numpy(), atol=1e-6)
    run = network.run(image)
    for name in names:
        position = tuple(s // 2 for s in network.graph.shape(name))
        assert run.trace(name, position).facts.agrees, name


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_weights(tmp_path: Path, dtype: str) -> None:
    model = keras.Sequential([keras.Input((5, 6, 2)), layers.Conv2D(3, 2, dtype=dtype, name="c")])
    path = saved(model, tmp_path / "half.keras")
    with pytest.warns(SourceWarning, match=f"c: it computes in {dtype} in Keras, and in float32"):
        network = convscope.open(path)
    expected = model.get_layer("c").kernel.value.detach().float().numpy()
    found = network.get_layer("c").get_weights()[0]
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


def test_chunked_and_packed_weights(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((9, 8, 5)), layers.Conv2D(7, 3, name="c")], name="s")
    path = saved(model, tmp_path / "packed.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/c/s/c"]
        kernel = group["kernel"][()]
        del group["kernel"]
        group.create_dataset(
            "kernel",
            data=kernel,
            chunks=(2, 3, 4, 4),
            compression="gzip",
            shuffle=True,
            fletcher32=True,
        )
    assert np.array_equal(convscope.open(path).get_weights()[0], kernel)


KERAS_2 = {
    "class_name": "Functional",
    "keras_version": "2.11.0",
    "backend": "tensorflow",
    "config": {
        "name": "older",
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"batch_input_shape": [None, 8, 9, 3], "dtype": "float32", "name": "in"},
                "name": "in",
                "inbound_nodes": [],
            },
            {
                "class_name": "Conv2D",
                "config": {
                    "name": "conv", "trainable": True, "dtype": "float32", "filters": 4,
                    "kernel_size": [3, 3], "padding": "same", "activation": "relu", "use_bias": True,
                },
                "name": "conv",
                "inbound_nodes": [[["in", 0, 0, {}]]],
            },
            {
                "class_name": "BatchNormalization",
                "config": {"name": "bn", "trainable": True, "dtype": "float32", "axis": [3]},
                "name": "bn",
                "inbound_nodes": [[["conv", 0, 0, {}]]],
            },
            {
                "class_name": "TFOpLambda",
                "config": {
                    "name": "plus", "trainable": True, "dtype": "float32",
                    "function": "__operators__.add",
                },
                "name": "plus",
                "inbound_nodes": [["bn", 0, 0, {"y": 3.0, "name": None}]],
            },
            {
                "class_name": "Add",
                "config": {"name": "add", "trainable": True, "dtype": "float32"},
                "name": "add",
                "inbound_nodes": [[["plus", 0, 0, {}], ["conv", 0, 0, {}]]],
            },
        ],
        "input_layers": [["in", 0, 0]],
        "output_layers": [["add", 0, 0]],
    },
}  # fmt: skip
"""What tf.keras 2.11 writes into model_config, after its own serialiser."""


def test_keras_2_h5(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "conv": {"kernel": (3, 3, 3, 4), "bias": (4,)},
        "bn": {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)},
    }
    held = {n: {w: rng.random(s, np.float32) for w, s in ws.items()} for n, ws in shapes.items()}
    path = tmp_path / "older.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(KERAS_2)
        top = file.create_group("model_weights")
        names = ["in", "conv", "bn", "plus", "add"]
        top.attrs["layer_names0"] = np.array(names[:2], "S")  # long lists are cut like this
        top.attrs["layer_names1"] = np.array(names[2:], "S")
        for name in names:
            group = top.create_group(name)
            listed = [f"{name}/{w}:0" for w in held.get(name, {})]
            group.attrs["weight_names"] = np.array(listed, "S") if listed else np.array([])
            for weight in listed:
                group[weight] = held[name][weight.split("/")[1][:-2]]
    network = convscope.open(path)
    assert [r.kind for r in network.facts().rows] == [
        "Conv2D",
        "BatchNormalization",
        "Arithmetic",
        "Add",
    ]
    assert np.array_equal(network.get_layer("bn").weights["beta"], held["bn"]["beta"])
    image = rng.normal(size=(8, 9, 3)).astype(np.float32)
    run = network.run(image)
    assert np.allclose(run["plus"], run["bn"] + 3, atol=1e-6)
    assert run.trace("conv", (0, 8, 3)).facts.agrees


def test_what_nobody_knows_is_opaque(tmp_path: Path) -> None:
    x = keras.Input((8, 6), name="steps")
    y = layers.Conv1D(5, 3, name="conv")(x)
    y = layers.LSTM(7, return_sequences=True, name="lstm")(y)
    y = layers.Dense(3, name="dense")(y)
    y = layers.RNN(layers.LSTMCell(2), name="last")(y)
    model = keras.Model(x, y)
    network = convscope.open(saved(model, tmp_path / "lstm.keras"))
    rows = {r.name: r for r in network.facts().rows}
    lstm = rows["lstm"]
    assert (lstm.kind, lstm.opaque, lstm.output_shape) == ("LSTM", True, (None, 6, 7))
    assert lstm.params == model.get_layer("lstm").count_params() == 364
    assert network.facts().to_dict()["layers"][1]["macs"] is None
    for row in (lstm, rows["dense"]):
        assert row.receptive_field is not None and row.receptive_field.size == (None,)
    assert (rows["dense"].params, rows["dense"].opaque) == (24, False)
    # nothing reads the last layer, so that nobody says its shape
    assert rows["last"].output_shape is None
    assert network.count_params() == model.count_params()
    assert network.facts().to_dict()["layers"][3]["output_shape"] is None
    assert "from dense  →  an unknown shape" in str(network.explain("last"))
    assert "named and counted, but not explained" in str(network.explain())
    # what comes before it can still be taken apart
    steps = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    assert network.trace(steps, "conv", (3, 4)).facts.value != 0
    with pytest.raises(convscope.errors.UnsupportedError, match=r"lstm \(LSTM\) has no equation"):
        network.trace(steps, "lstm", (3, 4))
    assert set(network.run(steps).missing) == {"lstm", "dense", "last"}


def test_a_class_of_somebody_elses_is_not_taken_for_keras_own(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((8, 9, 3)), layers.Conv2D(4, 3, name="c"), layers.Flatten()]
    )
    members = hostile.members_of(saved(model, tmp_path / "a.keras"))
    config = json.loads(members[hostile.CONFIG])
    config["config"]["layers"][1].update(module="mine", registered_name="mine>Conv2D")
    hostile.with_config(members, tmp_path / "b.keras", config)
    first = convscope.open(tmp_path / "b.keras").facts().rows[0]
    assert (first.kind, first.opaque, first.params) == ("Conv2D", True, 112)


def test_an_unknown_setting_and_another_shape_are_said(tmp_path: Path) -> None:
    x = keras.Input((8, 9, 3), name="x")
    model = keras.Model(x, layers.ReLU(name="r")(layers.Conv2D(4, 3, name="c")(x)), name="m")
    members = hostile.members_of(saved(model, tmp_path / "a.keras"))
    config = json.loads(members[hostile.CONFIG])
    conv, relu = config["config"]["layers"][1:]
    conv["config"]["sparkle"] = 7
    relu["inbound_nodes"][0]["args"][0]["config"]["shape"] = [None, 6, 7, 5]
    hostile.with_config(members, tmp_path / "b.keras", config)
    with pytest.warns(SourceWarning):
        network = convscope.open(tmp_path / "b.keras")
    assert any("its setting sparkle = 7 is not known" in w for w in network.warnings)
    assert any(
        "says it gives (6, 7, 5), but by its settings it gives (6, 7, 4)" in w
        for w in network.warnings
    )


def test_weights_alone_and_unbuilt_networks_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        file["conv/kernel"] = np.zeros(3)
    with pytest.raises(SourceError, match="holds weights at most"):
        convscope.open(tmp_path / "w.weights.h5")
    path = saved(keras.Sequential([layers.Dense(3)]), tmp_path / "unbuilt.keras")
    with pytest.raises(SourceError, match=r"has no input shape yet; .* save it again"):
        convscope.open(path)


def test_the_command_line(tmp_path: Path) -> None:
    model = branching()
    path = str(saved(model, tmp_path / "m.keras"))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(8, 9, 3)).astype(np.float32))
    image = ["--image", str(tmp_path / "x.npy")]

    def command(*words: str) -> str:
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == 0, done.output
        return done.output

    assert (
        json.loads(command("summary", path, "--json"))["totals"]["params"] == model.count_params()
    )
    for style in ("keras", "keras2"):
        assert "shared" in command("summary", path, "--style", style)
    assert "kernel" in command("explain", path, "inner/conv")
    assert json.loads(command("trace", path, "inner/conv", "3,4,1", *image, "--json"))["agrees"]
    command("trace", path, "shared", "2", *image, "--cone")
    command("run", path, *image, "--out", str(tmp_path / "all.npz"))
    command("export", path, str(tmp_path / "m.onnx"))
    assert (tmp_path / "m.onnx").stat().st_size > 1000

    (tmp_path / "bad.keras").write_bytes(b"\x80\x04no")
    done = CliRunner().invoke(main, ["summary", str(tmp_path / "bad.keras")])
    assert done.exit_code == 2
    assert done.output.startswith("Error: ") and done.output.count("\n") == 1


def test_disagreeing_weights_are_listed_by_layer(tmp_path: Path) -> None:
    x = keras.Input((8, 9, 3))
    y = layers.Dense(4, name="second")(layers.Conv2D(4, 3, name="first")(x))
    model = keras.Model(x, y)
    members = hostile.members_of(saved(model, tmp_path / "a.keras"))
    config = json.loads(members[hostile.CONFIG])
    config["config"]["layers"][1]["config"]["filters"] = 5
    for layer in config["config"]["layers"]:
        layer.pop("build_config", None)
    hostile.with_config(members, tmp_path / "b.keras", config)
    with pytest.warns(SourceWarning):
        network = convscope.open(tmp_path / "b.keras")
    with pytest.raises(
        WeightsError, match=r"first \(Conv2D\): its kernel.*second \(Dense\): its kernel"
    ):
        network.get_weights()


def test_layers_that_act_only_in_training_pass_images_on(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 9, 3)),
            layers.RandomFlip(name="flip"),
            layers.Conv2D(4, 3),
            layers.Dropout(0.5),
        ]
    )
    with pytest.warns(SourceWarning, match="flip: RandomFlip changes images only in training"):
        network = convscope.open(saved(model, tmp_path / "flip.keras"))
    image = np.random.default_rng(1).normal(size=(8, 9, 3)).astype(np.float32)
    assert np.allclose(network.run(image).output, output(model, image), atol=1e-6)


def test_several_outputs_of_one_layer(tmp_path: Path) -> None:
    x = keras.Input((8, 6))
    y, h, c = layers.LSTM(7, return_state=True, name="lstm")(x)
    model = keras.Model(x, [layers.Dense(3, name="dense")(layers.Add(name="sum")([h, c])), y])
    network = convscope.open(saved(model, tmp_path / "state.keras"))
    assert network.graph.node("sum").inputs == ("lstm:1", "lstm:2")
    assert network.graph.shape("dense") == (3,)
    assert network.count_params() == model.count_params()


def test_channels_first(tmp_path: Path) -> None:
    x = keras.Input((3, 8, 9))
    y = layers.Conv2D(4, 3, data_format="channels_first", name="c")(x)
    y = layers.BatchNormalization(axis=1)(y)
    model = keras.Model(x, layers.GlobalAveragePooling2D(data_format="channels_first")(y))
    network = convscope.open(saved(model, tmp_path / "first.keras"))
    assert network.graph.layout == "channels_first"
    image = np.random.default_rng(1).normal(size=(3, 8, 9)).astype(np.float32)
    run = network.run(image)
    assert np.allclose(run.output, output(model, image), atol=1e-6)
    assert run.trace("c", (2, 3, 4)).facts.agrees


def test_weights_are_mapped_and_not_copied(tmp_path: Path) -> None:
    """A read-only view on the file, where the numbers lie in one piece; their own copy when asked for."""
    model = keras.Sequential([keras.Input((9, 8, 5)), layers.Conv2D(7, 3, name="c")], name="s")
    conv = convscope.open(saved(model, tmp_path / "s.h5")).get_layer("c")
    kernel = conv.weights["kernel"]
    assert not kernel.flags.owndata and not kernel.flags.writeable
    assert np.array_equal(kernel, model.get_layer("c").kernel.value.detach().numpy())
    conv.get_weights()[0][:] = 0
    assert kernel.any()


def test_keras_2_counts_the_making_of_a_nested_network_as_its_first_call(tmp_path: Path) -> None:
    config: Any = json.loads(json.dumps(KERAS_2))
    nested = json.loads(json.dumps(KERAS_2["config"]))
    nested["name"] = "inner"
    nested["layers"], nested["output_layers"] = nested["layers"][:2], [["conv", 0, 0]]
    held = config["config"]
    again = {"class_name": "Functional", "config": nested, "name": "inner"}
    again["inbound_nodes"] = [[["in", 0, 0, {}]]]
    after = held["layers"][2]
    after["inbound_nodes"] = [[["inner", 1, 0, {}]]]
    held["layers"] = [held["layers"][0], again, after]
    held["output_layers"] = [["bn", 0, 0]]
    with h5py.File(tmp_path / "nested.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    rows = convscope.open(tmp_path / "nested.h5").facts().rows
    assert [(r.name, r.inputs) for r in rows] == [("inner/conv", ("in",)), ("bn", ("inner/conv",))]

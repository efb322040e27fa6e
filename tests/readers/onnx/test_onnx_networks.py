"""ONNX networks as exporters write them: opened, run, traced, and compared with what others say."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import onnxruntime as ort
import pytest
from cli.test_cli import convscope as command
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference

import convscope
from convscope import (
    Add,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ReLU,
    SeparableConv2D,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
)
from convscope.demo import digits
from convscope.errors import EngineError, InputError, SourceWarning, UnsupportedError
from convscope.layers import Layer
from convscope.network import Network
from convscope.views.summary import summary_csv

Array = np.ndarray[Any, Any]
node = helper.make_node
ZOO = sorted(
    (Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("light_*.onnx")
)


def traced(net: Network, image: Any, seed: int = 0) -> int:
    """Trace a random number of every explained layer, against the engine; return how many."""
    rng = np.random.default_rng(seed)
    run = net.run(image)
    count = 0
    for name, facts in run.graph.facts.items():
        if facts.equation is None:
            continue
        shape = run[name].shape
        assert shape == tuple(facts.output_shape), name
        place = tuple(int(rng.integers(size)) for size in shape)
        found = run.trace(name, place).facts
        assert found.agrees, (name, found.value, found.engine_value, found.ledger.rounding)
        count += 1
    return count


def image(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# -- a small classifier, as PyTorch writes one ----------------------------------------------------


def test_a_small_classifier_is_read_in_its_own_layout() -> None:
    net = convscope.open(onnx_models.small())
    rows = {row.name: row for row in net.facts().rows}
    assert list(rows) == [
        "/stem/Conv", "batch_normalization", "/act/Relu", "/deep/Conv", "add", "max_pool", "relu",
        "global_average_pool", "reshape", "/fc/Gemm", "softmax",
    ]  # fmt: skip
    assert net.graph.layout == "channels_first"
    stem = rows["/stem/Conv"]
    # (13 + 1 − 3)/2 + 1 rows, 11 + 2 − 5 + 1 columns
    assert stem.output_shape == (None, 6, 6, 9)
    assert stem.weights == {"kernel": (6, 3, 3, 5), "bias": (6,)}
    assert (stem.params, stem.macs) == (6 * 3 * 3 * 5 + 6, 6 * 9 * 6 * 3 * 3 * 5)
    assert rows["max_pool"].output_shape == (None, 6, 3, 4)
    assert rows["reshape"].output_shape == (None, 6)
    assert rows["softmax"].output_shape == (None, 10)
    assert (rows["batch_normalization"].params, rows["batch_normalization"].trainable) == (24, None)
    assert rows["/act/Relu"].receptive_field is not None
    assert rows["/act/Relu"].receptive_field.size == (3, 5)
    assert rows["/deep/Conv"].receptive_field is not None
    assert rows["/deep/Conv"].receptive_field.size == (7, 7)
    assert rows["/deep/Conv"].receptive_field.start == (-3, -1)
    text = str(net.explain("/stem/Conv"))
    assert (
        "out[o, y, x] = bias[o] + Σ c<3, i<3, j<5  in[c, 2y + i − 1, x + j] · kernel[o, c, i, j]"
        in text
    )
    assert net.warnings == []


def test_a_small_classifier_runs_as_it_is_stored() -> None:
    model = onnx_models.small()
    net = convscope.open(model)
    x = image(3, 13, 11)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"image": x[np.newaxis]})
    run = net.run(x)
    np.testing.assert_allclose(run.output, expected[0], rtol=1e-5)
    assert traced(net, x) == 11
    by_cone = net.trace(x, "max_pool", (5, 2, 3)).facts
    assert by_cone.value == pytest.approx(run["max_pool"][5, 2, 3], rel=1e-5)
    many = image(5, 3, 13, 11)
    (expected,) = session.run(None, {"image": many})
    np.testing.assert_allclose(net.predict(many), expected, rtol=1e-5)


def test_weights_are_those_of_the_file_and_stay_so() -> None:
    net = convscope.open(onnx_models.small())
    layer = net.get_layer("/stem/Conv")
    weight = numpy_helper.to_array(onnx_models.small().graph.initializer[0])
    np.testing.assert_array_equal(layer.get_weights()[0], weight)
    with pytest.raises(UnsupportedError, match="those of an ONNX model's file"):
        layer.set_weights(layer.get_weights())


def test_export_writes_the_model_itself(tmp_path: Path) -> None:
    onnx.save(onnx_models.small(), tmp_path / "small.onnx")
    net = convscope.open(tmp_path / "small.onnx")
    net.export(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()


@pytest.mark.parametrize("opset", range(7, 22))
def test_every_opset_from_7_on_opens(opset: int) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Softmax", ["b"], ["y"], axis=1),
    ]
    model = onnx_models.model(nodes, {"x": ["n", 2, 8, 6]}, ["y"], {"w": image(3, 2, 3, 3)}, opset)
    net = convscope.open(model)
    assert net.graph.shape("softmax") == (3, 4, 3)
    assert traced(net, image(2, 8, 6)) == 3


def test_an_older_opset_is_converted_and_says_so() -> None:
    nodes = [
        node("BatchNormalization", ["x", "s", "s", "s", "s"], ["a"], is_test=1),
        node("Dropout", ["a"], ["b"], is_test=1),
        node("Reshape", ["b", "shape"], ["y"]),
    ]
    weights = {"s": np.abs(image(3)), "shape": np.array([0, -1])}
    model = onnx_models.model(nodes, {"x": [1, 3, 5, 4]}, ["y"], weights, 6)
    with pytest.warns(SourceWarning, match="opset 6 and was converted to opset 13"):
        net = convscope.open(model)
    assert net.warnings == ["the ModelProto has opset 6 and was converted to opset 13"]
    assert net.graph.shape(net.graph.outputs[0]) == (60,)
    assert traced(net, image(3, 5, 4)) >= 3


# -- the batch ------------------------------------------------------------------------------------


def test_a_batch_that_is_moved_or_mixed_is_kept_as_an_axis() -> None:
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[1, 0, 2]),
        node("Squeeze", ["a", "one"], ["b"]),
        node("ReduceSum", ["x", "zero"], ["c"], keepdims=0),
        node("Add", ["b", "c"], ["y"]),
    ]
    weights = {"one": np.array([1]), "zero": np.array([0])}
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 4, 5]}, ["y"], weights))
    assert net.graph.shape("transpose") == (4, 1, 5)
    assert net.graph.shape("add") == (4, 5)
    x = image(4, 5)
    assert traced(net, x) == 4
    np.testing.assert_array_equal(net.run(x).output, x + x)
    # the file holds one image at a time, so that a batch is run image by image
    np.testing.assert_array_equal(net.predict(image(3, 4, 5)), 2 * image(3, 4, 5))


def test_a_batch_that_is_mixed_goes_through_image_by_image() -> None:
    nodes = [
        node("ReduceMean", ["x"], ["a"], axes=[0], keepdims=0),
        node("Sub", ["x", "a"], ["y"]),
    ]
    net = convscope.open(onnx_models.model(nodes, {"x": ["n", 4, 5]}, ["y"]))
    x = image(3, 4, 5)
    assert traced(net, x[0]) == 2
    np.testing.assert_array_equal(net.predict(x), np.zeros_like(x))


def test_tensors_without_a_batch_are_whole() -> None:
    net = convscope.open(onnx_models.model([node("Relu", ["x"], ["y"])], {"x": [3, 4, 5]}, ["y"]))
    assert net.graph.shape("relu") == (3, 4, 5)
    assert traced(net, image(3, 4, 5)) == 1


def test_open_sizes_are_known_when_an_image_comes() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Shape", ["a"], ["s"]),
        node("Slice", ["s", "zero", "two"], ["lead"]),
        node("Concat", ["lead", "open"], ["wanted"], axis=0),
        node("Reshape", ["a", "wanted"], ["y"]),
    ]
    weights = {
        "w": image(4, 2, 3, 3), "zero": np.array([0]), "two": np.array([2]), "open": np.array([-1]),
    }  # fmt: skip
    net = convscope.open(onnx_models.model(nodes, {"x": ["n", 2, "h", "w"]}, ["y"], weights))
    assert net.facts().rows[0].output_shape == (None, 4, None, None)
    run = net.run(image(2, 7, 9))
    assert run.output.shape == (4, 20)
    assert run.trace("reshape", (3, 13)).facts.agrees
    assert traced(net, image(2, 6, 5)) == 2


# -- what has no equation -------------------------------------------------------------------------


def test_what_has_no_equation_keeps_its_name_shape_and_values() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("TopK", ["a", "k"], ["b", "places"], "best", axis=1, sorted=0),
        node("Relu", ["b"], ["y"]),
        node("Cast", ["places"], ["z"], to=TensorProto.FLOAT),
        node("LSTM", ["seq", "W", "R"], ["", "last"], hidden_size=2),
    ]
    weights = {
        "w": image(5, 2, 3, 3), "k": np.array([2]), "W": image(1, 8, 3), "R": image(1, 8, 2),
    }  # fmt: skip
    model = onnx_models.model(
        nodes, {"x": [1, 2, 6, 7], "seq": [4, 1, 3]}, ["y", "z", "last"], weights
    )
    net = convscope.open(model)
    rows = {row.name: row for row in net.facts().rows}
    assert (rows["best"].kind, rows["best"].opaque, rows["best"].macs) == ("TopK", True, None)
    assert rows["best"].output_shape == (None, 2, 4, 5)
    assert rows["best:1"].output_shape == (None, 2, 4, 5)
    assert rows["lstm"].params == 8 * 3 + 8 * 2
    given = {"x": image(2, 6, 7), "seq": image(4, 1, 3)}
    run = net.run(given)
    assert run["best"].shape == (2, 4, 5)
    assert run.trace("relu", (1, 2, 3)).facts.agrees
    with pytest.raises(UnsupportedError, match="has no equation"):
        run.trace("best", (0, 0, 0))
    assert "no equation" in str(net.explain("best"))


def test_an_output_whose_shape_only_a_run_tells() -> None:
    nodes = [node("NonZero", ["x"], ["a"]), node("Cast", ["a"], ["y"], to=TensorProto.FLOAT)]
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 3, 4]}, ["y"]))
    net.summary(file=io.StringIO())
    assert net.run(np.eye(3, 4, dtype=np.float32)).output.shape == (3, 3)
    with pytest.raises(EngineError, match="has no shape before it runs"):
        net.predict(image(1, 3, 4))


def test_a_split_gives_a_layer_for_every_part_that_is_used() -> None:
    nodes = [
        node("Split", ["x"], ["a", "b", "c"], "parts", axis=1, num_outputs=3),
        node("Mul", ["a", "c"], ["y"]),
    ]
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 6, 3]}, ["y"], opset=18))
    assert {name: net.graph.shape(name) for name in net.graph.nodes} == {
        "parts": (2, 3), "parts:2": (2, 3), "mul": (2, 3),
    }  # fmt: skip
    assert "out[c, t] = in[c + 4, t]" in str(net.explain("parts:2"))
    assert traced(net, image(6, 3)) == 3


def test_an_array_of_another_shape_is_refused() -> None:
    net = convscope.open(onnx_models.small())
    with pytest.raises(InputError, match=r"\(3, 13, 11\)"):
        net.run(image(3, 11, 13))


def test_shared_weights_count_once() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], "one"),
        node("Conv", ["z", "w"], ["b"], "two"),
        node("Add", ["a", "b"], ["y"]),
    ]
    model = onnx_models.model(
        nodes, {"x": [1, 2, 5, 6], "z": [1, 2, 5, 6]}, ["y"], {"w": image(3, 2, 2, 2)}
    )
    net = convscope.open(model)
    assert net.count_params() == 24
    assert net.facts().rows[1].shared_with == "one"


def test_a_tensor_that_different_layers_read_counts_once() -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Gemm", ["a", "w"], ["b"], transB=1),
        node("BatchNormalization", ["b", "s", "s", "s", "s"], ["y"]),
    ]
    weights = {"w": image(4, 3), "s": np.abs(image(4))}
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 4]}, ["y"], weights))
    totals = net.graph.totals
    assert (totals.params, totals.bytes) == (16, 64)
    rows = net.facts().rows
    assert [row.params for row in rows] == [12, 12, 16]
    # what no row above has counted adds up
    assert [row.own for row in rows] == [None, (0, None), (4, None)]
    assert [line.split(",")[-1] for line in summary_csv(net.facts()).splitlines()] == [
        "own_params", "12", "0", "4",
    ]  # fmt: skip


def test_constants_written_in_the_graph_stand_in_the_equation() -> None:
    nodes = [
        node("Constant", [], ["two"], value_float=2.5),
        node("Mul", ["x", "two"], ["a"]),
        node("Constant", [], ["zero"], value_int=1),
        node("Gather", ["a", "zero"], ["y"], axis=2),
    ]
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 3, 4]}, ["y"]))
    assert net.count_params() == 0
    assert "out[k, t] = in[k, t] · 2.5" in str(net.explain("mul"))
    assert net.graph.shape("gather") == (3,)
    assert traced(net, image(3, 4)) == 2


def test_names_are_unique_and_good() -> None:
    nodes = [
        node("Relu", ["x"], ["a"], "same"),
        node("Relu", ["a"], ["b"], "same"),
        node("Relu", ["b"], ["c"]),
        node("HardSwish", ["c"], ["d"]),
        node("Relu", ["d"], ["y"], "file"),
    ]
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 3]}, ["y"]))
    assert list(net.graph.nodes) == ["same", "same_1", "relu", "hard_swish", "file_1"]


def test_what_pytorch_exports_is_explained_and_agrees() -> None:
    torch = pytest.importorskip("torch")
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(channels)
            self.gate = nn.Conv2d(channels, channels, 1)

        def forward(self, x: Any) -> Any:
            y = nn.functional.silu(self.norm(self.conv(x)))
            gate = self.gate(nn.functional.adaptive_avg_pool2d(y, 1))
            return x + y * torch.sigmoid(gate)

    torch.manual_seed(3)
    theirs = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), Block(8),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.GroupNorm(4, 8), nn.Hardswish(),
        nn.Upsample(scale_factor=2), nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.AvgPool2d(3, 2, 1),
        nn.PReLU(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 10),
        nn.GELU(), nn.LogSoftmax(1),
    ).eval()  # fmt: skip
    x = torch.from_numpy(image(1, 3, 33, 29))
    data = io.BytesIO()
    with (
        warnings.catch_warnings()
    ):  # torch says that it has a newer exporter, which needs onnxscript
        warnings.simplefilter("ignore")
        torch.onnx.export(
            theirs, x, data, dynamo=False, input_names=["image"],
            dynamic_axes={"image": {0: "batch"}},
        )  # fmt: skip
    net = convscope.open(ModelProto.FromString(data.getvalue()))
    run = net.run(x[0].numpy())
    with torch.no_grad():
        np.testing.assert_allclose(run.output, theirs(x)[0].numpy(), rtol=1e-4, atol=1e-6)
    assert not any(layer.opaque for layer in net.layers)
    assert traced(net, x[0].numpy()) == len(net.graph.nodes) > 20


# -- the zoo --------------------------------------------------------------------------------------

PUBLISHED = {
    # parameters as torchvision's and the papers' tables give them, biases and normalisation included
    "light_vgg19": 143_667_240,
    "light_bvlc_alexnet": 60_965_224,
    "light_squeezenet": 1_235_496,
}


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_zoo_architectures_have_the_shapes_that_onnx_infers(path: Path) -> None:
    net = convscope.open(path)
    net.summary(file=io.StringIO())
    inferred = shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    shapes = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*inferred.graph.value_info, *inferred.graph.output)
    }
    graph: Any = net.graph
    compared = 0
    for name, fetched in graph.fetched.items():
        whole = ((1,) if fetched.batched else ()) + tuple(graph.shape(name))
        if shapes.get(fetched.tensor):
            assert whole == shapes[fetched.tensor], name
            compared += 1
    assert compared == len(graph.nodes)
    assert not any(layer.opaque for layer in net.layers)
    if path.stem in PUBLISHED:
        assert net.count_params() == PUBLISHED[path.stem]


def test_a_zoo_network_is_traced() -> None:
    net = convscope.open(next(path for path in ZOO if path.stem == "light_squeezenet"))
    name = next(iter(net.graph.inputs))
    assert traced(net, {name: image(3, 224, 224)}) == len(net.graph.nodes)


# -- there and back -------------------------------------------------------------------------------

STACKS: list[list[Layer]] = [
    [
        Conv2D(5, 3, activation="relu", input_shape=(13, 11, 3)),
        BatchNormalization(),
        MaxPooling2D(2),
        DepthwiseConv2D(3, padding="same"),
        Flatten(),
        Dense(7, activation="softmax"),
    ],
    [
        SeparableConv2D(6, 3, padding="same", strides=2, input_shape=(10, 12, 4)),
        ReLU(),
        ZeroPadding2D(((1, 2), (0, 3))),
        AveragePooling2D(2),
        UpSampling2D(2),
        Conv2DTranspose(3, 3, strides=2, padding="same"),
        GlobalAveragePooling2D(),
        Dense(4),
    ],
]


@pytest.mark.parametrize("number", range(len(STACKS)))
def test_our_own_exports_come_back(number: int, tmp_path: Path) -> None:
    ours = Sequential(STACKS[number], name=f"stack_{number}")
    ours.export(tmp_path / "net.onnx")
    theirs = convscope.open(tmp_path / "net.onnx")
    x = image(*ours.input_shape, seed=4)
    np.testing.assert_allclose(theirs.run(x).output, ours.run(x).output, rtol=1e-5, atol=1e-6)
    assert theirs.graph.shape(theirs.graph.outputs[0]) == ours.output_shape
    assert theirs.count_params() == ours.count_params()
    assert theirs.graph.totals.macs == ours.graph.totals.macs
    assert traced(theirs, x) == len(theirs.graph.nodes)


def test_a_graph_comes_back_as_a_live_model(tmp_path: Path) -> None:
    x = convscope.Input((8, 6, 3))
    y = Conv2D(3, 3, padding="same")(x)
    ours = convscope.Model(x, Add()([x, y]))
    ours.export(tmp_path / "net.onnx")
    theirs = convscope.open(ModelProto.FromString((tmp_path / "net.onnx").read_bytes()))
    assert theirs.count_params() == ours.count_params()
    assert traced(theirs, image(8, 6, 3)) == len(theirs.graph.nodes)


# -- the command line -----------------------------------------------------------------------------


def test_the_command_line_takes_onnx_files(tmp_path: Path) -> None:
    onnx.save(onnx_models.small(), tmp_path / "small.onnx")
    np.save(tmp_path / "x.npy", image(3, 13, 11))
    done = command("summary", "small.onnx", "--json", at=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert (facts["layout"], len(facts["layers"])) == ("channels_first", 11)
    assert facts["layers"][0]["weights"]["kernel"] == [6, 3, 3, 5]
    done = command("explain", "small.onnx", "/fc/Gemm", at=tmp_path)
    assert "bias[o] + Σ k<6  in[k] · kernel[o, k]" in done.stdout, done.stderr
    done = command(
        "trace", "small.onnx", "/stem/Conv", "5,3,7", "--image", "x.npy", "--json", at=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["agrees"] is True
    done = command(
        "run",
        "small.onnx",
        "--image",
        "x.npy",
        "--out",
        "a.npz",
        "--maps",
        "/stem/Conv",
        at=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stem_Conv.png").exists()
    assert np.load(tmp_path / "a.npz")["/stem/Conv"].shape == (6, 6, 9)
    assert command("export", "small.onnx", "b.onnx", at=tmp_path).returncode == 0
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    done = command("summary", "bad.onnx", at=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: bad.onnx is no ONNX model")
    assert "Traceback" not in done.stderr


def test_the_command_line_says_what_was_converted(tmp_path: Path) -> None:
    model = onnx_models.model([node("Relu", ["x"], ["y"])], {"x": [1, 3]}, ["y"], opset=6)
    onnx.save(model, tmp_path / "old.onnx")
    done = command("summary", "old.onnx", at=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "Warning: old.onnx has opset 6 and was converted to opset 13\n"


def test_the_images_of_a_channels_last_network_stay_so(tmp_path: Path) -> None:
    demo = convscope.open("demo")
    demo.export(tmp_path / "demo.onnx")
    net = convscope.open(tmp_path / "demo.onnx")
    for name in ("conv2d", "conv2d_1", "max_pooling2d"):
        assert net.graph.receptive_field(name) == demo.graph.receptive_field(name)
    digit = digits()["seven"]
    run = net.run(digit)
    np.testing.assert_allclose(run.output, demo.run(digit).output, atol=1e-6)
    assert run.trace("conv2d_1", (7, 15, 17)).agrees
    real = [p["engine_agrees"] for p in run.compare("conv2d_1", (7, 15, 17)).to_dict()["pictures"]]
    assert real == [False, False, True, False]
    cone = net.trace(digit, "conv2d_1", (7, 15, 17)).facts.cone
    assert cone is not None and cone.numbers > 1

"""What one node cannot do to a file that the engine runs: the rest of it is opened, explained and run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import onnxruntime as ort
import pytest
from onnx import ModelProto, SparseTensorProto, TensorProto, helper, numpy_helper

import convscope
from convscope.errors import ShapeError, SourceError

node = helper.make_node
Array = np.ndarray[Any, Any]
END, BEGIN = (1 << 63) - 1, -(1 << 63)
KERNEL = np.random.default_rng(3).normal(size=(4, 3, 3, 2)).astype(np.float32)


def image(*shape: int) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def by_the_engine(model: ModelProto, *given: Array) -> Array:
    """Return what ONNX Runtime alone gives."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    found: Array = session.run(None, dict(zip(names, given, strict=True)))[0]
    return found


@pytest.mark.parametrize(
    ("start", "end", "axis", "step"),
    [
        (1, END, 1, 1),  # x[:, 1:]
        (0, END, 3, 2),  # x[..., ::2]
        (-1, BEGIN, 2, -1),  # a flip
        (END, BEGIN, 3, -1),
        (-2, END, 2, 1),  # the second half of a roll
        (BEGIN, END, 2, 3),
        (1, 1 << 31, 1, 1),
        (2, END, 3, END),
    ],
)
@pytest.mark.parametrize("opset", [9, 17])
def test_a_slice_to_the_end(start: int, end: int, axis: int, step: int, opset: int) -> None:
    if opset == 9:  # as attributes, without a step
        if step != 1:
            pytest.skip("opset 9 has no steps")
        slices = node("Slice", ["c"], ["y"], "cut", starts=[start], ends=[end], axes=[axis])
        weights = {"w": KERNEL}
    else:
        slices = node("Slice", ["c", "start", "end", "axis", "step"], ["y"], "cut")
        said = {"start": start, "end": end, "axis": axis, "step": step}
        weights = {"w": KERNEL, **{name: np.array([v]) for name, v in said.items()}}
    model = onnx_models.model(
        [node("Conv", ["x", "w"], ["c"]), slices], {"x": [1, 3, 7, 9]}, ["y"], weights, opset
    )
    net = convscope.open(model)
    assert [row.opaque for row in net.facts().rows] == [False, False]
    x = image(3, 7, 9)
    run = net.run(x)
    expected = by_the_engine(model, x[np.newaxis])[0]
    np.testing.assert_allclose(run.output, expected, rtol=1e-5, atol=1e-5)
    for place in (tuple(0 for _ in expected.shape), tuple(s - 1 for s in expected.shape)):
        assert run.trace("cut", place).facts.value == pytest.approx(expected[place], rel=1e-5)


@pytest.mark.filterwarnings("ignore::convscope.errors.SourceWarning")
def test_a_number_that_no_setting_should_be_makes_its_node_opaque() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("LeakyRelu", ["c"], ["l"], "odd", alpha=float("nan")),
        node("GlobalAveragePool", ["l"], ["y"], "pool"),
    ]
    model = onnx_models.model(nodes, {"x": [1, 3, 7, 9]}, ["y"], {"w": KERNEL})
    net = convscope.open(model)
    rows = {row.name: row for row in net.facts().rows}
    assert [row.opaque for row in rows.values()] == [False, True, False]
    assert rows["pool"].output_shape == (None, 4, 1, 1)
    assert net.warnings == [
        "odd (LeakyRelu) has no equation: alpha must be a finite number, not nan"
    ]
    x = np.abs(image(3, 7, 9))
    np.testing.assert_array_equal(net.run(x).output, by_the_engine(model, x[np.newaxis])[0])


@pytest.mark.filterwarnings("ignore::convscope.errors.SourceWarning")
def test_an_odd_node_stays_opaque_at_other_sizes_and_wrong_sizes_are_still_refused() -> None:
    nodes = [
        node("LeakyRelu", ["x"], ["l"], "odd", alpha=float("inf")),
        node("Conv", ["l", "w"], ["y"], "conv"),
    ]
    model = onnx_models.model(nodes, {"x": [1, 3, "h", "w_"]}, ["y"], {"w": KERNEL})
    net = convscope.open(model)
    x = np.abs(image(3, 7, 9))
    assert net.run(x).output.shape == (4, 5, 8)
    with pytest.raises(ShapeError, match="a window of 3 rows"):
        net.run(image(3, 2, 9))


def test_a_size_of_minus_one_is_open() -> None:
    model = onnx_models.model(
        [node("Conv", ["x", "w"], ["y"])], {"x": [-1, 3, -1, -1]}, ["y"], {"w": KERNEL}
    )
    net = convscope.open(model)
    assert net.facts().inputs == {"x": (None, 3, None, None)}
    x = image(3, 7, 9)
    np.testing.assert_allclose(
        net.run(x).output, by_the_engine(model, x[np.newaxis])[0], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("places", ["flat", "one for each axis"])
@pytest.mark.parametrize("where", ["initializer", "Constant"])
def test_weights_of_which_only_some_are_stored(places: str, where: str) -> None:
    flat = np.array([1, 6, 11, 14])
    at = flat if places == "flat" else np.stack(np.unravel_index(flat, (5, 3)), axis=1)
    sparse = SparseTensorProto(
        values=numpy_helper.from_array(np.array([2, -3, 5, 7], np.float32), "w"),
        indices=numpy_helper.from_array(at),
        dims=[5, 3],
    )
    nodes = [node("MatMul", ["x", "w"], ["y"], "fc")]
    if where == "Constant":
        nodes.insert(0, node("Constant", [], ["w"], sparse_value=sparse))
    model = onnx_models.model(nodes, {"x": [1, 5]}, ["y"])
    if where == "initializer":
        model.graph.sparse_initializer.append(sparse)
    net = convscope.open(model)
    (row,) = net.facts().rows
    assert (row.opaque, row.macs) == (False, 15)
    x = image(5)
    run = net.run(x)
    np.testing.assert_allclose(run.output, by_the_engine(model, x[np.newaxis])[0], rtol=1e-6)
    assert run.trace("fc", (1,)).facts.agrees


def test_a_sparse_weight_whose_places_lie_outside_is_refused_when_it_is_read() -> None:
    sparse = SparseTensorProto(
        values=numpy_helper.from_array(np.array([2, -3], np.float32), "w"),
        indices=numpy_helper.from_array(np.array([1, 15])),
        dims=[5, 3],
    )
    model = onnx_models.model([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 5]}, ["y"])
    model.graph.sparse_initializer.append(sparse)
    with pytest.raises(convscope.errors.SourceError, match="places of the tensor 'w'"):
        convscope.open(model).get_weights()


def odd_file(what: str) -> ModelProto:
    """Return a file that is odd outside its nodes, and that ONNX Runtime runs."""
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Mul", ["c", "k"], ["y"], "scale")]
    weights = {"w": KERNEL, "k": np.array(3, np.float32)}
    if what == "not in order":
        nodes.reverse()
    if what == "a constant and a weight of one name":
        nodes.insert(
            0, node("Constant", [], ["k"], value=numpy_helper.from_array(np.array(2, np.float32)))
        )
    model = onnx_models.model(nodes, {"x": [1, 3, 7, 9]}, ["y"], weights)
    more = model.graph.initializer
    match what:
        case "two weights of one name":
            more.append(numpy_helper.from_array(KERNEL * 2, "w"))
        case "two weights without a name":
            more.extend([numpy_helper.from_array(KERNEL[0], "")] * 2)
        case "a segment":
            more[0].segment.begin = 0
        case "a weight that nothing reads, without numbers":
            more.append(helper.make_tensor("left", 1, [5], [1.0] * 5))
            del more[-1].float_data[:]
        case "a weight that nothing reads, of no size":
            more.append(helper.make_tensor("left", 1, [0], []))
            more[-1].dims[0] = -1
    return model


@pytest.mark.parametrize(
    "what",
    [
        "not in order",
        "a constant and a weight of one name",
        "two weights of one name",
        "two weights without a name",
        "a segment",
        "a weight that nothing reads, without numbers",
        "a weight that nothing reads, of no size",
    ],
)
def test_what_the_engine_passes_over_refuses_no_file(what: str) -> None:
    model, x = odd_file(what), image(1, 3, 7, 9)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        net = convscope.open(model)
    assert bool(said) is (what == "two weights of one name")
    assert list(net.graph.nodes)[-1] == "scale"
    run = net.run(x[0])
    np.testing.assert_allclose(run["scale"], by_the_engine(model, x)[0], rtol=1e-5, atol=1e-5)
    assert run.trace("scale", (1, 2, 3)).facts.agrees
    assert run.trace("conv", (1, 2, 3)).facts.agrees
    larger = net.edit("conv", strides=(2, 2)).run(x[0])
    np.testing.assert_allclose(larger["scale"], run["scale"][:, ::2, ::2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("what", ["bfloat16", "int4", "functions", "old"])
def test_weights_beside_a_file_that_have_to_be_put_into_it(tmp_path: Path, what: str) -> None:
    """Of types that numpy does not have, and in a model that is converted."""
    nodes = [node("Conv", ["x", "w"], ["h"], "conv"), node("Relu", ["h"], ["y"], "relu")]
    opset = {"old": 6, "int4": 21}.get(what, 17)
    if what in ("bfloat16", "int4"):
        nodes[0].input[1] = "numbers"
        nodes.insert(0, node("Cast", ["w"], ["numbers"], "cast", to=TensorProto.FLOAT))
    if what == "functions":
        nodes[1] = node("Twice", ["h"], ["y"], "twice", domain="own")
    model = onnx_models.model(nodes, {"x": [1, 3, 7, 9]}, ["y"], {"w": KERNEL}, opset)
    weight = model.graph.initializer[0]
    match what:
        case "functions":
            inner = [node("Add", ["a", "a"], ["b"])]
            own = helper.make_function(
                "own", "Twice", ["a"], ["b"], inner, [helper.make_opsetid("", 17)]
            )
            model.functions.append(own)
            model.opset_import.append(helper.make_opsetid("own", 1))
        case "bfloat16":
            made = helper.make_tensor("w", TensorProto.BFLOAT16, KERNEL.shape, KERNEL.ravel())
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(made), "w"))
        case "int4":
            some = np.arange(KERNEL.size) % 13 - 6
            weight.CopyFrom(helper.make_tensor("w", TensorProto.INT4, KERNEL.shape, some))
            weight.raw_data = bytes(weight.int32_data)
            del weight.int32_data[:]
    x = image(1, 3, 7, 9)
    expected = by_the_engine(model, x)
    path = tmp_path / "net.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert (tmp_path / "net.data").stat().st_size in (
        KERNEL.size * 4,
        KERNEL.size * 2,
        KERNEL.size // 2,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = convscope.open(path)
    run = net.run(x[0])
    np.testing.assert_allclose(run.output, expected[0], rtol=1e-5, atol=1e-5)
    assert run.trace("conv", (1, 2, 3)).facts.agrees
    assert net.facts().totals.params == KERNEL.size


def test_one_file_that_many_weights_refer_to_is_not_multiplied(tmp_path: Path) -> None:
    names = [f"w{n}" for n in range(40)]
    nodes = [node("Concat", names, ["y"], "all", axis=0)]
    model = onnx_models.model(
        nodes, {"x": [1]}, ["y"], dict.fromkeys(names, np.zeros(1, np.float32))
    )
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_type, tensor.dims[0] = TensorProto.BFLOAT16, 1 << 19
        tensor.data_location = tensor.EXTERNAL
        tensor.external_data.add(key="location", value="all.data")
    (tmp_path / "all.data").write_bytes(bytes(1 << 20))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceError, match=r"needs 41,943,040 bytes of 1,048,576 in other files"):
        convscope.open(tmp_path / "net.onnx")

"""Large ONNX files: their weights stay where they lie, and everything else is as if they had been read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import onnxruntime as ort
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import convscope
from convscope.engine import sessions
from convscope.errors import SourceError
from convscope.readers.onnx import cutting, source
from convscope.readers.onnx.source import from_file

Array = np.ndarray[Any, Any]
node = helper.make_node


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LARGE_FILE", 0)
    monkeypatch.setattr(cutting, "WORTH_CUTTING", 100)
    monkeypatch.setattr(sessions, "IN_PLACE_FROM", 0)


def dense(dtype: Any = np.float32) -> ModelProto:
    """Return a model of a convolution, and products with 14·12·5 × 33 and 33 × 7 numbers."""
    rng = np.random.default_rng(3)
    weights = {
        "kernel": rng.normal(size=(5, 3, 2, 4)).astype(dtype),
        "first": rng.normal(size=(840, 33)).astype(dtype),
        "second": rng.normal(size=(7, 33)).astype(dtype),
        "bias": rng.normal(size=7).astype(dtype),
    }
    nodes = [
        node("Conv", ["image", "kernel"], ["a"]),
        node("Flatten", ["a"], ["b"]),
        node("MatMul", ["b", "first"], ["c"]),
        node("Gemm", ["c", "second", "bias"], ["result"], transB=1),
    ]
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return onnx_models.model(
        nodes, {"image": ["n", 3, 15, 15]}, ["result"], weights, element=element
    )


def saved(model: ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("shift", range(4))
def test_a_network_is_the_same_with_its_weights_in_the_file(shift: int, tmp_path: Path) -> None:
    model = dense()
    model.producer_version = "x" * shift  # its weights begin at any byte
    path = saved(model, tmp_path / "net.onnx")
    found = from_file(path)
    assert set(found.external) == {"kernel", "first", "second"}
    assert len(found.data) < 1000 < path.stat().st_size
    for tensor in model.graph.initializer:
        np.testing.assert_array_equal(
            found.weights[tensor.name].get(), numpy_helper.to_array(tensor)
        )

    net, whole = convscope.open(path), convscope.open(model)
    assert net.facts()._replace(name="") == whole.facts()._replace(name="")
    images = np.random.default_rng(shift).normal(size=(3, 3, 15, 15)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"image": images})
    np.testing.assert_allclose(net.predict(images), expected, rtol=1e-4, atol=1e-4)
    run = net.run(images[1])
    np.testing.assert_allclose(run.output, expected[1], rtol=1e-4, atol=1e-4)
    for name, facts in run.graph.facts.items():
        assert run.trace(name, [0] * len(facts.output_shape)).facts.agrees

    net.export(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()
    assert convscope.open(tmp_path / "again.onnx").graph.totals == net.graph.totals


@pytest.mark.usefixtures("everything_is_large")
def test_matrices_that_only_products_read_are_used_where_they_lie(tmp_path: Path) -> None:
    net = convscope.open(saved(dense(), tmp_path / "net.onnx"))
    assert net.graph.material.matrices == {"first", "second"}  # type: ignore[attr-defined]
    net.run(np.zeros((3, 15, 15), np.float32))
    (engine,) = net._engines.values()
    assert len(engine._session._held) == 2  # type: ignore[attr-defined]

    shared = dense()
    shared.graph.node.append(node("Relu", ["first"], ["other"]))
    shared.graph.output.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [7, 33]))
    net = convscope.open(saved(shared, tmp_path / "shared.onnx"))
    assert net.graph.material.matrices == set()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("everything_is_large")
def test_other_floats_stay_in_the_file_too(tmp_path: Path) -> None:
    found = from_file(saved(dense(np.float16), tmp_path / "half.onnx"))
    assert found.weights["first"].dtype == np.float16
    assert set(found.external) == {"kernel", "first", "second"}
    net = convscope.open(tmp_path / "half.onnx")
    assert net.run(np.ones((3, 15, 15), np.float32)).output.shape == (7,)


@pytest.mark.usefixtures("everything_is_large")
def test_weights_in_the_file_and_beside_it(tmp_path: Path) -> None:
    model = dense()
    onnx.external_data_helper.set_external_data(model.graph.initializer[1], "first.bin")
    (tmp_path / "first.bin").write_bytes(model.graph.initializer[1].raw_data)
    model.graph.initializer[1].ClearField("raw_data")
    net = convscope.open(saved(model, tmp_path / "net.onnx"))
    x = np.random.default_rng(1).normal(size=(3, 15, 15)).astype(np.float32)
    expected = convscope.open(dense()).run(x).output
    np.testing.assert_allclose(net.run(x).output, expected, rtol=1e-4, atol=1e-4)
    net.export(tmp_path / "again.onnx")
    np.testing.assert_allclose(
        convscope.open(tmp_path / "again.onnx").run(x).output, expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.usefixtures("everything_is_large")
def test_a_tensor_of_another_size_than_it_says_is_refused(tmp_path: Path) -> None:
    model = dense()
    model.graph.initializer[1].dims[0] = 841
    path = saved(model, tmp_path / "net.onnx")
    with pytest.raises(SourceError, match=r"'first' says \(841, 33\) of float32, 111,012 bytes"):
        convscope.open(path)


def outcome(path: Path) -> Any:
    """Return what a file is taken for: the figures of its layers and weights, or the refusal."""
    try:
        net = convscope.open(path)
    except SourceError as error:
        return str(error)
    sums = [float(np.nansum(a)) for layer in net.layers for a in layer.get_weights()]
    return net.facts(), np.nan_to_num(sums).tolist()


@pytest.mark.filterwarnings("ignore::convscope.errors.SourceWarning")
def test_damaged_files_are_taken_for_the_same_as_when_they_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = dense().SerializeToString()
    rng = np.random.default_rng(17)
    path = tmp_path / "net.onnx"
    monkeypatch.setattr(cutting, "WORTH_CUTTING", 100)
    refused = cut = 0
    real = cutting.cut

    def counted(data: Any) -> Any:
        nonlocal cut
        found = real(data)
        cut += found is not None
        return found

    monkeypatch.setattr(source, "cut", counted)
    raw = [good.index(t.raw_data) for t in dense().graph.initializer]
    structure = [
        n for n in range(len(good)) if not any(r <= n < r + 840 * 33 * 4 for r in raw[1:2])
    ]
    for number in range(400):
        data = bytearray(good)
        for _ in range(1 + number % 3):
            data[structure[rng.integers(len(structure))]] = rng.integers(256)
        if number % 7 == 0:
            del data[structure[rng.integers(len(structure))] :]
        if number % 11 == 0:
            data += good[: rng.integers(len(good))]  # protocol buffers add up
        path.write_bytes(bytes(data) or b"\0")
        found = []
        for least in (0, 1 << 40):
            monkeypatch.setattr(cutting, "LARGE_FILE", least)
            with np.errstate(all="ignore"):
                found.append(outcome(path))
        assert found[0] == found[1], number
        refused += isinstance(found[0], str)
    assert 50 < refused < 390 and cut > 100


def test_a_large_file_takes_no_memory_before_it_runs(tmp_path: Path) -> None:
    """Of 100 MiB of weights none is read by a summary, and a run takes them once."""
    rng = np.random.default_rng(2)
    weights = {"w": rng.random((5000, 5243), dtype=np.float32)}
    model = onnx_models.model([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 5000]}, ["y"], weights)
    saved(model, tmp_path / "net.onnx")
    code = f"""
import io, sys, numpy, onnxruntime, onnx, convscope
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) // 1024
import convscope.readers.onnx.opened, convscope.explain.summary
before = peak()
net = convscope.open({str(tmp_path / "net.onnx")!r})
net.summary(file=io.StringIO())
opened = peak()
net.run(numpy.ones(5000, numpy.float32))
print(opened - before, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    opened, ran = map(int, done.stdout.split())
    assert opened < 20
    assert ran < 150

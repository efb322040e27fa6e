"""Weights that a file holds twice are counted once, wherever they lie, and finding them is little work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import work
from onnx import helper, numpy_helper

import convscope


def file(count: int, path: Path, twice: bool = False, beside: bool = False) -> Path:
    """Write a file of so many convolutions 3 → 3; with `twice` the last has the first's numbers."""
    rng = np.random.default_rng(3)
    kernels = [rng.normal(size=(3, 3, 5, 4)).astype(np.float32) for _ in range(count)]
    if twice:
        kernels[-1] = kernels[0].copy()
    nodes = [
        helper.make_node("Conv", [f"t{n}", f"w{n}"], [f"t{n + 1}"], pads=[2, 1, 2, 2])
        for n in range(count)
    ]
    weights = [numpy_helper.from_array(kernel, f"w{n}") for n, kernel in enumerate(kernels)]
    graph = helper.make_graph(
        nodes,
        "stack",
        [helper.make_tensor_value_info("t0", 1, ["n", 3, 11, 9])],
        [helper.make_tensor_value_info(f"t{count}", 1, None)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path, save_as_external_data=beside, location="numbers.bin", size_threshold=0)
    return path


@pytest.mark.parametrize("beside", [False, True])
def test_a_kernel_that_a_file_holds_twice_counts_once(beside: bool, tmp_path: Path) -> None:
    each = 3 * 3 * 5 * 4
    apart = convscope.open(file(3, tmp_path / "apart.onnx", beside=beside))
    assert apart.graph.totals.params == 3 * each
    twice = convscope.open(file(3, tmp_path / "twice.onnx", twice=True, beside=beside))
    assert twice.graph.totals.params == 2 * each
    assert twice.graph.totals.bytes == 2 * each * 4


def test_of_weights_in_other_files_only_the_beginnings_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convscope.readers.onnx import beside

    read: list[int] = []
    whole = beside.Beside.read

    def counted(self: beside.Beside, start: int, length: int) -> bytes:
        read.append(length)
        return whole(self, start, length)

    path = file(4, tmp_path / "net.onnx", beside=True)
    monkeypatch.setattr(beside.Beside, "read", counted)
    convscope.open(path)
    assert read == [8 * 4] * 4


def test_finding_them_is_little_work(tmp_path: Path) -> None:
    few, many = (file(count, tmp_path / f"{count}.onnx") for count in (40, 120))
    convscope.open(few)
    assert work.calls(lambda: convscope.open(many)) < 3.3 * work.calls(lambda: convscope.open(few))


def stated(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray[Any, Any]], element: int = 1
) -> onnx.ModelProto:
    """Return a model over maps (4, 9, 11) of these nodes, from x to y, in a recent operator set."""
    shown = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [shown("x", element, ["n", 4, 9, 11])],
        [shown("y", element, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    sets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=10)


KERNEL = np.random.default_rng(5).normal(size=(6, 2, 3, 2)).astype(np.float32)
MOVED: dict[str, Any] = {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1]}
"""(9 + 3 − 3)/2 + 1 = 5 rows of 11 columns, 6 maps: 5·11·6 numbers of 2·3·2 products each."""


def test_a_convolution_of_halves_is_as_much_work_as_one_of_floats() -> None:
    conv = helper.make_node("Conv", ["x", "w"], ["y"], **MOVED)
    halves = convscope.open(stated([conv], {"w": KERNEL.astype(np.float16)}, 10)).facts()
    floats = convscope.open(stated([conv], {"w": KERNEL})).facts()
    assert halves.rows[0].opaque and not floats.rows[0].opaque
    assert halves.totals.macs == floats.totals.macs == 5 * 11 * 6 * 2 * 3 * 2
    assert halves.totals.uncounted == 0 and halves.totals.bytes * 2 == floats.totals.bytes


def test_a_convolution_of_whole_numbers_that_are_scaled() -> None:
    # per-filter scales are no weights; the bias (in whole numbers) is one
    inputs = ["x", "s", "z", "w", "ws", "wz", "s", "z", "b"]
    weights: dict[str, np.ndarray[Any, Any]] = {
        "s": np.array(0.25, np.float32), "z": np.array(3, np.uint8), "w": KERNEL.astype(np.int8),
        "ws": np.full(6, 0.5, np.float32), "wz": np.zeros(6, np.int8), "b": np.arange(6, dtype=np.int32),
    }  # fmt: skip
    conv = helper.make_node("QLinearConv", inputs, ["y"], **MOVED)
    found = convscope.open(stated([conv], weights, 2)).facts()
    assert found.totals.params == 6 * 2 * 3 * 2 + 6
    assert found.totals.macs == 5 * 11 * 6 * 2 * 3 * 2 and found.totals.uncounted == 0


def test_a_matrix_that_is_packed_into_bytes_is_as_many_parameters_as_it_is_multiplied_by() -> None:
    import onnxruntime

    rng = np.random.default_rng(7)
    weights: dict[str, Any] = {
        "w": rng.integers(
            0, 256, (7, 1, 8), dtype=np.uint8
        ),  # 7 outputs of 11 inputs, a block of 16
        "s": rng.normal(size=7).astype(np.float32),
        "z": rng.integers(0, 256, 7, dtype=np.uint8),
    }
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "s", "z"], ["y"], domain="com.microsoft", K=11, N=7, bits=4, block_size=16,
    )  # fmt: skip
    model = stated([node], weights)
    net = convscope.open(model)
    assert net.graph.totals.params == 11 * 7
    assert net.graph.totals.bytes == 11 * 7 / 2 + 0.5  # two in a byte
    assert net.graph.totals.macs == 4 * 9 * 11 * 7
    # the matrix that is meant, against what ONNX Runtime multiplies by
    (kernel,) = net.layers[0].get_weights()
    x = rng.normal(size=(1, 4, 9, 11)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"x": x})
    np.testing.assert_allclose(x @ kernel, y, atol=1e-4)


def test_ones_and_zeros_of_a_normalisation_without_a_scale_are_no_parameters() -> None:
    # as PyTorch 2.13 writes GroupNorm(2, 4, affine=False) and RMSNorm(elementwise_affine=False)
    one = numpy_helper.from_array(np.ones(1, np.float32), "value")
    four = np.array([4])
    nodes = [
        helper.make_node("ConstantOfShape", ["val_0"], ["val_1"], value=one),
        helper.make_node("ConstantOfShape", ["val_0"], ["val_2"]),
        helper.make_node("GroupNormalization", ["x", "val_1", "val_2"], ["g"], num_groups=2),
        helper.make_node("ConstantOfShape", ["val_4"], ["val_5"], value=one),
        helper.make_node("RMSNormalization", ["g", "val_5"], ["r"], axis=3),
        helper.make_node("Mul", ["r", "val_27"], ["m"]),
        helper.make_node("Add", ["m", "val_29"], ["a"]),
        helper.make_node("Add", ["a", "l.bias"], ["y"]),
    ]
    ones = np.ones((4, 1, 1), np.float32)
    weights = {"val_0": four, "val_4": np.array([11]), "val_27": ones, "val_29": ones - 1}
    net = convscope.open(stated(nodes, {**weights, "l.bias": ones - 1}))
    assert net.graph.totals.params == 4  # a module's own bias, though it is zeros
    assert not any(row.opaque for row in net.facts().rows)

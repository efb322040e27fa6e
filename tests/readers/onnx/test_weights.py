"""Weights that a file holds twice are counted once, wherever they lie, and finding them is little work."""

from __future__ import annotations

from pathlib import Path

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

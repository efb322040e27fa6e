"""What a file makes us hold and do is in proportion to what it holds."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx_models
import pytest
from onnx import TensorProto, helper
from work import counted, peak

import convscope
from convscope.errors import SourceError
from convscope.files.archive import Archive
from convscope.files.json_text import read_json
from convscope.files.source_file import SourceFile


def zip_of(count: int, path: Path) -> None:
    """Write an archive whose list has so many members, all of them the same empty one."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("m", b"")
    data = held.getvalue()
    start = data.index(b"PK\x01\x02")
    entry, end = data[start : data.index(b"PK\x05\x06")], data.index(b"PK\x05\x06")
    told = min(count, 65535)
    tail = bytearray(data[end:])
    struct.pack_into("<HHLL", tail, 8, told, told, len(entry) * count, start)
    path.write_bytes(data[:start] + entry * count + bytes(tail))


@pytest.mark.parametrize("count", [10_001, 300_000])
def test_members_are_counted_before_they_are_listed(count: int, tmp_path: Path) -> None:
    path = tmp_path / "many.keras"
    zip_of(count, path)
    with counted() as work, pytest.raises(SourceError, match=f"has {count:,} members; 10,000 are"):
        Archive(SourceFile(path))
    assert work.calls < 1_000  # not some for each of them


def test_a_list_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.keras"
    zip_of(400_000, path)
    with pytest.raises(SourceError, match=r"has a list of members of [\d,]+ bytes; 16,777,216 are"):
        Archive(SourceFile(path))


def test_values_of_json_are_counted_before_they_are_made() -> None:
    text = b"[" + b"[]," * 5_000_000 + b"[]]"

    def refused() -> None:
        with pytest.raises(SourceError, match=r"config holds some 10,000,00\d values; 2,000,000"):
            read_json(text, "config")

    refused()
    assert peak(refused) < 1 << 20
    assert len(read_json("[" + "1," * 100_000 + "1]", "config")) == 100_001


@pytest.mark.parametrize("text", ["1e999", "-1e400", '{"a": [1, 1E309]}'])
def test_a_number_beyond_all_numbers_is_none(text: str) -> None:
    assert not np.isfinite(json.loads("1e999"))  # Python's own reader makes infinity of it
    with pytest.raises(SourceError, match="is larger than any number"):
        read_json(text, "config")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_tensors_in_one_file_share_a_handle(tmp_path: Path) -> None:
    """1,500 of them, where a process may have 64 files open."""
    count = 1_500
    nodes, last = [], "x"
    for number in range(count):
        nodes.append(helper.make_node("Add", [last, f"w{number}"], [f"a{number}"]))
        last = f"a{number}"
    model = onnx_models.model(nodes, {"x": [1, 2]}, [last])
    for number in range(count):
        tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[2])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "own.bin"), ("offset", str(8 * number)), ("length", "8")):
            tensor.external_data.add(key=key, value=value)
        model.graph.initializer.append(tensor)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    numbers = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    (tmp_path / "own.bin").write_bytes(numbers.tobytes())
    code = (
        "import resource, convscope\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "net = convscope.open('net.onnx')\n"
        "print(sum(float(w.sum()) for w in net.get_weights()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == numbers.sum(dtype=np.float64)
    assert convscope.open(tmp_path / "net.onnx").count_params() == 2 * count

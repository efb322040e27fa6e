"""State dicts in .safetensors files: read from their header, and refused where it does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convscope as cs


def written(path: Path, tensors: dict[str, Any], **changed: Any) -> Path:
    """Write the format by hand: the length of the header, the header, the numbers."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, array in tensors.items():
        header[name] = {
            "dtype": {"float32": "F32", "float16": "F16"}[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    header["conv.weight"].update(changed)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


TENSORS = {
    "conv.weight": np.ones((4, 3, 5, 2), np.float32),
    "conv.bias": np.ones(4, np.float16),
    "layer1.0.fc.weight": np.ones((6, 7), np.float32),
}


def test_names_and_shapes_are_those_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", TENSORS)
    with pytest.warns(cs.errors.SourceWarning, match="weights and no network"):
        net = cs.open(path)
    rows = {row.name: row for row in net.facts().rows}
    assert list(rows) == ["conv", "layer1.0.fc"]
    assert rows["conv"].weights == {"weight": (4, 3, 5, 2), "bias": (4,)}
    assert net.count_params() == 4 * 3 * 5 * 2 + 4 + 6 * 7
    assert net.graph.totals.bytes == 4 * (4 * 3 * 5 * 2 + 6 * 7) + 2 * 4


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shape": [4, 3, 5, 3]}, "does not lie where it says"),
        ({"shape": [10**9, 10**9, 10**9]}, "does not lie where it says"),
        ({"data_offsets": [0, 1 << 40]}, "does not lie where it says"),
        ({"data_offsets": [480, 0]}, "does not lie where it says"),
        ({"data_offsets": [2, 482]}, "shares its bytes"),
        ({"dtype": "object"}, "is no tensor"),
        ({"dtype": ["F32"]}, "is no tensor"),
        ({"shape": "4"}, "is no tensor"),
        ({"shape": [True, 3, 5, 2]}, "is no tensor"),
        ({"shape": [-4, -3, 5, 2]}, "is no tensor"),
        ({"shape": [1] * 1000}, "is no tensor"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    path = written(tmp_path / "net.safetensors", TENSORS, **changed)
    with pytest.raises(cs.errors.SourceError, match=words):
        cs.open(path)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    whole = written(path, TENSORS).read_bytes()
    for data in (
        b"",
        b"PK\x03\x04" + b"0" * 60,
        (1 << 60).to_bytes(8, "little") + b"{}",
        whole[:40],
    ):
        path.write_bytes(data)
        with pytest.raises(cs.errors.SourceError, match=r"no \.safetensors file"):
            cs.open(path)
    for text in (
        b"[1]",
        b'{"a": 1}',
        b'{"a": {}, "a": {}}',
        b"{" * 500,
        b'{"a": NaN}',
        b"\xff\xfe",
    ):
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(cs.errors.SourceError):
            cs.open(path)
    with pytest.raises(cs.errors.SourceError, match=r"cannot read|there is no file"):
        cs.open(tmp_path / "nothing.safetensors")

"""A file that becomes shorter while it is mapped is an error; without a check it ends the process (SIGBUS)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_models
import pytest
from onnx import helper

import convscope as cs

# Keras's own conversions warn with numpy 2
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ASK = [
    "net.get_weights()",
    "net.run(np.ones((2500,), np.float32))",
    "net.trace(np.ones((2500,), np.float32), net.layers[-1].name, (3,))",
    "net.export(f'{again}.onnx')",
]

CODE = """
import json, os, shutil, sys
import numpy as np
import convscope
from convscope.errors import SourceError, OutputError
kept, name = sys.argv[1:3]
for ask in sys.argv[3:]:
    for again in (False, True):
        print(json.dumps([ask, again]), end=": ", flush=True)
        shutil.copyfile(kept, name)
        net = convscope.open(name)
        if again:
            exec(ask)
        os.truncate(name, 1 << 16)
        try:
            exec(ask)
        except (SourceError, OutputError) as error:
            print(error, end="")
        print()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files with 20 MB of weights: a matrix, which the engine uses where it lies."""
    found = tmp_path_factory.mktemp("shrinking")
    net = cs.Sequential([cs.Input((2500,)), cs.Dense(2003, name="wide")])
    weight = net.get_weights()[0]
    node = helper.make_node("MatMul", ["x", "wide.weight"], ["y"])
    model = onnx_models.model([node], {"x": [None, 2500]}, ["y"], {"wide.weight": weight})
    (found / "net.onnx").write_bytes(model.SerializeToString())
    keras = pytest.importorskip("keras")
    live = keras.Sequential([keras.Input((2500,)), keras.layers.Dense(2003, name="wide")])
    live.save(found / "net.keras")
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut there")
@pytest.mark.parametrize("name", ["net.onnx", "net.keras"])
def test_a_file_that_becomes_shorter(name: str, folder: Path, tmp_path: Path) -> None:
    """Whatever is asked for, the first time and once more; one process asks for all, or dies of what it asked last."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, folder / name, name, *ASK],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * len(ASK)
    for line in lines:
        told = "has become shorter" in line or "has changed since it was opened" in line
        # numbers that lie unaligned are copied once, and then no more read from the file
        assert told or line.endswith("true]: "), line


def test_arrays_that_lie_elsewhere_have_no_mapping() -> None:
    from convscope.layers.mapped import check_whole, mapping_of

    array = np.arange(12).reshape(3, 4)[1:, ::2]
    assert mapping_of(array) is None
    check_whole(array)

"""Files that the Keras inside TensorFlow 2.12, 2.13 and 2.15 wrote, against what that TensorFlow computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import convscope

FOLDER = Path(__file__).parent / "tf_keras"
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".keras", ".h5"))


def test_every_version_is_there_in_both_formats() -> None:
    assert len(FILES) == 12


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_opens_and_gives_what_tensorflow_gave(path: Path) -> None:
    with np.load(path.with_suffix(".npz")) as said:
        x, y, params = said["x"], said["y"], int(said["params"])
    network = convscope.open(path)
    assert network.warnings == []
    assert network.count_params() == params
    assert not any(layer.opaque for layer in network.layers)
    np.testing.assert_allclose(network.predict(x, verbose=0), y, rtol=1e-5, atol=1e-6)
    run = network.run(x[0])
    draw = np.random.default_rng(len(path.name))
    for name in network.graph.nodes:
        for _ in range(3):
            where = [int(draw.integers(size)) for size in run[name].shape]
            assert run.trace(name, where).facts.agrees, (name, where)

"""Activations as convolutions leave them: the same bits as when they are asked for plainly, and nothing left on disk."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope import (
    Add,
    Conv1D,
    Conv2D,
    Conv3D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    MaxPooling2D,
    Model,
    ReLU,
    Sequential,
)  # fmt: skip
from convscope.engine import blocks, sessions
from convscope.engine.blocks import Blocks, in_blocks, side
from convscope.engine.runtime import Engine
from convscope.engine.supervision import supervised
from convscope.survey import measuring
from convscope.typed import Array


def two_inputs() -> Any:
    left, right = Input((9, 11, 3)), Input((9, 11, 5))
    one, other = Conv2D(36, 3)(left), Conv2D(36, 3)(right)
    return Model([left, right], Conv2D(4, 2)(ReLU()(Add()([one, other]))), seed=2)


NETWORKS: dict[str, Callable[[], Any]] = {
    "awkward numbers of maps": lambda: Sequential(
        [
            Conv2D(20, 3, activation="relu", input_shape=(9, 11, 3)),
            DepthwiseConv2D((2, 3)),
            Conv2D(40, 2, groups=2),
            MaxPooling2D(2),
            Flatten(),
            Dense(7),
        ],
        seed=1,
    ),
    "two inputs": two_inputs,
    "1-D": lambda: Sequential([Conv1D(18, 3, input_shape=(13, 5)), Conv1D(3, 2)], seed=3),
    "3-D": lambda: Sequential([Conv3D(18, 2, input_shape=(4, 5, 6, 2)), Conv3D(3, 2)], seed=4),
}


def pair(network: Any, keep: Sequence[str] = ()) -> tuple[Engine, Engine]:
    """Return a plain engine, and one that may leave values in blocks."""
    names = keep or tuple(network.graph.nodes)
    plain = Engine(network.graph, names, many=True)
    with in_blocks():
        return plain, Engine(network.graph, names, many=True)


def as_maps(array: Array, given: Blocks) -> Array:
    """Return an activation, its maps last, as (images, maps, places)."""
    return np.moveaxis(array, -1, 1).reshape(len(array), given.maps, -1)


@pytest.mark.parametrize("which", NETWORKS)
def test_blocks_hold_the_bits_of_a_plain_run(which: str) -> None:
    network = NETWORKS[which]()
    plain, other = pair(network)
    rng, met = np.random.default_rng(5), 0
    for rows in (1, 5, 2):
        given = {
            name: rng.normal(size=(rows, *shape)).astype(np.float32)
            for name, shape in network.graph.inputs.items()
        }
        found = other.run(given)
        for name, array in plain.run(given).items():
            has: Any = found[name]
            if isinstance(has, Blocks):
                met += 1
                assert has.size == array.size
                assert has.plain().tobytes() == as_maps(array, has).tobytes(), (name, rows)
            else:
                assert has.tobytes() == array.tobytes(), (name, rows)
    assert bool(met) is (side() > 1 and "-D" not in which)  # only images have blocks


def survey(monkeypatch: pytest.MonkeyPatch, after: int = 1) -> tuple[str, list[bool]]:
    """Return a survey as JSON, and whether each engine that it made leaves values in blocks."""
    pytest.importorskip("numba")
    monkeypatch.setattr(measuring, "COMPILED_FROM", after)
    taken: list[bool] = []
    leave = measuring.Measuring._ask_for_less

    def left(self: Any) -> None:
        before = self._next
        leave(self)
        taken.append(self._next is not before)

    monkeypatch.setattr(measuring.Measuring, "_ask_for_less", left)
    x = np.random.default_rng(1).normal(size=(70, 9, 11, 3)).astype(np.float32)
    return NETWORKS["awkward numbers of maps"]().survey(x).json(), taken


def test_the_file_that_is_reopened_is_private_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: list[int] = []
    look = blocks._left

    def looked(path: Path) -> Any:
        modes.append(stat.S_IMODE(path.parent.stat().st_mode))
        if len(modes) == 2:
            raise OSError(28, "No space left on device")
        return look(path)

    monkeypatch.setattr(blocks, "_left", looked)
    network = NETWORKS["two inputs"]()
    side.cache_clear()
    pair(network)
    pair(network)  # which has no blocks then
    assert modes[0] == 0o700 or sys.platform == "win32"
    assert [*tmp_path.iterdir()] == []


ENDED = """
import os, signal, sys, time
from convscope import Conv2D, Sequential
from convscope.engine import blocks
from convscope.engine.runtime import Engine

def ended(path):
    assert path.exists()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(600)

blocks._left = ended
network = Sequential([Conv2D(20, 3, input_shape=(9, 11, 3))])
with blocks.in_blocks():
    Engine(network.graph, tuple(network.graph.nodes), True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is not told there")
def test_a_program_that_is_told_to_end_leaves_no_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED],
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
    )
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert [*tmp_path.iterdir()] == []


def test_opening_it_again_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    if side() == 1:
        pytest.skip("no blocks on this processor")
    given: list[float | None] = []

    def counted(work: Any, stop: Any, seconds: float | None = None) -> Any:
        given.append(seconds)
        return supervised(work, stop, seconds)

    monkeypatch.setattr(sessions, "supervised", counted)
    pair(NETWORKS["two inputs"]())
    assert len(given) == 3  # the plain one; what is written, and opened again


def test_a_survey_takes_blocks_only_where_they_are_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as here:
        plain, taken = survey(here, 1 << 60)
        assert taken == []
    with monkeypatch.context() as here:
        assert survey(here) == (plain, [True])
    with monkeypatch.context() as here:
        here.setattr(blocks, "side", lambda: 4)  # so that maps come in another order
        assert survey(here) == (plain, [side() == 1])
    with monkeypatch.context() as here:
        here.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        assert survey(here) == (plain, [True])

"""Real schedulers and workers of Dask, processes on loopback: the same figures, bit for bit, whoever counts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import finding
from survey.test_data import network
from work import PATIENCE

import convscope as cs
from convscope.errors import EngineError, InputError, UnsupportedError
from convscope.survey import cluster
from convscope.survey.data import open_data
from convscope.survey.measuring import Asked, Measuring
from convscope.survey.work import survey

distributed = pytest.importorskip("distributed")

TESTS = Path(__file__).parents[1]


@pytest.fixture
def given(tmp_path: Path) -> tuple[Any, str]:
    """Return a network opened from a file, and a file of 1,300 images: six tasks."""
    network().export(tmp_path / "net.onnx")
    rng = np.random.default_rng(8)
    np.savez(
        tmp_path / "set.npz",
        x=rng.integers(0, 256, (1300, 9, 8), np.uint8),
        y=rng.integers(0, 3, 1300),
    )
    return cs.open(tmp_path / "net.onnx"), str(tmp_path / "set.npz")


@contextmanager
def scheduler(folder: Path, workers: int, **environment: str) -> Iterator[tuple[str, list[Any]]]:
    """Give the address of a scheduler with workers that nobody starts again, and the workers."""
    file = folder / "scheduler.json"
    env = finding(TESTS, TESTS.parent, **environment)
    python = [sys.executable, "-m"]
    started: list[Any] = []

    def start(*command: str) -> None:
        quiet = subprocess.DEVNULL
        started.append(
            subprocess.Popen([*python, *command], cwd=folder, env=env, stdout=quiet, stderr=quiet)
        )

    try:
        start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
            "--no-dashboard", "--scheduler-file", str(file),
        )  # fmt: skip
        until = time.monotonic() + PATIENCE
        address = ""
        while not address and time.monotonic() < until:
            time.sleep(0.05)
            if file.exists() and (found := re.search(r'"address": "(\S+)"', file.read_text())):
                address = found[1]
        for _ in range(workers):
            start(
                "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
                "--no-dashboard", "--local-directory", str(folder), "--memory-limit", "0",
            )  # fmt: skip
        if workers:
            with distributed.Client(address) as client:
                client.wait_for_workers(workers, timeout=PATIENCE)
        yield address, started[1:]
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def test_workers_of_our_own_give_the_same_bytes(given: tuple[Any, str], tmp_path: Path) -> None:
    net, data = given
    net.survey(data, out=tmp_path / "one.survey")
    net.survey(data, out=tmp_path / "two.survey", workers=2)
    assert (tmp_path / "one.survey").read_bytes() == (tmp_path / "two.survey").read_bytes()


def test_a_worker_that_is_killed_loses_nothing(given: tuple[Any, str], tmp_path: Path) -> None:
    net, data = given
    net.survey(data, out=tmp_path / "one.survey")
    # a worker waits in its first task until the file is there, so that it can be killed in the midst of it
    with scheduler(tmp_path, 2) as (address, workers):
        gate = tmp_path / "gate"
        with distributed.Client(address) as client:
            client.run(slowed, str(gate))
        result: list[Any] = []
        asking = threading.Thread(
            target=lambda: result.append(
                net.survey(data, out=tmp_path / "two.survey", scheduler=address)
            )
        )
        asking.start()
        until = time.monotonic() + PATIENCE
        while len(list(tmp_path.glob("gate-*"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        first = workers[0]
        assert (tmp_path / f"gate-{first.pid}").exists()
        os.kill(first.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        first.wait(PATIENCE)
        gate.touch()
        asking.join(PATIENCE)
        assert result and result[0].images == 1300
    assert (tmp_path / "one.survey").read_bytes() == (tmp_path / "two.survey").read_bytes()


def slowed(gate: str) -> None:
    """Let every task on this worker say that it has begun, and wait for a file."""
    from convscope.survey.measuring import Measuring

    real = Measuring.measure

    def measure(self: Any, *given: Any) -> Any:
        Path(f"{gate}-{os.getpid()}").touch()
        while not Path(gate).exists():
            time.sleep(0.02)
        yield from real(self, *given)

    Measuring.measure = measure  # type: ignore[method-assign,assignment]


def test_what_is_wrong_with_workers_is_said(
    given: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, data = given
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(EngineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        net.survey(data, scheduler="tcp://127.0.0.1:1")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", PATIENCE)
    with scheduler(tmp_path, 1) as (address, _):
        os.rename(data, f"{data}.elsewhere")
        np.savez(data, x=np.zeros((40, 9, 8), np.uint8), y=np.zeros(40))
        # this process has opened other data than the workers will find
        with monkeypatch.context() as patch:
            patch.setattr("convscope.survey.data.Source.fingerprint", lambda self: "another")
            with pytest.raises(InputError, match=r"has other data in .*every worker needs"):
                net.survey(data, scheduler=address)
        with monkeypatch.context() as patch:
            patch.setattr("convscope.survey.measuring.identity", lambda graph: "another")
            with pytest.raises(InputError, match="opened another network, or other weights"):
                net.survey(data, scheduler=address)
        with monkeypatch.context() as patch:
            patch.setattr(cluster, "__version__", "9.9")
            with pytest.raises(
                EngineError, match=r"the same convscope as here, 9\.9: tcp://\S+ has"
            ):
                net.survey(data, scheduler=address)
        job = cluster._job(Measuring(net, open_data(data), Asked()))
        with pytest.raises(
            InputError, match=r"the worker on .* has convscope .*, and 9\.8 is needed"
        ):
            cluster.count(job._replace(version="9.8"), 0, 32)  # as one that came later does
        with distributed.Client(address) as client:
            pid = client.run_on_scheduler(os.getpid)

        def ends(progress: Any) -> None:
            os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

        np.savez(data, x=np.zeros((600, 9, 8), np.uint8), y=np.zeros(600))
        with pytest.raises(EngineError, match=r"went away; .* holds 256 of 600 images: --resume"):
            survey(net, data, Asked(), out=tmp_path / "s.survey", scheduler=address, progress=ends)


def test_a_scheduler_without_workers(
    given: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, data = given
    monkeypatch.setattr(cluster, "START_SECONDS", 1)
    with (
        scheduler(tmp_path, 0) as (address, _),
        pytest.raises(EngineError, match="has no workers: none came within 1 seconds"),
    ):
        net.survey(data, scheduler=address)


@pytest.mark.full
def test_workers_of_our_own_that_do_not_start(
    given: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    net, data = given
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__PRELOAD", "nosuchmodule")
    with pytest.raises(
        EngineError, match=r"workers did not start .*: ModuleNotFoundError: .*nosuch"
    ):
        net.survey(data, workers=1)


def test_what_only_this_process_has_is_refused(given: tuple[Any, str]) -> None:
    net, data = given
    with pytest.raises(UnsupportedError, match="was made in this process"):
        network().survey(data, workers=2)
    with pytest.raises(UnsupportedError, match="was made in this process"):
        net.edit("conv2d", filters=3).survey(data, workers=2)
    with pytest.raises(UnsupportedError, match="which only this process has"):
        net.survey(np.zeros((9, 9, 8), np.uint8), workers=2)


def test_the_command_line_with_workers(given: tuple[Any, str], tmp_path: Path) -> None:
    _, data = given
    words = [
        "survey", str(tmp_path / "net.onnx"), data, "--json", "--workers", "1", "--out",
        str(tmp_path / "s.survey"),
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "convscope", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 1300

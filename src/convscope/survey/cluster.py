"""A survey on several processes or machines, by Dask: tasks of a few hundred images each.

A worker opens the network and the data once, from the files that they came from, and counts; what comes back
merges exactly, in any order. A worker that dies loses nothing: its task is done again elsewhere.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from convscope.engine.writing import removed_when_ended
from convscope.errors import ConvscopeError, EngineError, InputError, UnsupportedError
from convscope.survey.data import open_data
from convscope.survey.measuring import Asked, Measuring
from convscope.survey.tally import Plan, Tally
from convscope.survey.work import Work, listening, tasks
from convscope.typed import Record
from convscope.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_SECONDS = 20
"""How long a scheduler may take to answer, and its first worker to be there."""

START_SECONDS = 60
"""How long processes of our own may take to start on a busy machine."""

AHEAD = 3
"""So many tasks for each worker are handed out before results come back: more would only lie in memory."""

LOOK = 0.5
"""Seconds between two looks whether somebody pressed Ctrl-C."""


class Job(Record):
    """What every worker is told: how to open the network and the data, and what they must turn out to be."""

    opening: Callable[[], Any] | None
    pixels: str
    data: str
    asked: Asked
    network: str
    fingerprint: str
    plan: Plan
    version: str


def spread(work: Work, measuring: Measuring, workers: int | None, scheduler: str | None) -> None:
    """Do all that is left on workers of Dask.

    Raises `UnsupportedError` for a network or data that only this process has, `EngineError` for a
    scheduler that does not answer, and for workers without convscope or of another version; what a worker
    could not do is raised here.
    """
    job = _job(measuring)
    engine = measuring.network.backing.engine
    if engine != "ONNX Runtime":
        work.say(f"{engine} computes: its last bit may depend on how many threads a worker has")
    with _client(workers, scheduler) as (client, ours), listening() as told:
        address = client.scheduler.address
        try:
            _check(client, ours)
            _hand_out(client, job, work, told)
        except (OSError, CancelledError) as error:
            raise EngineError(f"the scheduler {address} went away; {work.kept()}") from error
    work.finish()


def _job(measuring: Measuring) -> Job:
    network, source = measuring.network, measuring.source
    if network.opening is None:
        raise UnsupportedError(
            f"{measuring.graph.name} was made in this process, and workers open the network themselves: "
            f"write it to a file, net.export('net.onnx'), and survey convscope.open('net.onnx')"
        )
    if source.spec is None:
        raise UnsupportedError(
            f"the data are {source.words}, which only this process has, and workers open them themselves: "
            f"give the path of a folder, an archive or a file"
        )
    return Job(
        network.opening, measuring.preparation.pixels.name, source.spec, measuring.asked,
        measuring.fingerprint(), source.fingerprint(), measuring.plan, __version__,
    )  # fmt: skip


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[tuple[Any, Ours | None]]:
    """Give a client of a scheduler: one that runs, or one of our own, whose workers end with us."""
    try:
        import distributed
    except ImportError as error:
        raise UnsupportedError("workers need Dask: pip install 'convscope[cluster]'") from error
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that differ: `_check` says what matters
        log = logging.getLogger("distributed.client")  # of a lost scheduler: `spread` says it
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        ours = stack.enter_context(_processes(workers or 1)) if scheduler is None else None
        address = scheduler if ours is None else ours.address
        try:
            client: Any = distributed.Client(address, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise EngineError(
                f"no Dask scheduler answers at {address} within {CONNECT_SECONDS} seconds: "
                f"{str(error) or type(error).__name__}"
            ) from error
        with client:
            yield client, ours


class Ours(Record):
    """A scheduler on this machine: its address, the process that starts its workers, the file of what they say."""

    address: str
    workers: subprocess.Popen[bytes]
    log: str


@contextmanager
def _processes(workers: int) -> Iterator[Ours]:
    """Give a scheduler with so many workers, processes on this machine that end with the block.

    They are Dask's own programs: the processes that Python itself starts run the caller's script again, which
    may not expect that. They end with this process when it is told to, as by kill; left alone, by kill -9, the scheduler
    ends by itself, and its workers with it.
    """
    python = [sys.executable, "-m"]
    # a worker that is started in another folder still finds modules that the caller finds in its own
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="convscope-"))
        stack.enter_context(removed_when_ended(stack.close))
        file, log = os.path.join(folder, "scheduler.json"), os.path.join(folder, "log")
        out = stack.enter_context(open(log, "wb"))

        def start(module: str, *options: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [*python, f"distributed.cli.{module}", *options],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,  # Ctrl-C is for us: they are ended when a batch is done
            )  # fmt: skip
            stack.callback(_end, process)
            return process

        first = start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", file, "--idle-timeout", "120s",
        )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while (address := _address(file)) is None:
            if first.poll() is not None or time.monotonic() > until:
                raise EngineError(f"Dask's scheduler did not start: {_why(log)}")
            time.sleep(0.05)
        nannies = start(
            "dask_worker", address, "--nworkers", str(workers), "--nthreads", "1", "--no-dashboard",
            "--local-directory", folder, "--memory-limit", "0",
        )  # fmt: skip
        yield Ours(address, nannies, log)


def _address(file: str) -> str | None:
    """Return the address in a scheduler's file, once it is there whole."""
    try:
        with open(file, encoding="utf-8") as opened:
            return str(json.load(opened)["address"])
    except (OSError, ValueError, KeyError):
        return None


def _why(log: str) -> str:
    """Return the first line of a log that names an error, from which the others followed; the last one where none does."""
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read()[-20_000:].strip().splitlines()
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    return (errors[:1] or lines or ["it said nothing"])[-1]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _check(client: Any, ours: Ours | None) -> None:
    """Raise `EngineError` unless there are workers, all of them with this convscope."""
    until = time.monotonic() + START_SECONDS
    while not client.scheduler_info(n_workers=-1)["workers"]:
        if ours is not None and (ours.workers.poll() is not None or time.monotonic() > until):
            raise EngineError(f"workers did not start on this machine: {_why(ours.log)}")
        if time.monotonic() > until:
            raise EngineError(
                f"the scheduler {client.scheduler.address} has no workers: none came within "
                f"{START_SECONDS} seconds (dask worker {client.scheduler.address})"
            )
        time.sleep(0.05)
    try:
        versions = client.run(version)
    except Exception as error:
        raise EngineError(
            f"a worker of {client.scheduler.address} cannot import convscope {__version__} with its "
            f"survey: install the same convscope there ({type(error).__name__}: {error})"
        ) from error
    others = {worker: found for worker, found in versions.items() if found != __version__}
    if others:
        told = ", ".join(f"{worker} has {found}" for worker, found in sorted(others.items()))
        raise EngineError(f"workers need the same convscope as here, {__version__}: {told}")


def _hand_out(client: Any, job: Job, work: Work, told: Any) -> None:
    """Hand out what is left, a few tasks a worker ahead, and merge what comes back."""
    import distributed

    coming = iter(tasks(work.state))
    pending: dict[Any, tuple[int, int]] = {}
    alone = False
    while True:
        there = len(client.scheduler_info(n_workers=-1)["workers"])
        most = AHEAD * max(1, there)
        if not there and not alone:
            work.say(
                f"no worker is left; what is to do waits for one: dask worker {client.scheduler.address}"
            )
        alone = not there
        while len(pending) < most and (task := next(coming, None)) is not None:
            pending[client.submit(count, job, *task, pure=False)] = task
        if not pending:
            return
        try:
            done = distributed.wait(list(pending), LOOK, return_when="FIRST_COMPLETED").done  # type: ignore[no-untyped-call]
        except TimeoutError:
            done = set()
        for future in done:
            first, last = pending.pop(future)
            work.merge(_result(future, first, last), (first, last))
        if told.is_set():
            client.cancel(list(pending))
            work.stop()


def _result(future: Any, first: int, last: int) -> Tally:
    import distributed

    try:
        tally: Tally = future.result()
    except ConvscopeError:
        raise
    except distributed.KilledWorker as error:
        raise EngineError(
            f"images {first:,} … {last - 1:,} ended their worker again and again (memory?): {error}"
        ) from error
    except Exception as error:
        if future.status != "error":  # it is the result that did not come
            raise
        raise EngineError(
            f"images {first:,} … {last - 1:,} failed on a worker: {type(error).__name__}: {error}"
        ) from error
    return tally


# -- on a worker ----------------------------------------------------------------------------------

_ready: dict[Any, Measuring] = {}
"""The network and the data that this worker has opened: one at a time."""


def version() -> str:
    """Return the version of convscope; on a worker."""
    return __version__


def count(job: Job, first: int, last: int) -> Tally:
    """Return the figures of the images of these numbers; on a worker."""
    key = job._replace(opening=None)
    if key not in _ready:
        _ready.clear()
        _ready[key] = _opened(job)
    measuring = _ready[key]
    tally = Tally(measuring.plan)
    for _ in measuring.measure(tally, first, last):
        pass
    return tally


def _opened(job: Job) -> Measuring:
    """Return the network and the data as this worker has them; raise `InputError` where they differ."""
    import socket

    here = f"the worker on {socket.gethostname()}"
    if job.version != __version__:  # one that came later than `_check`
        raise InputError(f"{here} has convscope {__version__}, and {job.version} is needed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert job.opening is not None
            network = job.opening()
        except ConvscopeError as error:
            raise InputError(f"{here} cannot open the network: {error}") from error
        network.pixels = job.pixels
        try:
            source = open_data(job.data)
        except ConvscopeError as error:
            raise InputError(f"{here} cannot open the data: {error}") from error
        if source.fingerprint() != job.fingerprint:
            raise InputError(
                f"{here} has other data in {job.data}: {source.words}; every worker needs the same files"
            )
        measuring = Measuring(network, source, job.asked, callers=1)
    if measuring.fingerprint() != job.network or measuring.plan != job.plan:
        raise InputError(
            f"{here} opened another network, or other weights, than this process has: was it changed "
            f"after it was opened? Write it to a file first"
        )
    return measuring

"""Timing: whole processes, and calls in this one; always in turn, A B A B …, and medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


def process(code: str, **environment: str) -> tuple[float, float]:
    """Return (seconds, peak MiB) of a Python process that runs this code.

    A process is charged with the memory of the one that started it, which must be small: nothing heavy is
    imported here before the rows of whole processes are measured.
    """
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = {**os.environ, **environment}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages come compiled
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if child.returncode:
        raise SystemExit(f"the benchmark's process failed:\n{code}")
    return seconds, usage.ru_maxrss / 1024


class Cost(NamedTuple):
    """What processes took: medians."""

    seconds: float
    mib: float


def processes(codes: Mapping[str, str], turns: int, **often: int) -> dict[str, Cost]:
    """Return what Python takes for each code, by name; `often` says which run several times a turn.

    The first turn is not counted: it brings the files into memory, and compiles them.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
    for turn in range(turns + 1):
        for name, code in codes.items():
            taken = [process(code, KERAS_BACKEND="torch") for _ in range(often.get(name, 1))]
            found[name] += taken if turn else []
    return {
        name: Cost(statistics.median(s for s, _ in runs), statistics.median(m for _, m in runs))
        for name, runs in found.items()
    }


def in_turn(
    *actions: Callable[[], Any], times: int, warm: int = 1, again: bool = False
) -> list[float]:
    """Return the median seconds of each action, called in turn.

    again   every turn is two calls, the second of which is timed: threads of ONNX Runtime spin on for a
            while after a run, and memory that another action had is given back to the system; either would
            otherwise be in the next action's way
    """
    taken: list[list[float]] = [[] for _ in actions]
    for number in range(times + warm):
        for place, action in enumerate(actions):
            if again:
                action()
            begun = time.perf_counter()
            action()
            if number >= warm:
                taken[place].append(time.perf_counter() - begun)
    return [statistics.median(t) for t in taken]

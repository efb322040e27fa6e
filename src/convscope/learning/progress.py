"""A bar as Keras draws it: steps done of all, time, loss and metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

WIDTH = 20
"""How many characters the bar itself has."""

OFTEN = 0.05
"""A bar is drawn again after so many seconds at the earliest."""


class KerasBar:
    """A bar of so many steps, drawn on a terminal; elsewhere only its last line is written."""

    def __init__(self, target: int, verbose: int, file: Any) -> None:
        self.target, self.verbose, self.file = target, verbose, file
        self.live = verbose == 1 and file.isatty()
        self.color = self.live and "NO_COLOR" not in os.environ
        self.begun = self._drawn = time.monotonic()
        self._width = 0

    def show(self, done: int, logs: Mapping[str, float]) -> None:
        """Draw how far it is."""
        now = time.monotonic()
        if not self.live or now - self._drawn < OFTEN or done >= self.target:
            return
        each = (now - self.begun) / done
        self._draw(done, f"{_duration(each * (self.target - done))} {_each(each)}", logs)
        self._drawn = now

    def end(self, logs: Mapping[str, float]) -> None:
        """Draw the whole bar, with what came out in the end."""
        taken = time.monotonic() - self.begun
        said = f"{taken:.0f}s {_each(taken / max(self.target, 1))}"
        if self.verbose == 2:
            print(
                f"{self.target}/{self.target} - {taken:.0f}s - {said.split(' ', 1)[1]}{_logs(logs)}",
                file=self.file,
            )
        elif self.verbose:
            self._draw(self.target, said, logs)
            print(file=self.file)
        self.file.flush()

    def _draw(self, done: int, said: str, logs: Mapping[str, float]) -> None:
        digits = len(str(self.target))
        count = f"{done:{digits}d}/{self.target}"
        full = int(WIDTH * done / max(self.target, 1))
        line = f"{count} {'━' * WIDTH} {said}{_logs(logs)}"
        shown = line
        if self.color:
            green, grey = f"\x1b[32m{'━' * full}\x1b[0m", f"\x1b[37m{'━' * (WIDTH - full)}\x1b[0m"
            shown = f"\x1b[1m{count}\x1b[0m {green}{grey} {said}{_logs(logs)}"
        elif self.live:
            shown = f"{count} {'━' * full}{'─' * (WIDTH - full)} {said}{_logs(logs)}"
        room = " " * max(self._width - len(line), 0)
        self.file.write(("\r" if self.live else "") + shown + room)
        self.file.flush()
        self._width = len(line)


def _logs(logs: Mapping[str, float]) -> str:
    return "".join(
        f" - {name}: {value:.4f}" if abs(value) > 1e-3 else f" - {name}: {value:.4e}"
        for name, value in logs.items()
    )


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _each(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/step"
    return f"{seconds * 1e6:.0f}us/step"

"""A line on stderr while a survey is under way."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any, Self

from convscope.typed import Record


class Progress(Record):
    """How far it is: images done, of how many (None: nobody knows), and how many a second."""

    done: int
    total: int | None
    rate: float

    @property
    def words(self) -> str:
        """How far it is: "1,024 of 20,000 images, 480 a second, 0:00:40 left"."""
        of = "" if self.total is None else f" of {self.total:,}"
        told = f"{self.done:,}{of} images, {self.rate:,.4g} a second"
        if self.total is None or not self.rate:
            return told
        return f"{told}, {timedelta(seconds=round((self.total - self.done) / self.rate))} left"


LINE_SECONDS = 30.0
"""Where stderr is no terminal a line is written every so many seconds."""


class Bar:
    """A line on stderr: images done, images a second, time left. In a file now and then a line of its own."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def show(self, progress: Progress) -> None:
        """Bring the line up to date."""
        if sys.stderr is None:
            return
        if not sys.stderr.isatty():
            now = time.monotonic()
            if now - self._written >= LINE_SECONDS:
                self._written = now
                print(f"survey: {progress.words}", file=sys.stderr, flush=True)
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Shown

            self._bar = Shown(
                TextColumn("survey"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]} images/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("survey", total=progress.total, rate="–")
        self._bar.update(self._task, completed=progress.done, rate=f"{progress.rate:,.0f}")

    def __exit__(self, *raised: object) -> None:
        if self._bar is not None:
            self._bar.stop()

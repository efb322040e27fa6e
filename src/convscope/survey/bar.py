"""A line on stderr while a survey is under way."""

from __future__ import annotations

import sys
from typing import Any, Self

from convscope.typed import Record


class Progress(Record):
    """How far it is: images done, of how many (None: nobody knows), and how many a second."""

    done: int
    total: int | None
    rate: float


class Bar:
    """A line on stderr: images done, images a second, time left. Only at a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def show(self, progress: Progress) -> None:
        """Bring the line up to date."""
        if sys.stderr is None or not sys.stderr.isatty():
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

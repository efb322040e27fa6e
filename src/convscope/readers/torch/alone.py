"""One forward is recorded at a time: what is put back after it, others would have changed meanwhile."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from threading import get_ident
from typing import Any

from convscope.errors import EngineError

LONGEST = 10.0
"""So many seconds may a forward wait for other threads while another thread waits for it."""

_LOCK = threading.RLock()
_HOLDERS: list[int] = []


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other thread records a forward, and keep others waiting.

    Raises `EngineError` where that forward waits for this thread, which it may have started: both would wait for ever.
    """
    if not _LOCK.acquire(blocking=False):
        _wait()
    _HOLDERS.append(get_ident())
    try:
        yield
    finally:
        _HOLDERS.pop()
        _LOCK.release()


class _Words:
    """Stands in the place of stdout: what this thread prints is held back, and others' words pass.

    Whoever flushes waits for an answer, as a debugger does: then all is said, and from there on at once.
    """

    def __init__(self, out: Any) -> None:
        self.out, self.thread = out, get_ident()
        self.held: list[str] | None = []

    def write(self, text: str) -> int:
        """Keep a text, or pass it on."""
        if self.held is None or get_ident() != self.thread:
            self.out.write(text)
        else:
            self.held.append(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Keep texts, or pass them on."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Say what was held back, and hold nothing back any more."""
        if get_ident() == self.thread:
            self.say()
        self.out.flush()

    def say(self) -> None:
        """Say what was held back."""
        held, self.held = self.held, None
        if held:
            self.out.write("".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.out, name)


@contextmanager
def held_back() -> Iterator[_Words]:
    """Hold back what this thread prints, of a forward that is run only to see which way it goes."""
    with alone():
        words = _Words(sys.stdout)
        with redirect_stdout(words):
            yield words


def _wait() -> None:
    before, since = None, time.monotonic()
    while not _LOCK.acquire(timeout=0.05):
        holder = [*_HOLDERS[-1:], None][0]  # it may let go meanwhile
        frame = sys._current_frames().get(holder) if holder is not None else None
        waits = frame is not None and frame.f_code.co_filename == threading.__file__
        place = (id(frame), frame.f_lasti) if frame is not None and waits else None
        if place is None or place != before:
            before, since = place, time.monotonic()
        elif _joins(frame) or time.monotonic() - since > LONGEST:
            raise EngineError(
                "a forward that is being run waits for other threads, and this one, which is to open or run a module, "
                "for that forward: both would wait for ever. Open and run modules outside of the forward"
            )


def _joins(frame: Any) -> bool:
    """Whether what runs there waits for the end of this thread."""
    us = threading.current_thread()
    while frame is not None:
        if frame.f_code is threading.Thread.join.__code__ and frame.f_locals["self"] is us:
            return True
        frame = frame.f_back
    return False

"""One forward is recorded at a time: what is put back after it, others would have changed meanwhile."""

from __future__ import annotations

import io
import logging
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
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


Event = tuple[str, str]
"""Where something was said, and what."""


class Words:
    """What a forward says in this thread, on stdout and stderr, as logging and as warnings.

    held      what is held back, and how each is said; None once all is said at once
    said      what was said
    expected  what an earlier run of the same forward has said already: it is said no second time
    deaf      whether nothing of it is ever said
    """

    def __init__(self, held: bool, expected: Iterable[Event] = (), deaf: bool = False) -> None:
        self.thread, self.deaf = get_ident(), deaf
        self.held: list[tuple[Event, Callable[[], Any]]] | None = [] if held else None
        self.said: list[Event] = []
        self.expected = deque(expected)

    def hear(self, event: Event, say: Callable[[], Any]) -> None:
        """Hold something back, or say it; what another thread says is said."""
        if get_ident() != self.thread:
            say()
        elif self.held is not None:
            self.held.append((event, say))
        elif self.expected and self.expected[0] == event:
            self.expected.popleft()
        else:
            self.expected.clear()
            self.said.append(event)
            say()

    def flushed(self) -> None:
        """Say what was held back, and everything from there on: who flushes waits for an answer, as a debugger does."""
        if get_ident() == self.thread and not self.deaf:
            self.say()

    def say(self) -> None:
        """Say what was held back, and hold nothing back any more."""
        held, self.held = self.held or [], None
        for event, say in held:
            self.hear(event, say)


class _Stream:
    """Stands in the place of stdout or stderr."""

    def __init__(self, words: Words, name: str, out: Any) -> None:
        self.words, self.name, self.out = words, name, out

    def write(self, text: str) -> int:
        self.words.hear((self.name, text), lambda: self.out.write(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self.words.flushed()
        self.out.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.out, name)


@contextmanager
def _heard(words: Words) -> Iterator[Words]:
    """Let all that this thread says go through `words`, one forward at a time."""

    def logged(logger: logging.Logger, record: logging.LogRecord) -> None:
        words.hear(
            (record.name, f"{record.levelno} {record.msg}"), lambda: handlers(logger, record)
        )

    def warned(message: warnings.WarningMessage) -> None:
        if shown() != before:  # the forward gathers its own warnings, and may go by them
            shows(message)
            return
        words.hear(
            (message.filename, f"{message.lineno} {message.message}"), lambda: shows(message)
        )

    def shown() -> tuple[Any, Any]:
        return warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]

    with alone():
        handlers, shows = logging.Logger.callHandlers, warnings._showwarnmsg  # type: ignore[attr-defined]
        before = shown()
        streams = [_Stream(words, name, getattr(sys, name)) for name in ("stdout", "stderr")]
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            logging.Logger.callHandlers = logged  # type: ignore[method-assign, assignment]
            warnings._showwarnmsg = warned  # type: ignore[attr-defined]
            try:
                yield words
            finally:
                logging.Logger.callHandlers = handlers  # type: ignore[method-assign]
                warnings._showwarnmsg = shows  # type: ignore[attr-defined]


@contextmanager
def held_back() -> Iterator[Words]:
    """Hold back what this thread says, of a forward that is run only to see which way it goes."""
    with _heard(Words(True)) as words:
        yield words


@contextmanager
def again(said: Sequence[Event] | None) -> Iterator[None]:
    """Say what this thread says but for what an earlier run of the same forward, if any, said before it was left."""
    if said is None:
        yield
        return
    with warnings.catch_warnings():
        pass  # what was warned of there is no longer known to have been
    with _heard(Words(False, said)):
        yield


@contextmanager
def unheard() -> Iterator[None]:
    """Say nothing of a forward that nobody asked for, and warn of nothing; nobody answers what it asks on stdin."""
    with _heard(Words(True, deaf=True)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, sys.stdin = sys.stdin, io.StringIO()
        try:
            yield
        finally:
            sys.stdin = before


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

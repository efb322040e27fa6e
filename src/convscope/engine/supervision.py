"""Native work that can be ended: by its time limit, by Ctrl-C, which native code does not notice, and at the program's end."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

LOOK = 0.5
"""Seconds between two looks at the clock; where waiting cannot be interrupted, Ctrl-C waits as long."""

GRACE = 5.0
"""Seconds that work is given to end once it was told to; native code looks between two operators."""


_at_work: dict[object, Callable[[], object]] = {}
"""What is being done in native code, by any thread, and how each is told to stop."""

_over = threading.Event()


@atexit.register
def _end() -> None:
    """Tell native code to stop, and wait for it: one that comes back to an interpreter that is gone aborts the process."""
    _over.set()
    until = time.monotonic() + GRACE
    while _at_work and time.monotonic() < until:
        for stop in list(_at_work.values()):
            stop()
        time.sleep(0.01)


def watched(work: Callable[[], Result], stop: Callable[[], object]) -> Result:
    """Return what native work returns, done in this thread; `stop` is called where the program ends meanwhile."""
    _go_no_further()
    token = object()
    _at_work[token] = stop
    try:
        return work()
    finally:
        _at_work.pop(token, None)
        _go_no_further()


def _go_no_further() -> None:
    """Hold this thread where the program has ended: only daemons are still there, and nobody waits for them."""
    if _over.is_set() and threading.current_thread() is not threading.main_thread():
        threading.Event().wait()


class TookTooLong(Exception):
    """Work was told to stop: it had not ended after the seconds that it had."""


def supervised(
    work: Callable[[], Result], stop: Callable[[], object], seconds: float | None = None
) -> Result:
    """Return what work returns, or raise what it raises; it is done in a thread of its own.

    stop      makes the work end soon; called when its time is up, or when waiting is interrupted
    seconds   how long it may take; None for as long as it likes

    Raises `TookTooLong` when the time is up. KeyboardInterrupt passes, once the work has ended: work that
    does not listen is left behind after some seconds.
    """
    found: list[Result] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def body() -> None:
        try:
            found.append(watched(work, stop))
        except BaseException as error:  # noqa: BLE001 – raised again by whoever waits
            failed.append(error)
        finally:
            done.set()

    if _over.is_set():  # what else ends with the program may still ask; no thread begins any more
        return watched(work, stop)
    until = None if seconds is None else time.monotonic() + seconds
    try:
        apart = _begun(body)
        while apart and not done.wait(
            LOOK if until is None else max(0, min(LOOK, until - time.monotonic()))
        ):
            if until is not None and time.monotonic() >= until:
                raise TookTooLong
    except BaseException:
        stop()
        if not done.wait(GRACE):  # nor is it waited for again when the program ends
            for token in [token for token, told in _at_work.items() if told is stop]:
                _at_work.pop(token, None)
        raise
    if not apart:
        return watched(work, stop)
    if failed:
        raise failed[0]
    return found[0]


def _begun(body: Callable[[], None]) -> bool:
    """Start a thread; False where none begins any more: the program is ending, and this was loaded since."""
    try:
        threading.Thread(target=body, name="convscope engine", daemon=True).start()
    except RuntimeError as error:
        if "shutdown" not in str(error):  # no room for another: nothing is done without a limit
            raise
        return False
    return True

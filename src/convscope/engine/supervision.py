"""Native work that can be ended: by its time limit, and by Ctrl-C, which native code does not notice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

LOOK = 0.5
"""Seconds between two looks at the clock; where waiting cannot be interrupted, Ctrl-C waits as long."""

GRACE = 5.0
"""Seconds that work is given to end once it was told to; native code looks between two operators."""


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
            found.append(work())
        except BaseException as error:  # noqa: BLE001 – raised again by whoever waits
            failed.append(error)
        finally:
            done.set()

    until = None if seconds is None else time.monotonic() + seconds
    try:
        threading.Thread(target=body, name="convscope engine", daemon=True).start()
        while not done.wait(LOOK if until is None else max(0, min(LOOK, until - time.monotonic()))):
            if until is not None and time.monotonic() >= until:
                raise TookTooLong
    except BaseException:
        stop()
        done.wait(GRACE)
        raise
    if failed:
        raise failed[0]
    return found[0]

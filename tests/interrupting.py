"""Programs that a test interrupts must hear it, whoever started the tests."""

from __future__ import annotations

import signal
import sys
from typing import Any


def _hear() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


HEARS: dict[str, Any] = {} if sys.platform == "win32" else {"preexec_fn": _hear}
"""What Popen is given: who runs tests in the background (nohup, &) hands on that Ctrl-C is ignored."""

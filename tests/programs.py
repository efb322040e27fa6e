"""Programs that tests start: they hear Ctrl-C, and find the modules that the test finds, whoever started the tests."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any


def _hear() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


HEARS: dict[str, Any] = {} if sys.platform == "win32" else {"preexec_fn": _hear}
"""What Popen is given: who runs tests in the background (nohup, &) hands on that Ctrl-C is ignored."""


def finding(*folders: Path, **more: str) -> dict[str, str]:
    """Return the surroundings in which a program finds modules in these folders first, then where this one does."""
    paths = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}

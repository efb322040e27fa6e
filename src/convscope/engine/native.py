"""The one door to ONNX Runtime: nothing else in convscope imports it.

From version 1.29 on it counts its users: it keeps a device id and a database of events (paths, names of
graphs, texts of errors) in the user's cache, and sends them. Nothing of that may happen here, and it can
only be told so before it is loaded.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

SWITCH = "ORT_DISABLE_TELEMETRY"
"""What ONNX Runtime looks at, once, while it is loaded."""


@cache
def onnxruntime() -> Any:
    """Return the module `onnxruntime`, loaded without its telemetry.

    In a program that has loaded it before, its identifier and its database are made already; the events of
    what runs from now on are switched off.
    """
    os.environ[SWITCH] = "1"
    import onnxruntime as found

    found.disable_telemetry_events()  # those that Windows collects, and of one loaded before
    return found

"""What tests ask of a child process."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any

import numpy as np


def doubled(kept: dict[str, Any], said: dict[str, Any], arrays: list[Any]) -> Any:
    kept["times"] = kept.get("times", 0) + 1
    return {"times": kept["times"], **said}, [None if a is None else a * 2 for a in arrays]


def crash(kept: dict[str, Any], said: dict[str, Any], arrays: list[Any]) -> Any:
    ctypes.string_at(0)


def stall(kept: dict[str, Any], said: dict[str, Any], arrays: list[Any]) -> Any:
    time.sleep(600)


def flood(kept: dict[str, Any], said: dict[str, Any], arrays: list[Any]) -> Any:
    return {}, [np.ones(said["bytes"], np.uint8)]


def leave(kept: dict[str, Any], said: dict[str, Any], arrays: list[Any]) -> Any:
    os._exit(7)


def babble(kept: dict[str, Any], said: dict[str, Any], arrays: list[Any]) -> Any:
    os.write(1, b"what native code prints is not taken for an answer")
    os.write(2, b"nor this")
    return {}, []

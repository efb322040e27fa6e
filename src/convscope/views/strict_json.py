"""JSON that every reader accepts: no bare NaN, no control characters, numpy's numbers as numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from convscope.parts import figure


def strict_json(value: object, indent: int | None = 2) -> str:
    """Return a value as JSON.

    A number that is not finite becomes the string "NaN", "Infinity" or "-Infinity", which Python's
    `float` and JavaScript's `Number` read back; null is left for figures that do not exist.
    """
    text = json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def plain(value: object) -> Any:
    """Return a value made of dicts, lists, strings, numbers, booleans and None only."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, AbstractSet):
        return [plain(item) for item in sorted(value, key=str)]
    listed = getattr(value, "tolist", None)  # numpy's arrays and numbers, torch's too
    if callable(listed):
        return plain(listed())
    return figure(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(plain(key))


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")

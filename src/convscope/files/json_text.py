"""JSON from a file that may be hostile: bounded in size and depth, no key twice, no NaN."""

from __future__ import annotations

from math import isfinite

from convscope.errors import SourceError
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

MOST_BYTES = 64 << 20
MOST_DEPTH = 100
MOST_VALUES = 2_000_000
"""Commas and opening brackets: each value has one before it."""


def read_json(data: bytes | str, what: str) -> Any:
    """Return what a JSON text says; raise `SourceError`, naming `what`, for one that breaks a bound.

    >>> read_json('{"a": [1, 2]}', "config.json")
    {'a': [1, 2]}
    """
    import json

    if len(data) > MOST_BYTES:
        raise SourceError(f"{what} is {len(data):,} bytes of JSON; {MOST_BYTES:,} are the most")
    if isinstance(data, str):
        values = data.count(",") + data.count("[") + data.count("{")
    else:
        values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if values > MOST_VALUES:  # sixty megabytes of "[]," would take 1.6 GB
        raise SourceError(f"{what} holds some {values:,} values; {MOST_VALUES:,} are the most")
    try:
        found = json.loads(
            data, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError as error:
        raise SourceError(f"{what} is nested deeper than {MOST_DEPTH} levels") from error
    except (ValueError, UnicodeError) as error:
        raise SourceError(f"{what} is not valid JSON: {error}") from error
    _check_depth(found, what)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} stands there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that JSON has")


def _finite(text: str) -> float:
    found = float(text)
    if not isfinite(found):
        raise ValueError(f"{text[:40]} is larger than any number")
    return found


def _check_depth(found: Any, what: str) -> None:
    level = [found]
    for _ in range(MOST_DEPTH + 1):
        level = [
            child
            for value in level
            for child in (
                value.values()
                if isinstance(value, dict)
                else value
                if isinstance(value, list)
                else ()
            )
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise SourceError(f"{what} is nested deeper than {MOST_DEPTH} levels")

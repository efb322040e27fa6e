"""Rules of operators, a family a file: found one file after another, so that a network loads those of its own.

>>> from convscope.operators import rule_of
>>> rule_of("Conv") is not None, rule_of("nobody's")
(True, None)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module

from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def discovered(
    room: str, folder: str, first: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], dict[str, Any]]]:
    """Return how a folder's rules are asked for: one by its operator's name (None where there is none), and all.

    first   the files to look through before all others
    """

    @cache
    def rule_of(op: str) -> Any:
        found = _families(room, folder, first)
        return next((rules[op] for rules in found if op in rules), None)

    @cache
    def rules() -> dict[str, Any]:
        return {op: rule for found in _families(room, folder, first) for op, rule in found.items()}

    return rule_of, rules


def _families(room: str, folder: str, first: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the RULES of every file of a folder that has some; the folder is looked into behind the first ones."""
    for name in first:
        yield import_module(f"{room}.{name}").RULES
    for name in sorted({one.removesuffix(".py") for one in os.listdir(folder)}.difference(first)):
        if name.isidentifier() and name[:1] != "_":
            yield getattr(import_module(f"{room}.{name}"), "RULES", {})

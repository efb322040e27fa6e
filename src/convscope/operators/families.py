"""Rules of operators, a family a file: found one file after another, so that a network loads those of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module

from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def families(room: str, folder: str, first: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the RULES of every file of a folder that has some.

    first   the files to look through before all others
    """
    names = sorted(name.removesuffix(".py") for name in os.listdir(folder))
    for name in dict.fromkeys((*first, *names)):
        if name.isidentifier() and name[:1] != "_":
            yield getattr(import_module(f"{room}.{name}"), "RULES", {})

"""Late screens: what the host answers for screens that not every page has, a file each.

A file states `offer(host, given)`: a `LateScreen`, or None where the host has nothing for it. Its room in the page is the
folder of web/ that has its name. A folder that no file here has the name of is a screen of every page, which asks nothing
of its own (What if, Mental models): only its text comes late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol

from convscope.explorer.joining import late_rooms
from convscope.explorer.protocol import Answer


class LateScreen(Protocol):
    """A screen as its host has it."""

    title: str
    """What stands on its tab."""

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        """Return the answer to a question of the screen, {"ask": name of the screen, …}; see `AnyHost.answer`."""
        ...

    def held(self) -> Iterable[Mapping[str, Any]]:
        """Return the questions whose answers an exported file holds; a file without any is without the screen.

        Each is an object as the page asks it, without "ask"; the page is told that others need convscope.
        """
        ...


def offered(host: Any, given: Mapping[str, Any]) -> dict[str, LateScreen]:
    """Return the late screens that a host has, by name, in alphabetical order.

    given   what a screen is opened for, by its name: a film of training, the result of a survey
    """
    found = {
        name: import_module(f"{__name__}.{name}").offer(host, given.get(name)) for name in _names()
    }
    return {name: screen for name, screen in found.items() if screen is not None}


def of_every_page() -> list[str]:
    """Return the late rooms that every page has, in alphabetical order."""
    return [name for name in late_rooms() if name not in _names()]


@cache
def _names() -> list[str]:
    return sorted(one.name for one in iter_modules(__path__))

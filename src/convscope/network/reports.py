"""Facts made readable. What type checkers and editors know of it is in the stub beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.views.report import Report


class Gradients(Report[Any]):
    """The report of a gradient: the ledger of one derivative, and the shares, are reports too."""

    __slots__ = ()

    def at(self, position: Sequence[int]) -> Report[Any]:
        """Return the ledger of one derivative as a report."""
        return Report(self.facts.at(position))

    def shares(self) -> Report[Any]:
        """Return input × gradient, with every bias and what remains, as a report."""
        return Report(self.facts.shares())


class Steps:
    """A step of training: its arrays, and reports of why single weights moved."""

    __slots__ = ("taken",)

    def __init__(self, taken: Any) -> None:
        self.taken = taken

    def __getattr__(self, name: str) -> Any:
        if name == "taken":
            raise AttributeError(name)
        return getattr(self.taken, name)

    def at(self, what: str, position: Sequence[int]) -> Report[Any]:
        """Return why one number of a weight moved, as a report."""
        return Report(self.taken.at(what, position))


def report(facts: Any) -> Any:
    """Return facts as a report, which has all that they have and can be looked at."""
    return Report(facts)

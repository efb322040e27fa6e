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


class ComparedNetworks(Report[Any]):
    """The report of a comparison, which the explorer can show: both networks' maps and their difference.

    network, numbers   the first network, and what gives the numbers of both; None where no image went through
    """

    __slots__ = ("_network", "_numbers")

    def __init__(self, facts: Any, network: Any, numbers: Any) -> None:
        super().__init__(facts)
        self._network, self._numbers = network, numbers

    def host(self) -> Any:
        """Return what answers the explorer's questions about the first network, and about the comparison."""
        from convscope.explorer.host import Host

        run = None if self._numbers is None else self._numbers[0].run()
        given = {"compare": (self.facts, self._numbers)}
        return Host(self._network, run, given=given, place="s=compare")

    def explore(self, **how: Any) -> Any:
        """Look at both networks in the explorer, on its screen Compare; see `Network.explore` for what it takes."""
        from convscope.explorer.showing import show

        where = {"port": None, "host": "127.0.0.1", "open_browser": True, "block": None, **how}
        address, port = where.pop("host"), where.pop("port")
        return show(self.host(), port, address, **where)

    def export(self, path: Any, *, limit: float = 64) -> None:
        """Write the explorer, with the screen Compare, as one HTML file; see `Network.export`. Needs an image."""
        from convscope.network.writing import write_host

        write_host(self.host, path, limit)


class StepTaken:
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

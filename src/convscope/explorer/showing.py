"""Showing the explorer from Python: inline where there is a notebook, else in the browser."""

from __future__ import annotations

import sys
from typing import Any, Self

from convscope.explorer.host import Host


def show(
    host: Host,
    port: int | None,
    address: str,
    open_browser: bool,
    block: bool | None,
) -> Any:
    """Return what shows a host's explorer: see `Network.explore`."""
    if in_notebook():
        from convscope.explorer.notebook import inline

        return inline(host)
    from convscope.explorer.server import Server, open_page

    served = Served(Server(host, address, port, announce=_announce).start())
    _announce(served.address)
    if open_browser:
        open_page(served.address)
    if block or (block is None and not at_a_prompt()):
        served.wait()
    return served


class Served:
    """The explorer, served while the program goes on.

    It is a context manager too: leaving it ends it.
    """

    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def address(self) -> str:
        """The address to open, with a key that opens one browser."""
        return str(self._server.address)

    def stop(self) -> None:
        """End it; the page says so and goes no further."""
        self._server.stop()

    def wait(self) -> None:
        """Return when somebody has called `stop`, or at Ctrl-C, which ends it."""
        try:
            self._server.wait()
        except KeyboardInterrupt:
            self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<the explorer at {self._server.origin}; .stop() ends it>"


def _announce(address: str) -> None:
    print(f"the explorer: {address} (for one browser)", file=sys.stderr)


def _shell() -> Any:
    """Return IPython's shell, if the program runs in one; IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def in_notebook() -> bool:
    """Say whether what a cell returns is shown: there is an IPython kernel, not a terminal."""
    return getattr(_shell(), "kernel", None) is not None


def at_a_prompt() -> bool:
    """Say whether somebody types at a prompt, to which a call has to return."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or _shell() is not None

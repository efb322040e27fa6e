"""Sockets and connections of the explorer's server: where it listens, and who keeps it waiting."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from convscope.errors import ServerError, SettingError
from convscope.explorer.guard import EVERY_RESPONSE, LOOPBACK, Limits, in_address

if TYPE_CHECKING:
    from starlette.types import ASGIApp

DEFAULT_PORT = 8765
NEIGHBOURS = 20
"""How many ports from the default one on are tried."""

LARGEST_PORT = 65535

_silent = logging.getLogger("convscope.explorer")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def listen(address: str, port: int | None) -> tuple[int, list[socket.socket]]:
    """Return the port and the sockets that listen there: both loopbacks, or the address asked for.

    port    one by name, 0 to let the system choose, None for the default one or a neighbour of it

    Raises `ServerError` when a port asked for by name is taken or the address is none of this machine,
    `SettingError` for a port that cannot be.
    """
    if port is not None and (type(port) is not int or not 0 <= port <= LARGEST_PORT):
        raise SettingError(f"a port is a whole number from 0 to {LARGEST_PORT}, not {port!r}")
    if port:
        found = _at(address, port)
        if found is None:
            raise ServerError(
                f"port {port} is taken by another program (or another explorer): name another port, "
                f"0 to let the system choose one, or none to take a free one near {DEFAULT_PORT}"
            )
        return port, found
    for candidate in range(DEFAULT_PORT, DEFAULT_PORT + NEIGHBOURS) if port is None else [0] * 9:
        found = _at(address, candidate)
        if found is not None:
            return found[0].getsockname()[1], found
    raise ServerError(
        f"the ports {DEFAULT_PORT} to {DEFAULT_PORT + NEIGHBOURS - 1} are all taken: port 0 lets the "
        f"system choose one"
    )


def _at(address: str, port: int) -> list[socket.socket] | None:
    """Return sockets that listen on one port of every address that is meant; None if one is taken."""
    listening: list[socket.socket] = []
    try:
        for family, where in _places(address):
            try:
                listening.append(_listening(family, where, port))
            except OSError as failed:
                if address in LOOPBACK and family == socket.AF_INET6 and failed.errno in _NO_IPV6:
                    continue
                raise
            port = listening[0].getsockname()[1]
    except OSError as failed:
        for one in listening:
            one.close()
        if failed.errno == errno.EADDRINUSE:
            return None
        where = f"{in_address(address)}:{port}"
        if failed.errno == errno.EACCES:
            raise ServerError(
                f"{where} needs rights that you lack; ports from 1024 on do not"
            ) from failed
        raise ServerError(
            f"cannot listen on {where}: {failed.strerror or failed}; 127.0.0.1 always works"
        ) from failed
    return listening


_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


def _places(address: str) -> list[tuple[socket.AddressFamily, str]]:
    if address in LOOPBACK:
        six = [(socket.AF_INET6, "::1")] if socket.has_ipv6 else []
        return [(socket.AF_INET, "127.0.0.1"), *six]
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failed:
        raise ServerError(
            f"{address!r} is not an address of this machine: {failed}; 127.0.0.1 always works"
        ) from failed
    return list(dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found))


def _listening(family: socket.AddressFamily, where: str, port: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":  # there, "reuse" means to take it from whoever has it
            one.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((where, port))
        one.listen(128)  # at once: until then another program may bind the same port
    except OSError:
        one.close()
        raise
    return one


class Connection(H11Protocol):
    """One connection: ends when a request's headers do not arrive in time, or do not end.

    uvicorn stops waiting for a request only as long as nothing of it has arrived.
    """

    limits = Limits()
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.logger = _silent  # what is wrong with a request is told to whoever sent it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._make_room()
        self._watch()

    def _make_room(self) -> None:
        """End the connection that has waited longest for its client; this one, where all are at work.

        Somebody who opens many and says nothing shuts himself out so, and nobody else.
        """
        waiting = [c for c in self.connections if isinstance(c, Connection) and c._deadline]
        longest = min(waiting, key=lambda c: c._deadline.when() if c._deadline else 0, default=self)
        longest._stop_watching()
        longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watching()

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Start the clock where the client has to go on, and stop it where it has."""
        unread = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        if self.conn.their_state is not h11.IDLE and not unread:
            self._stop_watching()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.limits.headers_seconds, self._too_slow)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            seconds = f"{self.limits.headers_seconds:g}"
            self._refuse(408, f"the request's headers did not arrive within {seconds} seconds")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not a valid HTTP request, or has no Host header, or two")

    def _refuse(self, status: int, text: str) -> None:
        """Answer a request that never became one; it has not been seen by the guard."""
        from convscope.explorer.guard import error

        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        kind = "TooSlow" if status == 408 else "BadRequest"
        response = error(status, kind, text, {**EVERY_RESPONSE, "connection": "close"})
        for event in (
            h11.Response(status_code=status, headers=response.raw_headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Service(uvicorn.Server):
    """uvicorn, without what the explorer does not need, and ending when it is told to."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        protocol = type("LimitedConnection", (Connection,), {"limits": limits})
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                workers=1,
                timeout_graceful_shutdown=2,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would wait for answers that are being made and for browsers to hang up, also for one that
        # comes while it closes
        for server in self.servers:
            server.close()
        self._hang_up()
        self.force_exit = True
        await super().shutdown(sockets)
        self._hang_up()

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()

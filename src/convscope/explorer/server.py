"""The explorer's server: carries a page's questions to a host and its answers back, on loopback.

What it promises, and the order in which a request is looked at, stands in `guard`. A page's files come
from a table made at the start; a question is answered in a thread of its own, at most two at once.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convscope.errors import ConvscopeError, InputError
from convscope.explorer.guard import (
    LOOPBACK,
    WILDCARDS,
    Guard,
    Keys,
    Limits,
    Refused,
    error,
    in_address,
    internal_error,
    read_body,
)
from convscope.explorer.joining import late_rooms, late_script, script, web
from convscope.explorer.listening import Service, listen
from convscope.explorer.protocol import Answer, AnyHost, as_bytes
from convscope.typed import Record


class StaticFile(Record):
    """A file of the page, as it is sent."""

    media_type: str
    content: bytes


def static_files() -> dict[str, StaticFile]:
    """Return every file of the page by the path it is asked for."""
    html, style = web("index.html").encode(), web("explorer.css").encode()
    return {
        "/": StaticFile("text/html; charset=utf-8", html),
        "/explorer.css": StaticFile("text/css; charset=utf-8", style),
        **{
            f"/{name}": StaticFile("text/javascript; charset=utf-8", script(name).encode())
            for name in ("explorer.js", "page.js", "again.js")
        },
        **{
            f"/{name}.js": StaticFile("text/javascript; charset=utf-8", late_script(name).encode())
            for name in late_rooms()
        },
    }


class Jobs:
    """Questions that are being answered, each in a thread, no more than so many at once."""

    def __init__(self, most: int, seconds: float) -> None:
        self.seconds = seconds
        self._free = threading.BoundedSemaphore(most)

    def take(self) -> Slot:
        """Return a place for one job; raises `Refused` when all are taken."""
        if not self._free.acquire(blocking=False):
            raise Refused(503, "Busy", "busy with other questions; ask again", retry_after="1")
        return Slot(self._free, self.seconds)


class Slot:
    """A place for one job, given back when the job is done or there was none."""

    def __init__(self, free: threading.BoundedSemaphore, seconds: float) -> None:
        self._free = free
        self._seconds = seconds
        self._running = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._running:
            self._free.release()

    async def run(self, work: Callable[[], bytes]) -> bytes:
        """Return what the work returns, or raise what it raises, or `Refused` when it takes too long.

        A thread cannot be stopped: work that takes too long keeps its place until it ends by itself.
        The thread is a daemon, so that it does not keep the program from ending.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[bytes, BaseException | None]] = loop.create_future()

        def settle(result: bytes, failed: BaseException | None) -> None:
            if not future.done():
                future.set_result((result, failed))

        def job() -> None:
            result, failed = b"", None
            try:
                result = work()
            except BaseException as anything:  # noqa: BLE001 – raised again by whoever waits
                failed = anything
            self._free.release()
            with suppress(RuntimeError):  # the server has ended meanwhile, and nobody waits
                loop.call_soon_threadsafe(settle, result, failed)

        threading.Thread(target=job, name="convscope job", daemon=True).start()
        self._running = True
        done, _ = await asyncio.wait({future}, timeout=self._seconds)
        if not done:
            future.cancel()
            text = f"the answer takes longer than {self._seconds:g} seconds"
            raise Refused(503, "TooSlow", text)
        result, failed = future.result()
        if failed is None:
            return result
        if isinstance(failed, Exception):
            raise failed
        raise RuntimeError(f"a job ended with {failed!r}") from failed


STOP_SECONDS = 20.0
"""Whoever stops a server waits no longer than this; its thread does not keep a program from ending."""


class Server:
    """A server that carries a host's answers: `run` it until Ctrl-C, or `start` and `stop` it.

    host        answers the questions
    address     where to listen: on both loopbacks, or on another address of this machine
    port        one by name, 0 to let the system choose, None for 8765 or a free one near it
    announce    called with another address to open, when the first was opened by one browser and a
                second one has come with it
    static      the page's files by their paths; those of the explorer by default

    It listens from the start. Raises `ServerError` when it cannot, `SettingError` for a port that
    cannot be.
    """

    def __init__(
        self,
        host: AnyHost,
        address: str = "127.0.0.1",
        port: int | None = None,
        *,
        announce: Callable[[str], object] | None = None,
        static: Mapping[str, StaticFile] | None = None,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self._keys = Keys()
        self._announce = announce
        shown = {**dict.fromkeys(LOOPBACK, "127.0.0.1"), **WILDCARDS}
        self._shown = shown.get(address, address)
        routes = _routes(host, static_files() if static is None else static, limits)
        page = web("closed.html")
        self.port, self._sockets = listen(address, port)
        self._guard = Guard(routes, self._keys, self.port, address, page, self._renewed)
        self._service = Service(self._guard, limits)
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """The address to open, with a token that opens one browser."""
        return f"{self.origin}/?token={self._keys.token}"

    @property
    def origin(self) -> str:
        """The address without the token: what the browser shows when it has the page."""
        return f"http://{in_address(self._shown)}:{self.port}"

    def _renewed(self) -> None:
        if self._announce is not None:
            self._announce(self.address)

    def run(self) -> None:
        """Serve until `stop` is called from another thread, or Ctrl-C raises KeyboardInterrupt."""
        try:
            asyncio.run(self._service.serve(sockets=self._sockets))
        finally:
            for one in self._sockets:
                one.close()

    def start(self) -> Server:
        """Serve in a thread, and return this server."""
        self._thread = threading.Thread(target=self.run, name="convscope server", daemon=True)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Return when the server that was started has ended; Ctrl-C raises KeyboardInterrupt."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.5)  # without a limit Windows would not notice Ctrl-C

    def stop(self) -> None:
        """End the server and wait for that, some seconds at most; questions being answered are dropped."""
        self._service.should_exit = True
        if self._thread is None:
            for one in self._sockets:
                one.close()
        else:
            self._thread.join(STOP_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(
    host: AnyHost,
    address: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = True,
    announce: Callable[[str], object] = print,
) -> None:
    """Serve a host's answers until Ctrl-C, which raises KeyboardInterrupt.

    announce   called with the address to open, and with another one when that is asked for (see
               `Server`, also for what is raised)
    """
    server = Server(host, address, port, announce=announce)
    announce(server.address)
    if open_browser:
        open_page(server.address)
    server.run()


def open_page(address: str) -> None:
    """Open an address in the browser, where there is one with a window."""
    if _has_screen():
        # some browsers return only when they are closed
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _has_screen() -> bool:
    """Say whether a browser would open in a window, and not in the terminal that we print to."""
    if sys.platform in ("win32", "darwin") or "BROWSER" in os.environ:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _routes(host: AnyHost, static: Mapping[str, StaticFile], limits: Limits) -> Starlette:
    """Return the application behind the guard: two questions and a table of files."""
    jobs = Jobs(limits.jobs, limits.job_seconds)

    async def ask(request: Request) -> Response:
        body = await read_body(request.scope, request.receive, limits.question, limits.body_seconds)
        question = _question(body)
        if question["ask"] == "alive":
            return _answered(as_bytes(Answer({"alive": True})))
        with jobs.take() as slot:
            return _answered(await slot.run(lambda: as_bytes(host.answer(question))))

    async def image(request: Request) -> Response:
        question = _question(request.query_params.get("question", "").encode())
        with jobs.take() as slot:  # before the picture is read: no more of them are held than that
            picture = await read_body(
                request.scope, request.receive, limits.picture, limits.body_seconds
            )
            return _answered(await slot.run(lambda: as_bytes(host.answer(question, picture))))

    def sends(file: StaticFile) -> Callable[[Request], Awaitable[Response]]:
        async def send(request: Request) -> Response:
            return Response(file.content, headers={"content-type": file.media_type})

        return send

    app = Starlette(
        routes=[
            Route("/ask", ask, methods=["POST"]),
            Route("/image", image, methods=["POST"]),
            *(
                Route(path, sends(file), methods=["GET"], middleware=[Middleware(GZipMiddleware)])
                for path, file in static.items()
            ),
        ],
        exception_handlers={
            Refused: lambda _, refused: refused.response(),
            HTTPException: _not_there,
            ConvscopeError: _not_answered,
            MemoryError: _no_memory,
            Exception: lambda _, fault: internal_error(),
        },
    )
    app.router.redirect_slashes = False
    return app


def _answered(content: bytes) -> Response:
    return Response(content, media_type="application/octet-stream")


def _not_there(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, HTTPException)
    kind = {404: "NotFound", 405: "MethodNotAllowed"}.get(refused.status_code, "BadRequest")
    return error(refused.status_code, kind, refused.detail, refused.headers)


def _not_answered(request: Request, failed: Exception) -> Response:
    return error(400, type(failed).__name__, without_paths(str(failed))[:LONGEST_TEXT])


def _no_memory(request: Request, failed: Exception) -> Response:
    return error(500, "MemoryError", "not enough memory for this network at this size")


LONGEST_TEXT = 2000
"""Characters of an error's text that are sent."""

_PATH = re.compile(r"(?:[A-Za-z]:)?[/\\][^\s'\":,;()]*[/\\](?=[^\s/\\])")


def without_paths(text: str) -> str:
    """Return a text in which files of this machine have kept only their names.

    A layer may be called /features/conv, so only what names a folder that is there is taken out.

    >>> without_paths("/usr/net.onnx has no weights for /features/conv")
    'net.onnx has no weights for /features/conv'
    """
    return _PATH.sub(lambda found: "" if os.path.isdir(found[0]) else found[0], text)


def _question(text: bytes) -> dict[str, Any]:
    """Return a question as it was asked; raises `InputError` for what is none."""
    try:
        found = json.loads(
            text.decode("utf-8"),
            parse_constant=_no_number,
            parse_float=_number,
            object_pairs_hook=_named_once,
        )
    except (ValueError, RecursionError) as failed:
        raise InputError(f"the question is not JSON that is taken: {failed}") from failed
    if not isinstance(found, dict) or not isinstance(found.get("ask"), str):
        raise InputError('a question is an object with "ask", as in {"ask": "network"}')
    return found


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found

"""What stands before the explorer's server: who may ask, from where, what, how much and how long.

A page in the next tab may send requests to any port of this machine, and make a name of its own lead
here; other people may have accounts on it. So, in this order, before anything is looked up:

    Host        one of our own names with our port        a name that was made to lead here has another
    the cookie  given once for the token in the address   other accounts and other pages have none
    Origin      exactly ours, for all but GET             the page in the next tab has another
    the rest    a declared content type and X-Convscope   what a form or an <img> cannot send
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convscope.typed import Record

LOOPBACK = ("127.0.0.1", "localhost", "::1")
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""All addresses of this machine of a family, and the one to reach them by from here."""

EVERY_RESPONSE = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers that no response goes without, an error's included."""

JSON = ("application/json",)
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")
DECLARED = {"/ask": JSON, "/image": PICTURES}
"""The content types that each path takes."""


class Limits(Record):
    """How much and how long: bytes, seconds, and how many at once."""

    question: int = 1 << 20
    picture: int = 32 << 20
    headers_seconds: float = 10.0
    body_seconds: float = 20.0
    job_seconds: float = 120.0
    jobs: int = 2
    connections: int = 100


class Refused(Exception):
    """A request that is not answered, and what is said instead."""

    def __init__(self, status: int, kind: str, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        """Return the refusal as the page reads it."""
        return error(self.status, self.kind, str(self), self.headers)


def error(
    status: int, kind: str, text: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error as the page reads it: a kind for scripts and a text for people."""
    return JSONResponse({"error": {"kind": kind, "text": text}}, status, headers)


def internal_error() -> JSONResponse:
    """Return what a client is told of a fault of ours: nothing about the machine."""
    return error(500, "InternalError", "internal error; the terminal has more")


class Keys:
    """The token in the printed address, and the cookie that it is exchanged for.

    The token opens one browser: it stands in an address, which gets into histories and lists of
    processes. That browser keeps a cookie of another secret value, and can open the address again.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self._spent: list[str] = []
        self._cookie = secrets.token_urlsafe(32)

    def exchange(self, token: str) -> str | None:
        """Return the cookie's value for the token, the first time; None for any other text."""
        if token_is(token, self.token) and self.token not in self._spent:
            self._spent.append(self.token)
            return self._cookie
        return None

    def spent(self, token: str) -> bool:
        """Say whether a text is a token that was exchanged already."""
        return any(token_is(token, old) for old in self._spent)

    def renew(self) -> bool:
        """Make a new token if the present one is spent; return whether there is a new one."""
        if self.token in self._spent:
            self.token = secrets.token_urlsafe(32)
            return True
        return False

    def fits(self, values: Iterable[str]) -> bool:
        """Say whether one of the values is the cookie's."""
        return any(token_is(value, self._cookie) for value in values)


def token_is(given: str, secret: str) -> bool:
    """Compare in a time that says nothing about the secret."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def in_address(host: str) -> str:
    """Return a host as addresses spell it.

    >>> in_address("::1"), in_address("127.0.0.1")
    ('[::1]', '127.0.0.1')
    """
    return f"[{host}]" if ":" in host else host


class Guard:
    """An ASGI application around another: refuses, or lets pass, and puts its headers on everything.

    address     where the server listens; besides the names of the loopback that name is accepted, and
                for 0.0.0.0 or :: any numeric address (only a name can be made to lead elsewhere)
    page        the HTML for somebody without a cookie, with {heading} and {text}
    renewed     called when a spent address was opened anew and another one has been made
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Keys,
        port: int,
        address: str,
        page: str,
        renewed: Callable[[], None],
    ) -> None:
        self.app = app
        self.keys = keys
        self.port = port
        self.page = page
        self.renewed = renewed
        self.cookie = f"convscope_{port}"  # cookies know no ports: each server needs its own name
        names = dict.fromkeys((*LOOPBACK, address))
        self.names = frozenset(in_address(name) + self._port_text for name in names)
        # a page sees by it that another server answers now than the one that it came from
        self._headers = [*_RAW_HEADERS, (b"x-convscope", secrets.token_hex(8).encode())]
        self.any_number = address in WILDCARDS

    @property
    def _port_text(self) -> str:
        return "" if self.port == 80 else f":{self.port}"  # browsers leave a default port out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*message["headers"], *self._headers]}
            await send(message)

        try:
            app = self._instead(scope) or self.app
            await app(scope, receive, with_headers)
        except Refused as refused:
            await refused.response()(scope, receive, with_headers)
        except Exception:  # noqa: BLE001 – said where it can be read, and no more than that sent
            _log()
            if not begun:
                await internal_error()(scope, receive, with_headers)

    def _instead(self, scope: Scope) -> Response | None:
        """Return what is said instead of an answer, or None for a request that may pass."""
        headers = _headers(scope)
        host = self._host(headers)
        if scope["path"] == "/" and scope["method"] == "GET" and scope["query_string"]:
            return self._enter(scope, headers)
        if not self._known(headers):
            if scope["path"] == "/" and scope["method"] == "GET":
                return self._closed()
            raise Refused(403, "Locked", "open the address that convscope printed")
        if scope["method"] not in ("GET", "HEAD"):
            self._from_our_page(scope, headers, host)
        return None

    def _host(self, headers: Mapping[str, list[str]]) -> str:
        hosts = headers.get("host", [])
        if len(hosts) != 1:
            raise Refused(400, "BadRequest", f"{len(hosts)} Host headers where one is wanted")
        (host,) = hosts
        if host not in self.names and not (self.any_number and self._is_number(host)):
            raise Refused(403, "Forbidden", "this is not a name of this server")
        return host

    def _is_number(self, host: str) -> bool:
        bare = host.removesuffix(self._port_text)
        if bare == host and self._port_text:
            return False
        try:
            address = ipaddress.ip_address(bare.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return bare == in_address(str(address))

    def _known(self, headers: Mapping[str, list[str]]) -> bool:
        pairs = [pair.strip() for line in headers.get("cookie", []) for pair in line.split(";")]
        start = f"{self.cookie}="
        return self.keys.fits([p.removeprefix(start) for p in pairs if p.startswith(start)])

    def _enter(self, scope: Scope, headers: Mapping[str, list[str]]) -> Response:
        """Exchange a token for the cookie; in any case lead to the address without it."""
        plain = RedirectResponse("/", 303)
        if self._known(headers):
            return plain
        try:
            query = parse_qs(scope["query_string"].decode("ascii"), max_num_fields=9)
        except ValueError:
            query = {}
        token = query.get("token", [""])[0]
        value = self.keys.exchange(token)
        if value is not None:
            plain.set_cookie(self.cookie, value, path="/", httponly=True, samesite="strict")
            return plain
        if not self.keys.spent(token):
            return self._closed()
        if self.keys.renew():
            self.renewed()
        return self._page(
            "This address was used already",
            "It opens one browser. A new address stands where convscope was started: "
            "open that one here, or go on in the browser that has the page.",
        )

    def _closed(self) -> Response:
        return self._page(
            "Open the address that convscope printed",
            "It ends in ?token= and stands where convscope was started. After a new start the old "
            "address and this page know nothing of the new one.",
        )

    def _page(self, heading: str, text: str) -> Response:
        filled = self.page.replace("{heading}", heading).replace("{text}", text)
        return Response(filled, 403, media_type="text/html")

    def _from_our_page(self, scope: Scope, headers: Mapping[str, list[str]], host: str) -> None:
        if headers.get("origin") != [f"http://{host}"]:
            raise Refused(403, "Forbidden", "this was not asked by a page of this server")
        if headers.get("x-convscope") != ["1"]:
            raise Refused(403, "Forbidden", "the header X-Convscope: 1 is missing")
        wanted = DECLARED.get(scope["path"])
        if wanted is None or scope["method"] != "POST":
            return  # the table of paths says what is wrong with it
        found = headers.get("content-type", [])
        if len(found) != 1 or found[0].split(";")[0].strip().lower() not in wanted:
            raise Refused(415, "WrongType", f"{scope['path']} takes {', '.join(wanted)}")


async def read_body(scope: Scope, receive: Receive, most: int, seconds: float) -> bytes:
    """Return a request's body; raises `Refused` when it is too large or too slow, or breaks off."""
    declared = _headers(scope).get("content-length", ["0"])[0]
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more and max(int(declared), len(body)) <= most:
                message: MutableMapping[str, Any] = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "BadRequest", "the request broke off")
                body += message.get("body", b"")
                more = message.get("more_body", False)
    except TimeoutError as slow:
        text = f"the request's body did not arrive within {seconds:g} seconds"
        raise Refused(408, "TooSlow", text, connection="close") from slow
    if max(int(declared), len(body)) > most:
        raise Refused(413, "TooLarge", f"a body of more than {most >> 20} MiB is not taken")
    return bytes(body)


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def _log() -> None:
    """Write the traceback of the exception at hand where convscope was started."""
    import traceback

    traceback.print_exc(file=sys.stderr)


_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in EVERY_RESPONSE.items()]

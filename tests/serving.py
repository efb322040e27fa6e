"""A small host, and clients that speak to the explorer's server as browsers and others would."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from work import PATIENCE

from convscope.errors import LayerLookupError, SourceError
from convscope.explorer.protocol import Answer
from convscope.explorer.server import Server

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}


class SmallHost:
    """Answers a few questions; "wait" takes until `go` is set, which is never too early."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.asked: list[str] = []

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        self.asked.append(question["ask"])
        match question["ask"]:
            case "echo":
                return Answer({"question": dict(question)}, b"\x00\x00\x80?" * 3)
            case "image":
                return Answer({"bytes": len(body or b""), "name": question["name"]})
            case "wait":
                self.begun.release()
                self.go.wait(PATIENCE)
                return Answer({"waited": True})
            case "lookup":
                raise LayerLookupError("there is no layer <b>conv</b> beside /features/conv")
            case "path":
                raise SourceError(f"{__file__} cannot be read, and {__file__!r} neither")
            case "memory":
                raise MemoryError
            case "exit":
                raise SystemExit(3)
            case "nan":
                return Answer({"value": float("nan")})
        raise ZeroDivisionError(f"a secret of {__file__}")


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def facts(self) -> Any:
        """The facts of an answer, or those of an error."""
        if self.headers["content-type"] == "application/octet-stream":
            size = int.from_bytes(self.body[:4], "little")
            return json.loads(self.body[4 : 4 + size])
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        assert self.headers["content-type"] == "application/json"
        (found,) = self.facts.items()
        assert found[0] == "error" and set(found[1]) == {"kind", "text"}
        assert "Traceback" not in found[1]["text"] and len(found[1]["text"]) < 2100
        kind: str = found[1]["kind"]
        return kind


def connected(port: int, where: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((where, port), timeout=PATIENCE)


def reply(sock: socket.socket, method: str = "GET") -> Reply:
    """Read one response, which has what every response must have."""
    found = http.client.HTTPResponse(sock, method=method)
    found.begin()
    body = found.read()
    names = [name.lower() for name, _ in found.getheaders()]
    headers = {name.lower(): value for name, value in found.getheaders()}
    assert len(names) == len(headers), "a header twice"
    assert ALWAYS.items() <= headers.items()
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy and "*" not in policy
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert not {"server", "access-control-allow-origin"} & set(headers)
    return Reply(found.status, headers, body)


def exchange(port: int, raw: bytes, where: str = "127.0.0.1", method: str = "GET") -> Reply:
    """Send bytes on a connection of their own and return the response."""
    with connected(port, where) as sock:
        sock.sendall(raw)
        return reply(sock, method)


def request(
    method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """Return a request as it is sent, with the headers as given: none is added."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, size: int = 1 << 16) -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


class Visitor:
    """A browser that opened a server's address: it has the cookie, and asks as the page does."""

    def __init__(self, server: Server) -> None:
        self.port = server.port
        self.host = f"127.0.0.1:{server.port}"
        path = server.address.removeprefix(server.origin)
        entered = exchange(self.port, request("GET", path, [("Host", self.host)]))
        assert entered.status == 303, entered
        self.set_cookie = entered.headers["set-cookie"]
        self.cookie = self.set_cookie.split(";")[0]

    def headers(self, **changed: str | None) -> list[tuple[str, str]]:
        """The headers of the page's POST; a change to None leaves one out."""
        usual = {
            "Host": self.host,
            "Cookie": self.cookie,
            "Origin": f"http://{self.host}",
            "X-Convscope": "1",
            "Content-Type": "application/json",
        }
        given = {name.replace("_", "-"): value for name, value in changed.items()}
        return [(n, v) for n, v in {**usual, **given}.items() if v is not None]

    def get(self, path: str, **changed: str | None) -> Reply:
        sent = ("Host", "Cookie", *(name.replace("_", "-") for name in changed))
        pairs = [p for p in self.headers(**changed) if p[0] in sent]
        return exchange(self.port, request("GET", path, pairs))

    def post(self, path: str, body: bytes, **changed: str | None) -> Reply:
        pairs = [*self.headers(**changed), ("Content-Length", str(len(body)))]
        return exchange(self.port, request("POST", path, pairs, body))

    def ask(self, ask: str, **question: Any) -> Reply:
        return self.post("/ask", json.dumps({"ask": ask, **question}).encode())

    def send(self, picture: bytes, kind: str = "image/png", **question: Any) -> Reply:
        text = quote(json.dumps({"ask": "image", **question}))
        return self.post(f"/image?question={text}", picture, Content_Type=kind)


def until(true: Any) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.01)

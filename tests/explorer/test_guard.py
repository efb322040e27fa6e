"""Who may ask: the server's rules of who is let in, over real sockets (a foreign page, a foreign name)."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from serving import Reply, SmallHost, Visitor, connected, exchange, reply, request

from convscope.explorer.guard import Guard, Keys
from convscope.explorer.server import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(SmallHost(), port=0) as running:
        yield running


@pytest.fixture(scope="module")
def visitor(server: Server) -> Visitor:
    return Visitor(server)


# -- where it listens, and under which names ----------------------------------------------------------


def test_it_listens_on_both_loopbacks_and_nowhere_else(server: Server) -> None:
    assert server._sockets[0].getsockname()[0] == "127.0.0.1"
    assert {s.getsockname()[0] for s in server._sockets} <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", server.port), timeout=1):
        pass


def test_the_second_loopback_answers_too(server: Server, visitor: Visitor) -> None:
    if len(server._sockets) == 1:
        pytest.skip("this machine has no ::1")
    pairs = [("Host", f"[::1]:{server.port}"), ("Cookie", visitor.cookie)]
    assert exchange(server.port, request("GET", "/", pairs), "::1").status == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_our_names_are_let_in(visitor: Visitor, name: str) -> None:
    assert visitor.get("/", Host=f"{name}:{visitor.port}").status == 200


@pytest.mark.parametrize(
    "name",
    [
        "evil.example:{port}",
        "127.0.0.1",  # a port is part of it
        "127.0.0.1:{other}",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "localhost:{port}@evil.example",
        "evil.example@localhost:{port}",
        "localhost.:{port}",
        "127.0.0.2:{port}",
        "127.1:{port}",
        "2130706433:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "::1:{port}",
        "10.0.0.7:{port}",
        "localhost:{port},evil.example",
        "",
    ],
)
def test_other_names_are_refused_before_anything_is_looked_up(visitor: Visitor, name: str) -> None:
    host = name.format(port=visitor.port, other=visitor.port + 1)
    for path in ("/", "/nothing/of/the/kind", "/ask"):
        found = visitor.get(path, Host=host)
        assert (found.status, found.kind) == (403, "Forbidden")


def test_a_name_is_not_exchanged_for_a_cookie(server: Server) -> None:
    with Server(SmallHost(), port=0) as fresh:
        path = fresh.address.removeprefix(fresh.origin)
        found = exchange(fresh.port, request("GET", path, [("Host", "evil.example")]))
        assert found.status == 403 and "set-cookie" not in found.headers
        Visitor(fresh)  # the token was not spent


def test_no_host_and_two_hosts_are_bad_requests(visitor: Visitor) -> None:
    ours = ("Host", visitor.host)
    for raw in (
        request("GET", "/", [("Cookie", visitor.cookie)]),
        request("GET", "/", [("Cookie", visitor.cookie), ours, ours]),
        request("GET", "/", [("Cookie", visitor.cookie), ours, ("host", "evil.example")]),
        request("GET", "/").replace(b"HTTP/1.1", b"HTTP/1.0"),  # which needs none
    ):
        found = exchange(visitor.port, raw)
        assert (found.status, found.kind) == (400, "BadRequest")


def finished(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in a thread: in this one the browser's driver may have a loop running."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


def test_the_guard_counts_hosts_itself() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let in")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    guard = Guard(app, Keys(), 81, "127.0.0.1", "", lambda: None)
    ours = (b"host", b"127.0.0.1:81")
    for headers in ([], [ours, ours], [ours, (b"host", b"evil.example")]):
        sent.clear()
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": headers,
        }
        finished(guard(scope, receive, send))
        assert sent[0]["status"] == 400
    finished(guard({"type": "websocket"}, receive, send))  # neither answered nor let in


def test_another_name_in_the_request_line_leads_nowhere(visitor: Visitor) -> None:
    assert visitor.get("http://evil.example/").status == 404
    assert visitor.get(f"http://{visitor.host}/").status == 404


def test_other_addresses_only_when_asked_for() -> None:
    with Server(SmallHost(), "0.0.0.0", 0) as open_to_all:
        assert open_to_all.origin == f"http://127.0.0.1:{open_to_all.port}"
        visitor = Visitor(open_to_all)
        port = open_to_all.port
        # any number may be this machine's; a name could have been made to lead here
        for name, status in (
            (f"192.0.2.7:{port}", 200),
            (f"[2001:db8::7]:{port}", 200),
            (f"localhost:{port}", 200),
            (f"evil.example:{port}", 403),
            (f"192.0.2.7:{port + 1}", 403),
            ("192.0.2.7", 403),
            (f"192.0.2.007:{port}", 403),
            (f"3221225991:{port}", 403),
        ):
            assert visitor.get("/", Host=name).status == status, name
        # the key stays
        assert exchange(port, request("GET", "/", [("Host", visitor.host)])).status == 403


def test_all_addresses_of_the_second_family(server: Server) -> None:
    if len(server._sockets) == 1:
        pytest.skip("this machine has no ::1")
    with Server(SmallHost(), "::", 0) as open_to_all:
        assert open_to_all.origin == f"http://[::1]:{open_to_all.port}"
        path = open_to_all.address.removeprefix(open_to_all.origin)
        raw = request("GET", path, [("Host", f"[::1]:{open_to_all.port}")])
        assert exchange(open_to_all.port, raw, "::1").status == 303
        with pytest.raises(ConnectionRefusedError):  # the first family was not asked for
            connected(open_to_all.port)


# -- the token and the cookie ---------------------------------------------------------------------------


def entering(server: Server, token: str, **headers: str) -> Reply:
    pairs = [("Host", f"127.0.0.1:{server.port}"), *headers.items()]
    pairs = [(name.replace("_", "-"), value) for name, value in pairs]
    return exchange(server.port, request("GET", f"/?token={token}", pairs))


def token_of(address: str) -> str:
    return address.partition("?token=")[2]


def test_the_token_has_256_bits_and_is_another_each_time() -> None:
    tokens = {Keys().token for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(t) * 6 >= 256 and re.fullmatch(r"[\w-]+", t) for t in tokens)


def test_the_token_is_exchanged_for_a_cookie_and_stripped() -> None:
    with Server(SmallHost(), port=0) as server:
        token = token_of(server.address)
        found = entering(server, token)
        assert (found.status, found.headers["location"], found.body) == (303, "/", b"")
        cookie, *flags = found.headers["set-cookie"].split("; ")
        name, _, value = cookie.partition("=")
        assert name == f"convscope_{server.port}"  # cookies are shared between ports
        assert {f.lower() for f in flags} == {"httponly", "samesite=strict", "path=/"}
        assert len(value) * 6 >= 256 and value != token


def test_the_address_opens_one_browser_and_that_one_again() -> None:
    said: list[str] = []
    with Server(SmallHost(), port=0, announce=said.append) as server:
        first = token_of(server.address)
        cookie = entering(server, first).headers["set-cookie"].split(";")[0]
        again = entering(server, first, Cookie=cookie)
        assert (again.status, again.headers["location"]) == (303, "/")
        assert said == []
        other = entering(server, first)
        assert other.status == 403 and "set-cookie" not in other.headers
        assert other.headers["content-type"] == "text/html; charset=utf-8"
        assert b"was used already" in other.body and b"where convscope was started" in other.body
        assert said == [server.address]
        second = token_of(server.address)
        assert second != first and second.encode() not in other.body
        entering(server, first)
        assert said == [server.address], "one new address is enough"
        assert entering(server, second, Cookie=cookie).status == 303
        assert entering(server, second).status == 303, "the first browser did not use it up"
        assert entering(server, second).status == 403
        assert len(said) == 2


@pytest.mark.parametrize(
    "wrong", ["", "x", "%C3%A9", "%00", "%FF", "a&token=b", "{token}x", "&&&&&&&&&&&=&"]
)
def test_a_wrong_token_gives_nothing(wrong: str) -> None:
    said: list[str] = []
    with Server(SmallHost(), port=0, announce=said.append) as server:
        token = token_of(server.address)
        found = entering(server, wrong.replace("{token}", token))
        assert found.status == 403 and "set-cookie" not in found.headers
        assert b"Open the address that convscope printed" in found.body and said == []
        assert token.encode() not in found.body
        assert entering(server, token).status == 303


def test_head_does_not_use_the_token_up() -> None:
    with Server(SmallHost(), port=0) as server:
        path = server.address.removeprefix(server.origin)
        raw = request("HEAD", path, [("Host", f"127.0.0.1:{server.port}")])
        assert exchange(server.port, raw, method="HEAD").status == 403
        Visitor(server)


def test_without_the_cookie_there_is_nothing(visitor: Visitor) -> None:
    value = visitor.cookie.partition("=")[2]
    for cookie in (
        None,
        "",
        "convscope=1",
        f"convscope_1={value}",
        f"{visitor.cookie}x",
        visitor.cookie[:-1],
        f"x{visitor.cookie}",
        f"convscope_{visitor.port}=",
    ):
        page = visitor.get("/", Cookie=cookie)
        assert page.status == 403 and b"Open the address that convscope printed" in page.body
        for path in ("/page.js", "/index.html", "/nothing"):
            found = visitor.get(path, Cookie=cookie)
            assert (found.status, found.kind) == (403, "Locked")
        asked = visitor.post("/ask", b'{"ask":"alive"}', Cookie=cookie)
        assert (asked.status, asked.kind) == (403, "Locked")


def test_the_cookie_is_found_among_others(visitor: Visitor) -> None:
    for cookie in (
        f"a=b; {visitor.cookie}; c=d",
        f"convscope_{visitor.port}=somebody's; {visitor.cookie}",
        f"{visitor.cookie};a",
    ):
        assert visitor.get("/", Cookie=cookie).status == 200


def test_a_query_is_led_to_the_plain_address(visitor: Visitor) -> None:
    found = visitor.get("/?a=b")
    assert (found.status, found.headers["location"]) == (303, "/")


def test_a_browser_that_left_its_cookie_out_is_led_on(visitor: Visitor) -> None:
    # it does so where it follows a link of another site; not for what our own page asks for
    assert b'<script src="/again.js">' in visitor.get("/", Cookie=None).body
    assert visitor.get("/again.js", Cookie=None).kind == "Locked"
    assert b"location.replace" in visitor.get("/again.js").body
    assert visitor.get("/?again").headers["location"] == "/"


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr("hmac.compare_digest", compare)
    keys = Keys()
    assert keys.exchange("x") is None
    value = keys.exchange(keys.token)
    assert value and keys.fits([value]) and keys.spent(keys.token)
    assert len(compared) == 4


def test_nothing_secret_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    with Server(SmallHost(), port=0) as server:
        visitor = Visitor(server)
        visitor.get("/")
        visitor.ask("zero")  # a fault of ours, which is logged
        entering(server, "wrong")
        with connected(server.port) as sock:
            sock.sendall(b"nonsense\r\n\r\n")
            assert reply(sock).status == 400
    printed = "".join(capfd.readouterr())
    assert "ZeroDivisionError" in printed and printed.count("Traceback") == 1
    assert "token" not in printed and visitor.cookie.partition("=")[2] not in printed


# -- what changes something is asked by our page ---------------------------------------------------------


def test_the_page_may_ask(visitor: Visitor) -> None:
    found = visitor.ask("echo", layer="conv2d_1")
    assert found.status == 200
    assert found.facts == {"question": {"ask": "echo", "layer": "conv2d_1"}}


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "http://evil.example",
        "http://localhost:{port}",  # ours, but not of this page, whose Host is 127.0.0.1
        "http://127.0.0.1",
        "http://127.0.0.1:{other}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}.evil.example",
    ],
)
def test_another_origin_may_not(visitor: Visitor, origin: str | None) -> None:
    given = origin and origin.format(port=visitor.port, other=visitor.port + 1)
    for path in ("/ask", "/image"):
        found = visitor.post(path, b'{"ask":"alive"}', Origin=given)
        assert (found.status, found.kind) == (403, "Forbidden")


def test_two_origins_are_none(visitor: Visitor) -> None:
    pairs = [*visitor.headers(), ("Origin", "http://evil.example"), ("Content-Length", "0")]
    assert exchange(visitor.port, request("POST", "/ask", pairs)).status == 403


@pytest.mark.parametrize("value", [None, "", "2", "1, 1"])
def test_the_header_is_wanted(visitor: Visitor, value: str | None) -> None:
    found = visitor.post("/ask", b'{"ask":"alive"}', X_Convscope=value)
    assert (found.status, found.kind) == (403, "Forbidden")


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/ask", "application/json", 200),
        ("/ask", "application/json; charset=utf-8", 200),
        ("/ask", "Application/JSON", 200),
        ("/ask", None, 415),
        ("/ask", "text/plain", 415),
        ("/ask", "application/x-www-form-urlencoded", 415),
        ("/ask", "multipart/form-data; boundary=application/json", 415),
        ("/ask", "image/png", 415),
        ("/image", "image/svg+xml", 415),
        ("/image", "application/json", 415),
        ("/image", "application/octet-stream", 415),
    ],
)
def test_the_content_type_is_declared(
    visitor: Visitor, path: str, kind: str | None, status: int
) -> None:
    found = visitor.post(path, b'{"ask":"alive"}', Content_Type=kind)
    assert found.status == status
    if status == 415:
        assert found.kind == "WrongType"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_do_nothing(visitor: Visitor, method: str) -> None:
    pairs = [*visitor.headers(), ("Content-Length", "0")]
    for path in ("/", "/ask", "/image", "/page.js"):
        assert exchange(visitor.port, request(method, path, pairs)).status == 405
        foreign = [("Origin", "http://evil.example") if n == "Origin" else (n, v) for n, v in pairs]
        found = exchange(visitor.port, request(method, path, foreign))
        assert found.status == 403 and not any("access-control" in n for n in found.headers)


def test_get_asks_nothing(visitor: Visitor) -> None:
    for path in ("/ask", "/image", "/ask?question=%7B%22ask%22:%22alive%22%7D"):
        found = visitor.get(path)
        assert (found.status, found.kind) == (405, "MethodNotAllowed")
        assert found.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2f..%2fserver.py",
        "/%2e%2e/server.py",
        "/static/page.js",
        "//page.js",
        "/page.js/",
        "/page.js%00",
        "/closed.html",
        "/index.html",
        "/etc/passwd",
        "/ask/",
        "/ws",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_to_a_file(visitor: Visitor, path: str) -> None:
    found = visitor.get(path)
    assert (found.status, found.kind) == (404, "NotFound")


def test_there_is_no_websocket(visitor: Visitor) -> None:
    pairs = [
        ("Host", visitor.host),
        ("Cookie", visitor.cookie),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    assert exchange(visitor.port, request("GET", "/ws", pairs)).status == 404

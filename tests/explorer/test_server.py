"""The server at work: answers, limits, errors, ports, and how it ends; over real sockets."""

from __future__ import annotations

import errno
import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from programs import HEARS
from serving import SmallHost, Visitor, chunked, connected, exchange, reply, request, until
from work import PATIENCE

from convscope.errors import ServerError, SettingError
from convscope.explorer import listening
from convscope.explorer.guard import PICTURES, Limits
from convscope.explorer.server import Server, StaticFile, serve, static_files, without_paths

MODULE = StaticFile("text/javascript; charset=utf-8", b"export default { render() {} };\n")


@pytest.fixture
def host() -> Iterator[SmallHost]:
    made = SmallHost()
    yield made
    made.go.set()


@pytest.fixture
def server(host: SmallHost) -> Iterator[Server]:
    with Server(host, port=0) as running:
        yield running


@pytest.fixture
def visitor(server: Server) -> Visitor:
    return Visitor(server)


# -- what it carries -------------------------------------------------------------------------------------


def test_an_answer_is_facts_and_a_body_that_starts_at_a_multiple_of_four(visitor: Visitor) -> None:
    for name in ("a", "ab", "abc", "abcd", "é", "\ud800"):
        found = visitor.ask("echo", layer=name)
        assert found.headers["content-type"] == "application/octet-stream"
        size = int.from_bytes(found.body[:4], "little")
        assert size % 4 == 0
        assert json.loads(found.body[4 : 4 + size])["question"]["layer"] == name
        assert found.body[4 + size :] == bytes.fromhex("0000803f") * 3


def test_a_picture_goes_with_its_question(visitor: Visitor) -> None:
    for number, kind in enumerate(PICTURES):
        found = visitor.send(b"x" * number, kind, name="ä&b=c.png")
        assert found.facts == {"bytes": number, "name": "ä&b=c.png"}


def test_the_server_says_itself_that_it_is_alive(visitor: Visitor, host: SmallHost) -> None:
    assert visitor.ask("alive").facts == {"alive": True}
    assert host.asked == []


def test_a_page_can_tell_one_server_from_another(host: SmallHost, visitor: Visitor) -> None:
    names = {visitor.ask("alive").headers["x-convscope"], visitor.get("/").headers["x-convscope"]}
    with Server(host, port=0) as other:
        names.add(Visitor(other).ask("alive").headers["x-convscope"])
    assert len(names) == 2


def test_the_page_and_its_files_are_served_from_the_table(host: SmallHost) -> None:
    table = {**static_files(), "/explorer.js": MODULE}
    assert {"/", "/page.js"} <= set(table)
    with Server(host, port=0, static=table) as server:
        visitor = Visitor(server)
        for path, file in table.items():
            found = visitor.get(path)
            assert (found.status, found.body) == (200, file.content)
            assert found.headers["content-type"] == file.media_type
        page = visitor.get("/").body.decode()
    assert '<html lang="en">' in page and "<title>" in page and "<noscript>" in page
    assert 'name="viewport"' in page and 'name="color-scheme"' in page
    assert "style=" not in page and "<style" not in page  # which the policy forbids
    assert page.count("<script") == 1 and "</script>" in page


def test_its_files_are_sent_compressed_to_whom_can_read_that(visitor: Visitor) -> None:
    file = static_files()["/explorer.js"]
    pairs = [("Host", visitor.host), ("Cookie", visitor.cookie), ("Accept-Encoding", "br, gzip")]
    found = exchange(visitor.port, request("GET", "/explorer.js", pairs))
    assert found.headers["content-encoding"] == "gzip"
    assert found.headers["vary"] == "Accept-Encoding"
    assert len(found.body) < len(file.content) / 2
    assert gzip.decompress(found.body) == file.content


# -- questions that are none, and faults -----------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'"ask"',
        b"null",
        b'{"layer": "conv2d"}',
        b'{"ask": 3}',
        b'{"ask": "echo", "ask": "alive"}',
        b'{"ask": "echo", "x": NaN}',
        b'{"ask": "echo", "x": 1e999}',
        b'{"ask": "echo", "x": -Infinity}',
        b'{"ask": "echo", "x": ' + b"9" * 5000 + b"}",
        b'{"ask": "echo", "x": ' + b"[" * 400_000,
        b'{"ask": "echo"} {}',
        '{"ask": "echo"}'.encode("utf-16"),
    ],
)
def test_what_is_no_question_is_an_input_error(
    visitor: Visitor, host: SmallHost, body: bytes
) -> None:
    found = visitor.post("/ask", body)
    assert (found.status, found.kind) == (400, "InputError")
    assert host.asked == []


def test_errors_are_typed_and_short(visitor: Visitor, capfd: pytest.CaptureFixture[str]) -> None:
    found = visitor.ask("lookup")
    assert (found.status, found.kind) == (400, "LayerLookupError")
    assert found.facts["error"]["text"] == "there is no layer <b>conv</b> beside /features/conv"
    found = visitor.ask("path")
    assert (found.status, found.kind) == (400, "SourceError")
    assert found.facts["error"]["text"] == "serving.py cannot be read, and 'serving.py' neither"
    found = visitor.ask("memory")
    assert (found.status, found.kind) == (500, "MemoryError")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("ask", "cause"),
    [("zero", "ZeroDivisionError"), ("nan", "ValueError"), ("exit", "SystemExit")],
)
def test_a_fault_of_ours_is_told_to_the_terminal_only(
    visitor: Visitor, capfd: pytest.CaptureFixture[str], ask: str, cause: str
) -> None:
    found = visitor.ask(ask)
    assert (found.status, found.kind) == (500, "InternalError")
    assert b"secret" not in found.body and b"/" not in found.body
    logged: list[str] = []

    def told() -> bool:
        logged.append(capfd.readouterr().err)
        return cause in "".join(logged)

    until(told)
    assert visitor.ask("alive").status == 200


def test_paths_of_this_machine_are_left_out() -> None:
    here = Path(__file__)
    assert without_paths(f"no {here}") == f"no {here.name}"
    assert without_paths(f"{here}: line 3, '{here}'") == f"{here.name}: line 3, '{here.name}'"
    assert str(here.parent) not in without_paths(f"{here.parent}/my file.onnx is short")
    for text in ("/conv1/Conv has no /weights/x", "3/4 of a/b", "http://127.0.0.1/a", "1 / 255"):
        assert without_paths(text) == text


# -- how much ---------------------------------------------------------------------------------------------


def test_a_question_may_have_a_mebibyte_and_no_more(visitor: Visitor, host: SmallHost) -> None:
    def sized(size: int) -> bytes:
        start = b'{"ask":"echo","x":"'
        return start + b"x" * (size - len(start) - 2) + b'"}'

    assert visitor.post("/ask", sized(1 << 20)).status == 200
    found = visitor.post("/ask", sized((1 << 20) + 1))
    assert (found.status, found.kind) == (413, "TooLarge")
    pairs = [*visitor.headers(), ("Transfer-Encoding", "chunked")]
    assert (
        exchange(visitor.port, request("POST", "/ask", pairs, chunked(sized(1 << 20)))).status
        == 200
    )
    found = exchange(visitor.port, request("POST", "/ask", pairs, chunked(sized(3 << 20))))
    assert (found.status, found.kind) == (413, "TooLarge")
    assert host.asked == ["echo"] * 2


def test_a_picture_may_have_32_mebibytes_and_no_more(visitor: Visitor, host: SmallHost) -> None:
    most = 32 << 20
    assert visitor.send(bytes(most), name="a").facts["bytes"] == most
    found = visitor.send(bytes(most + 1), name="a")
    assert (found.status, found.kind) == (413, "TooLarge")
    question = "/image?question=%7B%22ask%22:%22image%22,%22name%22:%22a%22%7D"
    pairs = visitor.headers(Content_Type="image/png", Transfer_Encoding="chunked")
    raw = request("POST", question, pairs, chunked(bytes(most + 1), 1 << 20))
    assert exchange(visitor.port, raw).status == 413
    # what is declared is believed before anything arrives
    pairs = visitor.headers(Content_Type="image/png", Content_Length=str(10**18))
    assert exchange(visitor.port, request("POST", question, pairs)).status == 413
    assert host.asked == ["image"]


def test_headers_may_not_go_on_for_ever(visitor: Visitor) -> None:
    raw = request("GET", "/", [("Host", visitor.host), ("X-Long", "x" * (1 << 20))])
    with connected(visitor.port) as sock:
        sock.sendall(raw[: 1 << 17])
        assert reply(sock).status == 400


def test_a_length_and_chunks_at_once_are_not_read_in_two_ways(visitor: Visitor) -> None:
    # what one reader takes for the end of the request must not be the start of another one
    smuggled = request("GET", "/x", [("Host", visitor.host)])
    pairs = [*visitor.headers(), ("Content-Length", "5"), ("Transfer-Encoding", "chunked")]
    with connected(visitor.port) as sock:
        sock.sendall(request("POST", "/ask", pairs, b"0\r\n\r\n" + smuggled))
        assert reply(sock).status == 400


# -- how long ---------------------------------------------------------------------------------------------


def hangs_up(sock: socket.socket, drip: bytes = b"") -> bool:
    """Read (and send one byte at a time) until the server hangs up; say whether it did."""
    end = time.monotonic() + PATIENCE
    sock.settimeout(0.05)
    while time.monotonic() < end:
        try:
            if drip:
                sock.sendall(drip)
            if sock.recv(1 << 16) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_headers_have_to_arrive_in_time(host: SmallHost) -> None:
    with Server(host, port=0, limits=Limits(headers_seconds=0.4)) as server:
        with connected(server.port) as silent:
            assert hangs_up(silent)
        with connected(server.port) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            assert hangs_up(slow, b"x")
        with connected(server.port) as told:
            told.sendall(b"GET / HTTP/1.1\r\n")
            found = reply(told)
            assert (found.status, found.kind) == (408, "TooSlow")
        visitor = Visitor(server)  # and the second request of a connection too
        with connected(server.port) as second:
            second.sendall(request("GET", "/", visitor.headers()) + b"GET / HTTP/1.1\r\nX-Slow: ")
            assert reply(second).status == 200
            assert hangs_up(second, b"x")


def test_a_body_has_to_arrive_in_time(host: SmallHost) -> None:
    with Server(host, port=0, limits=Limits(body_seconds=0.3)) as server:
        visitor = Visitor(server)
        for path, kind in (
            ("/ask", "application/json"),
            ("/image?question=%7B%22ask%22:%22image%22%7D", "image/png"),
        ):
            pairs = visitor.headers(Content_Type=kind, Content_Length="99")
            found = exchange(server.port, request("POST", path, pairs, b"{"))
            assert (found.status, found.kind) == (408, "TooSlow")
            assert found.headers["connection"] == "close"
        assert host.asked == []


def test_a_body_that_nobody_wants_does_not_keep_the_connection(host: SmallHost) -> None:
    with Server(host, port=0, limits=Limits(headers_seconds=0.4)) as server:
        visitor = Visitor(server)
        pairs = visitor.headers(Origin="http://evil.example", Content_Length=str(1 << 30))
        with connected(server.port) as sock:
            sock.sendall(request("POST", "/ask", pairs))
            assert reply(sock).status == 403
            assert hangs_up(sock, b"x" * 100)


def test_two_jobs_at_once_and_a_clean_answer_to_the_third(
    visitor: Visitor, host: SmallHost
) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(visitor.ask, "wait") for _ in range(2)]
        for _ in both:
            assert host.begun.acquire(timeout=PATIENCE)
        for busy in (visitor.ask("echo"), visitor.send(b"x", name="a")):
            assert (busy.status, busy.kind) == (503, "Busy")
            assert busy.headers["retry-after"] == "1"
        assert visitor.ask("alive").status == 200 and visitor.get("/").status == 200
        host.go.set()
        assert [b.result().facts for b in both] == [{"waited": True}] * 2
    assert visitor.ask("echo").status == 200
    assert host.asked == ["wait", "wait", "echo"]


def test_a_place_is_given_back_whatever_happens(visitor: Visitor, host: SmallHost) -> None:
    for _ in range(3):  # more often than there are places
        assert visitor.ask("zero").status == 500
        assert visitor.ask("lookup").status == 400
        assert visitor.send(bytes((32 << 20) + 1), name="a").status == 413
        pairs = visitor.headers(Content_Type="image/png", Content_Length="9")
        with connected(visitor.port) as sock:  # one that hangs up amid its picture
            sock.sendall(request("POST", "/image?question=%7B%22ask%22:%22a%22%7D", pairs, b"x"))
    until(lambda: visitor.ask("echo").status == 200)


def test_a_job_that_takes_too_long_keeps_its_place_until_it_ends(host: SmallHost) -> None:
    with Server(host, port=0, limits=Limits(job_seconds=0.2, jobs=1)) as server:
        visitor = Visitor(server)
        found = visitor.ask("wait")
        assert (found.status, found.kind) == (503, "TooSlow")
        assert visitor.ask("echo").kind == "Busy"
        host.go.set()
        until(lambda: visitor.ask("echo").status == 200)


def test_there_are_only_so_many_connections(host: SmallHost) -> None:
    """Who opens many and says nothing shuts himself out, first come first, and nobody else."""
    with Server(host, port=0, limits=Limits(connections=3)) as server:
        visitor = Visitor(server)
        held = [connected(server.port) for _ in range(9)]
        try:
            until(lambda: len(server._service.server_state.connections) <= 3)
            assert all(hangs_up(sock) for sock in held[:5])
            assert visitor.ask("echo").status == 200
            assert len(server._service.server_state.connections) <= 3
        finally:
            for sock in held:
                sock.close()
        until(lambda: not server._service.server_state.connections)


def test_a_question_that_is_being_answered_is_not_dropped_for_a_newcomer(host: SmallHost) -> None:
    with Server(host, port=0, limits=Limits(connections=2)) as server:
        visitor = Visitor(server)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(visitor.ask, "wait")
            assert host.begun.acquire(timeout=PATIENCE)
            held = [connected(server.port) for _ in range(6)]
            try:
                assert hangs_up(held[0])
                host.go.set()
                assert asked.result(PATIENCE).status == 200
            finally:
                for sock in held:
                    sock.close()


def test_stopping_does_not_wait_for_who_comes_meanwhile(host: SmallHost) -> None:
    """A connection that was accepted while the server closed never ends by itself."""

    class Late:
        class transport:
            abort = staticmethod(lambda: None)

        shutdown = staticmethod(lambda: None)

    server = Server(host, port=0).start()
    Visitor(server)
    server._service.server_state.connections.add(Late())  # type: ignore[arg-type]
    thread = server._thread
    server.stop()
    assert thread is not None and not thread.is_alive()


# -- ports and addresses ----------------------------------------------------------------------------------


def test_a_port_asked_for_by_name_that_is_taken_is_an_error(
    server: Server, host: SmallHost
) -> None:
    with pytest.raises(
        ServerError, match=rf"^port {server.port} is taken .*another port, 0 to let"
    ):
        Server(host, port=server.port)


def test_it_does_not_share_a_port_with_the_other_loopback(host: SmallHost) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with socket.socket(socket.AF_INET6) as six:
        try:
            six.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
        six.listen()
        with pytest.raises(ServerError, match="is taken"):  # localhost might lead to the other one
            Server(host, port=six.getsockname()[1])


def test_the_default_port_moves_to_a_neighbour(
    monkeypatch: pytest.MonkeyPatch, host: SmallHost
) -> None:
    with Server(host, port=0) as first:
        monkeypatch.setattr(listening, "DEFAULT_PORT", first.port)
        with Server(host) as second:
            assert first.port < second.port < first.port + listening.NEIGHBOURS
            Visitor(second)
        monkeypatch.setattr(listening, "NEIGHBOURS", 1)
        with pytest.raises(ServerError, match="are all taken: port 0 lets"):
            Server(host)


def test_a_machine_without_ipv6_has_one_loopback(
    monkeypatch: pytest.MonkeyPatch, host: SmallHost
) -> None:
    whole = listening._listening

    def without(family: socket.AddressFamily, where: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return whole(family, where, port)

    monkeypatch.setattr(listening, "_listening", without)
    with Server(host, port=0) as server:
        assert [s.family for s in server._sockets] == [socket.AF_INET]
        Visitor(server)


@pytest.mark.parametrize("port", [-1, 65536, 80.5, "80", True])
def test_a_port_that_cannot_be(host: SmallHost, port: object) -> None:
    with pytest.raises(SettingError, match="a port is a whole number from 0 to 65535"):
        Server(host, port=port)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1", "cannot listen on 192.0.2.1:0"),
        ("no.such.name.invalid", "is not an address of this machine"),
        ("", "is not an address of this machine"),
        ("a" * 300, "is not an address of this machine"),
    ],
)
def test_an_address_of_another_machine(host: SmallHost, address: str, words: str) -> None:
    with pytest.raises(ServerError, match=words):
        Server(host, address, 0)


def test_a_port_is_free_again_when_the_server_has_stopped(host: SmallHost) -> None:
    with Server(host, port=0) as first:
        Visitor(first).get("/")
        port = first.port
    with Server(host, port=port) as second:
        Visitor(second)
    never_started = Server(host, port=port)
    never_started.stop()
    Server(host, port=port).stop()


# -- how it ends ------------------------------------------------------------------------------------------


def test_stopping_does_not_wait_for_anybody(host: SmallHost) -> None:
    server = Server(host, port=0).start()
    visitor = Visitor(server)

    def ask() -> None:
        with suppress(OSError, http.client.HTTPException):  # it never gets an answer
            visitor.ask("wait")

    threading.Thread(target=ask, daemon=True).start()
    assert host.begun.acquire(timeout=PATIENCE)
    with connected(server.port) as idle, connected(server.port) as half:
        idle.sendall(request("GET", "/", visitor.headers()))
        assert reply(idle).status == 200  # and the connection stays open
        half.sendall(request("POST", "/ask", visitor.headers(Content_Length="9"), b"{"))
        server.stop()
        assert not host.go.is_set()  # whoever asked still waits
    with pytest.raises(ConnectionRefusedError):
        connected(server.port)


PROGRAM = """
import signal, sys, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
sys.path[:0] = {path!r}
from serving import SmallHost
fake = types.ModuleType("convscope.explorer.host")
class Told(SmallHost):
    def answer(self, question, body=None):
        print("asked", file=sys.stderr, flush=True)
        return super().answer(question, body)
fake.Host = lambda *given, **settings: Told()
sys.modules["convscope.explorer.host"] = fake
sys.argv = ["convscope", "explore", "--no-open", "--port", "0"]
from convscope.cli import entry
entry()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_it_with_130_whoever_is_connected(times: int) -> None:
    source = Path(listening.__file__).parents[2]
    program = PROGRAM.format(path=[str(source), str(Path(__file__).parents[1])])
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        **HEARS,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        address = process.stdout.readline().strip()
        origin, _, token = address.partition("/?token=")
        port = int(origin.rpartition(":")[2])
        assert origin == f"http://127.0.0.1:{port}" and len(token) == 43
        pairs = [("Host", f"127.0.0.1:{port}")]
        with connected(port) as idle, connected(port) as waiting:
            idle.sendall(request("GET", f"/?token={token}", pairs))
            cookie = reply(idle).headers["set-cookie"].split(";")[0]
            body = b'{"ask":"wait"}'
            pairs += [
                ("Cookie", cookie),
                ("Origin", origin),
                ("X-Convscope", "1"),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
            ]
            waiting.sendall(request("POST", "/ask", pairs, body))
            said = list(iter(process.stderr.readline, "asked\n"))
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.05)
            assert process.wait(PATIENCE) == 130
        printed = process.stderr.read()
        assert process.stdout.read() == ""
    assert [line for line in [*"".join(said).splitlines(), *printed.splitlines()] if line] == [
        "the explorer's address, for one browser; Ctrl-C ends it:",
        "stopped",
    ]


def test_a_browser_is_opened_only_where_there_is_a_screen(
    monkeypatch: pytest.MonkeyPatch, host: SmallHost
) -> None:
    opened: list[str] = []
    said: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(Server, "run", lambda self: [s.close() for s in self._sockets])
    monkeypatch.setenv("BROWSER", "x")
    serve(host, port=0, announce=said.append)
    until(lambda: opened)
    assert opened == said
    serve(host, port=0, open_browser=False, announce=said.append)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    serve(host, port=0, announce=said.append)  # lynx would take the terminal
    assert len(opened) == 1 and len(said) == 3


def test_answers_are_not_held_back() -> None:
    """asyncio sends small answers at once only for sockets that say they are TCP."""
    _, sockets = listening.listen("127.0.0.1", 0)
    assert {one.proto for one in sockets} == {socket.IPPROTO_TCP}
    for one in sockets:
        one.close()

"""The page in a real browser: gets in, asks, queues, loses its server and finds it again.

The module that draws is a small one here, which keeps what it is told in `window.told`.
"""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from serving import SmallHost
from work import PATIENCE

from convscope.explorer.guard import Limits
from convscope.explorer.server import Server, StaticFile, static_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MODULE = b"""
export default { render({ model, el }) {
  window.model = model; window.told = []; window.drawn = (window.drawn ?? 0) + 1;
  model.on("msg:custom", (message, buffers) => {
    const body = buffers[0] && Array.from(new Float32Array(
      buffers[0].buffer, buffers[0].byteOffset, buffers[0].byteLength / 4));
    window.told.push({ ...message, body });
  });
  el.textContent = "drawn";
} };
"""

STATIC = {
    **static_files(),
    "/explorer.js": StaticFile("text/javascript; charset=utf-8", MODULE),
    "/explorer.css": StaticFile("text/css; charset=utf-8", b"body { margin: 0 }"),
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def host() -> Iterator[SmallHost]:
    made = SmallHost()
    yield made
    made.go.set()


def serving(host: SmallHost, port: int = 0, **settings: Any) -> Server:
    return Server(host, port=port, static=STATIC, **settings)


def until_true(page: Page, script: str) -> None:
    """Wait for something on the page; its policy forbids playwright's own way to."""
    from playwright.sync_api import Error

    end = time.monotonic() + PATIENCE
    while True:
        with suppress(Error):  # while the page is being drawn anew there is nothing to ask
            if page.evaluate(script):
                return
        assert time.monotonic() < end, script
        page.wait_for_timeout(20)


def told(page: Page, count: int) -> list[dict[str, Any]]:
    """Wait until the module was told so much and return it."""
    until_true(page, f"window.told?.length >= {count}")
    found: list[dict[str, Any]] = page.evaluate("window.told")
    assert len(found) == count
    return found


def test_the_address_opens_the_page_and_leaves_no_token(page: Page, host: SmallHost) -> None:
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("request", lambda r: asked.append(r.url))
    with serving(host) as server:
        page.goto(server.address + "#l=conv2d_1&o=12")
        page.get_by_text("drawn").wait_for()
        assert page.url == f"{server.origin}/#l=conv2d_1&o=12"
        page.goto(server.address)  # a second time, in the same browser
        page.get_by_text("drawn").wait_for()
        assert page.url == f"{server.origin}/"
        assert page.evaluate("document.cookie") == ""
        assert all(url.startswith(server.origin) for url in asked)
    assert faults == []


def test_another_browser_is_told_where_a_new_address_is(browser: Any, host: SmallHost) -> None:
    said: list[str] = []
    with serving(host, announce=said.append) as server:
        first = server.address
        for address, words in ((first, "drawn"), (first, "was used already"), ("", "drawn")):
            context = browser.new_context()
            page = context.new_page()
            page.goto(address or said[-1])
            page.get_by_text(words).first.wait_for()
            context.close()
        assert len(said) == 1


def test_a_link_on_another_site_opens_it(page: Page, host: SmallHost) -> None:
    class Elsewhere(http.server.BaseHTTPRequestHandler):
        link = ""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<a href="{self.link}">there</a>'.encode())

        def log_message(self, *_: Any) -> None: ...

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        with serving(host) as server:
            here = f"http://localhost:{site.server_address[1]}/"  # localhost is another site
            for link in (server.address + "#l=a", server.address + "#l=b", server.origin + "/#l=c"):
                Elsewhere.link = link
                page.goto(here)
                page.get_by_text("there").click()
                page.get_by_text("drawn").wait_for()
                assert page.url == f"{server.origin}/{link[-4:]}"
    finally:
        site.shutdown()
        site.server_close()


def test_questions_are_answered_by_number(page: Page, host: SmallHost) -> None:
    with serving(host, limits=Limits(picture=1 << 20)) as server:
        page.goto(server.address)
        page.get_by_text("drawn").wait_for()
        page.evaluate('model.send({ id: 7, question: { ask: "echo", layer: "é" } })')
        (found,) = told(page, 1)
        assert found == {
            "id": 7,
            "facts": {"question": {"ask": "echo", "layer": "é"}},
            "body": [1.0, 1.0, 1.0],
        }
        page.evaluate('model.send({ id: 8, question: { ask: "lookup" } })')
        error = told(page, 2)[1]
        assert error["id"] == 8 and error["error"]["kind"] == "LayerLookupError"
        page.evaluate(
            'model.send({ id: 9, question: { ask: "image", name: "a&b" } }, undefined, '
            "[new DataView(new ArrayBuffer(11), 2, 9)])"
        )
        assert told(page, 3)[2]["facts"] == {"bytes": 9, "name": "a&b"}
        page.evaluate(
            'model.send({ id: 10, question: { ask: "image", name: "a" } }, undefined, '
            "[new ArrayBuffer(3 << 20)])"
        )
        assert told(page, 4)[3]["error"]["kind"] == "TooLarge"


def test_many_questions_wait_for_their_turn_also_with_a_second_page(
    page: Page, host: SmallHost
) -> None:
    with serving(host) as server:
        second = page.context.new_page()
        for one in (page, second):
            one.goto(server.address)
            one.get_by_text("drawn").wait_for()
        for one in (page, second):
            one.evaluate(
                "for (let id = 0; id < 40; id++) model.send({ id, question: { ask: 'echo', id } })"
            )
        for one in (page, second):
            found = told(one, 40)
            assert sorted(f["id"] for f in found) == list(range(40))
            assert all(f["facts"]["question"]["id"] == f["id"] for f in found)


def test_the_model_keeps_values_and_listeners(page: Page, host: SmallHost) -> None:
    with serving(host) as server:
        page.goto(server.address)
        page.get_by_text("drawn").wait_for()
        assert page.evaluate(
            """() => {
              const heard = [];
              const one = (value) => heard.push(value), any = () => heard.push("any");
              model.on("change:zoom", one); model.on("change", any);
              model.set("zoom", 3); model.save_changes();
              model.off("change:zoom", one);
              model.set("zoom", 4);
              model.off("change");
              model.set("zoom", 5);
              return [model.get("zoom"), model.get("none"), heard];
            }"""
        ) == [5, None, [3, "any", "any"]]


def test_a_stopped_server_is_noticed_and_found_again(page: Page, host: SmallHost) -> None:
    server = serving(host).start()
    page.goto(server.address)
    page.get_by_text("drawn").wait_for()
    server.stop()
    page.evaluate('model.send({ id: 1, question: { ask: "echo" } })')
    (lost,) = told(page, 1)
    assert lost["status"] == "lost" and "does not answer" in lost["text"]
    page.evaluate('location.hash = "#l=conv2d"; window.drawn = "before"')
    with serving(host, server.port) as again:
        locked = told(page, 2)[1]
        assert locked["status"] == "locked" and "Open the address that it printed" in locked["text"]
        other = page.context.new_page()
        other.goto(again.address)
        other.get_by_text("drawn").wait_for()
        # another server, perhaps with another network: drawn anew, where it was
        until_true(page, "window.drawn === 1")
        assert page.url == f"{again.origin}/#l=conv2d"


def test_a_server_that_was_only_out_of_reach_is_asked_again(page: Page, host: SmallHost) -> None:
    with serving(host) as server:
        page.goto(server.address)
        page.get_by_text("drawn").wait_for()
        page.context.set_offline(True)
        page.evaluate('model.send({ id: 1, question: { ask: "echo" } })')
        assert told(page, 1)[0]["status"] == "lost"
        page.context.set_offline(False)
        found = told(page, 3)
        assert [f.get("status") for f in found] == ["lost", "back", None]
        assert found[2]["id"] == 1 and found[2]["body"] == [1.0, 1.0, 1.0]


def test_a_question_that_takes_too_long_is_an_error_not_a_loss(page: Page, host: SmallHost) -> None:
    with serving(host, limits=Limits(job_seconds=0.2)) as server:
        page.goto(server.address)
        page.get_by_text("drawn").wait_for()
        page.evaluate('model.send({ id: 1, question: { ask: "wait" } })')
        assert told(page, 1)[0]["error"]["kind"] == "TooSlow"


def test_other_pages_can_neither_ask_nor_frame_nor_read(browser: Any, host: SmallHost) -> None:
    with serving(host) as server, serving(SmallHost()) as foreign:
        context = browser.new_context()
        page = context.new_page()
        for one in (server, foreign):  # the browser has both cookies, and the same host
            page.goto(one.address)
            page.get_by_text("drawn").wait_for()
        outcome = page.evaluate(
            """async (origin) => {
              const tries = [
                fetch(origin + "/ask", { method: "POST", credentials: "include",
                  headers: { "Content-Type": "application/json", "X-Convscope": "1" },
                  body: '{"ask":"echo"}' }),
                fetch(origin + "/ask", { method: "POST", mode: "no-cors", credentials: "include",
                  body: '{"ask":"echo"}' }),
                fetch(origin + "/", { credentials: "include" }),
                import(origin + "/explorer.js"),
              ];
              return (await Promise.allSettled(tries)).map((t) => t.status);
            }""",
            server.origin,
        )
        assert outcome == ["rejected"] * 4
        # the page's own policy stopped those; from a page without one they leave the browser
        blank = context.new_page()
        blank.goto("data:text/html,<p>elsewhere")
        outcome = blank.evaluate(
            """async (origin) => {
              const ask = (more) => fetch(origin + "/ask", { method: "POST", credentials: "include",
                body: '{"ask":"echo"}', ...more }).then((r) => r.type, () => "rejected");
              const frame = document.createElement("iframe");
              frame.src = origin + "/";
              const loaded = new Promise((done) => (frame.onload = done));
              document.body.append(frame);
              await loaded;
              return [await ask({}), await ask({ mode: "no-cors" }),
                await ask({ headers: { "Content-Type": "application/json", "X-Convscope": "1" } })];
            }""",
            server.origin,
        )
        assert outcome[0] == outcome[2] == "rejected"
        assert [f.url for f in blank.frames[1:]] == ["chrome-error://chromewebdata/"]
        context.close()
        assert host.asked == []

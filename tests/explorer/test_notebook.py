"""The explorer in a notebook: anywidget's kernel side, a real kernel, and the page's side in a real browser."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from needed import absent
from programs import HEARS
from work import PATIENCE

import convscope as cs
from convscope.demo import digits, network
from convscope.errors import InputError, ServerError
from convscope.explorer import notebook, showing
from convscope.explorer.host import Host
from convscope.explorer.joining import script, web
from convscope.explorer.notebook import INSTALL, Page, aside, inline, reply
from convscope.explorer.protocol import Answer

if TYPE_CHECKING:
    from playwright.sync_api import Page as BrowserPage


def small() -> cs.Sequential:
    return cs.Sequential(
        [cs.Conv2D(7, 2, input_shape=(5, 6, 2)), cs.Conv2D(4, (1, 2))], name="small"
    )


IMAGE = np.random.default_rng(8).normal(size=(5, 6, 2)).astype(np.float32)


@pytest.fixture
def in_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "in_notebook", lambda: True)


# -- what a kernel sends --------------------------------------------------------------------------


def test_a_question_gets_its_facts_and_its_numbers() -> None:
    host = Host(small(), IMAGE)
    question = {"ask": "values", "run": 1, "layer": "conv2d", "box": [[0, 1], [2, 2], [0, 2]]}
    message, (body,) = reply(host, {"id": "a-1", "question": question}, None)
    assert message == {"id": "a-1", "facts": {"shape": [2, 1, 3], "dtype": "float32"}}
    expected = small().run(IMAGE)["conv2d"][0:2, 2:3, 0:3]
    np.testing.assert_array_equal(np.frombuffer(body, "<f4").reshape(2, 1, 3), expected)


def test_errors_have_their_kind_and_never_end_a_thread() -> None:
    class Broken:
        def __init__(self, fault: Exception) -> None:
            self.fault = fault

        def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
            raise self.fault

    asked = {"id": 3, "question": {"ask": "layer"}}
    for fault, kind, text in (
        (InputError("no such"), "InputError", "no such"),
        (MemoryError(), "MemoryError", "not enough memory for this network at this size"),
        (ZeroDivisionError("by 0"), "InternalError", "internal error: ZeroDivisionError: by 0"),
    ):
        message, buffers = reply(Broken(fault), asked, None)
        assert message == {"id": 3, "error": {"kind": kind, "text": text}} and buffers == []
    wrong: list[Any] = [None, [], "ask", {"id": 4}, {"id": 4, "question": "network"}]
    for nonsense in wrong:
        message, _ = reply(Broken(fault), nonsense, None)
        assert message["error"]["kind"] == "InternalError"


def test_a_picture_goes_with_its_question() -> None:
    host = Host(network())
    question = {"ask": "image", "name": "mine.png", "steps": []}
    message, _ = reply(host, {"id": 1, "question": question}, digits()["two"].read_bytes())
    run = message["facts"]["run"]
    assert run["source"] == "mine.png" and run["largest"][0]["position"] == [2]


# -- the widget -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_kernel")
def test_explore_gives_a_widget_that_holds_the_module() -> None:
    pytest.importorskip("anywidget")
    net = small()
    for widget in (net.explore(IMAGE), net.explore(), net.run(IMAGE).explore()):
        state = widget.get_state()
        assert state["_esm"] == script("explorer.js")
        assert state["_css"] == web("explorer.css")
        data, _ = widget._repr_mimebundle_()
        assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
        assert "conv2d_1" in data["text/html"]  # where it is only looked at: the explanation
        assert "run.export('page.html')" in data["text/html"]
        widget.close()


def test_a_hostile_name_is_text_in_a_saved_notebook() -> None:
    name = "<img src=x onerror=alert(1)>"
    net = cs.Sequential([cs.Dense(2, input_shape=(3,), name=name)], name=name)
    for text in (notebook.static(Host(net)), Page(Host(net))._repr_html_()):
        assert "<img" not in text and "&lt;img" in text


@pytest.mark.usefixtures("in_kernel")
def test_without_anywidget_the_page_itself_is_shown(
    monkeypatch: pytest.MonkeyPatch, page: BrowserPage
) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)  # as if it were not installed
    notebook.widget_class.cache_clear()
    shown = small().explore(IMAGE)
    assert isinstance(shown, Page) and INSTALL in repr(shown)
    text = shown._repr_html_()
    assert "<code>pip install &#x27;convscope[notebook]&#x27;</code>" in text
    page.set_content(text)
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="One number of conv2d_1").wait_for()
    assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts"


@pytest.mark.parametrize("why", ["too large", "no image"])
def test_a_page_that_is_too_large_is_the_explanation(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(small(), IMAGE if why == "too large" else None)
    if why == "too large":
        assert "<iframe" in Page(host)._repr_html_()
        monkeypatch.setattr(notebook, "LARGEST_PAGE", 100_000)
    text = Page(host)._repr_html_()
    assert "<iframe" not in text and "conv2d_1" in text and "convscope[notebook]" in text


# -- a real kernel --------------------------------------------------------------------------------

CELL = """
import numpy as np, threading
import convscope as cs
from convscope.explorer.host import Host
go = threading.Event()
slowly = Host.answer
def answer(self, question, body=None):
    if question["ask"] == "sample":
        go.wait()
    return slowly(self, question, body)
Host.answer = answer
net = cs.Sequential([cs.Conv2D(3, 2, input_shape=(5, 6, 2)), cs.Conv2D(4, (1, 2))], name="small")
net.explore(np.ones((5, 6, 2), np.float32))
"""


def test_a_kernel_answers_questions_and_goes_on_meanwhile() -> None:
    pytest.importorskip("anywidget")
    try:
        from jupyter_client.manager import KernelManager
    except ImportError:
        absent("this test needs a kernel: pip install 'convscope[test]'")
    # by sockets of its own: a TCP port that was found free may be another's before the kernel takes it
    manager = KernelManager() if sys.platform == "win32" else KernelManager(transport="ipc")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        client.execute(CELL)
        opened: dict[str, str] = {}
        shown: dict[str, Any] = {}
        while not shown:
            message = client.get_iopub_msg(timeout=PATIENCE)
            content = message["content"]
            assert message["msg_type"] != "error", content
            if message["msg_type"] == "comm_open":
                opened[content["data"]["state"].get("_model_name")] = content["comm_id"]
            elif message["msg_type"] == "execute_result":
                shown = content["data"]
        comm = opened["AnyModel"]
        assert shown["application/vnd.jupyter.widget-view+json"]["model_id"] == comm
        assert "conv2d_1" in shown["text/html"]

        def ask(number: int, question: dict[str, Any]) -> None:
            data = {"method": "custom", "content": {"id": number, "question": question}}
            content = {"comm_id": comm, "data": data}
            client.shell_channel.send(client.session.msg("comm_msg", content))

        ask(1, {"ask": "sample", "name": "none"})  # takes until it may go on
        ask(2, {"ask": "values", "run": 1, "layer": "conv2d", "box": [[0, 0], [1, 1], [0, 2]]})
        client.execute("6 * 7")
        seen: list[Any] = []
        answers: dict[int, Any] = {}
        while len(answers) < 2:
            message = client.get_iopub_msg(timeout=PATIENCE)
            content = message["content"]
            if message["msg_type"] == "comm_msg" and content["data"]["method"] == "custom":
                told = content["data"]["content"]
                answers[told["id"]] = (told, message["buffers"])
                seen.append(told["id"])
            elif message["msg_type"] == "execute_result":
                seen.append(content["data"]["text/plain"])
            if len(seen) == 2:  # neither the cell nor the other question waited for it
                assert set(seen) == {2, "42"}
                seen.append("go")
                client.execute("go.set()")
        assert seen[2:] == ["go", 1]
        assert answers[1][0]["error"]["kind"] == "InputError"
        told, (body,) = answers[2]
        assert told == {"id": 2, "facts": {"shape": [1, 1, 3], "dtype": "float32"}}
        net = cs.Sequential([cs.Conv2D(3, 2, input_shape=(5, 6, 2)), cs.Conv2D(4, (1, 2))])
        expected = net.run(np.ones((5, 6, 2), np.float32))["conv2d"][0, 1]
        np.testing.assert_array_equal(np.frombuffer(body, "<f4"), expected)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_what_is_done_aside_is_done_by_two_threads() -> None:
    names: set[str] = set()
    both = threading.Barrier(3)

    def job() -> None:
        names.add(threading.current_thread().name)
        both.wait(PATIENCE)

    aside(job)
    aside(job)
    both.wait(PATIENCE)  # which ends when all three have come
    assert names == {"convscope widgets 0", "convscope widgets 1"}


# -- the page's side ------------------------------------------------------------------------------

WIDGETS = """
async (source) => {
  // as anywidget does: the module from a blob, one model for a widget, `render` for each of its views
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: explorer } = await import(url);
  window.views = {};
  window.models = {};
  for (const [view, widget] of [["a", 0], ["b", 1], ["b2", 1]]) {
    window.models[widget] ??= new (class {
      listeners = new Set();
      get() {}
      on(event, heard) { this.listeners.add(heard); }
      off(event, heard) { this.listeners.delete(heard); }
      async send(content) {
        const [told, body] = await window.ask(widget, content);
        const bytes = Uint8Array.from(atob(body ?? ""), (c) => c.charCodeAt(0));
        for (const heard of [...this.listeners]) heard(told, body === null ? [] : [new DataView(bytes.buffer)]);
      }
    })();
    const el = document.getElementById(view);
    window.views[view] = explorer.render({ model: window.models[widget], el });
  }
}
"""


def test_widgets_on_one_page_do_not_disturb_each_other(page: BrowserPage) -> None:
    hosts = [Host(small(), IMAGE), Host(network(), digits()["seven"])]
    asked: list[Any] = []

    def ask(widget: int, content: dict[str, Any]) -> list[Any]:
        asked.append(content["id"])
        message, buffers = reply(hosts[widget], content, None)
        return [message, base64.b64encode(buffers[0]).decode() if buffers else None]

    page.expose_function("ask", ask)
    css = web("explorer.css")
    page.set_content(
        f"<!doctype html><html><head><style>body {{ margin: 7px }}</style><style>{css}</style></head><body>"
        "<div id=a></div><div id=b></div><div id=b2></div></body></html>"
    )
    title = page.title()
    page.evaluate(WIDGETS, script("explorer.js"))
    runs = [small().run(IMAGE), network().run(digits()["seven"])]
    for view, run in (("a", runs[0]), ("b", runs[1]), ("b2", runs[1])):
        at = run.liveliest("conv2d_1")
        shown = page.locator(f"#{view} h2.cs-number", has_text=f"map {at[2]} = ").locator("output")
        shown.wait_for()
        value = float(shown.inner_text().replace("\u2212", "-"))
        assert value == pytest.approx(run.trace("conv2d_1", at).value, abs=1e-5)
    assert len(asked) == len(set(asked))  # also of two views of one model
    # what is done in one changes nothing in the others, nor in the page around them
    before = page.locator("#b2 h2.cs-number").inner_text()
    page.locator("#b").get_by_role("tab", name="Stack").click()
    page.locator("#a").get_by_role("spinbutton", name="row").focus()
    page.locator("#a [role=grid]").first.press("ArrowDown")
    assert page.locator("#b2 h2.cs-number").inner_text() == before
    assert page.locator("#b [role=tab][aria-selected=true]").inner_text() == "Stack"
    assert page.locator("#a [role=tab][aria-selected=true]").inner_text() == "Microscope"
    # screens whose text comes late, by the kernel's answer
    page.locator("#b2").get_by_role("tab", name="What if").click()
    page.locator("#b2 .cs-result td").first.wait_for()
    page.locator("#a").get_by_role("tab", name="Check").click()
    page.locator("#a .cs-check-rest").wait_for()
    page.locator("#b2").get_by_role("tab", name="Microscope").click()
    page.locator("#a").get_by_role("tab", name="Microscope").click()
    assert page.evaluate("location.hash") == "" and page.title() == title
    assert page.evaluate("getComputedStyle(document.body).marginTop") == "7px"
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    # a view that is taken away is gone, the other view of its model goes on
    page.evaluate("async () => (await views.b)()")
    assert page.locator("#b *").count() == 0
    page.locator("#b2").get_by_role("tab", name="Stack").click()
    page.locator("#b2 [role=tab][aria-selected=true]", has_text="Stack").wait_for()


# -- elsewhere ------------------------------------------------------------------------------------


def got(address: str) -> str:
    """Return the page at an address, as a browser gets it that keeps cookies."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(address, timeout=PATIENCE) as answer:
        text: str = answer.read().decode()
    return text


def test_at_a_prompt_explore_comes_back_with_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    shown = small().explore(IMAGE, port=0, open_browser=False, block=False)
    assert shown.address in capsys.readouterr().err
    assert "<title>convscope</title>" in got(shown.address)
    assert "token" not in repr(shown) and ".stop() ends it" in repr(shown)
    port = int(shown.address.partition("127.0.0.1:")[2].partition("/")[0])
    with pytest.raises(ServerError, match=f"port {port} is taken"):
        small().explore(port=port, open_browser=False, block=False)
    shown.stop()
    shown.stop()
    with pytest.raises(OSError, match="refused"):
        got(shown.address)
    with small().run(IMAGE).explore(port=0, open_browser=False, block=False) as shown:
        assert "<title>convscope</title>" in got(shown.address)
    with pytest.raises(InputError):
        small().explore(np.ones((3, 3)), block=False)


SCRIPT = """
import numpy as np, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
import convscope as cs
net = cs.Sequential([cs.Conv2D(3, 2, input_shape=(5, 6, 2))])
net.explore(np.ones((5, 6, 2)), port=0, open_browser=False)
print("and on")
"""


def test_a_script_waits_until_ctrl_c_and_goes_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **HEARS,
    ) as running:
        try:
            assert running.stderr is not None
            line = running.stderr.readline()
            address = line.partition("the explorer: ")[2].partition(" ")[0]
            assert "<title>convscope</title>" in got(address)
            time.sleep(0.3)
            assert running.poll() is None
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=PATIENCE)
        finally:
            running.kill()
    assert (running.returncode, out, err) == (0, "and on\n", "")


def test_prompts_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not showing.in_notebook()
    assert not showing.at_a_prompt()
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert showing.at_a_prompt()
    monkeypatch.delattr(sys, "ps1")

    class Shell:
        kernel: object = None

    class IPython:
        get_ipython = staticmethod(Shell)

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert showing.at_a_prompt() and not showing.in_notebook()  # IPython in a terminal
    Shell.kernel = object()
    assert showing.in_notebook()


def test_a_widget_needs_anywidget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    notebook.widget_class.cache_clear()
    assert isinstance(inline(Host(small())), Page)

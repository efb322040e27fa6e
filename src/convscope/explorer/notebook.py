"""The explorer in a notebook: a widget whose questions a host answers, or the page itself without anywidget."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from typing import Any, TypeAlias

from convscope.errors import ConvscopeError
from convscope.explain.derivation import explain
from convscope.explorer.host import Host
from convscope.explorer.joining import script, web
from convscope.explorer.protocol import Answer, AnyHost
from convscope.explorer.single_file import single_file
from convscope.views.html import html

Json: TypeAlias = Any

INSTALL = "pip install 'convscope[notebook]'"
"""What makes the widget work."""

LARGEST_PAGE = 8 << 20
"""Characters of a page that are put into a notebook where there is no widget."""

AT_ONCE = 2
"""Questions that are answered at the same time, of all widgets together."""


def inline(host: Host) -> Any:
    """Return what shows a host's explorer in a notebook: a widget, or its page without anywidget."""
    try:
        kind = widget_class()
    except ImportError:
        return Page(host)
    return kind(host)


# -- with anywidget -------------------------------------------------------------------------------


@cache
def widget_class() -> type[Any]:
    """Return the class of the widgets; raises `ImportError` without anywidget."""
    import anywidget

    class Explorer(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
        """A widget that draws the explorer's module, and has its questions answered by a host."""

        _esm = script("explorer.js")
        _css = web("explorer.css")

        def __init__(self, host: Host) -> None:
            super().__init__()
            self._host = host
            self.on_msg(self._asked)

        def _asked(self, _: object, message: Any, buffers: Sequence[Any] | None) -> None:
            """Have a question answered aside, so that the kernel can go on with other messages."""
            body = bytes(buffers[0]) if buffers else None
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # nobody would send what a thread has found
                self.send(*reply(self._host, message, body))
                return

            def answer() -> None:
                message_and_buffers = reply(self._host, message, body)
                with contextlib.suppress(RuntimeError):  # the kernel has ended meanwhile
                    loop.call_soon_threadsafe(self._tell, *message_and_buffers)

            aside(answer)

        def _tell(self, message: dict[str, Json], buffers: list[bytes]) -> None:
            if self.comm is not None:  # which it is when the widget was closed
                self.send(message, buffers)

        def _repr_mimebundle_(self, **settings: Any) -> Any:
            found = super()._repr_mimebundle_(**settings)
            if found is None:
                return None
            data, metadata = found if isinstance(found, tuple) else (found, {})
            return {**data, "text/html": static(self._host)}, metadata

    return Explorer


def reply(
    host: AnyHost, message: object, body: bytes | None
) -> tuple[dict[str, Json], list[bytes]]:
    """Return what is sent back for a message of the page: {id, facts} and a body, or {id, error}."""
    asked = message if isinstance(message, Mapping) else {}
    question = asked.get("question")
    told: dict[str, Json] = {"id": asked.get("id")}
    try:
        if not isinstance(question, Mapping):
            raise TypeError(f"{message!r:.80} asks nothing")
        answer: Answer = host.answer(question, body)
        return {**told, "facts": answer.facts}, [answer.body]
    except ConvscopeError as failed:
        return {**told, "error": {"kind": type(failed).__name__, "text": str(failed)}}, []
    except MemoryError:
        text = "not enough memory for this network at this size"
        return {**told, "error": {"kind": "MemoryError", "text": text}}, []
    except Exception as fault:  # noqa: BLE001 – a fault of ours: the page waits for an answer all the same
        text = f"internal error: {type(fault).__name__}: {fault}"
        return {**told, "error": {"kind": "InternalError", "text": text}}, []


@cache
def _waiting() -> queue.SimpleQueue[Callable[[], None]]:
    """Return the queue of what is done aside; threads that take from it are started with it."""
    jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            jobs.get()()

    for n in range(
        AT_ONCE
    ):  # daemons: an answer that takes long does not keep the kernel from ending
        threading.Thread(target=work, name=f"convscope widgets {n}", daemon=True).start()
    return jobs


def aside(job: Callable[[], None]) -> None:
    """Do something in a thread, in turn."""
    _waiting().put(job)


# -- without anywidget, and in a notebook that is only looked at ----------------------------------


class Page:
    """The explorer's page as a notebook shows it that has no widgets: in a frame, from what it holds."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def _repr_html_(self) -> str:
        note = f"<p>To ask for more than this page holds: <code>{escape(INSTALL)}</code></p>"
        page = self._page()
        if page is None:
            return html(explain(self._host.network.graph, None).document()) + note
        return (
            f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" title="convscope" '
            f'style="width: 100%; height: 820px; border: 1px solid #8884"></iframe>{note}'
        )

    def _page(self) -> str | None:
        """Return the page, or None where there is no image yet or it would be too large."""
        if self._host.answer({"ask": "network"}).facts["run"] is None:
            return None
        page = single_file(self._host, LARGEST_PAGE / (1 << 20))
        if page.left_out:
            return None
        text = page.text()
        return text if len(text) <= LARGEST_PAGE else None

    def __repr__(self) -> str:
        return f"<the explorer; in a notebook with {INSTALL} it is a widget>"


def static(host: Host) -> str:
    """Return what stands in a saved notebook where the widget cannot be drawn: the explanation."""
    note = (
        "<p>Here stands the explorer, when the notebook runs. To give it to somebody: "
        "<code>run.export('page.html')</code>.</p>"
    )
    return html(explain(host.network.graph, None).document()) + note

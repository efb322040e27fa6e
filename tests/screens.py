"""A person at the explorer's page, for tests: opens it, moves, reads what stands there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from work import PATIENCE

from convscope.explorer.host import Host
from convscope.explorer.server import Server
from convscope.model.naming import called

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

OpenPage = Callable[..., "Visit"]
"""What the fixture `visit` gives: opens a page on a network, at an address."""

READER = Path(__file__).parent / "explorer" / "reader.js"
"""Reads the page; in every page as `reader`."""


OUT_OF_REACH = """() => [...document.querySelectorAll("button, input, select, summary, [tabindex='0']")]
  .filter((e) => e.checkVisibility() && !e.closest("dialog:not([open])"))
  .filter((e) => {
    e.scrollIntoView({ block: "center", inline: "center" });
    const box = e.getBoundingClientRect();
    const wide = Math.min(box.width, 120);
    return box.left < -1 || box.left + wide > innerWidth + 1 || box.bottom < 0 || box.top > innerHeight;
  }).map((e) => e.outerHTML.slice(0, 120))"""


def until(page: Page, read: Callable[[], Any], holds: Callable[[Any], Any] = bool) -> Any:
    """Read something of a page until it is as wanted, and return it."""
    from playwright.sync_api import Error

    end = time.monotonic() + PATIENCE
    while True:
        found = None
        with suppress(Error):  # while the page is being drawn anew there is nothing to read
            found = read()
            if holds(found):
                return found
        assert time.monotonic() < end, found
        page.wait_for_timeout(10)


def violations(page: Any, axe: str) -> list[Any]:
    """Return what axe finds that is serious or critical: rule, and where."""
    page.evaluate(axe)  # by the debugger's door, which the page's policy does not close
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        (
            one["id"],
            one["help"],
            [(n["html"][:160], n["failureSummary"][:300]) for n in one["nodes"][:3]],
        )
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


class Served:
    """A network behind a server, with the run that its page shows first."""

    def __init__(self, network: Any, image: Any = None, samples: Mapping[str, Path] = {}) -> None:
        self.network = network
        self.host = Host(network, image, samples)
        self.server = Server(self.host, port=0).start()
        told = self.host.answer({"ask": "network"}).facts
        self.inputs = [one["name"] for one in told["inputs"]]
        self.maps = {one["name"]: one["axes"]["maps"] for one in told["layers"]}

    @property
    def run(self) -> Any:
        """The first run, as Python holds it."""
        return self.host._runs[1].run


class Visit:
    """One page on a served network; keeps what it asked its server, and what went wrong."""

    def __init__(self, context: BrowserContext, served: Served) -> None:
        self.served = served
        self.page: Page = context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.urls: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.unanswered: set[Request] = set()
        self.faults: list[str] = []
        self.expected: list[str] = []
        self.page.on("request", self._requested)
        self.page.on("requestfinished", lambda request: self.unanswered.discard(request))
        self.page.on("requestfailed", lambda request: self.unanswered.discard(request))
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"{error}\n{error.stack}"))

    def _requested(self, request: Request) -> None:
        self.urls.append(request.url)
        self.unanswered.add(request)
        if request.url.endswith("/ask") and request.post_data:
            self.asked.append(json.loads(request.post_data))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    @property
    def unexpected(self) -> list[str]:
        """What the console said that it was not expected to say."""
        return [f for f in self.faults if not any(words in f for words in self.expected)]

    def asked_for(self, what: str) -> list[dict[str, Any]]:
        """Return the questions of one kind."""
        return [question for question in self.asked if question["ask"] == what]

    def open(self, address: str = "") -> Visit:
        """Open the page at an address (what stands behind the #) and wait until it is drawn.

        Most screens come late, each in a file of its own: the frame alone hears no paste and no key of theirs.
        """
        self.answered()
        hash_ = f"#{address}" if address else ""
        self.page.goto(self.served.server.address + hash_)
        self.page.locator(".cs-screen:not(:has(.cs-wait))").wait_for()
        return self

    def go(self, address: str) -> None:
        """Change what stands behind the #."""
        self.page.evaluate("hash => (location.hash = hash)", address)

    @property
    def url(self) -> str:
        """The page's address as the page itself has it: Playwright hears of a change behind the # some time later."""
        found: str = self.page.evaluate("location.href")
        return found

    @property
    def address(self) -> dict[str, str]:
        """What stands behind the #, by key."""
        from urllib.parse import parse_qsl, urlsplit

        return dict(parse_qsl(urlsplit(self.url).fragment))

    def read(self, what: str) -> Any:
        """Return what stands in a part of the page; see reader.js."""
        return self.page.evaluate(f"reader.{what}()")

    def until(self, what: str | Callable[[], Any], holds: Callable[..., Any] = bool) -> Any:
        """Read a part of the page (see reader.js), or anything else, until it is as wanted, and return it."""
        read = (lambda: self.read(what)) if isinstance(what, str) else what
        return until(self.page, read, holds)

    def settle(self) -> None:
        """Wait until the page has done all it had to do: nothing is asked, and nothing changes any more."""
        end = time.monotonic() + PATIENCE
        while True:
            self.page.evaluate("reader.quiet()")
            if not self.unanswered or time.monotonic() > end:
                return

    def answered(self) -> None:
        """Wait until the server has answered.

        It answers two questions at once, also those of a page that is gone: the next page would be told to ask again.
        """
        end = time.monotonic() + PATIENCE
        while self.unanswered and time.monotonic() < end:
            self.page.wait_for_timeout(5)

    def close(self) -> None:
        """Close the page."""
        self.answered()
        self.page.close()

    def number(self, layer: str, position: Sequence[int], **more: str) -> Any:
        """Go to one number in the microscope and return what stands there."""
        listed = ",".join(map(str, position))
        address = f"l={quote(layer, safe='')}&p={listed}&s=microscope"
        address += "".join(f"&{key}={value}" for key, value in more.items())
        found = self.page.evaluate(
            "([hash, sentence]) => reader.microscopeAt(hash, sentence)",
            [address, self.sentence(layer, position)],
        )
        assert found["error"] is None, found["error"]
        return found

    def sentence(self, layer: str, position: Sequence[int]) -> str:
        """How the sentence about one number begins, for those who listen."""
        maps = self.served.maps.get(layer)
        if maps is None:
            return f"{called(layer)}({', '.join(map(str, position))}) = "
        rest = ",".join(str(p) for axis, p in enumerate(position) if axis != maps)
        return f"{called(layer)}[{position[maps]}] at {rest} = "

    def keys(self, *names: str) -> None:
        """Press keys, one after the other."""
        for name in names:
            self.page.keyboard.press(name)

    def screen(self, name: str) -> None:
        """Open a screen with the mouse."""
        self.page.get_by_role("tab", name=name, exact=True).click()


def figure(text: str) -> Decimal:
    """Return the number that a text shows, digit for digit.

    >>> figure("−0.250"), figure("+1,024"), figure("2.5e−07")
    (Decimal('-0.250'), Decimal('1024'), Decimal('2.5E-7'))
    """
    return Decimal(text.replace("−", "-").replace(",", "").replace("∞", "Infinity").strip("[] "))


def digits_of(text: str) -> int:
    """Return how many decimals a text shows."""
    return len(text.partition(".")[2])

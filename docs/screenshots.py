"""Take the pictures of the explorer that the documentation shows, from the running page.

Needs the test extra (for Playwright) and Debian's Chromium:

    pip install -e '.[test]'; apt-get install chromium-headless-shell

Run from anywhere:

    python docs/screenshots.py                    writes docs/images/*.png
    python docs/screenshots.py FOLDER stack       only that picture, elsewhere

The page is served from this process, on the demo network and its seven. Everything that may vary is
fixed: the window, the colour scheme, the language, no movement, no subpixel text. The same browser with
the same fonts gives the same bytes; another may draw its letters a little differently. Pictures are kept
with 256 colours, which is all they need.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

import convscope
from convscope.demo import digits
from convscope.explorer.host import Host
from convscope.explorer.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))
from browsing import SAME_PIXELS, chromium

PATIENCE = 60
"""How often a page is looked at until it does not change any more."""


class Shot(NamedTuple):
    """One picture: where in the explorer, what is there when it is complete, and how large."""

    address: str
    complete: str
    scheme: str = "light"
    size: tuple[int, int] = (1280, 900)
    trains: int = 0
    """So many epochs are learned before."""


SHOTS = {
    "microscope": Shot("#l=conv2d_1&o=7&y=15&x=17&m=real", ".cs-final"),
    "network": Shot("#l=conv2d_1&o=7&y=15&x=17&m=real&s=network", ".cs-columns-picture"),
    "models": Shot("#l=conv2d_1&o=7&y=15&x=17&m=apart&s=models", ".cs-models [role=radio]"),
    "stack": Shot("#l=conv2d_1&o=7&y=15&x=17&m=real&s=stack&sort=energy", ".cs-atlas", "dark"),
    "learning": Shot(
        "#s=learning&ep=2&of=conv2d_1.kernel",
        ".cs-learning-apart table",
        size=(1280, 1400),
        trains=2,
    ),
}


def settled(page: Page) -> bytes:
    """Return a picture of the page once it has stopped changing."""
    before = b""
    for _ in range(PATIENCE):
        now = page.screenshot(animations="disabled", caret="hide")
        if now == before:
            return now
        before = now
        page.wait_for_timeout(250)
    raise SystemExit(f"the page did not come to rest: {page.url}")


def train(host: Host, epochs: int) -> None:
    """Let the demo learn from nothing, as somebody does on the page."""
    host.answer({"ask": "learning", "what": "do", "do": "anew", "settings": {"epochs": epochs}})
    told = host.answer({"ask": "learning", "what": "do", "do": "start"}).facts
    while told["state"] == "running":
        time.sleep(0.25)
        told = host.answer({"ask": "learning", "what": "state"}).facts


def take(context: BrowserContext, origin: str, shot: Shot) -> bytes:
    """Return one picture as the PNG that is kept."""
    page = context.new_page()
    page.set_viewport_size({"width": shot.size[0], "height": shot.size[1]})
    page.emulate_media(color_scheme="dark" if shot.scheme == "dark" else "light")
    page.goto(f"{origin}/{shot.address}", wait_until="networkidle")
    page.locator(shot.complete).first.wait_for()
    seen = Image.open(io.BytesIO(settled(page))).convert("RGB")
    page.close()
    kept = io.BytesIO()
    few = seen.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(kept, "PNG", optimize=True)
    return kept.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the documentation's pictures.")
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "images")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(SHOTS)}; all by default"
    )
    asked = parser.parse_args()
    for name in asked.names:
        if name not in SHOTS:
            parser.error(f"there is no picture {name}; there are {', '.join(SHOTS)}")
    asked.folder.mkdir(parents=True, exist_ok=True)
    samples = digits()
    host = Host(convscope.open("demo"), image=samples["seven"], samples=samples)
    with Server(host, port=0) as server, chromium(*SAME_PIXELS) as browser:
        context = browser.new_context(reduced_motion="reduce", locale="en-US")
        context.new_page().goto(server.address)  # the key in it opens this browser
        for name in asked.names or SHOTS:
            path = asked.folder / f"{name}.png"
            if SHOTS[name].trains:
                train(host, SHOTS[name].trains)
            path.write_bytes(take(context, server.origin, SHOTS[name]))
            print(f"wrote {path} ({path.stat().st_size} bytes)")


if __name__ == "__main__":
    main()

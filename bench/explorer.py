"""What the explorer promises about speed, measured in headless Chromium.

The server is `convscope explore` in a process of its own, the page is the one that people get; page.js
(beside this file) runs before its scripts and measures. Every row says from when to when.

The peers of the explorer (*) are not run here: CNN Explainer and Netron were measured once, in headless
Chromium on another machine of the same kind (2 cores), and their figures are quoted.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from row import Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

INSIDE = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MICROSCOPE = "#l=conv2d_1&o=7&y=15&x=17&m=real"

NETWORKS = """
import numpy
from convscope import Add, Conv2D, Input, Model, Sequential

def maps():
    return Sequential([Conv2D(2048, 3, input_shape=(9, 9, 3), name="wide")], name="maps")

def deep():
    seen = Input((30, 26, 3))
    x = Conv2D(8, 3, padding="same", name="conv0")(seen)
    for n in range(1, 400, 3):
        y = Conv2D(8, 3, padding="same", activation="relu", name=f"conv{n}")(x)
        y = Conv2D(8, 3, padding="same", name=f"conv{n + 1}")(y)
        x = Add(name=f"add{n + 2}")([x, y])
    return Model(seen, x, name="deep")

rng = numpy.random.default_rng(0)
numpy.save("maps.npy", rng.random((9, 9, 3), dtype=numpy.float32))
numpy.save("deep.npy", rng.random((30, 26, 3), dtype=numpy.float32))
"""


@contextmanager
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    where = next(filter(None, map(shutil.which, BROWSERS)), None)
    if where is None:
        raise SystemExit("the explorer's rows need a browser: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=where, args=FLAGS)
        yield started
        started.close()


@contextmanager
def explore(*arguments: str, folder: str | None = None) -> Iterator[str]:
    """Serve the explorer in a process of its own; return the address that opens one browser."""
    command = [sys.executable, "-m", "convscope", "explore", *arguments, "--no-open", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            if not address:
                raise SystemExit(f"no explorer came from {' '.join(command)}")
            yield address
        finally:
            server.terminate()


@contextmanager
def network(name: str) -> Iterator[str]:
    """Serve the explorer of one of the networks above; return its address."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "networks.py").write_text(NETWORKS, encoding="utf-8")
        subprocess.run([sys.executable, "networks.py"], cwd=folder, check=True)
        with explore(f"networks.py:{name}", "--image", f"{name}.npy", folder=folder) as address:
            yield address


@contextmanager
def opened(started: Browser, address: str) -> Iterator[Page]:
    """Return the page in a fresh profile, as soon as the microscope's numbers are painted."""
    context = started.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(INSIDE)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    page.goto(address)
    page.locator(".cs-final").first.wait_for()
    while not page.evaluate("convscopeBench.usable"):
        page.wait_for_timeout(20)
    yield page
    context.close()
    if thrown:
        raise SystemExit(f"the page failed: {thrown[0]}")


def late(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def hovered(page: Page, moves: int) -> tuple[list[list[float]], int]:
    """Move the mouse over the output map, pixel by pixel, as fast as frames come.

    Returns the milliseconds of page.js for every move, and at how many pixels a number was shown.
    """
    box = page.locator(".cs-map").bounding_box()
    assert box is not None
    shown = set()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.evaluate("convscopeBench.frame().then(() => convscopeBench.moves.length = 0)")
    for n in range(moves):
        across, down = ((7 * n) % 24 + 0.5) / 24, ((5 * n + n // 24) % 24 + 0.5) / 24
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.wait_for_timeout(25)  # nothing else is asked of the page in that frame
        page.evaluate("convscopeBench.frame().then(convscopeBench.painted)")
        shown.add(page.locator(".cs-number").first.text_content())
    return page.evaluate("convscopeBench.moves"), len(shown)


def open_rows() -> list[Row]:
    """The demo network's page, opened: each time a new server and a fresh profile."""
    paints, usables = [], []
    with browser() as started:
        for number in range(8):
            with explore() as address, opened(started, address) as page:
                if number:  # the first one also brings the machine's files into memory
                    paints.append(painted(page))
                    usables.append(page.evaluate("convscopeBench.usable"))
    paint, usable = statistics.median(paints), statistics.median(usables)
    return [
        Row(
            "explorer: first paint of the local page, from the start of the navigation",
            f"{paint / 1e3:.2f} s", "CNN Explainer 1.46 s*", f"{1460 / paint:.1f}× faster",
            "< 1 s", paint < 1000,
        ),
        Row(
            "explorer: the same, until one number's whole sum is on the screen",
            f"{usable / 1e3:.2f} s", "CNN Explainer 4.3 s*", f"{4300 / usable:.1f}× faster",
            "–", True,
        ),
    ]  # fmt: skip


def painted(page: Page) -> float:
    """Return the milliseconds from the start of the navigation to the first paint of content."""
    script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    found: float = page.evaluate(script)
    return found


def hover_rows() -> list[Row]:
    """The pointer over the second layer's map: every move is another number, all 288 products drawn."""
    with browser() as started, explore() as address, opened(started, address) as page:
        page.goto(address.split("?")[0] + MICROSCOPE)
        hovered(page, 40)
        moves, shown = hovered(page, 300)
    if len(moves) < 300 or shown < 300:
        raise SystemExit(f"of 300 moves {len(moves)} were seen, and {shown} numbers shown")
    handler = [listeners + callbacks for listeners, callbacks, _ in moves]
    frame = [whole for *_, whole in moves]
    return [
        Row(
            "explorer: hover over conv2d_1, one number of 288 products: listeners and the frame's callbacks",
            f"95 % within {late(handler):.1f} ms (median {statistics.median(handler):.1f})",
            "CNN Explainer 27 ms*", f"{27 / late(handler):.1f}× faster", "< 8 ms", late(handler) < 8,
        ),
        Row(
            "explorer: the same, from the first listener until that frame is painted (styles, layout, paint)",
            f"95 % within {late(frame):.1f} ms (median {statistics.median(frame):.1f})",
            "CNN Explainer 91 ms*", f"{91 / late(frame):.1f}× faster", "< 16 ms", late(frame) < 16,
        ),
    ]  # fmt: skip


SWITCH = """(colour) => convscopeBench.timed(() => {
    const select = [...document.querySelectorAll(".cs-stack select")].find((s) =>
        [...s.options].some((option) => option.value === colour));
    select.value = colour;
    select.dispatchEvent(new Event("change"));
})"""
PICTURE = """() => {
    const sheets = [...document.querySelectorAll(".cs-atlas")].map((canvas) => [canvas.width * canvas.height, canvas]);
    return sheets.sort((a, b) => b[0] - a[0])[0][1].toDataURL();
}"""


ASK = """async (question) => {
    const headers = { "Content-Type": "application/json", "X-Convscope": "1" };
    const taken = [];
    for (let n = 0; n < 40; n++) {
        const begun = performance.now();
        const answer = await fetch("/ask", { method: "POST", headers, body: JSON.stringify(question) });
        if (!answer.ok) throw new Error(await answer.text());
        await answer.arrayBuffer();
        taken.push(performance.now() - begun);
    }
    return taken;
}"""


def ask_rows() -> list[Row]:
    """A small question from the page to its server and back: what each thumbnail waits for."""
    question = {"ask": "tiles", "run": 1, "layer": "conv2d", "maps": [0, 1, 2], "side": 26}
    with browser() as started, explore() as address, opened(started, address) as page:
        page.wait_for_timeout(500)  # the page's own questions come first
        taken = statistics.median(page.evaluate(ASK, question)[5:])
    return [
        Row(
            "explorer: a question from the page (three maps, 8 kB), until the answer is there",
            f"{taken:.1f} ms", "–", "–", "< 10 ms", taken < 10,
        )
    ]  # fmt: skip


def maps_rows() -> list[Row]:
    """All maps of a layer of 7×7×2048 in the stack, drawn again in other colours."""
    with browser() as started, network("maps") as address, opened(started, address) as page:
        page.goto(address.split("?")[0] + "#l=wide&s=stack")
        page.get_by_text("all 2,048 maps").click()
        page.get_by_text("fewer").wait_for()
        drawn = {}
        for colour in (
            "map",
            "grey",
            "layer",
        ):  # the picture is another one when the frame is painted
            page.evaluate(SWITCH, colour)
            drawn[colour] = page.evaluate(PICTURE)
        if len(set(drawn.values())) != 3:
            raise SystemExit("the 2,048 maps were not drawn in the frame that was measured")
        taken = [page.evaluate(SWITCH, c) for _ in range(20) for c in ("map", "layer")]
    middle = statistics.median(taken)
    return [
        Row(
            "explorer: 2,048 maps of 7×7 drawn in the stack, numbers at hand, until the frame is painted",
            f"{middle:.1f} ms", "–", "–", "< 50 ms", middle < 50,
        )
    ]  # fmt: skip


def deep_rows() -> list[Row]:
    """A network of 400 layers with branches: opened, its ribbon and its stack scrolled."""
    paints, usables, ribbons, stacks = [], [], [], []
    with browser() as started:
        for _ in range(3):
            with network("deep") as address, opened(started, address) as page:
                paints.append(painted(page))
                usables.append(page.evaluate("convscopeBench.usable"))
                ribbons += scrolled(page, ".cs-ribbon", across=24)
                page.goto(address.split("?")[0] + "#s=stack")
                page.locator(".cs-atlas").first.wait_for()
                stacks += scrolled(page, "html", down=40)
    paint, usable = statistics.median(paints), statistics.median(usables)
    rows = [
        Row(
            "explorer: a network of 400 layers opened, until one number's sum is on the screen",
            f"{usable / 1e3:.2f} s (first paint {paint / 1e3:.2f} s)",
            "Netron 2.4 s, a ResNet-50's structure*", f"{2400 / usable:.1f}× faster", "< 2.4 s",
            usable < 2400,
        )
    ]  # fmt: skip
    for what, speed, between in (("ribbon", 24, ribbons), ("stack", 40, stacks)):
        rows.append(
            Row(
                f"explorer: its {what} scrolled by {speed} pixels a frame: time between frames",
                f"95 % within {late(between):.1f} ms (median {statistics.median(between):.1f})",
                "–", "–", "< 34 ms, one frame missed", late(between) < 34,
            )
        )  # fmt: skip
    return rows


def scrolled(page: Page, which: str, across: int = 0, down: int = 0) -> list[float]:
    """Scroll an element by so many pixels in each of 400 frames; return the milliseconds between them."""
    element = f"document.querySelector('{which}')"
    found: list[float] = page.evaluate(f"convscopeBench.scrolled({element}, {across}, {down}, 400)")
    went = page.evaluate(f"{element}.scrollLeft + {element}.scrollTop")
    if went < 390 * (across + down):
        raise SystemExit(f"{which} was to be scrolled by {400 * (across + down)}, not by {went}")
    return found


def size_rows() -> list[Row]:
    """The module that the page loads, and the demo network as one file."""
    from convscope.explorer.joining import script

    text = script("explorer.js").encode()
    module, sent = len(text) / 1e3, len(gzip.compress(text)) / 1e3
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "out.html")
        command = [sys.executable, "-m", "convscope", "export", "demo", str(exported)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        single = exported.stat().st_size / 1e6
    return [
        Row(
            "explorer: its module, and as it is sent", f"{module:.0f} kB, {sent:.0f} kB", "–", "–",
            "< 220 kB, 60 kB", module < 220 and sent < 60,
        ),
        Row(
            "explorer: the demo network with a digit as one HTML file", f"{single:.2f} MB",
            "CNN Explainer 11 MB*", f"{11 / single:.1f}× less", "≤ 2 MB", single <= 2,
        ),
    ]  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "explorer_open": open_rows,
    "explorer_hover": hover_rows,
    "explorer_ask": ask_rows,
    "explorer_maps": maps_rows,
    "explorer_deep": deep_rows,
    "explorer_size": size_rows,
}

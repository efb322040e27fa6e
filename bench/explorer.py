"""What the explorer promises about speed, measured in headless Chromium.

The server is `convscope explore` in a process of its own, the page is the one that people get; page.js
(beside this file) runs before its scripts and measures. Every row says from when to when.

What is painted is compared with a page that does nothing: an output element whose text a move of the pointer
changes. It is measured in the same browser, in the same way.
"""

from __future__ import annotations

import gzip
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from row import Row
from timing import process

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from browsing import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

INSIDE = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
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

NOTHING = """data:text/html,
<output class="cs-map cs-number cs-final" style="display: block; width: 240px; height: 240px">0</output>
<script>
  addEventListener("pointermove", (move) => requestAnimationFrame(() => {
    document.querySelector("output").textContent = `${move.clientX}, ${move.clientY}`;
  }));
</script>"""
"""A page whose frames are empty: what no page can be quicker than."""


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
    paints, usables, empties = [], [], []
    with chromium(whole=True) as started:
        for number in range(8):
            with explore() as address, opened(started, address) as page:
                paint, usable = painted(page), page.evaluate("convscopeBench.usable")
            with opened(started, NOTHING) as page:
                empty = painted(page)
            if number:  # the first one also brings the machine's files into memory
                paints.append(paint)
                usables.append(usable)
                empties.append(empty)
    paint, usable, empty = map(statistics.median, (paints, usables, empties))
    return [
        Row(
            "explorer: first paint of the local page, from the start of the navigation",
            f"{paint:.0f} ms", f"an empty page {empty:.0f} ms", f"{paint / empty:.1f}×", "≤ 6×",
            paint <= 6 * empty,
        ),
        Row(
            "explorer: the same, until one number's whole sum is on the screen",
            f"{usable:.0f} ms", f"an empty page {empty:.0f} ms", f"{usable / empty:.1f}×", "≤ 20×",
            usable <= 20 * empty,
        ),
    ]  # fmt: skip


def structure_rows() -> list[Row]:
    """ResNet50.keras: from the command until its layers are painted; what goes through it comes later."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder, chromium() as started:
        path = str(Path(folder) / "ResNet50.keras")
        made = f"import keras; keras.applications.ResNet50(weights=None).save({path!r})"
        process(made, KERAS_BACKEND="torch")
        listed = f"import keras; keras.saving.load_model({path!r}).summary()"
        for turn in range(6):
            page = started.new_page(viewport={"width": 1280, "height": 900})
            begun = time.perf_counter()
            with explore(path) as address:
                page.goto(address, wait_until="commit")
                page.locator(".cs-card").first.wait_for()
                taken = time.perf_counter() - begun
            page.close()
            seconds, _ = process(listed, KERAS_BACKEND="torch")
            if turn:  # the first one also brings the machine's files into memory
                ours.append(taken)
                theirs.append(seconds)
    our, their = map(statistics.median, (ours, theirs))
    return [
        Row(
            "explorer: ResNet50.keras, from the command until its layers are painted",
            f"{our:.2f} s", f"Keras, until it has printed them {their:.2f} s", f"{their / our:.1f}× faster",
            "≥ 8×", their >= 8 * our,
        )
    ]  # fmt: skip


def painted(page: Page) -> float:
    """Return the milliseconds from the start of the navigation to the first paint of content."""
    script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    found: float = page.evaluate(script)
    return found


def hover_rows() -> list[Row]:
    """The pointer over the second layer's map: every move is another number, all 288 products drawn."""
    with chromium(whole=True) as started:
        with explore() as address, opened(started, address) as page:
            page.goto(address.split("?")[0] + MICROSCOPE)
            hovered(page, 40)
            moves, shown = hovered(page, 300)
        with opened(started, NOTHING) as page:
            hovered(page, 40)
            empty, _ = hovered(page, 300)
    if len(moves) < 300 or shown < 300 or len(empty) < 300:
        raise SystemExit(f"of 300 moves {len(moves)} were seen, and {shown} numbers shown")
    handler = late([listeners + callbacks for listeners, callbacks, _ in moves])
    frame, least = (late([whole for *_, whole in some]) for some in (moves, empty))
    what = "explorer: hover over conv2d_1, one number of 288 products"
    unit = f"an empty page's frame {least:.1f} ms"
    return [
        Row(
            f"{what}: listeners and the frame's callbacks", f"95 % within {handler:.1f} ms", unit,
            f"{handler / least:.1f}×", "≤ 5×", handler <= 5 * least,
        ),
        Row(
            "explorer: the same, from the first listener until that frame is painted (styles, layout, paint)",
            f"95 % within {frame:.1f} ms", unit, f"{frame / least:.1f}×", "≤ 10×", frame <= 10 * least,
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
    const asked = { method: "POST", headers, body: JSON.stringify(question) };
    const timed = async (address, options, fits) => {
        const begun = performance.now();
        const answer = await fetch(address, options);
        if (answer.ok !== fits) throw new Error(await answer.text());
        await answer.arrayBuffer();
        return performance.now() - begun;
    };
    const taken = [];
    for (let n = 0; n < 40; n++)
        taken.push([await timed("/ask", asked, true), await timed("/nothing", {}, false)]);
    return taken;
}"""


def ask_rows() -> list[Row]:
    """A small question from the page to its server and back: what each thumbnail waits for."""
    question = {"ask": "tiles", "run": 1, "layer": "conv2d", "maps": [0, 1, 2], "side": 26}
    with chromium(whole=True) as started, explore() as address, opened(started, address) as page:
        page.wait_for_timeout(500)  # the page's own questions come first
        found = page.evaluate(ASK, question)[5:]
    taken, bare = map(statistics.median, zip(*found, strict=True))
    return [
        Row(
            "explorer: a question from the page (three maps, 8 kB), until the answer is there",
            f"{taken:.1f} ms", f"an address that there is not {bare:.1f} ms", f"{taken / bare:.1f}×",
            "≤ 3×", taken <= 3 * bare,
        )
    ]  # fmt: skip


def maps_rows() -> list[Row]:
    """All maps of a layer of 7×7×2048 in the stack, drawn again in other colours."""
    with (
        chromium(whole=True) as started,
        network("maps") as address,
        opened(started, address) as page,
    ):
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
        pairs = [
            (page.evaluate(SWITCH, colour), page.evaluate("convscopeBench.timed(() => {})"))
            for _ in range(20)
            for colour in ("map", "layer")
        ]
    middle, empty = map(statistics.median, zip(*pairs, strict=True))
    return [
        Row(
            "explorer: 2,048 maps of 7×7 drawn in the stack, numbers at hand, until the frame is painted",
            f"{middle:.1f} ms", f"an empty frame {empty:.1f} ms", f"{middle / empty:.1f}×", "≤ 120×",
            middle <= 120 * empty,
        )
    ]  # fmt: skip


def pen_rows() -> list[Row]:
    """A stroke on the pad of Input: each move of the pen until the prediction that comes of it has been painted."""
    rows = []
    with chromium(whole=True) as started, tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "out.html")
        command = [sys.executable, "-m", "convscope", "export", "demo", str(exported)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with opened(started, NOTHING) as page:
            empty = statistics.median(scrolled(page, "html"))
        with explore() as address:
            served = drawn(started, address)
        alone = drawn(started, exported.as_uri())
    who = ("its server's ONNX Runtime computes", "the page computes, from disk")
    for what, taken in zip(who, (served, alone), strict=True):
        middle = statistics.median(taken)
        rows.append(
            Row(
                f"explorer: from the pen to the prediction painted; {what}",
                f"{middle:.0f} ms, 95 % within {late(taken):.0f} ms", f"a frame of an empty page {empty:.1f} ms",
                f"{middle / empty:.1f}×", "≤ 6×, 100 ms", middle <= 6 * empty,
            )
        )  # fmt: skip
    return rows


def drawn(started: Browser, address: str) -> list[float]:
    """Draw on the pad, a move at a time; return the milliseconds of each until the prediction is painted."""
    with opened(started, address) as page:
        page.goto(address.split("?")[0] + "#s=input")
        page.locator(".cs-pad").wait_for()
        page.evaluate("convscopeBench.follow()")
        box = page.locator(".cs-pad").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 40, box["y"] + 40)
        page.mouse.down()
        for n in range(60):
            side = box["width"] - 80
            across, down = (37 * n) % 60 / 60 * side + 40, (23 * n) % 60 / 60 * side + 40
            page.mouse.move(box["x"] + across, box["y"] + down)
            while page.evaluate("convscopeBench.followed.length") <= n:
                page.wait_for_timeout(10)
        page.mouse.up()
        found: list[float] = page.evaluate("convscopeBench.followed")
    return found[10:]


def deep_rows() -> list[Row]:
    """A network of 400 layers with branches: opened, its ribbon and its stack scrolled."""
    usables, smalls, ribbons, stacks = [], [], [], []
    with chromium(whole=True) as started:
        for _ in range(3):
            with explore() as address, opened(started, address) as page:
                smalls.append(page.evaluate("convscopeBench.usable"))
            with network("deep") as address, opened(started, address) as page:
                usables.append(page.evaluate("convscopeBench.usable"))
                ribbons += scrolled(page, ".cs-ribbon", across=24)
                page.goto(address.split("?")[0] + "#s=stack")
                page.locator(".cs-atlas").first.wait_for()
                stacks += scrolled(page, "html", down=40)
        with opened(started, NOTHING) as page:
            empty = late(scrolled(page, "html"))
    usable, small = statistics.median(usables), statistics.median(smalls)
    rows = [
        Row(
            "explorer: a network of 400 layers opened, until one number's sum is on the screen",
            f"{usable:.0f} ms", f"the demo network of 10 layers {small:.0f} ms", f"{usable / small:.1f}×",
            "≤ 2.5×", usable <= 2.5 * small,
        )
    ]  # fmt: skip
    for what, speed, between in (("ribbon", 24, ribbons), ("stack", 40, stacks)):
        rows.append(
            Row(
                f"explorer: its {what} scrolled by {speed} pixels a frame: time between frames",
                f"95 % within {late(between):.1f} ms", f"an empty page {empty:.1f} ms",
                f"{late(between) / empty:.2f}×", "≤ 2×, one frame missed", late(between) <= 2 * empty,
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
            "–", "–", "≤ 2 MB", single <= 2,
        ),
    ]  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "explorer_open": open_rows,
    "explorer_structure": structure_rows,
    "explorer_hover": hover_rows,
    "explorer_ask": ask_rows,
    "explorer_maps": maps_rows,
    "explorer_pen": pen_rows,
    "explorer_deep": deep_rows,
    "explorer_size": size_rows,
}

"""Walks over the page: no text lies over another or is cut, and 200 random actions leave nothing behind."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import networks
import numpy as np
import pytest
from explorer.test_access import SCREENS
from screens import OpenPage, Visit

LAID = """() => {
  // every piece of text, as much of it as is seen, and whether something hides a part
  const found = [], cut = [];
  const walker = document.createTreeWalker(document.querySelector(".convscope"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })) continue;
    if (parent.closest("dialog:not([open]), .cs-live, option, .cs-tour")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const whole of range.getClientRects()) {
      let { left, top, right, bottom } = whole;
      let hidden = false, floats = null;
      for (let box = parent; box && box !== document.body; box = box.parentElement) {
        const style = getComputedStyle(box);
        const clip = box.getBoundingClientRect();
        if (style.position === "sticky" || style.position === "fixed") floats ??= box;
        if (style.overflowX === "visible" && style.overflowY === "visible") continue;
        const before = [left, top, right, bottom];
        [left, top, right, bottom] = [Math.max(left, clip.left), Math.max(top, clip.top), Math.min(right, clip.right), Math.min(bottom, clip.bottom)];
        const off = Math.max(left - before[0], top - before[1], before[2] - right, before[3] - bottom);
        if (off > 3 && style.overflow === "hidden" && style.textOverflow !== "ellipsis") hidden = true;
      }
      if (right - left < 2 || bottom - top < 2) { if (hidden) cut.push(node.data.trim().slice(0, 60)); continue; }
      if (hidden) cut.push(node.data.trim().slice(0, 60));
      found.push({ text: node.data.trim().slice(0, 40), left, top, right, bottom, node, floats });
    }
  }
  const over = [];
  found.forEach((a, n) => found.slice(n + 1).forEach((b) => {
    if (a.node === b.node || a.floats !== b.floats) return; // what stays in view lies over what scrolls below it
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && tall > 4) over.push(`${a.text} | ${b.text}`);
  }));
  return { over: [...new Set(over)].slice(0, 8), cut: [...new Set(cut)].slice(0, 8), wide: document.documentElement.scrollWidth - innerWidth };
}"""


@pytest.mark.parametrize(
    ("network", "widths"),
    [
        ("digits", (390, 1280)),
        pytest.param("digits", (640, 1024, 1920), marks=pytest.mark.full),
        *(
            pytest.param(name, (390, 640, 1280, 1920), marks=pytest.mark.full)
            for name in ("branches", "groups", "shapes", "hostile", "deep", "photo")
        ),
    ],
)
def test_no_text_lies_over_another_or_is_cut(
    visit: OpenPage, network: str, widths: tuple[int, ...]
) -> None:
    page = visit(network)
    layers = list(page.served.network.graph.nodes)
    wrong = {}
    for width in widths:
        page.page.set_viewport_size({"width": width, "height": 900})
        for screen in SCREENS:
            for layer in {layers[1 % len(layers)], layers[-1]}:
                page.go(f"l={quote(layer, safe='')}&s={screen}")
                page.settle()
                found = page.page.evaluate(LAID)
                if found["over"] or found["cut"] or found["wide"] > 0:
                    wrong[width, screen, layer] = found
    assert wrong == {}


KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Shift+ArrowDown", ",", ".", "[", "]", "m", "c", "p", "Escape", "Enter", "Tab", "Home")  # fmt: skip
CLICK = """(seed) => {
  const all = [...document.querySelectorAll(".convscope button, .convscope summary, .convscope canvas, .convscope a")]
    .filter((e) => e.checkVisibility() && !e.disabled && !e.closest("dialog") && !e.getAttribute("href")?.startsWith("http"));
  const one = all[seed % all.length];
  const { left, top, width, height } = one.getBoundingClientRect();
  const at = { bubbles: true, detail: 1, clientX: left + width * 0.4, clientY: top + height * 0.6 };
  one.dispatchEvent(new PointerEvent("pointermove", at));
  one.dispatchEvent(new MouseEvent("click", at));
  one.dispatchEvent(new PointerEvent("pointerleave", at));
}"""


def actions(page: Visit, rng: np.random.Generator, count: int) -> None:
    """Do so many things that a person may do, drawn: clicks, keys, screens, widths, schemes."""
    for _ in range(count):
        drawn = rng.random()
        if drawn < 0.5:
            page.page.evaluate(CLICK, int(rng.integers(1 << 30)))
        elif drawn < 0.8:
            page.keys(KEYS[rng.integers(len(KEYS))])
        elif drawn < 0.92:
            page.go(f"s={SCREENS[rng.integers(len(SCREENS))]}")
        elif drawn < 0.97:
            width = int(rng.choice([390, 640, 1024, 1280, 1920]))
            page.page.set_viewport_size({"width": width, "height": 900})
        else:
            page.page.emulate_media(color_scheme=str(rng.choice(["light", "dark"])))  # type: ignore[arg-type]
        page.page.wait_for_timeout(20)


def kept(page: Visit) -> dict[str, float]:
    """Return what the page holds where it was opened: nodes, listeners, bytes of the heap."""
    page.page.set_viewport_size({"width": 1280, "height": 900})
    page.page.emulate_media(color_scheme="light")
    page.go("l=conv2d_1&o=7&y=15&x=17&s=microscope&m=real&c=layer&sort=index&w=[]")
    page.settle()
    asking = page.page.context.new_cdp_session(page.page)
    asking.send("Performance.enable")
    for _ in range(2):
        asking.send("HeapProfiler.collectGarbage")
    found: dict[str, Any] = {
        one["name"]: one["value"] for one in asking.send("Performance.getMetrics")["metrics"]
    }
    asking.detach()
    return {name: found[name] for name in ("Nodes", "JSEventListeners", "JSHeapUsedSize")}


@pytest.mark.parametrize(
    ("warm", "count"), [(40, 24), pytest.param(150, 200, marks=pytest.mark.full)]
)
def test_random_actions_leave_heap_and_nodes_flat(visit: OpenPage, warm: int, count: int) -> None:
    page = visit(networks.digits, "l=conv2d_1&o=7&y=15&x=17")  # of its own: it chooses images, too
    page.expected += ["400 (Bad Request)"]  # an edit that cannot be
    rng = np.random.default_rng(17)
    for layer in ("conv2d_1", "dense"):  # what is kept once is kept: answers, pictures, screens
        for screen in SCREENS:
            page.go(f"l={layer}&s={screen}")
            page.settle()
    actions(page, rng, warm)
    seen = [kept(page)]
    for _ in range(
        2
    ):  # what is left behind is left behind each time; what is opened for once is not
        actions(page, rng, count // 2)
        seen.append(kept(page))
    for name, most in (("Nodes", 1.1), ("JSEventListeners", 1.1), ("JSHeapUsedSize", 1.25)):
        before = max(one[name] for one in seen[:2])
        assert seen[2][name] <= most * before + 200, (name, seen)


def test_what_lies_over_another_or_is_cut_would_be_found(visit: OpenPage) -> None:
    page = visit("digits", "l=conv2d_1&s=microscope")
    page.settle()
    page.page.evaluate("""() => {
      document.querySelector(".cs-reads").style.marginTop = "-1.6em";
      Object.assign(document.querySelector(".cs-equation").style, { overflow: "hidden", height: "9px" });
    }""")
    found = page.page.evaluate(LAID)
    assert any("One number of" in pair and "It reads" in pair for pair in found["over"])
    assert any("out[" in text for text in found["cut"])

"""Take the moving picture that the README shows, from the running page: one number is added up, map by map.

Needs what docs/screenshots.py needs. Writes docs/images/adding_up.gif.

    python docs/film.py
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import convscope
from convscope.demo import digits

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))
from browsing import SAME_PIXELS, chromium

PLACE = "#l=conv2d_1&o=7&y=15&x=17"
SIZE = (920, 640)
STEPS = 14
HELD = 2600
"""Milliseconds that the last picture stays."""


def main() -> None:
    """Press *step* until every map is in the sum, and keep a picture of each."""
    frames: list[Image.Image] = []
    with tempfile.TemporaryDirectory() as folder, chromium(*SAME_PIXELS) as browser:
        path = Path(folder) / "page.html"
        convscope.open("demo").export(path, digits()["seven"])
        page = browser.new_page(
            viewport={"width": SIZE[0], "height": SIZE[1]},
            color_scheme="light",
            reduced_motion="reduce",
        )
        page.goto(path.as_uri() + PLACE)
        adding = page.get_by_role("button", name="Add up")
        adding.wait_for()
        adding.evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + scrollY - 12)")
        step = adding.locator("xpath=following::button[normalize-space()='step'][1]")
        for _ in range(STEPS):
            step.click()
            page.wait_for_timeout(150)
            frames.append(
                Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
            )
    small = (SIZE[0] * 4 // 5, SIZE[1] * 4 // 5)
    last = frames[-1].resize(small, Image.Resampling.LANCZOS).quantize(40, dither=Image.Dither.NONE)
    kept = [  # one palette for all, so that what does not change is not stored again
        f.resize(small, Image.Resampling.LANCZOS).quantize(palette=last, dither=Image.Dither.NONE)
        for f in frames
    ]
    target = HERE / "images" / "adding_up.gif"
    kept[0].save(
        target,
        save_all=True,
        append_images=kept[1:],
        duration=[650] * (len(kept) - 1) + [HELD],
        loop=0,
        optimize=True,
    )
    print(f"wrote {target} ({target.stat().st_size} bytes, {len(kept)} pictures)")


if __name__ == "__main__":
    main()

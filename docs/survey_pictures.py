"""Survey the digits with the demo network and take the pictures that survey.md shows.

Needs the test extra (scikit-learn for the digits, Playwright) and Debian's Chromium:

    pip install -e '.[test]'; apt-get install chromium-headless-shell
    python docs/survey_pictures.py            writes docs/images/survey-*.png
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import convscope

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))
from browsing import SAME_PIXELS, chromium

IMAGES = HERE / "images"
SIDE = 28


def digits(folder: Path) -> None:
    """Write the 1,797 digits as the network was trained on them (training/digits.py), a folder for each class."""
    found = load_digits()
    for number, (small, label) in enumerate(zip(found.images, found.target, strict=True)):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        grey = Image.fromarray(np.rint(small / 16 * 255).astype(np.uint8))
        grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(place / f"{number:04}.png")


def main() -> None:
    """Take the pictures: the maps of the second layer, the ledger of one patch, and the explorer's screen."""
    with tempfile.TemporaryDirectory() as folder, chromium(*SAME_PIXELS) as browser:
        digits(Path(folder) / "digits")
        survey = convscope.open("demo").survey(Path(folder) / "digits")
        survey.page(Path(folder) / "survey.html")
        survey.network.export(
            Path(folder) / "explorer.html", survey.network.samples["seven"], survey=survey
        )
        page = browser.new_page(viewport={"width": 1180, "height": 720}, color_scheme="light")
        page.goto((Path(folder) / "survey.html").as_uri())
        page.evaluate("document.getElementById('layer-1').scrollIntoView()")
        _kept(page.screenshot(), "survey-maps.png")
        page.click("#p1-53-0")
        _kept(page.locator("dialog").screenshot(), "survey-ledger.png")
        page.add_init_script("try { localStorage.setItem('convscope-lessons', 'seen') } catch {}")
        page.set_viewport_size({"width": 1180, "height": 900})
        page.goto((Path(folder) / "explorer.html").as_uri() + "#l=conv2d_1&s=survey&map=53")
        page.locator(".cs-survey-case .cs-survey-patch").last.wait_for()
        page.locator(".cs-survey-title").scroll_into_view_if_needed()
        _kept(page.screenshot(), "survey-screen.png")


def _kept(png: bytes, name: str) -> None:
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(256).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()

"""A picture made ready by the page itself: the same numbers and the same steps as Python's."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from convscope.engine.pixels import SCALES
from convscope.engine.preparing import WORDS, prepare
from convscope.explorer.joining import joined, web

if TYPE_CHECKING:
    from playwright.sync_api import Page

ENTRY = 'export { decoded, prepared } from "./preparing.js";\n\nexport default null;\n'
ASK = """async ([source, given]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { decoded, prepared } = await import(url);
  return Promise.all(given.map(async ([picture, wanted, steps, pixels, choices, words]) => {
    const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0)).buffer;
    const { array, steps: done, offer } = prepared(await decoded(bytes), wanted, steps, pixels, choices, words);
    return { array: array && [...array], done, offer };
  }));
}"""

CASES = [
    ("RGB", (28, 31), (28, 31, 3), (), "0-1"),
    ("RGB", (57, 43), (11, 13, 3), ("crop-and-resize",), "0-255"),
    ("RGB", (57, 43), (13, 11, 3), ("resize",), "mean-std"),
    ("RGB", (9, 7), (23, 31, 3), ("resize",), "caffe"),
    ("RGB", (40, 24), (20, 12, 1), ("grey", "resize", "invert"), "-1-1"),
    ("L", (20, 16), (10, 8, 1), ("resize",), "0-1"),
    ("L", (9, 12), (9, 12, 3), ("rgb",), "caffe"),
    ("RGB", (40, 24), (17, 13, 1), (), "0-1"),
    ("RGBA", (12, 10), (12, 10, 3), (), "0-1"),
]


def drawn(mode: str, size: tuple[int, int]) -> bytes:
    rng = np.random.default_rng(sum(size))
    bands = len(mode)
    pixels = rng.integers(0, 256, (*size, bands)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if bands == 1 else pixels, mode).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("last", [True, False])
def test_the_page_makes_pictures_ready_as_python_does(page: Page, last: bool) -> None:
    choices = {name: f"{scale.step}: {scale.words}" for name, scale in SCALES.items()}
    given: list[Any] = []
    expected = []
    for mode, size, (rows, columns, channels), steps, pixels in CASES:
        content = drawn(mode, size)
        shape = (rows, columns, channels) if last else (channels, rows, columns)
        expected.append(prepare(content, shape, last, steps, pixels=pixels))
        wanted = {"rows": rows, "columns": columns, "channels": channels, "first": not last}
        picture = base64.b64encode(content).decode()
        given.append([picture, wanted, list(steps), pixels, choices, WORDS])
    source = joined("entry.js", lambda name: ENTRY if name == "entry.js" else web(name))
    page.goto("about:blank")
    for one, found in zip(expected, page.evaluate(ASK, [source, given]), strict=True):
        if "offer" in one:
            assert found["offer"] == one["offer"]
            continue
        np.testing.assert_allclose(found["array"], one["array"].ravel(), rtol=2e-6, atol=2e-6)
        for theirs, ours in zip(found["done"], one["steps"], strict=True):
            assert [theirs["step"], theirs["words"]] == [ours["step"], ours["words"]]
            assert [theirs["before"], theirs["after"]] == [ours["before"], ours["after"]]
            np.testing.assert_allclose(theirs["range"], ours["range"], rtol=1e-6)

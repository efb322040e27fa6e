"""A scene as PDF, by ReportLab: one page of the figure's size, its letters embedded.

The letters are Bitstream Vera Sans, which comes with ReportLab: journals refuse files whose fonts are not in them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from importlib import import_module
from itertools import groupby

from convscope.errors import UnsupportedError
from convscope.figures.scene import Group, Part, Pixels, Scene, Shape, Text
from convscope.typed import TYPE_CHECKING
from convscope.views.characters import printable

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path
    from typing import Any

INSTALL = "pip install 'convscope[figures]'"
_FONTS = {False: ("Vera", "Vera.ttf"), True: ("VeraBd", "VeraBd.ttf")}
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
_LOWERED = str.maketrans(_RAISED, "0123456789+−n")
_LARGER = 512
"""Pictures with fewer pixels a side are written with each pixel several times, since viewers smooth them."""


def loaded(module: str, what: str) -> Any:
    """Return a module of the extra `figures`; raises `UnsupportedError` saying what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UnsupportedError(f"{what}: {INSTALL} ({error}); SVG and TikZ need nothing") from error


def write(scene: Scene, path: Path | BytesIO, dpi: int = 300) -> None:
    """Write a scene as a PDF file of one page; raises `UnsupportedError` without ReportLab."""
    canvas = loaded("reportlab.pdfgen.canvas", "figures in PDF need ReportLab")
    metrics = loaded("reportlab.pdfbase.pdfmetrics", "figures in PDF need ReportLab")
    fonts = loaded("reportlab.pdfbase.ttfonts", "figures in PDF need ReportLab")
    for name, file in _FONTS.values():
        if name not in metrics.getRegisteredFontNames():
            metrics.registerFont(fonts.TTFont(name, file))
    page = canvas.Canvas(
        str(path) if not hasattr(path, "write") else path,
        pagesize=(scene.width, scene.height),
        invariant=True,
        initialFontName="Vera",
    )
    page.setTitle(printable(scene.title))
    page.setCreator("convscope")
    page.setLineJoin(1)
    known = metrics.getFont("Vera").face.charToGlyph
    pen = _Pen(page, scene.height, known)
    if scene.ground is not None:
        page.setFillColor(scene.ground)
        page.rect(0, 0, scene.width, scene.height, stroke=0, fill=1)
    pen.draw(scene.parts)
    page.showPage()
    page.save()


class _Pen:
    """Draws parts on a page, whose y grows upwards."""

    def __init__(self, page: Any, height: float, known: Any) -> None:
        self.page, self.height, self.known = page, height, known

    def draw(self, parts: Sequence[Part]) -> None:
        for part in parts:
            if isinstance(part, Group):
                self.draw(part.parts)
            elif isinstance(part, Text):
                self._words(part)
            elif isinstance(part, Pixels):
                self._picture(part)
            else:
                self._shape(part)

    def _words(self, text: Text) -> None:
        """Write words; superscripts are raised, since the font has few of them."""
        name = _FONTS[text.bold][0]
        runs = [
            (self._legible("".join(run)), raised)
            for raised, run in groupby(printable(text.text), lambda sign: _RAISED.find(sign) >= 0)
        ]
        runs = [(words.translate(_LOWERED) if up else words, up) for words, up in runs]
        sizes = [text.size * (0.66 if up else 1.0) for _, up in runs]
        widths = [self.page.stringWidth(w, name, s) for (w, _), s in zip(runs, sizes, strict=True)]
        x = text.x - sum(widths) * {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor]
        self.page.setFillColor(text.colour)
        for (words, up), size, width in zip(runs, sizes, widths, strict=True):
            self.page.setFont(name, size)
            self.page.drawString(x, self.height - text.y + (0.34 * text.size if up else 0.0), words)
            x += width

    def _legible(self, text: str) -> str:
        """Return text with signs that the font does not have spelled out."""
        found = []
        for sign in text.replace("Σ", "∑"):
            plain = unicodedata.normalize("NFKC", sign)
            if ord(sign) in self.known or sign in _RAISED:
                found.append(sign)
            elif all(ord(c) in self.known for c in plain):
                found.append(plain)
            else:
                found.append(f"U+{ord(sign):04X}")
        return "".join(found)

    def _shape(self, shape: Shape) -> None:
        page, paint = self.page, shape.paint
        path = page.beginPath()
        points = [(x, self.height - y) for x, y in shape.points]
        path.moveTo(*points[0])
        if shape.curved:
            for n in range(1, len(points), 3):
                path.curveTo(*points[n], *points[n + 1], *points[n + 2])
        else:
            for point in points[1:]:
                path.lineTo(*point)
        if shape.closed:
            path.close()
        if paint.fill is not None:
            page.setFillColor(paint.fill)
        if paint.stroke is not None:
            page.setStrokeColor(paint.stroke)
            page.setLineWidth(paint.width)
            page.setDash(list(paint.dash) if paint.dash else [])
        if paint.opacity != 1:
            page.setFillAlpha(paint.opacity)
            page.setStrokeAlpha(paint.opacity)
        page.drawPath(path, stroke=int(paint.stroke is not None), fill=int(paint.fill is not None))
        if paint.opacity != 1:
            page.setFillAlpha(1)
            page.setStrokeAlpha(1)

    def _picture(self, pixels: Pixels) -> None:
        from PIL import Image

        reader = loaded("reportlab.lib.utils", "figures in PDF need ReportLab").ImageReader
        rows, columns = pixels.rgb.shape[:2]
        times = max(1, _LARGER // max(rows, columns))
        image = Image.fromarray(pixels.rgb).resize(
            (columns * times, rows * times), Image.Resampling.NEAREST
        )
        (x, y), (ax, ay), (dx, dy) = pixels.corner, pixels.across, pixels.down
        self.page.saveState()
        # the unit square's upper left corner is the picture's
        self.page.transform(ax, -ay, -dx, dy, x + dx, self.height - y - dy)
        self.page.drawImage(reader(image), 0, 0, 1, 1)
        self.page.restoreState()

"""A scene as SVG: text stays text, one element a line, ids that say what is what."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from io import BytesIO

from convscope.figures.lettering import FAMILY
from convscope.figures.scene import Group, Paint, Part, Pixels, Scene, Shape, Text
from convscope.typed import TYPE_CHECKING
from convscope.views.characters import printable

if TYPE_CHECKING:
    from pathlib import Path


def write(scene: Scene, path: Path, dpi: int = 300) -> None:
    """Write a scene as an SVG file."""
    path.write_text(svg(scene), encoding="utf-8")


def svg(scene: Scene) -> str:
    """Return a scene as the text of an SVG file."""
    w, h = number(scene.width), number(scene.height)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}pt" height="{h}pt" viewBox="0 0 {w} {h}"',
        f' role="img" font-family="{FAMILY}" stroke-linejoin="round"',
        ' text-rendering="geometricPrecision">',
        f"<title>{_text(scene.title)}</title>",
    ]
    if scene.ground is not None:
        lines.append(f'<rect width="{w}" height="{h}" fill="{scene.ground}"/>')
    lines += _elements(scene.parts)
    return "\n".join([*lines, "</svg>", ""])


def _elements(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Group):
            yield f'<g id="{part.id}">'
            yield f"<title>{_text(part.title)}</title>"
            yield from _elements(part.parts)
            yield "</g>"
        elif isinstance(part, Text):
            yield _words(part)
        elif isinstance(part, Pixels):
            yield _picture(part)
        else:
            yield _shape(part)


def _shape(shape: Shape) -> str:
    points = [f"{number(x)} {number(y)}" for x, y in shape.points]
    if shape.curved:
        bends = [" ".join(points[n : n + 3]) for n in range(1, len(points), 3)]
        d = f"M{points[0]}C{' '.join(bends)}"
    else:
        d = f"M{points[0]}L{' '.join(points[1:])}"
    return f'<path d="{d}{"Z" if shape.closed else ""}"{_paint(shape.paint)}/>'


def _paint(paint: Paint) -> str:
    found = f' fill="{paint.fill or "none"}"'
    if paint.stroke is not None:
        found += f' stroke="{paint.stroke}" stroke-width="{number(paint.width)}"'
        if paint.dash:
            found += f' stroke-dasharray="{" ".join(map(number, paint.dash))}"'
    if paint.opacity != 1:
        found += f' opacity="{number(paint.opacity)}"'
    return found


def _words(text: Text) -> str:
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    weight = ' font-weight="bold"' if text.bold else ""
    return (
        f'<text x="{number(text.x)}" y="{number(text.y)}" font-size="{number(text.size)}" fill="{text.colour}"'
        f"{anchor}{weight}>{_text(text.text)}</text>"
    )


def _picture(pixels: Pixels) -> str:
    from PIL import Image

    rows, columns = pixels.rgb.shape[:2]
    held = BytesIO()
    Image.fromarray(pixels.rgb).save(held, format="PNG")
    (ax, ay), (dx, dy), (x, y) = pixels.across, pixels.down, pixels.corner
    matrix = " ".join(map(_exact, (ax / columns, ay / columns, dx / rows, dy / rows, x, y)))
    data = base64.b64encode(held.getvalue()).decode("ascii")
    return (
        f'<image width="{columns}" height="{rows}" transform="matrix({matrix})" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
    )


def number(value: float) -> str:
    """Return a length with two decimals at most: 3.5, 12, −0.25 as "-0.25"."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _exact(value: float) -> str:
    return f"{value:.5f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return escape(printable(text), quote=False)

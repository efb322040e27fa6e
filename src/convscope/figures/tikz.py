"""A scene as TikZ: a .tex file that compiles by itself, and goes into a document by \\input as it is.

Lengths are TeX's bp, which are the scene's points. Letters are the document's own, in its sans serif.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from convscope.figures.scene import Group, Paint, Part, Pixels, Scene, Shape, Text, walk
from convscope.figures.svg import number
from convscope.typed import TYPE_CHECKING, Array
from convscope.views.characters import printable
from convscope.views.latex_text import escape

if TYPE_CHECKING:
    from pathlib import Path

MOST_PIXELS, MOST_COLOURS = 48, 32
"""A picture is squares of at most so many rows and columns, in so many colours: TeX draws each by itself."""

_ALONE = r"""\makeatletter
\ifx\documentclass\@twoclasseserror
  \makeatother\def\csfigureend{}%
\else
  \makeatother
  \documentclass{article}
  \usepackage{tikz}
  \pagestyle{empty}\parindent=0pt
  \hoffset=-1in \voffset=-1in \oddsidemargin=0pt \topmargin=0pt \headheight=0pt \headsep=0pt \footskip=0pt
  \csname pdfhorigin\endcsname=0pt \csname pdfvorigin\endcsname=0pt \hoffset=0pt \voffset=0pt
  \paperwidth=WIDTHbp \paperheight=HEIGHTbp
  \csname pdfpagewidth\endcsname=\paperwidth \csname pdfpageheight\endcsname=\paperheight
  \textwidth=\paperwidth \textheight=\paperheight \topskip=0pt \maxdepth=0pt \parskip=0pt
  \hbadness=10000 \hfuzz=2pt \vfuzz=2pt
  \begin{document}\def\csfigureend{\end{document}}%
\fi
"""


def write(scene: Scene, path: Path, dpi: int = 300) -> None:
    """Write a scene as a .tex file."""
    path.write_text(tikz(scene), encoding="utf-8")


def tikz(scene: Scene) -> str:
    """Return a scene as TikZ: alone it compiles, in a document that loads tikz it is \\input."""
    w, h = number(scene.width), number(scene.height)
    colours = _Colours(scene)
    lines = [
        f"% {printable(scene.title)}",
        r"% By itself: pdflatex FILE.tex. In a document: \usepackage{tikz} … \input{FILE}",
        _ALONE.replace("WIDTH", w).replace("HEIGHT", h) + r"{%",
        *(rf"\definecolor{{{name}}}{{HTML}}{{{value}}}%" for value, name in colours.names.items()),
        r"\def\csat#1{\fontsize{#1bp}{#1bp}\selectfont}%",
        r"\begin{tikzpicture}[x=1bp,y=-1bp,line join=round,baseline=0]",
        rf"\useasboundingbox (0,0) rectangle ({w},{h});",
    ]
    if scene.ground is not None:
        lines.append(rf"\fill[{colours.of(scene.ground)}] (0,0) rectangle ({w},{h});")
    lines += _commands(scene.parts, colours)
    return "\n".join([*lines, r"\end{tikzpicture}}%", r"\csfigureend", ""])


class _Colours:
    """Names for the colours of a scene, in the order in which they are met."""

    def __init__(self, scene: Scene) -> None:
        self.names: dict[str, str] = {}
        found = [scene.ground]
        for part in walk(scene.parts):
            if isinstance(part, Text):
                found.append(part.colour)
            elif isinstance(part, Shape):
                found += [part.paint.fill, part.paint.stroke]
        for colour in found:
            if colour is not None:
                self.of(colour)

    def of(self, colour: str) -> str:
        value = colour[1:].upper()
        return self.names.setdefault(value, f"cs{value}")


def _commands(parts: Sequence[Part], colours: _Colours) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Group):
            yield f"% {part.id}"
            yield from _commands(part.parts, colours)
        elif isinstance(part, Text):
            side = {"start": "west", "middle": "", "end": "east"}[part.anchor]
            weight = r"\bfseries" if part.bold else ""
            yield (
                rf"\node[anchor=base{' ' + side if side else ''},inner sep=0,outer sep=0,"
                rf"text={colours.of(part.colour)}] at ({number(part.x)},{number(part.y)}) "
                rf"{{\csat{{{number(part.size)}}}\sffamily{weight} {_words(part.text)}}};"
            )
        elif isinstance(part, Pixels):
            yield from _squares(part)
        else:
            yield _shape(part, colours)


def _words(text: str) -> str:
    return escape(text).replace("\n", " ")


def _shape(shape: Shape, colours: _Colours) -> str:
    points = [f"({number(x)},{number(y)})" for x, y in shape.points]
    if shape.curved:
        path = points[0] + "".join(
            f" .. controls {points[n]} and {points[n + 1]} .. {points[n + 2]}"
            for n in range(1, len(points), 3)
        )
    else:
        path = " -- ".join(points)
    return rf"\path[{_paint(shape.paint, colours)}] {path}{' -- cycle' if shape.closed else ''};"


def _paint(paint: Paint, colours: _Colours) -> str:
    found = []
    if paint.fill is not None:
        found.append(f"fill={colours.of(paint.fill)}")
    if paint.stroke is not None:
        found += [f"draw={colours.of(paint.stroke)}", f"line width={number(paint.width)}bp"]
        if paint.dash:
            on_off = " ".join(
                f"{'off' if n % 2 else 'on'} {number(d)}bp" for n, d in enumerate(paint.dash)
            )
            found.append(f"dash pattern={on_off}")
    if paint.opacity != 1:
        found.append(f"opacity={number(paint.opacity)}")
    return ",".join(found)


def _squares(pixels: Pixels) -> Iterator[str]:
    """Yield a picture as squares of few colours, neighbours of one colour in a row together."""
    rgb = _fewer(pixels.rgb)
    rows, columns = rgb.shape[:2]
    (ax, ay), (dx, dy), (x, y) = pixels.across, pixels.down, pixels.corner
    matrix = ",".join(f"{v:.5f}" for v in (ax / columns, -ay / columns, -dx / rows, dy / rows))
    yield rf"\begin{{scope}}[shift={{({number(x)},{number(y)})}},cm={{{matrix},(0,0)}}]"
    runs: dict[str, list[str]] = {}
    for row, line in enumerate(rgb.tolist()):
        column = 0
        for colour, run in groupby(line):
            many = len(list(run))
            square = f"({column},{row}) rectangle +({many + 0.04},1.04)"
            runs.setdefault("".join(f"{c:02X}" for c in colour), []).append(square)
            column += many
    for colour, squares in runs.items():
        yield rf"\definecolor{{cspx}}{{HTML}}{{{colour}}}"
        for start in range(0, len(squares), 40):
            yield rf"\fill[cspx] {' '.join(squares[start : start + 40])};"
    yield r"\end{scope}"


def _fewer(rgb: Array) -> Array:
    """Return a picture with fewer rows, columns and colours, where it has more than TeX should draw."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(rgb)
    rows, columns = rgb.shape[:2]
    share = MOST_PIXELS / max(rows, columns)
    if share < 1:
        image = image.resize(
            (max(round(columns * share), 1), max(round(rows * share), 1)), Image.Resampling.BOX
        )
    return np.asarray(image.quantize(MOST_COLOURS).convert("RGB"))

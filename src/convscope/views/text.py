"""Documents as text for a terminal, in colour or plain."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.parts import (
    Bullets,
    Code,
    Document,
    Formula,
    Heading,
    Paragraph,
    Part,
    Side,
    Table,
)
from convscope.views.ansi import Pen
from convscope.views.characters import printable
from convscope.views.text_table import MeasuredColumn, table_lines
from convscope.views.wrapping import wrap_formula

NARROWEST = 20
_WIDEST_TEXT = 100
"""Sentences are not made longer than people like to read them, however wide the terminal is."""

_INDENT = "    "


def render(
    document: Document, width: int = 80, color: bool = False, columns: Sequence[MeasuredColumn] = ()
) -> str:
    """Return a document as text for a terminal of this width, ending with a newline.

    columns   those of its only table, where somebody has measured them already
    """
    pen = Pen(color)
    width = max(width, NARROWEST)
    blocks: list[str] = []
    for part in document.parts:
        lines = part_lines(part, width, pen, columns)
        if blocks and not (isinstance(part, Bullets) and blocks[-1].endswith(":")):
            blocks.append("")
        blocks += lines
    return "\n".join([*blocks, ""])


def part_lines(
    part: Part, width: int, pen: Pen, columns: Sequence[MeasuredColumn] = ()
) -> list[str]:
    """Return the lines of one part."""
    reading = min(width, _WIDEST_TEXT)
    match part:
        case Heading(text, level):
            pieces = pen.lines(text, width, style="strong")
            lines = [piece.text for piece in pieces]
            if level <= 2:
                line = "═" if level == 1 else "─"
                lines.append(pen.paint(line * max(piece.size for piece in pieces), "dim"))
            return lines
        case Paragraph(words):
            return [piece.text for piece in pen.lines(words, reading)]
        case Bullets(items):
            lines = []
            for item in items:
                wrapped = pen.lines(item, reading - 2)
                lines += [("  " if n else "• ") + piece.text for n, piece in enumerate(wrapped)]
            return lines
        case Formula(text, _):
            cut: list[str] = []
            for line in printable(text, keep="\n").split("\n"):
                cut += wrap_formula(line, width - len(_INDENT))
            return [(_INDENT + line).rstrip() for line in cut]
        case Table():
            return table_lines(part, width, pen, columns)
        case Side():
            from convscope.views.text_grid import side_lines

            return side_lines(part, width, pen)
        case Code(text, _):
            code = printable(text.expandtabs(4), keep="\n").strip("\n").split("\n")
            return [(_INDENT + line).rstrip() for line in code]
    raise TypeError(f"a document is made of parts, not of {type(part).__name__}")

"""Words as styled lines for a terminal: wrapped by what they show, coloured afterwards.

And what is known about the terminal: how wide it is, and whether it wants colour.
"""

from __future__ import annotations

import os
import sys

from convscope.parts import NO_BREAK, Span, Words, spans
from convscope.typed import TYPE_CHECKING, Record
from convscope.views.characters import cells, marked
from convscope.views.wrapping import wrap

if TYPE_CHECKING:
    from typing import TextIO

_CODES = {"code": "36", "strong": "1", "good": "32", "bad": "31", "dim": "2"}


class Painted(Record):
    """A line as it is written, and how many cells of the screen it takes."""

    text: str
    size: int


class Pen:
    """Writes styled words, with colour or without."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def paint(self, text: str, style: str) -> str:
        """Return the text in its style; no-break spaces have done their duty and become spaces."""
        text = text.replace(NO_BREAK, " ")
        code = _CODES.get(style)
        return f"\033[{code}m{text}\033[0m" if self.color and code and text else text

    def line(self, words: Words, style: str = "") -> Painted:
        """Return words in one line."""
        shown = _shown(words)
        text = "".join(self.paint(s.text, s.style or style) for s in shown)
        return Painted(text, sum(cells(s.text) for s in shown))

    def lines(self, words: Words, width: int, hanging: int = 0, style: str = "") -> list[Painted]:
        """Return words wrapped to a width; lines after the first start `hanging` cells in."""
        shown = _shown(words)
        whole = "".join([s.text for s in shown])
        size = cells(whole)
        if size <= width:
            return [Painted("".join([self.paint(s.text, s.style or style) for s in shown]), size)]
        result: list[Painted] = []
        for start, end in wrap(whole, width, hanging):
            indent = hanging if result else 0
            text, position = " " * indent, 0
            for span in shown:
                if position < end and position + len(span.text) > start:
                    part = span.text[max(start - position, 0) : end - position]
                    text += self.paint(part, span.style or style)
                position += len(span.text)
            result.append(Painted(text, indent + cells(whole[start:end])))
        return result


def _shown(words: Words) -> list[Span]:
    return [Span(marked(span.text, span.style), span.style) for span in spans(words)]


def pad(piece: Painted, width: int, align: str = "left") -> str:
    """Return a line filled up with spaces to a width."""
    space = " " * (width - piece.size)
    return space + piece.text if align == "right" else piece.text + space


# -- the terminal ---------------------------------------------------------------------------------

FALLBACK_WIDTH = 100
"""When there is no terminal (a pipe, a file): wide enough for most tables to stay on their lines."""


def terminal_width(fallback: int = FALLBACK_WIDTH) -> int:
    """Return the terminal's width (or COLUMNS, which overrules it), 100 where there is none."""
    return said_width() or fallback


def said_width() -> int | None:
    """Return the terminal's width, or COLUMNS, which overrules it; None where there is neither.

    As `shutil.get_terminal_size` does, without the compressors that `shutil` loads.
    """
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    try:
        out = sys.__stdout__
        return (os.get_terminal_size(out.fileno()).columns if out else 0) or None
    except (ValueError, OSError):  # a closed stdout, or no terminal
        return None


def wants_color(stream: TextIO | None) -> bool:
    """Return whether to write in colour: NO_COLOR says no, FORCE_COLOR yes, else a terminal's yes."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if stream is None or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # not a stream that knows, or one that is closed
        return False


def terminal(stream: TextIO | None) -> tuple[int | None, bool]:
    """Return how wide to write to a stream (None where nothing says so), and whether in colour."""
    return said_width(), wants_color(stream)

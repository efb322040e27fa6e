"""Documents as Markdown: GitHub's kind, which Jupyter reads too."""

from __future__ import annotations

import re

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
    Words,
    spans,
)
from convscope.views.ansi import Painted, Pen, pad
from convscope.views.characters import cells, marked, printable
from convscope.views.text_grid import side_lines

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")
_BLOCK_START = re.compile(r"^(\s*)([-+]|\d+[.)]|-(?=-))(?=\s|$|-)")
_GRIDS_WIDTH = 100


def markdown(document: Document) -> str:
    """Return a document as Markdown, ending with a newline."""
    return "\n\n".join(filter(None, map(_part, document.parts))) + "\n"


def _part(part: Part) -> str:
    match part:
        case Heading(text, level):
            return f"{'#' * min(max(level, 1), 6)} {_escape(printable(text))}"
        case Paragraph(words):
            return _words(words)
        case Bullets(items):
            return "\n".join(f"- {_words(item)}" for item in items)
        case Formula(text, latex):
            return _formula(text, latex)
        case Table():
            return _table(part)
        case Side():
            return _fence("\n".join(side_lines(part, _GRIDS_WIDTH, Pen(color=False))), "text")
        case Code(text, language):
            return _fence(printable(text.expandtabs(4), keep="\n").strip("\n"), language)
    raise TypeError(f"a document is made of parts, not of {type(part).__name__}")


def _escape(text: str) -> str:
    """Return visible text with everything that means something to Markdown or HTML taken literally."""
    text = _SPECIAL.sub(r"\\\1", text)
    return _BLOCK_START.sub(_literal_start, text)


def _literal_start(match: re.Match[str]) -> str:
    space, mark = match.groups()
    return f"{space}{mark[:-1]}\\{mark[-1]}"


def _words(words: Words, in_table: bool = False) -> str:
    shown = ""
    parts = [(marked(span.text, span.style), span.style) for span in spans(words)]
    for n, (text, style) in enumerate(parts):
        if style == "code" and text.strip():
            shown += _code_span(text, in_table)
        elif style in ("strong", "good", "bad"):
            after = parts[n + 1][0][:1] if n + 1 < len(parts) else ""
            shown += _strong(text, shown[-1:], after)
        else:
            shown += _escape(text) if not shown else _SPECIAL.sub(r"\\\1", text)
    return shown.strip()


def _strong(text: str, before: str, after: str) -> str:
    """Return text in bold, or plain between neighbours that would make Markdown miss the stars."""
    bare = text.strip(" ")
    if not bare:
        return text
    shown = _SPECIAL.sub(r"\\\1", bare)
    left = text[0] == " " or (before != "*" and (bare[0].isalnum() or not before.isalnum()))
    right = text[-1] == " " or bare[-1].isalnum() or not after.isalnum()
    if left and right:
        shown = f"**{shown}**"
    return text.replace(bare, shown, 1)


def _code_span(text: str, in_table: bool) -> str:
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    ticks = "`" * (longest + 1)
    space = " " if longest else ""
    if in_table:
        text = text.replace("|", r"\|")
    return f"{ticks}{space}{text}{space}{ticks}"


def _formula(text: str, latex: str) -> str:
    if not latex.strip() or "$" in latex:
        return _fence(printable(text, keep="\n"), "text")
    one_line = printable(" ".join(latex.split()))
    one_line = one_line.replace("<", r"\lt ").replace(">", r"\gt ")  # no tag can begin here
    return f"$$\n{one_line}\n$$"


def _fence(text: str, language: str) -> str:
    longest = max(map(len, re.findall(r"^ {0,3}(`{3,})", text, re.MULTILINE)), default=2)
    ticks = "`" * (longest + 1)
    word = re.sub(r"[^\w+-]", "", language)
    return f"{ticks}{word}\n{text}\n{ticks}"


def _table(table: Table) -> str:
    rows = [[_escape(printable(column.title)) for column in table.columns]]
    rows += [[_words(cell, in_table=True) for cell in row] for row in table.rows]
    rows += [[_footer(cell) for cell in row] for row in table.footer]
    count = len(table.columns)
    widths = [max([3, *(cells(row[n]) for row in rows if n < len(row))]) for n in range(count)]
    rules = [
        "-" * (width - 1) + ":" if column.align == "right" else "-" * width
        for column, width in zip(table.columns, widths, strict=True)
    ]
    lines = []
    for row in [rows[0], rules, *rows[1:]]:
        filled = [*row, *[""] * (count - len(row))][:count]
        aligned = [
            pad(Painted(cell, cells(cell)), width, column.align)
            for cell, width, column in zip(filled, widths, table.columns, strict=True)
        ]
        lines.append(f"| {' | '.join(aligned)} |")
    caption = _words(table.caption)
    return "\n".join(lines) + (f"\n\n*{caption}*" if caption else "")


def _footer(cell: Words) -> str:
    text = _words(cell, in_table=True)
    return f"**{text}**" if text and "**" not in text else text

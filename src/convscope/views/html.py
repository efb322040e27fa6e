"""Documents as HTML for notebooks: one fragment that brings its style and asks for nothing else."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

from convscope.parts import (
    Bullets,
    Code,
    Document,
    Formula,
    Grid,
    Heading,
    Paragraph,
    Part,
    Side,
    Table,
    Words,
    spans,
)
from convscope.views.characters import marked, printable
from convscope.views.text_grid import aligned

_TAGS = {"code": "code", "strong": "strong"}
_CLASSES = {"good": "good", "bad": "bad", "dim": "dim"}


def html(document: Document) -> str:
    """Return a document as an HTML fragment with its own style, in the light and the dark."""
    parts = "\n".join(map(_part, document.parts))
    return f'<div class="convscope">\n<style>\n{_style()}</style>\n{parts}\n</div>\n'


@cache
def _style() -> str:
    return Path(__file__).with_name("notebook.css").read_text(encoding="utf-8")


def _text(text: str) -> str:
    return escape(printable(text))


def _words(words: Words) -> str:
    shown = []
    for span in spans(words):
        text = escape(marked(span.text, span.style))
        tag, kind = _TAGS.get(span.style), _CLASSES.get(span.style)
        if tag:
            text = f"<{tag}>{text}</{tag}>"
        elif kind:
            text = f'<span class="{kind}">{text}</span>'
        shown.append(text)
    return "".join(shown)


def _part(part: Part) -> str:
    match part:
        case Heading(text, level):
            tag = f"h{min(max(level, 1) + 1, 6)}"
            return f"<{tag}>{_text(text)}</{tag}>"
        case Paragraph(words):
            return f"<p>{_words(words)}</p>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{_words(item)}</li>' for item in items)}</ul>"
        case Formula(text, _):
            return _block(text)
        case Table():
            return _table(part)
        case Side():
            return _side(part)
        case Code(text, _):
            return _block(text)
    raise TypeError(f"a document is made of parts, not of {type(part).__name__}")


def _block(text: str) -> str:
    shown = printable(text.expandtabs(4), keep="\n").strip("\n")
    return f'<pre tabindex="0">{escape(shown)}</pre>'


def _table(table: Table) -> str:
    aligns = [' class="right"' if c.align == "right" else "" for c in table.columns]

    def row(cells: tuple[Words, ...]) -> str:
        filled = [*map(_words, cells), *[""] * (len(aligns) - len(cells))]
        shown = [f"<td{side}>{c}</td>" for c, side in zip(filled, aligns, strict=False)]
        return f"<tr>{''.join(shown)}</tr>"

    titles = [
        f'<th scope="col"{side}>{_text(column.title)}</th>'
        for column, side in zip(table.columns, aligns, strict=True)
    ]
    lines = [
        '<div class="scroll" tabindex="0">',
        "<table>",
        f"<caption>{_text(table.caption)}</caption>" if table.caption else "",
        f"<thead><tr>{''.join(titles)}</tr></thead>",
        f"<tbody>{''.join(map(row, table.rows))}</tbody>",
        f"<tfoot>{''.join(map(row, table.footer))}</tfoot>" if table.footer else "",
        "</table>",
        "</div>",
    ]
    return "\n".join(filter(None, lines))


def _side(side: Side) -> str:
    shown = []
    for n, grid in enumerate(side.grids):
        shown.append(_grid(grid))
        if n < len(side.signs):
            shown.append(f'<span class="sign">{_text(side.signs[n])}</span>')
    if side.after:
        shown.append(f"<span>{_words(side.after)}</span>")
    return f'<div class="side">{"".join(shown)}</div>'


def _grid(grid: Grid) -> str:
    rows = []
    for cells in aligned(grid):
        shown = []
        for cell in cells:
            kind = ' class="muted"' if cell.muted else ""
            shown.append(f"<td{kind}>{escape(cell.text)}{' ' * cell.after}</td>")
        rows.append(f"<tr>{''.join(shown)}</tr>")
    caption = f"<figcaption>{_text(grid.title)}</figcaption>" if grid.title else ""
    return f'<figure>{caption}<table class="grid"><tbody>{"".join(rows)}</tbody></table></figure>'

"""Tables in LaTeX: as wide as a line of an article, on as many pages as they need."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from convscope.parts import NO_BREAK, Column, Span, Table, Words, spans
from convscope.typed import Record
from convscope.views.characters import marked
from convscope.views.latex_text import LINE, SIZES, points, spelled
from convscope.views.text_table import fitting

PAGE = 40
"""Tables of more rows do not fit on a page, and are longtables."""

_SPACE = 3.0
"""Points on both sides of the columns of a table that is too wide for LaTeX's own 6."""

_CELL = 2.6
"""Points of the cells in which columns are laid out: half a digit."""


class _Setting(Record):
    """How a table is set.

    size    LaTeX's name of its letters; none for its normal ones
    rooms   of each column how wide its lines are, or 0 where it is as wide as its widest cell
    loose   whether a line may be broken even where it should not be
    """

    size: str
    rooms: list[float]
    loose: bool = False


def table_lines(table: Table) -> str:
    """Return a table as a tabular, or as a longtable where it has many rows; its caption below it."""
    count = len(table.columns)
    rows = [[*row, *[""] * (count - len(row))][:count] for row in (*table.rows, *table.footer)]
    titles = [Span(column.title, "strong") for column in table.columns]
    texts = [
        [_measured(title), *(_measured(row[n]) for row in rows)] for n, title in enumerate(titles)
    ]
    setting = _setting(texts)
    long = len(table.rows) > PAGE
    kind = "longtable" if long else "tabular"
    shown = [_row(row, table.columns, setting) for row in rows]
    body, footer = shown[: len(table.rows)], shown[len(table.rows) :]
    rule = r"  \hline"
    lines = [rf"\begin{{{kind}}}{{@{{}}{_sides(table.columns, setting)}@{{}}}}", rule]
    lines += [_row(titles, table.columns, setting), rule, *([r"  \endhead"] if long else []), *body]
    lines += [rule, *footer] if footer else []
    lines += [rule, rf"\end{{{kind}}}"]
    if not long:
        lines.insert(0, r"\noindent")
    if setting.size:
        spacing = rf"\setlength{{\tabcolsep}}{{{_SPACE:g}pt}}\hyphenpenalty=10000"
        lines = [rf"{{\{setting.size}{spacing}", *lines, r"\par}"]
    if table.caption:
        lines += ["", rf"\noindent\emph{{{spelled(table.caption)}}}"]
    return "\n".join(lines)


def _sides(columns: Sequence[Column], setting: _Setting) -> str:
    return "".join(
        rf"p{{{room / LINE:.3f}\linewidth}}" if room else "r" if column.align == "right" else "l"
        for column, room in zip(columns, setting.rooms, strict=True)
    )


def _row(cells: Sequence[Words], columns: Sequence[Column], setting: _Setting) -> str:
    shown = []
    for cell, column, room in zip(cells, columns, setting.rooms, strict=True):
        text = spelled(cell, room or LINE)
        if setting.loose:
            text = text.replace("~", " ")
        if room and text:
            text = rf"\ragged{'left' if column.align == 'right' else 'right'} {text}"
        shown.append(text)
    end = r" \tabularnewline" if any(setting.rooms) else r" \\"
    # {} in front: a row that begins with [ is not taken for an argument of the \\ before it
    return "  {}" + " & ".join(shown) + end


def _measured(words: Words) -> str:
    """Return a cell's text as it is measured: words in bold are longer by what they are wider."""
    text = ""
    for span in spans(words):
        shown = marked(span.text, span.style)
        if span.style in ("strong", "good", "bad"):
            shown = re.sub(r"\S+", lambda m: m[0] + "x" * (len(m[0]) // 6 + 1), shown)
        text += shown
    return text


def _setting(texts: Sequence[Sequence[str]]) -> _Setting:
    """Return how a table with these columns is set so that it fits into a line."""
    whole = [0.0] * len(texts)
    natural = sum(max(map(points, column)) for column in texts)
    if natural + 12 * (len(texts) - 1) <= LINE:
        return _Setting("", whole)
    room = LINE - 2 * _SPACE * (len(texts) - 1)
    for size, part in SIZES[1:3]:
        if natural * part <= room:
            return _Setting(size, whole)
    found = _Setting("", whole)
    for size, part in SIZES[2:]:
        for loose in (False, True):
            found, fits = _broken(texts, size, room, part, loose)
            if fits:
                return found
    return found


def _broken(
    texts: Sequence[Sequence[str]], size: str, room: float, part: float, loose: bool
) -> tuple[_Setting, bool]:
    """Return a table whose cells are broken into lines, as at the terminal; and whether it fits."""
    shown = [[text.replace(NO_BREAK, " ") if loose else text for text in c] for c in texts]
    cells = [[re.sub(rf"[^ {NO_BREAK}]", _in_cells, text) for text in column] for column in shown]
    natural = [max(map(len, column)) + 1 for column in cells]
    most = int(room / (_CELL * part))
    widths = fitting([Counter(column) for column in cells], natural, most)
    rooms = [w * _CELL * part if w < n else 0.0 for w, n in zip(widths, natural, strict=True)]
    return _Setting(size, rooms, loose), sum(widths) <= most


def _in_cells(letter: re.Match[str]) -> str:
    return (letter[0] if letter[0].isascii() else "x") * max(round(points(letter[0]) / _CELL), 1)

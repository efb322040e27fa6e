"""One number as a figure: window × slice = products for the maps that weigh most, what all maps add up to, the bias,
the activation, and the engine's word.

It is the ledger's own document (`explain/trace.py`), set as a figure: what is shown adds up as it does there.
"""

from __future__ import annotations

from math import isfinite, isnan

from convscope.figures.lettering import broken, shortened, wide
from convscope.figures.scene import Group, Paint, Part, Scene, Text, line, rectangle
from convscope.figures.styles import Style, light, mixed
from convscope.parts import (
    Document,
    Formula,
    Grid,
    Heading,
    Paragraph,
    Side,
    Table,
    Words,
    flat,
    spans,
)
from convscope.views.characters import marked, printable

MARGIN = 8.0
_SMALLEST = 4.6
"""Numbers are no smaller than this, in points: where they would be, grids stand below one another."""
NEGATIVE, ZERO, POSITIVE = "#0550AE", "#F6F6F6", "#C44E00"


def number(document: Document, style: Style, width: float, title: str) -> Scene:
    """Return a ledger's document as a figure."""
    setter = _Setter(style, width)
    for part in document.parts:
        match part:
            case Heading():
                setter.words(part.text, style.size * 1.15, style.ink, bold=True)
            case Formula():
                setter.words(part.text, style.size, style.ink)
            case Paragraph():
                setter.paragraph(part.words)
            case Side():
                setter.side(part)
            case Table():
                setter.table(part)
            case _:
                continue
        setter.y += 0.5 * style.size
    return Scene(width, setter.y + MARGIN, title, tuple(setter.parts), style.ground)


class _Setter:
    """Sets parts below one another."""

    def __init__(self, style: Style, width: float) -> None:
        self.style, self.width, self.y = style, width, MARGIN
        self.parts: list[Part] = []
        self.sides = 0

    def words(self, text: str, size: float, colour: str, bold: bool = False) -> None:
        """Set words in lines."""
        for piece in broken(printable(text), self.width - 2 * MARGIN, size, bold):
            self.y += size * 1.3
            self.parts.append(Text(MARGIN, self.y - size * 0.3, piece, size, colour, "start", bold))

    def paragraph(self, words: Words) -> None:
        """Set a paragraph; what is said to be right or wrong has a sign before it."""
        text = "".join(
            marked(span.text, span.style).replace("✓", "").replace("✗", "").strip("\u00a0")
            for span in spans(words)
        )
        bad = any(span.style == "bad" for span in spans(words))
        self.words(text, self.style.size, self.style.accent if bad else self.style.ink)

    def side(self, side: Side) -> None:
        """Set grids beside one another with their signs, or below one another where there is no room."""
        style, room = self.style, self.width - 2 * MARGIN
        small = round(style.size * 0.88, 2)
        longest = max(len(cell) for grid in side.grids for row in grid.cells for cell in row)
        counts = [max(map(len, grid.cells)) for grid in side.grids]
        unit = wide("0" * longest, 1.0) + 0.9
        size = min(room / (sum(counts) * unit + len(side.signs) * 2.2), style.size * 0.95)
        stacked = size < _SMALLEST
        if stacked:
            size = min(max(room / (max(counts) * unit + 2.2), 2.5), style.size * 0.95)
        titles = [printable(grid.title) for grid in side.grids]
        across = [count * unit * size for count in counts]
        full = [max(a, wide(t, small) + 3) for a, t in zip(across, titles, strict=True)]
        if not stacked and sum(full) + 2.2 * size * len(side.signs) <= room:
            across = full
        x, top = MARGIN, self.y
        lowest = top
        made: list[Part] = []
        for n, grid in enumerate(side.grids):
            first = top + small * 1.4
            if n:
                middle = first + len(grid.cells) * size * 0.85 + size * 0.4
                sign = side.signs[n - 1]
                made.append(Text(x + 1.1 * size, middle, sign, size * 1.3, style.ink, "middle"))
                x += 2.2 * size
            title = shortened(
                titles[n], room - 2.2 * size if stacked else max(across[n], 40), small
            )
            made.append(Text(x, top + small, title, small, style.dim))
            made += self._cells(grid, x, first, unit * size, size)
            lowest = max(lowest, first + len(grid.cells) * size * 1.7)
            x += across[n]
            if stacked:
                x, top = MARGIN, lowest + 2
        after = flat(side.after)
        behind = x + 8 + wide(after, style.size, True) < self.width - MARGIN
        if behind and not stacked:
            at = (x + 8, (top + small * 1.4 + lowest) / 2 + style.size * 0.35)
            self.y = lowest + 2
        else:
            self.y = lowest + 2 + style.size * 1.2
            at = (MARGIN, self.y - style.size * 0.3)
        made.append(Text(*at, after, style.size, style.ink, "start", True))
        self.sides += 1
        self.parts.append(Group(f"map-{self.sides}", titles[0], tuple(made)))

    def _cells(self, grid: Grid, x: float, y: float, cell: float, size: float) -> list[Part]:
        values = [[_value(text) for text in row] for row in grid.cells]
        most = max(
            (abs(v) for row in values for v in row if isfinite(v)),
            default=0.0,
        )
        found: list[Part] = []
        for r, row in enumerate(grid.cells):
            for c, text in enumerate(row):
                muted = bool(grid.muted and grid.muted[r][c])
                value = values[r][c]
                share = min(abs(value) / most, 1.0) if most and not isnan(value) else 0.0
                fill = mixed(ZERO, NEGATIVE if value < 0 else POSITIVE, share)
                colour = "#000000" if light(fill) else "#FFFFFF"
                left, top = x + c * cell, y + r * size * 1.7
                edge = Paint(
                    fill, mixed(self.style.dim, fill, 0.4), 0.3, (1.2, 0.8) if muted else ()
                )
                found.append(rectangle(left, top, cell, size * 1.7, edge))
                shown = f"[{text}]" if muted else text
                at = (left + cell / 2, top + size * 1.2)
                smaller = min(size, size * (cell - 1) / max(wide(shown, size), 1e-6))
                found.append(Text(*at, shown, round(smaller, 2), colour, "middle"))
        return found

    def table(self, table: Table) -> None:
        """Set a table, columns as wide as what stands in them, rules above and below its footer."""
        style = self.style
        size = round(style.size * 0.95, 2)
        rows = [[c.title for c in table.columns], *[[flat(w) for w in row] for row in table.rows]]
        rows += [[flat(w) for w in row] for row in table.footer]
        count = len(table.columns)
        widths = [max(wide(printable(row[n]), size, True) for row in rows) for n in range(count)]
        room = self.width - 2 * MARGIN - 10.0 * (count - 1)
        if sum(widths) > room:
            size = round(size * room / sum(widths), 2)
            widths = [w * room / sum(widths) for w in widths]
        made: list[Part] = []
        total = sum(widths) + 10.0 * (count - 1)
        for number_, row in enumerate(rows):
            head, foot = number_ == 0, number_ >= 1 + len(table.rows)
            if number_ == 1 or number_ == 1 + len(table.rows):
                self.y += 1.5
                made.append(
                    line(((MARGIN, self.y), (MARGIN + total, self.y)), style.dim, style.thin)
                )
                self.y += 1.0
            self.y += size * 1.35
            x = MARGIN
            for n, text in enumerate(row):
                right = table.columns[n].align == "right"
                at = x + widths[n] if right else x
                colour = style.dim if head else style.ink
                if text:
                    made.append(
                        Text(
                            at,
                            self.y - size * 0.35,
                            printable(text),
                            size,
                            colour,
                            "end" if right else "start",
                            foot,
                        )
                    )
                x += widths[n] + 10.0
        self.parts.append(Group("sum", "What all maps add up to", tuple(made)))
        if table.caption:
            self.words(table.caption, round(style.size * 0.88, 2), style.dim)


def _value(text: str) -> float:
    """Return the number that a cell shows; 0 where it shows none."""
    plain = text.strip("[]").replace("−", "-").replace("∞", "inf").replace("NaN", "nan")
    try:
        return float(plain)
    except ValueError:
        return 0.0

"""A summary as Keras 3 prints it, character for character: the table drawn with box characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from convscope.parts import Figure, Sizes, Summary, SummaryTotals, figure
from convscope.views.ansi import terminal_width
from convscope.views.characters import cells, printable
from convscope.views.figures import count, extent, scaled, size
from convscope.views.keras_order import keras_lines

_WORD = re.compile(r"\s*\S+\s*")
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def keras_text(summary: Summary, line_length: int | None = None) -> str:
    """Return what Keras 3's `model.summary()` prints where there are no colours.

    Without a `line_length` it is Keras's: 88, or 108 for a graph, but four less than the terminal.
    """
    lines, chain = keras_lines(summary)
    longest = 88 if chain else 108
    length = line_length or min(longest, terminal_width(80) - 4)
    ends = (0.45, 0.80, 1.0) if chain else (0.3, 0.56, 0.74, 1.0)
    titles = ("Layer (type)", "Output Shape", "Param #", "Connected to")[: len(ends)]
    widths = _widths([int(end * length) for end in ends], length)
    rows = []
    for line in lines:
        params = "0 (unbuilt)" if line.params is None else count(line.params)
        row = [line.label, _shape(line.shapes[-1]), params, ", ".join(line.connections) or "-"]
        rows.append([_wrap(cell, width) for cell, width in zip(row, widths, strict=False)])
    heading = [_wrap(title, width) for title, width in zip(titles, widths, strict=True)]
    tallest = max(map(len, heading))
    heading = [[""] * (tallest - len(cell)) + cell for cell in heading]  # they stand on the rule
    return "\n".join(
        [
            f'Model: "{printable(summary.name)}"',
            *_box(heading, rows, widths),
            *_totals(summary.totals),
            *([] if summary.shown is None else [f" Shown: {extent(summary)}"]),
        ]
    )


def _shape(sizes: Sizes | None) -> str:
    if sizes is None:
        return "?"
    return f"({', '.join('None' if figure(s) is None else size(s) for s in sizes)})"


def _totals(totals: SummaryTotals) -> list[str]:
    trainable = totals.trainable_bytes
    amounts = (totals.bytes, totals.params, totals.trainable)
    if trainable is None and all(isinstance(n, int) for n in amounts):
        trainable = totals.bytes * totals.trainable // totals.params if totals.params else 0
    rest = None if trainable is None else totals.bytes - trainable
    return [
        f" Total params: {count(totals.params)}{_memory(totals.bytes)}",
        f" Trainable params: {count(totals.trainable)}{_memory(trainable)}",
        f" Non-trainable params: {count(totals.non_trainable)}{_memory(rest)}",
    ]


def _memory(value: Figure) -> str:
    if not isinstance(value, (int, float)):
        return ""  # a symbolic number of bytes, which Keras does not know
    amount, unit = scaled(value, _UNITS)
    return f" ({amount:.2f} {unit})"


# -- the table, as rich lays it out for Keras -----------------------------------------------------


def _widths(ends: Sequence[int], length: int) -> list[int]:
    """Return the widths of the columns inside their borders and margins.

    Keras asks for widths that fill the line without them; what they take is spread evenly.
    """
    asked = [end - start for start, end in zip((0, *ends), ends, strict=False)]
    over = sum(asked) + 3 * len(asked) + 1 - length
    widths = []
    for n, width in enumerate(asked):
        less = round(over / (len(asked) - n))
        over -= less
        widths.append(width - less)
    return widths


def _box(heading: list[list[str]], rows: list[list[list[str]]], widths: list[int]) -> list[str]:
    def rule(left: str, line: str, cross: str, right: str) -> str:
        return left + cross.join(line * (width + 2) for width in widths) + right

    lines = [rule("┏", "━", "┳", "┓"), *_across(heading, widths, "┃")]
    lines.append(rule("┡", "━", "╇", "┩"))
    for n, row in enumerate(rows):
        if n:
            lines.append(rule("├", "─", "┼", "┤"))
        lines += _across(row, widths, "│")
    return [*lines, rule("└", "─", "┴", "┘")]


def _across(row: list[list[str]], widths: list[int], bar: str) -> list[str]:
    lines = []
    for n in range(max(map(len, row))):
        filled = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            text = cell[n] if n < len(cell) else ""
            text = text.rstrip() if column == 2 else text
            space = " " * (width - cells(text))
            filled.append(f" {space + text if column == 2 else text + space} ")
        lines.append(bar + bar.join(filled) + bar)
    return lines


def _wrap(text: str, width: int) -> list[str]:
    """Return a cell's lines: broken at spaces, a word that is still too wide cut short with …"""
    lines: list[str] = []
    line, used = "", 0
    for word in _WORD.findall(text):
        bare = cells(word.rstrip())
        if line and bare > width - used:
            lines.append(line)
            line, used = "", 0
        line, used = line + word, used + cells(word)
    lines.append(line)
    return [_cut(line, width) for line in lines]


def _cut(text: str, width: int) -> str:
    spaces = min(len(text) - len(text.rstrip()), max(len(text) - width, 0))
    text = text[: len(text) - spaces]  # by characters, not by cells, as rich does it
    if cells(text) <= width:
        return text
    kept = ""
    for character in text:
        if cells(kept + character) > width - 1:
            break
        kept += character
    return kept + " " * (width - 1 - cells(kept)) + "…"

"""Tables at the terminal: as narrow as they must be, and never a cell cut off.

The widths are chosen so that cells break into the fewest lines; a table that cannot be made
narrow enough keeps its lines long. Ten thousand rows are laid out column by column in a few tens of
milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, repeat

from convscope.parts import NO_BREAK, Column, Span, Table, Words, spans
from convscope.typed import cached_property
from convscope.views.ansi import Pen, pad
from convscope.views.characters import cells, marked, printable
from convscope.views.wrapping import outline, widest_piece, wrap

GAP = "  "
_HANGING = 1
_SAMPLE = 120
_MOST_LINES = 6

Cell = str | tuple[Span, ...]


class MeasuredColumn:
    """A table's column: every text once, with how often it stands there.

    cells     what stands under the title, those of the footer last
    texts     what each cell says
    sizes     how wide each cell is in one line
    often     how many cells say a text, the title among them
    natural   how wide it is where it may be
    """

    def __init__(self, told: Column, given: Sequence[Words]) -> None:
        self.told = told
        self.cells: list[Cell] = [
            c if type(c) is str else (c,) if type(c) is Span else spans(c) for c in given
        ]
        self.title = marked(told.title, "")
        self.texts: dict[Cell, str] = {}
        self.sizes: dict[Cell, int] = {}
        self.often = {self.title: 1}
        for cell, number in Counter(self.cells).items():
            text = self.texts[cell] = _text(cell)
            self.sizes[cell] = len(text) if text.isascii() else cells(text)
            self.often[text] = self.often.get(text, 0) + number
        self.natural = max(cells(self.title), *self.sizes.values(), 0)

    @cached_property
    def least(self) -> int:
        """How narrow it can be without a line sticking out."""
        return max(map(widest_piece, {*map(outline, self.often)}))

    @cached_property
    def choices(self) -> Mapping[int, int]:
        """The widths worth considering, and what each costs."""
        return _choices(tuple(self.often.items()), self.natural)

    def taller(self, width: int) -> dict[Cell, int]:
        """Return the cells that take several lines where the column is so wide, and how many."""
        if width >= self.natural:
            return {}
        hanging, texts = _hanging(width, self.told.align), self.texts
        wide = [cell for cell, size in self.sizes.items() if size > width]
        return {cell: h for cell in wide if (h := len(wrap(texts[cell], width, hanging))) > 1}


def measured(table: Table) -> list[MeasuredColumn]:
    """Return the columns of a table."""
    count = len(table.columns)
    rows = [(*row[:count], *[""] * (count - len(row))) for row in (*table.rows, *table.footer)]
    columns = list(zip(*rows, strict=True)) or [()] * count
    return [MeasuredColumn(told, given) for told, given in zip(table.columns, columns, strict=True)]


def widths_of(columns: Sequence[MeasuredColumn], width: int) -> Sequence[int]:
    """Return how wide the columns of a table of this width are."""
    natural = [column.natural for column in columns]
    room = width - len(GAP) * (len(columns) - 1)
    if sum(natural) <= room:
        return natural
    fair = _fair(room, len(columns))
    choices = ({c.natural: 0} if c.natural <= fair else c.choices for c in columns)
    return _fewest(tuple([tuple(choice.items()) for choice in choices]), room)


def height(columns: Sequence[MeasuredColumn], width: int, footer: bool) -> int:
    """Return how many lines a table of this width takes, without laying it out, nor its caption.

    footer   whether the last row stands under a rule of its own
    """
    return _height_at(columns, widths_of(columns, width), footer)


def least_height(columns: Sequence[MeasuredColumn], width: int, footer: bool) -> int:
    """Return how many lines `height` gives at least: each column has what is left beside the others at their narrowest.

    That is known much sooner than which widths are best for all of them.
    """
    room = width - len(GAP) * (len(columns) - 1)
    fair = _fair(room, len(columns))
    least = [c.natural if c.natural <= fair else c.least for c in columns]
    spare = max(room - sum(least), 0)
    widths = [min(c.natural, n + spare) for c, n in zip(columns, least, strict=True)]
    return _height_at(columns, widths, footer)


def _height_at(columns: Sequence[MeasuredColumn], widths: Sequence[int], footer: bool) -> int:
    """Return how many lines a table takes whose columns are so wide."""
    heads, rows = 1, [1] * len(columns[0].cells)
    for column, size in zip(columns, widths, strict=True):
        heads = max(heads, _height(column.title, size, column.told.align))
        if taller := column.taller(size):
            rows = list(map(max, rows, map(taller.get, column.cells, repeat(1))))
    return heads + sum(rows) + (2 if footer else 1)


def natural_width(columns: Sequence[MeasuredColumn], width: int) -> int:
    """Return how wide a table is where it may have so much room."""
    return sum(widths_of(columns, width)) + len(GAP) * (len(columns) - 1)


def _height(text: str, width: int, align: str) -> int:
    return 1 if cells(text) <= width else len(wrap(text, width, _hanging(width, align)))


def table_lines(
    table: Table, width: int, pen: Pen, columns: Sequence[MeasuredColumn] = ()
) -> list[str]:
    """Return the lines of a table, the caption last.

    columns   its own, where somebody has measured them already
    """
    count = len(table.columns)
    if not count:
        return []
    columns = columns or measured(table)
    widths = widths_of(columns, width)
    titles = [column.title for column in table.columns]
    aligns = [column.align for column in table.columns]
    rule = pen.paint("─" * (sum(widths) + len(GAP) * (count - 1)), "dim")

    heads = tuple(
        _lines(title, width, align, pen, "strong")
        for title, width, align in zip(titles, widths, aligns, strict=True)
    )
    laid_out = [
        _laid_out(column, width, align, pen)
        for column, width, align in zip(columns, widths, aligns, strict=True)
    ]
    body = list(zip(*laid_out, strict=True))
    rest = len(table.rows)
    lines = [*_joined([heads], widths), rule, *_joined(body[:rest], widths)]
    if table.footer:
        lines += [rule, *_joined(body[rest:], widths)]
    if table.caption:
        lines += [piece.text for piece in pen.lines(table.caption, width, style="dim")]
    return lines


def _text(cell: Cell) -> str:
    if type(cell) is str:
        return marked(cell, "")
    return "".join(marked(span.text, span.style) for span in spans(cell))


def _laid_out(column: MeasuredColumn, width: int, align: str, pen: Pen) -> list[tuple[str, ...]]:
    """Return the lines of every cell, each laid out once however often it stands in the column."""
    known: dict[Cell, tuple[str, ...]] = {}
    for cell, size in column.sizes.items():
        if type(cell) is str and size <= width:
            shown, space = column.texts[cell].replace(NO_BREAK, " "), " " * (width - size)
            known[cell] = (space + shown if align == "right" else shown + space,)
        else:
            known[cell] = _lines(cell, width, align, pen)
    return [known[cell] for cell in column.cells]


def _lines(cell: Cell, width: int, align: str, pen: Pen, style: str = "") -> tuple[str, ...]:
    hanging = _hanging(width, align)
    if style or type(cell) is not str:
        return tuple(pad(piece, width, align) for piece in pen.lines(cell, width, hanging, style))
    # the same for plain text, of which there can be a lot
    text = printable(cell)
    shown = text.replace(NO_BREAK, " ")
    if cells(shown) <= width:
        return (_padded(shown, width, align),)
    lines = [shown[start:end] for start, end in wrap(text, width, hanging)]
    first, *more = lines
    indent = " " * hanging
    return (_padded(first, width, align), *[_padded(indent + line, width, align) for line in more])


def _hanging(width: int, align: str) -> int:
    return _HANGING if align == "left" and width > 12 else 0


def _padded(text: str, width: int, align: str) -> str:
    size = len(text) if text.isascii() else cells(text)
    space = " " * (width - size)
    return space + text if align == "right" else text + space


def _joined(rows: Sequence[tuple[tuple[str, ...], ...]], widths: Sequence[int]) -> list[str]:
    lines: list[str] = []
    blanks = [(" " * width,) for width in widths]
    if all({*map(len, column)} == {1} for column in zip(*rows, strict=True)):
        return [GAP.join([cell[0] for cell in row]).rstrip() for row in rows]
    for row in rows:
        height = max(map(len, row))
        if height == 1:
            lines.append(GAP.join([cell[0] for cell in row]).rstrip())
            continue
        filled = [
            cell + blank * (height - len(cell)) for cell, blank in zip(row, blanks, strict=True)
        ]
        lines += [GAP.join(line).rstrip() for line in zip(*filled, strict=True)]
    return lines


# -- widths ---------------------------------------------------------------------------------------


def fitting(columns: Sequence[Mapping[str, int]], natural: list[int], room: int) -> Sequence[int]:
    """Return column widths whose sum fits the room, broken into the fewest lines.

    columns   text → how many cells say it
    """
    fair = _fair(room, len(columns))
    choices = (
        {whole: 0} if whole <= fair else _choices(tuple(column.items()), whole)
        for column, whole in zip(columns, natural, strict=True)
    )
    return _fewest(tuple([tuple(choice.items()) for choice in choices]), room)


def _fair(room: int, count: int) -> int:
    """Return up to how wide a column is left as it is."""
    return min(room // count, 8)


@lru_cache(maxsize=32)
def _fewest(choices: tuple[tuple[tuple[int, int], ...], ...], room: int) -> Sequence[int]:
    """Return a width for each column whose sum fits the room, at the least cost.

    choices   for each column its widths, narrowest first, and what each costs
    """
    least = tuple([choice[0][0] for choice in choices])
    if sum(least) >= room:
        return least
    # for each room taken so far: the least cost, and the widths that have it
    best: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
    most = room - sum(least)
    for pairs, narrowest in zip(choices, least, strict=True):
        most += narrowest  # the columns behind it need the rest
        found: dict[int, tuple[int, tuple[int, ...]]] = {}
        for used, (cost, chosen) in best.items():
            for width, extra in pairs:
                total = used + width
                if total > most:
                    break
                known = found.get(total)
                if known is None or cost + extra < known[0]:
                    found[total] = (cost + extra, (*chosen, width))
        least_so_far = dict(
            zip(sorted(found), accumulate((found[n][0] for n in sorted(found)), min), strict=True)
        )
        # what takes more room than another, and costs more, is never the best
        best = {total: one for total, one in found.items() if one[0] <= least_so_far[total]}
    return min(best.values())[1] if best else least


@lru_cache(maxsize=32)
def _choices(column: tuple[tuple[str, int], ...], natural: int) -> Mapping[int, int]:
    """Return the widths worth considering, and what each costs.

    column   each text, and how many cells say it

    A cell's second line costs 1, its third 2, …: two cells of two lines are better than one of three.
    """
    amounts: dict[str, int] = {}
    for text, number in column:
        text = outline(text)
        amounts[text] = amounts.get(text, 0) + number
    least = max(map(widest_piece, amounts))
    wide = sorted((text for text in amounts if len(text) > least // 2), key=len, reverse=True)
    step = max(1, len(wide) // _SAMPLE)
    dearer = {least: 0, natural: 0}  # width → what it costs to be narrower than that
    for text in wide[::step]:
        for line, width in enumerate(_steps(text, least), 1):
            dearer[width] = dearer.get(width, 0) + line * amounts[text]
    found, cost = {}, 0
    for width in sorted(dearer, reverse=True):
        if least <= width <= natural:
            found[width] = cost
        cost += dearer[width]
    return dict(reversed(found.items()))


@lru_cache(maxsize=4096)
def _steps(text: str, least: int) -> tuple[int, ...]:
    """Return the least widths at which a text takes one line, two, three, …"""
    text = text.replace(NO_BREAK, "x").replace("×", "x")
    whole, gaps = cells(text), text.count(" ")
    each = text.isascii()  # every character takes a cell
    widths = [whole]
    while len(widths) < _MOST_LINES and widths[-1] > least:
        count = len(widths) + 1
        low, high = max(least, -(-(whole - gaps) // count)), widths[-1]  # each line is full at best
        while low < high:
            middle = (low + high) // 2
            hanging = _HANGING if middle > 12 else 0
            lines = wrap(text, middle, hanging)
            if len(lines) <= count:  # as narrow as its widest line, too
                sizes = [end - start if each else cells(text[start:end]) for start, end in lines]
                high = min(middle, max(max(sizes) + hanging, low))
            else:
                low = middle + 1
        widths.append(low)
    return tuple(widths)

"""Grids of numbers at the terminal: next to one another, the signs between them, points aligned."""

from __future__ import annotations

from convscope.parts import Grid, Side
from convscope.typed import Record
from convscope.views.ansi import Painted, Pen, pad
from convscope.views.characters import cells, in_padding, printable
from convscope.views.sides import in_pieces, together

_NARROWEST_TITLE = 24
_SIGN = 4
"""What the sign in front of a grid takes, with the space between them."""


class Spacing(Record):
    """Spaces between columns, inside a grid's bars, and on both sides of a sign."""

    columns: int
    bars: int
    apart: int


_SPACINGS = (Spacing(2, 1, 3), Spacing(2, 1, 2), Spacing(1, 1, 1), Spacing(1, 0, 1))
"""From the roomiest, which is taken if it fits, to the tightest."""


class GridBlock:
    """Lines that are moved about together; `middle` is the line on which a sign belongs."""

    def __init__(self, lines: list[Painted], middle: int = 0, is_sign: bool = False) -> None:
        self.lines = lines
        self.middle = middle
        self.is_sign = is_sign
        self.width = max((line.size for line in lines), default=0)

    def at(self, number: int) -> str:
        """Return a line, filled up to the block's width; empty above and below."""
        inside = 0 <= number < len(self.lines)
        return pad(self.lines[number] if inside else Painted("", 0), self.width)


def side_lines(side: Side, width: int, pen: Pen) -> list[str]:
    """Return grids and signs side by side, as close as they must be; the rest goes on below."""
    lines: list[str] = []
    for piece in in_pieces(side, lambda s: _fits(s, width, pen)):
        lines += (
            ["", *_piece_lines(piece, width, pen)] if lines else _piece_lines(piece, width, pen)
        )
    return lines


def _fits(side: Side, width: int, pen: Pen) -> bool:
    """Whether grids can stand side by side, or else below one another."""
    beside = [(_blocks(side, pen, spacing), spacing.apart) for spacing in _SPACINGS]
    if any(_width(blocks, apart) <= width for blocks, apart in beside):
        return True
    return _SIGN + _grid(together(side), pen, _SPACINGS[0]).width <= width


def _piece_lines(side: Side, width: int, pen: Pen) -> list[str]:
    after = [GridBlock([pen.line(side.after)])] if side.after else []
    layouts = [(_blocks(side, pen, spacing), spacing.apart) for spacing in _SPACINGS]
    for end in (after, []):
        for blocks, apart in layouts:
            if blocks and _width([*blocks, *end], apart) <= width:
                lines = _join([*blocks, *end], apart)
                if after and not end:  # what comes after stands below the last grid
                    room = max(min(_width(blocks[:-1], apart) + apart, width - after[0].width), 0)
                    lines.append(" " * room + after[0].at(0))
                return lines
    blocks, apart = layouts[0]
    shelves = _shelves(blocks, width, apart)
    if (
        len(shelves) == len(side.grids) > 1
    ):  # each on its own: the numbers of a column below one another
        wide = aligned(together(side))
        shelves = []
        for grid in side.grids:
            rows, wide = wide[: len(grid.cells)], wide[len(grid.cells) :]
            sign = pen.line(side.signs[len(shelves) - 1] if shelves else " ")
            shelves.append([GridBlock([sign], is_sign=True), _grid(grid, pen, _SPACINGS[0], rows)])
    if after:
        pieces = pen.lines(side.after, width)
        shelves.append([GridBlock(pieces, len(pieces) // 2)])
    return [line for shelf in shelves for line in _join(shelf, apart)]


def _blocks(side: Side, pen: Pen, spacing: Spacing) -> list[GridBlock]:
    blocks: list[GridBlock] = []
    for number, grid in enumerate(side.grids):
        blocks.append(_grid(grid, pen, spacing))
        if number < len(side.signs):
            blocks.append(GridBlock([pen.line(side.signs[number])], is_sign=True))
    return blocks


def _width(blocks: list[GridBlock], apart: int) -> int:
    return sum(block.width for block in blocks) + apart * (len(blocks) - 1)


def _shelves(blocks: list[GridBlock], width: int, apart: int) -> list[list[GridBlock]]:
    """Return the blocks in rows that fit the width; a sign stays with what follows it."""
    shelves: list[list[GridBlock]] = []
    together: list[GridBlock] = []
    for number, block in enumerate(blocks):
        together.append(block)
        if block.is_sign and number + 1 < len(blocks):
            continue
        if shelves and _width(shelves[-1] + together, apart) <= width:
            shelves[-1] += together
        else:
            shelves.append(together)
        together = []
    return shelves


def _join(shelf: list[GridBlock], apart: int) -> list[str]:
    above = max(block.middle for block in shelf)
    below = max(len(block.lines) - block.middle for block in shelf)
    return [
        (" " * apart).join(block.at(n - above + block.middle) for block in shelf).rstrip()
        for n in range(above + below)
    ]


def _grid(
    grid: Grid, pen: Pen, spacing: Spacing, rows: list[list[GridCell]] | None = None
) -> GridBlock:
    """Return a grid between its bars; `rows` are its cells where they were aligned with others'."""
    stacked = rows is not None
    rows = aligned(grid) if rows is None else rows
    gap, bars = " " * spacing.columns, " " * spacing.bars
    sizes = [sum(c.size for c in row) + len(gap) * max(len(row) - 1, 0) for row in rows]
    inner = max(sizes, default=0)
    around = 2 + 2 * spacing.bars
    title: list[Painted] = []
    if grid.title:
        title = pen.lines(grid.title, max(inner + around, _NARROWEST_TITLE), style="dim")
    bar = pen.paint("│", "dim")
    lines = []
    for row, size in zip(rows, sizes, strict=True):
        shown = gap.join(cell.padded(pen.paint(cell.text, cell.style)) for cell in row)
        line = f"{bar}{bars}{shown}{' ' * (inner - size)}{bars}{bar}"
        lines.append(Painted(line, inner + around))
    placed = title + lines if stacked else _centred(title + lines)
    return GridBlock(placed, len(title) + (len(lines) - 1) // 2)


def _centred(lines: list[Painted]) -> list[Painted]:
    """Return a grid and its title one above the other, the narrower in the middle of the wider."""
    widest = max((line.size for line in lines), default=0)
    spaces = [(widest - line.size) // 2 for line in lines]
    return [Painted(" " * n + t, n + size) for n, (t, size) in zip(spaces, lines, strict=True)]


class GridCell(Record):
    """A cell as it is shown, and the spaces beside it that put its point below the others'."""

    text: str
    before: int
    after: int
    muted: bool

    @property
    def style(self) -> str:
        """How it is written: dim in the padding."""
        return "dim" if self.muted else ""

    @property
    def size(self) -> int:
        """How many cells of the screen it takes with its spaces."""
        return self.before + cells(self.text) + self.after

    def padded(self, text: str) -> str:
        """Return the text (this one, perhaps painted) between its spaces."""
        return " " * self.before + text + " " * self.after


def aligned(grid: Grid) -> list[list[GridCell]]:
    """Return a grid's cells with the points of each column aligned; the padding's in brackets."""
    shown = [
        [
            (in_padding(printable(c)) if _muted(grid, y, x) else printable(c))
            for x, c in enumerate(row)
        ]
        for y, row in enumerate(grid.cells)
    ]
    count = max(map(len, shown), default=0)
    before, after = [0] * count, [0] * count
    for row in shown:
        for x, text in enumerate(row):
            point = _point(text)
            before[x] = max(before[x], cells(text[:point]))
            after[x] = max(after[x], cells(text[point:]))
    return [
        [
            GridCell(
                text,
                before[x] - cells(text[: _point(text)]),
                after[x] - cells(text[_point(text) :]),
                _muted(grid, y, x),
            )
            for x, text in enumerate(row)
        ]
        for y, row in enumerate(shown)
    ]


def _muted(grid: Grid, y: int, x: int) -> bool:
    return y < len(grid.muted) and x < len(grid.muted[y]) and grid.muted[y][x]


def _point(text: str) -> int:
    """Return where a number's fraction begins: its point, its exponent, its bracket, its end."""
    for number, character in enumerate(text):
        if character in ".e·)":
            return number
    return len(text)

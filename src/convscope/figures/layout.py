"""Where blocks stand and which way arrows go: rows that wrap to the page's width, or a U.

Columns and lanes are the explorer's (`explorer/lanes.py`). Arrows run along lanes that are free, in the gaps between
cells, and in bands above the rows, so that none crosses words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from convscope.explorer.lanes import lanes
from convscope.figures.blocks import Block
from convscope.figures.scene import Point
from convscope.notation.sizes import is_known
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import TypeAlias

GAP, MOST_GAP, NARROW, TRACK = 15.0, 60.0, 7.0, 5.0
"""Between cells in a row, least and most, and along a U; between ways in a band."""


Edge: TypeAlias = "tuple[int, int]"
"""From which block to which."""

_Plan: TypeAlias = "tuple[int, int, str]"
"""From which block to which, and how."""


class Cell(Record):
    """How much room a block needs: its drawing's width, what is above and below its way, its words' height.

    label   how wide its words are
    """

    width: float
    up: float
    down: float
    label: float
    words: float


class Placed(Record):
    """Where everything stands.

    spots   for each block where the way enters it at its left, and the top of its words
    ways    arrows as points, each with the blocks that it leads from and to
    across  the blocks of ways that lead from one row to another, beside the one that comes from the block before
    """

    spots: tuple[tuple[float, float, float], ...]
    ways: tuple[tuple[int, int, tuple[Point, ...]], ...]
    width: float
    height: float
    across: tuple[Edge, ...] = ()


def in_rows(
    blocks: Sequence[Block], cells: Sequence[Cell], width: float, without: Collection[Edge] = ()
) -> Placed | None:
    """Return blocks in rows no wider than `width`; None where one column is wider than that.

    without   ways that are not drawn
    """
    return _Rows(blocks, cells, width, without).placed()


class _Rows:
    """Places blocks in rows: columns first, then rows, lanes, ways."""

    def __init__(
        self,
        blocks: Sequence[Block],
        cells: Sequence[Cell],
        width: float,
        without: Collection[Edge],
    ) -> None:
        self.blocks, self.cells = blocks, cells
        found = lanes({str(n): [str(f) for f in block.feeds] for n, block in enumerate(blocks)})
        self.column = [found[str(n)][0] for n in range(len(blocks))]
        self.lane = [found[str(n)][1] for n in range(len(blocks))]
        self.columns = 1 + max(self.column, default=0)
        self.widths = [0.0] * self.columns
        for n, cell in enumerate(cells):
            c = self.column[n]
            self.widths[c] = max(self.widths[c], cell.width, cell.label)
        self.room = width
        every = ((f, n) for n, block in enumerate(blocks) for f in block.feeds)
        self.edges = [edge for edge in every if edge not in without]
        self.at = {(self.column[n], self.lane[n]): n for n in range(len(blocks))}

    def placed(self) -> Placed | None:
        inner = self.room - 2 * GAP
        self.margin = 0.0
        rows = _balanced(self.widths, inner)
        for _ in range(3):  # ways along the margin take room, which may make more rows
            if rows is None:
                return None
            self.rows = rows
            self.row = [n for n, (a, b) in enumerate(rows) for _ in range(a, b)]
            far = sum(self._row(b) - self._row(a) > 1 for a, b in self.edges)
            if far * TRACK <= self.margin:
                break
            self.margin = far * TRACK
            rows = _balanced(self.widths, inner - self.margin)
        self._place_columns()
        return self._route()

    def _row(self, n: int) -> int:
        return self.row[self.column[n]]

    def _place_columns(self) -> None:
        self.left: list[float] = []
        for a, b in self.rows:
            total = sum(self.widths[a:b]) + GAP * (b - a - 1)
            x = GAP + self.margin
            spare = (self.room - 2 * GAP - self.margin - total) / (b - a - 1) if b - a > 1 else 0.0
            stretch = min(max(spare, 0.0), MOST_GAP)
            if len(self.rows) == 1:  # in the middle, where it does not fill the width
                x += (spare - stretch) * (b - a - 1) / 2
            for c in range(a, b):
                self.left.append(x)
                x += self.widths[c] + GAP + stretch

    def _direct(self, a: int, b: int) -> str:
        """Say how an edge within a row may go without a band: "straight", "late" or "early" bend, or not: ""."""
        between = range(self.column[a] + 1, self.column[b])
        clear = [
            all((c, lane) not in self.at for c in between) for lane in (self.lane[a], self.lane[b])
        ]
        if self.lane[a] == self.lane[b]:
            return "straight" if clear[0] else ""
        return "late" if clear[0] else "early" if clear[1] else ""

    def _route(self) -> Placed:
        plans = [(a, b, self._how(a, b)) for a, b in self.edges]
        gaps = self._gaps(plans)
        levels, depth = self._levels(plans, gaps)
        tops, centres, words, height = self._lines(depth)
        spots = []
        for n, cell in enumerate(self.cells):
            c = self.column[n]
            x = self.left[c] + (self.widths[c] - cell.width) / 2
            spots.append(
                (x, centres[self._row(n), self.lane[n]], words[self._row(n), self.lane[n]])
            )
        ways = []
        far = 0
        for number, (a, b, how) in enumerate(plans):
            start = (spots[a][0] + self.cells[a].width, spots[a][1])
            end = (spots[b][0], spots[b][1])
            one, two = gaps.get((number, 0), 0.0), gaps.get((number, 1), 0.0)
            inner: list[Point] = []
            if how == "late":
                inner = [(two, start[1]), (two, end[1])]
            elif how == "early":
                inner = [(one, start[1]), (one, end[1])]
            elif how == "far":
                y1 = tops[self._row(a) + 1] - 3 - TRACK * levels[number, 0]
                y2 = tops[self._row(b)] - 3 - TRACK * levels[number, 1]
                x = 2.0 + TRACK * far
                far += 1
                inner = [(one, start[1]), (one, y1), (x, y1), (x, y2), (two, y2), (two, end[1])]
            elif how != "straight":
                y = tops[self._row(b)] - 3 - TRACK * levels[number, 0]
                inner = [(one, start[1]), (one, y), (two, y), (two, end[1])]
            ways.append((a, b, (start, *inner, end)))
        across = tuple(
            (a, b) for a, b in self.edges
            if self._row(a) != self._row(b) and a != max(self.blocks[b].feeds)
        )  # fmt: skip
        return Placed(tuple(spots), tuple(ways), self.room, height, across)

    def _how(self, a: int, b: int) -> str:
        """Say how an edge goes: within its row, over the blocks between ("arc"), to the next row, or farther."""
        steps = self._row(b) - self._row(a)
        if steps:
            return "next" if steps == 1 else "far"
        return self._direct(a, b) or "arc"

    def _levels(
        self, plans: Sequence[_Plan], gaps: dict[tuple[int, int], float]
    ) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
        """Return how high in its band each way runs (for one that goes far, at both ends), and how many ways
        lie above one another in the band of each row; ways from one block may share theirs."""
        bands: dict[int, list[tuple[int, float, int, int]]] = {}
        for number, (a, b, how) in enumerate(plans):
            long = abs(self.left[self.column[b]] - self.left[self.column[a]])
            if how in ("arc", "next"):
                bands.setdefault(self._row(b), []).append((int(how == "next"), long, number, 0))
            elif how == "far":
                bands.setdefault(self._row(a) + 1, []).append((2, 0.0, number, 0))
                bands.setdefault(self._row(b), []).append((2, 0.0, number, 1))
        levels: dict[tuple[int, int], int] = {}
        depth: dict[int, int] = {}
        for row, asked in bands.items():
            taken: list[list[tuple[float, float, int]]] = []
            for kind, _, number, end in sorted(asked):
                source = plans[number][0]
                low, high = sorted((gaps[number, 0], gaps[number, 1]))
                if kind == 2:  # to the margin
                    low, high = 0.0, gaps[number, end]
                level = 0
                while level < len(taken) and any(
                    low - 2 <= e and s <= high + 2 and other != source
                    for s, e, other in taken[level]
                ):
                    level += 1
                if level == len(taken):
                    taken.append([])
                taken[level].append((low, high, source))
                levels[number, end] = level
            depth[row] = len(taken)
        return levels, depth

    def _gaps(self, plans: Sequence[_Plan]) -> dict[tuple[int, int], float]:
        """Return at which x each way goes up or down, behind its block (0) and before the other (1)."""
        asked: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for number, (a, b, how) in enumerate(plans):
            if how in ("early", "arc", "next", "far"):
                asked.setdefault(("behind", self.column[a]), []).append((number, 0))
            if how in ("late", "arc", "next", "far"):
                asked.setdefault(("before", self.column[b]), []).append((number, 1))
        found = {}
        for (side, c), ends in asked.items():
            sources = list(dict.fromkeys(plans[number][0] for number, _ in ends))
            for number, end in ends:  # what comes from one block goes together
                share = (sources.index(plans[number][0]) + 1) / (len(sources) + 1) * GAP * 0.45
                right = self.left[c] + self.widths[c]
                behind = side == "behind"
                found[number, end] = (
                    right + 1.5 + share if behind else self.left[c] - 1.5 - GAP * 0.45 + share
                )
        return found

    def _lines(
        self, depth: dict[int, int]
    ) -> tuple[list[float], dict[tuple[int, int], float], dict[tuple[int, int], float], float]:
        """Return where rows begin, and for each lane of a row where its way runs and its words begin."""
        tops: list[float] = []
        centres: dict[tuple[int, int], float] = {}
        words: dict[tuple[int, int], float] = {}
        y = 0.0
        for row in range(len(self.rows)):
            y += TRACK * depth.get(row, 0) + (8.0 if row else 4.0)
            tops.append(y)
            here = [n for n in range(len(self.blocks)) if self._row(n) == row]
            for lane in sorted({self.lane[n] for n in here}):
                members = [self.cells[n] for n in here if self.lane[n] == lane]
                centres[row, lane] = y + max(cell.up for cell in members)
                words[row, lane] = centres[row, lane] + max(cell.down for cell in members) + 2.0
                y = words[row, lane] + max(cell.words for cell in members) + 4.0
        return tops, centres, words, y


def _balanced(widths: Sequence[float], room: float) -> list[tuple[int, int]] | None:
    """Return columns in as few rows as will do, none much shorter than another."""
    if max(widths, default=0.0) > room:
        return None
    fewest = len(_greedy(widths, room))
    low, high = max(widths, default=0.0), room
    for _ in range(20):
        middle = (low + high) / 2
        if len(_greedy(widths, middle)) > fewest:
            low = middle
        else:
            high = middle
    return _greedy(widths, high)


def _greedy(widths: Sequence[float], room: float) -> list[tuple[int, int]]:
    rows, start, used = [], 0, 0.0
    for n, width in enumerate(widths):
        if n > start and used + GAP + width > room + 1e-6:
            rows.append((start, n))
            start, used = n, 0.0
        used += width + (GAP if n > start else 0.0)
    return [*rows, (start, len(widths))]


# -- a U ------------------------------------------------------------------------------------------


def is_u(blocks: Sequence[Block]) -> bool:
    """Whether a network goes down to smaller maps and up again, with ways across between maps of one size."""
    across = 0
    for n, block in enumerate(blocks):
        for feed in block.feeds:
            if feed == n - 1:
                continue
            one, inner = blocks[feed], blocks[feed + 1 : n]
            if not _sized(one) or not all(map(_sized, inner)):
                return False
            areas = [_area(b) for b in inner]
            if one.spatial == block.spatial and min(areas) < _area(block):
                across += 1
            elif any(a != _area(block) for a in areas):
                return False
    return across > 0 and _chain(blocks)


def _chain(blocks: Sequence[Block]) -> bool:
    return all(n == 0 or n - 1 in block.feeds for n, block in enumerate(blocks))


def _sized(block: Block) -> bool:
    return block.size[2] is not None and all(s is None or is_known(s) for s in block.spatial)


def _area(block: Block) -> int:
    rows, columns = block.spatial
    return int(rows or 1) * int(columns or 1)


def in_a_u(blocks: Sequence[Block], cells: Sequence[Cell], width: float) -> Placed | None:
    """Return blocks along a U, a level for each size of maps; None where it is wider than `width`."""
    areas = sorted({_area(b) for b in blocks if _sized(b)}, reverse=True)
    level: list[int] = []
    for block in blocks:
        level.append(areas.index(_area(block)) if _sized(block) else level[-1] if level else 0)
    halves = [(cell.width / 2, max(cell.width, cell.label) / 2) for cell in cells]
    steps = []
    for n in range(
        1, len(cells)
    ):  # words stand below their block: what comes down passes on their right
        before = halves[n - 1][level[n] >= level[n - 1]]
        after = halves[n][level[n] <= level[n - 1]]
        steps.append((before, after))
    least = halves[0][1] + halves[-1][1] + sum(map(sum, steps)) + NARROW * len(steps)
    if least > width:
        return None
    gap = NARROW + min((width - least) / max(len(steps), 1), 30.0)
    tops: list[tuple[float, float]] = []
    y = 4.0
    for depth in range(len(areas)):
        members = [cells[n] for n in range(len(blocks)) if level[n] == depth]
        centre = y + max(c.up for c in members)
        words = centre + max(c.down for c in members) + 2.0
        tops.append((centre, words))
        y = words + max(c.words for c in members) + 5.0
    middle = [(width - least - (gap - NARROW) * len(steps)) / 2 + halves[0][1]]
    turns = [0.0]
    for before, after in steps:
        turns.append(middle[-1] + before + gap * 0.4)
        middle.append(middle[-1] + before + gap + after)
    spots = [
        (x - cell.width / 2, *tops[level[n]])
        for n, (x, cell) in enumerate(zip(middle, cells, strict=True))
    ]
    ways = []
    for n, block in enumerate(blocks):
        end = (spots[n][0], spots[n][1])
        for feed in block.feeds:
            start = (spots[feed][0] + cells[feed].width, spots[feed][1])
            if level[feed] == level[n] or abs(start[1] - end[1]) < 1e-6:
                points = [start, end]
                if feed < n - 1 and any(level[m] == level[n] for m in range(feed + 1, n)):
                    over = (
                        start[1]
                        - max(c.up for c, d in zip(cells, level, strict=True) if d == level[n])
                        - 3
                    )
                    a, b = turns[feed + 1], turns[n]
                    points = [start, (a, start[1]), (a, over), (b, over), (b, end[1]), end]
            else:
                turn = turns[n]
                points = [start, (turn, start[1]), (turn, end[1]), end]
            ways.append((feed, n, tuple(points)))
    return Placed(tuple(spots), tuple(ways), width, y)

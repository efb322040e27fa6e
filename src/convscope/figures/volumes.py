"""One block as it is drawn: a volume in the proportions of what it gives, a bar for a row of numbers, a sign where
branches meet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from convscope.figures.blocks import Block
from convscope.figures.scene import (
    Paint,
    Part,
    Pixels,
    Point,
    Shape,
    disc,
    hatched,
    line,
    rectangle,
)
from convscope.figures.styles import Style, colour_of, mixed
from convscope.notation.sizes import UNKNOWN_SHAPE, is_known
from convscope.typed import TYPE_CHECKING, Array, Record

if TYPE_CHECKING:
    from typing import Any

OBLIQUE = 0.24
"""How far back a map goes, in its width: right and up."""
_BAND = 2.4
_RATIO = 10.0
"""Sizes that differ by more are drawn on a logarithmic scale."""
_BEHIND = 2.6


class DrawnSizes(Record):
    """How long sizes are drawn.

    side, thick     the longest side of a map, and the thickest row of maps, in points
    largest, most   the size and the count that are drawn so
    wide            the longest row of numbers
    logs            whether sides, and whether thicknesses, are logarithmic
    """

    side: float
    thick: float
    largest: int
    most: int
    wide: int
    logs: tuple[bool, bool]

    def length(self, size: Any) -> float:
        """Return how long the side of a map is drawn."""
        return max(_drawn(size, self.largest, self.side, self.logs[0]), 2.5)

    def thickness(self, maps: Any) -> float:
        """Return how thick so many maps are drawn."""
        return max(_drawn(maps, self.most, self.thick, self.logs[1]), 1.5)

    def row(self, numbers: Any) -> float:
        """Return how long a row of so many numbers is drawn; always logarithmic."""
        return max(_drawn(numbers, max(self.wide, 1000), self.side * 0.85, True), 6.0)

    @property
    def words(self) -> str:
        """Say what is drawn to which scale, for the figure itself."""
        kinds = ["logarithmic" if log else "in proportion" for log in self.logs]
        scale = f"both {kinds[0]}" if kinds[0] == kinds[1] else f"{kinds[0]} and {kinds[1]}"
        return f"Sides: rows and columns of a map; thickness: its number of maps ({scale})."


def scale_for(blocks: Iterable[Block], side: float, thick: float) -> DrawnSizes:
    """Return the scale at which the largest of some blocks is as large as it may be."""
    sides, maps, rows = [1], [1], [1]
    least = [[math.inf], [math.inf]]
    for block in blocks:
        high, across, count = (s if s is None or is_known(s) else None for s in block.size)
        if count is None:
            rows += [int(s) for s in (high, across) if s is not None]
            continue
        known = [int(s) for s in (high, across) if s]
        sides += known
        maps.append(int(count))
        least[0] += known
        least[1].append(int(count))
    logs = (max(sides) > _RATIO * min(least[0]), max(maps) > _RATIO * min(least[1]))
    return DrawnSizes(side, thick, max(sides), max(maps), max(rows), logs)


def _drawn(size: Any, largest: int, length: float, log: bool) -> float:
    if size is None or not is_known(size):
        return length * 0.5
    if log:
        return float(length * math.log2(1 + size) / math.log2(1 + largest))
    return float(length * size / largest)


class Drawn(Record):
    """A block's parts around (0, 0), where the way through it enters at the left, and how far they reach.

    right    how far it goes to the right of 0: where the way leaves
    up, down how far it goes above and below
    """

    parts: tuple[Part, ...]
    right: float
    up: float
    down: float


def drawn(
    block: Block,
    scale: DrawnSizes,
    style: Style,
    flat: bool = False,
    sign: str = "",
    face: Array | None = None,
) -> Drawn:
    """Return a block as it is drawn.

    flat   without depth
    sign   what stands in it where it only joins what feeds it: "+", "×" or "∥"
    face   a picture (rows, columns, 3) for the side that looks to the next block
    """
    if sign:
        return _joint(block, style, sign)
    rows, columns, maps = block.size
    bands = [colour_of(role) for role in block.bands[:4]]
    if maps is None:
        numbers = rows if columns is None else columns
        height, thick, back = scale.row(numbers), 5.0, 1.6
    else:
        height = scale.length(columns if rows is None else rows)
        thick = scale.thickness(maps)
        back = 2.4 if rows is None else min(scale.length(columns) * OBLIQUE, height * 0.6)
    copies = min(block.times, 3) - 1
    if flat:
        back = 0.0
    known = block.shape is not UNKNOWN_SHAPE and all(map(is_known, block.shape))
    dash = () if known and not block.outside and block.role != "opaque" else (2.0, 1.5)
    thick += _BAND * len(bands)
    parts: list[Part] = []
    for copy in range(copies, 0, -1):
        shift = copy * _BEHIND
        parts += _box(
            block,
            style,
            thick,
            height,
            back,
            bands,
            dash,
            None,
            (shift, -shift * (0 if flat else 1)),
        )
    parts += _box(
        block, style, thick, height, back, bands, dash, None if flat else face, (0.0, 0.0)
    )
    shift = copies * _BEHIND
    up = height / 2 + back * 0.75 + (0 if flat else shift)
    return Drawn(tuple(parts), thick + back + shift, up, height / 2 + back * 0.25)


def _box(
    block: Block, style: Style, thick: float, height: float, back: float, bands: Sequence[str],
    dash: tuple[float, ...], face: Array | None, at: Point,
) -> list[Part]:  # fmt: skip
    x, top = at[0], at[1] - height / 2 + back * 0.25
    main = colour_of(block.role)
    edge = mixed(style.ink, main, 0.15)
    widths = [thick - _BAND * len(bands), *[_BAND] * len(bands)]
    colours = [main, *bands]
    parts: list[Part] = []
    start = x
    for width, colour in zip(widths, colours, strict=True):
        last = start + width >= x + thick - 1e-6
        if back:
            roof = (
                (start, top),
                (start + back, top - back),
                (start + width + back, top - back),
                (start + width, top),
            )
            parts.append(Shape(roof, Paint(mixed(colour, "#FFFFFF", 0.45))))
            if last:
                end = start + width
                wall = (
                    (end, top),
                    (end + back, top - back),
                    (end + back, top - back + height),
                    (end, top + height),
                )
                parts.append(Shape(wall, Paint(mixed(colour, "#000000", 0.18))))
                if face is not None:
                    parts.append(Pixels((end, top), (back, -back), (0.0, height), face))
        parts.append(rectangle(start, top, width, height, Paint(colour)))
        start += width
    if block.role == "opaque":
        parts += hatched(x, top, thick, height, style.dim)
    lines = Paint(None, edge, style.thin, dash)
    parts.append(rectangle(x, top, thick, height, lines))
    if back:
        outer = ((x, top), (x + back, top - back), (x + thick + back, top - back),
                 (x + thick + back, top - back + height), (x + thick, top + height))  # fmt: skip
        parts.append(Shape(outer, lines, closed=False))
        parts.append(Shape(((x + thick, top), (x + thick + back, top - back)), lines, closed=False))
    return parts


def _joint(block: Block, style: Style, sign: str) -> Drawn:
    radius = 0.75 * style.size
    ring = colour_of(block.bands[-1]) if block.bands else None
    parts: list[Part] = []
    reach = radius
    if ring is not None:
        reach = radius + 1.8
        parts.append(disc(reach, 0, reach, Paint(ring, style.ink, style.thin)))
    parts.append(disc(reach, 0, radius, Paint(colour_of("merge"), style.ink, style.thin)))
    arm, ink = radius * 0.5, "#000000"
    strokes: list[tuple[Point, Point]]
    if sign == "+":
        strokes = [((-arm, 0), (arm, 0)), ((0, -arm), (0, arm))]
    elif sign == "×":
        strokes = [((-arm, -arm), (arm, arm)), ((-arm, arm), (arm, -arm))]
    else:
        strokes = [((-arm * 0.4, -arm), (-arm * 0.4, arm)), ((arm * 0.4, -arm), (arm * 0.4, arm))]
    parts += [
        line(((reach + a[0], a[1]), (reach + b[0], b[1])), ink, style.thin * 1.6)
        for a, b in strokes
    ]
    return Drawn(tuple(parts), 2 * reach, reach, reach)

"""A figure before anyone decides how it is written: polygons, lines, words and pixels at their places.

Lengths are points of 1/72 inch, y grows downwards, and a word stands on its baseline. Whatever can be said with
these is: an arrow's head is a polygon, hatching is lines. So every writer has the same figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from convscope.figures.lettering import wide
from convscope.typed import TYPE_CHECKING, Array, Record

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

Point: TypeAlias = "tuple[float, float]"

ASCENT, DESCENT = 0.76, 0.24
"""How far words reach above and below their baseline, in their size."""


class Paint(Record):
    """What fills a shape and what its line is like; a colour is #rrggbb, or None for nothing.

    width, dash   of the line, in points
    """

    fill: str | None = None
    stroke: str | None = None
    width: float = 0.5
    dash: tuple[float, ...] = ()
    opacity: float = 1.0


class Shape(Record):
    """A polygon, or where it is open a line through its points; where it is round, of cubic curves.

    curved   the points are a start, and for each curve two that it bends to and its end
    """

    points: tuple[Point, ...]
    paint: Paint
    closed: bool = True
    curved: bool = False


class Text(Record):
    """A run of words in one line; `anchor` says which end of it stands at x."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        width = wide(self.text, self.size, self.bold)
        left = self.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        return left, self.y - ASCENT * self.size, left + width, self.y + DESCENT * self.size


class Pixels(Record):
    """A picture, shape (rows, columns, 3) of bytes, whose corners are `corner`, + `across`, + `down`."""

    corner: Point
    across: Point
    down: Point
    rgb: Array


class Group(Record):
    """Parts that are one thing, with its name as an id and as a title."""

    id: str
    title: str
    parts: tuple[Part, ...]


Part: TypeAlias = "Shape | Text | Pixels | Group"


class Scene(Record):
    """A figure: its size in points, what it is called, and its parts from back to front.

    ground   the colour behind it; None for none
    """

    width: float
    height: float
    title: str
    parts: tuple[Part, ...]
    ground: str | None = None


def walk(parts: Sequence[Part]) -> Iterator[Shape | Text | Pixels]:
    """Yield everything that is drawn, from back to front, groups opened."""
    for part in parts:
        if isinstance(part, Group):
            yield from walk(part.parts)
        else:
            yield part


def named_parts(parts: Sequence[Part]) -> Iterator[Group]:
    """Yield every group, before those that it holds."""
    for part in parts:
        if isinstance(part, Group):
            yield part
            yield from named_parts(part.parts)


def extent(parts: Sequence[Part]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of everything that is drawn; zeros of nothing."""
    boxes: list[tuple[float, float, float, float]] = []
    for part in walk(parts):
        if isinstance(part, Text):
            boxes.append(part.box)
        else:
            points = part.points if isinstance(part, Shape) else corners(part)
            xs, ys = [p[0] for p in points], [p[1] for p in points]
            boxes.append((min(xs), min(ys), max(xs), max(ys)))
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def corners(pixels: Pixels) -> tuple[Point, ...]:
    """Return the four corners of a picture, clockwise."""
    (x, y), (ax, ay), (dx, dy) = pixels.corner, pixels.across, pixels.down
    return (x, y), (x + ax, y + ay), (x + ax + dx, y + ay + dy), (x + dx, y + dy)


def moved(part: Part, right: float, down: float) -> Part:
    """Return a part at another place."""
    if isinstance(part, Group):
        return part._replace(parts=tuple(moved(p, right, down) for p in part.parts))
    if isinstance(part, Text):
        return part._replace(x=part.x + right, y=part.y + down)
    if isinstance(part, Pixels):
        return part._replace(corner=(part.corner[0] + right, part.corner[1] + down))
    return part._replace(points=tuple((x + right, y + down) for x, y in part.points))


# -- shapes that are often wanted -----------------------------------------------------------------


def rectangle(x: float, y: float, width: float, height: float, paint: Paint) -> Shape:
    """Return an upright rectangle by its upper left corner."""
    return Shape(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), paint)


def disc(x: float, y: float, radius: float, paint: Paint) -> Shape:
    """Return a circle, as four curves."""
    k = 0.5523 * radius
    r = radius
    points = (
        (x + r, y), (x + r, y + k), (x + k, y + r), (x, y + r), (x - k, y + r), (x - r, y + k),
        (x - r, y), (x - r, y - k), (x - k, y - r), (x, y - r), (x + k, y - r), (x + r, y - k), (x + r, y),
    )  # fmt: skip
    return Shape(points, paint, curved=True)


def line(
    points: Sequence[Point], colour: str, width: float = 0.6, dash: tuple[float, ...] = ()
) -> Shape:
    """Return a line through points."""
    return Shape(tuple(points), Paint(None, colour, width, dash), closed=False)


def arrow(
    points: Sequence[Point], colour: str, width: float = 0.6, head: float = 3.6
) -> list[Part]:
    """Return a line through points with a head at its end; steps of no length are left out."""
    path = [p for n, p in enumerate(points) if n == 0 or _far(p, points[n - 1]) > 1e-6]
    if len(path) < 2:
        return []
    (x0, y0), (x1, y1) = path[-2], path[-1]
    length = _far(path[-2], path[-1])
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    size = min(head, length)
    back = (x1 - ux * size, y1 - uy * size)
    side = 0.38 * size
    tip = Shape(
        ((x1, y1), (back[0] - uy * side, back[1] + ux * side), (back[0] + uy * side, back[1] - ux * side)),
        Paint(colour),
    )  # fmt: skip
    shaft = [*path[:-1], (x1 - ux * size * 0.8, y1 - uy * size * 0.8)]
    return [line(shaft, colour, width), tip]


def hatched(
    x: float,
    y: float,
    width: float,
    height: float,
    colour: str,
    step: float = 2.4,
    thick: float = 0.35,
) -> list[Part]:
    """Return slanting lines that fill a rectangle, cut at its edges."""
    found: list[Part] = []
    if width <= 0 or height <= 0:
        return found
    first = -(-(x - y - height) // step)  # lines x − y = n·step, so that neighbours' lines meet
    last = (x + width - y) // step
    for n in range(int(first), int(last) + 1):
        at = n * step
        low, high = max(x, at + y), min(x + width, at + y + height)
        if high - low > 0.05:
            found.append(line(((low, low - at), (high, high - at)), colour, thick))
    return found


def named(name: str, taken: set[str], before: str = "layer") -> str:
    """Return an id for a name: letters, digits and dashes, unlike those that are taken."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60] or "unnamed"
    found, count = f"{before}-{stem}", 2
    while found in taken:
        found, count = f"{before}-{stem}-{count}", count + 1
    taken.add(found)
    return found


def _far(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)

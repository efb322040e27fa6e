"""The whole network on one page: blocks in their proportions, where they go on, where ways branch and meet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from convscope.errors import UnsupportedError
from convscope.figures import layout
from convscope.figures.blocks import Block, blocks, halved, joined, staged
from convscope.figures.layout import Cell, Placed
from convscope.figures.lettering import broken, wide
from convscope.figures.scene import Group, Paint, Part, Scene, Text, arrow, moved, named, rectangle
from convscope.figures.styles import ROLES, Style, colour_of
from convscope.figures.volumes import Drawn, DrawnSizes, drawn, scale_for
from convscope.model.graph import Graph
from convscope.notation.expression import Binary, Read, addends
from convscope.notation.sizes import UNKNOWN_SHAPE
from convscope.typed import TYPE_CHECKING, Array
from convscope.views.characters import printable
from convscope.views.figures import shape as shape_text

if TYPE_CHECKING:
    from typing import Any, TypeAlias

Faces: TypeAlias = "Callable[[str], Array | None]"

MARGIN = 6.0
TALLEST = 1.3
"""A page is so much higher than it is wide, where it is as wide as a page of text."""
_PAGE = 650.0
_MOST_LINES, _MOST_ACROSS = 3, 6


def architecture(
    graph: Graph,
    style: Style,
    width: float,
    *,
    depth: int | None = None,
    layers: Any = None,
    flat: bool = False,
    faces: Faces | None = None,
) -> Scene:
    """Return a network as blocks in a row that wraps, or in a U where it goes down and up again.

    faces   gives a picture of what a layer gave, for the side of its block; None for none

    Raises `SettingError` or `LayerLookupError` for a depth or a range that there is not.
    """
    made = blocks(graph, depth, layers)
    if not made:
        raise UnsupportedError(f"{graph.name} has no layers to draw")
    inner = width - 2 * MARGIN
    drawing = _fitting(
        graph, made, style, inner, max(TALLEST * width, _PAGE if width > 400 else 0), flat, faces
    )
    parts, bottom = drawing
    words = f"Architecture of {printable(graph.name)}"
    return Scene(width, bottom + MARGIN, words, tuple(parts), style.ground)


def _fitting(
    graph: Graph, found: Sequence[Block], style: Style, width: float, page: float, flat: bool,
    faces: Faces | None,
) -> tuple[list[Part], float]:  # fmt: skip
    """Return the drawing with as many blocks as fit the page."""
    fewer = iter((joined, staged, *[halved] * 12))
    now = list(found)
    if layout.is_u(now):
        fewer_now = staged(graph, now)
        for tried, smaller in ((now, 0.75), (fewer_now, 0.85), (fewer_now, 0.65)):
            plan = _Plan(graph, tried, style, width, flat, faces, smaller)
            place = layout.in_a_u(tried, plan.cells, width) if layout.is_u(tried) else None
            if place is not None and place.height <= page:
                return plan.parts(place)
    while True:
        plan, place = _in_rows(graph, now, style, width, flat, faces)
        step = next(fewer, None)
        if place is not None and (place.height <= page or step is None):
            return plan.parts(place)
        if step is None:
            raise UnsupportedError(
                f"{graph.name} does not fit a page {width:.0f} points wide: give --layers FROM:TO or --depth N"
            )
        now = step(graph, now)


def _in_rows(
    graph: Graph, now: Sequence[Block], style: Style, width: float, flat: bool, faces: Faces | None
) -> tuple[_Plan, Placed | None]:
    """Return blocks in rows. Where many ways lead from row to row they are said in words instead of drawn."""
    said: set[layout.Edge] = set()
    while True:
        plan = _Plan(graph, now, style, width, flat, faces, said=said)
        place = layout.in_rows(now, plan.cells, width, said)
        if place is None or not place.across or len(place.across) + len(said) <= _MOST_ACROSS:
            return plan, place
        said |= set(place.across)


class _Plan:
    """Blocks with their drawings and words, before it is known where they stand."""

    def __init__(
        self, graph: Graph, blocks: Sequence[Block], style: Style, width: float, flat: bool,
        faces: Faces | None, smaller: float = 1.0, said: Collection[layout.Edge] = (),
    ) -> None:  # fmt: skip
        self.graph, self.blocks, self.style = graph, blocks, style
        side = min(max(width * 0.13, 34.0), 78.0) * smaller * (0.85 if len(blocks) > 24 else 1.0)
        self.scale: DrawnSizes = scale_for(blocks, side, side * 0.42)
        self.drawn: list[Drawn] = [
            drawn(
                b,
                self.scale,
                style,
                flat,
                _sign(graph, b),
                None if faces is None else faces(b.layers[-1]),
            )
            for b in blocks
        ]
        room = max(9.2 * style.size * max(smaller, 0.75), side)
        room = min(room, width - 4)
        self.labels = [_label(b, style, room) for b in blocks]
        for n, label in enumerate(self.labels):
            others = [printable(blocks[a].name) for a, b in sorted(said) if b == n]
            if others:
                size = round(style.size * 0.88, 2)
                words = broken(f"also reads {', '.join(others)}", room, size)
                label += [(text, size, False, style.ink) for text in words]
        self.cells = [
            Cell(d.right, d.up, d.down, max((wide(t, s, bold) for t, s, bold, _ in label), default=0.0),
                 sum(1.22 * s for _, s, _, _ in label))
            for d, label in zip(self.drawn, self.labels, strict=True)
        ]  # fmt: skip

    def parts(self, place: Placed) -> tuple[list[Part], float]:
        """Return everything at its place, with the legend below, and where it ends."""
        style, taken = self.style, set[str]()
        found: list[Part] = []
        ids = [named(block.name, taken) for block in self.blocks]
        for a, b, points in place.ways:
            way = arrow(points, style.dim, style.thin * 1.15, 3.6 * style.size / 7)
            if way:
                title = f"{printable(self.blocks[a].name)} to {printable(self.blocks[b].name)}"
                found.append(Group(f"way-{ids[a][6:]}-to-{ids[b][6:]}", title, tuple(way)))
        for n, (x, y, words) in enumerate(place.spots):
            own = [moved(part, x, y) for part in self.drawn[n].parts]
            middle, line = x + self.cells[n].width / 2, words
            for text, size, bold, colour in self.labels[n]:
                line += 1.22 * size
                own.append(Text(middle, line - 0.28 * size, text, size, colour, "middle", bold))
            found.append(Group(ids[n], f"{printable(self.blocks[n].name)}", tuple(own)))
        found = [moved(part, MARGIN, MARGIN) for part in found]
        below, bottom = legend(
            self.blocks, self.scale, style, place.width, MARGIN + place.height + 5
        )
        return found + below, bottom


def _label(block: Block, style: Style, room: float) -> list[tuple[str, float, bool, str]]:
    """Return the lines below a block: what, how often, in it, shape, name; each with size, weight, colour."""
    small = round(style.size * 0.88, 2)
    title = printable(block.title)
    if block.times > 1:
        title = f"{title} × {block.times}"
    lines = [(t, style.size, True, style.ink) for t in _few(broken(title, room, style.size, True))]
    if block.detail:
        lines += [
            (t, small, False, style.dim) for t in _few(broken(printable(block.detail), room, small))
        ]
    shape = "shape unknown" if block.shape is UNKNOWN_SHAPE else shape_text(block.shape)
    lines += [(t, small, False, style.ink) for t in broken(shape, room, small)]
    if block.of or block.times > 1 or block.detail.endswith(" layers"):
        name = printable(block.of or block.name)
        if name != title:
            lines += [(t, small, False, style.dim) for t in _few(broken(name, room, small))]
    return lines


def _few(lines: list[str]) -> list[str]:
    """Return a few lines; of more the first and the last ones, with a sign that some are left out."""
    if len(lines) <= _MOST_LINES:
        return lines
    return (
        [*lines[: _MOST_LINES - 1], f"…{lines[-1]}"]
        if len(lines[-1]) > 2
        else [*lines[: _MOST_LINES - 1], "…"]
    )


def _sign(graph: Graph, block: Block) -> str:
    """Return the sign of a block that only joins what feeds it; nothing for another."""
    if block.role != "merge" or not block.of:
        return ""
    equation = graph.facts[block.of].equation
    if equation is None:
        return ""
    if len(list(addends(equation.expression))) > 1:
        return "+"
    body = equation.expression
    if (
        isinstance(body, Binary)
        and body.operator == "*"
        and any(isinstance(p, Read) for p in body.parts())
    ):
        return "×"
    return "∥"


def legend(
    blocks: Sequence[Block], scale: DrawnSizes, style: Style, width: float, top: float
) -> tuple[list[Part], float]:
    """Return what colours and sizes mean, in lines no wider than `width`, and where they end."""
    size = round(style.size * 0.88, 2)
    used = {block.role for block in blocks} | {band for block in blocks for band in block.bands}
    parts: list[Part] = []
    x, y = MARGIN, top + size
    for role, (words, _) in ROLES.items():
        if role not in used:
            continue
        room = size * 1.3 + wide(words, size) + size * 1.4
        if x > MARGIN and x + room > MARGIN + width:
            x, y = MARGIN, y + size * 1.45
        swatch = Paint(colour_of(role), style.dim, 0.3, (1.2, 0.8) if role == "opaque" else ())
        parts.append(rectangle(x, y - size * 0.75, size * 0.9, size * 0.9, swatch))
        parts.append(Text(x + size * 1.3, y, words, size, style.dim))
        x += room
    if any(block.size[2] is not None for block in blocks):
        for words in broken(scale.words, width, size):
            y += size * 1.45
            parts.append(Text(MARGIN, y, words, size, style.dim))
    return [Group("legend", "What colours and sizes mean", tuple(parts))], y + size * 0.3

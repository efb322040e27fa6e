"""What really went through: maps of a run on the way to one number, and the cone of what it sees, down to the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from convscope.explorer.description import roles as axes_of
from convscope.figures.lettering import broken, wide
from convscope.figures.scene import Group, Paint, Part, Scene, Text, hatched, line, named, rectangle
from convscope.figures.sheets import as_maps, coloured, heaviest, pictured, sheet, slice_of
from convscope.figures.styles import Style
from convscope.figures.way import Stop, stops
from convscope.model.graph import Graph
from convscope.typed import Array, Record
from convscope.views.characters import printable

MARGIN, GAP, BEHIND = 8.0, 30.0, 3.5
MOST = 7
_TALLEST = 190.0
_STRIP = 16.0
"""How high maps of one row are drawn."""
_RATIO = 6.0
"""Maps whose sizes differ by more are drawn on a scale of square roots."""


class _Spot(Record):
    """A map in the figure: its corner, how wide and how high a position is, which map is in front."""

    x: float
    y: float
    step: float
    tall: float
    front: int


def content(
    graph: Graph,
    activations: Mapping[str, Array],
    style: Style,
    width: float,
    layer: str,
    position: Sequence[int],
) -> Scene:
    """Return the maps on the way to a number, with what of each it depends on; the padding is hatched.

    Raises `UnsupportedError` where a layer on the way has no equation, or gives no maps.
    """
    most = max(3, min(MOST, int(width // 78)))
    found = stops(graph, layer, position, most)
    root = max(max(s.size[:2]) for s in found) > _RATIO * min(max(s.size[:2]) for s in found)
    shown = {s.name: _shown(graph, activations, s, layer, position) for s in found}
    lengths = [_long(max(s.size[:2]), root) for s in found]
    steps = [length / max(s.size[:2]) for s, length in zip(found, lengths, strict=True)]
    reach = [_reach(s) for s in found]
    behind = [BEHIND * min(s.size[2] - 1, 2) for s in found]
    spans = sum((r[1] - r[0]) * step for r, step in zip(reach, steps, strict=True))
    room = width - 2 * MARGIN - GAP * (len(found) - 1) - sum(behind)
    tall = max((r[3] - r[2]) * step for r, step in zip(reach, steps, strict=True))
    strips = all(s.size[0] == 1 for s in found)
    unit = room / spans if strips else min(room / spans, _TALLEST / tall)
    small = round(style.size * 0.88, 2)
    talls = [_STRIP if strips else step * unit for step in steps]
    heights = [s.size[0] * one for s, one in zip(found, talls, strict=True)]
    middle = MARGIN + max(
        h / 2 + max(-r[2] * one, 0) + b
        for h, r, one, b in zip(heights, reach, talls, behind, strict=True)
    )
    below = middle + max(
        h / 2 + max((r[3] - s.size[0]) * one, 0)
        for h, r, s, one in zip(heights, reach, found, talls, strict=True)
    )
    spare = (room - spans * unit) / max(len(found) - 1, 1)
    spots: list[_Spot] = []
    x = MARGIN
    for s, r, step, one, b, height in zip(found, reach, steps, talls, behind, heights, strict=True):
        left = x - min(r[0], 0) * step * unit
        spots.append(_Spot(left, middle - height / 2, step * unit, one, shown[s.name][0]))
        x += (r[1] - r[0]) * step * unit + b + GAP + spare
    taken: set[str] = set()
    parts: list[Part] = []
    for s, spot in zip(found, spots, strict=True):
        parts.append(
            Group(
                named(s.name, taken),
                printable(s.name),
                tuple(_maps(graph, activations, s, spot, shown, style)),
            )
        )
    parts += _cone(found, spots, style)
    words, bottom = _words(graph, found, spots, style, width, below + 3)
    parts += words
    plates, bottom = _kernels(graph, found, spots, style, bottom + 3, width)
    parts += plates
    scale = "the square roots of their sizes" if root else "their sizes"
    where = ", ".join(map(str, position))
    note = (
        f"Outlined: what the number of {printable(layer)} at ({where}) depends on; hatched: in the padding. Blue below zero, "
        f"orange above, each layer by its own largest. Maps are drawn in proportion to {scale}."
    )
    for text in broken(note, width - 2 * MARGIN, small):
        bottom += small * 1.4
        parts.append(Text(MARGIN, bottom, text, small, style.dim))
    title = (
        f"What {printable(graph.name)} made of an image, down to {printable(layer)} at ({where})"
    )
    return Scene(width, bottom + MARGIN, title, tuple(parts), style.ground)


def _long(size: int, root: bool) -> float:
    return float(size**0.5 if root else size)


def _reach(s: Stop) -> tuple[int, int, int, int]:
    """Return left, right, top, bottom in positions, of a map and what of its padding is seen."""
    return (
        min(s.columns[0], 0), max(s.columns[1] + 1, s.size[1]),
        min(s.rows[0], 0), max(s.rows[1] + 1, s.size[0]),
    )  # fmt: skip


def _shown(
    graph: Graph, activations: Mapping[str, Array], s: Stop, layer: str, position: Sequence[int]
) -> list[int]:
    """Return which maps of a stop are shown: the number's own in front, else the heaviest in the window."""
    maps = as_maps(graph, s.name, activations[s.name])
    order = heaviest(maps, s.rows, s.columns)
    if s.name == layer:
        axis = axes_of(graph, graph.shape(layer), layer)["maps"]
        assert axis is not None
        own = int(position[axis])
        order = [own, *(n for n in order if n != own)]
    return order[:3]


def _maps(
    graph: Graph,
    activations: Mapping[str, Array],
    s: Stop,
    spot: _Spot,
    shown: Mapping[str, list[int]],
    style: Style,
) -> list[Part]:
    import numpy as np

    maps = as_maps(graph, s.name, activations[s.name])
    finite = np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
    limit = float(np.abs(finite).max(initial=0.0))
    wide_, tall = s.size[1] * spot.step, s.size[0] * spot.tall
    parts: list[Part] = []
    image = s.name in graph.inputs and s.size[2] in (1, 3) and s.size[0] > 1
    if image:
        return sheet(
            spot.x,
            spot.y,
            wide_,
            tall,
            pictured(graph, s.name, activations[s.name]),
            style.ink,
            style.thin,
        )
    for depth in range(len(shown[s.name]) - 1, -1, -1):
        shift = depth * BEHIND
        rgb = coloured(maps[shown[s.name][depth]], limit)
        parts += sheet(spot.x + shift, spot.y - shift, wide_, tall, rgb, style.ink, style.thin)
    return parts


def _cone(found: Sequence[Stop], spots: Sequence[_Spot], style: Style) -> list[Part]:
    """Return the outlined windows, the padding hatched, and the lines from each to the next."""
    parts: list[Part] = []
    boxes = []
    for s, spot in zip(found, spots, strict=True):
        x0, x1 = spot.x + s.columns[0] * spot.step, spot.x + (s.columns[1] + 1) * spot.step
        y0, y1 = spot.y + s.rows[0] * spot.tall, spot.y + (s.rows[1] + 1) * spot.tall
        boxes.append((x0, y0, x1, y1))
        left, top = spot.x, spot.y
        right, bottom = left + s.size[1] * spot.step, top + s.size[0] * spot.tall
        for a, b, c, d in (
            (x0, y0, x1, min(top, y1)), (x0, max(bottom, y0), x1, y1),
            (x0, max(y0, top), min(left, x1), min(y1, bottom)), (max(right, x0), max(y0, top), x1, min(y1, bottom)),
        ):  # fmt: skip
            parts += hatched(a, b, c - a, d - b, style.dim)
    lines: list[Part] = []
    for (_, top, x0, bottom), (x1, top1, _, bottom1) in pairwise(boxes):
        lines.append(line(((x0, top), (x1, top1)), style.accent, style.thin, (2.0, 1.4)))
        lines.append(line(((x0, bottom), (x1, bottom1)), style.accent, style.thin, (2.0, 1.4)))
    for x0, y0, x1, y1 in boxes:
        lines.append(rectangle(x0, y0, x1 - x0, y1 - y0, Paint(None, style.accent, style.thin * 2)))
    return [
        Group("padding", "What lies in the padding", tuple(parts)),
        Group("cone", "What the number depends on", tuple(lines)),
    ]


def _words(
    graph: Graph,
    found: Sequence[Stop],
    spots: Sequence[_Spot],
    style: Style,
    width: float,
    top: float,
) -> tuple[list[Part], float]:
    """Return a few lines below each map, and where the longest ends."""
    small = round(style.size * 0.88, 2)
    edges = [MARGIN]
    for one, other, s in zip(spots, spots[1:], found, strict=False):
        edges.append((one.x + s.size[1] * one.step + other.x) / 2)
    edges.append(width - MARGIN)
    parts: list[Part] = []
    bottom = top
    for n, (s, spot) in enumerate(zip(found, spots, strict=True)):
        centre = spot.x + s.size[1] * spot.step / 2
        room = 2 * min(centre - edges[n], edges[n + 1] - centre) - 4
        if room < 40:  # at the figure's edge words may lean inwards
            centre = (edges[n] + edges[n + 1]) / 2
            room = edges[n + 1] - edges[n] - 4
        rows, columns, maps = s.size
        seen = f"{s.rows[1] - s.rows[0] + 1}×{s.columns[1] - s.columns[0] + 1} seen"
        area = f"{rows}×{columns}"
        if rows == 1:
            seen, area = f"{s.columns[1] - s.columns[0] + 1} seen", f"{columns}"
        lines = [
            (t, style.size, True, style.ink)
            for t in broken(printable(s.name), room, style.size, True)[:3]
        ]
        lines += [(t, small, False, style.ink) for t in broken(f"{maps} of {area}", room, small)]
        which = f"map {spot.front}" if s.name not in graph.inputs else "the input"
        lines += [(t, small, False, style.dim) for t in broken(which, room, small)]
        if n < len(found) - 1:
            lines += [(t, small, False, style.accent) for t in broken(seen, room, small)]
        y = top
        for text, size, bold, colour in lines:
            y += 1.25 * size
            parts.append(Text(centre, y - 0.28 * size, text, size, colour, "middle", bold))
        bottom = max(bottom, y)
    return parts, bottom


def _kernels(
    graph: Graph,
    found: Sequence[Stop],
    spots: Sequence[_Spot],
    style: Style,
    top: float,
    width: float,
) -> tuple[list[Part], float]:
    """Return the slice between two neighbours: by what the map in front is multiplied for the next one's."""
    import numpy as np

    small = round(style.size * 0.8, 2)
    side = 4.2 * style.size
    parts: list[Part] = []
    lowest = top
    right = MARGIN
    for n in range(1, len(found)):
        s, spot, before = found[n], spots[n], spots[n - 1]
        if found[n - 1].name not in graph.nodes[s.name].inputs:
            continue
        kernel = slice_of(graph, s.name, spot.front, before.front)
        if kernel is None or max(kernel.shape) > 32:
            continue
        rows, columns = kernel.shape
        step = side / max(rows, columns)
        lines = [f"{printable(s.name)}:", f"filter {spot.front},", f"slice {before.front}"]
        wants = columns * step + 3 + max(wide(t, small) for t in lines)
        middle = (before.x + found[n - 1].size[1] * before.step + spot.x) / 2
        x = max(min(middle - wants / 2, width - MARGIN - wants), right)
        if x + wants > width - MARGIN:
            continue
        kernel = np.asarray(kernel)
        parts += sheet(x, top, columns * step, rows * step, coloured(kernel), style.ink, style.thin)
        y = top + small
        for text in lines:
            parts.append(Text(x + columns * step + 3, y, text, small, style.dim))
            y += small * 1.25
        right = x + wants + 8
        lowest = max(lowest, top + rows * step, y)
    return [
        Group("kernels", "Slices of the filters between maps that follow one another", tuple(parts))
    ] if parts else [], lowest

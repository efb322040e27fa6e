"""How the receptive field grows: layer by layer, what of the image one number sees."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from convscope.errors import UnsupportedError
from convscope.figures.blocks import role_of, titled
from convscope.figures.lettering import shortened, wide
from convscope.figures.scene import Group, Paint, Part, Scene, Text, hatched, line, named, rectangle
from convscope.figures.styles import Style, colour_of
from convscope.model.field import ReceptiveField
from convscope.model.graph import Graph
from convscope.notation.sizes import is_known
from convscope.typed import TYPE_CHECKING, Record
from convscope.views.characters import printable

if TYPE_CHECKING:
    from typing import Any

MARGIN = 8.0
MOST = 28
"""So many layers are shown; of more those at which it grows most."""


class _Row(Record):
    """A layer, its receptive field, and what the number in the middle of its output sees along the columns."""

    name: str
    kind: str
    role: str
    field: ReceptiveField
    size: int
    span: tuple[int, int]


def receptive(graph: Graph, style: Style, width: float, layers: Sequence[str]) -> Scene:
    """Return the growth of the receptive field: a bar for each layer at which it changes, the image's own below them.

    A bar is what the number in the middle of the layer's output sees along the image's columns; what reaches over
    the image lies in the padding and is hatched. Raises `UnsupportedError` where no receptive field is known.
    """
    rows = _growing(graph, layers)
    names = [n for n, shape in graph.inputs.items() if len(shape) > 1]
    if not rows or not names:
        raise UnsupportedError(
            f"{graph.name} has no layer whose receptive field is known: it needs maps with rows or columns"
        )
    shape: Any = graph.inputs[names[0]]
    last = graph.image_layout == "channels_last"
    across = (shape[:-1] if last else shape[1:])[-1]
    largest = max(row.size for row in rows)
    image_wide = int(across) if is_known(across) else largest
    size, small = style.size, round(style.size * 0.88, 2)
    label = min(max(wide(printable(row.name), size, True) for row in rows), width * 0.3)
    figures = max(wide(_figures(row), small) for row in rows)
    left, right = MARGIN + label + 8, width - MARGIN - figures - 8
    spans = [row.span for row in rows]
    low, high = min(0, *(s[0] for s in spans)), max(image_wide, *(s[1] for s in spans))
    step = (right - left) / (high - low)
    x0, x1 = left - low * step, left + (image_wide - low) * step
    parts: list[Part] = []
    taken: set[str] = set()
    y = MARGIN + size * 1.3
    head = f"What the number in the middle sees of {image_wide if is_known(across) else 'an unknown number of'} columns"
    begin = left if left + wide(head, small) <= width - MARGIN else MARGIN
    head = shortened(head, width - begin - MARGIN, small)
    parts.append(Text(begin, y - size * 0.4, head, small, style.dim))
    top = y
    high_bar = size * 1.05
    called = _apart([printable(row.name) for row in rows], label, size)
    for row, name, (a, b) in zip(rows, called, spans, strict=True):
        y += 2.5
        start, end = left + (a - low) * step, left + (b - low) * step
        bar: list[Part] = [
            rectangle(
                start,
                y,
                max(end - start, 0.6),
                high_bar,
                Paint(colour_of(row.role), style.ink, style.thin),
            )
        ]
        for p, q in ((start, min(end, x0)), (max(start, x1), end)):
            if q > p:
                bar.append(rectangle(p, y, q - p, high_bar, Paint(style.paper)))
                bar += hatched(p, y, q - p, high_bar, style.dim)
                bar.append(rectangle(p, y, q - p, high_bar, Paint(None, style.ink, style.thin)))
        base = y + high_bar - size * 0.22
        bar.append(Text(MARGIN + label, base, name, size, style.ink, "end", True))
        bar.append(Text(width - MARGIN, base, _figures(row), small, style.dim, "end"))
        parts.append(
            Group(named(row.name, taken), printable(f"{row.name}: {row.kind}"), tuple(bar))
        )
        y += high_bar
    y += 3
    if is_known(across):
        for x in (x0, x1):
            parts.append(line(((x, top), (x, y)), style.accent, style.thin, (2.0, 1.4)))
        parts.append(line(((x0, y + 3), (x1, y + 3)), style.accent, style.thin * 2.5))
        y += 6 + small
        words = f"the image, {image_wide}"
        middle = min(
            max((x0 + x1) / 2, MARGIN + wide(words, small) / 2),
            width - MARGIN - wide(words, small) / 2,
        )
        parts.append(Text(middle, y, words, small, style.accent, "middle"))
    y += 4
    title = f"How the receptive field grows in {printable(graph.name)}"
    return Scene(width, y + MARGIN, title, tuple(parts), style.ground)


def _apart(names: Sequence[str], room: float, size: float) -> list[str]:
    """Return names no wider than `room`, cut so that they stay unlike one another where that can be."""
    middle = [shortened(name, room, size, True) for name in names]
    if len(set(middle)) == len(set(names)):
        return middle
    ends = []
    for name in names:
        kept = name
        while len(kept) > 1 and wide(kept + "…" * (kept != name), size, True) > room:
            kept = kept[:-1]
        ends.append(kept + "…" * (kept != name))
    return ends if len(set(ends)) > len(set(middle)) else middle


def _growing(graph: Graph, layers: Sequence[str]) -> list[_Row]:
    """Return the layers at which the field grows, or the stride changes."""
    found: list[_Row] = []
    largest: list[int] = []
    for name in layers:
        field = graph.receptive_field(name)
        size = field.size[-1] if field is not None and field.size else None
        if field is None or size is None or not is_known(size):
            continue
        now = [int(s) if s is not None and is_known(s) else 0 for s in field.size]
        grows = len(now) != len(largest) or any(a > b for a, b in zip(now, largest, strict=True))
        if found and not grows and found[-1].field.stride == field.stride:
            continue
        span = _span(graph, name)
        if span is not None:
            largest = list(map(max, now, largest)) if len(now) == len(largest) else now
            found.append(
                _Row(name, titled(graph, name), role_of(graph, name), field, int(size), span)
            )
    if len(found) > 1 and set(found[0].field.size) == {1}:
        del found[0]  # it sees its own pixel, as the image does
    if len(found) > MOST:
        sizes = [row.size for row in found]
        gains = [0, *(abs(b - a) for a, b in pairwise(sizes))]
        order = sorted(range(len(found)), key=lambda n: (-gains[n], n))[: MOST - 2]
        keep = sorted({0, len(found) - 1, *order})
        found = [found[n] for n in keep]
    return found


def _figures(row: _Row) -> str:
    field = row.field
    words = "×".join("?" if s is None else str(s) for s in field.size)
    if not field.alike:
        words = f"up to {words}"
    step = field.stride[-1]
    return words if step is None else f"{words}, stride {step:g}"


def _span(graph: Graph, name: str) -> tuple[int, int] | None:
    """Return from where to before where the number in the middle of a layer sees; None where that is not known."""
    shape = graph.shape(name)
    middle = [int(s) // 2 if is_known(s) else 0 for s in shape]
    patch = graph.patch(name, middle)
    seen = patch[-1] if patch else None
    if seen is None or not all(map(is_known, seen)):
        return None
    return int(seen[0]), int(seen[1]) + 1

"""Plates: the kernels of a layer slice by slice, and gradients, as pictures beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from convscope.errors import UnsupportedError
from convscope.explain.reading import main_sum
from convscope.explain.words import exact
from convscope.figures.lettering import broken, shortened, wide
from convscope.figures.number import NEGATIVE, POSITIVE, ZERO
from convscope.figures.scene import Group, Paint, Part, Scene, Text, rectangle
from convscope.figures.sheets import as_maps, coloured, maps_read, pictured, sheet, slice_of
from convscope.figures.styles import Style, mixed
from convscope.model.graph import Graph
from convscope.typed import Array, Record
from convscope.views.characters import printable

MARGIN = 8.0
_PLATE, _TALLEST, _STRIP = 260.0, 220.0, 16.0
"""About how high a plate is, and how high a picture at most and at least."""

_Stack: TypeAlias = tuple[str, dict[tuple[int, int], Array]]
"""A column: its label, and the slices in it by (filter, map)."""


def kernels(graph: Graph, style: Style, width: float, layer: str) -> Scene:
    """Return a layer's kernel as a plate: a column for each filter, a row for each map that it reads.

    As many as are legible; how many there are is said. Raises `UnsupportedError` for a layer without windows.
    """
    return _plate(graph, style, width, layer, None, [])


def kernel_gradient(
    graph: Graph,
    style: Style,
    width: float,
    layer: str,
    weight: str,
    slopes: Array,
    words: Sequence[str],
) -> Scene:
    """Return what a small change of each number of a kernel does, as a plate like `kernels`; filters with most come first.

    slopes   the gradient, as large as the kernel
    words    sentences that say of what it is the gradient

    Raises `UnsupportedError` for a weight that does not slide over maps.
    """
    equation = graph.facts[layer].equation
    main = None if equation is None else main_sum(equation)
    if main is not None and main.kernel.tensor.name != weight:
        raise UnsupportedError(
            f"{layer}.{weight} does not slide over maps: draw the gradient of its kernel"
        )
    return _plate(graph, style, width, layer, slopes, words)


def _plate(
    graph: Graph,
    style: Style,
    width: float,
    layer: str,
    slopes: Array | None,
    said: Sequence[str],
) -> Scene:
    import numpy as np

    equation = graph.facts[layer].equation
    main = None if equation is None else main_sum(equation)
    picks = None if equation is None else next((a for a in equation.axes if a.role), None)
    if main is None or len(main.kernel.indices) < 3:
        raise UnsupportedError(
            f"{layer} ({graph.nodes[layer].layer.kind}) has no kernel that slides over maps"
        )
    filters = 1 if picks is None else int(picks.size)
    order = list(range(filters)) if slopes is None else _led(graph, layer, filters, slopes)
    each = len(maps_read(graph, layer, 0))
    sample = slice_of(graph, layer, 0, maps_read(graph, layer, 0).start)
    if sample is None:
        raise UnsupportedError(f"the kernel of {layer} is not laid out in slices of windows")
    rows, columns = sample.shape
    small = _small(style)
    left = MARGIN + wide("slice 000", small) + 6
    numbered = str(max(filters, each))
    least = max(3.2 * columns, 13.0 if rows < 12 else 26.0, wide(numbered, small) + 2)
    alone = len(order) == 1  # one filter's slices stand beside one another, not below
    beside = each if alone else len(order)
    fit = max(1, min(beside, int((width - left - MARGIN) // (least + 4))))
    cell = min((width - left - MARGIN) / fit - 4, 46.0)
    high = cell * rows / columns
    step = max(high + 4, small * 1.3)  # a row has its name beside it
    deep = 1 if alone else min(each, max(1, int(_PLATE // step)))
    lines = max(1, min(-(-beside // fit), int(_PLATE // (deep * step + small * 1.6 + 4))))
    count = min(fit * lines, beside)
    shown = order[:1] if alone else order[:count]
    found = {n: _slices(graph, layer, n, count if alone else deep, slopes) for n in shown}
    stacks, heads = _stacks(found, alone)
    same = all(heads[1])
    largest = [
        np.abs(np.nan_to_num(k, nan=0, posinf=0, neginf=0)).max()
        for _, stack in stacks
        for k in stack.values()
    ]
    limit = float(max(largest))
    parts, y = _told(said, style, width)
    y += style.size * 1.3
    name = main.kernel.tensor.name
    what = printable(layer) if slopes is None else f"The gradient of {printable(layer)}.{name}"
    head = f"{what}: {'×'.join(map(str, graph.facts[layer].weights[name]))}"
    head = shortened(head, width - 2 * MARGIN, style.size, True)
    parts.append(Text(MARGIN, y - 3, head, style.size, style.ink, "start", True))
    y += 2
    grid = _Grid(left, cell, high, step, fit)
    y = grid.drawn(parts, stacks, heads, limit, style, y)
    words = []
    if slopes is not None:
        words.append(_sums(slopes))
    if not alone and count < len(order):
        most = "" if slopes is None else ", those with most"
        words.append(f"{count} of {len(order):,} filters{most}.")
    if len(order) < filters:
        words.append(f"The gradient of {filters - len(order):,} of {filters:,} filters is 0.")
    if (some := count if alone else deep) < each:
        words.append(f"Of each filter {some} of {each:,} slices.")
    if not alone and not same:
        words.append("A filter reads the maps of its own group only.")
    bar, y = scale(style, MARGIN, y + 3, limit, width)
    parts += bar
    y = _below(" ".join(words), parts, style, width, y)
    title = "The kernel" if slopes is None else "A gradient of the kernel"
    return Scene(width, y + MARGIN, f"{title} of {printable(layer)}", tuple(parts), style.ground)


def _stacks(
    found: Mapping[int, Mapping[int, Array]], alone: bool
) -> tuple[list[_Stack], tuple[str, list[str]]]:
    """Return what stands in each column, with its label, and what the columns and the rows are called.

    found   the slices of each filter that is shown, by the map that each is for
    alone   whether there is one filter, whose slices stand in a column each

    Rows that hold slices for different maps have no name.
    """
    if alone:
        ((one, held),) = found.items()
        stacks = [(f"{into}", {(one, into): k}) for into, k in held.items()]
        return stacks, ("slice", [f"filter {one}"])
    stacks = [(f"{n}", {(n, into): k for into, k in one.items()}) for n, one in found.items()]
    first = list(next(iter(found.values())))
    same = all(list(one) == first for one in found.values())
    return stacks, ("filter", [f"slice {into}" if same else "" for into in first])


class _Grid(Record):
    """How pictures stand in columns: from where on, how wide and high each is, from row to row, and how many columns fit."""

    left: float
    cell: float
    high: float
    step: float
    fit: int

    def drawn(
        self,
        parts: list[Part],
        stacks: Sequence[_Stack],
        heads: tuple[str, list[str]],
        limit: float,
        style: Style,
        y: float,
    ) -> float:
        """Draw columns with their labels and the rows' names; return how far down they reach."""
        left, cell, high, step, fit = self
        small = _small(style)
        for start in range(0, len(stacks), fit):
            line = stacks[start : start + fit]
            parts.append(Text(left - 4, y + small, heads[0], small, style.dim, "end"))
            for place, (label, _) in enumerate(line):
                middle = left + place * (cell + 4) + cell / 2
                parts.append(Text(middle, y + small, label, small, style.dim, "middle"))
            y += small * 1.6
            for r, label in enumerate(heads[1]):
                if label:
                    middle = y + high / 2 + small * 0.35
                    parts.append(Text(left - 4, middle, label, small, style.dim, "end"))
                for place, (_, stack) in enumerate(line):
                    (n, into), weights = list(stack.items())[r]
                    rgb = coloured(weights, limit)
                    own = sheet(left + place * (cell + 4), y, cell, high, rgb, style.dim, 0.3)
                    parts.append(
                        Group(f"filter-{n}-slice-{into}", f"filter {n}, slice {into}", tuple(own))
                    )
                y += step
            y += 4
        return y


def _told(said: Sequence[str], style: Style, width: float) -> tuple[list[Part], float]:
    """Return sentences at the top of a plate, and how far down they reach."""
    pieces = [p for text in said for p in broken(printable(text), width - 2 * MARGIN, style.size)]
    y, step = MARGIN, style.size * 1.35
    lines = (
        Text(MARGIN, y + n * step - 3, piece, style.size, style.ink)
        for n, piece in enumerate(pieces, 1)
    )
    return list(lines), y + len(pieces) * step


def _below(words: str, parts: list[Part], style: Style, width: float, y: float) -> float:
    """Add small words at the foot of a plate; return how far down they reach."""
    small = _small(style)
    for piece in broken(words, width - 2 * MARGIN, small) if words else []:
        y += small * 1.4
        parts.append(Text(MARGIN, y, piece, small, style.dim))
    return y


def _small(style: Style) -> float:
    return round(style.size * 0.8, 2)


def _slices(
    graph: Graph, layer: str, out: int, most: int, slopes: Array | None = None
) -> dict[int, Array]:
    """Return a filter's first slices, or those of its gradient, by the map that each is for."""
    found = {
        into: slice_of(graph, layer, out, into, slopes)
        for into in maps_read(graph, layer, out)[:most]
    }
    return {into: one for into, one in found.items() if one is not None}


def _led(graph: Graph, layer: str, filters: int, slopes: Array) -> list[int]:
    """Return the filters that a gradient moves, the one with most first."""
    import numpy as np

    each = len(maps_read(graph, layer, 0))
    found = [_slices(graph, layer, n, each, slopes) for n in range(filters)]
    weight = [sum(float(np.abs(np.nan_to_num(k)).sum()) for k in one.values()) for one in found]
    moved = [n for n in range(filters) if any(np.any(k) for k in found[n].values())]  # NaN too
    return sorted(moved or range(filters), key=lambda n: -weight[n])


def _about(value: float) -> str:
    """Return a number to the six digits that float32 gives."""
    return exact(float(f"{value:.6g}"))


def _sums(slopes: Array) -> str:
    """Return what a gradient's numbers come to, and where the largest is, in a sentence."""
    import numpy as np

    at = np.unravel_index(np.argmax(np.abs(np.nan_to_num(slopes))), slopes.shape)
    place = ", ".join(map(str, map(int, at)))
    return (
        f"All {slopes.size:,} numbers add up to {_about(np.sum(slopes))}; the largest, at ({place}), is "
        f"{_about(slopes[at])}."
    )


def scale(style: Style, x: float, y: float, limit: float, width: float) -> tuple[list[Part], float]:
    """Return what colours mean: a bar from −limit to limit."""
    small = _small(style)
    ends = [f"−{limit:.3g}", "0", f"{limit:.3g}"]
    long = min(max(3 * wide(ends[0], small), 90.0), width - 2 * x)
    parts: list[Part] = []
    count = 30
    for n in range(count):
        share = (n + 0.5) / count * 2 - 1
        fill = mixed(ZERO, NEGATIVE if share < 0 else POSITIVE, abs(share))
        parts.append(
            rectangle(x + n * long / count, y, long / count + 0.1, small * 0.8, Paint(fill))
        )
    y += small * 1.9
    both = wide(ends[0], small) + wide(ends[2], small)
    parts.append(Text(x, y, ends[0], small, style.dim))
    if both + 2 * wide("0", small) + 4 < long:
        parts.append(Text(x + long / 2, y, "0", small, style.dim, "middle"))
    parts.append(Text(x + long, y, ends[2], small, style.dim, "end"))
    return [Group("scale", "What colours mean", tuple(parts))], y + 2


def gradient(
    graph: Graph,
    style: Style,
    width: float,
    activations: Mapping[str, Array],
    to: str,
    slopes: Array,
    words: Sequence[str],
) -> Scene:
    """Return what a small change of each number does: the numbers, the gradient, and their product.

    to      an input or a layer
    words   sentences that say of what it is the gradient
    """
    import numpy as np

    values = activations[to]
    own, led = as_maps(graph, to, values), as_maps(graph, to, slopes)
    order = np.argsort(-np.abs(np.nan_to_num(led)).sum(axis=(1, 2)), kind="stable")
    front = int(order[0])
    image = to in graph.inputs and len(own) in (1, 3) and own.shape[1] > 1
    one = pictured(graph, to, values) if image else coloured(own[front])
    total = led.sum(axis=0) if image else led[front]
    shares = (own * led).sum(axis=0) if image else own[front] * led[front]
    titles = [
        printable(to) if image else f"map {front} of {printable(to)}",
        "gradient",
        "input × gradient" if image else "value × gradient",
    ]
    if image and len(own) > 1:
        titles[1:] = ["gradient, colours added up", "input × gradient, added up"]
    rows, columns = own.shape[1:]
    gap = 14.0
    room = min((width - 2 * MARGIN - 2 * gap) / 3, 170.0)
    side, high = room, room * rows / columns
    if high > _TALLEST:
        side, high = side * _TALLEST / high, _TALLEST
    high = max(high, _STRIP)
    parts, y = _told(words, style, width)
    y += 4
    lines = [broken(t, room, style.size, True) for t in titles]
    for n, title in enumerate(lines):
        for k, piece in enumerate(title):
            parts.append(
                Text(
                    MARGIN + n * (room + gap),
                    y + style.size * (k + 1) * 1.2,
                    piece,
                    style.size,
                    style.ink,
                    "start",
                    True,
                )
            )
    y += style.size * 1.2 * max(map(len, lines)) + 4
    lowest = y
    for n, rgb in enumerate((one, coloured(total), coloured(shares))):
        x = MARGIN + n * (room + gap)
        parts.append(
            Group(
                f"panel-{n + 1}",
                titles[n],
                tuple(sheet(x, y, side, high, rgb, style.ink, style.thin)),
            )
        )
        if n:
            limit = float(np.abs(np.nan_to_num((total, shares)[n - 1], posinf=0, neginf=0)).max())
            bar, bottom = scale(style, x, y + high + 5, limit, 2 * x + room)
            parts += [
                Group(
                    f"scale-{n}",
                    "What colours mean",
                    bar[0].parts if isinstance(bar[0], Group) else (),
                )
            ]
            lowest = max(lowest, bottom)
    y = max(lowest, y + high)
    sums = f"The gradient's numbers add up to {_about(np.sum(led))}; {'input' if image else 'value'} × gradient to {_about(np.sum(own * led))}."
    y = _below(sums, parts, style, width, y)
    return Scene(
        width, y + MARGIN, f"A gradient of {printable(graph.name)}", tuple(parts), style.ground
    )

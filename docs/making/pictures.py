"""Pictures of layers, drawn from their equations alone: where a window lies, and the curve of a function of one number.

An SVG takes its colours from the page (`currentColor`), so it is right in light and dark. It says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.explain.windows import Along, along_axes
from convscope.notation import Equation
from convscope.notation.evaluation import evaluate_all
from convscope.notation.sizes import is_known

CELL = 14
MOST = 24
"""Maps of more rows or columns are not drawn."""


def picture(equation: Equation) -> str:
    """Return a picture of a layer, or nothing where none says more than the equation."""
    return window(equation) or curve(equation)


# -- windows --------------------------------------------------------------------------------------


def window(equation: Equation) -> str:
    """Return a map with its padding, and what the first and another output read of it; "" where nothing moves."""
    along = [one for one in along_axes(equation) if one.read.tensor is along_first(equation)]
    along = sorted({one.dimension: one for one in along}.values(), key=lambda one: one.dimension)
    sizes = [one.read.tensor.shape[one.dimension] for one in along]
    if not 1 <= len(along) <= 2 or not all(is_known(s) and s <= MOST for s in sizes):
        return ""
    if all(len(one.taps) == 1 and one.fit.stride == 1 for one in along):
        return ""
    if len(along) == 1:
        return _drawn([None, along[0]], [1, sizes[0]])
    return _drawn(along, sizes)


def along_first(equation: Equation) -> object:
    return equation.inputs[0] if equation.inputs else None


def _drawn(along: Sequence[Along | None], sizes: Sequence[int]) -> str:
    reads = [sorted(one.positions) if one else [0] for one in along]
    low = [min(0, r[0]) for r in reads]
    high = [max(size - 1, r[-1]) for size, r in zip(sizes, reads, strict=True)]
    places = [(0, 0), tuple(min(2, one.fit.count - 1) if one else 0 for one in along)]
    taps = [
        [
            {t + one.fit.stride * at for t in one.taps} if one else {0}
            for one, at in zip(along, place, strict=True)
        ]
        for place in places
    ]
    cells: dict[str, list[str]] = {}
    for y in range(low[0], high[0] + 1):
        for x in range(low[1], high[1] + 1):
            inside = 0 <= y < sizes[0] and 0 <= x < sizes[1]
            read = "".join(str(n) for n, (ys, xs) in enumerate(taps) if y in ys and x in xs)
            unread = not all(at in r for at, r in zip((y, x), map(set, reads), strict=True))
            kind = (
                f"r{read}" if read else "unread" if inside and unread else "in" if inside else "pad"
            )
            corner = (
                f"M{(x - low[1]) * CELL} {(y - low[0]) * CELL}h{CELL - 1}v{CELL - 1}h{1 - CELL}z"
            )
            cells.setdefault(kind if inside or kind == "pad" else f"{kind} pad", []).append(corner)
    inner = "".join(f'<path class="{kind}" d="{"".join(path)}"/>' for kind, path in cells.items())
    width, height = ((h - a + 1) * CELL for h, a in zip(high[::-1], low[::-1], strict=True))
    where = [
        "(" + ", ".join(str(p) for p, one in zip(place, along, strict=True) if one) + ")"
        for place in places
    ]
    shape = "×".join(str(s) for s, one in zip(sizes, along, strict=True) if one)
    words = f"One map of {shape}: what output {where[0]} reads of it, and output {where[1]}."
    more = (
        " Dashed: padding."
        if any(a < 0 for a in low) or any(h >= s for h, s in zip(high, sizes, strict=True))
        else ""
    )
    more += " Pale: no window reads it." if "unread" in cells else ""
    return _figure(width, height, "window", inner, words + more)


# -- curves ---------------------------------------------------------------------------------------


def curve(equation: Equation) -> str:
    """Return the curve of a function of one number, over −4 … 4; "" where an output is made of more than one."""
    if len(equation.inputs) != 1 or equation.weights:
        return ""
    source = equation.inputs[0]
    if any(not is_known(s) for s in source.shape) or tuple(source.shape) != tuple(equation.shape):
        return ""
    shape = tuple(map(int, source.shape))
    numbers = np.linspace(-4, 4, 81)
    found = []
    for number in numbers:
        with np.errstate(all="ignore"):
            made = np.asarray(evaluate_all(equation, {source.name: np.full(shape, number)}), float)
            other = np.full(shape, number)
            other[(0,) * len(shape)] = 0.3
            changed = np.asarray(evaluate_all(equation, {source.name: other}), float)
        if made.size > 1 and not np.allclose(changed.ravel()[1:], made.ravel()[1:], equal_nan=True):
            return ""
        found.append(made.ravel()[-1])
    values = np.array(found)
    if not np.isfinite(values).any() or np.allclose(values, numbers, equal_nan=True):
        return ""
    return _plotted(numbers, values)


def _plotted(numbers: np.ndarray, values: np.ndarray) -> str:
    shown = values[np.isfinite(values)]
    low, high = max(-5.0, min(0.0, shown.min())), min(5.0, max(1.0, shown.max()))
    scale = 30

    def at(x: float, y: float) -> tuple[float, float]:
        return round((x + 4) * scale, 1), round((high - y) * scale, 1)

    points, pieces = [], []
    for x, y in zip(numbers, values, strict=True):
        if np.isfinite(y) and low <= y <= high:
            points.append(f"{at(x, y)[0]},{at(x, y)[1]}")
        elif points:
            pieces.append(points)
            points = []
    lines = "".join(f'<polyline points="{" ".join(p)}"/>' for p in [*pieces, points] if p)
    height = (high - low) * scale
    zero = at(0, 0)
    ticks = "".join(
        f'<text x="{at(x, 0)[0]}" y="{min(height, zero[1] + 12)}">{x}</text>'.replace("-", "−", 1)
        if x < 0
        else f'<text x="{at(x, 0)[0]}" y="{min(height, zero[1] + 12)}">{x}</text>'
        for x in (-4, -2, 2, 4)
    )
    ticks += f'<text x="{zero[0] - 6}" y="{at(0, 1)[1] + 4}">1</text>'
    axes = f'<path d="M0 {zero[1]}H{8 * scale}M{zero[0]} 0V{height}"/>'
    return _figure(
        8 * scale, int(height) + 14, "curve", axes + ticks + lines, "What comes out, for −4 … 4."
    )


def _figure(width: int, height: int, kind: str, inner: str, words: str) -> str:
    return (
        f'<figure class="layer-picture"><svg class="{kind}" role="img" aria-label="{words}" '
        f'viewBox="-2 -2 {width + 4} {height + 4}" width="{width + 4}" height="{height + 4}">'
        f"{inner}</svg><figcaption>{words}</figcaption></figure>"
    )

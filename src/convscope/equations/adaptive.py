"""Pooling to a given size: position y takes the numbers from ⌊y·n/m⌋ up to ⌈(y + 1)·n/m⌉.

out[y, c] = mean i<n/m  in[y·n/m + i, c]      where m divides n; else a window of its own for each position
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.equations.layout import WINDOW_NAMES, Layout, map_axes
from convscope.equations.pooling import Reduce
from convscope.equations.stating import NoEquation
from convscope.notation import UNKNOWN, Axis, Equation, Expression, Pieces, Size, Tensor
from convscope.notation.sizes import is_known
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

MOST_WINDOWS = 1024
"""So many windows of several sizes are written down one by one."""


def bounds(size: int, count: int) -> list[tuple[int, int]]:
    """Return from where and up to where each of so many windows reaches.

    >>> bounds(7, 3)
    [(0, 3), (2, 5), (4, 7)]
    """
    return [(y * size // count, -(-(y + 1) * size // count)) for y in range(count)]


def adaptive_pooling(
    reduce: Reduce,
    image: Tensor,
    sizes: Sequence[Size],
    wanted: Sequence[int],
    channels: Size,
    layout: Layout,
) -> Equation:
    """Return the pooling of maps of these sizes to the wanted ones; windows of unknown maps are unknown."""
    c, out = Axis("c", channels, "channel", role="in"), map_axes(wanted)
    axes = layout.image(c, out)
    names = WINDOW_NAMES[len(out)]
    uneven = any(is_known(n) and n % m for n, m in zip(sizes, wanted, strict=True))
    if math.prod(wanted) > MOST_WINDOWS and uneven:
        raise NoEquation("its windows are of several sizes, and many")

    def build(taps: Sequence[Axis], at: Sequence[Any]) -> Expression:
        place = len(at)
        if place == len(out):
            return reduce(*taps)(image[layout.image(c, at)])
        y, size = out[place], sizes[place]
        if not is_known(size):
            tap = y.like(names[place], UNKNOWN)
            return build([*taps, tap], [*at, y * UNKNOWN + tap])
        spans = bounds(size, wanted[place])
        if size % wanted[place] == 0:
            tap = y.like(names[place], size // wanted[place])
            return build([*taps, tap], [*at, tap if len(spans) == 1 else y * tap.size + tap])
        bodies = []
        for start, end in spans:
            tap = y.like(names[place], end - start)
            bodies.append(build([*taps, tap], [*at, tap + start]))
        return Pieces(y, tuple(range(1, len(spans) + 1)), tuple(bodies))

    return Equation(axes, build([], []))

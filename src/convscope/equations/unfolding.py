"""Windows laid out as numbers of their own, and put back together.

    out[k, p] = in[⌊k/(kh·kw)⌋, s·⌊p/across⌋ + …, s·(p mod across) + …]
    out[c, y, x] = Σ i, j  column[c, i, j, (y + top − i)/s, (x + left − j)/s]

Columns of windows are what a convolution multiplies with its kernel; folded back, what several windows hold of one
position is added up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.equations.layout import MAP_NAMES, WORDS, Layout, window_axes
from convscope.equations.sliding import Slide, spread
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Index, Size, Sum, Tensor, local
from convscope.notation.expression import Padding
from convscope.notation.index import in_one
from convscope.notation.sizes import shape_text


def windows(image: Tensor, axes: Sequence[Axis], place: int, step: int) -> Equation:
    """Return the windows along one axis, `step` apart, their numbers along the last of the output's axes."""
    at = [a * step + axes[-1] if n == place else a for n, a in enumerate(axes[:-1])]
    return Equation(axes, image[tuple(at)])


def columns(image: Tensor, axes: Sequence[Axis], slide: Slide, counts: Sequence[int]) -> Equation:
    """Return every window of a map as one column: axes (…, numbers of a window, windows).

    slide    how the window moves
    counts   how often it fits along each axis
    """
    *lead, k, p = axes
    taps = [axis.size for axis in slide.taps]
    found = dict(
        zip((*slide.out, *slide.taps), (*_digits(p, counts), *_digits(k, taps)), strict=True)
    )
    at = [index.substitute(found) for index in slide.at]
    channel = k // math.prod(taps)
    borders = [*((0, 0) for _ in (*lead, channel)), *slide.pads]
    return Equation(axes, image.padded(borders, "zero")[(*lead, channel, *at)])


def _digits(flat: Index, sizes: Sequence[int]) -> list[Index]:
    """Return the places along axes of these sizes that a running number stands for."""
    return [(flat // math.prod(sizes[n + 1 :])) % size for n, size in enumerate(sizes)]


def folds(
    image: Tensor,
    shape: Sequence[Size],
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    pads: Sequence[Padding],
    layout: Layout,
) -> Equation:
    """Return maps of these sizes from columns (…, numbers of a window, windows) of this shape: windows' numbers are
    added up where they overlap.

    pads   how far windows reach over the maps: (before, after)

    Raises `ShapeError` for columns that are not those of such maps.
    """
    rank = len(window)
    counts = [
        (n + before + after - (k - 1) * d - 1) // s + 1
        for n, k, s, d, (before, after) in zip(sizes, window, strides, dilation, pads, strict=True)
    ]
    *lead, numbers, many = shape
    each = math.prod(window)
    if many != math.prod(counts) or numbers % each:
        raise ShapeError(
            f"columns of shape {shape_text(tuple(shape))} are not those of maps of {shape_text(tuple(sizes))}: windows of "
            f"{shape_text(tuple(window))} fit {shape_text(tuple(counts))} times"
        )
    axes = layout.axes((*lead, numbers // each, *sizes))
    *first, c = axes[: len(axes) - rank]
    taps = window_axes(window)
    rows = tuple(map(Axis, [f"{n}′" for n in MAP_NAMES[rank]], counts, WORDS[rank]))
    number: Index = c
    for axis, size in zip(taps, window, strict=True):
        number = number * size + axis
    column = local("column", (*first, c, *taps, *rows), image[(*first, number, in_one(rows))])
    cover = [
        (m - 1) * s + (k - 1) * d + 1
        for m, s, k, d in zip(counts, strides, window, dilation, strict=True)
    ]
    crops = [
        (before, whole - n - before)
        for whole, n, (before, _) in zip(cover, sizes, pads, strict=True)
    ]
    moves = spread(counts, window, strides, dilation, crops, "folding")
    put = dict(zip((*moves.out, *moves.taps), (*axes[len(axes) - rank :], *taps), strict=True))
    at = [index.substitute(put) for index in moves.at]
    borders = [(0, 0)] * (len(first) + 1 + rank) + list(moves.pads)
    return Equation(axes, Sum(*taps)(column.padded(borders, "zero")[(*first, c, *taps, *at)]))

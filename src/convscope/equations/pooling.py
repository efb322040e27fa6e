"""Pooling: each map by itself, a window of it, or all of it, becomes its largest number or its mean.

out[y, x, c] = max  i<ph, j<pw  in[y·s + i − top, x·s + j − left, c]
out[y, x, c] = mean i<ph, j<pw  in[y·s + i − top, x·s + j − left, c]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.equations.layout import Layout, map_axes, window_axes
from convscope.equations.sliding import Slide
from convscope.notation import Axis, Equation, Expression, Index, Size, Tensor, call, local
from convscope.notation.expression import Outside, Padding, Place, Reduction
from convscope.notation.functions import FLOOR
from convscope.notation.index import as_index
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

Reduce: TypeAlias = Callable[..., Callable[[Expression], Expression]]
"""`Max` or `Mean`."""


def pooling(
    slide: Slide, reduce: Reduce, image: Tensor, channels: Size, layout: Layout, outside: Outside
) -> Equation:
    """Return a pooling; `outside` is what the border counts for."""
    c = Axis("c", channels, "channel", role="in")
    value = reduce(*slide.taps)(slide.read(image, c, layout, outside))
    return Equation(layout.image(c, slide.out), value)


def bordered(
    slide: Slide, image: Tensor, shape: Shape, pads: Sequence[Padding], layout: Layout
) -> tuple[Slide, Tensor]:
    """Return a map with its padding around it as one of its own, and how the window moves over that.

    What lies beyond is then told from the padding, as a last window needs that reaches past it.
    """
    sizes, channels = layout.split(shape)
    wide = map_axes(
        [before + size + after for size, (before, after) in zip(sizes, pads, strict=True)]
    )
    c = Axis("c", channels, "channel", role="in")
    inner = tuple(axis - before for axis, (before, _) in zip(wide, pads, strict=True))
    read = image.padded(layout.borders(pads), "zero")[layout.image(c, inner)]
    at = tuple(index + before for index, (before, _) in zip(slide.at, pads, strict=True))
    rest = tuple((0, far - after) for (_, far), (_, after) in zip(slide.pads, pads, strict=True))
    return slide._replace(at=at, pads=rest), local("padded", layout.image(c, wide), read)


def place_of_largest(
    slide: Slide, image: Tensor, sizes: Sequence[Size], channels: Size, layout: Layout, whole: bool
) -> Equation:
    """Return where the largest number of a window lies in its map, its positions counted with the last axis fastest.

    whole   counted over all maps of all images instead
    """
    c = Axis("c", channels, "channel", role="in")
    axes = layout.image(c, slide.out)
    first = local(
        "first", axes, Reduction("first", slide.taps, slide.read(image, c, layout, "-inf"))
    )
    place: Expression = first[axes]
    found: Expression | None = None
    start: Index = as_index(0)
    for n, (at, tap) in enumerate(zip(slide.at, slide.taps, strict=True)):
        each, rest = math.prod(a.size for a in slide.taps[n + 1 :]), math.prod(sizes[n + 1 :])
        step = next(factor for atom, factor in at.terms if atom is tap) if tap.size > 1 else 0
        start = start + at.substitute({tap: as_index(0)}) * rest
        steps = call(FLOOR, place / float(each)) if each > 1 else place
        place = place - float(each) * steps if each > 1 else place
        if step:
            found = (
                float(step * rest) * steps if found is None else found + float(step * rest) * steps
            )
    if whole:
        for axis, size in zip(reversed((*layout.lead, c)), _strides(channels, sizes), strict=False):
            start = start + axis * size
    value = Place(start) if found is None else Place(start) + found
    return Equation(axes, value)


def _strides(channels: Size, sizes: Sequence[Size]) -> tuple[Size, Size]:
    return math.prod(sizes), channels * math.prod(sizes)


def global_pooling(
    reduce: Reduce, image: Tensor, shape: tuple[Size, ...], layout: Layout, keep: bool
) -> Equation:
    """Return a pooling of whole maps of this shape; with `keep` each stays a map, of size 1."""
    sizes, channels = layout.split(shape)
    taps, c = window_axes(sizes), Axis("c", channels, "channel", role="in")
    axes = layout.image(c, map_axes((1,) * len(sizes)) if keep else ())
    return Equation(axes, reduce(*taps)(image[layout.image(c, taps)]))

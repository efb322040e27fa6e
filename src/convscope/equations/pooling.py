"""Pooling: each map by itself, a window of it, or all of it, becomes its largest number or its mean.

out[y, x, c] = max  i<ph, j<pw  in[y·s + i − top, x·s + j − left, c]
out[y, x, c] = mean i<ph, j<pw  in[y·s + i − top, x·s + j − left, c]
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.equations.layout import Layout, map_axes, window_axes
from convscope.equations.sliding import Slide
from convscope.notation import Axis, Equation, Expression, Size, Tensor
from convscope.notation.expression import Outside
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


def global_pooling(
    reduce: Reduce, image: Tensor, shape: tuple[Size, ...], layout: Layout, keep: bool
) -> Equation:
    """Return a pooling of whole maps of this shape; with `keep` each stays a map, of size 1."""
    sizes, channels = layout.split(shape)
    taps, c = window_axes(sizes), Axis("c", channels, "channel", role="in")
    axes = layout.image(c, map_axes((1,) * len(sizes)) if keep else ())
    return Equation(axes, reduce(*taps)(image[layout.image(c, taps)]))

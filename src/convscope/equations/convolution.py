"""Convolutions: sums of what a window reads, times a kernel.

    out[y, x, o] = bias[o] + Σ i, j, c  in[y·s + i·d − top, x·s + j·d − left, c] · kernel[i, j, c, o]

One filter o is as deep as its input has channels: it reads every one of them and sums to one number. With
groups it reads only those of its own group. A transposed convolution reads (y + top − i·d)/s instead, where
that is whole, and its kernel has the filters where the other has the channels: kernel[i, j, o, c]. How the
window moves is what `sliding` says.
"""

from __future__ import annotations

from convscope.equations.layout import Layout
from convscope.equations.sliding import Slide
from convscope.notation import Axis, Equation, Expression, Index, Size, Sum, Tensor
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

Bias: TypeAlias = Tensor | float | None
"""One number for each filter, the same for all, or none."""


def convolution(
    slide: Slide,
    image: Tensor,
    kernel: Tensor,
    bias: Bias,
    filters: Size,
    channels: Size,
    layout: Layout,
    groups: int = 1,
    column: Tensor | None = None,
) -> Equation:
    """Return a convolution of a map with so many channels; groups must divide them and the filters.

    column   what the window reads, where that is not what lies under it (`sampling.deformed`)
    """
    o, c = (
        Axis("o", filters, "filter", role="out"),
        Axis("c", channels // groups, "channel", role="in"),
    )
    channel = _of_group(o, filters // groups, c, groups)
    where = layout.kernel(slide.taps, c, o)
    running = (axis for axis in where if axis is not o)
    if column is None:
        number = slide.read(image, channel, layout)
    else:
        number = column[(*layout.lead, channel, *slide.taps, *slide.out)]
    total = Sum(*running)(number * kernel[where])
    return Equation(layout.image(o, slide.out), biased(total, bias, o))


def transposed(
    slide: Slide,
    image: Tensor,
    kernel: Tensor,
    bias: Bias,
    filters: Size,
    channels: Size,
    layout: Layout,
    groups: int = 1,
) -> Equation:
    """Return a transposed convolution, whose window is a `spread`."""
    o, c = (
        Axis("o", filters, "filter", role="out"),
        Axis("c", channels // groups, "channel", role="in"),
    )
    each = filters // groups
    channel = _of_group(o, each, c, groups)
    where = layout.kernel(slide.taps, o % each if groups > 1 else o, channel)
    running = (axis for axis in layout.kernel(slide.taps, o, c) if axis is not o)
    total = Sum(*running)(slide.read(image, channel, layout) * kernel[where])
    return Equation(layout.image(o, slide.out), biased(total, bias, o))


def depthwise(
    slide: Slide, image: Tensor, kernel: Tensor, c: Axis, many: int, layout: Layout
) -> Expression:
    """Return what `many` filters of each channel make of it alone, at the channel c of the output."""
    weight = kernel[layout.kernel(slide.taps, c // many, c % many)]
    return Sum(*slide.taps)(slide.read(image, c // many, layout) * weight)


def biased(total: Expression, bias: Bias, *at: Index) -> Expression:
    """Return a sum with what is added to it, if anything is."""
    if bias is None or bias == 0.0:
        return total
    return (bias if isinstance(bias, float) else bias[at]) + total


def _of_group(o: Axis, filters: Size, c: Axis, groups: int) -> Index:
    """Return which channel of the whole map is number c of the filter's group."""
    return c if groups == 1 else (o // filters) * c.size + c

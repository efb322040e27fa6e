"""Pooling of regions: boxes of a map, each made a map of one size. The boxes are numbers that are read.

    out[r, c, y, x] = mean i<2, j<2  Σ h<H, w<W  in[c, h, w] · triangle(row[r, y, i] − h) · triangle(column[r, x, j] − w)
    out[r, c, y, x] = max h<H, w<W  in[c, h, w] where the part (y, x) of box r holds (h, w)

The first is RoIAlign (He et al., Mask R-CNN, 2017, section 3), the second RoI pooling (Girshick, Fast R-CNN, 2015, section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.equations.layout import WORDS
from convscope.equations.resizing import TRIANGLE
from convscope.notation import Axis, Equation, Expression, Max, Mean, Sum, call, local
from convscope.notation.expression import Place
from convscope.notation.functions import (
    AT_LEAST,
    CEIL,
    FLOOR,
    MAXIMUM,
    MINIMUM,
    SELECT,
    Function,
)

Reader = Callable[..., Expression]

_NAMES = ("h", "w")

AWAY = Function("round_away", ("x",), ("mul", ("sign", "x"), ("floor", ("add", ("abs", "x"), 0.5))))
"""The nearest whole number; halves away from 0."""


def aligned(
    image: Reader,
    corner: Callable[[int, bool], Expression],
    sizes: Sequence[int],
    axes: Sequence[Axis],
    samples: int,
    scale: float,
    half: bool,
) -> Equation:
    """Return the means of samples in each part of a box, each sample on straight lines between four numbers.

    image     reads the map that a region lies in: at its channel, a row and a column
    corner    of region r: along which axis, and whether it is the last one
    axes      of the output: r, c, y, x
    samples   how many there are along each axis of a part
    half      whether a pixel's middle lies half a pixel from its corner; else a box is at least a pixel wide
    """
    r, c, *out = axes
    taps, places, weights, inside = [], [], [], []
    for n, (y, size) in enumerate(zip(out, sizes, strict=True)):
        word = WORDS[2][n]
        i, h = Axis("ij"[n], samples, "sample"), Axis(_NAMES[n], size, word)
        first, last = (_scaled(corner(n, end), scale) for end in (False, True))
        wide = last - first if half else call(MAXIMUM, last - first, 1.0)
        first = first - 0.5 if half else first
        share = (Place(i) + 0.5) / float(samples) + Place(y)
        where = first + share * (wide / float(y.size))
        found = local(word, (r, y, i), where)[r, y, i]
        inside.append(call(AT_LEAST, found, -1.0) * call(AT_LEAST, float(size), found))
        held = call(MINIMUM, call(MAXIMUM, found, 0.0), size - 1.0)
        weights.append(call(TRIANGLE, held - Place(h)))
        taps.append(i)
        places.append(h)
    value = image(c, *places)
    for weight in weights:
        value = value * weight
    sample = call(SELECT, inside[0] * inside[1], Sum(*places)(value), 0.0)
    return Equation(axes, Mean(*taps)(sample))


def pooled(
    image: Reader,
    corner: Callable[[int, bool], Expression],
    sizes: Sequence[int],
    axes: Sequence[Axis],
    scale: float,
) -> Equation:
    """Return the largest number in each part of a box; 0 where a part holds nothing of the map.

    image, corner   as above; corners are taken at the nearest whole place
    axes            of the output: r, c, y, x
    """
    r, c, *out = axes
    places, within = [], []
    some: Expression | None = None
    for n, (y, size) in enumerate(zip(out, sizes, strict=True)):
        first, last = (call(AWAY, _scaled(corner(n, end), scale)) for end in (False, True))
        step = call(MAXIMUM, last - first + 1.0, 1.0) / float(y.size)
        ends = []
        for name, place, whole in (("from", y, FLOOR), ("to", y + 1, CEIL)):
            where = call(whole, Place(place) * step) + first
            cut = call(MINIMUM, call(MAXIMUM, where, 0.0), float(size))
            ends.append(local(f"{WORDS[2][n]}s {name}", (r, y), cut)[r, y])
        h = Axis(_NAMES[n], size, WORDS[2][n])
        middle = (
            Place(h) + 0.5
        )  # between whole places, so that what is rounded on the way moves nothing
        within.append(call(AT_LEAST, middle, ends[0]) * call(AT_LEAST, ends[1], middle))
        full = call(AT_LEAST, ends[1], ends[0] + 0.5)
        some = full if some is None else some * full
        places.append(h)
    number = call(SELECT, within[0] * within[1], image(c, *places), float("-inf"))
    assert some is not None
    return Equation(axes, call(SELECT, some, Max(*places)(number), 0.0))


def _scaled(number: Expression, scale: float) -> Expression:
    return number if scale == 1.0 else number * scale

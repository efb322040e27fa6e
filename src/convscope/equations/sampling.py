"""Sampling: a map is read where other numbers say.

    out[y, x, c] = Σ h<H, w<W  in[h, w, c] · triangle(row[y, x] − h) · triangle(column[y, x] − w)

Spatial Transformer Networks (Jaderberg et al. 2015, equation 5): the sum is over all places of the map, of which those
next to (row, column) have a part. row and column follow from the grid, in which −1 … 1 is the map from edge to edge, or
(aligned) from the middle of its first place to that of its last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.equations.layout import WORDS
from convscope.equations.resizing import CUBIC, TRIANGLE
from convscope.equations.sliding import Slide
from convscope.notation import Axis, Equation, Expression, Index, Local, Sum, Tensor, call, local
from convscope.notation.expression import Place, as_expression
from convscope.notation.functions import MAXIMUM, MINIMUM, ROUND, SAME, Function
from convscope.notation.index import in_one, written_out

IS_PLACE = Function(SAME.name, SAME.parameters, SAME.formula, taps=1)
"""Whether a whole number is this place."""

MIRROR = Function(
    "mirror", ("x",), ("abs", ("sub", "x", ("mul", 2.0, ("round", ("div", "x", 2.0))))), steep=1.0
)
"""There and back: x from 0 to 1, 2 − x from 1 to 2, and so on in both directions."""

_PLACES = {1: ("w",), 2: ("h", "w"), 3: ("d", "h", "w")}
_KEYS = -0.75
"""The slope of the curve that PyTorch and ONNX sample along."""


def sampled(
    image: Tensor,
    grid: Tensor,
    sizes: Sequence[int],
    axes: Sequence[Axis],
    mode: str,
    beyond: str,
    aligned: bool,
    taps_apart: bool = False,
    rows: Sequence[Axis | int] | None = None,
) -> Equation:
    """Return the numbers of a map at the places that a grid names.

    image, grid     (N, C, *sizes) and (N, *sizes of the output, rank); the grid's last number is the first axis' place
    axes            of the output: n, c and the spatial ones
    mode            "linear", "nearest" or "cubic"
    beyond          what is read outside the map: "zeros", its nearest place ("border") or its mirror image
                    ("reflection")
    taps_apart      whether the places next to it are found first, and mirrored or brought into the map one by one (ONNX
                    Runtime, and everybody along a curve), or after that (PyTorch): half-way between two places they
                    differ, and beyond the map in whether a second place is read, with weight 0
    rows            which row of the batch is read of each of the two, if not n

    The sum is over all places; of those few count, and are looked at: see `notation.expression.nears`.
    """
    n, c, *out = axes
    of_image, of_grid = rows or (n, n)
    rank = len(sizes)
    reach = 2 if mode == "cubic" else int(mode == "linear" and taps_apart)
    border = {"zeros": 0, "border": max(2 * reach - 1, 0), "reflection": reach}[beyond]
    taps: list[Axis] = []
    at: list[Index] = []
    weights: list[Expression] = []
    for place, (name, size) in enumerate(zip(_PLACES[rank], sizes, strict=True)):
        word = WORDS[rank][place]
        tap = Axis(name, size + 2 * border, word)
        where = _unpacked(grid[(of_grid, *out, rank - 1 - place)], size, aligned)
        if beyond == "reflection":
            if mode == "nearest" and taps_apart:
                where = call(ROUND, where)
            where = _mirrored(where, size, aligned)
        if beyond != "zeros":
            # from that far away all places next to it are those at the edge
            low, high = (-reach, size + reach - 2) if reach else (0, size - 1)
            where = call(MINIMUM, call(MAXIMUM, where, float(low)), float(high))
        if mode == "nearest":
            where = call(ROUND, where)
        found = local(word, (n, *out), where)[(n, *out)]
        if mode == "nearest":
            weights.append(call(IS_PLACE, found, Place(tap)))
        elif mode == "linear":
            weights.append(call(TRIANGLE, found - Place(tap - border)))
        else:
            weights.append(call(CUBIC, found - Place(tap - border), _KEYS))
        taps.append(tap)
        if border and beyond == "reflection":
            at.append(
                written_out(tap, [_mirror_of(p - border, size, aligned) for p in range(tap.size)])
            )
        else:
            at.append(tap - border)
    borders = ((0, 0), (0, 0), *((border, border) for _ in sizes))
    edged = border and beyond == "border"
    value: Expression = (image.padded(borders, "edge") if edged else image)[(of_image, c, *at)]
    for weight in weights:
        value = value * weight
    return Equation(axes, Sum(*taps)(value))


def deformed(
    slide: Slide,
    image: Tensor,
    sizes: Sequence[int],
    channels: int,
    offset: Tensor,
    mask: Tensor | None,
    n: Axis,
    groups: int,
    rows: Sequence[Axis | int],
) -> Local:
    """Return what a window reads whose taps lie apart from their places: sample[n, c, i, j, y, x].

    offset   how far: (N, groups · taps · 2, rows, columns), of each tap the rows before the columns
    mask     what each tap is multiplied with: (N, groups · taps, rows, columns)
    groups   so many runs of channels have offsets of their own
    rows     which row of the batch is read of the offset and of the mask

    Deformable Convolutional Networks (Dai et al. 2017, equation 2), and with a mask their second version (Zhu et al. 2018).
    """
    c, taps, out = Axis("c", channels, "channel", role="in"), slide.taps, slide.out
    g = Axis("g", groups, "group")
    many = math.prod(int(tap.size) for tap in taps)
    own: tuple[Axis, ...] = (n, g, *taps, *out) if groups > 1 else (n, *taps, *out)
    here = (n, c // (channels // groups), *taps, *out) if groups > 1 else own
    number = in_one(taps) + g * many if groups > 1 else in_one(taps)
    places, weights = [], []
    for place, (name, size, at) in enumerate(zip(_PLACES[2], sizes, slide.at, strict=True)):
        told = offset[(rows[0], number * 2 + place, *out)]
        where = local(WORDS[2][place], own, Place(at) + told)
        tap = Axis(name, size, WORDS[2][place])
        weights.append(call(TRIANGLE, where[here] - Place(tap)))
        places.append(tap)
    value: Expression = image[(n, c, *places)]
    for weight in weights:
        value = value * weight
    found: Expression = Sum(*places)(value)
    if mask is not None:
        of_tap = in_one(taps) + (c // (channels // groups)) * many if groups > 1 else in_one(taps)
        found = mask[(rows[1], of_tap, *out)] * found
    return local("sample", (n, c, *taps, *out), found)


def affine_grid(
    theta: Tensor, axes: Sequence[Axis], aligned: bool, row: Axis | int | None = None
) -> Equation:
    """Return a grid of places, −1 … 1 along each axis of a map, moved by a matrix (equation 1 of the same paper).

    theta   (N, rank, rank + 1)
    axes    of the output: n, the spatial ones, and which number of a place it is, the last spatial axis first
    row     which row of the batch is read of theta, if not n
    """
    n, *out, k = axes
    row = n if row is None else row
    value: Expression = theta[row, k, len(out)]
    for place, axis in enumerate(out):
        value = theta[row, k, len(out) - 1 - place] * _packed(axis, aligned) + value
    return Equation(axes, value)


def _packed(axis: Axis, aligned: bool) -> Expression:
    """Return what number from −1 to 1 a place is."""
    if not aligned:
        return Place(axis * 2 + 1) / float(axis.size) - 1.0
    return Place(axis * 2) / (axis.size - 1.0) - 1.0 if axis.size > 1 else as_expression(0.0)


def _unpacked(told: Expression, size: int, aligned: bool) -> Expression:
    """Return the place that a number from −1 to 1 is."""
    if aligned:
        return (told + 1.0) * ((size - 1) / 2)
    return ((told + 1.0) * float(size) - 1.0) / 2.0


def _mirrored(where: Expression, size: int, aligned: bool) -> Expression:
    """Return a place mirrored at the edges of its map until it lies between them."""
    if not aligned:
        return call(MIRROR, (where + 0.5) / float(size)) * float(size) - 0.5
    return call(MIRROR, where / (size - 1.0)) * (size - 1.0) if size > 1 else where * 0.0


def _mirror_of(place: int, size: int, aligned: bool) -> int:
    """Return which place of a map a place around it is the mirror image of."""
    period = max(2 * (size - 1), 1) if aligned else 2 * size
    place %= period
    return min(place, period - place if aligned else period - 1 - place)

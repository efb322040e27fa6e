"""Normalisation: numbers shifted by a mean and divided by a deviation, fixed or taken from the input itself.

    out[y, x, c] = gamma[c] · (in[y, x, c] − mean[c]) / √(variance[c] + ε) + beta[c]

Ioffe & Szegedy, Batch Normalization, 2015 (fixed numbers, found in training); Ba, Kiros & Hinton, Layer
Normalization, 2016 (one image's own, over some axes); Ulyanov et al., Instance Normalization, 2016 (one map's
own); Wu & He, Group Normalization, 2018 (a group of maps'); Zhang & Sennrich, Root Mean Square Layer
Normalization, 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations.layout import Layout, window_axes
from convscope.equations.stating import is_number
from convscope.notation import (
    Axis,
    Equation,
    Expression,
    Index,
    Local,
    Mean,
    Size,
    Sum,
    Tensor,
    call,
    local,
)
from convscope.notation.functions import EXP, LOG, SQRT
from convscope.typed import Record


def normalised(
    x: Expression,
    mean: Expression | None,
    variance: Expression,
    epsilon: float,
    scale: Expression | None = None,
    shift: Expression | None = None,
) -> Expression:
    """Return scale · (x − mean) / √(variance + ε) + shift, without what is not there or changes nothing."""
    scale = None if is_number(scale, 1) else scale
    shift = None if is_number(shift, 0) else shift
    value = x if mean is None else x - mean
    if scale is not None:
        value = scale * value
    value = value / call(SQRT, variance + epsilon)
    return value if shift is None else value + shift


def moments(x: Expression, stays: Sequence[Axis], runs: Sequence[Axis]) -> tuple[Local, Local]:
    """Return the mean μ and the variance σ² of x along the running axes, one for each place that stays."""
    mean = local("μ", stays, Mean(*runs)(x))
    away = x - mean[tuple(stays)]
    return mean, local("σ²", stays, Mean(*runs)(away * away))


def mean_square(x: Expression, stays: Sequence[Axis], runs: Sequence[Axis]) -> Local:
    """Return the mean of x² along the running axes, one for each place that stays."""
    return local("σ²", stays, Mean(*runs)(x * x))


class Row(Record):
    """What is normalised together, from the view of one output number.

    stays   the axes that each mean has a number for, and `own` the output's place along them
    runs    the axes along which the mean is taken
    at      where the input is read meanwhile
    """

    stays: tuple[Axis, ...]
    own: tuple[Index, ...]
    runs: tuple[Axis, ...]
    at: tuple[Index, ...]

    def layer(
        self,
        image: Tensor,
        axes: Sequence[Axis],
        epsilon: float,
        scale: Expression | None,
        shift: Expression | None,
        centred: bool = True,
    ) -> Equation:
        """Return the normalisation of an image by its own mean and variance.

        Without `centred` the mean is not subtracted before the division by the root of the variance.
        """
        mean, variance = moments(image[self.at], self.stays, self.runs)
        away = mean[self.own] if centred else None
        x = image[tuple(axes)]
        return Equation(axes, normalised(x, away, variance[self.own], epsilon, scale, shift))

    def running(self, image: Tensor, kept: Tensor, momentum: float, spread: bool) -> Equation:
        """Return a running mean (or variance) after this image: momentum · kept + (1 − momentum) · its own."""
        mean, variance = moments(image[self.at], self.stays, self.runs)
        new = (variance if spread else mean).expression
        return Equation(self.stays, momentum * kept[self.stays] + (1.0 - momentum) * new)

    def root_mean_square(
        self, image: Tensor, axes: Sequence[Axis], epsilon: float, scale: Expression | None
    ) -> Equation:
        """Return the division of an image by the root of its mean square."""
        square = mean_square(image[self.at], self.stays, self.runs)[self.own]
        return Equation(axes, normalised(image[tuple(axes)], None, square, epsilon, scale))


def along(axes: Sequence[Axis], places: Sequence[int]) -> Row:
    """Return the row of all positions along the axes at some places."""
    many = len(places) > 1
    at = list(axes)
    for number, place in enumerate(places, 1):
        name = f"k{number}" if many else "k"
        at[place] = axes[place].like(name, axes[place].size)
    stays = tuple(axis for place, axis in enumerate(axes) if place not in places)
    return Row(stays, stays, tuple(at[place] for place in places), tuple(at))


def whole_maps(axes: Sequence[Axis]) -> Row:
    """Return the row of all positions of one map of all images: (image, channel, position …)."""
    n, c, *rest = axes
    runs = (n.like("m", n.size), *(axis.like(f"{axis.name}′", axis.size) for axis in rest))
    return Row((c,), (c,), runs, (runs[0], c, *runs[1:]))


def one_map(axes: Sequence[Axis], shape: Sequence[Size], layout: Layout) -> Row:
    """Return the row of all positions of one map of one image."""
    runs = window_axes(layout.split(shape)[0])
    _, c = layout.split(axes)
    stays = (*axes[: len(layout.lead)], c)
    return Row(stays, stays, runs, Layout(layout.channels_last, lead=stays[:-1]).image(c, runs))


def group_of_maps(axes: Sequence[Axis], shape: Sequence[Size], layout: Layout, groups: int) -> Row:
    """Return the row of all positions of a group of neighbouring maps, which groups must divide."""
    sizes, channels = layout.split(shape)
    each = channels // groups
    lead, (_, c) = tuple(axes[: len(layout.lead)]), layout.split(axes)
    g, k, window = (
        Axis("g", groups, "group"),
        Axis("k", each, "channel", role="in"),
        window_axes(sizes),
    )
    at = Layout(layout.channels_last, lead=lead).image(g * each + k, window)
    return Row((*lead, g), (*lead, c // each), (k, *window), at)


def among_neighbours(
    image: Tensor,
    axes: Sequence[Axis],
    place: int,
    size: int,
    alpha: float,
    beta: float,
    bias: float,
) -> Equation:
    """Return every number divided by what the maps around its own hold at the same position.

    Krizhevsky, Sutskever & Hinton, 2012, section 3.3: x / (bias + alpha/size · Σ x²)^beta over `size` maps.
    """
    before = (size - 1) // 2
    k = Axis("k", size, "channel", role="in")
    borders, at = [(0, 0)] * len(axes), list[Index](axes)
    borders[place], at[place] = (before, size - 1 - before), axes[place] + k - before
    near = image.padded(borders, "zero")[tuple(at)]
    base = bias + alpha / size * Sum(k)(near * near)
    return Equation(axes, image[tuple(axes)] / call(EXP, beta * call(LOG, base)))

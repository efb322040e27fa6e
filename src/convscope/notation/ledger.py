"""The arithmetic of one number, taken apart: the window, the weights, each product, each partial sum.

A ledger follows the shape of its equation. Around the main reduction (the sum of a convolution, the
maximum of a pooling) stand what is added (the bias) and what is applied (the activation); inside it,
the terms are grouped by input channel. An equation without a reduction of its own (add, normalise)
has a ledger of the numbers that it reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.notation.anatomy import Main, anatomy
from convscope.notation.equation import Equation
from convscope.notation.evaluation import Evaluator, Once, Values, full
from convscope.notation.expression import Expression, Pieces, Read, Reduction, lengths, nears
from convscope.notation.index import Axis
from convscope.notation.rounding import LEAST, RANGES, ROUNDING, Rounding
from convscope.typed import Array, Record


@dataclass(frozen=True)
class Reading:
    """One number that was read outside any sum: a bias, a mean, one of two things added."""

    name: str
    index: tuple[int, ...]
    value: float
    role: str


class Groups(Record):
    """The terms under the main reduction, one group for each input channel.

    channels   (groups,)            which input channel each group reads
    windows    (groups, *window)    the input's numbers
    inside     the same shape       False where the window lies in the padding
    kernels    the same shape       the filter's slice; None where there is no weight
    products   the same shape       window × kernel; None where there is no weight
    partials   (groups,)            each group's sum (or maximum, or share of the mean)
    corners    (groups, dims)       where each window starts, the channel's index left out
    axes       the names of the window's axes
    """

    channels: Array
    windows: Array
    inside: Array
    kernels: Array | None
    products: Array | None
    partials: Array
    corners: Array
    axes: tuple[str, ...]
    tensor: str


class Ledger(Record):
    """The arithmetic of one output number, in float64.

    value           the output
    preactivation   the number before the activation; the value itself where there is none
    bias            what is added to the main sum; None where nothing is
    terms           how many numbers the main reduction takes in; 0 where there is none
    reduction       "sum", "max", "mean" or None
    activation      the names of the functions applied last, outermost first
    whole           whether an activation over a whole axis is applied last instead (softmax)
    rounding        how far the engine may be off: the roundings of its own arithmetic, added; infinite
                    where it may leave the range of its numbers on the way
    dtype           the type of numbers that it works with
    """

    equation: Equation
    position: tuple[int, ...]
    value: float
    preactivation: float
    bias: float | None
    terms: int
    reduction: str | None
    activation: tuple[str, ...]
    whole: bool
    readings: tuple[Reading, ...]
    groups: Groups | None
    rounding: float
    dtype: str = "float32"


def ledger(
    equation: Equation,
    position: Sequence[int],
    values: Values,
    dtype: str = "float32",
    narrows: bool = False,
) -> Ledger:
    """Return the ledger of the number at one position, from arrays of the inputs and weights.

    dtype     the type of numbers that the engine works with
    narrows   whether it is given others that this type does not hold, and rounds them once
    """
    where = tuple(int(p) for p in position)
    given: dict[Axis, Any] = dict(zip(equation.axes, where, strict=True))
    evaluator = Once(values)
    evaluator.hold(equation, tuple((p, p) for p in where))
    parts = anatomy(equation)
    bound = Rounding(evaluator, dtype, None if parts.whole else parts.preactivation)
    value, rounding = bound.of(equation.expression, given, 0)
    if narrows:
        rounding = rounding + ROUNDING[dtype] * abs(value)
    value, rounding = RANGES[dtype].held(value, rounding)

    def along(axes: tuple[Axis, ...]) -> dict[Axis, Any]:
        return given if axes == equation.axes else dict(zip(axes, where, strict=True))

    inner = along(parts.axes)
    before = float(value)
    if parts.whole:
        before = float(evaluator.value(parts.preactivation, inner, 0))
    elif parts.activation:
        before = float(bound.met)
    listed = along(parts.listed_axes)
    readings = tuple(r for part in parts.listed for r in _readings(part, listed, evaluator))
    main, bias, terms, kind, groups = parts.main, None, 0, None, None
    if main is not None:
        if parts.added:
            bias = sum(float(evaluator.value(piece, inner, 0)) for piece in parts.added)
        terms = math.prod(lengths(main.reduction))
        kind = main.reduction.kind
        with np.errstate(all="ignore"):  # infinities of both signs may be among the terms
            groups = _group(main, inner, evaluator)
    return Ledger(
        equation, where, float(value), before, bias, terms, kind, parts.activation, parts.whole,
        readings, groups, float(rounding + LEAST.get(dtype, 0.0)), dtype,
    )  # fmt: skip


def _readings(
    expression: Expression, given: Mapping[Axis, Any], evaluator: Evaluator
) -> tuple[Reading, ...]:
    """Return what is read outside reductions, locals as they are, each thing once."""
    found: dict[tuple[str, tuple[int, ...]], Reading] = {}
    for node in _outside(expression, given):
        index = tuple(int(i.at(given)) for i in node.indices)
        value = float(evaluator.value(node, given, 0))
        found[node.tensor.name, index] = Reading(node.tensor.name, index, value, node.tensor.role)
    return tuple(found.values())


def _outside(node: Expression, given: Mapping[Axis, Any]) -> Iterator[Read]:
    """Yield the reads outside reductions, of pieces those that hold."""
    if isinstance(node, Read):
        yield node
    elif isinstance(node, Pieces):
        yield from _outside(node.at(int(node.along.at(given))), given)
    elif not isinstance(node, Reduction):
        for part in node.parts():
            yield from _outside(part, given)


def _group(main: Main, given: Mapping[Axis, Any], evaluator: Evaluator) -> Groups:
    read, kind, over = main.read, main.reduction.kind, main.over
    running = main.reduction.axes
    inner, depth = evaluator.open(main.reduction, given, 0)
    sizes = lengths(main.reduction)
    one_place = {near.axis for near in nears(main.reduction) if near.taps == 1}
    window = tuple(axis for axis in main.window if axis not in one_place) or main.window
    beside = tuple([n for n, axis in enumerate(running) if axis is not over])
    order = beside if over is None else (running.index(over), *beside)
    shown = [sizes[running.index(axis)] for axis in window]
    shape = (1 if over is None else sizes[order[0]], *shown)

    def spread(value: Any) -> Array:
        return full(value, sizes, depth).transpose(order).reshape(shape)

    windows = spread(evaluator.value(read, inner, depth))
    places = [index.at(inner) for index in read.indices]
    found = evaluator.inside(read, inner, places, evaluator.shape(read.tensor))
    inside = np.ones(windows.shape, bool) if found is True else spread(found)
    kernels = products = None
    weights = [spread(evaluator.value(p, inner, depth)) for p in main.weights]
    if weights:
        kernels = weights[0]
        for other in weights[1:]:
            kernels = kernels * other
        products = windows * kernels
        counting = evaluator.counting(main.reduction, inner, depth)
        if counting is not True:
            products = np.where(spread(counting), products, 0.0)
    rows = (products if products is not None else windows).reshape(len(windows), -1)
    if kind == "max":
        partials = rows.max(axis=1)
    else:
        partials = rows.sum(axis=1)
        if kind == "mean":
            skipped = read.outside == "skip"
            partials = partials / (inside.sum() if skipped else inside.size)
    last = 0 if over is None else running.index(over) - depth  # the dimension of the groups
    if main.channel is not None:
        places.append(places.pop(main.channel))
    first = np.empty((len(windows), len(places)), dtype=int)
    for column, place in enumerate(places):
        if isinstance(place, int):
            first[:, column] = place
        elif over is None or place.ndim < -last or place.shape[last] == 1:
            first[:, column] = place.min()  # the same for each group
        elif place.size == len(first):  # nothing else moves it
            first[:, column] = place.ravel()
        else:
            first[:, column] = full(place, sizes, depth).min(axis=beside)
    none = main.channel is None
    return Groups(
        channels=np.zeros(len(first), dtype=int) if none else first[:, -1],
        windows=windows,
        inside=inside,
        kernels=kernels,
        products=products,
        partials=partials,
        corners=first if none else first[:, :-1],
        axes=tuple(axis.name for axis in window),
        tensor=read.tensor.name,
    )

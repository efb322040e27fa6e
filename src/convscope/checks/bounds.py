"""Between which numbers each map of a layer lies, for any image whose numbers lie in a range.

Bounds go through the graph layer by layer, one pair for each channel. A sum of inputs times weights is largest where
every positive weight meets the largest input and every negative one the smallest: two evaluations of the layer's own
equation, with its weights parted by sign. What is not understood is unbounded, so that a bound that is given holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.checks.forms import (
    activation,
    applied,
    at_own_place,
    degree_of,
    filter_axis,
    kernels,
    normalised,
    weighs,
)
from convscope.checks.subject import Subject
from convscope.layers.base import tensor_names
from convscope.model.graph import Node
from convscope.notation import Equation
from convscope.notation.anatomy import Main, anatomy
from convscope.notation.evaluation import evaluate_box
from convscope.notation.expression import Binary, Expression, Read
from convscope.notation.sizes import is_known
from convscope.typed import Array, Record

RISING = frozenset(
    [
        "relu",
        "relu6",
        "sigmoid",
        "tanh",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "softplus",
        "softsign",
        "hard_sigmoid",
        "hard_tanh",
        "exp",
        "log1p",
        "sqrt",
        "soft_shrink",
        "linear",
        "exponential",
        "clip",
    ]
)
"""Functions that never fall: their bounds are those of what goes in, put through them."""

MOST_PLACES = 64
"""Layers whose outputs have so few positions are evaluated at all of them; others in the middle."""


MOST_CHANNELS = 1 << 22
"""Of more channels no bounds are kept: a file may say any size."""


class Bounds(Record):
    """The smallest and largest that each channel can be, as far as is known.

    axis   which axis of the layer's output picks the channel
    """

    axis: int
    low: Array
    high: Array

    def unknown(self) -> Bounds:
        """Return bounds of as many channels that say nothing."""
        return self.all_between(-np.inf, np.inf)

    def all_between(self, low: float, high: float) -> Bounds:
        """Return the same bounds for as many channels."""
        count = len(self.low)
        return Bounds(self.axis, np.full(count, low), np.full(count, high))

    def with_zero(self) -> Bounds:
        """Return bounds that hold 0 too, which stands in a padding."""
        return Bounds(self.axis, np.minimum(self.low, 0), np.maximum(self.high, 0))


def all_bounds(subject: Subject) -> dict[str, tuple[Bounds, Bounds]]:
    """Return for every node: its bounds before its activation, and after it."""
    graph = subject.graph
    known: dict[str, tuple[Bounds, Bounds]] = {}
    after = {
        name: _open(subject, name).all_between(subject.low, subject.high) for name in graph.inputs
    }
    stated = {node.name for node, _, _ in subject.stated()}
    for node in graph.nodes.values():
        nothing = _open(subject, node.name)
        few = all(_channels(subject, name) <= MOST_CHANNELS for name in (node.name, *node.inputs))
        found = _through(subject, node, after, nothing) if few and node.name in stated else None
        known[node.name] = found or (nothing, nothing)
        after[node.name] = known[node.name][1]
    return known


def _open(subject: Subject, name: str) -> Bounds:
    """Return bounds that say nothing, for as many channels as a node or an input has, or for one if they are too many."""
    count = _channels(subject, name)
    count = count if count <= MOST_CHANNELS else 1
    return Bounds(subject.channel_axis(name) or 0, np.full(count, -np.inf), np.full(count, np.inf))


def _channels(subject: Subject, name: str) -> int:
    """Return how many channels a node or an input has; 1 where nobody knows."""
    shape = subject.graph.shape(name)
    axis = subject.channel_axis(name) or 0
    return int(shape[axis]) if len(shape) and is_known(shape[axis]) else 1


def _through(
    subject: Subject, node: Node, after: dict[str, Bounds], nothing: Bounds
) -> tuple[Bounds, Bounds] | None:
    equation = subject.graph.facts[node.name].equation
    assert equation is not None
    given = [after[name] for name in node.inputs]
    parts = anatomy(equation)
    if parts.whole:  # a softmax: shares
        return nothing, nothing.all_between(0, 1)
    main = parts.main
    if main is not None and main.reduction.kind == "sum" and main.weights:
        before = _of_sum(subject, node, equation, main, given, nothing)
    elif main is not None and main.reduction.kind in ("max", "mean") and not main.weights:
        alone = len(given) == 1 and not parts.added
        before = _kept(equation, main.read, given[0], nothing) if alone else None
    else:
        before = _of_numbers(subject, node, equation, parts.preactivation, given, nothing)
    if before is None:
        return None
    return before, _activated(equation, before, parts.activation)


def _of_sum(
    subject: Subject,
    node: Node,
    equation: Equation,
    main: Main,
    given: list[Bounds],
    nothing: Bounds,
) -> Bounds | None:
    """Return the bounds of a sum of inputs times a kernel, and what is added to it."""
    before = Equation(equation.axes, anatomy(equation).preactivation)
    if (
        len(given) != 1
        or len(main.weights) != 1
        or not kernels(main)
        or main.read.tensor.role != "input"
        or degree_of(before.expression) != 1
        or filter_axis(equation) != nothing.axis
    ):
        return None
    box = _box(equation, main, nothing.axis)
    if box is None:
        return None
    padded = main.read.padding is not None and any(b or a for b, a in main.read.padding)
    incoming = given[0].with_zero() if padded else given[0]
    moving = main.read.indices[incoming.axis].axes() & set(equation.axes)
    if moving - {equation.axes[nothing.axis]}:  # the middle then does not stand for all
        incoming = incoming.all_between(incoming.low.min(), incoming.high.max())
    weights = node.layer.weights
    kernel = kernels(main)[0].tensor.name
    positive, negative = np.maximum(weights[kernel], 0), np.minimum(weights[kernel], 0)
    without = {name: np.zeros_like(array) for name, array in weights.items()}
    shape = subject.graph.shape(node.inputs[0])

    def summed(along: Array, part: Array, rest: dict[str, Array]) -> Array:
        spread = _spread(along, incoming.axis, shape)
        return evaluate_box(before, box, {**rest, kernel: part, equation.inputs[0].name: spread})

    def largest(high: Array, low: Array, sign: int) -> Array:
        finite_high, finite_low = np.where(np.isinf(high), 0, high), np.where(np.isinf(low), 0, low)
        total = summed(finite_high, positive, weights) + summed(finite_low, negative, without)
        open_ = summed(np.isinf(high) * 1.0, positive, without) - summed(
            np.isinf(low) * 1.0, negative, without
        )
        return np.where(open_ > 0, sign * np.inf, total)

    other = tuple(n for n in range(len(equation.axes)) if n != nothing.axis)
    high = largest(incoming.high, incoming.low, 1).max(axis=other)
    low = largest(incoming.low, incoming.high, -1).min(axis=other)
    return Bounds(nothing.axis, low, high)


def _box(equation: Equation, main: Main, axis: int) -> list[tuple[int, int]] | None:
    """Return positions whose bounds are those of all: the middle, where all of the window is inside."""
    sizes = list(equation.shape)
    others = [s for n, s in enumerate(sizes) if n != axis]
    if np.prod(others, dtype=float) <= MOST_PLACES:
        return [(0, s - 1) for s in sizes]
    if main.read.scattered:
        return None
    box = [(0, s - 1) if n == axis else (s // 2, s // 2) for n, s in enumerate(sizes)]
    window = equation.window(box)
    shape = main.read.tensor.shape
    if window is None or shape is None:
        return None
    inside = all(low >= 0 and high < size for (low, high), size in zip(window, shape, strict=True))
    return box if inside else None


def _spread(along: Array, axis: int, shape: Sequence[int]) -> Array:
    """Return an array of a shape that holds one number for each channel."""
    sizes = [1] * len(shape)
    sizes[axis] = len(along)
    return np.broadcast_to(np.asarray(along, np.float64).reshape(sizes), tuple(shape))


def _kept(equation: Equation, read: Read, given: Bounds, nothing: Bounds) -> Bounds:
    """Return the bounds of what only moves, or pools, numbers of the input."""
    padded = read.padding is not None and any(b or a for b, a in read.padding)
    found = given.with_zero() if padded and read.outside == "zero" else given
    if read.indices[given.axis].single() is equation.axes[nothing.axis]:
        return Bounds(nothing.axis, found.low, found.high)
    return nothing.all_between(float(found.low.min()), float(found.high.max()))


def _of_numbers(
    subject: Subject,
    node: Node,
    equation: Equation,
    before: Expression,
    given: list[Bounds],
    nothing: Bounds,
) -> Bounds | None:
    """Return the bounds of what reads single numbers: a shift and scale, a sum of maps, a move."""
    if isinstance(before, Read) and before.tensor.role == "input" and len(given) == 1:
        return _kept(equation, before, given[0], nothing)
    if not at_own_place(equation) or any(g.axis != nothing.axis for g in given):
        return None
    if _adds(before):
        return Bounds(nothing.axis, sum(g.low for g in given), sum(g.high for g in given))  # type: ignore[arg-type]
    if len(given) != 1 or normalised(equation) is None:
        return None
    own = {equation.axes[nothing.axis]}
    if any(
        i.axes() - own for r, at, _ in equation.inlined if r.tensor.role == "weight" for i in at
    ):
        return None
    box = [(0, s - 1 if n == nothing.axis else 0) for n, s in enumerate(equation.shape)]
    shape = subject.graph.shape(node.inputs[0])
    name = tensor_names(1)[0]
    ends = []
    for end in (given[0].low, given[0].high):
        finite = np.where(np.isinf(end), np.sign(end) * 1e30, end)
        values = {**node.layer.weights, name: _spread(finite, nothing.axis, shape)}
        with np.errstate(all="ignore"):
            ends.append(evaluate_box(Equation(equation.axes, before), box, values).reshape(-1))
    low, high = np.minimum(*ends), np.maximum(*ends)
    return Bounds(
        nothing.axis, np.where(low < -1e20, -np.inf, low), np.where(high > 1e20, np.inf, high)
    )


def _adds(node: Expression) -> bool:
    """Whether an expression is inputs added up, each once."""
    if isinstance(node, Binary) and node.operator == "+":
        return _adds(node.left) and _adds(node.right)
    return isinstance(node, Read) and node.tensor.role == "input"


def _activated(equation: Equation, before: Bounds, names: tuple[str, ...]) -> Bounds:
    """Return bounds put through an activation."""
    if not names:
        return before
    if not set(names) <= RISING or (weighs(equation) is None and activation(equation) is None):
        return before.unknown()
    return Bounds(before.axis, applied(equation, before.low), applied(equation, before.high))

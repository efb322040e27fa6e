"""Between which numbers each map of a layer lies, for any image whose numbers lie in a range.

Bounds go through the graph layer by layer, one pair for each channel. A sum of inputs times weights is largest where
every positive weight meets the largest input and every negative one the smallest: two evaluations of the layer's own
equation, with its weights parted by sign. What is not understood is unbounded, so that a bound that is given holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.checks.forms import (
    activation,
    applied,
    at_own_place,
    degree_of,
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


class Bounds(Record):
    """The smallest and largest that each channel can be, as far as is known."""

    low: Array
    high: Array

    @classmethod
    def unknown(cls, channels: int) -> Bounds:
        """Return bounds that say nothing."""
        return cls(np.full(channels, -np.inf), np.full(channels, np.inf))

    def together(self, channels: int) -> Bounds:
        """Return one pair for all channels, for as many as there are in another layer."""
        return Bounds(np.full(channels, self.low.min()), np.full(channels, self.high.max()))

    def with_zero(self) -> Bounds:
        """Return bounds that hold 0 too, which stands in a padding."""
        return Bounds(np.minimum(self.low, 0), np.maximum(self.high, 0))


def all_bounds(subject: Subject) -> dict[str, tuple[Bounds, Bounds]]:
    """Return for every node: its bounds before its activation, and after it."""
    graph = subject.graph
    known: dict[str, tuple[Bounds, Bounds]] = {}
    after: dict[str, Bounds] = {}
    for name, shape in graph.inputs.items():
        count = channels(subject, shape)
        after[name] = Bounds(np.full(count, subject.low), np.full(count, subject.high))
    stated = {node.name for node, _, _ in subject.stated()}
    for node in graph.nodes.values():
        count = channels(subject, graph.shape(node.name))
        found = _through(subject, node, after, count) if node.name in stated else None
        both = found or (Bounds.unknown(count), Bounds.unknown(count))
        known[node.name], after[node.name] = both, both[1]
    return known


def channels(subject: Subject, shape: Sequence[Any]) -> int:
    """Return how many channels a shape has; 1 where that is not known."""
    if not len(shape):
        return 1
    size = shape[_place(subject, len(shape))]
    return int(size) if is_known(size) else 1


def _place(subject: Subject, rank: int) -> int:
    return rank - 1 if subject.graph.layout == "channels_last" else 0


def _through(
    subject: Subject, node: Node, after: dict[str, Bounds], count: int
) -> tuple[Bounds, Bounds] | None:
    equation = subject.graph.facts[node.name].equation
    assert equation is not None
    given = [after[name] for name in node.inputs]
    parts = anatomy(equation)
    if parts.whole:  # a softmax: shares
        return Bounds.unknown(count), Bounds(np.zeros(count), np.ones(count))
    main = parts.main
    if main is not None and main.reduction.kind == "sum" and main.weights:
        before = _of_sum(subject, node, equation, main, given, count)
    elif main is not None and main.reduction.kind in ("max", "mean") and not main.weights:
        before = _kept(given[0], main.read, count) if len(given) == 1 and not parts.added else None
    else:
        before = _of_numbers(subject, node, equation, parts.preactivation, given, count)
    if before is None:
        return None
    return before, _activated(equation, before, parts.activation)


def _of_sum(
    subject: Subject, node: Node, equation: Equation, main: Main, given: list[Bounds], count: int
) -> Bounds | None:
    """Return the bounds of a sum of inputs times a kernel, and what is added to it."""
    before = Equation(equation.axes, anatomy(equation).preactivation)
    if (
        len(given) != 1
        or len(main.weights) != 1
        or not kernels(main)
        or degree_of(before.expression) != 1
    ):
        return None
    box = None if main.read.tensor.role != "input" else _box(subject, equation, main)
    if box is None:
        return None
    padded = main.read.padding is not None and any(b or a for b, a in main.read.padding)
    incoming = given[0].with_zero() if padded else given[0]
    weights = node.layer.weights
    kernel = kernels(main)[0].tensor.name
    positive, negative = np.maximum(weights[kernel], 0), np.minimum(weights[kernel], 0)
    nothing = {name: np.zeros_like(array) for name, array in weights.items()}
    shape = subject.graph.shape(node.inputs[0])

    def summed(along: Array, part: Array, rest: dict[str, Array]) -> Array:
        values = {**rest, kernel: part, equation.inputs[0].name: _spread(subject, along, shape)}
        return evaluate_box(before, box, values)

    def largest(high: Array, low: Array, sign: int) -> Array:
        finite_high, finite_low = np.where(np.isinf(high), 0, high), np.where(np.isinf(low), 0, low)
        total = summed(finite_high, positive, weights) + summed(finite_low, negative, nothing)
        open_ = summed(np.isinf(high) * 1.0, positive, nothing) - summed(
            np.isinf(low) * 1.0, negative, nothing
        )
        return np.where(open_ > 0, sign * np.inf, total)

    place = _place(subject, len(equation.axes))
    other = tuple(n for n in range(len(equation.axes)) if n != place)
    high = largest(incoming.high, incoming.low, 1).max(axis=other)
    low = largest(incoming.low, incoming.high, -1).min(axis=other)
    return Bounds(low, high) if len(high) == count else None


def _box(subject: Subject, equation: Equation, main: Main) -> list[tuple[int, int]] | None:
    """Return positions whose bounds are those of all: the middle, where all of the window is inside."""
    place = _place(subject, len(equation.axes))
    sizes = list(equation.shape)
    others = [s for n, s in enumerate(sizes) if n != place]
    if np.prod(others, dtype=float) <= MOST_PLACES:
        return [(0, s - 1) for s in sizes]
    if main.read.scattered:
        return None
    box = [(0, s - 1) if n == place else (s // 2, s // 2) for n, s in enumerate(sizes)]
    window = equation.window(box)
    shape = main.read.tensor.shape
    if window is None or shape is None:
        return None
    inside = all(low >= 0 and high < size for (low, high), size in zip(window, shape, strict=True))
    return box if inside else None


def _spread(subject: Subject, along: Array, shape: Sequence[int]) -> Array:
    """Return an array of a shape that holds one number for each channel."""
    sizes = [1] * len(shape)
    sizes[_place(subject, len(shape))] = len(along)
    return np.broadcast_to(np.asarray(along, np.float64).reshape(sizes), tuple(shape))


def _kept(given: Bounds, read: Read, count: int) -> Bounds:
    """Return the bounds of what only moves, or pools, numbers of the input."""
    padded = read.padding is not None and any(b or a for b, a in read.padding)
    found = given.with_zero() if padded and read.outside == "zero" else given
    return found if len(found.low) == count else found.together(count)


def _of_numbers(
    subject: Subject,
    node: Node,
    equation: Equation,
    before: Expression,
    given: list[Bounds],
    count: int,
) -> Bounds | None:
    """Return the bounds of what reads single numbers: a shift and scale, a sum of maps, a move."""
    if isinstance(before, Read) and before.tensor.role == "input" and len(given) == 1:
        if before.indices and at_own_place(equation):
            return given[0] if len(given[0].low) == count else None
        return _kept(given[0], before, count).together(count)
    if not at_own_place(equation) or any(len(g.low) != count for g in given):
        return None
    if _adds(before):
        return Bounds(sum(g.low for g in given), sum(g.high for g in given))  # type: ignore[arg-type]
    if len(given) != 1 or normalised(equation) is None:
        return None
    place = _place(subject, len(equation.axes))
    box = [(0, s - 1 if n == place else 0) for n, s in enumerate(equation.shape)]
    shape = subject.graph.shape(node.inputs[0])
    name = tensor_names(1)[0]
    ends = []
    for end in given[0]:
        finite = np.where(np.isinf(end), np.sign(end) * 1e30, end)
        values = {**node.layer.weights, name: _spread(subject, finite, shape)}
        with np.errstate(all="ignore"):
            ends.append(evaluate_box(Equation(equation.axes, before), box, values).reshape(-1))
    low, high = np.minimum(*ends), np.maximum(*ends)
    return Bounds(np.where(low < -1e20, -np.inf, low), np.where(high > 1e20, np.inf, high))


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
        return Bounds.unknown(len(before.low))
    return Bounds(applied(equation, before.low), applied(equation, before.high))

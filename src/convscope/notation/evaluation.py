"""The value of an equation at given positions, in float64.

Axes become numpy arrays that broadcast against one another, reductions add leading dimensions, and
nothing outside the windows is touched. This is the only module of the notation that needs numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from convscope.notation.equation import Equation
from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Local,
    Number,
    Pieces,
    Read,
    Reduction,
    factors,
)
from convscope.notation.functions import compute
from convscope.notation.index import Axis

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """Part of a tensor: the numbers, where they start, and the whole tensor's shape."""

    array: Array
    origin: tuple[int, ...]
    shape: tuple[int, ...]


Box: TypeAlias = tuple[tuple[int, int], ...]
"""(first, last) along each axis."""

Values: TypeAlias = Mapping[str, Any]
"""Tensor name to array, or to `Patch`."""


def evaluate(equation: Equation, position: Sequence[int], values: Values) -> float:
    """Return the output at one position, from the arrays of the inputs and weights.

    `values` maps the names of inputs and weights to arrays without a batch axis. The arithmetic is
    float64 whatever the arrays hold.
    """
    given = dict(zip(equation.axes, map(int, position), strict=True))
    return float(Evaluator(values).value(equation.expression, given, 0))


def evaluate_box(equation: Equation, box: Sequence[tuple[int, int]], values: Values) -> Array:
    """Return the outputs at a box of positions, (first, last) along each output axis.

    Works through the box in parts, so that what is gathered at once stays within a few tens of
    megabytes.
    """
    result = np.empty(tuple(high - low + 1 for low, high in box), dtype=np.float64)
    if not box:
        result[()] = evaluate(equation, (), values)
        return result
    evaluator = Evaluator(values)
    lows = tuple(low for low, _ in box)
    for part in _parts(equation, tuple(box)):
        ranges = [np.arange(low, high + 1) for low, high in part]
        given = dict(zip(equation.axes, np.ix_(*ranges), strict=True))
        place = tuple(
            slice(low - start, high - start + 1)
            for (low, high), start in zip(part, lows, strict=True)
        )
        result[place] = evaluator.value(equation.expression, given, len(part))
    return result


AT_ONCE = 1 << 22
"""How many numbers of one input may be gathered at once (32 MiB of float64)."""


def _parts(equation: Equation, box: Box) -> Iterator[Box]:
    """Yield parts of a box, halved along its longest axis until each gathers little enough."""
    sizes = [high - low + 1 for low, high in box]
    longest = max(range(len(sizes)), key=sizes.__getitem__)
    if sizes[longest] == 1 or _gathered(equation, sizes) <= AT_ONCE:
        yield box
        return
    low, high = box[longest]
    middle = (low + high) // 2
    for half in ((low, middle), (middle + 1, high)):
        yield from _parts(equation, (*box[:longest], half, *box[longest + 1 :]))


def _gathered(equation: Equation, shape: Sequence[int]) -> int:
    """Return how many numbers the largest read gathers for a box of this shape."""
    sizes = dict(zip(equation.axes, shape, strict=True))
    most = 1
    for _, indices, bound in equation.inlined:
        axes = set().union(*(index.axes() for index in indices)) if indices else set()
        count = 1
        for axis in axes:
            count *= axis.size if axis in bound else sizes.get(axis, 1)
        most = max(most, count)
    return most


class Evaluator:
    """Evaluates expressions over given arrays; `given` holds a position, or a grid, for each axis.

    `depth` is the number of dimensions that grids have so far: a reduction puts its own axes in
    front of those, so that arrays broadcast without being reshaped.
    """

    def __init__(self, values: Values) -> None:
        self.values = values

    def value(self, node: Expression, given: Mapping[Axis, Any], depth: int) -> Any:
        """Return the value of an expression: a float64, or an array of them."""
        match node:
            case Number(value):
                return value
            case Read():
                return self.read(node, given, depth)
            case Binary(operator, left, right):
                a, b = self.value(left, given, depth), self.value(right, given, depth)
                match operator:
                    case "+":
                        return a + b
                    case "-":
                        return a - b
                    case "*":
                        return a * b
                return np.divide(a, b)
            case Call(function, arguments):
                values = [self.value(a, given, depth) for a in arguments]
                with np.errstate(all="ignore"):
                    return compute(function, values, np)
            case Reduction():
                return self.reduce(node, given, depth)
            case Pieces(axis, ends, bodies):
                place = given[axis]
                if np.ndim(place) == 0:
                    return self.value(node.at(int(place)), given, depth)
                values = [self.value(body, given, depth) for body in bodies]
                return np.select([place < end for end in ends], values)
        raise AssertionError(f"cannot evaluate {type(node).__name__}")

    def read(self, node: Read, given: Mapping[Axis, Any], depth: int) -> Any:
        """Return what a read gives, with its border's rule applied."""
        tensor = node.tensor
        if isinstance(tensor, Local):
            inner = {
                axis: index.at(given) for axis, index in zip(tensor.axes, node.indices, strict=True)
            }
            return self.value(tensor.expression, inner, depth)
        source = self.values[tensor.name]
        if type(source) is Patch:
            array, origin, shape = source.array, source.origin, source.shape
        else:
            array, origin, shape = source, None, source.shape
        places = [index.at(given) for index in node.indices]
        inside = self.inside(node, given, places, shape)
        if inside is not True:
            places = [
                np.clip(place, 0, size - 1) for place, size in zip(places, shape, strict=True)
            ]
        if origin is not None:
            places = [
                np.clip(place - start, 0, size - 1)
                for place, start, size in zip(places, origin, array.shape, strict=True)
            ]
        found = array[tuple(places)].astype(np.float64)
        if inside is not True and node.outside != "edge":
            found = np.where(inside, found, -np.inf if node.outside == "-inf" else 0.0)
        return found

    def inside(
        self, node: Read, given: Mapping[Axis, Any], places: Sequence[Any], shape: Sequence[int]
    ) -> Any:
        """Return where a read finds something: True, or a mask."""
        inside: Any = True
        for index in node.indices:
            whole = index.whole(given)
            if whole is not True:
                inside = inside & whole
        if node.padding is not None:
            for place, size, (before, after) in zip(places, shape, node.padding, strict=True):
                if before or after:
                    inside = inside & (place >= 0) & (place < size)
        return inside

    def reduce(self, node: Reduction, given: Mapping[Axis, Any], depth: int) -> Any:
        """Return a sum, maximum or mean over axes."""
        inner, deeper = self.open(node, given, depth)
        leading = tuple(range(len(node.axes)))
        sizes = tuple(axis.size for axis in node.axes)
        if node.kind == "sum":
            parts = [self.value(part, inner, deeper) for part in factors(node.body)]
            return contract(parts, sizes, deeper)
        body = full(self.value(node.body, inner, deeper), sizes, deeper)
        if node.kind == "max":
            return body.max(axis=leading)
        return body.sum(axis=leading) / self.count(node, inner, deeper)

    def count(self, node: Reduction, inner: Mapping[Axis, Any], deeper: int) -> Any:
        """Return how many numbers a mean is over: those that are not skipped."""
        sizes = tuple(axis.size for axis in node.axes)
        for read in node.body.walk():
            if isinstance(read, Read) and read.outside == "skip":
                places = [index.at(inner) for index in read.indices]
                mask = self.inside(read, inner, places, self.values[read.tensor.name].shape)
                if mask is not True:
                    return full(mask, sizes, deeper).sum(axis=tuple(range(len(sizes))))
        return math.prod(sizes)

    def open(
        self, node: Reduction, given: Mapping[Axis, Any], depth: int
    ) -> tuple[dict[Axis, Any], int]:
        """Return `given` with a grid for each axis of a reduction, and the new depth."""
        inner = dict(given)
        deeper = depth + len(node.axes)
        for place, axis in enumerate(node.axes):
            inner[axis] = np.arange(axis.size).reshape((-1,) + (1,) * (deeper - 1 - place))
        return inner, deeper


def full(value: Any, sizes: tuple[int, ...], depth: int) -> Array:
    """Return a value with all its leading dimensions at their full sizes."""
    array = np.asarray(value)
    shape = (1,) * (depth - array.ndim) + array.shape
    return np.broadcast_to(array, sizes + shape[len(sizes) :])


def contract(parts: list[Any], sizes: tuple[int, ...], depth: int) -> Any:
    """Return Σ over the leading axes of the product of broadcasting arrays.

    Dimensions of size 1 are left out before einsum sees them, so that a product of an input and a
    kernel becomes a matrix product.
    """
    lead = len(sizes)
    scale = 1.0
    operands: list[Any] = []
    seen: set[int] = set()
    shape = [1] * depth
    for part in parts:
        array = np.asarray(part, dtype=np.float64)
        if array.size == 1:
            scale = scale * float(array.reshape(()))
            continue
        missing = depth - array.ndim
        labels = [d + missing for d, size in enumerate(array.shape) if size > 1]
        for label in labels:
            shape[label] = array.shape[label - missing]
        seen.update(labels)
        operands += [array.reshape([s for s in array.shape if s > 1]), labels]
    for axis, size in enumerate(sizes):
        if axis not in seen:
            scale *= size
    if not operands:
        return np.float64(scale)
    output = sorted(label for label in seen if label >= lead)
    if len(operands) == 4 and not output and operands[1] == operands[3]:
        result: Any = np.dot(operands[0].ravel(), operands[2].ravel())
    else:
        result = np.einsum(*operands, output, optimize=len(operands) > 2)
    if output:
        result = np.reshape(result, shape[lead:])
    return result * scale

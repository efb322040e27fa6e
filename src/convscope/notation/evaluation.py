"""The value of an equation at given positions, in float64 or, where asked, in float32.

Axes become numpy arrays that broadcast against one another, reductions add leading dimensions, and
nothing outside the windows is touched. This is the only module of the notation that needs numpy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convscope.errors import UnsupportedError
from convscope.notation.equation import Equation, hull
from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Inside,
    Local,
    Number,
    Outside,
    Pieces,
    Place,
    Read,
    Reduction,
    Tensor,
    depends,
    factors,
    lengths,
    nears,
)
from convscope.notation.functions import compute
from convscope.notation.index import Axis, Index
from convscope.typed import Array


@dataclass(frozen=True, slots=True)
class TensorPart:
    """Part of a tensor: the numbers, where they start, and the whole tensor's shape."""

    array: Array
    origin: tuple[int, ...]
    shape: tuple[int, ...]


Box: TypeAlias = tuple[tuple[int, int], ...]
"""(first, last) along each axis."""

Values: TypeAlias = Mapping[str, Any]
"""Tensor name to array, or to `TensorPart`."""


def evaluate(equation: Equation, position: Sequence[int], values: Values) -> float:
    """Return the output at one position, from the arrays of the inputs and weights.

    `values` maps the names of inputs and weights to arrays without a batch axis. The arithmetic is
    float64 whatever the arrays hold.
    """
    where = tuple(map(int, position))
    given = dict(zip(equation.axes, where, strict=True))
    evaluator = Evaluator(values)
    evaluator.hold(equation, tuple((p, p) for p in where))
    return float(evaluator.value(equation.expression, given, 0))


def evaluate_box(
    equation: Equation,
    box: Sequence[tuple[int, int]],
    values: Values,
    dtype: Any = np.float64,
) -> Array:
    """Return the outputs at a box of positions, (first, last) along each output axis.

    Locals are computed once, over all that the box reads of them. Works through the box in parts, so
    that what is gathered at once stays within a few tens of megabytes. `dtype` is what it is computed
    in: float64, or float32 where that is asked for. A batch is one more axis (`rewriting.batched`).
    """
    evaluator = Evaluator(values, dtype)
    evaluator.hold(equation, tuple(box))
    return evaluator.box(equation.axes, equation.expression, tuple(box))


def evaluate_all(equation: Equation, values: Values, dtype: Any = np.float64) -> Array:
    """Return the whole output: `evaluate_box` of every position."""
    return evaluate_box(equation, [(0, size - 1) for size in equation.shape], values, dtype)


def gathered(equation: Equation) -> int:
    """Return how many numbers the largest read of one output gathers."""
    return Evaluator({})._gathered(equation.expression, {})


MOST_TERMS = 1 << 27
"""A number that is made of more others than this is not taken apart: they are gathered at once."""

MOST_NUMBERS = 1 << 28
"""So many numbers of one layer are computed …"""

MOST_WORK = 1 << 37
"""… from so many others in all: a few minutes."""

AT_ONCE = 1 << 22
"""How many numbers of one input may be gathered at once (32 MiB of float64)."""

HELD = 1 << 27
"""How many numbers of a local may be held (1 GiB of float64); larger ones are computed as they are read."""


class Evaluator:
    """Evaluates expressions over given arrays; `given` holds a position, or a grid, for each axis.

    `depth` is the number of dimensions that grids have so far: a reduction puts its own axes in
    front of those, so that arrays broadcast without being reshaped.
    """

    def __init__(self, values: Values, dtype: Any = np.float64) -> None:
        self.values = values
        self.dtype = np.dtype(dtype)
        self._sizes: dict[Axis, int] = {}
        self._reach: dict[Local, Box] = {}
        self._tables: dict[Local, TensorPart] = {}
        self._grids: dict[tuple[int, int], Array] = {}
        self._starts: dict[int, tuple[int, Array]] = {}
        """Grids that step evenly by 1: where each starts. The array is kept, so that no other gets its id."""

    # -- locals and boxes -------------------------------------------------------------------------

    def hold(self, equation: Equation, box: Box) -> None:
        """Find out what a box of the output reads of each local, to compute that once."""
        if not equation.locals:
            return
        self._sizes = equation.sizes
        reach: dict[Local, Box] = {}
        reads: Counter[Local] = Counter()
        every = (None, *reversed(equation.locals))
        for item in every:
            if item is None:
                axes, body, here = equation.axes, equation.expression, box
            elif item in reach:
                axes, body, here = item.axes, item.expression, reach[item]
            else:
                continue
            ranges: dict[Axis, Any] = dict(zip(axes, here, strict=True))
            for read, running in _local_reads(body, ()):
                ranges.update((axis, (0, axis.size - 1)) for axis in running)
                tensor = read.tensor
                assert isinstance(tensor, Local)
                window = tuple(index.bounds(ranges) for index in read.indices)
                if read.padding is not None:
                    window = tuple(
                        (min(max(a, 0), size - 1), max(min(b, size - 1), 0))
                        for (a, b), size in zip(window, self.shape(tensor), strict=True)
                    )
                reach[tensor] = hull(reach[tensor], window) if tensor in reach else window
                used = set[Axis]().union(*(index.axes() for index in read.indices))
                reads[tensor] += math.prod(ranges[axis][1] - ranges[axis][0] + 1 for axis in used)
        for tensor, window in reach.items():
            many = math.prod(high - low + 1 for low, high in window)
            if 0 < many <= min(2 * reads[tensor], HELD):
                self._reach[tensor] = window

    def table(self, item: Local) -> TensorPart | None:
        """Return what is read of a local, computed the first time; None where it is not held."""
        found = self._tables.get(item)
        if found is None and item in self._reach:
            window = self._reach[item]
            array = self.box(item.axes, item.expression, window)
            origin = tuple(low for low, _ in window)
            found = self._tables[item] = TensorPart(array, origin, self.shape(item))
        return found

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Return a tensor's whole shape."""
        if isinstance(tensor, Local):
            return tuple(self._sizes[a] if a.size is None else a.size for a in tensor.axes)
        return tuple(self.values[tensor.name].shape)

    def box(self, axes: Sequence[Axis], expression: Expression, box: Box) -> Array:
        """Return an expression over a box of positions, in parts."""
        sizes = [high - low + 1 for low, high in box]
        if math.prod(sizes) > MOST_NUMBERS:
            raise UnsupportedError(
                f"{' × '.join(map(str, sizes))} numbers would have to be computed; {MOST_NUMBERS:,} at "
                f"most are"
            )
        work = math.prod(sizes) * self._gathered(expression, {})
        if work > MOST_WORK:
            raise UnsupportedError(
                f"{work:,} numbers would have to be looked at; {MOST_WORK:,} at most are"
            )
        result = np.empty(sizes, dtype=self.dtype)
        lows = tuple(low for low, _ in box)
        for part in self._parts(axes, expression, box):
            grids = np.ix_(*(np.arange(low, high + 1) for low, high in part)) if part else ()
            given = dict(zip(axes, grids, strict=True))
            self._starts.update((id(g), (low, g)) for g, (low, _) in zip(grids, part, strict=True))
            place = tuple(
                slice(low - start, high - start + 1)
                for (low, high), start in zip(part, lows, strict=True)
            )
            result[place] = self.value(expression, given, len(part))
            for grid in grids:
                del self._starts[id(grid)]
        return result

    def _parts(self, axes: Sequence[Axis], expression: Expression, box: Box) -> Iterator[Box]:
        """Yield parts of a box, halved along its longest axis until each gathers little enough."""
        sizes = [high - low + 1 for low, high in box]
        longest = max(range(len(sizes)), key=sizes.__getitem__, default=-1)
        if (
            longest < 0
            or sizes[longest] == 1
            or (self._gathered(expression, dict(zip(axes, sizes, strict=True))) <= AT_ONCE)
        ):
            yield box
            return
        low, high = box[longest]
        middle = (low + high) // 2
        for half in ((low, middle), (middle + 1, high)):
            yield from self._parts(axes, expression, (*box[:longest], half, *box[longest + 1 :]))

    def _gathered(self, node: Expression, sizes: Mapping[Axis, int]) -> int:
        """Return how many numbers the largest read gathers where axes have these sizes."""
        match node:
            case Read(tensor, indices):
                axes = set[Axis]().union(*(index.axes() for index in indices))
                count = math.prod(sizes.get(axis, 1) for axis in axes)
                if isinstance(tensor, Local) and tensor not in self._reach:
                    inner = {
                        axis: math.prod(sizes.get(a, 1) for a in index.axes())
                        for axis, index in zip(tensor.axes, indices, strict=True)
                    }
                    return max(count, self._gathered(tensor.expression, inner))
                return count
            case Reduction(_, axes, body):
                inner = {**sizes, **dict(zip(axes, lengths(node), strict=True))}
                moved: set[Axis] = set()  # where places are follows from these
                for one in nears(node):
                    inner[one.axis] *= math.prod(inner.get(a, 1) for a in depends(one.at) - moved)
                    moved |= depends(one.at)
                return self._gathered(body, inner)
        return max((self._gathered(part, sizes) for part in node.parts()), default=1)

    # -- values -----------------------------------------------------------------------------------

    def value(self, node: Expression, given: Mapping[Axis, Any], depth: int) -> Any:
        """Return the value of an expression: a float64, or an array of them."""
        match node:
            case Number(value):
                return value
            case Read():
                return self.read(node, given, depth)
            case Binary(operator, left, right):
                a, b = self.value(left, given, depth), self.value(right, given, depth)
                with np.errstate(all="ignore"):
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
            case Place(index):
                return np.asarray(index.at(given), dtype=self.dtype)[()]
            case Inside(indices, sizes):
                return self.condition(indices, sizes, given)
            case Pieces(along, ends, bodies):
                place = along.at(given)
                if np.ndim(place) == 0:
                    return self.value(node.at(int(place)), given, depth)
                values = [self.value(body, given, depth) for body in bodies]
                return np.select([place < end for end in ends], values)
        raise AssertionError(f"cannot evaluate {type(node).__name__}")

    def read(self, node: Read, given: Mapping[Axis, Any], depth: int) -> Any:
        """Return what a read gives, with its border's rule applied."""
        tensor = node.tensor
        source: Any = self.table(tensor) if isinstance(tensor, Local) else self.values[tensor.name]
        if source is None:
            assert isinstance(tensor, Local)
            inner, inside = self.held(node, given)
            return bordered(self.value(tensor.expression, inner, depth), inside, node.outside)
        if type(source) is TensorPart:
            array, origin, shape = source.array, source.origin, source.shape
        else:
            array, origin, shape = source, None, source.shape
        even = self.evenly(node.indices, given, array, origin)
        if even is not None:
            return even.astype(self.dtype, order="C")
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
        return bordered(array[tuple(places)].astype(self.dtype), inside, node.outside)

    def evenly(
        self,
        indices: Sequence[Index],
        given: Mapping[Axis, Any],
        array: Array,
        origin: Sequence[int] | None,
    ) -> Any:
        """Return what lies at these places as a view: they run along grids in even steps, all inside.

        None where they do not: then each is looked up.
        """
        firsts: list[int] = []
        moves: list[tuple[int, int, int, int]] = []  # of an index: its dimension, size and step
        depth = 0
        for number, index in enumerate(indices):
            first = index.const if origin is None else index.const - origin[number]
            low = high = 0
            for axis, factor in index.terms:
                if type(axis) is not Axis:
                    return None
                value = given[axis]
                if isinstance(value, (int, np.integer)):
                    first += int(value) * factor
                    continue
                known = self._starts.get(id(value))
                if known is None:
                    return None
                first += known[0] * factor
                shape = value.shape
                depth = max(depth, len(shape))
                size = value.size
                if size > 1:
                    more = (size - 1) * factor
                    low, high = (low + more, high) if more < 0 else (low, high + more)
                    moves.append((number, shape.index(size) - len(shape), size, factor))
            if first + low < 0 or first + high >= array.shape[number]:
                return None
            firsts.append(first)
        if not depth:
            return array[tuple(firsts)]
        sizes, steps = [1] * depth, [0] * depth
        for number, dimension, size, factor in moves:
            sizes[dimension] = size
            steps[dimension] += factor * array.strides[number]
        if (
            array.flags.c_contiguous and array.dtype.kind in "fiub"
        ):  # the same in a tenth of the time
            start = sum(map(mul, firsts, array.strides))
            return np.ndarray(sizes, array.dtype, array, start, steps)
        return as_strided(array[tuple([slice(first, None) for first in firsts])], sizes, steps)

    def held(self, node: Read, given: Mapping[Axis, Any]) -> tuple[dict[Axis, Any], Any]:
        """Return where the axes of a local are for a read, and where that is inside: True, or a mask."""
        assert isinstance(node.tensor, Local)
        places = [index.at(given) for index in node.indices]
        inside: Any = True
        if node.padding is not None:
            shape = self.shape(node.tensor)
            inside = self.inside(node, given, places, shape)
            if inside is not True:
                places = [np.clip(p, 0, size - 1) for p, size in zip(places, shape, strict=True)]
        return dict(zip(node.tensor.axes, places, strict=True)), inside

    def condition(
        self, indices: Sequence[Index], sizes: Sequence[int], given: Mapping[Axis, Any]
    ) -> Any:
        """Return 1 where every index is whole and in 0 … size − 1, and 0 elsewhere."""
        holds: Any = True
        for index, size in zip(indices, sizes, strict=True):
            place = index.at(given)
            holds = holds & index.whole(given) & (place >= 0) & (place < size)
        return np.asarray(holds, dtype=self.dtype)[()]

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
        with np.errstate(all="ignore"):
            return self._reduced(node, given, depth)

    def _reduced(self, node: Reduction, given: Mapping[Axis, Any], depth: int) -> Any:
        inner, deeper = self.open(node, given, depth)
        leading = tuple(range(len(node.axes)))
        sizes = lengths(node)
        if node.kind == "sum":
            parts = [self.value(part, inner, deeper) for part in factors(node.body)]
            counting = self.counting(node, inner, deeper)
            if counting is True:
                return contract(parts, sizes, deeper, self.dtype)
            body = np.where(counting, math.prod(parts), 0.0)
            return full(body, sizes, deeper).sum(axis=leading)
        body = full(self.value(node.body, inner, deeper), sizes, deeper)
        if node.kind == "max":
            return body.max(axis=leading)
        if node.kind == "first":
            flat = body.reshape(-1, *body.shape[len(sizes) :])
            return flat.argmax(axis=0).astype(self.dtype)
        return body.sum(axis=leading) / self.count(node, inner, deeper)

    def counting(self, node: Reduction, inner: Mapping[Axis, Any], deeper: int) -> Any:
        """Return where the terms of a sum count: True, or a mask.

        Beyond the places next to a number no engine looks, whatever stands there. Next to a NaN all count.
        """
        found: Any = True
        for near in nears(node):
            away = self.value(near.at, inner, deeper) - inner[near.axis]
            found = found & ~((away < -near.taps / 2) | (away >= near.taps / 2))
        return True if np.all(found) else found

    def count(self, node: Reduction, inner: Mapping[Axis, Any], deeper: int) -> Any:
        """Return how many numbers a mean is over: those that are not skipped."""
        sizes = tuple(axis.size for axis in node.axes)
        for read in node.body.walk():
            if isinstance(read, Read) and read.outside == "skip":
                places = [index.at(inner) for index in read.indices]
                mask = self.inside(read, inner, places, self.shape(read.tensor))
                if mask is not True:
                    return full(mask, sizes, deeper).sum(axis=tuple(range(len(sizes))))
        return math.prod(sizes)

    def open(
        self, node: Reduction, given: Mapping[Axis, Any], depth: int, beside: int = 0
    ) -> tuple[dict[Axis, Any], int]:
        """Return `given` with a grid for each axis of a reduction, and the new depth.

        Along an axis of which only places next to a number count the grid is those, and `beside` more on each side.
        """
        inner = dict(given)
        deeper = depth + len(node.axes)
        sizes = lengths(node, beside)
        terms = math.prod(sizes)
        if terms > MOST_TERMS:
            raise UnsupportedError(
                f"one of its numbers is made of {terms:,} others; {MOST_TERMS:,} at most are taken apart"
            )
        for place, (axis, size) in enumerate(zip(node.axes, sizes, strict=True)):
            inner[axis] = self._grid(size, deeper - 1 - place)
        for near in nears(node):
            with np.errstate(all="ignore"):
                first = np.floor(self.value(near.at, inner, deeper) - near.taps / 2) + 1 - beside
            size, few = near.axis.size, sizes[node.axes.index(near.axis)]
            first = np.where(first < size, np.nan_to_num(first), 0)  # beyond it none counts
            inner[near.axis] = np.clip(first, 0, size - few).astype(int) + inner[near.axis]
        return inner, deeper

    def _grid(self, size: int, after: int) -> Array:
        """Return the places of an axis, with so many dimensions behind its own."""
        grid = _grid(size, after) if size <= SMALL else self._grids.get((size, after))
        if grid is None:
            grid = self._grids[size, after] = _places(size, after)
        self._starts[id(grid)] = 0, grid
        return grid


class Once(Evaluator):
    """Reads everything once: who takes a number apart asks for the same numbers in several ways."""

    def __init__(self, values: Values) -> None:
        super().__init__(values)
        self._opened: dict[tuple[int, int, int, int], tuple[Any, ...]] = {}
        self._read: dict[tuple[int, int], tuple[Any, ...]] = {}

    def open(
        self, node: Reduction, given: Mapping[Axis, Any], depth: int, beside: int = 0
    ) -> tuple[dict[Axis, Any], int]:
        key = id(node), id(given), depth, beside
        if key not in self._opened:  # what is asked about is kept, so that no other gets its id
            self._opened[key] = (*super().open(node, given, depth, beside), node, given)
        return self._opened[key][:2]

    def read(self, node: Read, given: Mapping[Axis, Any], depth: int) -> Any:
        key = id(node), id(given)
        if key not in self._read:
            self._read[key] = super().read(node, given, depth), node, given
        return self._read[key][0]


def _places(size: int, after: int) -> Array:
    return np.arange(size).reshape((size,) + (1,) * after)


SMALL = 1 << 12
"""Grids of axes up to this size are made once for all."""

_grid = lru_cache(256)(_places)


def bordered(found: Any, inside: Any, outside: Outside) -> Any:
    """Return what was found, and outside what a border holds there."""
    if inside is True or outside == "edge":
        return found
    return np.where(inside, found, -np.inf if outside == "-inf" else 0.0)


def _local_reads(
    node: Expression, running: tuple[Axis, ...]
) -> Iterator[tuple[Read, tuple[Axis, ...]]]:
    """Yield the reads of locals in an expression, and the axes that sums around them run over."""
    if isinstance(node, Read):
        if isinstance(node.tensor, Local):
            yield node, running
        return
    if isinstance(node, Reduction):
        running = (*running, *node.axes)
    for part in node.parts():
        yield from _local_reads(part, running)


def full(value: Any, sizes: tuple[int, ...], depth: int) -> Array:
    """Return a value with all its leading dimensions at their full sizes."""
    array = np.asarray(value)
    if array.shape == sizes and depth == len(sizes):
        return array
    shape = (1,) * (depth - array.ndim) + array.shape
    return np.broadcast_to(array, sizes + shape[len(sizes) :])


def contract(parts: list[Any], sizes: tuple[int, ...], depth: int, dtype: Any = np.float64) -> Any:
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
        array = np.asarray(part, dtype=dtype)
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
        return np.dtype(dtype).type(scale)
    output = sorted(label for label in seen if label >= lead)
    if len(operands) == 4 and not output and operands[1] == operands[3]:
        result: Any = np.dot(operands[0].ravel(), operands[2].ravel())
    else:
        result = np.einsum(*operands, output, optimize=len(operands) > 2)
    if output:
        result = np.reshape(result, shape[lead:])
    return result * scale

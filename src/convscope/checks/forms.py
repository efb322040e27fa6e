"""What kind of equation a layer has, seen from the equation alone: linear, pointwise, an activation …"""

from __future__ import annotations

import numpy as np

from convscope.notation import Axis, Equation, Expression, Size
from convscope.notation.anatomy import Main, anatomy
from convscope.notation.expression import (
    Binary,
    Call,
    Local,
    Number,
    Pieces,
    Read,
    Reduction,
    factors,
    reads,
)
from convscope.notation.functions import compute
from convscope.notation.index import Index
from convscope.notation.sizes import is_one
from convscope.typed import Array, Record


def degree(equation: Equation) -> int:
    """Return 0 where no input matters, 1 where the output is a sum of inputs times numbers, else 2."""
    return degree_of(equation.expression)


def degree_of(expression: Expression) -> int:
    """Return the same of an expression."""
    return _degree(expression, {})


def _degree(node: Expression, known: dict[Local, int]) -> int:
    match node:
        case Read(tensor):
            if not isinstance(tensor, Local):
                return int(tensor.role == "input")
            if tensor not in known:
                known[tensor] = _degree(tensor.expression, known)
            return known[tensor]
        case Binary(operator, left, right):
            a, b = _degree(left, known), _degree(right, known)
            if operator in "+-":
                return max(a, b)
            if operator == "*":
                return min(a + b, 2)
            return 2 if b else a
        case Reduction(kind, _, body):
            inner = _degree(body, known)
            return inner if kind in ("sum", "mean") else 2 * bool(inner)
        case Call(_, arguments):
            return 2 * any(_degree(argument, known) for argument in arguments)
        case Pieces(_, _, bodies):
            return max(_degree(body, known) for body in bodies)
    return 0


def weighs(equation: Equation) -> Main | None:
    """Return the sum of inputs times a kernel that an equation is about; None where there is none."""
    main = anatomy(equation).main
    if main is None or main.reduction.kind != "sum" or not kernels(main):
        return None
    return main


def kernels(main: Main) -> list[Read]:
    """Return the weights that a sum multiplies its inputs by."""
    return [w for w in main.weights if isinstance(w, Read) and w.tensor.role == "weight"]


def at_own_place(equation: Equation) -> bool:
    """Whether each output reads its inputs at its own position only, and nothing else of them."""
    inlined = [indices for read, indices, _ in equation.inlined if read.tensor.role == "input"]
    return bool(inlined) and all(
        len(indices) == len(equation.axes)
        and all(
            i.single() is a or (is_one(a.size) and not i.terms and i.const == 0)  # its only one
            for i, a in zip(indices, equation.axes, strict=True)
        )
        for indices in inlined
    )


def passes_on(equation: Equation) -> bool:
    """Whether the output is the input, every number at its place: seen from the equation."""
    node = equation.expression
    while isinstance(node, Reduction) and all(axis.size == 1 for axis in node.axes):
        if node.kind == "first":
            return False
        parts = list(factors(node.body))
        if len(parts) != 1:
            return False
        node = parts[0]
    if not isinstance(node, Read) or node.tensor.role != "input":
        return False
    return _same_places(node, equation)


def _same_places(read: Read, equation: Equation) -> bool:
    shape = tuple(equation.shape)
    if read.tensor.shape is None or tuple(read.tensor.shape) != shape:
        return False
    return all(map(_is_axis, read.indices, equation.axes, shape))


def _is_axis(index: Index, axis: Axis, size: Size) -> bool:
    """Whether an index is the axis itself, plus axes that have one place only."""
    moving = [atom for atom, _ in index.terms if not (isinstance(atom, Axis) and atom.size == 1)]
    low, high = index.bounds({a: (0, size - 1 if a is axis else 0) for a in index.axes()})
    return (low, high) == (0, size - 1) and all(atom is axis for atom in moving)


class AppliedLast(Record):
    """The function that a layer applies last: its names, outermost first; alone where it does only that."""

    names: tuple[str, ...]
    alone: bool


def activation(equation: Equation) -> AppliedLast | None:
    """Return the activation that an equation ends with; None where it has none."""
    found = anatomy(equation)
    if found.whole or not found.activation:
        return None
    inner = found.preactivation
    alone = isinstance(inner, Read) and inner.tensor.role == "input" and at_own_place(equation)
    return AppliedLast(found.activation, alone)


class Normalised(Record):
    """A layer that shifts and scales each channel by weights: which are subtracted, and which divide."""

    subtracted: Read | None
    under_root: Read | None


def normalised(equation: Equation) -> Normalised | None:
    """Return how an equation normalises by weights, as batch normalisation does when it is not trained."""
    if degree(equation) != 1 or not at_own_place(equation):
        return None
    subtracted = under_root = None
    for node in _every(equation):
        match node:
            case Binary("-", Read() as left, Read() as right):
                if left.tensor.role == "input" and right.tensor.role == "weight":
                    subtracted = right
            case Call(function, (inner,)) if function.name == "sqrt":
                under_root = next(
                    (read for read in reads([inner]) if read.tensor.role == "weight"), under_root
                )
    return Normalised(subtracted, under_root) if subtracted or under_root else None


def _every(equation: Equation) -> list[Expression]:
    bodies = [equation.expression, *(item.expression for item in equation.locals)]
    return [node for body in bodies for node in body.walk()]


def added_weight(equation: Equation) -> Read | None:
    """Return the weight that is added to the main sum, one number for each filter; None for none."""
    for part in anatomy(equation).added:
        if isinstance(part, Read) and part.tensor.role == "weight" and len(part.indices) == 1:
            return part
    return None


def filter_axis(equation: Equation) -> int | None:
    """Return which axis of the output has one place for each filter; None where it cannot be told."""
    main = weighs(equation)
    if main is None:
        return None
    used = set().union(*(index.axes() for index in kernels(main)[0].indices))
    found = [n for n, axis in enumerate(equation.axes) if axis in used]
    return found[0] if len(found) == 1 else None


class SoftmaxForm(Record):
    """Over how many numbers a softmax is, and along which axis of the output."""

    over: int
    axis: int


def softmax(equation: Equation) -> SoftmaxForm | None:
    """Return over what an equation's softmax is; None where it has none."""
    if not anatomy(equation).whole:
        return None
    match equation.expression:
        case Binary("/", _, Reduction("sum", axes, body)):
            inner = next((read for read in reads([body]) if read.tensor.role == "local"), None)
            if inner is None or len(axes) != 1:
                return None
            for place, index in enumerate(inner.indices):
                if axes[0] in index.axes():
                    return SoftmaxForm(int(axes[0].size), place)
    return None


def applied(equation: Equation, numbers: Array) -> Array:
    """Return what an equation's activation makes of numbers, in float64."""
    calls: list[Call] = []
    node = equation.expression
    while isinstance(node, Call) and all(isinstance(a, Number) for a in node.arguments[1:]):
        calls.append(node)
        node = node.arguments[0]
    value = np.asarray(numbers, np.float64)
    for call in reversed(calls):
        rest = [a.value for a in call.arguments[1:] if isinstance(a, Number)]
        with np.errstate(all="ignore"):
            value = compute(call.function, [value, *rest], np)
    return value

"""Expressions as ONNX operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convscope.engine.lowering import sums
from convscope.engine.lowering.board import Board, Laid
from convscope.engine.lowering.digits import digits_together, in_digits, placed
from convscope.engine.lowering.pooling import pooled
from convscope.engine.lowering.reading import Held, places, read
from convscope.errors import UnsupportedError
from convscope.notation import Axis, Equation
from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Inside,
    Local,
    Number,
    Pieces,
    Place,
    Read,
    Reduction,
)
from convscope.notation.functions import PRIMITIVES, SAME, Formula
from convscope.notation.rewriting import filled, substituted

FLOAT = 1
"""What ONNX calls float32 (TensorProto.FLOAT)."""

UNARY = {n: n.capitalize() for n, count in PRIMITIVES.items() if count == 1}
BINARY = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "max": "Max",
    "min": "Min",
    "pow": "Pow",
}
OPERATORS = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div"}
REDUCED = {"sum": "ReduceSum", "max": "ReduceMax", "mean": "ReduceMean"}

ON = ("select", "x", 1.0, 0.0)
"""The slope of a ReLU: a product with it keeps or drops a number."""


class Lowering:
    """Equations over tensors that have names: what each reads is told once.

    What several equations share (a pre-activation that a gradient asks for again) is written once.
    """

    def __init__(self, board: Board, values: Mapping[str, Held]) -> None:
        self.board = board
        self.values = dict(values)
        self._known: dict[Expression | Local, Laid] = {}

    def equation(self, equation: Equation) -> Laid:
        """Return all outputs of an equation."""
        equation = filled(equation)
        return self.board.whole(self.over(equation.axes, equation.expression), equation.axes)

    def over(self, axes: Sequence[Axis], expression: Expression) -> Laid:
        """Return an expression over axes; one that is divided (⌊y/2⌋, y mod 2) is two on the way."""
        split = None if isinstance(expression, Read) else in_digits(axes, expression)
        if split is None:
            return self.value(expression)
        made, digits = split
        put = placed(self, made, digits)
        if put is not None:
            return put
        self.board.beside |= {little: high for _, high, little in digits}
        return digits_together(self, self.value(made), digits)

    def held(self, laid: Laid, axes: Sequence[Axis]) -> Held:
        """Return a tensor as others read it: with its dimensions in the order of these axes."""
        laid = self.board.whole(laid, axes)
        order = tuple(list(axes).index(axis) for axis in laid.axes)
        return Held(laid.name, tuple(axis.size for axis in axes), order)

    def value(self, node: Expression) -> Laid:
        """Return the value of an expression, over the axes that it depends on."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._value(node)
        return found

    def _value(self, node: Expression) -> Laid:
        board = self.board
        match node:
            case Number(value):
                return board.number(value)
            case Read(tensor):
                held = (
                    self.held(self.local(tensor), tensor.axes)
                    if isinstance(tensor, Local)
                    else self.values[tensor.name]
                )
                return read(board, held, node)
            case Binary("*", left, right):
                for gate, other in ((right, left), (left, right)):
                    lit = self.lit(gate)
                    if lit is not None and board.chosen:
                        return board.together("Where", lit, self.value(other), board.number(0.0))
                    if lit is not None:
                        one = Laid(board.node("Cast", lit.name, to=FLOAT), lit.axes)
                        return board.together("Mul", one, self.value(other))
                return board.together("Mul", self.value(left), self.value(right))
            case Binary(operator, left, right):
                return board.together(OPERATORS[operator], self.value(left), self.value(right))
            case Call(function, arguments):
                values = list(map(self.value, arguments))
                if function.formula is None:
                    return self.primitive(function.name, values)
                return self.formula(
                    function.formula, dict(zip(function.parameters, values, strict=True))
                )
            case Reduction("sum"):
                return sums.total(self, node)
            case Reduction():
                return self.reduced(node)
            case Place(index):
                axes = tuple(index.axes())
                at, _ = places(index, axes)
                return self.given(at, axes)
            case Inside(indices, sizes):
                return self.inside(indices, sizes)
            case Pieces(along, ends, bodies):
                return self.pieces(node, along.single(), ends, bodies)
        raise AssertionError(f"cannot say {type(node).__name__} as ONNX")

    def lit(self, gate: Expression) -> Laid | None:
        """Return whether a factor that is 1 or 0 is 1; None for any other factor."""
        if isinstance(gate, Call) and gate.function.formula == ON:
            x = self.value(gate.arguments[0])
            return self.board.together("Greater", x, self.board.number(0.0))
        if isinstance(gate, Call) and gate.function is SAME:
            return self.board.together("Equal", *map(self.value, gate.arguments))
        return None

    def local(self, item: Local) -> Laid:
        """Return what the equation defines on the way; written once."""
        found = self._known.get(item)
        if found is None:
            found = self._known[item] = self.over(item.axes, item.expression)
        return found

    def given(self, array: Any, axes: Sequence[Axis]) -> Laid:
        """Return numbers that are worked out beforehand."""
        full = np.broadcast_to(array, [axis.size for axis in axes])
        return Laid(self.board.constant(full), tuple(axes))

    # -- functions --------------------------------------------------------------------------------

    def formula(self, formula: Formula, given: Mapping[str, Laid]) -> Laid:
        """Return a formula of primitives."""
        if isinstance(formula, str):
            return given[formula]
        if isinstance(formula, (int, float)):
            return self.board.number(float(formula))
        name, *rest = formula
        if name == "max" and rest[1] == 0.0:
            x = self.formula(rest[0], given)
            return Laid(self.board.node("Relu", x.name), x.axes)
        return self.primitive(name, [self.formula(part, given) for part in rest])

    def primitive(self, name: str, values: Sequence[Laid]) -> Laid:
        """Return a primitive of numbers."""
        board = self.board
        if name in BINARY:
            return board.together(BINARY[name], *values)
        if name == "at_least":
            reached = board.together("GreaterOrEqual", *values)
            return Laid(board.node("Cast", reached.name, to=FLOAT), reached.axes)
        if name == "select":
            x, a, b = values
            return board.together("Where", board.together("Greater", x, board.number(0.0)), a, b)
        (x,) = values
        if (
            name == "log1p"
        ):  # exact where 1 + x rounds: Kahan, as Goldberg (1991) gives it, theorem 4
            one = board.number(1.0)
            more = board.together("Add", one, x)
            back = board.together("Sub", more, one)
            same = board.together("Equal", back, board.number(0.0))
            safe = board.together("Where", same, one, back)
            risen = board.together(
                "Mul", x, board.together("Div", self.primitive("log", [more]), safe)
            )
            return board.together("Where", same, x, risen)
        return Laid(board.node(UNARY[name], x.name), x.axes)

    # -- reductions -------------------------------------------------------------------------------

    def reduced(self, node: Reduction) -> Laid:
        """Return a maximum, a mean, or where a maximum is."""
        windows = pooled(self, node)
        if windows is not None:
            return windows
        body = self.value(node.body)
        board = self.board
        if node.kind == "first":
            rest = [axis for axis in body.axes if axis not in node.axes]
            body = board.ordered(board.whole(body, [*rest, *node.axes]), [*rest, *node.axes])
            flat = board.shaped(body.name, [*(axis.size for axis in rest), -1])
            found = board.node("ArgMax", flat, axis=-1, keepdims=0, select_last_index=0)
            return Laid(board.node("Cast", found, to=FLOAT), tuple(rest))
        if node.kind == "mean":
            count = self.count(node)
            if count is not None:
                return board.together(
                    "Div", sums.total(self, Reduction("sum", node.axes, node.body)), count
                )
        return board.reduced(REDUCED[node.kind], body, node.axes)

    def count(self, node: Reduction) -> Laid | None:
        """Return over how many numbers a mean is at each place; None where that is all of them."""
        for part in node.body.walk():
            if isinstance(part, Read) and part.outside == "skip" and part.padding is not None:
                shape = part.tensor.shape
                assert shape is not None
                free = [a for i in part.indices for a in i.axes() if a not in node.axes]
                moving = [
                    (index, size)
                    for index, size in zip(part.indices, shape, strict=True)
                    if index.axes() & set(node.axes)
                ]
                free = [a for a in dict.fromkeys(free) if any(a in i.axes() for i, _ in moving)]
                axes = (*free, *node.axes)
                inside = self.mask([i for i, _ in moving], [size for _, size in moving], axes)
                counted = np.broadcast_to(inside, [axis.size for axis in axes]).sum(
                    axis=tuple(range(len(free), len(axes)))
                )
                return self.given(counted, free)
        return None

    # -- places -----------------------------------------------------------------------------------

    def mask(self, indices: Sequence[Any], sizes: Sequence[int], axes: Sequence[Axis]) -> Any:
        """Return where every index is whole and in 0 … size − 1, over a grid of axes."""
        holds: Any = np.ones((1,) * len(axes), bool)
        for index, size in zip(indices, sizes, strict=True):
            at, whole = places(index, axes)
            holds = holds & whole & (at >= 0) & (at < size)
        return holds

    def inside(self, indices: Sequence[Any], sizes: Sequence[int]) -> Laid:
        """Return 1 where every index is whole and within its size, else 0."""
        axes = tuple(
            dict.fromkeys(a for i in indices for a in sorted(i.axes(), key=lambda a: a.name))
        )
        return self.given(self.mask(indices, sizes, axes), axes)

    def pieces(
        self, node: Expression, axis: Axis | None, ends: Sequence[int], bodies: Sequence[Expression]
    ) -> Laid:
        """Return one expression after another along an axis."""
        if axis is None:
            raise UnsupportedError("pieces along more than an axis are not said as ONNX")
        found: list[Laid] = []
        for start, end, body in zip((0, *ends[:-1]), ends, bodies, strict=True):
            if end > start:
                part = axis.like(axis.name, end - start)
                laid = self.value(substituted(body, {axis: part + start}))
                found.append(Laid(laid.name, tuple(axis if a is part else a for a in laid.axes)))
                if part not in laid.axes:
                    wide = self.board.whole(laid, [part, *laid.axes])
                    found[-1] = Laid(wide.name, (axis, *wide.axes[1:]))
        longest = max(found, key=lambda x: len(x.axes)).axes
        every = list(dict.fromkeys([*longest, *(a for x in found for a in x.axes)]))
        names = []
        for laid, start, end in zip(
            found,
            (s for s, e in zip((0, *ends[:-1]), ends, strict=True) if e > s),
            (e for s, e in zip((0, *ends[:-1]), ends, strict=True) if e > s),
            strict=True,
        ):
            sizes = [end - start if a is axis else a.size for a in every]
            own = [a for a in every if a in laid.axes]
            turned = self.board.turned(laid.name, [laid.axes.index(a) for a in own])
            narrow = [s if a in laid.axes else 1 for a, s in zip(every, sizes, strict=True)]
            name = turned if len(own) == len(every) else self.board.shaped(turned, narrow)
            if narrow != sizes:
                name = self.board.node("Expand", name, self.board.constant(sizes, "int64"))
            names.append(name)
        place = every.index(axis)
        joined = names[0] if len(names) == 1 else self.board.node("Concat", *names, axis=place)
        return Laid(joined, tuple(every))

"""A network in units that mean the same in every format, and what each computes, said without a layout.

A convolution with its activation inside (Keras), and one followed by an operator that is the activation (ONNX,
PyTorch), are one unit; so are a product of matrices and the bias that is added after it, and a convolution and the
normalisation that an exporter may have folded into it. What only moves numbers (flatten, transpose, padding) belongs
to the unit that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convscope.checks.forms import (
    activation,
    added_weight,
    at_own_place,
    degree,
    kernels,
    normalised,
    passes_on,
    softmax,
    weighs,
)
from convscope.model.graph import Graph
from convscope.notation import Equation
from convscope.notation.anatomy import anatomy
from convscope.notation.evaluation import evaluate
from convscope.notation.expression import Binary, Expression, Number, Read, Reduction
from convscope.notation.sizes import is_known, product


@dataclass
class Unit:
    """Some nodes that belong together, and what they are.

    nodes     in their order; the numbers of the last are the unit's
    kind      "sum", "norm", "scale", "max", "mean", "softmax", "function", "add", "multiply" or "other"
    said      what it computes, in sizes and settings that have no layout: what must be the same in a twin
    feeds     the units, or inputs of the network, that it reads, moves skipped
    function  the activation that it ends with, "" for none
    """

    nodes: list[str]
    kind: str
    said: tuple[Any, ...]
    feeds: tuple[str, ...]
    function: str = ""
    normal: tuple[Any, ...] = ()
    pads: tuple[Any, ...] = field(default=())

    @property
    def name(self) -> str:
        """The node whose numbers are the unit's."""
        return self.nodes[-1]

    @property
    def signature(self) -> tuple[Any, ...]:
        """What must be the same in a twin, of whatever format and whether folded or not."""
        return (self.kind, self.said, self.function)


class Units:
    """All units of a network, by the names of their last nodes.

    through   node that only moves numbers → the unit or input that they come from
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.through: dict[str, str] = {}
        self.all: dict[str, Unit] = {}
        self._owner: dict[str, str] = {}
        self._pads: dict[str, tuple[Any, ...]] = {}
        readers: dict[str, int] = {}
        for node in graph.nodes.values():
            for name in node.inputs:
                readers[name] = readers.get(name, 0) + 1
        for name in graph.outputs:
            readers[name] = readers.get(name, 0) + 1
        self._readers = readers
        for name in graph.nodes:
            self._add(name)

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.all.values())

    def equation_of(self, name: str) -> Equation | None:
        """Return a node's equation."""
        return self.graph.facts[name].equation

    def source(self, name: str) -> str:
        """Return the unit, or the input, whose numbers a node passes on."""
        while name in self.through:
            name = self.through[name]
        return name

    def padding(self, unit: Unit) -> tuple[Any, ...]:
        """Return how far a unit's windows reach beyond its input, its own padding and that of moves before it."""
        equation = self.equation_of(unit.nodes[0])
        own = () if equation is None or unit.kind == "other" else _padding(self.graph, equation)
        return (*own, *unit.pads)

    def biased(self, unit: Unit) -> bool:
        """Whether something is added to a unit's sum: a bias, or what an exporter folded into one."""
        for name in unit.nodes:
            equation = self.equation_of(name)
            if equation is None:
                continue
            if added_weight(equation) or (name != unit.nodes[0] and degree(equation) == 1):
                return True
        return False

    def _add(self, name: str) -> None:
        node, equation = self.graph.nodes[name], self.graph.facts[name].equation
        feeds = tuple(self.source(n) for n in node.inputs)
        if equation is None:
            self._new(Unit([name], "other", (node.layer.kind, _shape(self.graph, name)), feeds))
            return
        if moves(equation):
            self.through[name] = node.inputs[0]
            self._pads[name] = (
                *self._pads.get(node.inputs[0], ()),
                *_padding(self.graph, equation),
            )
            return
        before = self.all.get(feeds[0]) if feeds else None
        alone = (
            before is not None and node.inputs[0] == before.name and self._readers[before.name] == 1
        )
        if before is not None and alone and self._joined(name, equation, before):
            return
        if len(feeds) == 2 and self._gated(name, equation, feeds):
            return
        kind, said = described(self.graph, equation)
        pads = tuple(p for n in node.inputs for p in self._pads.get(n, ()))
        own = activation(equation)
        function = ".".join(own.names) if own is not None and kind != "function" else ""
        over = softmax(equation)
        if over is not None and kind == "sum":
            function = f"softmax over {over.over}"
        self._new(Unit([name], kind, said, feeds, function, pads=pads))

    def _new(self, unit: Unit) -> None:
        self.all[unit.name] = unit

    def _joined(self, name: str, equation: Equation, before: Unit) -> bool:
        """Let a node be part of the unit before it: a bias, a normalisation, an activation."""
        if before.function or len(self.graph.nodes[name].inputs) != 1:
            return False
        own, over = activation(equation), softmax(equation)
        if before.kind == "scale" and (scale := scaled(equation)) is not None:
            slope, offset = before.said
            before.said = (_short(scale[0] * slope), _short(scale[0] * offset + scale[1]))
        elif own is not None and own.alone and before.kind != "function":
            before.function = ".".join(own.names)
        elif over is not None and not equation.weights and before.kind == "sum":
            before.function = f"softmax over {over.over}"
        elif before.kind == "sum" and degree(equation) == 1 and at_own_place(equation):
            if normalised(equation) is not None:
                before.normal = _numbers(equation)
        else:
            return False
        self._renamed(before, name)
        return True

    def _gated(self, name: str, equation: Equation, feeds: Sequence[str]) -> bool:
        """Let x · sigmoid(x), written as two operators, be the one function that it is."""
        if not _is_product(equation) or feeds[0] == feeds[1]:
            return False
        for inner, gate in (feeds, feeds[::-1]):
            unit, base = self.all.get(gate), self.all.get(inner)
            if unit is None or base is None or unit.kind != "function" or unit.feeds != (inner,):
                continue
            if unit.said != ("sigmoid",) or self._readers[inner] != 2 or self._readers[gate] != 1:
                continue
            if base.function:
                continue
            del self.all[gate], self.all[inner]
            base.nodes += [gate, name]
            base.function = "silu"
            self._new(base)
            return True
        return False

    def _renamed(self, unit: Unit, name: str) -> None:
        del self.all[unit.name]
        unit.nodes.append(name)
        self.all[name] = unit


def moves(equation: Equation) -> bool:
    """Whether a layer only moves numbers: a permutation, a reshape, padding by zeros."""
    node = equation.expression
    if passes_on(equation):
        return True
    if not isinstance(node, Read) or node.tensor.role != "input" or node.tensor.shape is None:
        return False
    if node.padding is not None and node.outside != "zero":
        return False
    before, after = product(node.tensor.shape), product(equation.shape)
    return bool(is_known(before) and is_known(after) and before <= after) and (
        node.padding is not None or before == after
    )


def described(graph: Graph, equation: Equation) -> tuple[str, tuple[Any, ...]]:
    """Return the kind of an equation, and what it computes without a layout."""
    main = weighs(equation)
    if main is not None:
        sizes = tuple(axis.size for axis in main.window)
        inner = 1 if main.over is None else main.over.size
        kernel = kernels(main)[0].tensor.name
        count = int(product(equation.weights[kernel]))
        return "sum", (sizes, inner, count, _windows(equation), main.read.scattered)
    over = softmax(equation)
    if over is not None:
        return "softmax", (over.over,)
    scale = scaled(equation)
    if scale is not None:
        return "scale", (_short(scale[0]), _short(scale[1]))
    own = activation(equation)
    if own is not None and own.alone:
        return "function", own.names
    parts = anatomy(equation)
    if parts.main is not None:
        sizes = tuple(axis.size for axis in parts.main.reduction.axes)
        return parts.main.reduction.kind, (sizes, _windows(equation), bool(equation.weights))
    if normalised(equation) is not None:
        return "norm", (_numbers(equation),)
    if at_own_place(equation) and len(equation.inputs) > 1:
        if degree(equation) == 1:
            return "add", (len(equation.inputs),)
        if _is_product(equation):
            return "multiply", (len(equation.inputs),)
    kinds = sorted(
        node.kind
        for body in (equation.expression, *(item.expression for item in equation.locals))
        for node in body.walk()
        if isinstance(node, Reduction)
    )
    named = tuple(sorted(equation.weights))
    return "other", (tuple(kinds), len(equation.inputs), len(named), _shape_of(equation))


def scaled(equation: Equation) -> tuple[float, float] | None:
    """Return slope and offset of a layer that does the same to every number, as a rescaling; None for others."""
    if equation.weights or len(equation.inputs) != 1 or degree(equation) != 1:
        return None
    if not at_own_place(equation) or not all(map(is_known, equation.shape)):
        return None
    at, name = (0,) * len(equation.shape), equation.inputs[0].name
    nothing, one = (
        evaluate(equation, at, {name: np.broadcast_to(np.float64(n), tuple(equation.shape))})
        for n in (0, 1)
    )
    return one - nothing, nothing


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _windows(equation: Equation) -> tuple[Any, ...]:
    """Return how windows move: strides and spacings along the output's spatial axes, in their order."""
    return tuple(
        (fit.window, fit.spacing if fit.taps != 1 else 1, fit.stride)
        for fit in equation.fits.values()
        if not (fit.window == 1 and fit.stride == 1)
    )


def _padding(graph: Graph, equation: Equation) -> tuple[Any, ...]:
    return tuple(
        (fit.before, fit.after) for fit in equation.fits.values() if fit.before or fit.after
    )


def _numbers(equation: Equation) -> tuple[Any, ...]:
    """Return the numbers that are written in an equation: an epsilon."""
    bodies = [equation.expression, *(item.expression for item in equation.locals)]
    found = {float(n.value) for body in bodies for n in body.walk() if isinstance(n, Number)}
    return tuple(sorted(float(f"{value:.6g}") for value in found))


def _is_product(equation: Equation) -> bool:
    node: Expression = equation.expression
    return (
        isinstance(node, Binary)
        and node.operator == "*"
        and all(isinstance(p, Read) and p.tensor.role == "input" for p in (node.left, node.right))
        and at_own_place(equation)
    )


def _shape(graph: Graph, name: str) -> tuple[Any, ...]:
    return tuple(sorted(map(str, graph.shape(name))))


def _shape_of(equation: Equation) -> tuple[Any, ...]:
    return tuple(sorted(map(str, equation.shape)))


def unlike(one: Unit, other: Unit) -> str:
    """Return in words what two units' equations do not have in common."""
    found = []
    if one.kind != other.kind:
        found.append(f"{one.kind} | {other.kind}")
    elif one.kind == "sum":
        names = ("kernel", "inputs of each filter", "weights", "windows")
        for name, ours, theirs in zip(names, one.said, other.said, strict=False):
            if ours != theirs:
                found.append(f"{name} {_spelled(ours)} | {_spelled(theirs)}")
    elif one.said != other.said:
        found.append(f"{_spelled(one.said)} | {_spelled(other.said)}")
    if one.function != other.function:
        found.append(f"activation {one.function or 'none'} | {other.function or 'none'}")
    return "; ".join(found)


def _spelled(said: Any) -> str:
    if isinstance(said, tuple) and said and all(isinstance(w, tuple) and len(w) == 3 for w in said):
        return " and ".join(
            f"{window}{f' spaced by {spacing}' if spacing != 1 else ''} moved by {stride}"
            for window, spacing, stride in dict.fromkeys(said)
        )
    if isinstance(said, tuple):
        return "×".join(map(_spelled, said)) or "none"
    return str(said)

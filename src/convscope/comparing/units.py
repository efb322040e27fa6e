"""A network in units that mean the same in every format, and what each computes, said without a layout.

A convolution with its activation inside (Keras), and one followed by an operator that is the activation (ONNX,
PyTorch), are one unit; so are a product of matrices and the bias that is added after it, and a convolution and the
normalisation that an exporter may have folded into it. What only moves numbers (flatten, transpose, padding) belongs
to the unit that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from convscope.checks.forms import (
    activation,
    added_weight,
    applied,
    at_own_place,
    degree,
    kernels,
    passes_on,
    softmax,
    weighs,
)
from convscope.equations import formulas
from convscope.model.graph import Graph
from convscope.notation import Equation, Size
from convscope.notation.anatomy import anatomy
from convscope.notation.evaluation import evaluate
from convscope.notation.expression import Binary, Call, Expression, Number, Read, Reduction
from convscope.notation.functions import Function, compute
from convscope.notation.scattered import Standing
from convscope.notation.sizes import is_known, is_one, product
from convscope.typed import Array


@dataclass
class Unit:
    """Some nodes that belong together, and what they are.

    nodes     in their order; the numbers of the last are the unit's
    kind      "sum", "norm", "scale", "max", "mean", "softmax", "function", "add", "multiply" or "other"
    said      what it computes, in sizes and settings that have no layout: what must be the same in a twin
    feeds     the units, or inputs of the network, that it reads, moves skipped
    function  the activation that it ends with, as people call it; "" for none
    curve     what that makes of GRID, by which it is known whatever it is written with
    """

    nodes: list[str]
    kind: str
    said: tuple[Any, ...]
    feeds: tuple[str, ...]
    function: str = ""
    curve: tuple[float, ...] = ()
    normal: tuple[Any, ...] = ()
    pads: tuple[Any, ...] = field(default=())

    @property
    def name(self) -> str:
        """The node whose numbers are the unit's."""
        return self.nodes[-1]

    @property
    def signature(self) -> tuple[Any, ...]:
        """What must be the same in a twin, of whatever format and whether folded or not."""
        return (self.kind, self.said, _short_all(self.curve) or self.function)


class Units:
    """All units of a network, by the names of their last nodes.

    through   node that only moves numbers → the unit or input that they come from
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.through: dict[str, str] = {}
        self.all: dict[str, Unit] = {}
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
        own = () if equation is None or unit.kind == "other" else _padding(equation)
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
                *_padding(equation),
            )
            return
        before = self.all.get(feeds[0]) if feeds else None
        alone = (
            before is not None and node.inputs[0] == before.name and self._readers[before.name] == 1
        )
        if before is not None and alone and self._joined(name, equation, before):
            return
        if len(feeds) > 1 and self._gated(name, equation, feeds):
            return
        kind, said = described(self.graph, equation)
        pads = tuple(p for n in node.inputs for p in self._pads.get(n, ()))
        unit = Unit([name], kind, said, feeds, pads=pads)
        own, over = activation(equation), softmax(equation)
        if kind == "function":
            self._apply(unit, [GRID], equation)
        elif own is not None and not own.alone:
            unit.curve = tuple(map(float, applied(equation, np.array(GRID))))
            unit.function = called(unit.curve) or ".".join(own.names)
        elif over is not None and kind == "sum":
            unit.function = f"softmax over {over.over}"
        if kind == "norm":
            unit.normal = _epsilons(equation)
        self._new(unit)

    def _new(self, unit: Unit) -> None:
        self.all[unit.name] = unit

    def _joined(self, name: str, equation: Equation, before: Unit) -> bool:
        """Let a node be part of the unit before it: a bias, a normalisation, an activation."""
        if len(self.graph.nodes[name].inputs) != 1:
            return False
        over = softmax(equation)
        if is_function(equation):
            self._apply(before, (before.curve or GRID,), equation)
        elif before.function:
            return False
        elif before.kind == "scale" and (scale := scaled(equation)) is not None:
            slope, offset = before.said
            before.said = (_short(scale[0] * slope), _short(scale[0] * offset + scale[1]))
        elif over is not None and not equation.weights and before.kind == "sum":
            before.function = f"softmax over {over.over}"
        elif before.kind in ("sum", "norm") and degree(equation) == 1 and at_own_place(equation):
            before.normal = (*before.normal, *_epsilons(equation))
        else:
            return False
        self._renamed(before, name)
        return True

    def _apply(self, unit: Unit, given: Sequence[tuple[float, ...]], equation: Equation) -> None:
        unit.curve = curve(equation, given)
        unit.function = called(unit.curve) or ".".join(
            filter(None, (_names(equation), unit.function))
        )

    def _gated(self, name: str, equation: Equation, feeds: Sequence[str]) -> bool:
        """Let a function that is written as several operators be one: x · sigmoid(x), or x where x > 0."""
        if equation.weights or not at_own_place(equation):
            return False
        deeper = [n for f in feeds if f in self.all for n in self.all[f].feeds]
        for inner in dict.fromkeys((*feeds, *deeper)):
            base = self.all.get(inner)
            gates = [self.all[f] for f in dict.fromkeys(feeds) if f != inner and f in self.all]
            if base is None or len(gates) + (inner in feeds) != len(set(feeds)):
                continue
            if any(g.kind != "function" or g.feeds != (inner,) for g in gates):
                continue
            uses = sum(f == inner for f in feeds) + len(gates)
            if self._readers[inner] != uses or any(self._readers[g.name] != 1 for g in gates):
                continue
            before = base.curve or GRID
            curves = {g.name: _through(g.curve, before) for g in gates} | {inner: before}
            if any(found is None for found in curves.values()):
                continue
            del self.all[inner]
            for gate in gates:
                del self.all[gate.name]
                base.nodes += gate.nodes
            base.nodes.append(name)
            self._apply(base, [curves[f] or () for f in feeds], equation)
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
    if is_function(equation):
        return "function", ()
    parts = anatomy(equation)
    if parts.main is not None:
        sizes = tuple(axis.size for axis in parts.main.reduction.axes)
        return parts.main.reduction.kind, (sizes, _windows(equation), bool(equation.weights))
    own = at_own_place(equation) and degree(equation) == 1
    if own and [tensor.shape for tensor in equation.inputs] == [equation.shape]:
        return "norm", ()
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
    if (
        equation.inputs[0].shape != equation.shape
    ):  # the first of several rows is read at its place, too
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


def _padding(equation: Equation) -> tuple[Any, ...]:
    """Return how wide the borders are that an equation reads in, dimensions without one left out."""
    found = {
        tuple(pair for pair in read.padding if any(pair))
        for read, _, _ in equation.inlined
        if read.padding is not None and read.tensor.role == "input"
    }
    return tuple(sorted(pair for pairs in found for pair in pairs))


def _epsilons(equation: Equation) -> tuple[float, ...]:
    """Return what is added under roots, as a normalisation's epsilon is."""
    bodies = [equation.expression, *(item.expression for item in equation.locals)]
    return tuple(
        _short(number.value)
        for body in bodies
        for root in body.walk()
        if isinstance(root, Call) and root.function.name == "sqrt"
        for number in root.walk()
        if isinstance(number, Number)
    )


# -- functions of one number ----------------------------------------------------------------------

GRID = tuple(float(x) for x in np.linspace(-9, 9, 49))
"""Functions are the same where they are at all of these."""


def is_function(equation: Equation) -> bool:
    """Whether a layer does something to each number by itself, without weights, that is no shift or scale."""
    return (
        not equation.weights
        and len(equation.inputs) == 1
        and degree(equation) == 2
        and at_own_place(equation)
        and all(map(is_known, equation.shape))
    )


def curve(equation: Equation, given: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Return what a layer makes of numbers, several for each output where it reads several."""
    tensors = sorted(equation.inputs, key=lambda tensor: tensor.name)
    fed = {t.name: np.array(row) for t, row in zip(tensors, given, strict=False)}
    at = dict.fromkeys(equation.axes, np.zeros(len(given[0]), int))
    found = np.asarray(Standing(fed, equation).value(equation.expression, at, 1), np.float64)
    return tuple(map(float, np.broadcast_to(found, (len(given[0]),))))


@cache
def _known() -> dict[tuple[float, ...], str]:
    named = {
        value.name: value
        for value in vars(formulas).values()
        if isinstance(value, Function) and len(value.parameters) == 1
    }
    with np.errstate(all="ignore"):
        return {_short_all(compute(f, [np.array(GRID)], np)): name for name, f in named.items()}


def called(values: tuple[float, ...]) -> str:
    """Return what people call the function that has these values; "" for none that is known."""
    return _known().get(_short_all(values), "")


def _short_all(values: Array | Sequence[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") + 0.0 for value in np.asarray(values, np.float64))


def _through(gate: tuple[float, ...], before: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return a function's values where another comes before it; None where that is not simply known."""
    return gate if before == GRID else None


def _names(equation: Equation) -> str:
    own = activation(equation)
    return ".".join(own.names) if own is not None else "function"


def _is_product(equation: Equation) -> bool:
    node: Expression = equation.expression
    return (
        isinstance(node, Binary)
        and node.operator == "*"
        and all(isinstance(p, Read) and p.tensor.role == "input" for p in (node.left, node.right))
        and at_own_place(equation)
    )


def _shape(graph: Graph, name: str) -> tuple[Any, ...]:
    return _sizes(graph.shape(name))


def _shape_of(equation: Equation) -> tuple[Any, ...]:
    return _sizes(equation.shape)


def _sizes(shape: Sequence[Size]) -> tuple[str, ...]:
    """Return sizes in no order: one format has axes of 1 where another leaves the batch out."""
    return tuple(sorted(str(size) for size in shape if not is_one(size)))


def chain(units: Units, unit: Unit) -> list[str]:
    """Return a unit's nodes, and those before it that only move numbers (a padding of its own)."""
    found = list(unit.nodes)
    stack = list(units.graph.nodes[unit.nodes[0]].inputs)
    while stack:
        name = stack.pop()
        if name in units.through:
            found.append(name)
            stack.extend(units.graph.nodes[name].inputs)
    return found


def written(units: Units, unit: Unit) -> tuple[Any, ...]:
    """Return a unit as it is written in its own format: where two are written alike they compute the same."""
    found = []
    for name in chain(units, unit):
        layer, equation = units.graph.nodes[name].layer, units.equation_of(name)
        use = getattr(layer, "use", None)
        said = getattr(use, "settings", None) or getattr(use, "attributes", None)
        settings = layer.settings() if said is None else said
        hidden = repr(settings) if equation is None else ""
        found.append((layer.kind, str(equation), hidden, str(units.graph.shape(name))))
    return tuple(found)


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
    if one.normal and other.normal and one.normal != other.normal:  # none where it is folded
        found.append(f"epsilon {_spelled(one.normal)} | {_spelled(other.normal)}")
    if not found and one.signature != other.signature:
        found.append(f"another number in {one.function or 'its function'}")
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

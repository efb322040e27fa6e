"""What a change of a weight, an activation or a pixel does to a number, or to a loss, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import floor, log10
from typing import Any

import numpy as np

from convscope.equations.losses import TARGET, loss
from convscope.errors import LayerLookupError, PositionError, SettingError
from convscope.explain.backward import Backward
from convscope.explain.corners import corners
from convscope.explain.words import adding_up, exact, grouped
from convscope.model.graph import Graph, Node, tensor_names
from convscope.model.positions import position_in
from convscope.notation import Equation, Expression, Read
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import Evaluator, evaluate, evaluate_all
from convscope.notation.expression import Binary, Number, Reduction, addends, factors, leads_back
from convscope.notation.ledger import ledger
from convscope.notation.sizes import shape_text
from convscope.parts import Column, Document, Formula, Heading, Paragraph, Part, Span, Table, Words
from convscope.typed import Array, Record

SHOWN = 12
"""How many rows a document lists before it gathers the smallest in one."""


def _short(value: float) -> str:
    return f"{value:.6g}".replace("-", "−").replace("inf", "∞").replace("nan", "NaN")


class Factor(Record):
    """One number that a term multiplies.

    what    what it is called in the network: "conv2d_1.kernel", "conv2d", "∂/∂ conv2d_1"
    """

    what: str
    index: tuple[int, ...]  # type: ignore[assignment]  # a tuple's own method of that name is not used
    value: float
    role: str

    def __str__(self) -> str:
        where = f"({', '.join(map(str, self.index))})" if self.index else ""
        return f"{self.what}{where} = {_short(self.value)}"


class Term(Record):
    """One way in which the number depends on what is asked about: a product, and its factors.

    layer    the layer that it leads back through
    filter   which of its filters (or units) it is of: "filter 7"; None where it has none
    """

    value: float
    factors: tuple[Factor, ...]
    layer: str
    filter: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the term as plain data."""
        return {
            "value": self.value,
            "layer": self.layer,
            "filter": self.filter,
            "factors": [
                {"of": f.what, "index": list(f.index), "value": f.value, "role": f.role}
                for f in self.factors
            ],
        }


@dataclass(frozen=True)
class Group:
    """Terms that people think of together: all of one filter; or one, for a position of a kernel."""

    label: str
    terms: tuple[Term, ...]

    @property
    def partial_sum(self) -> float:
        """What its terms add up to."""
        return float(sum(t.value for t in self.terms))


@dataclass(frozen=True)
class Derivative:
    """The ledger of one derivative: what it is, and the terms that add up to it.

    value       the derivative
    equations   (layer, equation) of each layer that leads back to it
    groups      its terms; the largest first
    terms       how many terms that are not 0 for certain
    """

    of: str
    to: str
    position: tuple[int, ...]
    value: float
    own: float
    equations: tuple[tuple[str, Equation], ...]
    groups: tuple[Group, ...]
    terms: int
    room: Callable[[], float] = field(compare=False, repr=False)
    inputs: tuple[str, ...] = ()

    @cached_property
    def rounding(self) -> float:
        """How far the same sum in float32 may be off, from the same numbers rounded to float32."""
        return self.room()

    @property
    def ways(self) -> list[str]:
        """How the largest term is followed: back towards the loss, and forward to the number that it multiplies."""
        factors = self.groups[0].terms[0].factors if self.groups else ()
        found = []
        for factor in factors:
            layer = factor.what.removeprefix("∂/∂ ").split(" (")[0]
            place = ",".join(map(str, factor.index))
            if factor.role == "gradient":
                found.append(f"Its largest term, further back: --to {layer}:{place}.")
            elif factor.role == "input" and layer not in self.inputs:
                found.append(f"The number that it multiplies: trace MODEL {layer} {place}.")
        return found

    @cached_property
    def corners(self) -> list[str]:
        """What rule holds where a function on the way has no slope, a sentence each."""
        return corners([equation for _, equation in self.equations])

    def document(self) -> Document:
        """Return the ledger as parts; the smallest of many groups in one row, so that it adds up."""
        where = ", ".join(map(str, self.position))
        parts: list[Part] = [
            Heading(f"The derivative of {self.of} with respect to {self.to} at ({where})"),
            Paragraph(
                [
                    "It is ",
                    Span(exact(self.value), "strong"),
                    f": a step of ε here moves {self.of} by {exact(self.value)}·ε.",
                ]
            ),
        ]
        for layer, equation in self.equations:
            parts += [
                Paragraph(f"Led back through {layer}:"),
                Formula(str(equation), equation.latex()),
            ]
        shown = self.groups[: SHOWN - 1] if len(self.groups) > SHOWN else self.groups
        values = [g.partial_sum for g in shown]
        names: list[Words] = [self._named(g) for g in shown]
        if len(shown) < len(self.groups):
            values.append(sum(g.partial_sum for g in self.groups[len(shown) :]))
            names.append(f"the other {grouped(len(self.groups) - len(shown))}")
        if self.own:
            values.append(self.own)
            names.append("itself")
        texts, total = adding_up_shown(values, self.value)
        rows = tuple((name, text) for name, text in zip(names, texts, strict=True))
        room = f"In float32, from the same numbers, it may be off by {self.rounding:.2g}."
        parts += [Paragraph(sentence) for sentence in (*self.corners, room, *self.ways)]
        parts.append(
            Table(
                (Column("term"), Column("value", "right")),
                rows,
                (("derivative", Span(total, "strong")),),
                caption=f"{grouped(self.terms)} {'term' if self.terms == 1 else 'terms; the largest first'}.",
            )
        )
        return Document(tuple(parts))

    def _named(self, group: Group) -> str:
        if len(group.terms) == 1:
            return " · ".join(map(str, group.terms[0].factors)) or group.label
        return f"{group.label}: {grouped(len(group.terms))} terms"

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as plain data, nothing abbreviated."""
        return {
            "of": self.of,
            "to": self.to,
            "position": list(self.position),
            "equation": [str(e) for _, e in self.equations],
            "layers": [name for name, _ in self.equations],
            "value": self.value,
            "itself": self.own,
            "rounding": self.rounding,
            "corners": self.corners,
            "ways": self.ways,
            "terms": self.terms,
            "groups": [
                {
                    "label": g.label,
                    "partial_sum": g.partial_sum,
                    "terms": [t.to_dict() for t in g.terms],
                }
                for g in self.groups
            ],
        }


@dataclass(frozen=True)
class Share:
    """A row of input × gradient: what a thing's numbers, each times its gradient, add up to."""

    what: str
    value: float


@dataclass(frozen=True)
class Shares:
    """Input × gradient: the rows add up to the number explained."""

    of: str
    value: float
    rows: tuple[Share, ...]

    def document(self) -> Document:
        """Return the rows as a table that adds up as it is shown."""
        texts, total = adding_up_shown([row.value for row in self.rows], self.value)
        rows = tuple((row.what, text) for row, text in zip(self.rows, texts, strict=True))
        return Document(
            (
                Heading(f"Input × gradient of {self.of}"),
                Paragraph(
                    "Each row adds up what the numbers of a thing, each times its gradient, come to. "
                    "Where everything is straight lines (sums of products, ReLU, maxima) nothing remains."
                ),
                Table(
                    (Column("from"), Column("adds", "right")),
                    rows,
                    ((self.of, Span(total, "strong")),),
                ),
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the rows as plain data."""
        return {
            "of": self.of,
            "value": self.value,
            "rows": [{"from": row.what, "adds": row.value} for row in self.rows],
        }


class Gradient:
    """What a change of each number of a weight, an activation or an input does to a number.

    array   in the layout of what it is the gradient of, without a batch
    value   the number itself: an activation's, or the loss
    """

    def __init__(
        self, backward: Backward, of: str, value: float, to: str, node: str, weight: str | None,
        objective: Equation | None,
    ) -> None:  # fmt: skip
        self.backward = backward
        self.of, self.value, self.to = of, value, to
        self.objective = objective
        self._node, self._weight = node, weight

    @cached_property
    def array(self) -> Array:
        """The gradient, as large as what it is taken by."""
        if self._weight is None:
            return self.backward.activation(self._node)
        return self.backward.weight(self.backward.graph.nodes[self._node], self._weight)

    def _sources(self) -> list[tuple[Node, str]]:
        """Return the layers whose adjoint equations lead back, and the tensor of each."""
        if self._weight is None:
            return self.backward.consumers.get(self._node, [])
        node = self.backward.graph.nodes[self._node]
        return [(one, self._weight) for one in self.backward.holders(node)]

    def at(self, position: Sequence[int]) -> Derivative:
        """Return the ledger of one derivative; negative indices count from the end.

        Raises `PositionError` for a position that there is not.
        """
        shape = self._shape()
        where = position_of(position, shape, self.to)
        seed = self.backward.seeds.get(self._node) if self._weight is None else None
        own = 0.0 if seed is None else float(seed[where])
        equations, terms = [], list[Term]()
        sums: list[tuple[Equation, Mapping[str, Any]]] = []
        value = own
        for node, tensor in self._sources():
            equation = self.backward.adjoint(node).get(tensor)
            if equation is None:
                continue
            values = self.backward.values(node)
            value += evaluate(equation, where, values)
            equations.append((node.name, equation))
            sums.append((equation, values))
            terms += terms_of(equation, where, values, node)

        def room() -> float:
            found = sum(ledger(equation, where, values).rounding for equation, values in sums)
            given = abs(own) + sum(abs(term.value) * max(len(term.factors), 1) for term in terms)
            return float(found + (given + len(sums) * abs(value)) * 2.0**-24)

        groups = _groups(terms, self._weight is not None)
        return Derivative(
            self.of,
            self.to,
            where,
            value,
            own,
            tuple(equations),
            groups,
            len(terms),
            room,
            tuple(self.backward.graph.inputs),
        )

    def _shape(self) -> tuple[int, ...]:
        if self._weight is None:
            return tuple(self.backward.activations[self._node].shape)
        return tuple(self.backward.graph.nodes[self._node].layer.weights[self._weight].shape)

    def shares(self) -> Shares:
        """Return input × gradient, with every bias and what remains as rows of their own.

        The rows add up to the number explained. Where everything is straight lines (ReLU, maxima,
        sums of products) nothing remains: each is its part of the number.
        """
        graph, rows = self.backward.graph, list[Share]()
        for name in graph.inputs:
            if name in self.backward.reached:
                x = np.asarray(self.backward.activations[name], np.float64)
                rows.append(Share(name, float((x * self.backward.activation(name)).sum())))
        seen: set[int] = set()
        for name in graph.needed(list(self.backward.seeds)):
            node = graph.nodes[name]
            equation = graph.facts[name].equation
            if equation is None or id(node.layer) in seen:
                continue
            seen.add(id(node.layer))
            for weight in _added(equation):
                held = np.asarray(node.layer.weights[weight], np.float64)
                part = float((held * self.backward.weight(node, weight)).sum())
                rows.append(Share(f"{name}.{weight}", part))
        rows.append(Share("what remains", self.value - sum(r.value for r in rows)))
        return Shares(self.of, self.value, tuple(rows))

    def document(self) -> Document:
        """Return what the gradient is, and where it is largest."""
        array = self.array
        parts: list[Part] = [
            Heading(f"The gradient of {self.of} with respect to {self.to}"),
            Paragraph(
                f"{self.of} is {exact(self.value)}. Its gradient has the shape of {self.to}, "
                f"{shape_text(array.shape)}: what a small step of each of its {grouped(array.size)} "
                f"numbers does, for one unit of step."
            ),
        ]
        if self.objective is not None:
            parts.append(Formula(str(self.objective), self.objective.latex()))
        for node, tensor in self._sources():
            equation = self.backward.adjoint(node).get(tensor)
            if equation is not None:
                parts += [
                    Paragraph(f"Led back through {node.name}:"),
                    Formula(str(equation), equation.latex()),
                ]
        parts.append(_largest(array))
        return Document(tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return the gradient as plain data, with every number."""
        return {
            "of": self.of,
            "value": self.value,
            "to": self.to,
            "shape": list(self.array.shape),
            "equations": [
                str(self.backward.adjoint(node)[tensor])
                for node, tensor in self._sources()
                if tensor in self.backward.adjoint(node)
            ],
            "gradient": self.array.tolist(),
        }


def adding_up_shown(values: Sequence[float], total: float) -> tuple[list[str], str]:
    """Return numbers that add up as they are shown, with six digits of the largest."""
    if not np.isfinite([*values, total]).all():
        return [exact(v) for v in values], exact(total)
    largest = max((abs(v) for v in (*values, total)), default=0.0)
    places = 6 if largest == 0 else min(max(6, 5 - floor(log10(largest))), 40)
    return adding_up(values, sum(values), places)


def _largest(array: Array) -> Table:
    flat = np.abs(array).ravel()
    order = np.argsort(-flat, kind="stable")[:SHOWN]
    rows = []
    for number in order.tolist():
        where = tuple(int(p) for p in np.unravel_index(number, array.shape))
        rows.append((f"({', '.join(map(str, where))})", exact(float(array[where]))))
    zeros = int((array == 0).sum())
    return Table(
        (Column("at"), Column("derivative", "right")),
        tuple(rows),
        caption=f"The largest of {grouped(array.size)}; {grouped(zeros)} of them are 0.",
    )


def position_of(position: Sequence[int], shape: tuple[int, ...], to: str) -> tuple[int, ...]:
    try:
        where = tuple(p.__index__() for p in position)
    except (TypeError, AttributeError) as error:
        raise PositionError(
            f"a position is whole numbers such as (1, 2, 0), not {position!r}"
        ) from error
    fits = len(where) == len(shape) and all(-s <= p < s for p, s in zip(where, shape, strict=True))
    if not fits:
        raise PositionError(
            f"{to} has shape {shape_text(shape)}: there is no position {shape_text(where)} in it"
        )
    return tuple(p % s for p, s in zip(where, shape, strict=True))


# -- terms --------------------------------------------------------------------------------------------


def terms_of(
    equation: Equation, where: tuple[int, ...], values: Mapping[str, Any], node: Node
) -> list[Term]:
    """Return the terms of one number of an adjoint equation; those that read nothing are left out."""
    evaluator = Evaluator(values)
    evaluator.hold(equation, tuple((p, p) for p in where))
    given: dict[Any, Any] = dict(zip(equation.axes, where, strict=True))
    found: list[Term] = []
    for addend, sign in _signed(equation.expression, 1.0):
        body: Any = addend
        under = 1.0
        while isinstance(body, Binary) and body.operator == "/" and isinstance(body.right, Number):
            body, under = body.left, under * body.right.value
        if isinstance(body, Reduction) and body.kind == "sum":
            inner, depth = evaluator.open(body, given, 0)
            parts = list(factors(body.body))
            sizes = tuple(axis.size for axis in body.axes)
            out = next((n for n, axis in enumerate(body.axes) if axis.role == "out"), None)
        else:
            inner, depth, parts, sizes, out = given, 0, list(factors(body)), (), None
        arrays = [
            np.broadcast_to(np.asarray(evaluator.value(p, inner, depth)), sizes) for p in parts
        ]
        product = np.full(sizes, sign / under)
        for array in arrays:
            product = product * array
        inside = np.ones(sizes, bool)
        reads = []
        for part, array in zip(parts, arrays, strict=True):
            if isinstance(part, Read):
                places = [np.broadcast_to(np.asarray(i.at(inner)), sizes) for i in part.indices]
                shape = evaluator.shape(part.tensor)
                inside = inside & np.asarray(evaluator.inside(part, inner, places, shape))
                reads.append((part, places, array))
        held = np.flatnonzero(inside)
        called = None if out is None else body.axes[out].word
        outs = [] if out is None else np.unravel_index(held, sizes)[out].tolist()
        words = [None] * len(held) if out is None else [f"{called} {at}" for at in outs]
        columns = [_factors(*read, held, node) for read in reads]
        values_held = np.ravel(product)[held].tolist()
        rows = zip(*columns, strict=True) if columns else [()] * len(held)
        found += [
            Term(value, row, node.name, word)
            for value, row, word in zip(values_held, rows, words, strict=True)
        ]
    return found


def _signed(node: Expression, sign: float) -> list[tuple[Expression, float]]:
    """Return the addends of a sum or difference, with their signs."""
    match node:
        case Binary("+", left, right):
            return _signed(left, sign) + _signed(right, sign)
        case Binary("-", left, right):
            return _signed(left, sign) + _signed(right, -sign)
        case Number(0.0):
            return []
    return [(node, sign)]


def _factors(
    part: Read, places: Sequence[Array], array: Array, held: Array, node: Node
) -> list[Factor]:
    """Return what a read gives to each term that is held."""
    name = part.tensor.name
    feeds = dict(zip(tensor_names(len(node.inputs)), node.inputs, strict=True))
    role: str = part.tensor.role
    if role == "input":
        what = feeds.get(name, name)
    elif role == "weight":
        what = f"{node.name}.{name}"
    elif role == "gradient":
        what = f"∂/∂ {node.name}"
    elif name.startswith("d") and leads_back(part.tensor):
        what, role = f"∂/∂ {node.name} ({name[1:]})", "gradient"
    else:
        what = f"{node.name} ({name})"
    columns = [np.ravel(p)[held].tolist() for p in places]
    at = zip(*columns, strict=True) if columns else [()] * len(held)
    values = np.ravel(array)[held].tolist()
    return [Factor(what, where, value, role) for where, value in zip(at, values, strict=True)]


def _groups(terms: Sequence[Term], weight: bool) -> tuple[Group, ...]:
    """Return terms as people think of them: of a weight one for each position that used it, of an
    activation by the filter that read it; the largest first."""
    groups: dict[Any, list[Term]] = {}
    for number, term in enumerate(terms):
        key = number if weight or term.filter is None else (term.layer, term.filter)
        groups.setdefault(key, []).append(term)
    found = [
        Group(f"{key[1]} of {key[0]}" if isinstance(key, tuple) else "a term", tuple(held))
        for key, held in groups.items()
    ]
    return tuple(sorted(found, key=lambda g: -abs(g.partial_sum)))


def _added(equation: Equation) -> list[str]:
    """Return the weights that an equation adds as they are: its biases."""
    found: dict[str, None] = {}
    every = [equation.expression, *(item.expression for item in equation.locals)]
    for expression in every:
        for node in expression.walk():
            if isinstance(node, Binary) and node.operator == "+":
                for part in addends(node):
                    if isinstance(part, Read) and part.tensor.role == "weight":
                        found[part.tensor.name] = None
    return list(found)


# -- asking -------------------------------------------------------------------------------------------


def gradient(
    graph: Graph,
    activations: Mapping[str, Array],
    of: tuple[str, Sequence[int]] | str | None,
    to: str,
    objective: str | None = None,
    target: Any = None,
    from_logits: bool = False,
    dtype: Any = np.float64,
) -> Gradient:
    """Return the gradient of a number of a run, or of a loss of its output, by something.

    of           (layer, position) of the number; or, with a loss, the layer whose output it is of
    to           a layer (its activation), "layer.weight", or an input's name
    objective    a loss's name; `target` is the class or an array of the output's shape
    """
    name, weight = _by(graph, to)
    equation = None
    if objective is None:
        if of is None or isinstance(of, str):
            raise SettingError("gradient needs of=(layer, position), or loss=…")
        layer, position = of
        node = graph.node(layer).name
        where = position_in(graph, node, position)
        seed = np.zeros(activations[node].shape)
        seed[where] = 1.0
        value = float(activations[node][where])
        said = f"{node}({', '.join(map(str, where))})"
    else:
        if of is not None and not isinstance(of, str):
            raise SettingError("a loss is of a whole output: give of= a layer's name, or nothing")
        node = graph.node(of).name if of else graph.outputs[0]
        output = activations[node]
        whole = int(target) if isinstance(target, (int, np.integer)) else None
        equation = loss(objective, tuple(output.shape), whole, from_logits)
        values: dict[str, Any] = {"in": output}
        if any(t.name == TARGET for t in equation.inputs):
            given = np.asarray(target, np.float64)
            if given.shape != output.shape:
                raise SettingError(
                    f"{objective} needs a target of the output's shape {shape_text(output.shape)}, "
                    f"not {shape_text(given.shape)}"
                )
            values[TARGET] = given
        value = evaluate(equation, (), values)
        seed = evaluate_all(adjoint(equation)["in"], {**values, OUTPUT: np.float64(1.0)})
        said = f"the loss {objective} of {node}"
    backward = Backward(graph, activations, {node: seed}, dtype)
    if name not in backward.reached:
        raise LayerLookupError(f"{said} does not depend on {to}: {name} is not on the way to it")
    backward.check(name, weight is not None)
    return Gradient(backward, said, value, to, name, weight, equation)


def _by(graph: Graph, to: str) -> tuple[str, str | None]:
    """Return the layer or input, and the weight, that a name means."""
    if to in graph.inputs or to in graph.nodes:
        return to, None
    layer, dot, weight = to.rpartition(".")
    if dot and layer in graph.nodes:
        held = graph.facts[layer].weights
        if weight in held:
            return layer, weight
        some = ", ".join(f"{layer}.{name}" for name in held) or "none"
        raise LayerLookupError(f"{layer} has no weight {weight}; it has {some}")
    return graph.node(to).name, None

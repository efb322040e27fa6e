"""The ledger of one derivative: the products that add up to it, and what each is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np

from convscope.explain.corners import corners
from convscope.explain.words import adding_up_shown, exact, grouped
from convscope.model.graph import Node, tensor_names
from convscope.notation import Equation, Expression, Read
from convscope.notation.evaluation import Once
from convscope.notation.expression import (
    Binary,
    Number,
    Reduction,
    factors,
    leads_back,
    lengths,
)
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


class Factors(Record):
    """What one factor of many products reads: of what, where (an array a dimension), and the numbers."""

    what: str
    role: str
    places: tuple[Array, ...]
    values: Array

    def factors(self) -> list[Factor]:
        """Return it as a factor for each product."""
        what, role, places, values = self
        numbers = values.tolist()
        if not places:
            return [Factor(what, (), value, role) for value in numbers]
        at = zip(*(p.tolist() for p in places), strict=True)
        return [Factor(what, where, value, role) for where, value in zip(at, numbers, strict=True)]


class Products(Record):
    """Products that are added: their values, what each factor reads, and of which filter each is.

    called   what a filter is called: "filter", "unit"; None where there are none
    """

    values: Array
    readings: tuple[Factors, ...]
    layer: str
    called: str | None
    filters: Array | None

    def terms(self) -> list[Term]:
        """Return each product with its factors."""
        values, readings, layer, called, filters = self
        rows: Any = zip(*(r.factors() for r in readings), strict=True) if readings else repeat(())
        words: Any = (
            repeat(None) if filters is None else (f"{called} {n}" for n in filters.tolist())
        )
        return [
            Term(value, row, layer, word)
            for value, row, word in zip(values.tolist(), rows, words, strict=False)
        ]


class Terms:
    """Terms that people think of together."""

    terms: tuple[Term, ...]

    @property
    def partial_sum(self) -> float:
        """What they add up to."""
        return float(sum(term.value for term in self.terms))


@dataclass(frozen=True)
class Group(Terms):
    """The terms of one filter; or one term, for a position of a kernel."""

    label: str
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Derivative:
    """The ledger of one derivative: what it is, and the terms that add up to it.

    value       the derivative
    equations   (layer, equation) of each layer that leads back to it
    products    what adds up to it, as arrays
    """

    of: str
    to: str
    position: tuple[int, ...]
    value: float
    own: float
    equations: tuple[tuple[str, Equation], ...]
    products: tuple[Products, ...] = field(compare=False, repr=False)
    room: Callable[[], float] = field(compare=False, repr=False)
    inputs: tuple[str, ...] = ()
    weight: bool = False
    objective: Equation | None = None
    jumps: tuple[str, ...] = ()

    @property
    def terms(self) -> int:
        """How many terms there are that are not 0 for certain."""
        return sum(len(found.values) for found in self.products)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Its terms as people think of them: of a weight one for each position that used it, of an activation by the
        filter that read it; the largest first."""
        return _grouped([t for found in self.products for t in found.terms()], self.weight)

    @cached_property
    def rounding(self) -> float:
        """How far the same sum in float32 may be off, from the same numbers rounded to float32."""
        return self.room()

    @property
    def onward(self) -> list[tuple[str, str]]:
        """How the largest term is followed: ("slope" or "number", "layer:position") of each factor."""
        factors = self.groups[0].terms[0].factors if self.groups else ()
        found = []
        for factor in factors:
            layer = factor.what.removeprefix("∂/∂ ").split(" (")[0]
            place = ",".join(map(str, factor.index))
            if factor.role == "gradient":
                found.append(("slope", f"{layer}:{place}"))
            elif factor.role == "input" and layer not in self.inputs:
                found.append(("number", f"{layer}:{place}"))
        return found

    @property
    def ways(self) -> list[str]:
        """The same as sentences: back towards the loss, and forward to the number that it multiplies."""
        said = {
            "slope": "Its largest term, further back: --to {}.",
            "number": "The number that it multiplies: trace MODEL {}.",
        }
        return [
            said[what].format(where if what == "slope" else where.replace(":", " "))
            for what, where in self.onward
        ]

    @cached_property
    def corners(self) -> list[str]:
        """What rule holds where a function on the way has no slope, a sentence each."""
        return corners([equation for _, equation in self.equations])

    def document(self, ways: Sequence[str] | None = None) -> Document:
        """Return the ledger as parts; the smallest of many groups in one row, so that it adds up.

        ways   sentences that say how its largest term is followed; its own by default
        """
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
        if self.objective is not None and self.own:
            parts.append(Formula(str(self.objective), self.objective.latex()))
        for layer, equation in self.equations:
            parts += [
                Paragraph(f"Led back through {layer}:"),
                Formula(str(equation), equation.latex()),
            ]
        if not self.groups and not self.own:
            nothing = self._jumping() or ["No term leads there: it has no part in it."]
            parts += map(Paragraph, nothing)
            return Document(tuple(parts))
        shown = self.groups[: SHOWN - 1] if len(self.groups) > SHOWN else self.groups
        values = [g.partial_sum for g in shown]
        names: list[Words] = [self._named(g) for g in shown]
        if len(shown) < len(self.groups):
            values.append(sum(g.partial_sum for g in self.groups[len(shown) :]))
            names.append(f"the other {grouped(len(self.groups) - len(shown))}")
        if self.own:
            values.append(self.own)
            names.append("itself" if self.objective is None else "the loss itself")
        texts, total = adding_up_shown(values, self.value)
        rows = tuple((name, text) for name, text in zip(names, texts, strict=True))
        room = f"In float32, from the same numbers, it may be off by {self.rounding:.2g}."
        parts += [
            Paragraph(sentence)
            for sentence in (
                *self.corners,
                *self._jumping(),
                room,
                *(self.ways if ways is None else ways),
            )
        ]
        parts.append(
            Table(
                (Column("term"), Column("value", "right")),
                rows,
                (("derivative", Span(total, "strong")),),
                caption=f"{grouped(self.terms)} {'term' if self.terms == 1 else 'terms; the largest first'}.",
            )
        )
        return Document(tuple(parts))

    def _jumping(self) -> list[str]:
        """Return why the derivative is 0 where something jumps."""
        if not self.jumps:
            return []
        names, verb = " and ".join(self.jumps), "jumps" if len(self.jumps) == 1 else "jump"
        said = f"{names} {verb} from value to value: a small step moves nothing, and at a jump there is no slope."
        return [f"{said} It counts as 0, as in the frameworks."]

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


def terms_of(
    equation: Equation, where: tuple[int, ...], values: Mapping[str, Any], node: Node
) -> list[Term]:
    """Return the terms of one number of an adjoint equation; those that read nothing are left out."""
    _, products = taken_apart(equation, where, values, node)
    return [t for found in products for t in found.terms()]


def taken_apart(
    equation: Equation, where: tuple[int, ...], values: Mapping[str, Any], node: Node
) -> tuple[float, list[Products]]:
    """Return one number of an adjoint equation, and what adds up to it; products that read nothing are left out."""
    evaluator = Once(values)
    evaluator.hold(equation, tuple((p, p) for p in where))
    given: dict[Any, Any] = dict(zip(equation.axes, where, strict=True))
    found: list[Products] = []
    for addend, sign in _signed(equation.expression, 1.0):
        body: Any = addend
        under = 1.0
        while isinstance(body, Binary) and body.operator == "/" and isinstance(body.right, Number):
            body, under = body.left, under * body.right.value
        if isinstance(body, Reduction) and body.kind == "sum":
            inner, depth = evaluator.open(body, given, 0)
            parts = list(factors(body.body))
            sizes = lengths(body)
            out = next((n for n, axis in enumerate(body.axes) if axis.role == "out"), None)
        else:
            inner, depth, parts, sizes, out = given, 0, list(factors(body)), (), None
        arrays = [np.asarray(evaluator.value(p, inner, depth)) for p in parts]
        product: Any = np.full(sizes, sign / under)
        for array in arrays:
            product = product * array
        inside: Any = True
        reads = []
        for part, array in zip(parts, arrays, strict=True):
            if isinstance(part, Read):
                places = [np.asarray(i.at(inner)) for i in part.indices]
                shape = evaluator.shape(part.tensor)
                inside = inside & np.asarray(evaluator.inside(part, inner, places, shape))
                reads.append((part, places, array))
        held = np.flatnonzero(np.broadcast_to(inside, sizes))

        def kept(array: Any, held: Any = held, sizes: Any = sizes) -> Array:
            found: Array = np.broadcast_to(array, sizes).reshape(-1)[held]
            return found

        found.append(
            Products(
                kept(product),
                tuple(
                    Factors(*_said(part, node), tuple(map(kept, places)), kept(array))
                    for part, places, array in reads
                ),
                node.name,
                None if out is None else body.axes[out].word,
                None if out is None else np.unravel_index(held, sizes)[out],
            )
        )
    return float(evaluator.value(equation.expression, given, 0)), found


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


def _said(part: Read, node: Node) -> tuple[str, str]:
    """Return what a read is a read of, in the network's words, and its role."""
    name, role = part.tensor.name, part.tensor.role
    if role == "input":
        feeds = dict(zip(tensor_names(len(node.inputs)), node.inputs, strict=True))
        return feeds.get(name, name), role
    if role == "weight":
        return f"{node.name}.{name}", role
    if role == "gradient":
        return f"∂/∂ {node.name}", role
    if name.startswith("d") and leads_back(part.tensor):
        return f"∂/∂ {node.name} ({name[1:]})", "gradient"
    return f"{node.name} ({name})", role


def _grouped(terms: Sequence[Term], weight: bool) -> tuple[Group, ...]:
    groups: dict[Any, list[Term]] = {}
    for number, term in enumerate(terms):
        key = number if weight or term.filter is None else (term.layer, term.filter)
        groups.setdefault(key, []).append(term)
    found = [
        Group(f"{key[1]} of {key[0]}" if isinstance(key, tuple) else "a term", tuple(held))
        for key, held in groups.items()
    ]
    return tuple(sorted(found, key=lambda g: -abs(g.partial_sum)))

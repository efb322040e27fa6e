"""Input × gradient: each thing's part of a number, in rows that add up to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.explain.backward import Backward
from convscope.explain.words import adding_up_shown
from convscope.notation import Equation, Read
from convscope.notation.expression import Binary, addends
from convscope.parts import Column, Document, Heading, Paragraph, Span, Table


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


def shares(backward: Backward, of: str, value: float) -> Shares:
    """Return input × gradient of a number, with every bias and what remains as rows of their own.

    Where everything is straight lines (ReLU, maxima, sums of products) nothing remains: each is its part
    of the number.
    """
    graph, rows = backward.graph, list[Share]()
    for name in graph.inputs:
        if name in backward.reached:
            x = np.asarray(backward.activations[name], np.float64)
            rows.append(Share(name, float((x * backward.activation(name)).sum())))
    seen: set[int] = set()
    for name in graph.needed(list(backward.seeds)):
        node = graph.nodes[name]
        equation = graph.facts[name].equation
        if equation is None or id(node.layer) in seen:
            continue
        seen.add(id(node.layer))
        for weight in _added(equation):
            held = np.asarray(node.layer.weights[weight], np.float64)
            part = float((held * backward.weight(node, weight)).sum())
            rows.append(Share(f"{name}.{weight}", part))
    rows.append(Share("what remains", value - sum(r.value for r in rows)))
    return Shares(of, value, tuple(rows))


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

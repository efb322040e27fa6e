"""What every layer gave for one image: ranges, and how much of it is zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convscope.explain.folding import folds, leaving
from convscope.explain.selection import selected
from convscope.explain.words import decimal, shape_in_words
from convscope.model.graph import Graph
from convscope.parts import Column, Document, Heading, Paragraph, Part, Span, Table
from convscope.typed import Array

MOST_NAMED = 8
"""How many of the layers that were not computed are named."""

MOST_OUTPUTS = 5
"""How many of the largest outputs are listed."""


@dataclass(frozen=True)
class OutputFigures:
    """One layer's output in figures."""

    name: str
    kind: str
    shape: tuple[int, ...]
    least: float
    mean: float
    most: float
    zeros: float


@dataclass(frozen=True)
class ActivationFigures:
    """Every layer's output in figures, and the network's largest outputs.

    missing   layers that were not computed, each with the layer without an equation before it
    taken     layers without an equation whose numbers somebody else computed, each with who did
    """

    name: str
    activations: tuple[OutputFigures, ...]
    output: str
    largest: tuple[tuple[tuple[int, ...], float], ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    taken: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> Document:
        """Return the figures as a table."""
        rows = tuple(
            (
                f"{a.name} ({a.kind})",
                shape_in_words(a.shape),
                decimal(a.least, 4),
                decimal(a.mean, 4),
                decimal(a.most, 4),
                f"{a.zeros:.0%}",
            )
            for a in self.activations
        )
        columns = (
            Column("layer"),
            Column("output"),
            Column("least", "right"),
            Column("mean", "right"),
            Column("most", "right"),
            Column("zeros", "right"),
        )
        largest = ", ".join(
            f"[{', '.join(map(str, where))}] = {decimal(value, 4)}" for where, value in self.largest
        )
        parts: list[Part] = [Heading(f"What every layer of {self.name} gave")]
        if rows:
            parts.append(Table(columns, rows))
        if largest:
            parts.append(Paragraph([f"The largest of {self.output}: ", Span(largest, "strong")]))
        for name, who in self.taken.items():
            parts.append(Paragraph(f"{name} has no equation here: its numbers are those of {who}."))
        for opaque in dict.fromkeys(self.missing.values()):
            others = [n for n, before in self.missing.items() if before == opaque and n != opaque]
            words = f"Not computed: {opaque}, which has no equation here"
            if others:
                shown = others[:MOST_NAMED]
                more = f" … ({len(others):,} layers)" if len(others) > MOST_NAMED else ""
                words += f", and what depends on it: {', '.join(shown)}{more}"
            parts.append(Paragraph([Span(words, "bad"), "."]))
        return Document(tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {
            "name": self.name,
            "layers": [
                {
                    "name": a.name,
                    "kind": a.kind,
                    "shape": list(a.shape),
                    "least": a.least,
                    "mean": a.mean,
                    "most": a.most,
                    "zeros": a.zeros,
                }
                for a in self.activations
            ],
            "output": self.output,
            "largest": [{"position": list(w), "value": v} for w, v in self.largest],
            "not_computed": dict(self.missing),
            "taken": dict(self.taken),
        }


def figures_of(
    graph: Graph,
    activations: Mapping[str, Array],
    layers: str | Sequence[Any] | None = None,
    missing: Mapping[str, str] | None = None,
    taken: Mapping[str, str] | None = None,
    depth: int | None = None,
) -> ActivationFigures:
    """Return the figures of every activation that a run kept, or of those from one layer to another.

    depth   how deeply nested networks are shown; of deeper ones, what comes out of them

    Raises `LayerLookupError` for a layer that there is not, `SettingError` for a depth or a range that
    cannot be.
    """
    rows = folds(graph, depth)
    first, last = selected(graph.name, rows, layers)
    given = leaving(graph, rows)
    figures = tuple(
        _figures(row.name, row.kind or graph.nodes[row.name].layer.kind, activations[name])
        for row in rows[first - 1 : last]
        if (name := given.get(row.name, row.nodes[-1])) in activations
    )
    output = graph.outputs[0]
    largest = _largest(activations[output]) if output in activations else ()
    return ActivationFigures(graph.name, figures, output, largest, missing or {}, taken or {})


def _largest(array: Array) -> tuple[tuple[tuple[int, ...], float], ...]:
    order = np.argsort(-array, axis=None, kind="stable")[:MOST_OUTPUTS]
    return tuple(
        (tuple(int(p) for p in np.unravel_index(int(n), array.shape)), float(array.flat[n]))
        for n in order
    )


def _figures(name: str, kind: str, array: Array) -> OutputFigures:
    return OutputFigures(
        name,
        kind,
        tuple(array.shape),
        float(array.min()),
        float(array.mean(dtype=np.float64)),
        float(array.max()),
        float(np.mean(array == 0)),
    )

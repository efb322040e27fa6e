"""What every layer gave for one image: ranges, and how much of it is zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from convscope.explain.folding import folds
from convscope.explain.selection import selected
from convscope.explain.words import decimal, shape_in_words
from convscope.model.graph import Graph
from convscope.parts import Column, Document, Heading, Paragraph, Span, Table

Array: TypeAlias = np.ndarray[Any, Any]

MOST_OUTPUTS = 5
"""How many of the largest outputs are listed."""


@dataclass(frozen=True)
class Activation:
    """One layer's output in figures."""

    name: str
    kind: str
    shape: tuple[int, ...]
    least: float
    mean: float
    most: float
    zeros: float


@dataclass(frozen=True)
class ActivationSurvey:
    """Every layer's output in figures, and the network's largest outputs."""

    name: str
    activations: tuple[Activation, ...]
    output: str
    largest: tuple[tuple[tuple[int, ...], float], ...]

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
        return Document(
            (
                Heading(f"What every layer of {self.name} gave"),
                Table(columns, rows),
                Paragraph([f"The largest of {self.output}: ", Span(largest, "strong")]),
            )
        )

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
        }


def survey(
    graph: Graph, activations: Mapping[str, Array], layers: str | Sequence[Any] | None = None
) -> ActivationSurvey:
    """Return the figures of every activation that a run kept, or of those from one layer to another.

    Raises `LayerLookupError` for a layer that there is not, `SettingError` for a range that cannot be.
    """
    first, last = selected(graph.name, folds(graph, None), layers)
    figures = tuple(
        _figures(name, node.layer.kind, activations[name])
        for name, node in list(graph.nodes.items())[first - 1 : last]
        if name in activations
    )
    output = graph.outputs[0]
    array = activations[output]
    order = np.argsort(-array, axis=None, kind="stable")[:MOST_OUTPUTS]
    largest = tuple(
        (tuple(int(p) for p in np.unravel_index(int(n), array.shape)), float(array.flat[n]))
        for n in order
    )
    return ActivationSurvey(graph.name, figures, output, largest)


def _figures(name: str, kind: str, array: Array) -> Activation:
    return Activation(
        name,
        kind,
        tuple(array.shape),
        float(array.min()),
        float(array.mean(dtype=np.float64)),
        float(array.max()),
        float(np.mean(array == 0)),
    )

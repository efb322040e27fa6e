"""A network in rows: shapes, weights, counts and receptive fields, ready for any view."""

from __future__ import annotations

from convscope.layers.base import UNKNOWN_SHAPE, Shape
from convscope.model.graph import Graph
from convscope.notation.sizes import plain
from convscope.parts import Sizes, Summary, SummaryRow, SummaryTotals


def summarise(graph: Graph) -> Summary:
    """Return the summary of a network: one row for every use of a layer, and totals."""
    rows = []
    first: dict[int, str] = {}
    shapes: dict[Shape, Sizes] = {}

    def batched(shape: Shape) -> Sizes | None:
        """Return a shape as JSON holds it, the open batch first; each shape once."""
        if shape is UNKNOWN_SHAPE:
            return None
        found = shapes.get(shape)
        if found is None:
            found = shapes[shape] = (None, *map(plain, shape))
        return found

    for name, node in graph.nodes.items():
        facts = graph.facts[name]
        shared = first.setdefault(id(node.layer), name)
        activation = getattr(node.layer, "activation", None)
        rows.append(
            SummaryRow(
                name,
                node.layer.kind,
                node.inputs,
                tuple(map(batched, facts.input_shapes)),
                batched(facts.output_shape),
                {n: tuple(map(plain, s)) for n, s in facts.weights.items()},
                plain(facts.params),
                plain(facts.trainable),
                None if facts.macs is None else plain(facts.macs),
                graph.receptive_field(name),
                node.layer.opaque,
                None if activation is None else activation.name,
                None if shared == name else shared,
            )
        )
    totals = graph.totals
    return Summary(
        graph.name,
        tuple(rows),
        SummaryTotals(
            plain(totals.params),
            plain(totals.trainable),
            plain(totals.non_trainable),
            plain(totals.macs),
            plain(totals.bytes),
        ),
        graph.layout,
        {name: (None, *map(plain, shape)) for name, shape in graph.inputs.items()},
        graph.outputs,
        graph.sequential,
    )

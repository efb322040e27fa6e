"""A summary's rows as Keras lists them: one line a layer, in the order in which Keras sorts layers.

A stack of layers keeps its order. A graph is walked from its outputs; layers farther from the
output come first, and those equally far in the order in which the walk met them. A layer that is
used several times is one line, with the sources of all its uses.
"""

from __future__ import annotations

from dataclasses import dataclass

from convscope.parts import Figure, Sizes, Summary, SummaryRow
from convscope.views.characters import printable


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One layer: the output shapes of its uses, and what feeds them as (layer, which use of it)."""

    name: str
    kind: str
    shapes: tuple[Sizes | None, ...]
    params: Figure
    sources: tuple[tuple[str, int], ...]

    @property
    def label(self) -> str:
        """The layer as Keras writes it: conv2d (Conv2D)."""
        return f"{printable(self.name)} ({printable(self.kind)})"

    @property
    def connections(self) -> list[str]:
        """What feeds it as Keras writes it: conv2d[0][0]."""
        return [f"{printable(name)}[{use}][0]" for name, use in self.sources]


def keras_lines(summary: Summary) -> tuple[list[LayerLine], bool]:
    """Return one line for each layer that is shown, and whether the network is a plain chain."""
    if summary.sequential:
        rows = [row for row in summary.visible if row.kind != "InputLayer"]
        return [LayerLine(r.name, r.kind, (r.output_shape,), r.params, ()) for r in rows], True
    nodes = _nodes(summary)
    owner = {name: row.shared_with or name for name, row in nodes.items()}
    uses: dict[str, list[str]] = {}
    for name, layer in owner.items():
        uses.setdefault(layer, []).append(name)
    number = {name: n for used in uses.values() for n, name in enumerate(used)}
    order, met = _walk(summary, nodes, owner)
    node_depth, layer_depth = _depths(order, nodes, owner)
    lines = []
    for layer in sorted(met, key=lambda layer: (-layer_depth[layer], met[layer])):
        rows = [nodes[name] for name in uses[layer]]
        sources = tuple((owner[s], number[s]) for row in rows for s in row.inputs)
        shapes = tuple(row.output_shape for row in rows)
        lines.append(LayerLine(layer, rows[0].kind, shapes, rows[0].params, sources))
    chain = (
        len(set(node_depth.values())) == len(nodes)
        and all(len(row.inputs) <= 1 for row in nodes.values())
        and all(len(used) == 1 for used in uses.values())
    )
    if summary.shown is not None and not summary.shown.whole:
        visible = {owner[row.name] for row in summary.visible}
        if summary.shown.first == 1:
            visible |= nodes.keys() - {row.name for row in summary.rows}
        lines = [line for line in lines if line.name in visible]
    return lines, chain


def _nodes(summary: Summary) -> dict[str, SummaryRow]:
    """Return the rows by name, with a row for each input that the summary lists apart."""
    listed = {row.name: row for row in summary.rows}
    inputs = {
        name: SummaryRow(name, "InputLayer", (), (), shape, {}, 0, 0)
        for name, shape in summary.inputs.items()
        if name not in listed
    }
    return inputs | listed


def _walk(
    summary: Summary, nodes: dict[str, SummaryRow], owner: dict[str, str]
) -> tuple[list[str], dict[str, int]]:
    """Return the nodes, sources first, and when a walk from the outputs first meets each layer."""
    read = {source for row in nodes.values() for source in row.inputs}
    loose = [name for name in nodes if name not in read and name not in summary.outputs]
    order: list[str] = []
    met: dict[str, int] = {}
    seen: set[str] = set()
    for root in (*summary.outputs, *loose):
        waiting = [(root, iter(nodes[root].inputs))] if root not in seen else []
        if waiting:
            seen.add(root)
            met.setdefault(owner[root], len(met))
        while waiting:
            name, sources = waiting[-1]
            for source in sources:
                if source not in seen:
                    seen.add(source)
                    met.setdefault(owner[source], len(met))
                    waiting.append((source, iter(nodes[source].inputs)))
                    break
            else:
                order.append(name)
                waiting.pop()
    return order, met


def _depths(
    order: list[str], nodes: dict[str, SummaryRow], owner: dict[str, str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how far each node, and each layer, is from the end; at least as far as its readers."""
    of_node: dict[str, int] = {}
    of_layer: dict[str, int] = {}
    for name in reversed(order):
        depth = max(of_node.get(name, 0), of_layer.get(owner[name], 0))
        of_node[name] = of_layer[owner[name]] = depth
        for source in nodes[name].inputs:
            of_node[source] = max(of_node.get(source, 0), depth + 1)
    return of_node, of_layer

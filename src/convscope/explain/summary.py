"""A network in rows: shapes, weights, counts and receptive fields, ready for any view.

>>> from convscope import Conv2D, Flatten, Sequential
>>> model = Sequential([Conv2D(32, 3, input_shape=(28, 28, 1)), Conv2D(64, 3), Flatten()])
>>> [row.name for row in summarise(model.graph, layers="conv2d_1:").visible]
['conv2d_1', 'flatten']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from convscope.explain.folding import Fold, folds, leaving
from convscope.model.facts import Facts
from convscope.model.field import ReceptiveField
from convscope.model.graph import Graph, Node
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape, plain, tidy
from convscope.parts import Figure, Folded, Shown, Sizes, Summary, SummaryRow, SummaryTotals
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any


def summarise(
    graph: Graph, depth: int | None = None, layers: str | Sequence[Any] | None = None
) -> Summary:
    """Return the summary of a network: one row for every use of a layer, and totals of them all.

    depth    how deeply nested networks are shown; deeper ones are folded into a row each
    layers   the first and the last row to show: "conv2d_1:flatten", "3:7", ("conv2d_1", None)

    Raises `LayerLookupError` for rows that there are not, `SettingError` for a depth or a range that
    cannot be.
    """
    made = folds(graph, depth)
    rows = tuple(_Rows(graph, made).all())
    shown = None
    if depth is not None or layers is not None:
        from convscope.explain.selection import selected

        first, last = selected(graph.name, made, layers)
        shown = Shown(first, last, len(rows), len(graph.nodes), depth)
    totals = graph.totals
    home = {name: fold.name for fold in made for name in fold.nodes}
    stack = graph.nested.get("") == "Sequential" and all(len(row.inputs) == 1 for row in rows)
    return Summary(
        graph.name,
        rows,
        SummaryTotals(
            plain(totals.params),
            plain(totals.trainable),
            plain(totals.non_trainable),
            plain(totals.macs),
            plain(totals.bytes),
            products=plain(totals.products),
            uncounted=totals.uncounted,
        ),
        graph.layout,
        {name: (None, *map(plain, shape)) for name, shape in graph.inputs.items()},
        tuple(dict.fromkeys(home.get(name, name) for name in graph.outputs)),
        graph.sequential or (depth is not None and stack),
        shown,
        graph.uncalled,
    )


class _Said(Record):
    """Facts of a layer as its row holds them."""

    inputs: tuple[Sizes | None, ...]
    output: Sizes | None
    weights: dict[str, Sizes]
    params: Figure
    trainable: Figure
    macs: Figure
    products: Figure


class _Rows:
    """Makes the rows of a network, in order; what a layer weighs belongs to its first row."""

    def __init__(self, graph: Graph, made: Sequence[Fold]) -> None:
        self.graph, self.made = graph, made
        self._shapes: dict[Shape, Sizes] = {}
        self._facts: dict[int, _Said] = {}
        self._fields: dict[int, ReceptiveField] = {}
        self._home = {name: fold.name for fold in made for name in fold.nodes}
        self._first: dict[tuple[int, ...], str] = {}
        self._met: set[int] = set()
        self._uncounted = graph.uncounted
        self._leaving = leaving(graph, made) if len(made) < len(self._home) else {}

    def all(self) -> list[SummaryRow]:
        """Return every row."""
        return [self._layer(f) if f.kind is None else self._network(f) for f in self.made]

    def _batched(self, shape: Shape) -> Sizes | None:
        """Return a shape as JSON holds it, the open batch first; each shape once."""
        if shape is UNKNOWN_SHAPE:
            return None
        found = self._shapes.get(shape)
        if found is None:
            found = self._shapes[shape] = (None, *map(plain, shape))
        return found

    def _said(self, facts: Facts) -> _Said:
        """Return facts as JSON holds them; layers that are alike share them."""
        found = self._facts.get(id(facts))
        if found is None:
            found = self._facts[id(facts)] = _Said(
                tuple(map(self._batched, facts.input_shapes)),
                self._batched(facts.output_shape),
                {n: tuple(map(plain, s)) for n, s in facts.weights.items()},
                plain(facts.params),
                plain(facts.trainable),
                None if facts.macs is None else plain(facts.macs),
                None if facts.products is None else plain(facts.products),
            )
        return found

    def _seen(self, name: str) -> ReceptiveField | None:
        field = self.graph.receptive_field(name)
        if field is None:
            return None
        found = self._fields.get(id(field))
        if found is None:
            found = self._fields[id(field)] = field.plain()
        return found

    def _layer(self, fold: Fold) -> SummaryRow:
        """Return the row of one use of a layer."""
        name = fold.name
        node, facts = self.graph.nodes[name], self.graph.facts[name]
        shared = self._first.setdefault((id(node.layer),), name)
        held = shared == name and id(node.layer) in self._met  # by a network that is folded
        parts = self.graph.again.get(name)
        again = sum(part.numbers for part in parts.values()) if parts else 0
        own: tuple[Figure, Figure] | None = (0, 0) if held and facts.weights else None
        if again and not held:
            own = plain(tidy(facts.params - again)), plain(facts.trainable)
        self._met.add(id(node.layer))
        activation = getattr(node.layer, "activation", None)
        said = self._said(facts)
        return SummaryRow(
            name,
            node.layer.kind,
            tuple([self._home.get(n, n) for n in node.inputs]),
            said.inputs,
            said.output,
            said.weights,
            said.params,
            said.trainable,
            said.macs,
            self._seen(name),
            node.layer.opaque,
            None if activation is None else activation.name,
            None if shared == name else shared,
            own=own,
            products=said.products,
        )

    # -- folded networks --------------------------------------------------------------------------

    def _network(self, fold: Fold) -> SummaryRow:
        """Return the row of a folded network: what goes in, what comes out last, all that is inside."""
        graph = self.graph
        nodes = [graph.nodes[name] for name in fold.nodes]
        once = {id(node.layer): node for node in reversed(nodes)}
        facts = [graph.facts[node.name] for node in once.values()]
        new = [graph.facts[node.name] for key, node in once.items() if key not in self._met]
        shared = self._first.setdefault(tuple(id(node.layer) for node in nodes), fold.name)
        inner, outer = self._again(once.values(), fold)
        partly = shared == fold.name and (len(new) < len(facts) or outer > 0)
        self._met.update(once)
        work = [m for node in nodes if (m := graph.facts[node.name].macs) is not None]
        last = self._leaving.get(fold.name, fold.nodes[-1])
        feeds = self._feeds(fold)
        return SummaryRow(
            fold.name,
            fold.kind or "",
            tuple(name for name, _ in feeds),
            tuple(self._batched(shape) for _, shape in feeds),
            self._batched(graph.shape(last)),
            {
                f"{_below(node.name, fold.name)}/{name}": tuple(map(plain, shape))
                for node in reversed(once.values())
                for name, shape in graph.facts[node.name].weights.items()
            },
            plain(tidy(sum((f.params for f in facts), -inner))),
            plain(tidy(sum((f.trainable for f in facts), 0))),
            plain(tidy(sum(work, 0))) if work else None,
            self._seen(last),
            any(node.layer.opaque for node in nodes),
            None,
            None if shared == fold.name else shared,
            Folded(
                len(nodes),
                sum(node.layer.opaque for node in nodes),
                len(self._uncounted.intersection(fold.nodes)),
            ),
            (
                plain(tidy(sum((f.params for f in new), -inner - outer))),
                plain(tidy(sum((f.trainable for f in new), 0))),
            )
            if partly
            else None,
            plain(tidy(sum((p for n in nodes if (p := graph.facts[n.name].products)), 0))),
        )

    def _again(self, nodes: Iterable[Node], fold: Fold) -> tuple[int, int]:
        """Return how many numbers layers of a fold hold again: of others in it, and of earlier ones."""
        inside, found = set(fold.nodes), [0, 0]
        for node in nodes:
            for holder, part in self.graph.again.get(node.name, {}).items():
                found[holder not in inside] += part.numbers
        return found[0], found[1]

    def _feeds(self, fold: Fold) -> list[tuple[str, Shape]]:
        """Return what a folded network reads from outside, each row or input once for each shape."""
        inside = set(fold.nodes)
        found: dict[tuple[str, Shape], None] = {}
        for name in fold.nodes:
            for source in self.graph.nodes[name].inputs:
                if source not in inside:
                    found[self._home.get(source, source), self.graph.shape(source)] = None
        return list(found)


def _below(name: str, row: str) -> str:
    return name[len(row) + 1 :] if name.startswith((f"{row}/", f"{row}.")) else name

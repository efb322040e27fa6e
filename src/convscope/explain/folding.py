"""Which layers of a network stand in one row when its nested networks are folded.

Nested networks are laid flat in the graph: the layer `conv` of the network `inner` is the node `inner/conv`.
Exporters to ONNX name nodes by the modules they come from in the same way: `/layer1/0/conv/Conv`. So one
rule folds both: a name of more than `depth` steps belongs to the row of its first `depth` steps. A long network
whose names have no steps is folded by the blocks that come again in it (`repeats`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convscope.errors import SettingError
from convscope.model.graph import Graph
from convscope.typed import Record

SCOPE = "Scope"
"""The kind of a row whose name is only a common beginning of its layers' names, as in ONNX files."""


BLOCK = "Block"
"""The kind of a row that stands for one of the blocks that come again."""


class Fold(Record):
    """One row to be: its name, the kind of the network it stands for (None: a layer), its nodes."""

    name: str
    kind: str | None
    nodes: tuple[str, ...]


def folds(graph: Graph, depth: int | None) -> list[Fold]:
    """Return a network's rows at a depth, each after those that feed it; all layers without one.

    A scope that is left and entered again cannot be one row: its layers stay as they are. So does a
    layer that is alone in its scope. Raises `SettingError` for a depth that is none.
    """
    if depth is None:
        return [Fold(name, None, (name,)) for name in graph.nodes]
    if type(depth) is not int or depth < 1:
        raise SettingError(
            f"depth must be a whole number from 1, the networks that are nested in none, not {depth!r}"
        )
    key = {name: folded_name(name, depth, graph.separator) for name in graph.nodes}
    blocks: set[str] = set()
    if depth == 1 and all(name == row for name, row in key.items()):
        key = _blocks(graph)
        blocks = {row for name, row in key.items() if name != row}
    members: dict[str, list[str]] = {}
    for name, row in key.items():
        members.setdefault(row, []).append(name)
    for row, names in members.items():
        alone = len(names) == 1 and row not in graph.nested
        if alone or row in graph.inputs:
            key.update((name, name) for name in names)
    order, circle = _ordered(graph, key)
    if circle:
        key.update((name, name) for name in graph.nodes if key[name] in circle)
        order, circle = _ordered(graph, key)
    rows: dict[str, list[str]] = {row: [] for row in order}
    for name, row in key.items():
        rows[row].append(name)
    made = (_fold(graph, row, tuple(names)) for row, names in rows.items())
    return [
        fold._replace(kind=BLOCK) if fold.kind and fold.name in blocks else fold for fold in made
    ]


def _blocks(graph: Graph) -> dict[str, str]:
    """Return the row of each layer where blocks that come again have a row each: called what their names share."""
    from convscope.explain.repeats import Signature, pieces

    steps = [
        Signature(name, node.layer.kind, bool(graph.facts[name].weights), graph.shape(name))
        for name, node in graph.nodes.items()
    ]
    key = {name: name for name in graph.nodes}
    taken = set(key)
    for piece in pieces(steps):
        for block in piece.blocks:
            if len(block) > 1:
                row = _shared(block)
                row = f"{block[0]} …" if not row or row in taken else row
                taken.add(row)
                key.update((name, row) for name in block)
    return key


def _shared(names: Sequence[str]) -> str:
    """Return the words that names begin with: conv2_block1 of conv2_block1_1_conv and conv2_block1_out."""
    first, last = min(names), max(names)
    end = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    cut = max(first[:end].rfind(sign) for sign in "/._")
    return first[: max(cut, 0)]


def leaving(graph: Graph, rows: Sequence[Fold]) -> dict[str, str]:
    """Return for each row the last of its layers whose output is read outside it: what the row gives."""
    home = {name: fold.name for fold in rows for name in fold.nodes}
    place = {name: number for number, name in enumerate(graph.nodes)}
    found: dict[str, int] = {fold.name: place[fold.nodes[-1]] for fold in rows if not fold.kind}
    names = list(place)
    used = [(name, "") for name in graph.outputs]
    used += [(n, home[m]) for m, node in graph.nodes.items() for n in node.inputs]
    for name, reader in used:
        row = home.get(name)
        if row is not None and row != reader:
            found[row] = max(found.get(row, 0), place[name])
    return {row: names[number] for row, number in found.items()}


def folded_name(name: str, depth: int, separator: str = "/") -> str:
    """Return the first steps of a name; a slash in front is no step.

    >>> folded_name("inner/conv", 1), folded_name("/layer1/0/conv/Conv", 2), folded_name("dense", 1)
    ('inner', '/layer1/0', 'dense')
    """
    end = int(name.startswith(separator))
    for _ in range(depth):
        found = name.find(separator, end)
        if found < 0:
            return name
        end = found + 1
    return name[: end - 1]


def _fold(graph: Graph, row: str, names: tuple[str, ...]) -> Fold:
    if names == (row,) and row not in graph.nested:
        return Fold(row, None, names)
    return Fold(row, graph.nested.get(row, SCOPE), names)


def _ordered(graph: Graph, key: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """Return the rows, each after those that feed it, or those that are on the way of a circle."""
    import heapq

    place: dict[str, int] = {}
    feeds: dict[str, set[str]] = {}
    readers: dict[str, set[str]] = {}
    for number, (name, node) in enumerate(graph.nodes.items()):
        row = key[name]
        place.setdefault(row, number)
        feeding = {key[n] for n in node.inputs if n in key} - {row}
        feeds.setdefault(row, set()).update(feeding)
        for other in feeding:
            readers.setdefault(other, set()).add(row)
    waiting = {row: len(found) for row, found in feeds.items()}
    ready = [(place[row], row) for row, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, row = heapq.heappop(ready)
        order.append(row)
        for reader in readers.get(row, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (place[reader], reader))
    left = set(feeds) - set(order)
    ends = [row for row in left if not readers.get(row, set()) & left]
    counts = {row: len(readers.get(row, set()) & left) for row in left}
    while ends:  # what a circle feeds is on none
        row = ends.pop()
        left.discard(row)
        for other in feeds[row] & left:
            counts[other] -= 1
            if not counts[other]:
                ends.append(other)
    return order, left

"""The way from the image to one number: which layers lie on it, and what of each the number depends on."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import UnsupportedError
from convscope.explorer.description import roles as axes_of
from convscope.layers.base import tensor_names
from convscope.model.graph import Graph
from convscope.notation.equation import hull
from convscope.notation.index import Range
from convscope.notation.sizes import UNKNOWN_SHAPE, is_known
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any


class Stop(Record):
    """A layer or input on the way.

    rows, columns   which positions of its maps the number depends on, first and last, padding included
    size            how many rows and columns its maps have, and how many maps there are
    """

    name: str
    rows: Range
    columns: Range
    size: tuple[int, int, int]


def windows(graph: Graph, layer: str, position: Sequence[int]) -> dict[str, tuple[Range, ...]]:
    """Return what a number depends on: first and last position along each axis of each layer before it.

    Not cut at the maps' edges: what is beyond lies in the padding. Raises `UnsupportedError` where a layer on
    the way has no equation.
    """
    found: dict[str, tuple[Range, ...]] = {layer: tuple((int(p), int(p)) for p in position)}
    for name in reversed(graph.needed([layer])):
        if name not in found:
            continue
        equation = graph.facts[name].equation
        if equation is None:
            raise UnsupportedError(
                f"{name} ({graph.nodes[name].layer.kind}) has no equation, so that nobody can say what {layer} "
                f"sees through it"
            )
        node = graph.nodes[name]
        for tensor, feed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True):
            window = equation.window(found[name], tensor)
            if window is not None and all(is_known(v) for pair in window for v in pair):
                found[feed] = hull(found[feed], window) if feed in found else window
    return found


def stops(graph: Graph, layer: str, position: Sequence[int], most: int) -> list[Stop]:
    """Return maps on the way from the image to a number, both among them, at most so many.

    Where ways join, the longest is followed. Of more layers those stay at which the maps' size changes, and then
    the last ones.
    """
    boxes = windows(graph, layer, position)
    length: dict[str, int] = dict.fromkeys(graph.inputs, 0)
    for name in graph.needed([layer]):
        length[name] = 1 + max(
            (length.get(feed, 0) for feed in graph.nodes[name].inputs), default=0
        )
    path = [layer]
    while feeds := [f for f in getattr(graph.nodes.get(path[-1]), "inputs", ()) if f in boxes]:
        path.append(max(feeds, key=lambda feed: length.get(feed, 0)))
    found = [
        stop
        for name in reversed(path)
        if name in boxes and (stop := _stop(graph, name, boxes[name]))
    ]
    if not found or found[-1].name != layer:
        raise UnsupportedError(f"{layer} gives no maps: choose a layer that has rows and columns")
    kept = [
        s
        for n, s in enumerate(found)
        if n == 0 or s.name == layer or s.size[:2] != found[n + 1].size[:2]
    ]
    if len(found) <= most:
        return found
    if len(kept) < most:
        others = [s for s in reversed(found) if s not in kept][: most - len(kept)]
        kept = [s for s in found if s in kept or s in others]
    if len(kept) > most:
        step = (len(kept) - 1) / (most - 1)
        kept = [kept[round(n * step)] for n in range(most)]
    return kept


def _stop(graph: Graph, name: str, box: tuple[Range, ...]) -> Stop | None:
    shape: Any = graph.shape(name)
    if shape is UNKNOWN_SHAPE or not all(map(is_known, shape)):
        return None
    axes = axes_of(graph, shape, name)
    rows, columns, maps = axes["rows"], axes["columns"], axes["maps"]
    if maps is None or columns is None:
        return None
    tall = (box[rows], int(shape[rows])) if rows is not None else ((0, 0), 1)
    return Stop(name, tall[0], box[columns], (tall[1], int(shape[columns]), int(shape[maps])))

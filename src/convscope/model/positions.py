"""Positions that users give, checked against a layer's output."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import PositionError, UnsupportedError
from convscope.model.graph import Graph
from convscope.model.naming import called
from convscope.notation.sizes import is_known, shape_text


def position_in(graph: Graph, layer: str, position: Sequence[int]) -> tuple[int, ...]:
    """Return a checked position; negative indices count from the end, as in numpy."""
    node = graph.node(layer)
    facts = graph.facts[node.name]
    if node.layer.opaque:
        raise UnsupportedError(
            f"{node.name} ({node.layer.kind}) has no equation, so its numbers cannot be taken apart"
        )
    shape = facts.output_shape
    where = _whole(position)
    if len(where) != len(shape):
        axes = ", ".join(a.name for a in facts.equation.axes) if facts.equation else ""
        raise PositionError(
            f"{layer} has outputs of shape {shape_text(shape)}: a position needs {len(shape)} "
            f"{'indices' if len(shape) != 1 else 'index'} ({axes}), not {len(where)}: {shape_text(where)}"
        )
    found = []
    for place, (p, size) in enumerate(zip(where, shape, strict=True)):
        known = is_known(size)
        if known and not -size <= p < size:
            axis = facts.equation.axes[place] if facts.equation else None
            word = f"{axis.word} {axis.name}" if axis else f"axis {place}"
            raise PositionError(
                f"position {shape_text(where)} is outside {called(layer)}, whose outputs have shape "
                f"{shape_text(shape)}: {word} = {p} must lie in 0 … {size - 1}"
            )
        found.append(p % size if known else p)
    return tuple(found)


def position_of(position: Sequence[int], shape: Sequence[int], what: str) -> tuple[int, ...]:
    """Return a checked position in an array of this shape; negative indices count from the end."""
    where = _whole(position)
    fits = len(where) == len(shape) and all(-s <= p < s for p, s in zip(where, shape, strict=True))
    if not fits:
        raise PositionError(
            f"{what} has shape {shape_text(shape)}: there is no position {shape_text(where)} in it"
        )
    return tuple(p % s for p, s in zip(where, shape, strict=True))


def _whole(position: Sequence[int]) -> tuple[int, ...]:
    try:
        where = tuple(position)
        if not any(isinstance(p, bool) for p in where):
            return tuple(p.__index__() for p in where)
    except (TypeError, AttributeError):
        pass
    raise PositionError(f"a position is whole numbers such as (5, 7, 12), not {position!r}")

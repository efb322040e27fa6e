"""Which unit of one network is which of another: by equation and feeds, then weights, then values, then place."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np

from convscope.checks.forms import kernels, weighs
from convscope.comparing.units import Unit, Units, unlike
from convscope.model.graph import Graph
from convscope.notation.anatomy import Main
from convscope.notation.index import Axis
from convscope.typed import Array


class Pair(NamedTuple):
    """A unit of each network that are the same layer; one of them None where it has no partner.

    alike   whether both compute the same, as far as their equations say
    """

    one: Unit | None
    other: Unit | None
    alike: bool


def matched(a: Units, b: Units) -> list[Pair]:
    """Return every unit of both in pairs, in the order of the first network."""
    partner: dict[str, str] = dict(zip(a.graph.inputs, b.graph.inputs, strict=False))
    taken: set[str] = set()
    for unit in a:
        feeds = tuple(partner.get(f) for f in unit.feeds)
        open_ = [
            o
            for o in b
            if o.name not in taken and None not in feeds and _same_feeds(unit, feeds, o)
        ]
        fits = (
            [o for o in open_ if o.signature == unit.signature]
            or [o for o in open_ if (o.kind, o.said) == (unit.kind, unit.said)]
            or [o for o in open_ if _rough(o) == _rough(unit)]
        )
        chosen = _closest(a.graph, unit, b.graph, fits)
        if chosen is not None:
            partner[unit.name] = chosen.name
            taken.add(chosen.name)
    _by_place(a, b, partner, taken)
    pairs = []
    for unit in a:
        other = b.all.get(partner.get(unit.name, ""))
        pairs.append(Pair(unit, other, other is not None and not unlike(unit, other)))
    left = [Pair(None, other, False) for other in b if other.name not in taken]
    return [*pairs, *left]


def _same_feeds(unit: Unit, feeds: tuple[str | None, ...], other: Unit) -> bool:
    if unit.kind in ("add", "multiply"):
        return sorted(map(str, feeds)) == sorted(other.feeds)
    return feeds == other.feeds


def _closest(a: Graph, unit: Unit, b: Graph, fits: list[Unit]) -> Unit | None:
    """Return which of several that would fit has the nearest weights; the first where nothing tells."""
    if len(fits) < 2:
        return fits[0] if fits else None
    own = kernel(a, unit)
    if own is None:
        return fits[0]
    best, least = fits[0], np.inf
    for other in fits:
        theirs = kernel(b, other)
        if theirs is None or theirs.shape != own.shape:
            continue
        off = float(np.abs(theirs - own).max(initial=0))
        if off < least:
            best, least = other, off
    return best


def _by_place(a: Units, b: Units, partner: dict[str, str], taken: set[str]) -> None:
    """Pair what is left by kind and place, between what is paired already."""
    ours = [unit for unit in a if unit.name not in partner]
    theirs = [unit for unit in b if unit.name not in taken]
    matcher = SequenceMatcher(None, [*map(_rough, ours)], [*map(_rough, theirs)], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag in ("insert", "delete"):
            continue
        for one, other in zip(ours[i:j], theirs[k:m], strict=False):
            if _rough(one)[0] == _rough(other)[0] and other.name not in taken:
                partner[one.name] = other.name
                taken.add(other.name)


def _rough(unit: Unit) -> tuple[object, ...]:
    """Return what two layers that stand in for one another have in common: poolings are of one kind."""
    if unit.kind == "sum":
        return "sum", len(unit.said[0])
    return ("pooling",) if unit.kind in ("max", "mean") else (unit.kind,)


def kernel(graph: Graph, unit: Unit) -> Array | None:
    """Return the kernel of a sum as (filters, inputs, *window), whatever the format keeps; None where it has none."""
    found = order(graph, unit)
    if found is None:
        return None
    name, weight, places = found
    array = graph.nodes[name].layer.weights[weight]
    turned: Array = np.transpose(array, places)
    return turned


def rows(graph: Graph, unit: Unit) -> list[Array]:
    """Return a unit's weights of one dimension: biases, means, variances."""
    weights = (a for name in unit.nodes for a in graph.nodes[name].layer.weights.values())
    return [array for array in weights if array.ndim == 1]


def others(graph: Graph, unit: Unit) -> dict[str, Array]:
    """Return a unit's other weights: a depthwise kernel beside a pointwise one, a table, what nobody states an equation of."""
    main = order(graph, unit)
    return {
        f"{name}.{weight}": array
        for name in unit.nodes
        for weight, array in graph.nodes[name].layer.weights.items()
        if array.ndim != 1 and (main is None or (name, weight) != main[:2])
    }


def order(graph: Graph, unit: Unit) -> tuple[str, str, tuple[int, ...]] | None:
    """Return the node and weight of a sum's kernel, and in which order its axes are (filters, inputs, *window)."""
    name = unit.nodes[0]
    equation = graph.facts[name].equation
    main = None if equation is None else weighs(equation)
    if equation is None or main is None:
        return None
    read = kernels(main)[0]
    rank = [_rank(main, index.single(), equation.axes) for index in read.indices]
    places = tuple(sorted(range(len(rank)), key=lambda n: (rank[n], n)))
    return name, read.tensor.name, places


def _rank(main: Main, axis: Axis | None, outputs: tuple[Axis, ...]) -> int:
    if axis is None:
        return 1
    if axis in outputs:
        return 0
    if axis is main.over:
        return 1
    return 2 + main.window.index(axis) if axis in main.window else 1

"""Which axis of a layer's output picks the map, wherever a network has moved it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

from convscope.layers.base import tensor_names
from convscope.model.graph import Graph
from convscope.notation.equation import Equation
from convscope.notation.expression import reads
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape

_known: WeakKeyDictionary[Graph, Mapping[str, int | None]] = WeakKeyDictionary()


def channel_axes(graph: Graph) -> Mapping[str, int | None]:
    """Return for every input and layer which axis of its shape picks the map; None where there are no maps.

    It is the layout's own for what goes in, and follows the numbers from there: through a permutation to
    wherever that puts it, and of a layer that sums over all maps it is the axis of the new ones.
    """
    found = _known.get(graph)
    if found is not None and len(found) == len(graph.inputs) + len(graph.nodes):
        return found
    axes: dict[str, int | None] = {
        n: own_axis(s, graph.image_layout) for n, s in graph.inputs.items()
    }
    for name, node in graph.nodes.items():
        facts = graph.facts[name]
        place = own_axis(facts.output_shape, graph.layout)
        if facts.equation is not None and place is not None:
            place = _carried(facts.equation, [axes.get(n) for n in node.inputs], place)
        axes[name] = place
    _known[graph] = axes
    return axes


def own_axis(shape: Shape, layout: str) -> int | None:
    """Return the axis that picks the map in a layout; None for a row of numbers."""
    rank = 0 if shape is UNKNOWN_SHAPE else len(shape)
    if rank < 2:
        return None
    if layout == "channels_last":
        return rank - 1
    return 0 if rank > 3 else max(rank - 3, 0)


def _carried(equation: Equation, before: Sequence[int | None], otherwise: int) -> int:
    """Return where the map's axis of the inputs has gone in the output.

    An axis that picks weights, and nothing of the input, is that of new maps, wherever those of the input lay.
    """
    found = list(reads([equation.expression]))
    weighed = {a for r in found if r.tensor.role == "weight" for i in r.indices for a in i.axes()}
    for tensor, place in zip(tensor_names(len(before)), before, strict=True):
        read = next((r for r in found if r.tensor.name == tensor), None)
        if read is None:
            continue
        used = set().union(*(index.axes() for index in read.indices))
        new = [n for n, axis in enumerate(equation.axes) if axis not in used]
        if len(new) == 1 and equation.axes[new[0]] in weighed:
            return new[0]
        if place is None or place >= len(read.indices):
            continue
        moved = [n for n, axis in enumerate(equation.axes) if axis in read.indices[place].axes()]
        if len(moved or new) == 1:  # or it is summed over, and the input does not have the new ones
            return (moved or new)[0]
    return otherwise

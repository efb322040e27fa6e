"""What an ONNX message says, as plain data: types, settings, which names a node reads, and their order."""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.errors import SourceError
from convscope.notation.sizes import UNKNOWN, Shape
from convscope.readers.onnx.tensors import numpy_type, reader_of

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto, TypeProto


def typed(kind: TypeProto) -> tuple[int, Shape | None]:
    """Return a tensor's element type and shape; (0, None) for what is no tensor."""
    if not kind.HasField("tensor_type"):
        return 0, None
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    # some exporters write −1 for a size that is open, and ONNX Runtime takes it so
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else UNKNOWN
        for dim in tensor.shape.dim
    )
    return tensor.elem_type, shape


@lru_cache(maxsize=64)
def element_of(dtype: Any) -> int:
    """Return ONNX's number for a type of numpy; 0 for one that it does not have."""
    from onnx import helper

    try:
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    except (KeyError, ValueError, TypeError):
        return 0


def plain_type(element: int) -> Any:
    """Return numpy's type of an input, if that holds plain numbers."""
    found = numpy_type(element)
    return found if found is not None and found.kind in "biuf" else None


def setting(attribute: AttributeProto) -> Any:
    """Return an attribute as plain data; arrays as numpy's, what no rule reads as nothing."""
    kinds = type(attribute)
    match attribute.type:
        case kinds.FLOAT:
            return short(np.float32(attribute.f))
        case kinds.INT:
            return int(attribute.i)
        case kinds.STRING:
            return attribute.s.decode("utf-8", "replace")
        case kinds.FLOATS:
            return tuple(short(np.float32(v)) for v in attribute.floats)
        case kinds.INTS:
            return tuple(map(int, attribute.ints))
        case kinds.TENSOR if len(attribute.t.raw_data) < 1 << 16:
            try:
                return reader_of(attribute.t, attribute.name)()
            except SourceError:
                return None
    return None


def short(number: Any) -> float:
    """Return a float32 as the shortest decimal that means it: 1e-05, not 9.99999974738e-06."""
    return float(str(np.float32(number))) if number.dtype == np.float32 else float(number)


def in_order(nodes: Sequence[NodeProto], known: Container[str]) -> Sequence[int]:
    """Return the places of nodes, each after those that give what it reads; in order where that holds.

    The engine sorts them too, though a file should have done so. Nodes on a circle come last.
    """
    given = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    waits = [
        {given[n] for n in read_by(node) if n in given and n not in known} - {place}
        for place, node in enumerate(nodes)
    ]
    if all(not before or max(before) < place for place, before in enumerate(waits)):
        return range(len(nodes))
    readers: dict[int, list[int]] = {}
    for place, before in enumerate(waits):
        for other in before:
            readers.setdefault(other, []).append(place)
    ready = [place for place, before in enumerate(waits) if not before]
    left, order = [len(before) for before in waits], []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for reader in readers.get(place, ()):
            left[reader] -= 1
            if not left[reader]:
                heapq.heappush(ready, reader)
    done = set(order)
    return [*order, *(place for place in range(len(nodes)) if place not in done)]


def read_by(node: NodeProto) -> set[str]:
    """Return the names that a node reads, its subgraphs included."""
    return {*node.input, *captured(node)}


def captured(node: NodeProto) -> Sequence[str]:
    """Return the names that subgraphs of a node read, in order; some are their own."""
    found: dict[str, None] = {}
    stack = list(_graphs(node))
    while stack:
        graph = stack.pop()
        found.update(dict.fromkeys(v.name for v in graph.output))
        for inner in graph.node:
            found.update(dict.fromkeys(inner.input))
            stack += _graphs(inner)
    return list(found)


def _graphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the subgraphs of a node."""
    for attribute in node.attribute:
        if attribute.type == attribute.GRAPH:
            yield attribute.g
        elif attribute.type == attribute.GRAPHS:
            yield from attribute.graphs

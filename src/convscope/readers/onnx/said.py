"""What an ONNX file says of its own shapes, beside what its nodes and weights give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convscope.model.graph import Said
from convscope.notation.sizes import Shape, is_known
from convscope.readers.onnx.message import setting, typed

if TYPE_CHECKING:
    from onnx import NodeProto

    from convscope.readers.onnx.build import OpenedGraph

WITH_KERNELS = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv")
"""Operators that say their window's size, and have it in a weight, too."""


def said_shapes(graph: OpenedGraph) -> Iterator[Said]:
    """Yield what value_info, outputs, inputs with weights and attributes say, each with what there is.

    Nothing where the graph stands at other sizes than those that the file was written for.
    """
    source, proto = graph.source, graph.source.model.graph
    stored = {value.name: typed(value.type)[1] for value in proto.input}
    if not all(_same(stored.get(name), shape) for name, shape in graph.inputs.items()):
        return
    weights = source.weights
    # where the batch is open, what is said of it is no size of the network's
    single = any(
        shape and name not in weights and is_known(shape[0]) for name, shape in stored.items()
    )
    layers = {fetched.tensor: name for name, fetched in graph.fetched.items()}
    declared = [(value, "its value_info") for value in proto.value_info]
    declared += [(value, "the graph's output") for value in proto.output]
    for value, where in declared:
        name, said = layers.get(value.name), typed(value.type)[1]
        if name is None or said is None or name not in graph.facts:
            continue
        if graph.facts[name].equation is None:  # its shape is known from what the file says
            continue
        found = graph.shape(name)
        if graph.fetched[name].batched:
            said, found = (said, (1, *found)) if single else (said[1:], found)
        yield Said(name, f"{where} {value.name}", said, found)
    readers: dict[str, NodeProto] = {}
    for node in proto.node:
        for tensor in node.input:
            readers.setdefault(tensor, node)
        yield from _kernels(node, graph, layers)
    for tensor, said in stored.items():
        reader = readers.get(tensor)
        layer = None if reader is None else next(filter(None, map(layers.get, reader.output)), None)
        if tensor in weights and said is not None and layer is not None:
            yield Said(layer, f"the graph's input {tensor}", said, weights[tensor].shape, False)


def _kernels(node: NodeProto, graph: OpenedGraph, layers: dict[str, str]) -> Iterator[Said]:
    """Yield the window that a convolution's kernel_shape says, beside that of its weight."""
    if node.op_type not in WITH_KERNELS or not node.output:
        return
    place = 3 if node.op_type == "QLinearConv" else 1
    name = layers.get(node.output[0])
    kernel = graph.source.weights.get(node.input[place]) if len(node.input) > place else None
    for attribute in node.attribute:
        if attribute.name == "kernel_shape" and kernel is not None and name is not None:
            said = setting(attribute)
            if isinstance(said, tuple):  # else it is named elsewhere, or no window at all
                yield Said(name, "its kernel_shape", said, tuple(kernel.shape[2:]), False)


def _same(stored: Shape | None, now: Shape) -> bool:
    """Whether an input has the sizes that the file says, as far as it says any."""
    if stored is None:
        return True
    own = stored[len(stored) - len(now) :]
    return all(a == b for a, b in zip(own, now, strict=False) if is_known(a) and is_known(b))

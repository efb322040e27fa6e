"""What onnx's own C++ makes of a model: functions written out, a newer operator set, shapes.

It crashes, aborts, takes gigabytes or never ends on some models, so that it runs in a process apart; large
weights are not sent there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.child import lent
from convscope.errors import SourceError
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


SECONDS = 30.0
"""How long onnx may take; a network of ten thousand nodes takes one of them."""

MEMORY = 1 << 30
"""How many bytes it may take, beside some times those of the model."""

TIMES = 16

SMALL = 1 << 10
"""Initializers of fewer bytes are sent: they may be shapes."""

MOST_NODES = 1_000_000


def renewed(model: ModelProto, opset: int | None, where: str) -> ModelProto:
    """Return a model with its functions written out, in another operator set if one is given.

    Raises `SourceError` when functions call each other in a circle or make too many nodes, and
    `EngineError` when onnx fails on it.
    """
    from onnx import ModelProto, helper

    if model.functions:
        _check_size(model, where)
    lean = ModelProto()
    lean.CopyFrom(model)
    del lean.graph.initializer[:]
    stated = {value.name for value in lean.graph.input}
    apart, added = {}, set()
    for tensor in model.graph.initializer:
        if tensor.ByteSize() < SMALL:
            lean.graph.initializer.add().CopyFrom(tensor)
            continue
        apart[tensor.name] = tensor
        if tensor.name not in stated:
            value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            lean.graph.input.append(value)
            added.add(tensor.name)
    data = _asked(
        "renew", lean.SerializeToString(), {"opset": opset}, f"converting {where} by onnx"
    )
    made: ModelProto = ModelProto.FromString(data)
    kept = [value for value in made.graph.input if value.name not in added]
    del made.graph.input[:]
    made.graph.input.extend(kept)
    for tensor in apart.values():
        made.graph.initializer.add().CopyFrom(tensor)
    return made


def inferred(model: ModelProto, where: str) -> GraphProto:
    """Return a graph that holds the shapes which onnx infers, and nothing else; raises `EngineError`."""
    from onnx import GraphProto

    data = _asked(
        "infer", model.SerializeToString(), {}, f"inferring the shapes of {where} by onnx"
    )
    found: GraphProto = GraphProto.FromString(data)
    return found


def _asked(task: str, data: bytes, said: dict[str, Any], what: str) -> bytes:
    with lent() as child:
        _, found = child.ask(
            f"{__name__}:{task}_here",
            said,
            [np.frombuffer(data, np.uint8)],
            what,
            SECONDS,
            MEMORY + TIMES * len(data),
        )
    answer = found[0]
    assert answer is not None
    return answer.tobytes()


def renew_here(
    kept: dict[str, Any], said: dict[str, Any], arrays: list[Array]
) -> tuple[dict[str, Any], list[Array]]:
    """Write functions out and convert a model; in the child."""
    from onnx import ModelProto, inliner, version_converter

    model = ModelProto.FromString(arrays[0].tobytes())
    if model.functions:
        model = inliner.inline_local_functions(model)
    if said["opset"] is not None:
        model = version_converter.convert_version(model, said["opset"])
    return {}, [np.frombuffer(model.SerializeToString(), np.uint8)]


def infer_here(
    kept: dict[str, Any], said: dict[str, Any], arrays: list[Array]
) -> tuple[dict[str, Any], list[Array]]:
    """Infer shapes; in the child."""
    from onnx import GraphProto, shape_inference

    graph = shape_inference.infer_shapes(arrays[0].tobytes(), data_prop=True).graph
    found = GraphProto(value_info=graph.value_info, output=graph.output)
    return {}, [np.frombuffer(found.SerializeToString(), np.uint8)]


def _check_size(model: ModelProto, where: str) -> None:
    """Raise unless the nodes of a model, its functions written out, are few enough."""
    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}
    begun: set[tuple[str, str]] = set()
    stack = list(functions)
    while stack:
        key = stack[-1]
        if key in sizes:
            stack.pop()
            continue
        calls = [(node.domain, node.op_type) for node in _all_nodes(functions[key].node)]
        missing = [c for c in calls if c in functions and c not in sizes]
        if not missing:
            sizes[key] = sum(sizes.get(call, 1) for call in calls)
            stack.pop()
        elif key in begun:
            raise SourceError(f"{where}: its function {key[1]!r} calls itself")
        else:
            begun.add(key)
            stack += dict.fromkeys(missing)
    nodes = _all_nodes(model.graph.node)
    total = sum(sizes.get((node.domain, node.op_type), 1) for node in nodes)
    if total > MOST_NODES:
        raise SourceError(
            f"{where}: with its functions written out it has {total:,} nodes; {MOST_NODES:,} at most "
            f"are read"
        )


def _all_nodes(nodes: Any) -> Iterator[NodeProto]:
    """Yield nodes, and those of their subgraphs."""
    stack = [nodes]
    while stack:
        for node in stack.pop():
            yield node
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    stack.append(attribute.g.node)
                stack += (graph.node for graph in attribute.graphs)

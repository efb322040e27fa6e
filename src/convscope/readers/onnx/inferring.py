"""Shapes that only onnx's own inference tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from convscope.engine.child import ChildDied
from convscope.errors import EngineError
from convscope.notation.sizes import Shape, is_known
from convscope.readers.onnx.apart import inferred
from convscope.readers.onnx.message import typed
from convscope.readers.onnx.source import Source


def inferred_types(
    source: Source, inputs: Mapping[str, Shape | None]
) -> Iterator[tuple[str, tuple[int, Shape | None]]]:
    """Yield the types and shapes that onnx's inference finds, on a copy of the graph without its weights."""
    from onnx import GraphProto, ModelProto, helper

    graph = GraphProto(
        name="shapes", node=source.model.graph.node, output=source.model.graph.output
    )
    for value in source.model.graph.input:
        if value.name not in inputs:
            continue
        shape = inputs[value.name]
        copied = graph.input.add()
        copied.CopyFrom(value)
        if shape is not None and value.type.HasField("tensor_type"):
            for dim, size in zip(copied.type.tensor_type.shape.dim, shape, strict=False):
                if is_known(size):
                    dim.dim_value = size
    for tensor in source.model.graph.initializer:
        if (
            sum(1 for _ in tensor.dims) <= 1
            and tensor.ByteSize() < 1024
            and tensor.name not in source.external
        ):
            graph.initializer.add().CopyFrom(tensor)
        else:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    for tensor in source.model.graph.sparse_initializer:
        kind, dims = tensor.values.data_type, list(tensor.dims)
        graph.input.append(helper.make_tensor_value_info(tensor.values.name, kind, dims))
    model = ModelProto(
        ir_version=max(source.model.ir_version, 4),
        opset_import=source.model.opset_import,
        graph=graph,
    )
    found = graph  # without an answer shapes stay unknown
    if source.inferable:
        try:
            found = inferred(model, source.name)
        except ChildDied as error:
            source.inferable = False
            source.warn(f"{error}; shapes that only onnx could tell are unknown")
        except EngineError:
            pass
    for value in (*found.value_info, *found.output):
        yield value.name, typed(value.type)

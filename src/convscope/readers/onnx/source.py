"""A model's bytes, checked before anything is built from them; data in other files read by our rules.

The file may be hostile. Nothing that it names is opened unless it is a plain file, with one name, inside
the model's own folder; ONNX Runtime and onnx are given bytes and arrays, never a path.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.notes import Notes
from convscope.engine.notes import read as read_notes
from convscope.engine.onnx_form import EMPTY_FILE
from convscope.errors import EngineError, SourceError
from convscope.layers.mapped import check_whole
from convscope.readers.onnx.apart import MOST_NODES, renewed
from convscope.readers.onnx.beside import Beside, external_reader, put_inside
from convscope.readers.onnx.cutting import Cut, cut
from convscope.readers.onnx.message import read_by
from convscope.readers.onnx.tensors import (
    MOST_BYTES,
    Constant,
    check_bytes,
    check_length,
    declared,
    first_line,
    numpy_type,
    plain,
    reader_of,
)
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto


OLDEST = 7
"""Older operator sets are converted: ONNX Runtime lacks many of their operators."""

CONVERTED_TO = 13


@dataclass
class Source:
    """A model that was read: its message, its bytes, its weights, and what is to be said about it.

    external   the weights that `data` only refers to: in other files, or mapped from the model's own
    file       the whole file where its large weights are mapped and not in `data`
    beside     whether it refers to other files
    inferable  whether onnx's shape inference survives it, as far as is known
    notes      what it says of its weights, where we wrote it
    """

    model: ModelProto
    data: bytes
    name: str
    opset: int
    weights: dict[str, Constant]
    external: dict[str, Callable[[], Array]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    file: mmap.mmap | None = None
    beside: bool = False
    inferable: bool = True
    notes: Notes | None = None

    def __post_init__(self) -> None:
        said = ((prop.key, prop.value) for prop in self.model.metadata_props)
        self.notes = read_notes(self.model.producer_name, said)

    def warn(self, text: str) -> None:
        """Note what is to be said about the model; once, however often it is read."""
        if text not in self.warnings:
            self.warnings.append(text)


def from_file(path: Path) -> Source:
    """Return the model that a file holds; its large weights stay there. Raises `SourceError`."""
    where, file = str(path), _mapped(path)
    lean = cut(file)
    if lean is not None:
        try:
            model = _parsed(lean.data, where)
        except SourceError:
            lean = None  # said below of the whole file, with its first and last bytes
        else:
            if _opset(model) >= OLDEST and not model.functions:
                return _checked(model, lean.data, path.stem, where, path.parent, (file, lean))
    data = file[:]
    return _checked(_parsed(data, where), data, path.stem, where, path.parent)


def from_proto(model: ModelProto) -> Source:
    """Return a live model; raises `SourceError`."""
    try:
        data = model.SerializeToString()
        own = type(model).FromString(data)
    except Exception as error:  # protobuf's errors differ from version to version
        raise SourceError(f"the ModelProto cannot be serialised: {first_line(error)}") from error
    return _checked(own, data, model.graph.name or "model", "the ModelProto", None)


def _mapped(path: Path) -> mmap.mmap:
    """Return the bytes of a plain file, mapped; a pipe or a device would never end."""
    try:
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{path} is no plain file")
        if found.st_size == 0:
            raise SourceError(f"{path} is empty")
        if found.st_size > MOST_BYTES:
            raise SourceError(f"{path} has {found.st_size:,} bytes; an ONNX file has 2 GiB at most")
        return mmap.mmap(handle, found.st_size, access=mmap.ACCESS_READ)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    finally:
        os.close(handle)


def _parsed(data: bytes, where: str) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        model: ModelProto = ModelProto.FromString(data)
        return model
    except (DecodeError, ValueError, RuntimeError) as error:
        ends = f"it begins with {_shown(data[:16])} and ends with {_shown(data[-16:])}"
        raise SourceError(f"{where} is no ONNX model ({first_line(error)}); {ends}") from error


def _shown(data: bytes) -> str:
    return data.hex(" ")


def _opset(model: ModelProto) -> int:
    """Return the version of ONNX's own operators that a model is written in."""
    opsets = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    plain = any(node.domain in ("", "ai.onnx") for node in model.graph.node)
    return max(opsets, default=1 if plain else CONVERTED_TO)


def _checked(
    model: ModelProto,
    data: bytes,
    name: str,
    where: str,
    folder: Path | None,
    apart: tuple[mmap.mmap, Cut] | None = None,
) -> Source:
    """Return a source from a message: opset, functions, nodes, weights and references checked.

    apart   the file that `data` is a part of, and where its large weights lie
    """
    _names_are_text(model, where)
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise SourceError(f"{where} holds no graph: it is no ONNX model, or an empty one")
    if len(model.graph.node) > MOST_NODES:
        raise SourceError(
            f"{where} has {len(model.graph.node):,} nodes; {MOST_NODES:,} at most are read"
        )
    opset = _opset(model)
    large = apart[1].large if apart else {}
    warnings: list[str] = []
    _no_references(model, where)
    references = [
        t
        for number, t in enumerate(model.graph.initializer)
        if t.data_location == t.EXTERNAL and number not in large
    ]
    if references and folder is None:
        raise SourceError(
            f"{where} refers to data in other files (as {references[0].name!r} does): open the file "
            f"itself, or load the data with onnx.load"
        )
    convert = opset < OLDEST or bool(model.functions)
    opened: dict[str, Beside] = {}
    inside = (
        references if convert else [t for t in references if not plain(numpy_type(t.data_type))]
    )
    if inside and folder is not None:
        put_inside(inside, folder, where, opened)
        references = [t for t in references if t.data_location == t.EXTERNAL]
        data = model.SerializeToString()
    if convert:
        model, opset = _converted(model, opset, where, warnings)
        data = model.SerializeToString()
    read = {v.name for v in model.graph.output}.union(*map(read_by, model.graph.node))
    weights, external = _weights(model, read, where, folder, apart, opened, warnings)
    file = apart[0] if apart else None
    if references:  # ONNX Runtime gets the arrays, and no path
        for tensor in references:
            del tensor.external_data[:]
            tensor.external_data.add(key="location", value=EMPTY_FILE)
        data = model.SerializeToString()
    return Source(model, data, name, opset, weights, external, warnings, file, bool(references))


def _weights(
    model: ModelProto,
    read: set[str],
    where: str,
    folder: Path | None,
    apart: tuple[mmap.mmap, Cut] | None,
    opened: dict[str, Beside],
    warnings: list[str],
) -> tuple[dict[str, Constant], dict[str, Callable[[], Array]]]:
    """Return the graph's weights, and what gives those that its message only refers to, all checked.

    read   the names that something reads: what is wrong with any other weight does not matter
    """
    large = apart[1].large if apart else {}
    weights: dict[str, Constant] = {}
    external: dict[str, Callable[[], Array]] = {}
    for number, tensor in enumerate(model.graph.initializer):
        if tensor.name in weights:
            if tensor.name in read:
                warnings.append(
                    f"{where} has two initializers named {tensor.name!r}; the first counts, as in ONNX Runtime"
                )
            continue
        begun: Callable[[], bytes] | None = None
        try:
            shape, dtype = declared(tensor, where)
            if apart and number in large:
                start, length = large[number]
                check_length(tensor, shape, dtype, length, where)
                get = _within(apart[0], start, shape, dtype)
                external[tensor.name] = get
            elif tensor.data_location == tensor.EXTERNAL:
                assert folder is not None
                get, begun = external_reader(tensor, shape, dtype, folder, where, opened)
                external[tensor.name] = get
            else:
                check_bytes(tensor, shape, dtype, where)
                get = reader_of(tensor, where)
        except SourceError:
            if tensor.name in read:
                raise
            continue  # nothing asks for it
        weights[tensor.name] = Constant(shape, dtype, get, name=tensor.name, start=begun)
    return weights, external


def _within(file: mmap.mmap, start: int, shape: tuple[int, ...], dtype: Any) -> Callable[[], Array]:
    """Return what gives an array that lies in a mapped file."""

    def get() -> Array:
        found: Array = np.frombuffer(file, dtype, math.prod(shape), start).reshape(shape)
        check_whole(found)
        return found

    return get


def _names_are_text(model: ModelProto, where: str) -> None:
    """Raise when a name is not UTF-8: protobuf then gives bytes, and nobody could ask for it."""
    graph = model.graph
    names: list[object] = [graph.name, *(o.domain for o in model.opset_import)]
    names += (value.name for value in (*graph.input, *graph.output, *graph.initializer))
    for node in graph.node:
        names += (node.name, node.op_type, node.domain, *node.input, *node.output)
        names += (attribute.name for attribute in node.attribute)
    for name in names:
        if not isinstance(name, str):
            raise SourceError(f"{where}: the name {name!r} is no text")


def _converted(
    model: ModelProto, opset: int, where: str, warnings: list[str]
) -> tuple[ModelProto, int]:
    """Return the model in a newer opset, its functions written out."""
    converted = opset < OLDEST
    try:
        model = renewed(model, CONVERTED_TO if converted else None, where)
    except EngineError as error:
        raise SourceError(
            f"{where} has opset {opset}{', and functions' if model.functions else ''}, and onnx could "
            f"not convert it: {error}"
        ) from error
    if converted:
        warnings.append(f"{where} has opset {opset} and was converted to opset {CONVERTED_TO}")
        opset = CONVERTED_TO
    return model, opset


def _no_references(model: ModelProto, where: str) -> None:
    """Raise when a tensor outside the graph's own initializers refers to another file."""
    for tensor in _inner_tensors(model):
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise SourceError(
                f"{where}: a tensor inside a node or a subgraph refers to another file; only the "
                f"model's own initializers may"
            )


def _inner_tensors(model: ModelProto) -> Iterator[TensorProto]:
    nodes: list[NodeProto] = list(model.graph.node)
    for function in model.functions:
        nodes += function.node
        for given in function.attribute_proto:
            yield from _tensors_in(given, nodes)
    for sparse in model.graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for information in model.training_info:
        for graph in (information.initialization, information.algorithm):
            yield from _tensors_of(graph, nodes)
    while nodes:
        for attribute in nodes.pop().attribute:
            yield from _tensors_in(attribute, nodes)


def _tensors_in(attribute: AttributeProto, nodes: list[NodeProto]) -> Iterator[TensorProto]:
    for kind, value in attribute.ListFields():  # whatever its type says
        match kind.name:
            case "t":
                yield value
            case "tensors":
                yield from value
            case "sparse_tensor":
                yield from (value.values, value.indices)
            case "sparse_tensors":
                for sparse in value:
                    yield from (sparse.values, sparse.indices)
            case "g":
                yield from _tensors_of(value, nodes)
            case "graphs":
                for graph in value:
                    yield from _tensors_of(graph, nodes)


def _tensors_of(graph: GraphProto, nodes: list[NodeProto]) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    nodes += graph.node

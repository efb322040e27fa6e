"""A model's bytes, checked before anything is built from them; data in other files read by our rules.

The file may be hostile. Nothing that it names is opened unless it is a plain file, with one name, inside
the model's own folder; ONNX Runtime and onnx are given bytes and arrays, never a path.
"""

from __future__ import annotations

import math
import mmap
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.onnx_form import EMPTY_FILE
from convscope.errors import EngineError, SourceError
from convscope.layers.mapped import check_whole
from convscope.readers.onnx.apart import MOST_NODES, renewed
from convscope.readers.onnx.cutting import Cut, cut
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto


MOST_BYTES = (1 << 31) - 1
"""How large a protocol buffer can be."""

OLDEST = 7
"""Older operator sets are converted: ONNX Runtime lacks many of their operators."""

CONVERTED_TO = 13
MOST_ELEMENTS = 1 << 40
MOST_AGAIN = 1 << 24
"""So many bytes of other files may be read more than once."""

KEYS = ("location", "offset", "length", "checksum")
"""What a reference to external data may say."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Numbers that are known before the model runs.

    written   whether they stand in the graph itself, not among the model's weights
    same      whether they are one number, which an operator of the graph repeats
    stored    the weight that these numbers are in another form: moved, cast, dequantised
    name      the tensor's, where it is a weight of the model
    start     what gives its first bytes, where that is less work than all of them
    """

    shape: tuple[int, ...]
    dtype: Any
    get: Callable[[], Array]
    written: bool = False
    same: bool = False
    stored: Constant | None = None
    name: str = ""
    start: Callable[[], bytes] | None = None

    @property
    def origin(self) -> Constant:
        """The weight as it is stored."""
        return self.stored or self

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    def beginning(self) -> bytes:
        """Return the first bytes of its numbers."""
        return self.get().ravel()[:8].tobytes() if self.start is None else self.start()


@dataclass
class Source:
    """A model that was read: its message, its bytes, its weights, and what is to be said about it.

    external   the weights that `data` only refers to: in other files, or mapped from the model's own
    file       the whole file where its large weights are mapped and not in `data`
    beside     whether it refers to other files
    inferable  whether onnx's shape inference survives it, as far as is known
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
        raise SourceError(f"the ModelProto cannot be serialised: {_first(error)}") from error
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
        raise SourceError(f"{where} is no ONNX model ({_first(error)}); {ends}") from error


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
    opened: dict[str, _Held] = {}
    inside = (
        references if convert else [t for t in references if not _plain(numpy_type(t.data_type))]
    )
    if inside and folder is not None:
        _put_inside(inside, folder, where, opened)
        references = [t for t in references if t.data_location == t.EXTERNAL]
        data = model.SerializeToString()
    if convert:
        model, opset = _converted(model, opset, where, warnings)
        data = model.SerializeToString()
    read = _read(model)
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
                _check_length(tensor, shape, dtype, length, where)
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
    file = apart[0] if apart else None
    if references:  # ONNX Runtime gets the arrays, and no path
        for tensor in references:
            del tensor.external_data[:]
            tensor.external_data.add(key="location", value=EMPTY_FILE)
        data = model.SerializeToString()
    return Source(model, data, name, opset, weights, external, warnings, file, bool(references))


def _read(model: ModelProto) -> set[str]:
    """Return every name that something in a model reads, its subgraphs included."""
    found = {value.name for value in model.graph.output}
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        found.update(value.name for value in graph.output)
        for node in graph.node:
            found.update(node.input)
            for attribute in node.attribute:
                graphs += (attribute.g, *attribute.graphs)
    return found - {""}


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


# -- tensors --------------------------------------------------------------------------------------


def declared(tensor: TensorProto, where: str) -> tuple[tuple[int, ...], Any]:
    """Return a tensor's shape and numpy type, as far as they can be."""
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape) or math.prod(shape) > MOST_ELEMENTS:
        raise SourceError(f"{where}: the tensor {tensor.name!r} has the impossible shape {shape}")
    if tensor.HasField("segment"):
        tensor.ClearField("segment")  # whether all of it is there its bytes say
    dtype = numpy_type(tensor.data_type)
    if dtype is None:
        raise SourceError(
            f"{where}: the tensor {tensor.name!r} has the unknown type {tensor.data_type}"
        )
    return shape, dtype


@lru_cache(maxsize=64)
def numpy_type(element: int) -> Any:
    """Return numpy's type for ONNX's number of one; None for an unknown number."""
    from onnx import helper

    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(element))
    except (KeyError, ValueError, TypeError):
        return None


def bits(dtype: Any) -> int:
    """Return how many bits a number takes where it is stored."""
    few = re.search(r"(?:int|float)([1-7])(?:_|$)", dtype.name)
    return int(few[1]) if few else 8 * int(dtype.itemsize)


def check_bytes(tensor: TensorProto, shape: tuple[int, ...], dtype: Any, where: str) -> None:
    """Raise unless a tensor holds as many bytes as its shape says (where that is easily told)."""
    if not tensor.HasField("raw_data"):
        stored = sum(
            len(numbers)
            for numbers in (
                tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data,
                tensor.uint64_data, tensor.string_data,
            )
        )  # fmt: skip
        if math.prod(shape) > 16 * stored:
            raise SourceError(
                f"{where}: the tensor {tensor.name!r} says {shape}, but holds {stored:,} numbers"
            )
        return
    if dtype.kind in "fiub" and dtype.isbuiltin == 1:
        _check_length(tensor, shape, dtype, len(tensor.raw_data), where)


def _check_length(
    tensor: TensorProto, shape: tuple[int, ...], dtype: Any, length: int, where: str
) -> None:
    told = math.prod(shape) * dtype.itemsize
    if told != length:
        raise SourceError(
            f"{where}: the tensor {tensor.name!r} says {shape} of {dtype}, {told:,} bytes, but holds "
            f"{length:,}"
        )


def reader_of(tensor: TensorProto, where: str) -> Callable[[], Array]:
    """Return what gives a tensor's array, in the type that it has."""

    def get() -> Array:
        from onnx import numpy_helper

        try:
            return np.asarray(numpy_helper.to_array(tensor))
        except Exception as error:  # numpy's and onnx's errors of several kinds
            raise SourceError(
                f"{where}: the tensor {tensor.name!r} cannot be read: {_first(error)}"
            ) from error

    return get


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


# -- data in other files --------------------------------------------------------------------------


class _Held:
    """An open file beside the model; closed when nobody needs it any more."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self) -> None:
        os.close(self.handle)

    def read(self, start: int, length: int) -> bytes:
        parts, left = [], length
        while left:
            part = os.pread(self.handle, min(left, 1 << 30), start + length - left)
            if not part:
                raise OSError("the file has become shorter")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def external_reader(
    tensor: TensorProto,
    shape: tuple[int, ...],
    dtype: Any,
    folder: Path,
    where: str,
    opened: dict[str, _Held],
) -> tuple[Callable[[], Array], Callable[[], bytes]]:
    """Return what gives an array that lies in another file in the model's folder, and what its first bytes.

    The file is opened at once, following no link at any step, and checked on the open handle. Tensors in one
    file share a handle, of which a process has some hundreds: those in `opened`.
    """
    what = f"{where}: the tensor {tensor.name!r}"
    if not _plain(dtype):
        raise SourceError(f"{what} lies in another file as {dtype}, which is not read")
    read = _external_bytes(tensor, math.prod(shape) * dtype.itemsize, folder, what, opened)

    def get() -> Array:
        return np.frombuffer(read(), dtype).reshape(shape)

    return get, lambda: read(8 * dtype.itemsize)


def _plain(dtype: Any) -> bool:
    """Whether numbers of a type are numpy's own, so that they can be mapped and lent to the engine."""
    return dtype is not None and dtype.kind in "fiub" and dtype.isbuiltin == 1


def _put_inside(
    tensors: Sequence[TensorProto], folder: Path, where: str, opened: dict[str, _Held]
) -> None:
    """Let tensors hold what they refer to in other files, read by our rules.

    Those of types that numpy does not have (bfloat16, 4 bits), which cannot be lent to the engine; and all, where
    the model is to be converted. Raises `SourceError` where they are too large for one message.
    """
    readers, total = [], 0
    for tensor in tensors:
        shape, dtype = declared(tensor, where)
        what = f"{where}: the tensor {tensor.name!r}"
        if dtype.kind == "O":
            raise SourceError(f"{what} lies in another file as text, which is not read")
        length = -(-math.prod(shape) * bits(dtype) // 8)
        readers.append(_external_bytes(tensor, length, folder, what, opened))
        total += length
    there = sum(os.fstat(held.handle).st_size for held in opened.values())
    if total > min(there + MOST_AGAIN, MOST_BYTES // 2):
        raise SourceError(
            f"{where} needs {total:,} bytes of {there:,} in other files put into it, to convert it or for their "
            f"types; {MOST_BYTES // 2:,} at most are, and no more than there are"
        )
    for tensor, read in zip(tensors, readers, strict=True):
        tensor.raw_data = read()
        del tensor.external_data[:]
        tensor.data_location = tensor.DEFAULT


def _external_bytes(
    tensor: TensorProto, length: int, folder: Path, what: str, opened: dict[str, _Held]
) -> Callable[..., bytes]:
    """Return what gives the bytes that a tensor refers to, or the first of them; the file is opened and checked at once."""
    told: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key not in KEYS or entry.key in told:
            raise SourceError(
                f"{what} refers to other data by {entry.key!r}; only {', '.join(KEYS)} mean something, "
                f"each once"
            )
        told[entry.key] = entry.value
    start = _number(told.get("offset", "0"), "offset", what)
    if "length" in told and _number(told["length"], "length", what) != length:
        raise SourceError(f"{what} needs {length:,} bytes, but refers to {told['length']}")
    location = told.get("location", "")
    if location not in opened:
        opened[location] = _Held(_beside(location, folder, what))
    held = opened[location]
    found = os.fstat(held.handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise SourceError(f"{what}: {told['location']!r} is no plain file with one name")
    if start + length > found.st_size:
        raise SourceError(
            f"{what} needs {length:,} bytes from {start:,} on, but {told['location']!r} has "
            f"{found.st_size:,}"
        )

    def read(most: int = length) -> bytes:
        try:
            return held.read(start, min(most, length))
        except OSError as error:
            raise SourceError(f"{what} cannot be read: {error}") from error

    return read


def _number(text: str, name: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise SourceError(f"{what}: the {name} {text[:40]!r} is no whole number")
    return int(text)


def _beside(location: str, folder: Path, what: str) -> int:
    """Open a file inside the folder, following no link; return the handle."""
    windows = PureWindowsPath(location)
    steps = PurePosixPath(location).parts
    bad = "\0" in location or "\\" in location or windows.drive or windows.root
    if not steps or bad or PurePosixPath(location).is_absolute() or ".." in steps:
        raise SourceError(
            f"{what} refers to {location[:80]!r}, which is not inside the model's folder"
        )
    follow = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    here = -1
    try:
        here = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        for step in steps[:-1]:
            inner = os.open(step, os.O_RDONLY | os.O_DIRECTORY | follow, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(steps[-1], os.O_RDONLY | os.O_NONBLOCK | follow, dir_fd=here)
    except OSError as error:
        raise SourceError(
            f"{what} refers to {location[:80]!r}, which cannot be opened as a plain file in the "
            f"model's folder: {error.strerror or error}"
        ) from error
    finally:
        if here >= 0:
            os.close(here)


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

"""What is known when a file is read: constants, and the arithmetic of shapes that exporters write out.

Only small arrays are computed; large ones are moved lazily (a reshaped weight), never added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from convscope.errors import SourceError
from convscope.readers.onnx.tensors import MOST_ELEMENTS, Constant, check_bytes, declared, reader_of
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import NodeProto, SparseTensorProto


SMALL = 1 << 14
"""Arrays of at most so many numbers are moved at once."""

MOST_COMPUTED = 512
"""Operators on so many numbers together are computed; of more, two could make a very large one."""

MOST_WRITTEN = 1 << 18
"""The same of numbers that an exporter wrote out, where it is known how many come of them: a mask of windows."""

MOST_MOVED = 1 << 30
"""Arrays of at most so many numbers are given another shape."""

Attributes: TypeAlias = Mapping[str, Any]


def _axes(given: Attributes, more: Sequence[Array]) -> tuple[int, ...] | None:
    found = given.get("axes")
    if found is None and more:
        found = more[0].ravel().tolist()
    return None if found is None else tuple(found)


def _reshape(x: Array, given: Attributes, *more: Array) -> Array:
    wanted = given.get("shape") or more[0].ravel().tolist()
    keep = not given.get("allowzero", 0)
    return x.reshape([x.shape[n] if s == 0 and keep else s for n, s in enumerate(wanted)])


def _squeeze(x: Array, given: Attributes, *more: Array) -> Array:
    return np.squeeze(x, _axes(given, more))


def _unsqueeze(x: Array, given: Attributes, *more: Array) -> Array:
    return np.expand_dims(x, _axes(given, more) or ())


def _transpose(x: Array, given: Attributes) -> Array:
    return x.transpose(given.get("perm"))


def _flatten(x: Array, given: Attributes) -> Array:
    first = given.get("axis", 1)
    first += x.ndim if first < 0 else 0
    rows = int(np.prod(x.shape[:first], dtype=np.int64))
    return x.reshape(rows, x.size // max(rows, 1))


MOVES: dict[str, Callable[..., Array]] = {
    "Identity": lambda x, given: x,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Flatten": _flatten,
}
"""What only moves numbers: done when somebody asks for them."""


def _slice(given: Attributes, x: Array, *more: Array) -> Array:
    if more:
        starts, ends, *rest = (m.ravel().tolist() for m in more)
        axes = rest[0] if rest else list(range(len(starts)))
        steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    else:
        starts, ends = given["starts"], given["ends"]
        axes, steps = given.get("axes", range(len(starts))), [1] * len(starts)
    at: list[Any] = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at[axis] = slice(start, end, step)
    found: Array = x[tuple(at)]
    return found


def _reduce(of: Callable[..., Any]) -> Callable[..., Array]:
    def reduced(given: Attributes, x: Array, *more: Array) -> Array:
        axes = _axes(given, more)
        if not axes and given.get("noop_with_empty_axes", 0):
            return x
        keep = bool(given.get("keepdims", 1))
        return np.asarray(of(x, axis=axes or None, keepdims=keep), dtype=x.dtype)

    return reduced


def _divided(given: Attributes, a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":  # ONNX cuts towards 0, numpy's // goes down
        return np.trunc(np.divide(a, b)).astype(a.dtype)
    return np.divide(a, b)


def _range(given: Attributes, start: Array, end: Array, step: Array) -> Array:
    if abs(float(end) - float(start)) > SMALL * abs(float(step)):
        raise ValueError("too long a range")
    found: Array = np.arange(start.item(), end.item(), step.item(), dtype=start.dtype)
    return found


def _expand(given: Attributes, x: Array, shape: Array) -> Array:
    wanted = np.broadcast_shapes(x.shape, tuple(shape.tolist()))
    return np.broadcast_to(x, wanted)


def _two(of: Callable[[Any, Any], Any]) -> Callable[..., Array]:
    return lambda given, a, b: np.asarray(of(a, b))


def _one(of: Callable[[Any], Any]) -> Callable[..., Array]:
    return lambda given, x: np.asarray(of(x), dtype=x.dtype)


ARITHMETIC: dict[str, Callable[..., Array]] = {
    "Gather": lambda given, x, at: np.take(x, at, axis=given.get("axis", 0)),
    "Concat": lambda given, *parts: np.concatenate(parts, axis=given.get("axis", 0)),
    "Slice": _slice,
    "Range": _range,
    "Expand": _expand,
    "Add": _two(np.add),
    "Sub": _two(np.subtract),
    "Mul": _two(np.multiply),
    "Div": _divided,
    "Max": _two(np.maximum),
    "Min": _two(np.minimum),
    "Mod": _two(np.mod),
    "Pow": lambda given, a, b: np.power(a, b).astype(a.dtype),
    "Equal": _two(np.equal),
    "Less": _two(np.less),
    "Greater": _two(np.greater),
    "GreaterOrEqual": _two(np.greater_equal),
    "LessOrEqual": _two(np.less_equal),
    "And": _two(np.logical_and),
    "Or": _two(np.logical_or),
    "Xor": _two(np.logical_xor),
    "Not": _one(np.logical_not),
    "Neg": _one(np.negative),
    "Abs": _one(np.abs),
    "Floor": _one(np.floor),
    "Ceil": _one(np.ceil),
    "Sqrt": _one(np.sqrt),
    "Where": lambda given, c, a, b: np.asarray(np.where(c, a, b)),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
}
"""What is computed, on arrays as small as shapes are."""


def fold(op: str, given: Attributes, inputs: Sequence[Constant]) -> Constant | None:
    """Return what an operator makes of constants; None where that is left to ONNX Runtime."""
    try:
        if op == "ConstantOfShape":
            return _filled(given, inputs[0])
        if op in RETYPED:
            return RETYPED[op](given, *inputs)
        if (
            op in MOVES
            and inputs
            and inputs[0].count > (MOST_WRITTEN if inputs[0].written else SMALL)
        ):
            return _rearranged(MOVES[op], given, inputs)
        written = (
            all(c.written or not c.shape for c in inputs) and _comes_to(op, inputs) <= MOST_WRITTEN
        )
        most = MOST_WRITTEN if written else SMALL if op in MOVES else MOST_COMPUTED
        if sum(c.count for c in inputs) > most:
            return None
        with np.errstate(all="ignore"):
            if op in MOVES:
                first, *more = (c.get() for c in inputs)
                found = np.asarray(MOVES[op](first, given, *more))
            elif op in ARITHMETIC:
                found = np.asarray(ARITHMETIC[op](given, *(c.get() for c in inputs)))
            else:
                return None
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, SourceError):
        return None  # ONNX Runtime will say what is wrong with it
    if found.size > (MOST_WRITTEN if written else SMALL):
        return None
    one = bool(inputs) and (inputs[0].same or (op == "Expand" and inputs[0].count == 1))
    return Constant(
        found.shape,
        found.dtype,
        lambda: found,
        op not in MOVES or inputs[0].written,
        one and (op in MOVES or op == "Expand"),
        inputs[0].origin if op in MOVES else None,
    )


def _comes_to(op: str, inputs: Sequence[Constant]) -> int:
    """Return how many numbers an operator makes of others, at most; very many where that is not plain."""
    if op in MOVES or op in _ONE_BY_ONE:
        return inputs[0].count
    if op == "Concat":
        return sum(c.count for c in inputs)
    if op not in _TOGETHER:
        return MOST_WRITTEN + 1
    return math.prod(np.broadcast_shapes(*(c.shape for c in inputs)))


_ONE_BY_ONE = ("Slice", "Not", "Neg", "Abs", "Floor", "Ceil", "Sqrt", "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin")  # fmt: skip
_TOGETHER = (
    "Add", "Sub", "Mul", "Div", "Max", "Min", "Mod", "Pow", "Equal", "Less", "Greater", "GreaterOrEqual", "LessOrEqual",
    "And", "Or", "Xor", "Where",
)  # fmt: skip


def _filled(given: Attributes, shape: Constant) -> Constant | None:
    if shape.count > 64:
        return None
    sizes = tuple(shape.get().ravel().tolist())
    value = np.asarray(given.get("value", np.zeros(1, np.float32))).ravel()
    total = 1
    for size in sizes:
        total *= size
    if any(type(s) is not int or s < 0 for s in sizes) or total > MOST_ELEMENTS or value.size != 1:
        return None
    number = value[0]
    return Constant(sizes, value.dtype, lambda: np.broadcast_to(number, sizes))


def _rearranged(
    move: Callable[..., Array], given: Attributes, inputs: Sequence[Constant]
) -> Constant | None:
    first, *rest = inputs
    if first.count > MOST_MOVED or any(c.count > SMALL for c in rest):
        return None
    more = [c.get() for c in rest]
    # an array that is never written takes no memory: it only finds out the shape
    shape = move(np.empty(first.shape, np.int8), given, *more).shape
    return _as(first, shape, first.dtype, lambda x: move(x, given, *more))


def _as(
    first: Constant, shape: tuple[int, ...], dtype: Any, made: Callable[[Array], Array]
) -> Constant:
    """Return a constant in another form, made when somebody asks for it."""
    return Constant(
        shape, dtype, lambda: made(first.get()), first.written, first.same, first.origin, first.name
    )


def _cast(given: Attributes, first: Constant) -> Constant:
    from onnx import helper

    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(given["to"]))
    found = _as(first, first.shape, dtype, lambda x: x.astype(dtype))
    # a whole number that is turned into a float is no weight: it was computed from shapes
    return replace(found, written=True) if first.dtype.kind in "iub" else found


def _cast_like(given: Attributes, first: Constant, like: Constant) -> Constant:
    from onnx import helper

    return _cast({"to": helper.np_dtype_to_tensor_dtype(like.dtype)}, first)


def _dequantised(
    given: Attributes, first: Constant, scale: Constant, zero: Constant | None = None
) -> Constant | None:
    """Return the numbers that are meant: (stored − zero) · scale, for all, an axis, or blocks of one."""
    if scale.count > MOST_MOVED or scale.dtype.kind != "f" or first.dtype.kind == "f":
        return None
    rank, block = len(first.shape), given.get("block_size", 0)
    axis = given.get("axis", 1)
    if scale.count > 1:
        axis = axis + rank if axis < 0 else axis
        wanted = -(-first.shape[axis] // block) if block else first.shape[axis]
        if scale.shape != (
            (*first.shape[:axis], wanted, *first.shape[axis + 1 :]) if block else (wanted,)
        ):
            return None

    def spread(told: Constant) -> Array:
        array: Array = told.get()
        if told.count == 1:
            return array.reshape(())
        if block:
            array = np.repeat(array, block, axis)
            whole: Array = array[(slice(None),) * axis + (slice(first.shape[axis]),)]
            return whole
        return array.reshape(-1, *(1,) * (rank - axis - 1))

    def made(x: Array) -> Array:
        whole = x.astype(np.int32)
        if zero is not None:
            whole = whole - spread(zero).astype(np.int32)
        found: Array = (whole.astype(np.float32) * spread(scale)).astype(scale.dtype)
        return found

    return _as(first, first.shape, scale.dtype, made)


RETYPED: dict[str, Callable[..., Constant | None]] = {
    "Cast": _cast,
    "CastLike": _cast_like,
    "DequantizeLinear": _dequantised,
}
"""The same numbers in another type: done, as moves are, when somebody asks for them."""


def stated(node: NodeProto, where: str) -> Constant | None:
    """Return what a Constant node holds; None for texts."""
    for attribute in node.attribute:
        match attribute.name:
            case "value" if attribute.HasField("t"):
                shape, dtype = declared(attribute.t, where)
                check_bytes(attribute.t, shape, dtype, where)
                return Constant(shape, dtype, reader_of(attribute.t, where), True)
            case "sparse_value" if attribute.HasField("sparse_tensor"):
                return replace(sparse(attribute.sparse_tensor, where), written=True)
            case "value_float" | "value_floats":
                many = attribute.floats if attribute.name.endswith("s") else attribute.f
                return _numbers(many, np.float32)
            case "value_int" | "value_ints":
                many = attribute.ints if attribute.name.endswith("s") else attribute.i
                return _numbers(many, np.int64)
    return None


def sparse(tensor: SparseTensorProto, where: str) -> Constant:
    """Return a tensor of which only the numbers that are not 0 are stored; raise `SourceError`."""
    values, name = tensor.values, tensor.values.name
    stored, dtype = declared(values, where)
    check_bytes(values, stored, dtype, where)
    places, _ = declared(tensor.indices, where)
    check_bytes(tensor.indices, places, np.dtype(np.int64), where)
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape) or math.prod(shape) > MOST_ELEMENTS:
        raise SourceError(f"{where}: the tensor {name!r} has the impossible shape {shape}")

    def get() -> Array:
        total = math.prod(shape)
        if total > MOST_MOVED:
            raise SourceError(
                f"{where}: the tensor {name!r} of shape {shape} is too large to be written out"
            )
        numbers = reader_of(values, where)().ravel()
        at = np.asarray(reader_of(tensor.indices, where)(), np.int64)
        if at.ndim == 2:  # one index for each axis
            bad = len(at) != numbers.size or at.shape[1] != len(shape)
            bad = bad or bool((at < 0).any() or (at >= np.array(shape, np.int64)).any())
            at = at if bad else np.ravel_multi_index(tuple(at.T), shape)
        else:
            bad = at.ndim != 1 or at.size != numbers.size
            bad = bad or bool((at < 0).any() or (at >= total).any())
        if bad:
            raise SourceError(
                f"{where}: the places of the tensor {name!r} are not those of {numbers.size} numbers "
                f"in the shape {shape}"
            )
        full = np.zeros(total, numbers.dtype)
        full[at] = numbers
        return full.reshape(shape)

    return Constant(shape, dtype, get)


def _numbers(values: Any, dtype: Any) -> Constant:
    array = np.array(values if isinstance(values, (int, float)) else list(values), dtype=dtype)
    return Constant(array.shape, array.dtype, lambda: array, True)

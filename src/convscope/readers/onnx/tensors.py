"""The tensors of a message: what each says of itself, whether its bytes are as many, and its numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.errors import SourceError
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import TensorProto

MOST_BYTES = (1 << 31) - 1
"""How large a protocol buffer can be."""


MOST_ELEMENTS = 1 << 40


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


def plain(dtype: Any) -> bool:
    """Whether numbers of a type are numpy's own, so that they can be mapped and lent to the engine."""
    return dtype is not None and dtype.kind in "fiub" and dtype.isbuiltin == 1


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
        check_length(tensor, shape, dtype, len(tensor.raw_data), where)


def check_length(
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
                f"{where}: the tensor {tensor.name!r} cannot be read: {first_line(error)}"
            ) from error

    return get


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

"""Which constants of a model are weights: numbers that were learned, each counted once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from convscope.readers.onnx.tensors import Constant, numpy_type
from convscope.typed import Array

MOST_FILLED = 1 << 20
NUMBERS = (1, 10, 11, 16, 17, 18, 19, 20, 23)
"""What ONNX calls floats of 32, 16 and 64 bits, bfloat16, and those of 8 and 4 bits."""

QUANTISED = {
    "DequantizeLinear": (0,), "QuantizeLinear": (), "QLinearConv": (3, 8), "QLinearMatMul": (3,), "ConvInteger": (1,),
    "MatMulInteger": (1,), "QGemm": (3, 6), "DynamicQuantizeMatMul": (1, 4), "MatMulNBits": (1, 5),
}  # fmt: skip
"""Where operators take weights as whole numbers. How these are scaled is no weight of its own."""

PACKED: Mapping[int, int] = {2: 25, 4: 21, 8: 2}
"""How many bits a packed number takes, and what ONNX calls such a type."""

FILLED = {
    "Conv": (2,), "ConvTranspose": (2,), "Gemm": (2,), "LayerNormalization": (1, 2),
    "InstanceNormalization": (1, 2), "GroupNormalization": (1, 2), "BatchNormalization": (1, 2),
    "RMSNormalization": (1,), "LSTM": (5, 6), "GRU": (5,), "RNN": (5,),
    "Mul": (0, 1), "Add": (0, 1), "Div": (1,), "Sub": (1,),
}  # fmt: skip
"""Where exporters write out zeros or ones for a bias, a scale or a first state that a layer does not have."""

NOT_LEARNED = {
    "Attention": (3,), "RotaryEmbedding": (1, 2), "DequantizeLinear": (1, 2), "QuantizeLinear": (1, 2),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
}  # fmt: skip
"""Where a mask, the sine and cosine of places, or how whole numbers are scaled, goes in."""

TYPED = {"QuantizeLinear": (2,), "QLinearConv": (7,)}
"""Where the type of a number, not only the number, says what an operator gives."""

BY_NUMBER = ("Mul", "Add", "Div", "Sub")
"""Of these a constant that the graph states may be a module's own, a bias of zeros."""

STATES = ("LSTM", "GRU", "RNN")
LIFTED = re.compile(r"val_\d+")
"""What PyTorch's exporter calls constants that are no parameters of a module."""

MOST_COMPARED = 64
"""Weights of one shape and beginning that are compared, each with all before it."""


def filled(op: str, place: int, constant: Constant, call: str = "") -> bool:
    """Whether a constant is one number over and over that an exporter wrote out, and nothing learned.

    call   the call in PyTorch that the operator is of, as its exporter notes it: a parameter is `%p_…` there
    """
    if op in BY_NUMBER and "%p_" in call:
        return False  # a scale or a shift of a module that nobody has trained yet
    if place not in FILLED.get(op, ()) or constant.count > MOST_FILLED:
        return False
    stated = constant.written and op not in BY_NUMBER
    own = stated or constant.same or LIFTED.fullmatch(constant.name)
    if not own and op not in STATES:
        return False
    array = constant.get().ravel()
    return constant.same or bool((array == array[0]).all())


def unpacked(
    given: Mapping[str, Any], kernel: Constant, scale: Constant | None, zero: Constant | None
) -> Constant | None:
    """Return the matrix (inputs, outputs) that MatMulNBits means: (packed − zero) · scale, block by block.

    ONNX Runtime's com.microsoft.MatMulNBits: several numbers in a byte, the first in its lowest bits. None for
    settings that do not fit what is there.
    """
    inputs, outputs, many, block = (given.get(name, 0) for name in ("K", "N", "bits", "block_size"))
    dtype = numpy_type(PACKED.get(many or 4, 0))
    if dtype is None or scale is None or min(inputs, outputs, block) < 1:
        return None
    many = many or 4
    blocks = -(-inputs // block)
    if kernel.count * 8 != outputs * blocks * block * many or scale.count != outputs * blocks:
        return None

    def apart(bytes_: Array, width: int) -> Array:
        places = np.arange(0, 8, many, dtype=np.uint8)
        numbers = (bytes_.astype(np.uint8).reshape(outputs, -1, 1) >> places) & ((1 << many) - 1)
        found: Array = numbers.reshape(outputs, -1)[:, :width]
        return found

    def stored() -> Array:
        return apart(kernel.get(), inputs).T

    def meant() -> Array:
        middle: Any = float(1 << (many - 1))
        if zero is not None:
            told = zero.get()
            middle = told if told.dtype.kind == "f" else apart(told, blocks)
            middle = np.repeat(middle.reshape(outputs, blocks).astype(np.float32), block, 1)[
                :, :inputs
            ]
        step = np.repeat(scale.get().reshape(outputs, blocks).astype(np.float32), block, 1)
        found: Array = (apart(kernel.get(), inputs).astype(np.float32) - middle) * step[:, :inputs]
        return np.ascontiguousarray(found.T)

    packed = Constant((inputs, outputs), dtype, stored, name=kernel.name)
    return Constant((inputs, outputs), np.dtype(np.float32), meant, stored=packed)


class Alike:
    """Finds weights that a file holds twice: the first of the same numbers stands for all."""

    def __init__(self) -> None:
        self._met: dict[object, list[Constant]] = {}

    def first(self, constant: Constant) -> Constant:
        """Return the first constant of the same numbers.

        Only those of several axes whose numbers differ: two biases of zeros are two biases. Of what lies in
        other files only the beginning is read, unless another begins in the same way. What an operator would
        have to make first, and of any size, is not made.
        """
        made = constant.same or (not constant.name and constant.count > MOST_FILLED)
        if len(constant.shape) < 2 or made:
            return constant
        key = (constant.shape, str(constant.dtype), constant.beginning())
        met = self._met.setdefault(key, [])
        for other in met:
            if other is constant or _equal(other, constant):
                return other
        if len(met) < MOST_COMPARED:
            met.append(constant)
        return constant


def _equal(one: Constant, other: Constant) -> bool:
    """Whether two constants hold the same numbers, and not one number over and over."""
    a, b = one.get().ravel(), other.get().ravel()
    return np.array_equal(a, b) and bool((a != a[0]).any())

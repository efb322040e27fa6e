"""Repeating one row of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.layers.base import Form, Layer, Sample, Value, expect_rank
from convscope.notation import Axis, Equation, size, source
from convscope.notation.sizes import Shape


class RepeatVector(Layer):
    """The same row n times: (channels,) → (n, channels).

    >>> print(RepeatVector(4).equation((10,)))
    out[t, c] = in[c]

    No weights.
    """

    def __init__(self, n: Any, **common: Any) -> None:
        super().__init__(**common)
        self.n = size(n, "RepeatVector: n")

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        expect_rank(self, shape, 1, "(128,)")
        c = Axis("c", shape[0], "channel", role="in")
        return Equation((Axis("t", self.n, "step"), c), source(shape)[c])

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x = form.node("Unsqueeze", form.plain(inputs[0]), form.constant([1], "int64"))
        return Value(form.node("Tile", x, form.constant([1, self.n, 1], "int64")))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(4), ((7,),))

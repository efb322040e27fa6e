"""Flattening: all numbers of a map in one row, channels running fastest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.moving import regroup
from convscope.layers.arguments import data_format as checked_format
from convscope.layers.base import Form, Layer, Sample, Value
from convscope.notation import Axis, Equation, source
from convscope.notation.sizes import Shape, product, show


class Flatten(Layer):
    """All numbers in one row: (rows, columns, channels) → (rows · columns · channels,).

    >>> layer = Flatten()
    >>> print(layer.equation((12, 12, 64)))
    out[p] = in[⌊p/768⌋, ⌊p/64⌋ mod 12, p mod 64]
    >>> layer.equation((12, 12, 64)).shape
    (9216,)

    Keras's argument: with data_format="channels_first" the channels still run fastest, as in Keras,
    which moves them to the end first. No weights.
    """

    def __init__(self, data_format: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.data_format = checked_format(data_format)
        self.channels_last = self.data_format == "channels_last"

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        p = Axis("p", product(shape), why=f"{'·'.join(map(show, shape))}, in one row")
        if self.channels_last or len(shape) < 2:
            return Equation((p,), source(shape)[regroup(shape, (p,))])
        *spatial, channel = regroup((*shape[1:], shape[0]), (p,))
        return Equation((p,), source(shape)[channel, *spatial])

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x, rank = form.plain(inputs[0]), form.rank(inputs[0])
        if not self.channels_last and rank > 2:
            x = form.node("Transpose", x, perm=[0, *range(2, rank), 1])
        return Value(form.node("Reshape", x, form.constant([0, -1], "int64")))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4),))
        yield Sample(cls("channels_first"), ((3, 5, 4),))
        yield Sample(cls(), ((7,),))
        yield Sample(cls("channels_first"), ((7,),))

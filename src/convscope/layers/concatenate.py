"""Concatenation: one input after another along an axis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.merging import concatenation, joined_shape
from convscope.layers.arguments import axis_setting, place_of
from convscope.layers.base import Form, Layer, Sample, Value, tensor_names
from convscope.layers.merging import lying_alike
from convscope.notation import Equation, source
from convscope.notation.sizes import Shape


class Concatenate(Layer):
    """One input after another along an axis, as when maps of two branches are stacked.

    >>> layer = Concatenate()
    >>> print(layer.equation((28, 28, 32), (28, 28, 64)))
    out[y, x, k] = (a[y, x, k] for k < 32, else b[y, x, k − 32])
    >>> layer.equation((28, 28, 32), (28, 28, 64)).shape
    (28, 28, 96)

    `axis` counts the batch as 0. No weights. Raises `ShapeError` for inputs that differ along another
    axis.
    """

    inputs_taken = (1, None)

    def __init__(self, axis: int = -1, **common: Any) -> None:
        super().__init__(**common)
        self.axis = axis_setting(axis, "Concatenate: axis")

    def equation(self, *shapes: Shape) -> Equation:
        place = place_of(self.axis, shapes[0], "Concatenate: axis")
        whole = joined_shape(shapes, place, "Concatenate", self.axis)
        # the third input is called c, so that the channels need another name
        axes = self.layout.axes(whole, "k")
        return concatenation(
            list(map(source, shapes, tensor_names(len(shapes)))), shapes, place, axes
        )

    def onnx(self, form: Form, *inputs: Value) -> Value:
        names, moved = lying_alike(form, inputs)
        axis = Value("", moved).lies(self.axis, form.rank(inputs[0]))
        return Value(form.node("Concat", *names, axis=axis), moved)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 2), (3, 5, 6)))
        yield Sample(cls(axis=1), ((3, 5, 4), (2, 5, 4)))
        yield Sample(cls(axis=-2), ((3, 5, 4), (3, 7, 4)))
        yield Sample(cls(), ((7,), (5,)))

"""Softmax as a layer of its own: numbers become shares of 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.layers.activations import ACTIVATIONS
from convscope.layers.arguments import axes_setting, place_of
from convscope.layers.base import Form, Layer, Sample, Value
from convscope.notation import Equation, source
from convscope.notation.sizes import Shape


class Softmax(Layer):
    """Numbers along an axis become shares that add up to 1; the shape stays as it is.

    >>> print(Softmax().equation((10,)))
    out[c] = exp(pre[c] − top) / (Σ k<10  exp(pre[k] − top))
      with top = max m<10  pre[m]
      with pre[c] = in[c]

    `axis` is one axis or several, the batch counted as 0. No weights.
    """

    def __init__(self, axis: Any = -1, **common: Any) -> None:
        super().__init__(**common)
        axes = axes_setting(axis, "Softmax: axis")
        self.axis: int | tuple[int, ...] = axes if isinstance(axis, Iterable) else axes[0]
        self._axes = axes

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        places = sorted(place_of(axis, shape, "Softmax: axis") for axis in self._axes)
        axes = self.layout.axes(shape)
        return ACTIVATIONS["softmax"].equation(axes, source(shape)[axes], places)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        lying = [x.lies(axis, form.rank(x)) for axis in self._axes]
        if len(lying) == 1:
            return Value(form.node("Softmax", x.name, axis=lying[0]), x.moved)
        over = form.constant(lying, "int64")
        total = form.node("ReduceLogSumExp", x.name, over, keepdims=1)
        return Value(form.node("Exp", form.node("Sub", x.name, total)), x.moved)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((7,),))
        yield Sample(cls(1), ((3, 5, 4),))
        yield Sample(cls((1, -1)), ((3, 5, 4),))

"""An activation function as a layer of its own."""

from __future__ import annotations

from collections.abc import Iterable

from convscope.layers.activations import ACTIVATIONS
from convscope.layers.activations import activation as activation_named
from convscope.layers.base import Form, Layer, Sample, Value
from convscope.notation import Equation, source
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Activation(Layer):
    """An activation function applied to every number: the shape stays as it is.

    >>> print(Activation("relu").equation((26, 26, 32)))
    out[y, x, c] = relu(in[y, x, c])

    `activation` is any of Keras's names. No weights. Raises `ActivationError` for an unknown name.
    """

    def __init__(self, activation: Any, **common: Any) -> None:
        super().__init__(**common)
        self.activation = activation_named(activation, "Activation: activation")

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        axes = self.layout.axes(shape)
        return self.activation.equation(axes, source(shape)[axes])

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        if self.activation.linear:  # a layer has an output of its own, even where nothing happens
            return Value(form.node("Identity", x.name), x.moved)
        return self.activation.onnx(form, x)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for name in ACTIVATIONS:
            yield Sample(cls(name), ((3, 5, 4),))
        yield Sample(cls("softmax"), ((7,),))

"""What layers share that treat every number by itself: the output's axes are the input's."""

from __future__ import annotations

from convscope.layers.base import Form, Layer, Value
from convscope.notation import Axis, Equation, Expression, Read, source
from convscope.notation.sizes import Shape


class Elementwise(Layer):
    """A layer that computes every output from the one input at the same position.

    A kind states `value` (the input itself, unless it says otherwise) and `emit`, its ONNX operators.
    """

    def value(self, x: Read, axes: tuple[Axis, ...]) -> Expression:
        """Return what becomes of one number."""
        return x

    def emit(self, form: Form, x: Value) -> str:
        """Write the ONNX operators on the value as it lies; return the output's name."""
        return form.node("Identity", x.name)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        axes = self.layout.axes(shape)
        return Equation(axes, self.value(source(shape)[axes], axes))

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        return Value(self.emit(form, x), x.moved)

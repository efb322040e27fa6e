"""Scales that single networks of keras.applications bring along: ConvNeXt's and Inception-ResNet's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from convscope.errors import ShapeError
from convscope.layers.arguments import number
from convscope.layers.base import Form, Initializer, Sample, Value
from convscope.layers.elementwise import Elementwise
from convscope.layers.initializers import constant
from convscope.layers.merging import Merging
from convscope.notation import Equation, Expression, Size, size, source, weight
from convscope.notation.sizes import Shape, is_known, shape_text
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class LayerScale(Elementwise):
    """Every number times a learned factor of its channel, as in ConvNeXt.

    >>> print(LayerScale(1e-6, 96).equation((56, 56, 96)))
    out[y, x, c] = in[y, x, c] · gamma[c]

    `init_values` is what the factors start from, `projection_dim` how many channels there are.
    """

    def __init__(self, init_values: float, projection_dim: Size, **common: Any) -> None:
        super().__init__(**common)
        self.init_values = number(init_values, "LayerScale: init_values")
        self.projection_dim = size(projection_dim, "LayerScale: projection_dim")

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        if not shape or (is_known(shape[-1]) and shape[-1] != self.projection_dim):
            raise ShapeError(
                f"LayerScale: projection_dim is {self.projection_dim}, but the last axis of an input "
                f"of shape {shape_text(shape)} has another size"
            )
        known = (*shape[:-1], self.projection_dim)
        axes = self.layout.axes(known)
        return Equation(axes, source(known)[axes] * weight("gamma")[axes[-1],])

    def initializers(self) -> dict[str, Initializer]:
        return {"gamma": constant(self.init_values)}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        return Value(form.node("Mul", form.plain(inputs[0]), form.weight("gamma")))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.5, 4), ((3, 5, 4),))
        yield Sample(cls(1e-6, 3), ((3,),))


class CustomScaleLayer(Merging):
    """The first input plus the second times a constant, as in Inception-ResNet.

    >>> print(CustomScaleLayer(0.17).equation((35, 35, 320), (35, 35, 320)))
    out[y, x, k] = a[y, x, k] + b[y, x, k] · 0.17

    `scale` is the constant. No weights.
    """

    inputs_taken = (2, 2)

    def __init__(self, scale: float, **common: Any) -> None:
        super().__init__(**common)
        self.scale = number(scale, "CustomScaleLayer: scale")

    def combined(self, values: Sequence[Expression]) -> Expression:
        return values[0] + values[1] * self.scale

    def emit(self, form: Form, names: Sequence[str]) -> str:
        return form.node("Add", names[0], form.node("Mul", names[1], form.constant(self.scale)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.17), ((3, 5, 4), (3, 5, 4)))

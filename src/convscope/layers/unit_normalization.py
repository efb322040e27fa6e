"""Unit normalisation: rows of numbers divided by their length, so that their squares add up to 1.

out[y, x, c] = in[y, x, c] / max(√(Σ k<C  in[y, x, k]²), 10⁻¹²)
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import axes_of
from convscope.equations.unit import unit
from convscope.layers.arguments import axes_setting, place_of
from convscope.layers.base import Form, Layer, Sample, Value
from convscope.notation import Equation, source
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

SHORTEST = 1e-12
"""What Keras divides by at least."""


class UnitNormalization(Layer):
    """Each place's channels divided by the root of the sum of their squares; the shape stays as it is.

    >>> print(UnitNormalization().equation((14, 14, 96)))
    out[y, x, c] = in[y, x, c] / max(length[y, x], 1e-12)
      with length[y, x] = sqrt(Σ k<96  in[y, x, k] · in[y, x, k])

    Keras's arguments; `axis` is one axis or several, the batch counted as 0. No weights.
    """

    def __init__(self, axis: Any = -1, **common: Any) -> None:
        super().__init__(**common)
        axes = axes_setting(axis, f"{self.kind}: axis")
        self.axis: int | tuple[int, ...] = axes if isinstance(axis, Iterable) else axes[0]
        self._axes = axes

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        places = sorted(place_of(axis, shape, f"{self.kind}: axis") for axis in self._axes)
        axes = axes_of(shape, places[-1])
        return Equation(axes, unit(source(shape), axes, places, SHORTEST))

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        lying = form.constant([x.lies(axis, form.rank(x)) for axis in self._axes], "int64")
        length = form.node("ReduceL2", x.name, lying, keepdims=1)
        divisor = form.node("Max", length, form.constant(SHORTEST))
        return Value(form.node("Div", x.name, divisor), x.moved)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((5, 7, 3),))
        yield Sample(cls(axis=1), ((3, 5, 7),))
        yield Sample(cls(axis=(1, -1)), ((3, 5, 7),))
        yield Sample(cls(), ((4,),))

"""Root mean square normalisation: rows of numbers divided by the root of their mean square.

    out[y, x, c] = scale[c] · in[y, x, c] / √(mean k<C  in[y, x, k]² + ε)

Zhang & Sennrich, Root Mean Square Layer Normalization, 2019.
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import axes_of
from convscope.equations.normalising import along
from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import axes_setting, number, place_of
from convscope.layers.base import Form, Initializer, Layer, Sample, Value
from convscope.layers.initializers import ones
from convscope.notation import Equation, source, weight
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class RMSNormalization(Layer):
    """Each place's channels divided by the root of their mean square; the shape stays as it is.

    >>> print(RMSNormalization().equation((14, 14, 96)))
    out[y, x, c] = scale[c] · in[y, x, c] / sqrt(σ²[y, x] + 1e-06)
      with σ²[y, x] = mean k<96  in[y, x, k] · in[y, x, k]

    Keras's arguments; `axis` is the last axis or the last few, which is where Keras's scale fits. One weight:
    scale, of the normalised axes' sizes.
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **common: Any) -> None:
        super().__init__(**common)
        axes = axes_setting(axis, f"{self.kind}: axis")
        self.axis: int | tuple[int, ...] = axes if isinstance(axis, Iterable) else axes[0]
        self._axes = tuple(sorted(axes))
        self.epsilon = number(epsilon, f"{self.kind}: epsilon", 0)
        if self._axes[0] < 0 < self._axes[-1]:
            raise SettingError(
                f"{self.kind}: axis = {axis!r} counts some axes from the front and some from the end; "
                f"count all of them from one side"
            )

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        places = [place_of(axis, shape, f"{self.kind}: axis") for axis in self._axes]
        if places != list(range(len(shape) - len(places), len(shape))):
            raise ShapeError(
                f"{self.kind}: axis = {self.axis} must be the last axes, since its scale has their sizes "
                f"and Keras puts it there"
            )
        axes = axes_of(shape)
        scale = weight("scale")[tuple(axes[place] for place in places)]
        return along(axes, places).root_mean_square(source(shape), axes, self.epsilon, scale)

    def initializers(self) -> dict[str, Initializer]:
        return {"scale": ones}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x = form.plain(inputs[0])
        rank = form.rank(inputs[0])
        over = form.constant([axis % rank for axis in self._axes], "int64")
        square = form.node("ReduceMean", form.node("Mul", x, x), over, keepdims=1)
        root = form.node("Sqrt", form.node("Add", square, form.constant(self.epsilon)))
        return Value(form.node("Mul", form.node("Div", x, root), form.weight("scale")))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((5, 7, 3),))
        yield Sample(cls(axis=(2, 3), epsilon=1e-3), ((3, 5, 7),))
        yield Sample(cls(), ((4,),))

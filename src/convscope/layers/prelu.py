"""The leaky rectified linear unit whose slopes are learned (He et al., Delving Deep, 2015)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import whole
from convscope.layers.base import Form, Initializer, Layer, Sample, Value
from convscope.layers.initializers import kept
from convscope.notation import Equation, call, source, weight
from convscope.notation.functions import SELECT
from convscope.notation.sizes import Shape, shape_text


class PReLU(Layer):
    """Every number below 0 is multiplied by a learned slope; the shape stays as it is.

    >>> print(PReLU(shared_axes=(1, 2)).equation((26, 26, 32)))
    out[y, x, c] = (in[y, x, c] if in[y, x, c] > 0 else alpha[0, 0, c] · in[y, x, c])
    >>> PReLU(shared_axes=(1, 2)).equation((26, 26, 32)).weights
    {'alpha': (1, 1, 32)}

    Keras's arguments. Weights: alpha, of the input's shape, but 1 along `shared_axes` (counted
    from 1, the first after the batch).
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self._draws = kept(self, locals())
        self.shared_axes: tuple[int, ...] | None = None
        if shared_axes is not None:
            if isinstance(shared_axes, str):
                raise SettingError(f"PReLU: shared_axes must be axes, not {shared_axes!r}")
            many = shared_axes if isinstance(shared_axes, Iterable) else (shared_axes,)
            self.shared_axes = tuple(whole(a, "PReLU: every one of shared_axes", 1) for a in many)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        shared = self.shared_axes or ()
        if shared and max(shared) > len(shape):
            raise ShapeError(
                f"PReLU: shared_axes = {shared} has an axis that an input of shape "
                f"{shape_text(shape)} does not have; its axes are 1 … {len(shape)}"
            )
        axes = self.layout.axes(shape)
        x = source(shape)[axes]
        places = tuple(0 if n in shared else axis for n, axis in enumerate(axes, 1))
        return Equation(axes, call(SELECT, x, x, weight("alpha")[places] * x))

    def initializers(self) -> dict[str, Initializer]:
        return self._draws

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        if x.moved:
            last = self.weights["alpha"].ndim - 1
            alpha = form.weight("alpha", lambda a: a.transpose(last, *range(last)))
        else:
            alpha = form.weight("alpha")
        return Value(form.node("PRelu", x.name, alpha), x.moved)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("glorot_uniform"), ((3, 5, 4),))
        yield Sample(cls("glorot_uniform", shared_axes=(1, 2)), ((3, 5, 4),))
        yield Sample(cls("ones", shared_axes=2), ((3, 7),))

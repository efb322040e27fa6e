"""Layer normalisation: one image's numbers along some axes, shifted to mean 0 and scaled to variance 1.

    out[y, x, c] = gamma[c] · (in[y, x, c] − μ[y, x]) / √(σ²[y, x] + ε) + beta[c]

Ba, Kiros & Hinton, Layer Normalization, 2016. μ and σ² are the mean and the variance over the
normalised axes, computed anew for every image.
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import axes_of
from convscope.equations.normalising import along
from convscope.errors import SettingError
from convscope.layers.arguments import axes_setting, flag, place_of
from convscope.layers.base import Form, Sample, Value
from convscope.layers.normalizing import Normalizing
from convscope.notation import Equation, source
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class LayerNormalization(Normalizing):
    """Each place's channels shifted to mean 0 and scaled to variance 1; the shape stays as it is.

    >>> print(LayerNormalization().equation((14, 14, 96)))
    out[y, x, c] = gamma[c] · (in[y, x, c] − μ[y, x]) / sqrt(σ²[y, x] + 0.001) + beta[c]
      with σ²[y, x] = mean k<96  (in[y, x, k] − μ[y, x]) · (in[y, x, k] − μ[y, x])
      with μ[y, x] = mean k<96  in[y, x, k]

    Keras's arguments; `axis` is one axis or several, the batch counted as 0. With `rms_scaling` the
    mean is not subtracted and there is no beta, as Keras does (it divides by the root of the variance).
    Weights: gamma and beta, where `scale` and `center` ask for them, of the normalised axes' sizes.
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        axes = axes_setting(axis, f"{kind}: axis")
        self.axis: int | tuple[int, ...] = axes if isinstance(axis, Iterable) else axes[0]
        self._axes = tuple(sorted(axes))
        self.set_normalizing(locals())
        self.rms_scaling = flag(rms_scaling, f"{kind}: rms_scaling")
        if self._axes[0] < 0 < self._axes[-1]:
            raise SettingError(
                f"{kind}: axis = {axis!r} counts some axes from the front and some from the end, in "
                f"which case Keras's weights lie in another order; count all of them from one side"
            )

    def held(self) -> tuple[str, ...]:
        return ("gamma",) if self.rms_scaling else super().held()

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        places = [place_of(axis, shape, f"{self.kind}: axis") for axis in self._axes]
        axes = axes_of(shape, places[-1])
        own = tuple(axes[place] for place in places)
        return along(axes, places).layer(
            source(shape), axes, self.epsilon, *self.scaling(*own), centred=not self.rms_scaling
        )

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x = form.plain(inputs[0])
        rank = form.rank(inputs[0])
        places = [axis % rank for axis in self._axes]
        over = form.constant(places, "int64")
        away = form.node("Sub", x, form.node("ReduceMean", x, over, keepdims=1))
        variance = form.node("ReduceMean", form.node("Mul", away, away), over, keepdims=1)
        root = form.node("Sqrt", form.node("Add", variance, form.constant(self.epsilon)))
        y = form.node("Div", x if self.rms_scaling else away, root)

        def stretched(name: str) -> str:
            """Return a weight with an axis of size 1 for each axis that is not normalised."""
            return form.weight(
                name,
                lambda w: w.reshape(
                    [
                        w.shape[places.index(axis)] if axis in places else 1
                        for axis in range(places[0], rank)
                    ]
                ),
            )

        for name in self.held():
            y = form.node("Mul" if name == "gamma" else "Add", y, stretched(name))
        return Value(y)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((5, 7, 3),))
        yield Sample(cls(axis=1, epsilon=1e-5), ((3, 5, 7),))
        yield Sample(cls(axis=(1, 3), center=False), ((3, 5, 7),))
        yield Sample(cls(axis=(-1, -2), scale=False), ((3, 5, 7),))
        yield Sample(cls(center=False, scale=False), ((4,),))
        yield Sample(cls(axis=(1, 2, 3)), ((3, 5, 7),))

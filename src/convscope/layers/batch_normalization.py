"""Batch normalisation, as it computes once training is over.

    out[y, x, c] = gamma[c] · (in[y, x, c] − moving_mean[c]) / √(moving_variance[c] + ε) + beta[c]

Ioffe & Szegedy, Batch Normalization, 2015. During training the mean and variance are the batch's
own; convscope shows the trained network, where they are fixed numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from convscope.equations.layout import axes_of
from convscope.equations.normalising import moments, normalised
from convscope.errors import UnsupportedError
from convscope.layers.arguments import axis_setting, flag, number, place_of
from convscope.layers.base import Form, Initializer, Learning, Sample, Value
from convscope.layers.initializers import ones, zeros
from convscope.layers.normalizing import Normalizing
from convscope.notation import Axis, Equation, source, weight
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from convscope.typed import Array


RENORM = ("moving_stddev", "renorm_mean", "renorm_stddev")
"""What batch renormalisation measures besides, and only training reads."""


class BatchNormalization(Normalizing):
    """Each channel shifted and scaled by numbers found in training; the shape stays as it is.

    >>> print(BatchNormalization().equation((26, 26, 32)))
    out[y, x, c] = gamma[c] · (in[y, x, c] − moving_mean[c]) / sqrt(moving_variance[c] + 0.001) + beta[c]
    >>> BatchNormalization().equation((26, 26, 32)).params
    128

    Keras's arguments; `axis` counts the batch as 0. Weights: gamma and beta (where `scale` and
    `center` ask for them), moving_mean, moving_variance, all (channels,); the last two are not
    trained by gradient. With `renorm` (Ioffe, Batch Renormalization, 2017) it keeps three more of them, which only
    training reads.
    """

    non_trainable = ("moving_mean", "moving_variance", *RENORM)
    only_trained = ("momentum", "renorm", "renorm_clipping", "renorm_momentum", "synchronized")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.axis = axis_setting(axis, f"{kind}: axis")
        self.momentum = number(momentum, f"{kind}: momentum")
        self.set_normalizing(locals())
        self.renorm = flag(renorm, f"{kind}: renorm")
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        place = place_of(self.axis, shape, f"{self.kind}: axis")
        axes = axes_of(shape, place)
        c = axes[place]
        value = normalised(
            source(shape)[axes], weight("moving_mean")[c], weight("moving_variance")[c], self.epsilon,
            *self.scaling(c),
        )  # fmt: skip
        return Equation(axes, value)

    def learning(self, row: Axis, *shapes: Shape) -> Learning:
        """Return the normalisation by the batch's own mean and variance, which the moving ones follow.

        A layer that is not trained normalises by the moving ones, as in Keras.
        """
        if not self.trainable:
            return super().learning(row, *shapes)
        if self.renorm:
            raise UnsupportedError(
                f"{self.name}: batch renormalisation is explained once trained, not trained"
            )
        (shape,) = shapes
        place = place_of(self.axis, shape, f"{self.kind}: axis")
        axes = axes_of(shape, place)
        c = axes[place]
        image = source((row.size, *shape))
        runs = [axis.like(f"{axis.name}′", axis.size) for axis in (row, *axes)]
        runs[place + 1] = c
        mean, variance = moments(image[tuple(runs)], (c,), [a for a in runs if a is not c])
        value = normalised(
            image[row, *axes], mean[c], variance[c], self.epsilon,
            *self.scaling(c),
        )  # fmt: skip
        moved = {
            name: Equation(
                (c,), weight(name)[c] * self.momentum + batch[c] * (1.0 - self.momentum), name
            )
            for name, batch in (("moving_mean", mean), ("moving_variance", variance))
        }
        return Learning(Equation((row, *axes), value), moved)

    def initializers(self) -> dict[str, Initializer]:
        moving = {name: self._draws[name] for name in ("moving_mean", "moving_variance")}
        renorm = dict(zip(RENORM, (ones, zeros, ones), strict=True)) if self.renorm else {}
        return super().initializers() | moving | renorm

    def unread_shapes(self, read: Mapping[str, Shape]) -> Mapping[str, Shape]:
        return dict.fromkeys(RENORM, read["moving_mean"]) if self.renorm else {}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        # ONNX normalises along the axis after the batch, so the channels have to lie there
        (x,) = inputs
        rank = form.rank(x)
        place = self.axis % rank
        if place == rank - 1:
            y = self._normalised(form, form.channels_first(x, channels_last=True), rank)
            return Value(y, moved=rank > 2)
        if place == 1:
            return Value(self._normalised(form, form.plain(x), rank))
        there = [0, place, *(a for a in range(1, rank) if a != place)]
        back = [there.index(a) for a in range(rank)]
        y = self._normalised(form, form.node("Transpose", form.plain(x), perm=there), rank)
        return Value(form.node("Transpose", y, perm=back))

    def _normalised(self, form: Form, x: str, rank: int) -> str:
        channels = (form.input_shape()[self.axis % rank - 1],)
        return form.node(
            "BatchNormalization",
            x,
            form.weight("gamma") if self.scale else form.constant(_filled(1.0, channels)),
            form.weight("beta") if self.center else form.constant(_filled(0.0, channels)),
            form.weight("moving_mean"),
            form.weight("moving_variance"),
            epsilon=self.epsilon,
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((5, 7, 3),))
        yield Sample(cls(axis=1, epsilon=1e-5), ((3, 5, 7),))
        yield Sample(cls(axis=2, center=False), ((3, 5, 7),))
        yield Sample(cls(scale=False), ((4,),))
        yield Sample(cls(center=False, scale=False), ((3, 4, 5, 2),))
        yield Sample(cls(renorm=True), ((5, 7, 3),))


def _filled(value: float, shape: Shape) -> Array:
    import numpy as np

    return np.full(shape, value, dtype=np.float32)

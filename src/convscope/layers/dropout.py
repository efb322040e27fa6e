"""Layers that disturb the numbers during training, and let them pass once it is over.

In the trained network each of them is out[y, x, c] = in[y, x, c]. While it learns, numbers are drawn for each
step: which to keep, or what to multiply or add.
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import number, whole
from convscope.layers.base import Learning, Sample
from convscope.layers.elementwise import Elementwise
from convscope.layers.spatial import Spatial
from convscope.notation import Axis, Equation, Index, Tensor, source
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from numpy.random import Generator

    from convscope.typed import Array


class Disturbance(Elementwise):
    """What layers share that drop a share of the numbers during training."""

    only_trained = ("rate", "noise_shape", "seed")

    def __init__(self, rate: float, seed: Any = None, **common: Any) -> None:
        super().__init__(**common)
        self.rate = number(rate, f"{self.kind}: rate", 0, 1)
        self.seed = seed

    def mask_shape(self, row: Axis, shape: Shape) -> tuple[int, ...]:
        """Return the shape of what is drawn; of size 1 where one draw holds for all."""
        return (row.size, *shape)

    def drawn(self, shape: tuple[int, ...], rng: Generator) -> Array:
        """Return what to multiply each number by: 0, or what makes up for those that are dropped."""
        kept = rng.random(shape, "float32") >= self.rate
        return (kept / (1.0 - self.rate or 1.0)).astype("float32")

    def learning(self, row: Axis, *shapes: Shape) -> Learning:
        """Return in · keep, where keep is drawn for each step."""
        (shape,) = shapes
        axes = (row, *self.layout.axes(shape))
        drawn = self.mask_shape(row, shape)
        at = [Index((), 0) if s == 1 else axis for s, axis in zip(drawn, axes, strict=True)]
        value = source((row.size, *shape))[axes] * Tensor("keep", "input", drawn)[tuple(at)]
        return Learning(
            Equation(axes, value), noise={"keep": (drawn, lambda rng: self.drawn(drawn, rng))}
        )


class Dropout(Disturbance):
    """Every number as it is; during training a share `rate` of them is set to 0.

    >>> print(Dropout(0.5).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights. Raises `SettingError` for a rate outside 0 … 1.
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: Any = None, **common: Any
    ) -> None:
        super().__init__(rate, seed, **common)
        self.noise_shape = checked_noise_shape(noise_shape, self.kind)

    def mask_shape(self, row: Axis, shape: Shape) -> tuple[int, ...]:
        whole = super().mask_shape(row, shape)
        if self.noise_shape is None:
            return whole
        if len(self.noise_shape) != len(whole) or any(
            n not in (None, 1, s) for n, s in zip(self.noise_shape, whole, strict=True)
        ):
            raise ShapeError(
                f"{self.name}: noise_shape {self.noise_shape} does not fit a batch of shape {whole}: "
                f"each size is None, 1 or the batch's own"
            )
        return tuple(s if n is None else n for n, s in zip(self.noise_shape, whole, strict=True))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.5), ((3, 5, 4),))
        yield Sample(cls(0.25, (None, 1, 1, 4), 7), ((3, 5, 4),))


class AlphaDropout(Dropout):
    """Every number as it is; during training a share is set to where selu saturates.

    >>> print(AlphaDropout(0.1).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights.
    """

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.1), ((3, 5, 4),))


class GaussianDropout(Disturbance):
    """Every number as it is; during training each is multiplied by noise around 1.

    >>> print(GaussianDropout(0.1).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights.
    """

    def drawn(self, shape: tuple[int, ...], rng: Generator) -> Array:
        deviation = (self.rate / (1.0 - self.rate)) ** 0.5 if self.rate < 1 else 0.0
        return (1.0 + deviation * rng.standard_normal(shape, "float32")).astype("float32")

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.1), ((3, 5, 4),))


class GaussianNoise(Elementwise):
    """Every number as it is; during training noise is added.

    >>> print(GaussianNoise(0.1).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights. Raises `SettingError` for a deviation outside 0 … 1.
    """

    only_trained = ("stddev", "seed")

    def __init__(self, stddev: float, seed: Any = None, **common: Any) -> None:
        super().__init__(**common)
        self.stddev = number(stddev, f"{self.kind}: stddev", 0, 1)
        self.seed = seed

    def learning(self, row: Axis, *shapes: Shape) -> Learning:
        """Return in + noise, where the noise is drawn for each step."""
        (shape,) = shapes
        whole, axes = (row.size, *shape), (row, *self.layout.axes(shape))
        value = source(whole)[axes] + Tensor("noise", "input", whole)[axes]

        def draw(rng: Generator) -> Array:
            return (self.stddev * rng.standard_normal(whole, "float32")).astype("float32")

        return Learning(Equation(axes, value), noise={"noise": (whole, draw)})

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.1), ((3, 5, 4),))


class ActivityRegularization(Elementwise):
    """Every number as it is; during training large ones are penalised.

    >>> print(ActivityRegularization(0.1).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights.
    """

    only_trained = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.l1 = number(l1, f"{self.kind}: l1")
        self.l2 = number(l2, f"{self.kind}: l2")

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.1), ((3, 5, 4),))


class SpatialDropout(Disturbance, Spatial):
    """What the dropouts of whole maps share."""

    def mask_shape(self, row: Axis, shape: Shape) -> tuple[int, ...]:
        channel = len(shape) if self.channels_last else 1
        whole = super().mask_shape(row, shape)
        return tuple(s if n in (0, channel) else 1 for n, s in enumerate(whole))

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        self.split(shape)
        return super().equation(shape)


class SpatialDropout1D(SpatialDropout):
    """Every number as it is; during training whole channels are set to 0.

    >>> print(SpatialDropout1D(0.5).equation((128, 3)))
    out[t, c] = in[t, c]

    Keras's arguments. No weights.
    """

    rank = 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.5), ((5, 3),))


class SpatialDropout2D(SpatialDropout):
    """Every number as it is; during training whole maps are set to 0.

    >>> print(SpatialDropout2D(0.5).equation((28, 28, 3)))
    out[y, x, c] = in[y, x, c]

    Keras's arguments. No weights.
    """

    rank = 2

    def __init__(
        self, rate: float, data_format: str | None = None, seed: Any = None, **common: Any
    ) -> None:
        super().__init__(rate, seed, **common)
        self.set_format(data_format)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.5), ((3, 5, 4),))
        yield Sample(cls(0.5, "channels_first"), ((3, 5, 4),))


class SpatialDropout3D(SpatialDropout):
    """Every number as it is; during training whole volumes are set to 0.

    >>> print(SpatialDropout3D(0.5).equation((8, 28, 28, 3)))
    out[z, y, x, c] = in[z, y, x, c]

    Keras's arguments. No weights.
    """

    rank = 3

    def __init__(
        self, rate: float, data_format: str | None = None, seed: Any = None, **common: Any
    ) -> None:
        super().__init__(rate, seed, **common)
        self.set_format(data_format)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.5), ((3, 5, 4, 2),))


def checked_noise_shape(value: object, kind: str) -> tuple[int | None, ...] | None:
    """Return the shape of the mask that is drawn during training; None for the input's own."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise SettingError(
            f"{kind}: noise_shape must be a tuple such as (None, 1, 3), not {value!r}"
        )
    what = f"{kind}: noise_shape = {value!r}: every size"
    return tuple(None if v is None else whole(v, what, 1) for v in value)

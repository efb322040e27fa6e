"""Layers that disturb the numbers during training, and let them pass once it is over.

convscope shows the trained network, where each of them is out[y, x, c] = in[y, x, c].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.errors import SettingError
from convscope.layers.arguments import data_format as checked_format
from convscope.layers.arguments import number, whole
from convscope.layers.base import Sample, expect_rank
from convscope.layers.elementwise import Elementwise
from convscope.notation import Equation
from convscope.notation.sizes import Shape


class Disturbance(Elementwise):
    """What layers share that drop a share of the numbers during training."""

    only_trained = ("rate", "noise_shape", "seed")

    rate: float
    seed: Any

    def set_rate(self, rate: object, seed: object) -> None:
        """Check and keep the share that is dropped, and the seed."""
        self.rate = number(rate, f"{self.kind}: rate", 0, 1)
        self.seed = seed


class Dropout(Disturbance):
    """Every number as it is; during training a share `rate` of them is set to 0.

    >>> print(Dropout(0.5).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights. Raises `SettingError` for a rate outside 0 … 1.
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: Any = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.set_rate(rate, seed)
        self.noise_shape = checked_noise_shape(noise_shape, self.kind)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.5), ((3, 5, 4),))
        yield Sample(cls(0.25, (None, 1, 1, 4), 7), ((3, 5, 4),))


class AlphaDropout(Disturbance):
    """Every number as it is; during training a share is set to where selu saturates.

    >>> print(AlphaDropout(0.1).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights.
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: Any = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.set_rate(rate, seed)
        self.noise_shape = checked_noise_shape(noise_shape, self.kind)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0.1), ((3, 5, 4),))


class GaussianDropout(Disturbance):
    """Every number as it is; during training each is multiplied by noise around 1.

    >>> print(GaussianDropout(0.1).equation((128,)))
    out[c] = in[c]

    Keras's arguments. No weights.
    """

    def __init__(self, rate: float, seed: Any = None, **common: Any) -> None:
        super().__init__(**common)
        self.set_rate(rate, seed)

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


class SpatialDropout(Disturbance):
    """What the dropouts of whole maps share."""

    rank: int

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        expect_rank(self, shape, self.rank + 1, str((*(28,) * self.rank, 3)))
        return super().equation(shape)


class SpatialDropout1D(SpatialDropout):
    """Every number as it is; during training whole channels are set to 0.

    >>> print(SpatialDropout1D(0.5).equation((128, 3)))
    out[t, c] = in[t, c]

    Keras's arguments. No weights.
    """

    rank = 1

    def __init__(self, rate: float, seed: Any = None, **common: Any) -> None:
        super().__init__(**common)
        self.set_rate(rate, seed)

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
        super().__init__(**common)
        self.set_rate(rate, seed)
        self.data_format = checked_format(data_format)
        self.channels_last = self.data_format == "channels_last"

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
        super().__init__(**common)
        self.set_rate(rate, seed)
        self.data_format = checked_format(data_format)
        self.channels_last = self.data_format == "channels_last"

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

"""Pooling: each map by itself, a window of it becomes its largest number or its mean.

    out[y, x, c] = max  i<ph, j<pw  in[y·s + i − top, x·s + j − left, c]
    out[y, x, c] = mean i<ph, j<pw  in[y·s + i − top, x·s + j − left, c]

With `same` padding the mean is taken over what lies inside the map only, as TensorFlow does (its
AvgPool excludes the padding; Keras documents no other rule).
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.pooling import Reduce, pooling
from convscope.layers.arguments import per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Sliding
from convscope.notation import Equation, Max, Mean, source
from convscope.notation.expression import Outside
from convscope.notation.sizes import Shape, is_known
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar


class Pooling(Sliding):
    """What all pooling layers share."""

    reduce: ClassVar[Reduce]
    outside: ClassVar[Outside]
    operator: ClassVar[str]

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.pool_size = per_axis(pool_size, self.rank, f"{self.kind}: pool_size")
        self.set_sliding(self.pool_size if strides is None else strides, padding, data_format)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        slide = self.slide(sizes, self.pool_size)
        return pooling(slide, self.reduce, source(shape), channels, self.layout, self.outside)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        y = form.node(
            self.operator,
            form.channels_first(inputs[0], self.channels_last),
            kernel_shape=list(self.pool_size),
            strides=list(self.strides),
            **self.onnx_padding(form, self.pool_size),
        )
        return Value(y, self.channels_last)


class MaxPooling(Pooling):
    reduce = staticmethod(Max)
    outside = "-inf"
    operator = "MaxPool"


class AveragePooling(Pooling):
    reduce = staticmethod(Mean)
    outside = "skip"
    operator = "AveragePool"

    def differs(self, equation: Equation) -> str:
        """Tell of Keras on PyTorch where `same` padding is uneven: it repeats the edge, and counts it."""
        uneven = [
            fit
            for fit in equation.fits.values()
            if is_known(fit.before) and is_known(fit.after) and fit.before != fit.after
        ]
        if self.padding != "same" or not uneven:
            return ""
        pads = " and ".join(f"{f.before} before and {f.after} after its {f.word}s" for f in uneven)
        return (
            f"Here the padding is uneven, {pads}. The mean is over what lies inside the map, as in TensorFlow, in Keras on "
            f"TensorFlow and on JAX, and wherever the padding is even. Keras on PyTorch (3.15) repeats the edge there instead "
            f"and counts it, so that its numbers at the border are others: that is a fault of its PyTorch backend, "
            f"which PyTorch, whose own pooling pads evenly, has no part in."
        )


class MaxPooling1D(MaxPooling):
    """The largest of each window of steps: (steps, channels) → (fewer steps, channels).

    >>> MaxPooling1D(3).equation((11, 5)).shape
    (3, 5)

    Keras's arguments; `strides` defaults to `pool_size`. No weights.
    """

    rank = 1
    spellings = ("MaxPool1D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((11, 2),))
        yield Sample(cls(3, 2, "same"), ((10, 4),))
        yield Sample(cls(4, 3, data_format="channels_first"), ((5, 13),))


class MaxPooling2D(MaxPooling):
    """The largest number of each window: (rows, columns, channels) → (fewer, fewer, channels).

    >>> layer = MaxPooling2D((2, 2))
    >>> print(layer.equation((24, 24, 64)))
    out[y, x, c] = max i<2, j<2  in[2y + i, 2x + j, c]
    >>> layer.equation((24, 24, 64)).shape
    (12, 12, 64)

    Keras's arguments; `strides` defaults to `pool_size`. No weights.
    """

    rank = 2
    spellings = ("MaxPool2D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((8, 10, 3),))
        yield Sample(cls((3, 2), (2, 3), "same"), ((7, 11, 4),))
        yield Sample(cls((2, 3), (4, 5), "same"), ((12, 15, 4),))
        yield Sample(cls(3, 2), ((9, 12, 5),))
        yield Sample(cls((2, 3), 1, "same", "channels_first"), ((4, 6, 8),))


class MaxPooling3D(MaxPooling):
    """The largest number of each window of planes, rows and columns.

    >>> MaxPooling3D(2).equation((4, 6, 8, 3)).shape
    (2, 3, 4, 3)

    Keras's arguments; `strides` defaults to `pool_size`. No weights.
    """

    rank = 3
    spellings = ("MaxPool3D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((4, 6, 8, 3),))
        yield Sample(cls((1, 2, 3), 2, "same", "channels_first"), ((2, 5, 6, 7),))


class AveragePooling1D(AveragePooling):
    """The mean of each window of steps: (steps, channels) → (fewer steps, channels).

    >>> AveragePooling1D(3).equation((11, 5)).shape
    (3, 5)

    Keras's arguments; `strides` defaults to `pool_size`. No weights.
    """

    rank = 1
    spellings = ("AvgPool1D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((11, 2),))
        yield Sample(cls(3, 2, "same"), ((10, 4),))
        yield Sample(cls(4, 3, data_format="channels_first"), ((5, 13),))


class AveragePooling2D(AveragePooling):
    """The mean of each window: (rows, columns, channels) → (fewer, fewer, channels).

    >>> layer = AveragePooling2D((2, 2))
    >>> print(layer.equation((24, 24, 64)))
    out[y, x, c] = mean i<2, j<2  in[2y + i, 2x + j, c]
    >>> layer.equation((24, 24, 64)).shape
    (12, 12, 64)

    Keras's arguments; `strides` defaults to `pool_size`. With `same` padding the mean is over what
    lies inside the map. No weights.
    """

    rank = 2
    spellings = ("AvgPool2D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((8, 10, 3),))
        yield Sample(cls((3, 2), (2, 3), "same"), ((7, 11, 4),))
        yield Sample(cls((2, 3), (4, 5), "same"), ((12, 15, 4),))
        yield Sample(cls(3, 2, "same"), ((7, 11, 5),))
        yield Sample(cls((5, 3), 1, "same", "channels_first"), ((4, 6, 8),))


class AveragePooling3D(AveragePooling):
    """The mean of each window of planes, rows and columns.

    >>> AveragePooling3D(2).equation((4, 6, 8, 3)).shape
    (2, 3, 4, 3)

    Keras's arguments; `strides` defaults to `pool_size`. No weights.
    """

    rank = 3
    spellings = ("AvgPool3D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((4, 6, 8, 3),))
        yield Sample(cls((1, 2, 3), 2, "same", "channels_first"), ((2, 5, 6, 7),))

"""Pooling to a given size, whatever the map's: as many windows as are asked for, as even as can be.

out[y, x, c] = mean i<H/height, j<W/width  in[y·H/height + i, x·W/width + j, c]
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.adaptive import adaptive_pooling, bounds
from convscope.equations.pooling import Reduce
from convscope.equations.stating import NoEquation
from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import known_per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Spatial
from convscope.notation import Equation, Max, Mean, source
from convscope.notation.sizes import Shape, is_known, shape_text
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar


class AdaptivePooling(Spatial):
    """What all adaptive pooling layers share."""

    reduce: ClassVar[Reduce]
    pool: ClassVar[str]
    operator: ClassVar[str]

    def __init__(self, output_size: Any, data_format: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.output_size = known_per_axis(output_size, self.rank, f"{self.kind}: output_size")
        self.set_format(data_format)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        try:
            return adaptive_pooling(
                self.reduce, source(shape), sizes, self.output_size, channels, self.layout
            )
        except NoEquation as error:
            raise SettingError(f"{self.kind}: {error}") from error

    def onnx(self, form: Form, *inputs: Value) -> Value:
        sizes, _ = self.split(form.input_shape())
        if not all(map(is_known, sizes)):
            raise ShapeError(
                f"{self.kind}: how large its windows are depends on the map's size, which is unknown: "
                f"{shape_text(sizes)}"
            )
        y = form.channels_first(inputs[0], self.channels_last)
        if all(n % m == 0 for n, m in zip(sizes, self.output_size, strict=True)):
            window = [n // m for n, m in zip(sizes, self.output_size, strict=True)]
            y = form.node(self.pool, y, kernel_shape=window, strides=window)
            return Value(y, self.channels_last)
        # a mean of equally many means, or the largest of the largest: one axis after another
        for axis, (size, count) in enumerate(zip(sizes, self.output_size, strict=True), 2):
            over = form.constant([axis], "int64")
            parts = []
            for start, end in bounds(size, count):
                ends = (form.constant([p], "int64") for p in (start, end))
                part = form.node("Slice", y, *ends, over)
                parts.append(form.node(self.operator, part, over, keepdims=1))
            y = form.node("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0]
        return Value(y, self.channels_last)


class AdaptiveAveragePooling(AdaptivePooling):
    reduce = staticmethod(Mean)
    pool, operator = "AveragePool", "ReduceMean"


class AdaptiveMaxPooling(AdaptivePooling):
    reduce = staticmethod(Max)
    pool, operator = "MaxPool", "ReduceMax"


class AdaptiveAveragePooling1D(AdaptiveAveragePooling):
    """The mean of each of so many parts of each channel: (steps, channels) → (size, channels).

    >>> layer = AdaptiveAveragePooling1D(3)
    >>> layer.equation((11, 5)).shape
    (3, 5)

    Keras's arguments. Where `output_size` does not divide the map's size, windows overlap and differ. No weights.
    """

    rank = 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(4), ((8, 3),))
        yield Sample(cls(3, "channels_first"), ((5, 7),))


class AdaptiveAveragePooling2D(AdaptiveAveragePooling):
    """The mean of each of so many parts of each map: (rows, columns, channels) → (height, width, channels).

    >>> layer = AdaptiveAveragePooling2D((7, 5))
    >>> print(layer.equation((14, 15, 32)))
    out[y, x, c] = mean i<2, j<3  in[2y + i, 3x + j, c]
    >>> layer.equation((14, 15, 32)).shape
    (7, 5, 32)

    Keras's arguments. Where `output_size` does not divide the map's size, windows overlap and differ. No weights.
    """

    rank = 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((4, 3)), ((8, 6, 5),))
        yield Sample(cls((3, 2)), ((7, 8, 5),))
        yield Sample(cls((1, 4), "channels_first"), ((5, 6, 7),))


class AdaptiveAveragePooling3D(AdaptiveAveragePooling):
    """The mean of each of so many parts of each volume: (planes, rows, columns, channels) → (depth, height, width, channels).

    >>> layer = AdaptiveAveragePooling3D((2, 3, 4))
    >>> layer.equation((4, 6, 8, 3)).shape
    (2, 3, 4, 3)

    Keras's arguments. Where `output_size` does not divide the map's size, windows overlap and differ. No weights.
    """

    rank = 3

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((2, 3, 1)), ((4, 9, 5, 6),))
        yield Sample(cls((2, 3, 4), "channels_first"), ((6, 5, 7, 8),))


class AdaptiveMaxPooling1D(AdaptiveMaxPooling):
    """The largest number of each of so many parts of each channel: (steps, channels) → (size, channels).

    >>> layer = AdaptiveMaxPooling1D(3)
    >>> layer.equation((11, 5)).shape
    (3, 5)

    Keras's arguments. Where `output_size` does not divide the map's size, windows overlap and differ. No weights.
    """

    rank = 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(4), ((8, 3),))
        yield Sample(cls(3, "channels_first"), ((5, 7),))


class AdaptiveMaxPooling2D(AdaptiveMaxPooling):
    """The largest number of each of so many parts of each map: (rows, columns, channels) → (height, width, channels).

    >>> layer = AdaptiveMaxPooling2D((7, 5))
    >>> print(layer.equation((14, 15, 32)))
    out[y, x, c] = max i<2, j<3  in[2y + i, 3x + j, c]
    >>> layer.equation((14, 15, 32)).shape
    (7, 5, 32)

    Keras's arguments. Where `output_size` does not divide the map's size, windows overlap and differ. No weights.
    """

    rank = 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((4, 3)), ((8, 6, 5),))
        yield Sample(cls((3, 2)), ((7, 8, 5),))
        yield Sample(cls((1, 4), "channels_first"), ((5, 6, 7),))


class AdaptiveMaxPooling3D(AdaptiveMaxPooling):
    """The largest number of each of so many parts of each volume: (planes, rows, columns, channels) → (depth, height, width, channels).

    >>> layer = AdaptiveMaxPooling3D((2, 3, 4))
    >>> layer.equation((4, 6, 8, 3)).shape
    (2, 3, 4, 3)

    Keras's arguments. Where `output_size` does not divide the map's size, windows overlap and differ. No weights.
    """

    rank = 3

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((2, 3, 1)), ((4, 9, 5, 6),))
        yield Sample(cls((2, 3, 4), "channels_first"), ((6, 5, 7, 8),))

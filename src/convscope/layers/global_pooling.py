"""Global pooling: each map as a whole becomes one number, its largest or its mean.

out[c] = max  i<H, j<W  in[i, j, c]
out[c] = mean i<H, j<W  in[i, j, c]
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.pooling import Reduce, global_pooling
from convscope.layers.arguments import flag
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Spatial
from convscope.notation import Equation, Max, Mean, source
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar


class GlobalPooling(Spatial):
    """What all global pooling layers share."""

    reduce: ClassVar[Reduce]
    operator: ClassVar[str]

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **common: Any
    ) -> None:
        super().__init__(**common)
        self.set_format(data_format)
        self.keepdims = flag(keepdims, f"{self.kind}: keepdims")

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        self.split(shape)
        return global_pooling(self.reduce, source(shape), shape, self.layout, self.keepdims)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        axes = form.constant(self.spatial_axes(x), "int64")
        y = form.node(self.operator, x.name, axes, keepdims=int(self.keepdims))
        return Value(y, x.moved and self.keepdims)


class GlobalMaxPooling(GlobalPooling):
    reduce = staticmethod(Max)
    operator = "ReduceMax"


class GlobalAveragePooling(GlobalPooling):
    reduce = staticmethod(Mean)
    operator = "ReduceMean"


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest number of each channel: (steps, channels) → (channels,).

    >>> GlobalMaxPooling1D().equation((11, 5)).shape
    (5,)

    Keras's arguments. No weights.
    """

    rank = 1
    spellings = ("GlobalMaxPool1D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((11, 2),))
        yield Sample(cls("channels_first", keepdims=True), ((3, 7),))


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest number of each map: (rows, columns, channels) → (channels,).

    >>> print(GlobalMaxPooling2D().equation((7, 7, 512)))
    out[c] = max i<7, j<7  in[i, j, c]

    Keras's arguments; with `keepdims` the result is (1, 1, channels). No weights.
    """

    rank = 2
    spellings = ("GlobalMaxPool2D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((8, 10, 3),))
        yield Sample(cls(keepdims=True), ((8, 10, 3),))
        yield Sample(cls("channels_first"), ((4, 6, 8),))


class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest number of each volume: (planes, rows, columns, channels) → (channels,).

    >>> GlobalMaxPooling3D().equation((4, 6, 8, 3)).shape
    (3,)

    Keras's arguments. No weights.
    """

    rank = 3
    spellings = ("GlobalMaxPool3D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((4, 6, 5, 3),))
        yield Sample(cls("channels_first", keepdims=True), ((2, 5, 6, 7),))


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of each channel: (steps, channels) → (channels,).

    >>> GlobalAveragePooling1D().equation((11, 5)).shape
    (5,)

    Keras's arguments. No weights.
    """

    rank = 1
    spellings = ("GlobalAvgPool1D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((11, 2),))
        yield Sample(cls("channels_first", keepdims=True), ((3, 7),))


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of each map: (rows, columns, channels) → (channels,).

    >>> print(GlobalAveragePooling2D().equation((7, 7, 2048)))
    out[c] = mean i<7, j<7  in[i, j, c]

    Keras's arguments; with `keepdims` the result is (1, 1, channels). No weights.
    """

    rank = 2
    spellings = ("GlobalAvgPool2D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((8, 10, 3),))
        yield Sample(cls(keepdims=True), ((8, 10, 3),))
        yield Sample(cls("channels_first"), ((4, 6, 8),))


class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean of each volume: (planes, rows, columns, channels) → (channels,).

    >>> GlobalAveragePooling3D().equation((4, 6, 8, 3)).shape
    (3,)

    Keras's arguments. No weights.
    """

    rank = 3
    spellings = ("GlobalAvgPool3D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((4, 6, 5, 3),))
        yield Sample(cls("channels_first", keepdims=True), ((2, 5, 6, 7),))

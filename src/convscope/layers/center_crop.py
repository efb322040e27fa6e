"""The middle of each map, of a given size.

out[y, x, c] = in[y + ⌊(H − height)/2⌋, x + ⌊(W − width)/2⌋, c]
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import MAP_NAMES, WORDS
from convscope.equations.moving import sliced
from convscope.layers.arguments import whole
from convscope.layers.base import Form, Sample, Value
from convscope.layers.resizing import Resizing
from convscope.layers.spatial import Spatial
from convscope.notation import Axis, Equation, Size, source
from convscope.notation.sizes import Shape, counted, surely_less, tidy
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class CenterCrop(Spatial):
    """The middle of each map: (rows, columns, channels) → (height, width, channels).

    >>> layer = CenterCrop(24, 20)
    >>> print(layer.equation((28, 30, 3)))
    out[y, x, c] = in[y + 2, x + 5, c]
    >>> layer.equation((28, 30, 3)).shape
    (24, 20, 3)

    Keras's arguments. A map that is smaller is resized instead, the middle of the wanted shape cut out of it first
    (see `Resizing`), as Keras does. No weights.
    """

    rank = 2

    def __init__(
        self, height: int, width: int, data_format: str | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.height = whole(height, "CenterCrop: height", 1)
        self.width = whole(width, "CenterCrop: width", 1)
        self.set_format(data_format)

    def _first(self, sizes: Shape) -> list[Size]:
        """Return where the crop begins along each axis."""
        wanted = (self.height, self.width)
        return [tidy((n - k) // 2) for n, k in zip(sizes, wanted, strict=True)]

    def _resizing(self, shape: Shape) -> Resizing | None:
        """Return what is done instead with a map that is smaller."""
        sizes, _ = self.split(shape)
        if not any(
            surely_less(n, k) for n, k in zip(sizes, (self.height, self.width), strict=True)
        ):
            return None
        return Resizing(
            self.height, self.width, crop_to_aspect_ratio=True, data_format=self.data_format
        )

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        resizing = self._resizing(shape)
        if resizing is not None:
            return resizing.equation(shape)
        sizes, channels = self.split(shape)
        first = self._first(sizes)
        out = [
            Axis(name, k, word, f"the middle {k} of {counted(n, word)}")
            for name, word, n, k in zip(
                MAP_NAMES[2], WORDS[2], sizes, (self.height, self.width), strict=True
            )
        ]
        c = Axis("c", channels, "channel", role="in")
        return sliced(source(shape), self.layout.image(c, out), self.layout.image(0, first))

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        resizing = self._resizing(form.input_shape())
        if resizing is not None:
            return resizing.onnx(form, x)
        sizes, _ = self.split(form.input_shape())
        first = self._first(sizes)
        ends = [start + k for start, k in zip(first, (self.height, self.width), strict=True)]
        parts = (form.constant(p, "int64") for p in (first, ends, self.spatial_axes(x)))
        return Value(form.node("Slice", x.name, *parts), x.moved)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(4, 5), ((7, 8, 3),))
        yield Sample(cls(3, 8, "channels_first"), ((2, 6, 11),))
        yield Sample(cls(8, 6), ((4, 7, 2),))

"""Cropping: each map without its border.

out[y, x, c] = in[y + top, x + left, c]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.layout import MAP_NAMES, WORDS
from convscope.equations.moving import cut, sliced
from convscope.layers.arguments import pairs_per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Spatial
from convscope.notation import Axis, Equation, source
from convscope.notation.sizes import Shape

TO_THE_END = 2**62
"""Where an ONNX slice ends that cuts nothing off."""


class Cropping(Spatial):
    """What Cropping1D, Cropping2D and Cropping3D share."""

    def set_cropping(self, cropping: object, data_format: str | None = None) -> None:
        """Check and keep what is cut off."""
        pairs = pairs_per_axis(cropping, self.rank, f"{self.kind}: cropping")
        self._pairs = pairs
        # as Keras keeps it: one pair for one axis, pairs for several
        self.cropping: tuple[Any, ...] = pairs[0] if self.rank == 1 else pairs
        self.set_format(data_format)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        out = [
            cut(name, word, size, before, after, self.kind)
            for name, word, size, (before, after) in zip(
                MAP_NAMES[self.rank], WORDS[self.rank], sizes, self._pairs, strict=True
            )
        ]
        c = Axis("c", channels, "channel", role="in")
        first = self.layout.image(0, [before for before, _ in self._pairs])
        return sliced(source(shape), self.layout.image(c, out), first)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        starts = [before for before, _ in self._pairs]
        ends = [-after if after else TO_THE_END for _, after in self._pairs]
        parts = (starts, ends, self.spatial_axes(x))
        return Value(
            form.node("Slice", x.name, *(form.constant(p, "int64") for p in parts)), x.moved
        )


class Cropping1D(Cropping):
    """The steps without the first and last few: (steps, channels) → (fewer steps, channels).

    >>> Cropping1D((1, 2)).equation((11, 5)).shape
    (8, 5)

    Keras's argument; channels come last, as in Keras. No weights.
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **common: Any) -> None:
        super().__init__(**common)
        self.set_cropping(cropping)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((7, 3),))
        yield Sample(cls((0, 2)), ((7, 3),))


class Cropping2D(Cropping):
    """Each map without its border: (rows, columns, channels) → (fewer, fewer, channels).

    >>> layer = Cropping2D(((1, 2), (3, 0)))
    >>> print(layer.equation((28, 28, 3)))
    out[y, x, c] = in[y + 1, x + 3, c]
    >>> layer.equation((28, 28, 3)).shape
    (25, 25, 3)

    `cropping` is one number, (rows, columns) or ((top, bottom), (left, right)). No weights. Raises
    `ShapeError` where nothing would be left.
    """

    rank = 2

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.set_cropping(cropping, data_format)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1), ((5, 7, 3),))
        yield Sample(cls(((0, 1), (2, 3)), "channels_first"), ((3, 5, 7),))


class Cropping3D(Cropping):
    """Each volume without its border.

    >>> Cropping3D((1, 2, 0)).equation((4, 5, 6, 2)).shape
    (2, 1, 6, 2)

    Keras's arguments. No weights.
    """

    rank = 3

    def __init__(
        self,
        cropping: Any = ((1, 1), (1, 1), (1, 1)),
        data_format: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.set_cropping(cropping, data_format)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((4, 5, 7, 2),))
        yield Sample(cls(((0, 1), (1, 2), (1, 0)), "channels_first"), ((2, 3, 5, 7),))

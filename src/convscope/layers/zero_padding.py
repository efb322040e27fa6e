"""Zero padding: a border of zeros around each map.

out[y, x, c] = in[y − top, x − left, c], and 0 where that lies outside
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import map_axes
from convscope.equations.moving import padded
from convscope.layers.arguments import pairs_per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Spatial
from convscope.notation import Axis, Equation, source
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class ZeroPadding(Spatial):
    """What ZeroPadding1D, ZeroPadding2D and ZeroPadding3D share."""

    def __init__(self, padding: Any = 1, data_format: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        pairs = pairs_per_axis(padding, self.rank, f"{self.kind}: padding")
        self._pairs = pairs
        # as Keras keeps it: one pair for one axis, pairs for several
        self.padding: tuple[Any, ...] = pairs[0] if self.rank == 1 else pairs
        self.set_format(data_format)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        out, c = map_axes((None,) * len(sizes)), Axis("c", channels, "channel", role="in")
        pads = self.layout.borders(self._pairs)
        return padded(source(shape), self.layout.image(c, out), pads)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        pads = [(0, 0)] * (self.rank + 2)
        for axis, pair in zip(self.spatial_axes(x), self._pairs, strict=True):
            pads[axis] = pair
        both = [before for before, _ in pads] + [after for _, after in pads]
        return Value(form.node("Pad", x.name, form.constant(both, "int64")), x.moved)


class ZeroPadding1D(ZeroPadding):
    """Zeros before the first step and after the last: (steps, channels) → (more steps, channels).

    >>> ZeroPadding1D((1, 2)).equation((11, 5)).shape
    (14, 5)

    Keras's arguments. No weights.
    """

    rank = 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((7, 3),))
        yield Sample(cls((0, 2), "channels_first"), ((7, 3),))


class ZeroPadding2D(ZeroPadding):
    """A border of zeros around each map: (rows, columns, channels) → (more, more, channels).

    >>> layer = ZeroPadding2D(3)
    >>> print(layer.equation((224, 224, 3)))
    out[y, x, c] = in[y − 3, x − 3, c]
    >>> layer.equation((224, 224, 3)).shape
    (230, 230, 3)

    `padding` is one number, (rows, columns) or ((top, bottom), (left, right)). No weights. Raises
    `SettingError` for negative numbers.
    """

    rank = 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((5, 7, 3),))
        yield Sample(cls((2, 0)), ((5, 7, 3),))
        yield Sample(cls(((0, 1), (2, 3)), "channels_first"), ((3, 5, 7),))


class ZeroPadding3D(ZeroPadding):
    """A border of zeros around each volume.

    >>> ZeroPadding3D((1, 2, 3)).equation((4, 5, 6, 2)).shape
    (6, 9, 12, 2)

    Keras's arguments. No weights.
    """

    rank = 3

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 7, 2),))
        yield Sample(cls(((0, 1), (2, 3), (1, 0)), "channels_first"), ((2, 3, 5, 7),))

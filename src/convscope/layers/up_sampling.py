"""Up-sampling: each map enlarged by whole factors.

    out[y, x, c] = in[⌊y/s⌋, ⌊x/t⌋, c]

Bilinear interpolation mixes the four pixels around the place where an output lies, each the more the
nearer it is, by the half-pixel rule of Keras's `image.resize`; outside the map the edge repeats.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from convscope.equations.layout import MAP_NAMES, WORDS
from convscope.equations.resizing import LINEAR, LINES, interpolated
from convscope.errors import SettingError
from convscope.layers.arguments import choice, known_per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Spatial
from convscope.notation import Axis, Equation, source
from convscope.notation.printing import counted
from convscope.notation.sizes import Shape

REFUSED = ("bicubic", "lanczos3", "lanczos5")
"""Interpolations that Keras knows and convscope cannot state."""


class UpSampling(Spatial):
    """What UpSampling1D, UpSampling2D and UpSampling3D share."""

    interpolation: str = "nearest"

    def set_factors(self, factors: object, data_format: str | None = None) -> None:
        """Check and keep by how much the map is enlarged."""
        self._factors = known_per_axis(factors, self.rank, f"{self.kind}: size")
        self.set_format(data_format)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        out = [
            Axis(name, n * s, word, f"{counted(n, word)}, {counted(s, 'output')} for each")
            for name, word, n, s in zip(
                MAP_NAMES[self.rank], WORDS[self.rank], sizes, self._factors, strict=True
            )
        ]
        c = Axis("c", channels, "channel", role="in")
        axes = self.layout.image(c, out)
        if self.interpolation == "nearest":
            nearest = [y // s for y, s in zip(out, self._factors, strict=True)]
            return Equation(axes, source(shape)[self.layout.image(c, nearest)])
        # the half-pixel rule: position y lies at (y + 1/2)/s − 1/2
        lines = [LINES["half_pixel"](Fraction(s), 0, 0) for s in self._factors]
        every = self.layout.image(None, lines)
        return interpolated(source(shape), axes, shape, every, LINEAR)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        y = form.node(
            "Resize",
            form.channels_first(inputs[0], self.channels_last),
            "",
            form.constant([1, 1, *self._factors]),
            **(
                {
                    "mode": "nearest",
                    "nearest_mode": "floor",
                    "coordinate_transformation_mode": "asymmetric",
                }
                if self.interpolation == "nearest"
                else {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            ),
        )
        return Value(y, self.channels_last)


class UpSampling1D(UpSampling):
    """Every step several times: (steps, channels) → (steps · size, channels).

    >>> print(UpSampling1D(2).equation((11, 5)))
    out[t, c] = in[⌊t/2⌋, c]

    Keras's argument; channels come last, as in Keras. No weights.
    """

    rank = 1

    def __init__(self, size: Any = 2, **common: Any) -> None:
        super().__init__(**common)
        self.set_factors(size)
        self.size = self._factors[0]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(3), ((5, 4),))


class UpSampling2D(UpSampling):
    """Each map enlarged: (rows, columns, channels) → (rows · size, columns · size, channels).

    >>> layer = UpSampling2D(2)
    >>> print(layer.equation((14, 14, 32)))
    out[y, x, c] = in[⌊y/2⌋, ⌊x/2⌋, c]
    >>> layer.equation((14, 14, 32)).shape
    (28, 28, 32)

    Keras's arguments; `interpolation` is "nearest" or "bilinear". No weights. Raises `SettingError`
    for the other interpolations, which are not supported.
    """

    rank = 2

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.set_factors(size, data_format)
        self.size = self._factors
        if interpolation in REFUSED:
            raise SettingError(
                f"{self.kind}: interpolation={interpolation!r} is not supported; "
                f"'nearest' and 'bilinear' are"
            )
        self.interpolation = choice(
            interpolation, f"{self.kind}: interpolation", ("nearest", "bilinear")
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4),))
        yield Sample(cls((3, 2), interpolation="bilinear"), ((3, 5, 4),))
        yield Sample(cls((2, 3), "channels_first"), ((4, 3, 5),))
        yield Sample(cls((4, 5), "channels_first", "bilinear"), ((4, 3, 5),))


class UpSampling3D(UpSampling):
    """Each volume enlarged by whole factors.

    >>> UpSampling3D((1, 2, 3)).equation((4, 5, 6, 2)).shape
    (4, 10, 18, 2)

    Keras's arguments. No weights.
    """

    rank = 3

    def __init__(
        self, size: Any = (2, 2, 2), data_format: str | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.set_factors(size, data_format)
        self.size = self._factors

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((1, 2, 3)), ((3, 5, 4, 2),))
        yield Sample(cls((3, 1, 2), "channels_first"), ((2, 3, 5, 4),))

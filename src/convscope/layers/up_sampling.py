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
from convscope.equations.resizing import LINES
from convscope.errors import ShapeError
from convscope.layers.arguments import choice, known_per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.resizing import DIFFERS, INTERPOLATIONS, TORCH, mixed, written
from convscope.layers.spatial import Spatial
from convscope.notation import Axis, Equation, source
from convscope.notation.sizes import Shape, counted, is_known


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
        return mixed(source(shape), axes, shape, every, self.interpolation)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x = form.channels_first(inputs[0], self.channels_last)
        if self.interpolation.startswith("lanczos"):
            sizes, _ = self.split(form.input_shape())
            if not all(map(is_known, sizes)):
                raise ShapeError(
                    f"{self.kind}: {self.interpolation} is written for a known size only"
                )
            wanted = [n * s for n, s in zip(sizes, self._factors, strict=True)]
            return Value(
                written(form, x, sizes, wanted, self.interpolation, False), self.channels_last
            )
        half = {"coordinate_transformation_mode": "half_pixel"}
        ways: dict[str, dict[str, Any]] = {
            "nearest": {
                "mode": "nearest",
                "nearest_mode": "floor",
                "coordinate_transformation_mode": "asymmetric",
            },
            "bilinear": {"mode": "linear", **half},
            "bicubic": {"mode": "cubic", "cubic_coeff_a": TORCH, **half},
        }
        scales = form.constant([1, 1, *self._factors])
        y = form.node("Resize", x, "", scales, **ways[self.interpolation])
        return Value(y, self.channels_last)

    def differs(self, equation: Equation) -> str:
        """Tell of the backends of Keras whose bicubic curve is another."""
        return DIFFERS if self.interpolation == "bicubic" else ""


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

    Keras's arguments; `interpolation` is "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5". No weights.
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
        self.interpolation = choice(interpolation, f"{self.kind}: interpolation", INTERPOLATIONS)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4),))
        yield Sample(cls((3, 2), interpolation="bilinear"), ((3, 5, 4),))
        yield Sample(cls((2, 3), "channels_first"), ((4, 3, 5),))
        yield Sample(cls((4, 5), "channels_first", "bilinear"), ((4, 3, 5),))
        yield Sample(cls((3, 2), interpolation="bicubic"), ((3, 5, 4),))


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

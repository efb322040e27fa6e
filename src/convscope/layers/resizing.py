"""Maps made of another size: each output is the nearest number, or mixes those around where it lies.

    out[y, x, c] = in[⌊(2y + 1)·H / 2·height⌋, ⌊(2x + 1)·W / 2·width⌋, c]                 the nearest
    out[y, x, c] = Σ i<2, j<2  in[q + i, r + j, c] · triangle(p − i) · triangle(s − j)      bilinear

Output y lies at (y + ½)·H/height − ½ of the map (the half-pixel rule). Bicubic mixes sixteen numbers, Lanczos more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from convscope.equations.lanczos import lanczos
from convscope.equations.layout import MAP_NAMES, WORDS, Layout
from convscope.equations.moving import padded, sliced
from convscope.equations.resizing import LINEAR, LINES, Curve, Line, cubic, interpolated
from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import choice, flag, number, whole
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Spatial
from convscope.notation import Axis, Equation, Expression, Index, Tensor, local, source
from convscope.notation.index import written_out
from convscope.notation.sizes import Shape, is_known, shape_text
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from convscope.typed import Array

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
TORCH, SMOOTH = -0.75, -0.5
"""The slope of the cubic curve: PyTorch's own, and the one that it takes (as others do) where it smooths."""


class _Middle:
    """A part of a tensor that is read like a whole one: beyond it its own edge repeats.

    kept   from where on, and how long, the part is along each axis; all of it where that is None
    """

    def __init__(
        self,
        image: Tensor,
        kept: Sequence[tuple[int, int | None]],
        borders: Sequence[tuple[Any, Any]] | None = None,
    ) -> None:
        self.image, self.kept = image, kept
        self.borders = borders or ((0, 0),) * len(kept)

    def padded(self, borders: Sequence[tuple[Any, Any]], outside: str) -> _Middle:
        """Return the same part with a border."""
        return _Middle(self.image, self.kept, borders)

    def __getitem__(self, at: tuple[Any, ...]) -> Expression:
        places, own = [], []
        sizes = self.image.shape or ()
        for index, (first, n), (before, after), size in zip(
            at, self.kept, self.borders, sizes, strict=True
        ):
            whole_axis = n is None or n == size
            own.append((before, after) if whole_axis else (0, 0))
            if n is None or whole_axis:
                places.append(index)
                continue
            reads = [first + min(max(p, 0), n - 1) for p in range(-before, n + after)]
            places.append(written_out(index * 1 + before, reads))
        image: Any = self.image.padded(own, "edge") if any(map(any, own)) else self.image
        found: Expression = image[tuple(places)]
        return found


def curve_of(interpolation: str, smooth: bool) -> Curve:
    """Return what a number weighs at a distance, for all but the nearest."""
    if interpolation == "bilinear":
        return LINEAR
    if interpolation == "bicubic":
        return cubic(SMOOTH if smooth else TORCH)
    return lanczos(int(interpolation[-1]))


def mixed(
    image: Tensor,
    axes: Sequence[Axis],
    shape: Shape,
    lines: Sequence[Line | None],
    interpolation: str,
    smooth: bool = False,
) -> Equation:
    """Return a resizing that mixes numbers; where the curve is cut off at the border the others weigh more."""
    beyond = "zero" if smooth or interpolation.startswith("lanczos") else "edge"
    curve = curve_of(interpolation, smooth)
    return interpolated(image, axes, shape, lines, curve, beyond, smooth)  # type: ignore[arg-type]


def written(
    form: Form,
    x: str,
    sizes: Sequence[int],
    wanted: Sequence[int],
    interpolation: str,
    smooth: bool,
) -> str:
    """Write the resizing of a map that lies channels-first; return its name."""
    if smooth or interpolation.startswith("lanczos"):  # a matrix for each axis says any curve
        for place, (n, m) in enumerate(zip(sizes, wanted, strict=True)):
            weights = weighed(n, m, interpolation, smooth)
            if place == len(sizes) - 1:
                x = form.node("MatMul", x, form.constant(weights.T))
            else:
                x = form.node("MatMul", form.constant(weights), x)
        return x
    ways: dict[str, dict[str, Any]] = {
        "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
        "bilinear": {"mode": "linear"},
        "bicubic": {"mode": "cubic", "cubic_coeff_a": TORCH},
    }
    how = {"coordinate_transformation_mode": "half_pixel", "axes": list(range(2, 2 + len(wanted)))}
    last = form.constant(list(wanted), "int64")
    return form.node("Resize", x, "", "", last, **how, **ways[interpolation])


def weighed(size: int, length: int, interpolation: str, smooth: bool) -> Array:
    """Return what every number of a line weighs in every output, as rows that add up to 1."""
    import numpy as np

    at = (np.arange(length) + 0.5) * size / length - 0.5
    away = np.abs(at[:, np.newaxis] - np.arange(size))
    away = away / (max(size / length, 1.0) if smooth else 1.0)
    if interpolation == "bilinear":
        weights = np.clip(1.0 - away, 0.0, None)
    elif interpolation == "bicubic":
        near, far = np.minimum(away, 1.0), np.clip(away, 1.0, 2.0)
        within = np.polyval([SMOOTH + 2.0, -SMOOTH - 3.0, 0.0, 1.0], near)
        beyond = np.polyval([SMOOTH, -5.0 * SMOOTH, 8.0 * SMOOTH, -4.0 * SMOOTH], far)
        weights = np.where(away < 1.0, within, beyond)
    else:
        reach = int(interpolation[-1])
        weights = np.where(away < reach, np.sinc(away) * np.sinc(away / reach), 0.0)
    found: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


class Resizing(Spatial):
    """Each map made of another size: (rows, columns, channels) → (height, width, channels).

    >>> layer = Resizing(7, 14, interpolation="nearest")
    >>> print(layer.equation((14, 7, 3)))
    out[y, x, c] = in[2y + 1, ⌊(2x + 1)/4⌋, c]
    >>> Resizing(32, 48).equation((28, 30, 3)).shape
    (32, 48, 3)

    Keras's arguments. `interpolation` is "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5"; with `antialias` a
    map that is made smaller takes in so many more numbers (bilinear and bicubic). `crop_to_aspect_ratio` first cuts the middle of
    the wanted shape out of the map, `pad_to_aspect_ratio` surrounds it with `fill_value`. No weights. Raises `ShapeError`
    for a map of unknown size, since where an output lies depends on it.
    """

    rank = 2

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.height = whole(height, f"{kind}: height", 1)
        self.width = whole(width, f"{kind}: width", 1)
        self.interpolation = choice(interpolation, f"{kind}: interpolation", INTERPOLATIONS)
        self.crop_to_aspect_ratio = flag(crop_to_aspect_ratio, f"{kind}: crop_to_aspect_ratio")
        self.pad_to_aspect_ratio = flag(pad_to_aspect_ratio, f"{kind}: pad_to_aspect_ratio")
        self.fill_mode = choice(fill_mode, f"{kind}: fill_mode", ("constant",))
        self.fill_value = number(fill_value, f"{kind}: fill_value")
        self.antialias = flag(antialias, f"{kind}: antialias")
        self.set_format(data_format)
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise SettingError(f"{kind}: a map is cut or padded to the wanted shape, not both")
        if self.antialias and self.interpolation.startswith("lanczos"):
            raise SettingError(f"{kind}: {self.interpolation} with antialias is not supported")

    @property
    def _smooth(self) -> bool:
        return self.antialias and self.interpolation in ("bilinear", "bicubic")

    @property
    def _wanted(self) -> tuple[int, int]:
        return self.height, self.width

    def _sizes(self, shape: Shape) -> tuple[int, int]:
        sizes, _ = self.split(shape)
        if not all(map(is_known, sizes)):
            raise ShapeError(
                f"{self.kind}: where an output lies depends on the map's size, which is unknown: {shape_text(shape)}; "
                f"give the network a size"
            )
        return sizes[0], sizes[1]

    def _kept(self, sizes: tuple[int, int]) -> list[tuple[int, int]]:
        """Return from where on, and how long, the part of each axis is that is resized; Keras's own roundings."""
        (n, m), (height, width) = sizes, self._wanted
        if self.crop_to_aspect_ratio:
            tall = max(min(n, int(float(m * height) / width)), 1)
            wide = max(min(m, int(float(n * width) / height)), 1)
            return [(int((n - tall) / 2), tall), (int((m - wide) / 2), wide)]
        if self.pad_to_aspect_ratio:
            tall = max(n, int(float(m * height) / width))
            wide = max(m, int(float(n * width) / height))
            rows, columns = int((tall - n) / 2), int((wide - m) / 2)
            return [(-rows, n + 2 * rows), (-columns, m + 2 * columns)]
        return [(0, n), (0, m)]

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes = self._sizes(shape)
        _, channels = self.split(shape)
        kept = self._kept(sizes)
        c = Axis("c", channels, "channel", role="in")
        image = self._cut(source(shape), shape, kept, c)
        out = [
            Axis(name, m, word, f"{n} {word}s made {m}")
            for name, word, (_, n), m in zip(
                MAP_NAMES[2], WORDS[2], kept, self._wanted, strict=True
            )
        ]
        axes = self.layout.image(c, out)
        if self.interpolation == "nearest":
            at = [_nearest(y, n, m) for y, (_, n), m in zip(out, kept, self._wanted, strict=True)]
            return Equation(axes, image[self.layout.image(c, at)])
        lines: list[Line | None] = [
            LINES["half_pixel"](Fraction(m, n), n, m)
            for (_, n), m in zip(kept, self._wanted, strict=True)
        ]
        inner = self.layout.image(channels, [n for _, n in kept])
        every = self.layout.image(None, lines)
        return mixed(image, axes, inner, every, self.interpolation, self._smooth)

    def _cut(self, image: Tensor, shape: Shape, kept: Sequence[tuple[int, int]], c: Axis) -> Tensor:
        """Return the part of a map that is resized, or the map with its border, as a tensor of its own."""
        sizes = self._sizes(shape)
        if all(first == 0 and n == size for (first, n), size in zip(kept, sizes, strict=True)):
            return image
        own = [
            Axis(name, n, word)
            for name, word, (_, n) in zip(("v", "u"), WORDS[2], kept, strict=True)
        ]
        axes = self.layout.image(c, own)
        sharp = not self._smooth and not self.interpolation.startswith("lanczos")
        if self.crop_to_aspect_ratio and sharp:
            every: Any = self.layout.image((0, None), kept)
            return _Middle(image, every)  # type: ignore[return-value]
        if self.crop_to_aspect_ratio:
            part = sliced(image, axes, self.layout.image(0, [first for first, _ in kept]))
            return local("middle", axes, part.expression)
        borders = Layout(self.channels_last).borders([(-first, -first) for first, _ in kept])
        return local("framed", axes, padded(image, axes, borders, value=self.fill_value).expression)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x = form.channels_first(inputs[0], self.channels_last)
        sizes = self._sizes(form.input_shape())
        kept = self._kept(sizes)
        if self.crop_to_aspect_ratio:
            parts = ([f for f, _ in kept], [f + n for f, n in kept], [2, 3])
            x = form.node("Slice", x, *(form.constant(p, "int64") for p in parts))
        elif self.pad_to_aspect_ratio:
            around = [0, 0, *(-first for first, _ in kept)] * 2
            x = form.node("Pad", x, form.constant(around, "int64"), form.constant(self.fill_value))
        y = written(form, x, [n for _, n in kept], self._wanted, self.interpolation, self._smooth)
        return Value(y, self.channels_last)

    def differs(self, equation: Equation) -> str:
        """Tell of the backends of Keras whose bicubic curve is another."""
        return DIFFERS if self.interpolation == "bicubic" and not self._smooth else ""

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(7, 4), ((5, 6, 3),))
        yield Sample(cls(4, 9, "nearest"), ((6, 5, 3),))
        yield Sample(cls(8, 4, "bicubic", data_format="channels_first"), ((3, 5, 6),))
        yield Sample(cls(4, 10, crop_to_aspect_ratio=True), ((8, 5, 3),))
        yield Sample(cls(4, 9, pad_to_aspect_ratio=True, fill_value=0.5), ((8, 7, 3),))
        yield Sample(cls(4, 3, antialias=True), ((8, 12, 2),))
        yield Sample(cls(4, 3, "bicubic", antialias=True), ((8, 12, 2),))
        yield Sample(cls(5, 3, antialias=True), ((7, 8, 2),))
        yield Sample(cls(4, 7, "lanczos3"), ((6, 5, 2),))
        yield Sample(cls(7, 3, "lanczos5", data_format="channels_first"), ((2, 6, 8),))


DIFFERS = (
    "The cubic curve has the slope −0.75 at 1, as in PyTorch and in Keras on PyTorch; Keras on TensorFlow and on JAX takes "
    "−0.5, so that its numbers are others. Keras does not say which is meant."
)
"""What the backends of Keras disagree about."""


def _nearest(y: Axis, size: int, length: int) -> Index:
    """Return ⌊(y + ½)·size/length⌋."""
    shared = math.gcd(size, 2 * length)
    return (y * (2 * size // shared) + size // shared) // (2 * length // shared)

"""Dot products of two inputs along one axis of each.

out[a, b] = Σ k  first[a, k] · second[b, k]
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.einsum import einsum, sizes_of
from convscope.equations.layout import axes_of
from convscope.equations.unit import unit
from convscope.errors import SettingError
from convscope.layers.arguments import axis_setting, flag, place_of
from convscope.layers.base import Form, Layer, Sample, Value, tensor_names
from convscope.notation import Axis, Equation, Expression, source
from convscope.notation.rewriting import substituted
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

LETTERS = "abcdefghijklmnop"
SHORTEST = 1e-7
"""What Keras divides by at least when it normalises first (keras.backend.epsilon())."""


class Dot(Layer):
    """Products of two inputs, summed along one axis of each: (a, k) and (b, k) → (a, b).

    >>> print(Dot(axes=2).equation((5, 8), (7, 8)))
    out[t, u] = Σ k<8  a[t, k] · b[u, k]
    >>> Dot(axes=1).equation((8,), (8,)).shape
    (1,)

    Keras's arguments; `axes` is one axis of both or one of each, the batch counted as 0. With `normalize` each is
    first divided by its length along that axis, so that the result is a cosine. No weights. Raises `ShapeError`
    where the two axes differ in size.
    """

    inputs_taken = (2, 2)

    def __init__(self, axes: Any, normalize: bool = False, **common: Any) -> None:
        super().__init__(**common)
        many = axes if isinstance(axes, (tuple, list)) else (axes, axes)
        if len(many) != 2:
            raise SettingError(f"Dot: axes must be one axis, or one of each input, not {axes!r}")
        self._axes = tuple(axis_setting(axis, f"Dot: axes = {axes!r}: each") for axis in many)
        self.axes = self._axes if isinstance(axes, (tuple, list)) else self._axes[0]
        self.normalize = flag(normalize, "Dot: normalize")

    def _letters(self, shapes: tuple[Shape, ...]) -> tuple[list[str], str, list[int]]:
        """Return both inputs and the output as letters, and where the summed axis lies in each."""
        places = [place_of(x, s, "Dot: axes") for x, s in zip(self._axes, shapes, strict=True)]
        letters = iter(LETTERS)
        terms = [
            "".join("z" if n == place else next(letters) for n in range(len(shape)))
            for shape, place in zip(shapes, places, strict=True)
        ]
        return terms, "".join(terms).replace("z", ""), places

    def equation(self, *shapes: Shape) -> Equation:
        terms, result, places = self._letters(shapes)
        sizes = sizes_of(terms, shapes, "Dot")
        reads = [
            self._read(source(shape, name), shape, place)
            for shape, name, place in zip(shapes, tensor_names(2), places, strict=True)
        ]
        names = ("t", "u", "v", "w", *(f"p{n}" for n in range(1, 12)))
        axes = tuple(Axis(name, sizes[c]) for name, c in zip(names, result, strict=False))
        axes, total = einsum(terms, result, sizes, shapes, reads, axes, {"z": "k"})
        return Equation(axes or (Axis("o", 1),), total)

    def _read(self, image: Any, shape: Shape, place: int) -> Any:
        def read(*at: Any) -> Expression:
            if not self.normalize:
                return image[at]  # type: ignore[no-any-return]
            axes = axes_of(shape)
            whole = unit(image, axes, (place,), SHORTEST, f"length_{image.name}")
            return substituted(whole, dict(zip(axes, at, strict=True)))

        return read

    def onnx(self, form: Form, *inputs: Value) -> Value:
        names = [form.plain(x) for x in inputs]
        shapes = tuple((1,) * (form.rank(x) - 1) for x in inputs)
        terms, result, places = self._letters(shapes)
        if self.normalize:
            for n, place in enumerate(places):
                over = form.constant([place + 1], "int64")
                length = form.node("ReduceL2", names[n], over, keepdims=1)
                names[n] = form.node(
                    "Div", names[n], form.node("Max", length, form.constant(SHORTEST))
                )
        text = f"y{terms[0]},y{terms[1]}->y{result}"
        y = form.node("Einsum", *names, equation=text)
        if not result:
            y = form.node("Unsqueeze", y, form.constant([1], "int64"))
        return Value(y)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(2), ((5, 3), (4, 3)))
        yield Sample(cls((1, 2)), ((3, 5), (4, 3)))
        yield Sample(cls(1), ((3,), (3,)))
        yield Sample(cls((-1, 1), normalize=True), ((5, 3), (3,)))
        yield Sample(cls(-1, normalize=True), ((2, 5, 3), (4, 3)))

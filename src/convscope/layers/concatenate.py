"""Concatenation: one input after another along an axis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from convscope.errors import ShapeError
from convscope.layers.arguments import axis_setting, place_of
from convscope.layers.base import Form, Layer, Sample, Shape, Value, shape_text, tensor_names
from convscope.layers.merging import together
from convscope.notation import Axis, Equation, Pieces, Read, Size, source
from convscope.notation.sizes import UNKNOWN, is_known, tidy


class Concatenate(Layer):
    """One input after another along an axis, as when maps of two branches are stacked.

    >>> layer = Concatenate()
    >>> print(layer.equation((28, 28, 32), (28, 28, 64)))
    out[y, x, k] = (a[y, x, k] for k < 32, else b[y, x, k − 32])
    >>> layer.equation((28, 28, 32), (28, 28, 64)).shape
    (28, 28, 96)

    `axis` counts the batch as 0. No weights. Raises `ShapeError` for inputs that differ along another
    axis.
    """

    inputs_taken = (1, None)

    def __init__(self, axis: int = -1, **common: Any) -> None:
        super().__init__(**common)
        self.axis = axis_setting(axis, "Concatenate: axis")

    def equation(self, *shapes: Shape) -> Equation:
        first = shapes[0]
        place = place_of(self.axis, first, "Concatenate: axis")
        for other in shapes[1:]:
            self._check(first, other, place)
        ends = [tidy(end) for end in accumulate(shape[place] for shape in shapes)]
        whole = tuple(ends[-1] if n == place else s for n, s in enumerate(first))
        # the third input is called c, so that the channels need another name
        axes = self.layout.axes(whole, "k")
        starts = [0, *ends[:-1]]
        names = tensor_names(len(shapes))
        reads = [
            _shifted(shape, name, axes, place, start)
            for shape, name, start in zip(shapes, names, starts, strict=True)
        ]
        if len(reads) == 1:
            return Equation(axes, reads[0])
        return Equation(axes, Pieces(axes[place], tuple(ends), tuple(reads)))

    def _check(self, first: Shape, other: Shape, place: int) -> None:
        fits = len(first) == len(other) and all(
            n == place or not _differ(a, b)
            for n, (a, b) in enumerate(zip(first, other, strict=False))
        )
        if not fits:
            raise ShapeError(
                f"Concatenate: inputs must have equal sizes except along axis {self.axis}, not "
                f"{shape_text(first)} and {shape_text(other)}"
            )

    def onnx(self, form: Form, *inputs: Value) -> Value:
        names, moved = together(form, inputs)
        axis = Value("", moved).lies(self.axis, form.rank(inputs[0]))
        return Value(form.node("Concat", *names, axis=axis), moved)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 2), (3, 5, 6)))
        yield Sample(cls(axis=1), ((3, 5, 4), (2, 5, 4)))
        yield Sample(cls(axis=-2), ((3, 5, 4), (3, 7, 4)))
        yield Sample(cls(), ((7,), (5,)))


def _shifted(shape: Shape, name: str, axes: tuple[Axis, ...], place: int, start: Size) -> Read:
    """Return the read of one input at a position of the output, 0 where another input's turn is."""
    borders: list[tuple[Size, Size]] = [(0, 0)] * len(shape)
    borders[place] = (start, tidy(axes[place].size - start - shape[place]))
    at = [axis - start if n == place else axis for n, axis in enumerate(axes)]
    return source(shape, name).padded(borders, "zero")[tuple(at)]


def _differ(a: Size, b: Size) -> bool:
    """Whether two sizes differ for certain."""
    if a is UNKNOWN or b is UNKNOWN:
        return False
    difference = tidy(a - b)
    return is_known(difference) and difference != 0

"""Permuting: the same numbers with their axes in another order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.moving import permuted
from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import whole
from convscope.layers.base import Form, Layer, Sample, Value
from convscope.notation import Equation, source
from convscope.notation.sizes import Shape, shape_text


class Permute(Layer):
    """The axes in another order: Permute((3, 1, 2)) puts the third first.

    >>> layer = Permute((3, 1, 2))
    >>> print(layer.equation((26, 24, 32)))
    out[c, y, x] = in[y, x, c]
    >>> layer.equation((26, 24, 32)).shape
    (32, 26, 24)

    `dims` counts the axes from 1, the first after the batch. No weights. Raises `SettingError` unless
    every axis is named once, `ShapeError` for an input with more or fewer axes.
    """

    def __init__(self, dims: Any, **common: Any) -> None:
        super().__init__(**common)
        given = dims if isinstance(dims, Iterable) and not isinstance(dims, str) else (dims,)
        self.dims = tuple(whole(d, f"Permute: dims = {dims!r}: every axis", 1) for d in given)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise SettingError(
                f"Permute: dims must name every axis from 1 to {len(self.dims)} once, not {self.dims}"
            )

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        if len(shape) != len(self.dims):
            raise ShapeError(
                f"Permute: dims = {self.dims} orders {len(self.dims)} axes, but the input has shape "
                f"{shape_text(shape)} ({len(shape)} axes besides the batch)"
            )
        axes = self.layout.axes(shape)
        order = [d - 1 for d in self.dims]
        return permuted(source(shape), [axes[place] for place in order], order)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        return Value(form.node("Transpose", form.plain(inputs[0]), perm=[0, *self.dims]))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((3, 1, 2)), ((3, 5, 4),))
        yield Sample(cls((2, 1)), ((3, 5),))

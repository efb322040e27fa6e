"""Rescaling: every number times one constant plus another, as before a network's first layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import number
from convscope.layers.base import Form, Sample, Value
from convscope.layers.elementwise import Elementwise
from convscope.notation import Axis, Equation, Expression, Pieces, Read
from convscope.notation.expression import as_expression
from convscope.notation.sizes import Shape, is_known, shape_text

Constants: TypeAlias = float | tuple[float, ...]
"""One number for all channels, or one for each."""


class Rescaling(Elementwise):
    """Every number · scale + offset; the shape stays as it is.

    >>> print(Rescaling(0.25, -1).equation((28, 28, 1)))
    out[y, x, c] = in[y, x, c] · 0.25 − 1

    `scale` and `offset` are numbers, or one number for each position of the last axis. No weights.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.scale = _constants(scale, "Rescaling: scale")
        self.offset = _constants(offset, "Rescaling: offset")

    def equation(self, *shapes: Shape) -> Equation:
        for name, values in (("scale", self.scale), ("offset", self.offset)):
            if isinstance(values, tuple) and (
                not shapes[0] or (is_known(shapes[0][-1]) and shapes[0][-1] != len(values))
            ):
                raise ShapeError(
                    f"Rescaling: {name} holds {len(values)} numbers, but the last axis of an input of "
                    f"shape {shape_text(shapes[0])} has another size"
                )
        return super().equation(*shapes)

    def value(self, x: Read, axes: tuple[Axis, ...]) -> Expression:
        scaled = x * _at(self.scale, axes)
        if self.offset == 0.0:
            return scaled
        if isinstance(self.offset, float) and self.offset < 0:
            return scaled - -self.offset
        return scaled + _at(self.offset, axes)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        (x,) = inputs
        if isinstance(self.scale, tuple) or isinstance(self.offset, tuple):
            x = Value(form.plain(x))  # the numbers stretch along the last axis
        return super().onnx(form, x)

    def emit(self, form: Form, x: Value) -> str:
        y = form.node("Mul", x.name, form.constant(self.scale))
        return y if self.offset == 0.0 else form.node("Add", y, form.constant(self.offset))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1 / 255), ((3, 5, 4),))
        yield Sample(cls(0.5, -1), ((3, 5, 4),))
        yield Sample(cls((0.5, 2, 3, 4), (1, 0, -1, 7)), ((3, 5, 4),))


def _at(values: Constants, axes: tuple[Axis, ...]) -> Expression:
    """Return the constant that holds at a position."""
    if isinstance(values, float):
        return as_expression(values)
    return Pieces(axes[-1], tuple(range(1, len(values) + 1)), tuple(map(as_expression, values)))


def _constants(given: Any, what: str) -> Constants:
    if hasattr(given, "tolist"):
        given = given.tolist()
    if isinstance(given, str) or not isinstance(given, Iterable):
        return number(given, what)
    values = tuple(number(v, f"{what}: every one") for v in given)
    if not values:
        raise SettingError(f"{what} must be a number, or one for each channel, not {given!r}")
    return values[0] if len(values) == 1 else values

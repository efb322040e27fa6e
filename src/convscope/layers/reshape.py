"""Reshaping: the same numbers in the same order, under other indices.

Numbers are counted in row-major order (the last index runs fastest), so the n-th number of the output
is the n-th of the input:

    out[p] = in[⌊p/(W·C)⌋, ⌊p/C⌋ mod W, p mod C]

Where a run of axes keeps its product, it is treated apart, so that (rows, columns, channels) →
(rows · columns, channels) leaves the channels alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.moving import reshaped
from convscope.errors import SettingError, ShapeError, briefly
from convscope.layers.base import Form, Layer, Sample, Value
from convscope.notation import UNKNOWN, Axis, Equation, size, source
from convscope.notation.sizes import Shape, is_known, product, shape_text, tidy


class Reshape(Layer):
    """The same numbers in the same order, in another shape.

    >>> layer = Reshape((7, 7, 64))
    >>> print(layer.equation((3136,)))
    out[y, x, c] = in[448y + 64x + c]
    >>> Reshape((-1, 64)).equation((7, 7, 64)).shape
    (49, 64)

    One size of `target_shape` may be −1: as much as is left. No weights. Raises `ShapeError` where the
    numbers do not fill the shape exactly.
    """

    def __init__(self, target_shape: Any, **common: Any) -> None:
        super().__init__(**common)
        if isinstance(target_shape, str) or not isinstance(target_shape, Iterable):
            target_shape = (target_shape,)
        given = tuple(target_shape)
        what = f"Reshape: target_shape = {briefly(given)}: every size"
        self.target_shape = tuple(-1 if _is_minus_1(v) else size(v, what) for v in given)
        if sum(map(_is_minus_1, self.target_shape)) > 1:
            raise SettingError(
                f"Reshape: only one size of target_shape may be −1, not {briefly(given)}"
            )

    def _target(self, shape: Shape) -> Shape:
        have = product(shape)
        asked = product(s for s in self.target_shape if not _is_minus_1(s))
        if not any(map(_is_minus_1, self.target_shape)):
            difference = tidy(have - asked)
            if is_known(difference) and difference:
                raise ShapeError(
                    f"Reshape: an input of shape {shape_text(shape)} holds {have} numbers, but "
                    f"target_shape {shape_text(self.target_shape)} needs {asked}"
                )
            return self.target_shape
        if is_known(have) and is_known(asked) and have % asked:
            raise ShapeError(
                f"Reshape: the {have} numbers of an input of shape {shape_text(shape)} cannot be "
                f"divided by {asked}, as target_shape {shape_text(self.target_shape)} asks"
            )
        rest = UNKNOWN if have is UNKNOWN else tidy(have // asked)
        return tuple(rest if _is_minus_1(s) else s for s in self.target_shape)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        target = self._target(shape)
        axes = (Axis("p", *target),) if len(target) == 1 else self.layout.axes(target)
        return reshaped(source(shape), shape, axes)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        shape = form.constant([0, *self.target_shape], "int64")  # 0 keeps the batch
        return Value(form.node("Reshape", form.plain(inputs[0]), shape))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((4, 3, 5)), ((60,),))
        yield Sample(cls((-1, 4)), ((3, 5, 4),))
        yield Sample(cls((10, -1)), ((3, 5, 4),))
        yield Sample(cls((5, 1, 3)), ((3, 5),))


def _is_minus_1(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value == -1

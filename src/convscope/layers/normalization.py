"""Normalization by fixed numbers: what a network does to its images first.

out[y, x, c] = (in[y, x, c] − mean[c]) / max(√variance[c], 10⁻⁷)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from convscope.equations.layout import axes_of
from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import axes_setting, flag, number, place_of
from convscope.layers.base import Form, Initializer, Layer, Sample, Value
from convscope.layers.initializers import ones, zeros
from convscope.notation import Axis, Equation, Expression, Pieces, call, source, weight
from convscope.notation.expression import as_expression
from convscope.notation.functions import MAXIMUM, SQRT
from convscope.notation.sizes import Shape, is_known, shape_text

SMALLEST = 1e-7
"""What Keras divides by at least (keras.backend.epsilon())."""


class Normalization(Layer):
    """Every channel shifted to mean 0 and scaled to variance 1, by numbers that do not depend on the image.

    >>> print(Normalization(mean=0.5, variance=0.25).equation((28, 28, 1)))
    out[y, x, c] = (in[y, x, c] − 0.5) / 0.5

    `mean` and `variance` are one number or one for each channel; without them the layer holds them
    as weights that were measured on the data, beside how many images they were measured on. `axis` is
    the one axis that keeps its own numbers (None: one mean for all). `invert` undoes it.
    """

    non_trainable = ("mean", "variance", "count")
    only_trained = ("mean", "variance")
    unread: ClassVar[dict[str, tuple[int, ...]]] = {"count": ()}

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.axis = () if axis in (None, ()) else axes_setting(axis, "Normalization: axis")
        if len(self.axis) > 1:
            raise SettingError(f"Normalization: one axis at most is supported, not {axis!r}")
        if (mean is None) != (variance is None):
            raise SettingError("Normalization: give both mean and variance, or neither")
        self._means = None if mean is None else _numbers(mean, "Normalization: mean")
        self._variances = (
            None if variance is None else _numbers(variance, "Normalization: variance")
        )
        self.mean, self.variance = _plain(self._means), _plain(self._variances)
        self.invert = flag(invert, "Normalization: invert")
        if self._variances is not None and min(self._variances) < 0:
            raise SettingError(f"Normalization: a variance is never negative, as in {variance!r}")

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        place = place_of(self.axis[0], shape, "Normalization: axis") if self.axis else -1
        axes = axes_of(shape, place)
        channel = axes[place] if self.axis else None
        mean, deviation = self._mean(channel, shape), self._deviation(channel, shape)
        x = source(shape)[axes]
        return Equation(axes, x * deviation + mean if self.invert else (x - mean) / deviation)

    def _mean(self, channel: Axis | None, shape: Shape) -> Expression:
        if self._means is None:
            return weight("mean")[() if channel is None else (channel,)]
        return _at(self._means, channel, shape)

    def _deviation(self, channel: Axis | None, shape: Shape) -> Expression:
        if self._variances is None:
            variance = weight("variance")[() if channel is None else (channel,)]
            return call(MAXIMUM, call(SQRT, variance), SMALLEST)
        return _at(tuple(max(v**0.5, SMALLEST) for v in self._variances), channel, shape)

    def initializers(self) -> dict[str, Initializer]:
        if self._means is not None:
            return {}
        return {"mean": zeros, "variance": ones, "count": zeros}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x = form.plain(inputs[0])
        rank = form.rank(inputs[0])
        after = rank - 1 - self.axis[0] % rank if self.axis else 0

        def lying(values: Any) -> Any:
            """Return one number for each channel so that they lie along their axis."""
            return values.reshape(*values.shape, *(1,) * after) if values.ndim else values

        if self._means is None or self._variances is None:
            mean = form.weight("mean", lying)
            deviation = form.weight("variance", lambda v: lying(_deviations(v)))
        else:
            roots = [max(v**0.5, SMALLEST) for v in self._variances]
            mean = form.constant(_nested(self._means, after))
            deviation = form.constant(_nested(roots, after))
        if self.invert:
            return Value(form.node("Add", form.node("Mul", x, deviation), mean))
        return Value(form.node("Div", form.node("Sub", x, mean), deviation))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(mean=(0.5, 0.25, 2), variance=(0.25, 2, 4)), ((5, 7, 3),))
        yield Sample(cls(axis=1, mean=(0.5, 1, 2), variance=(0.25, 2, 4)), ((3, 5, 7),))
        yield Sample(cls(axis=None, mean=0.5, variance=2.0), ((5, 7, 3),))
        yield Sample(cls(mean=(0.5, 0.25, 2), variance=(0.25, 2, 4), invert=True), ((5, 7, 3),))
        yield Sample(cls(), ((5, 7, 3),))


def _deviations(variances: Any) -> Any:
    """Return what an array of variances divides by, worked out once and in float32, as Keras does."""
    import numpy as np

    return np.maximum(np.sqrt(variances), np.float32(SMALLEST))


def _nested(values: Sequence[float], after: int) -> Any:
    """Return numbers as nested lists, with so many axes of size 1 after theirs; a single one as it is."""
    if len(values) == 1:
        return values[0]
    found: list[Any] = list(values)
    for _ in range(after):
        found = _deeper(found)
    return found


def _deeper(values: list[Any]) -> list[Any]:
    return [_deeper(v) if isinstance(v, list) else [v] for v in values]


def _plain(values: tuple[float, ...] | None) -> Any:
    return values[0] if values is not None and len(values) == 1 else values


def _at(values: tuple[float, ...], channel: Axis | None, shape: Shape) -> Expression:
    """Return the constant that holds at a channel."""
    if len(values) == 1:
        return as_expression(values[0])
    if channel is None or (is_known(channel.size) and channel.size != len(values)):
        raise ShapeError(
            f"Normalization: {len(values)} numbers are given, which do not fit the axis of an input "
            f"of shape {shape_text(shape)}"
        )
    return Pieces(channel, tuple(range(1, len(values) + 1)), tuple(map(as_expression, values)))


def _numbers(given: Any, what: str) -> tuple[float, ...]:
    if hasattr(given, "tolist"):
        given = given.tolist()
    while (
        isinstance(given, (list, tuple)) and len(given) == 1 and isinstance(given[0], (list, tuple))
    ):
        given = given[0]
    if isinstance(given, str) or not isinstance(given, Iterable):
        return (number(given, what),)
    values = tuple(number(v, f"{what}: every one") for v in given)
    if not values:
        raise SettingError(f"{what} must be a number, or one for each channel, not {given!r}")
    return values

"""The rectified linear unit, with all that Keras lets one change about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.layers.arguments import number
from convscope.layers.base import Form, Sample, Value
from convscope.layers.elementwise import Elementwise
from convscope.notation import Axis, Expression, Read, call
from convscope.notation.functions import Formula, Function


class ReLU(Elementwise):
    """Every number below 0 becomes 0; the shape stays as it is.

    >>> print(ReLU().equation((26, 26, 32)))
    out[y, x, c] = relu(in[y, x, c])
    >>> print(ReLU(max_value=6, negative_slope=0.1).equation((26, 26, 32)))
    out[y, x, c] = relu(in[y, x, c], negative_slope=0.1, max_value=6)

    Above `threshold` a number is kept, up to `max_value`; below it becomes
    negative_slope · (x − threshold). Keras's arguments, none of which may be negative. No weights.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.max_value = None if max_value is None else number(max_value, "ReLU: max_value", 0)
        self.negative_slope = number(negative_slope, "ReLU: negative_slope", 0)
        self.threshold = number(threshold, "ReLU: threshold", 0)

    def value(self, x: Read, axes: tuple[Axis, ...]) -> Expression:
        given: dict[str, float] = {}
        if not (self.threshold or self.negative_slope):  # of a NaN it is a NaN
            cut: Formula = ("max", "x", 0.0)
            if self.max_value is not None:
                given["max_value"] = self.max_value
                cut = ("min", cut, "max_value")
            return call(Function("relu", ("x", *given), cut), x, *given.values())
        above: Formula = "x"
        below: Formula = 0.0
        distance: Formula = "x"
        if self.threshold:
            given["threshold"] = self.threshold
            distance = ("sub", "x", "threshold")
        if self.negative_slope:
            given["negative_slope"] = self.negative_slope
            below = ("mul", "negative_slope", distance)
        if self.max_value is not None:
            given["max_value"] = self.max_value
            above = ("min", "x", "max_value")
        function = Function("relu", ("x", *given), ("select", distance, above, below))
        return call(function, x, *given.values())

    def emit(self, form: Form, x: Value) -> str:
        if not (self.threshold or self.negative_slope):
            if self.max_value is None:
                return form.node("Relu", x.name)
            bounds = form.constant(0.0), form.constant(self.max_value)
            return form.node("Clip", x.name, *bounds)
        above, below, distance = x.name, form.constant(0.0), x.name
        if self.threshold:
            distance = form.node("Sub", x.name, form.constant(self.threshold))
        if self.negative_slope:
            below = form.node("Mul", distance, form.constant(self.negative_slope))
        if self.max_value is not None:
            above = form.node("Min", x.name, form.constant(self.max_value))
        kept = form.node("Greater", distance, form.constant(0.0))
        return form.node("Where", kept, above, below)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4),))
        yield Sample(cls(6), ((3, 5, 4),))
        yield Sample(cls(0.75, 0.25, 0.5), ((3, 5, 4),))
        yield Sample(cls(negative_slope=0.1), ((7,),))

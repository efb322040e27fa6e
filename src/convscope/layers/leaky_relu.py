"""The leaky rectified linear unit (Maas et al., Rectifier Nonlinearities, 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.formulas import LEAKY_RELU
from convscope.errors import SettingError
from convscope.layers.arguments import number
from convscope.layers.base import Form, Sample, Value
from convscope.layers.elementwise import Elementwise
from convscope.notation import Axis, Expression, Read, call


class LeakyReLU(Elementwise):
    """Every number below 0 is made smaller instead of 0; the shape stays as it is.

    >>> print(LeakyReLU().equation((26, 26, 32)))
    out[y, x, c] = leaky_relu(in[y, x, c], negative_slope=0.3)

    Keras's argument, also under its older name `alpha`. No weights.
    """

    def __init__(self, negative_slope: float = 0.3, **common: Any) -> None:
        if "alpha" in common:
            if negative_slope != 0.3:
                raise SettingError("LeakyReLU: alpha is negative_slope's older name; give one")
            negative_slope = common.pop("alpha")
        super().__init__(**common)
        self.negative_slope = number(negative_slope, "LeakyReLU: negative_slope", 0)

    def value(self, x: Read, axes: tuple[Axis, ...]) -> Expression:
        return call(LEAKY_RELU, x, self.negative_slope)

    def emit(self, form: Form, x: Value) -> str:
        return form.node("LeakyRelu", x.name, alpha=self.negative_slope)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4),))
        yield Sample(cls(0.05), ((7,),))

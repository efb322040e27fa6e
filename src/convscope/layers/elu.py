"""The exponential linear unit (Clevert et al., 2015)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.formulas import ELU as FORMULA
from convscope.layers.arguments import number
from convscope.layers.base import Form, Sample, Value
from convscope.layers.elementwise import Elementwise
from convscope.notation import Axis, Expression, Read, call


class ELU(Elementwise):
    """Every x below 0 becomes alpha · (e^x − 1); the shape stays as it is.

    >>> print(ELU(0.5).equation((26, 26, 32)))
    out[y, x, c] = elu(in[y, x, c], alpha=0.5)

    Keras's argument. No weights.
    """

    def __init__(self, alpha: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.alpha = number(alpha, "ELU: alpha")

    def value(self, x: Read, axes: tuple[Axis, ...]) -> Expression:
        return call(FORMULA, x, self.alpha)

    def emit(self, form: Form, x: Value) -> str:
        return form.node("Elu", x.name, alpha=self.alpha)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4),))
        yield Sample(cls(0.5), ((7,),))

"""What training adds to a loss for large weights, as an equation of the weight.

>>> print(penalty((3, 3, 1, 32), l2=0.001))
penalty = 0.001 · (Σ a<3, b<3, c<1, d<32  weight[a, b, c, d] · weight[a, b, c, d])
"""

from __future__ import annotations

from convscope.notation import Axis, Equation, Expression, Sum, call, weight
from convscope.notation.expression import Number
from convscope.notation.functions import ABS
from convscope.notation.sizes import Shape

WEIGHT = "weight"
"""What the weight is called."""


def penalty(shape: Shape, l1: float = 0.0, l2: float = 0.0) -> Equation:
    """Return l1 · Σ |weight| + l2 · Σ weight², without what is 0."""
    axes = tuple(Axis(chr(ord("a") + n), size) for n, size in enumerate(shape))
    x = weight(WEIGHT)[axes]
    parts: list[Expression] = []
    for factor, of in ((l1, call(ABS, x)), (l2, x * x)):
        if factor:
            parts.append(factor * (Sum(*axes)(of) if axes else of))
    whole = parts[0] if parts else Number(0.0)
    for part in parts[1:]:
        whole = whole + part
    return Equation((), whole, "penalty")

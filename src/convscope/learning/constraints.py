"""Constraints: where a weight is put back after each step. Keras's names, arguments and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.layers.arguments import number
from convscope.learning.named import Configured, resolved

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

EPSILON = 1e-7


class Constraint(Configured):
    """Where a weight is put back."""

    def __call__(self, weight: Array) -> Array:
        """Return the weight as it may be."""
        raise NotImplementedError


class NonNeg(Constraint):
    """No number below 0.

    >>> NonNeg().config()
    {}
    """

    def __call__(self, weight: Array) -> Array:
        return weight * (weight >= 0)


class MaxNorm(Constraint):
    """Norms along some axes (0: those that feed one unit) no larger than a number.

    >>> MaxNorm(3).config()
    {'max_value': 3.0, 'axis': 0}
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = number(max_value, "MaxNorm: max_value", 0), axis

    def __call__(self, weight: Array) -> Array:
        norms = _norms(weight, self.axis)
        return weight * (norms.clip(0, self.max_value) / (EPSILON + norms))

    def config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(Constraint):
    """Norms along some axes equal to 1.

    >>> UnitNorm().config()
    {'axis': 0}
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, weight: Array) -> Array:
        return weight / (EPSILON + _norms(weight, self.axis))

    def config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms along some axes between two numbers; `rate` is how much of the way is gone at once.

    >>> MinMaxNorm().config()
    {'min_value': 0.0, 'max_value': 1.0, 'rate': 1.0, 'axis': 0}
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value = number(min_value, "MinMaxNorm: min_value", 0)
        self.max_value = number(max_value, "MinMaxNorm: max_value", 0)
        self.rate, self.axis = number(rate, "MinMaxNorm: rate", 0, 1), axis

    def __call__(self, weight: Array) -> Array:
        norms = _norms(weight, self.axis)
        wanted = self.rate * norms.clip(self.min_value, self.max_value) + (1 - self.rate) * norms
        return weight * (wanted / (EPSILON + norms))

    def config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value, "max_value": self.max_value, "rate": self.rate,
            "axis": self.axis,
        }  # fmt: skip


def _norms(weight: Array, axis: Any) -> Array:
    import numpy as np

    along = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    norms: Array = np.sqrt((weight * weight).sum(axis=along, keepdims=True))
    return norms


KINDS: dict[str, type[Constraint]] = {
    "max_norm": MaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm, "min_max_norm": MinMaxNorm
}  # fmt: skip


def get(given: Any, what: str) -> Constraint:
    """Return a constraint from its name, its config or itself; raises `SettingError`, by name."""
    return resolved(given, KINDS, Constraint, what, "constraint")

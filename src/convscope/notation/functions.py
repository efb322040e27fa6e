"""Named functions of numbers: a few primitives, and formulas over them.

The primitives are what a page's script and numpy must both know by name; everything else (relu, silu,
elu, …) is a formula of primitives, so it is stated once and travels with the equation.
"""

from __future__ import annotations

from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any, TypeAlias


Formula: TypeAlias = "Any"
"""A nested tuple: ("max", "x", 0.0); strings are parameters, floats numbers, first the function."""

PRIMITIVES = {
    "add": 2,
    "sub": 2,
    "mul": 2,
    "div": 2,
    "max": 2,
    "min": 2,
    "exp": 1,
    "log": 1,
    "log1p": 1,
    "sqrt": 1,
    "tanh": 1,
    "erf": 1,
    "abs": 1,
    "select": 3,
    "pow": 2,
    "at_least": 2,
    **dict.fromkeys(("sign", "floor", "ceil", "round"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan"), 1),
    **dict.fromkeys(("sinh", "cosh", "asinh", "acosh", "atanh"), 1),
}
"""Name to number of arguments.

select(x, a, b) is a where x > 0, else b; at_least(x, a) is 1 where x ≥ a, else 0 (of a NaN, 0). round goes to
the nearest whole number, halves to the even one.
"""


class Function(Record):
    """A name and, unless it is a primitive, its parameters and its formula.

    steep   of a curve of one number that stays within −1 … 1: its largest slope, where that is known
    taps    of a weight by distance, or of whether two numbers are the same: of places a step apart, how many it may
            be other than 0 at; it is 0 from half as far on
    """

    name: str
    parameters: tuple[str, ...]
    formula: Formula = None
    steep: float | None = None
    taps: int | None = None

    @property
    def primitive(self) -> bool:
        return self.formula is None


def _primitive(name: str) -> Function:
    return Function(name, ("x", "a", "b")[: PRIMITIVES[name]])


EXP, LOG, SQRT = _primitive("exp"), _primitive("log"), _primitive("sqrt")
MAXIMUM, MINIMUM, ABS = _primitive("max"), _primitive("min"), _primitive("abs")
SELECT, TANH, ERF = _primitive("select"), _primitive("tanh"), _primitive("erf")

POW, SIGN, FLOOR = _primitive("pow"), _primitive("sign"), _primitive("floor")
CEIL, ROUND, AT_LEAST = _primitive("ceil"), _primitive("round"), _primitive("at_least")

SAME = Function("same", ("x", "a"), ("mul", ("at_least", "x", "a"), ("at_least", "a", "x")))
"""1 where two numbers are equal, else 0: a NaN is equal to nothing, and an infinity to itself."""


def compute(function: Function, arguments: list[Any], numpy: Any) -> Any:
    """Return the function's value in float64; each argument a number or a numpy array."""
    if function.formula is None:
        return primitive(function.name, arguments, numpy)
    return _formula(function.formula, dict(zip(function.parameters, arguments, strict=True)), numpy)


def _formula(formula: Formula, given: dict[str, Any], np: Any) -> Any:
    if isinstance(formula, str):
        return given[formula]
    if isinstance(formula, (int, float)):
        return float(formula)
    name, *rest = formula
    return primitive(name, [_formula(part, given, np) for part in rest], np)


def primitive(name: str, values: list[Any], np: Any) -> Any:
    """Return the value of a primitive, in float64."""
    match name, values:
        case "add", [a, b]:
            return a + b
        case "sub", [a, b]:
            return a - b
        case "mul", [a, b]:
            return a * b
        case "div", [a, b]:
            return np.divide(a, b)
        case "max", [a, b]:
            return np.maximum(a, b)
        case "min", [a, b]:
            return np.minimum(a, b)
        case "select", [x, a, b]:
            return np.where(np.greater(x, 0), a, b)
        case "erf", [x]:
            return _erf(x, np)
        case "pow", [x, a]:
            return np.power(np.float64(x), a)
        case "at_least", [x, a]:
            return np.where(np.greater_equal(x, a), 1.0, 0.0)
        case (("asin" | "acos" | "atan" | "asinh" | "acosh" | "atanh"), [x]):
            return getattr(np, f"arc{name[1:]}")(x)
        case "round", [x]:
            return np.rint(x)
        case _, [x]:
            return getattr(np, name)(x)
    raise AssertionError(f"no primitive {name} of {len(values)} arguments")


def _erf(x: Any, np: Any) -> Any:
    from math import erf

    if np.ndim(x) == 0:
        return np.float64(erf(x))
    return np.array([erf(v) for v in np.ravel(x)]).reshape(np.shape(x))

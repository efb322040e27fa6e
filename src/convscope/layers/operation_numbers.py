"""Operations of keras.ops that treat every number by itself, or the numbers at one position of several tensors.

out[y, x, c] = √in[y, x, c]
out[y, x, k] = a[y, x, k] if c[y, x, k] is not 0, else b[y, x, k]
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.equations import formulas
from convscope.equations.stating import NoEquation
from convscope.layers.base import Form
from convscope.layers.operation_call import Called, StatedOperation
from convscope.notation import Equation, Expression, call
from convscope.notation.expression import Number
from convscope.notation.functions import ABS, AT_LEAST, EXP, LOG, POW, SELECT, SQRT, Function

BOOL, FLOAT = 9, 1
"""What ONNX calls them (TensorProto)."""


def _function(name: str) -> Function:
    return Function(name, ("x",))


# -- number by number -----------------------------------------------------------------------------

Combined = Callable[..., Expression]


def _numbers(combined: Combined, write: Callable[..., str], *options: str) -> StatedOperation:
    """Return an operation on the numbers at one position, with some of its options as further numbers."""

    def read(given: Called) -> list[float]:
        found = [given.options.get(name) for name in options]
        if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in found):
            raise NoEquation(f"its settings {given.options} are not numbers")
        return [float(v) for v in found if v is not None]

    def state(given: Called) -> Equation:
        axes = given.broadcast()
        return Equation(axes, combined(*given.operands(axes), *read(given)))

    def written(given: Called, form: Form, inputs: list[str]) -> str:
        numbers = [form.constant(v) for v in read(given)]
        return write(form, *given.names(form, inputs), *numbers)

    return StatedOperation(state, written, each=True)


def _one(op: str) -> Callable[..., str]:
    return lambda form, *names: form.node(op, *names)


def _named(name: str, op: str) -> StatedOperation:
    """Return an operation that is one primitive and one ONNX operator."""
    return _numbers(lambda x: call(_function(name), x), _one(op))


def _judged(op: str) -> Callable[..., str]:
    return lambda form, *names: form.node("Cast", form.node(op, *names), to=FLOAT)


def _true(form: Form, name: str) -> str:
    return form.node("Cast", name, to=BOOL)


def _logical(op: str) -> Callable[..., str]:
    return lambda form, *names: form.node(
        "Cast", form.node(op, *(_true(form, name) for name in names)), to=FLOAT
    )


def _gelu(given: Called) -> Function:
    return formulas.GELU_TANH if given.options.get("approximate", True) else formulas.GELU


def _inside(x: Expression, low: float, high: float) -> Expression:
    return call(
        Function("clip", ("x", "low", "high"), ("min", "high", ("max", "low", "x"))), x, low, high
    )


def _gelu_of(given: Called) -> Equation:
    axes = given.axes(given.shape)
    return Equation(axes, call(_gelu(given), given.tensors[0][axes]))


def _write_gelu(given: Called, form: Form, inputs: list[str]) -> str:
    how = "tanh" if given.options.get("approximate", True) else "none"
    return form.node("Gelu", *inputs, approximate=how)


def _power(given: Called) -> Equation:
    """A small whole power is a product, which no logarithm of a negative number stands in the way of."""
    axes = given.broadcast()
    base, exponent = given.operands(axes)
    value = exponent.value if isinstance(exponent, Number) else 0.0
    if value in (1.0, 2.0, 3.0, 4.0):
        found = base
        for _ in range(int(value) - 1):
            found = found * base
        return Equation(axes, found)
    return Equation(axes, call(SQRT, base) if value == 0.5 else call(POW, base, exponent))


def _unchanged(given: Called) -> Equation:
    axes = given.axes(given.shape)
    return Equation(axes, given.tensors[0][axes])


NUMBERS: dict[str, StatedOperation] = {
    "Negative": _numbers(lambda x: 0.0 - x, _one("Neg")),
    "Absolute": _numbers(lambda x: call(ABS, x), _one("Abs")),
    "Sqrt": _numbers(lambda x: call(SQRT, x), _one("Sqrt")),
    "Square": _numbers(lambda x: x * x, lambda form, x: form.node("Mul", x, x)),
    "Rsqrt": _numbers(
        lambda x: 1.0 / call(SQRT, x), lambda form, x: form.node("Reciprocal", form.node("Sqrt", x))
    ),
    "Reciprocal": _numbers(lambda x: 1.0 / x, _one("Reciprocal")),
    "Exp": _numbers(lambda x: call(EXP, x), _one("Exp")),
    "Log": _numbers(lambda x: call(LOG, x), _one("Log")),
    "Log1p": _numbers(
        lambda x: call(_function("log1p"), x),
        lambda form, x: form.node("Log", form.node("Add", x, form.constant(1.0))),
    ),
    **{
        name: _named(short, op)
        for name, short, op in (
            ("Sign", "sign", "Sign"), ("Floor", "floor", "Floor"), ("Ceil", "ceil", "Ceil"),
            ("Sin", "sin", "Sin"), ("Cos", "cos", "Cos"), ("Tan", "tan", "Tan"), ("Arcsin", "asin", "Asin"),
            ("Arccos", "acos", "Acos"), ("Arctan", "atan", "Atan"), ("Sinh", "sinh", "Sinh"),
            ("Cosh", "cosh", "Cosh"), ("Arcsinh", "asinh", "Asinh"), ("Arccosh", "acosh", "Acosh"),
            ("Arctanh", "atanh", "Atanh"), ("Erf", "erf", "Erf"),
        )
    },
    "Clip": _numbers(_inside, _one("Clip"), "x_min", "x_max"),
    "LeakyRelu": StatedOperation(
        lambda g: _of(g, formulas.LEAKY_RELU, "negative_slope"),
        lambda g, form, x: form.node("LeakyRelu", *x, alpha=float(g.options["negative_slope"])), True,
    ),
    "Elu": StatedOperation(
        lambda g: _of(g, formulas.ELU, "alpha"),
        lambda g, form, x: form.node("Elu", *x, alpha=float(g.options["alpha"])), True,
    ),
    "Celu": StatedOperation(
        lambda g: _of(g, formulas.CELU, "alpha"),
        lambda g, form, x: form.node("Celu", *x, alpha=float(g.options["alpha"])), True,
    ),
    "Gelu": StatedOperation(_gelu_of, _write_gelu, True),
    "Threshold": _numbers(
        lambda x, t, v: call(formulas.THRESHOLD, x, t, v),
        lambda form, x, t, v: form.node("Where", form.node("LessOrEqual", x, t), v, x),
        "threshold", "default_value",
    ),
    "Identity": StatedOperation(_unchanged, lambda g, form, x: form.node("Identity", *x), True),
    "Add": _numbers(lambda a, b: a + b, _one("Add")),
    "Subtract": _numbers(lambda a, b: a - b, _one("Sub")),
    "Multiply": _numbers(lambda a, b: a * b, _one("Mul")),
    "Divide": _numbers(lambda a, b: a / b, _one("Div")),
    "Power": StatedOperation(_power, lambda g, form, x: form.node("Pow", *g.names(form, x)), True),
    "SquaredDifference": _numbers(
        lambda a, b: (a - b) * (a - b),
        lambda form, a, b: form.node("Pow", form.node("Sub", a, b), form.constant(2.0)),
    ),
    "Greater": _numbers(lambda a, b: call(SELECT, a - b, 1.0, 0.0), _judged("Greater")),
    "GreaterEqual": _numbers(lambda a, b: call(AT_LEAST, a, b), _judged("GreaterOrEqual")),
    "Less": _numbers(lambda a, b: call(SELECT, b - a, 1.0, 0.0), _judged("Less")),
    "LessEqual": _numbers(lambda a, b: call(AT_LEAST, b, a), _judged("LessOrEqual")),
    "Equal": _numbers(lambda a, b: call(AT_LEAST, a, b) * call(AT_LEAST, b, a), _judged("Equal")),
    "NotEqual": _numbers(
        lambda a, b: 1.0 - call(AT_LEAST, a, b) * call(AT_LEAST, b, a),
        lambda form, a, b: form.node("Cast", form.node("Not", form.node("Equal", a, b)), to=FLOAT),
    ),
    "LogicalNot": _numbers(lambda a: call(SELECT, call(ABS, a), 0.0, 1.0), _logical("Not")),
    "LogicalAnd": _numbers(
        lambda a, b: call(SELECT, call(ABS, a) * call(ABS, b), 1.0, 0.0), _logical("And")
    ),
    "LogicalOr": _numbers(
        lambda a, b: call(SELECT, call(ABS, a) + call(ABS, b), 1.0, 0.0), _logical("Or")
    ),
    "Where": _numbers(
        lambda c, a, b: call(SELECT, call(ABS, c), a, b),
        lambda form, c, a, b: form.node("Where", _true(form, c), a, b),
    ),
}  # fmt: skip
NUMBERS["TrueDivide"] = NUMBERS["Divide"]


def _of(given: Called, function: Function, option: str) -> Equation:
    axes = given.axes(given.shape)
    return Equation(axes, call(function, given.tensors[0][axes], float(given.options[option])))

"""Operators that treat every number by itself, or the numbers at one position of several tensors.

out[n, c, y, x] = max(in[n, c, y, x], 0)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from convscope.aten.rule import Call, Given, NoEquation, Rule, Spelled, Write, axes_of, spelled
from convscope.equations import formulas
from convscope.notation import Equation, Expression, call
from convscope.notation.functions import (
    ABS,
    ERF,
    EXP,
    LOG,
    MAXIMUM,
    MINIMUM,
    SELECT,
    SQRT,
    TANH,
    Function,
)
from convscope.operators.activations import GELU_TANH

Of = Callable[[Call, Expression], Expression]

MOST_FACTORS = 8
"""Powers of more factors are not written out."""


def _each(of: Of, write: Callable[[Call, Write], str] | None = None) -> Rule:
    """Return the rule of an operator that treats every number by itself."""

    def state(given: Call) -> Equation:
        axes = axes_of(given.shape())
        return Equation(axes, of(given, given.read(None, *axes)))

    return Rule(state, write)


def _function(function: Function, onnx: str | None, **settings: object) -> Rule:
    def write(given: Call, form: Write) -> str:
        assert onnx is not None
        return form.node(onnx, form.input(given.first()), **settings)

    return _each(lambda given, x: call(function, x), write if onnx else None)


def _spelled(op: str, **settings: str) -> Rule:
    """Return the rule of an operator of one tensor that ONNX has, too; settings under their names there."""

    def spell(given: Call) -> Spelled:
        numbers = {
            name: given.number(ours) for name, ours in settings.items() if given[ours] is not None
        }
        return Spelled(op, (given.first(),), numbers)

    return spelled(spell)


# -- one tensor -----------------------------------------------------------------------------------


def _leaky(given: Call, x: Expression) -> Expression:
    slope = 0.01 if given["negative_slope"] is None else given.number("negative_slope")
    return call(formulas.LEAKY_RELU, x, slope)


def _gelu(given: Call, x: Expression) -> Expression:
    return call(formulas.GELU if given["approximate"] in (None, "none") else GELU_TANH, x)


def _write_gelu(given: Call, form: Write) -> str:
    kind = "tanh" if given["approximate"] == "tanh" else "none"
    return form.node("Gelu", form.input(given.first()), approximate=kind)


def _write_silu(given: Call, form: Write) -> str:
    x = form.input(given.first())
    return form.node("Mul", x, form.node("Sigmoid", x))


def _elu(given: Call, x: Expression) -> Expression:
    if (given["scale"], given["input_scale"]) != (1, 1):
        raise NoEquation("it is scaled")
    return call(formulas.ELU, x, given.number("alpha"))


def _clamp(given: Call, x: Expression) -> Expression:
    for name, function in (("min", MAXIMUM), ("max", MINIMUM)):
        bound = given[name] if name in given.settings else None
        if bound is not None:
            x = call(function, x, given.number(name))
        elif given.has(name):
            x = call(function, x, given.read(name))
    return x


def _write_clamp(given: Call, form: Write) -> str:
    x = form.input(given.first())
    for name, op in (("min", "Max"), ("max", "Min")):
        if given[name] is not None:
            x = form.node(op, x, form.number(given.number(name)))
        elif given.has(name):
            x = form.node(op, x, form.number(float(given.values(name)[0])))
    return x


def _between(low: float | str, high: float | str) -> Rule:
    """Return the rule of a number cut to bounds, which are settings or numbers."""

    def bounds(given: Call) -> tuple[float, float]:
        found = [given.number(b) if isinstance(b, str) else b for b in (low, high)]
        return found[0], found[1]

    def of(given: Call, x: Expression) -> Expression:
        least, most = bounds(given)
        if least == 0 and most == 6:
            return call(formulas.RELU6, x)
        return call(MINIMUM, call(MAXIMUM, x, least), most)

    def write(given: Call, form: Write) -> str:
        least, most = bounds(given)
        return form.node("Clip", form.input(given.first()), form.number(least), form.number(most))

    return _each(of, write)


def _softplus(given: Call, x: Expression) -> Expression:
    if given["beta"] not in (None, 1) or given["threshold"] not in (None, 20):
        raise NoEquation("its β or threshold is its own")
    return call(SELECT, x - 20.0, x, call(formulas.SOFTPLUS, x))


def _threshold(given: Call, x: Expression) -> Expression:
    return call(SELECT, x - given.number("threshold"), x, given.number("value"))


def _power(given: Call, x: Expression) -> Expression:
    if "exponent" not in given.settings and not isinstance(given.slots.get("exponent"), Given):
        raise NoEquation("its exponent is known only when it runs")
    exponent = (
        given.number("exponent")
        if "exponent" in given.settings
        else float(given.values("exponent")[0])
    )
    if exponent in (0.5, -0.5):
        root = call(SQRT, x)
        return root if exponent > 0 else 1.0 / root
    if exponent != int(exponent):
        return call(EXP, exponent * call(LOG, x))
    count = int(exponent)
    if not 1 <= abs(count) <= MOST_FACTORS:
        raise NoEquation(f"its exponent is {count}")
    product = reduce(lambda a, b: a * b, [x] * abs(count))
    return product if count > 0 else 1.0 / product


def _write_power(given: Call, form: Write) -> str:
    exponent = (
        given.number("exponent")
        if "exponent" in given.settings
        else float(given.values("exponent")[0])
    )
    return form.node("Pow", form.input(given.first()), form.number(exponent))


def _same(given: Call, form: Write) -> str:
    return form.node("Identity", form.input(given.first()))


def _unchanged(given: Call, x: Expression) -> Expression:
    return x


def _dropout(given: Call, x: Expression) -> Expression:
    if given["train"]:
        raise NoEquation("it is set to training")
    return x


# -- several tensors ------------------------------------------------------------------------------


def _pair(
    combine: Callable[[Expression, Expression], Expression], onnx: str, turned: bool = False
) -> Rule:
    """Return the rule of an operator of two numbers at one position; tensors are broadcast.

    turned   whether the second comes first (rsub)
    """

    def state(given: Call) -> Equation:
        if given["rounding_mode"] is not None:
            raise NoEquation("it rounds")
        axes = given.together("self", "other")
        a, b = given.spread("self", axes), given.spread("other", axes)
        factor = given["alpha"]
        if factor not in (None, 1):
            b, a = (b, given.number("alpha") * a) if turned else (given.number("alpha") * b, a)
        return Equation(axes, combine(b, a) if turned else combine(a, b))

    def write(given: Call, form: Write) -> str:
        values = [
            form.input(name) if given.has(name) else form.number(given.number(name))
            for name in ("self", "other")
        ]
        if given["alpha"] not in (None, 1):
            place = 0 if turned else 1
            values[place] = form.node("Mul", values[place], form.number(given.number("alpha")))
        return form.node(onnx, *(reversed(values) if turned else values))

    return Rule(state, write)


def _prelu(given: Call) -> Equation:
    axes = axes_of(given.shape())
    x = given.read("self", *axes)
    slopes = given.shape("weight")
    at = axes[1] if len(axes) > 1 and slopes[0] != 1 else 0
    return Equation(axes, call(SELECT, x, x, given.read("weight", at) * x))


def _write_prelu(given: Call, form: Write) -> str:
    rank = len(given.shape())
    slope = form.node("Reshape", form.input("weight"), form.whole(-1, *(1,) * max(rank - 2, 0)))
    return form.node("PRelu", form.input("self"), slope)


def _copy(given: Call) -> Equation:
    """What is copied into a tensor, broadcast to its shape."""
    if given.wanted is None:
        raise NoEquation("its shape is known only when it runs")
    axes = axes_of(given.wanted)
    return Equation(axes, given.spread("src", axes))


def _choice(condition: str, yes: str, no: str) -> Callable[[Call], Equation]:
    """Return what states: `yes` where a condition that is known holds, else `no`."""

    def state(given: Call) -> Equation:
        axes = given.together(condition, yes, no)
        chosen = call(
            SELECT,
            given.spread(condition, axes),
            given.spread(yes, axes),
            given.spread(no, axes),
        )
        return Equation(axes, chosen)

    return state


def _writes_choice(condition: str, yes: str, no: str) -> Callable[[Call, Write], str]:
    def write(given: Call, form: Write) -> str:
        either = [
            form.input(name) if given.has(name) else form.number(given.number(name))
            for name in (yes, no)
        ]
        where = form.node("Greater", form.input(condition), form.number(0.0))
        return form.node("Where", where, *either)

    return write


def _glu(given: Call) -> Equation:
    shape = given.shape()
    place = given.axis("dim", default=-1)
    half = shape[place] // 2
    axes = axes_of([half if n == place else s for n, s in enumerate(shape)])
    behind = [a + half if n == place else a for n, a in enumerate(axes)]
    gate = call(formulas.SIGMOID, given.read(None, *behind))
    return Equation(axes, given.read(None, *axes) * gate)


def _write_negative(given: Call, form: Write) -> str:
    return form.node("Neg", form.input(given.first()))


def _write_square(given: Call, form: Write) -> str:
    x = form.input(given.first())
    return form.node("Mul", x, x)


def _write_rsqrt(given: Call, form: Write) -> str:
    return form.node("Reciprocal", form.node("Sqrt", form.input(given.first())))


def _write_glu(given: Call, form: Write) -> str:
    place = given.axis("dim", default=-1)
    half = int(given.shape()[place]) // 2
    axis = form.whole(place)
    x = form.input(given.first())
    front = form.node("Slice", x, form.whole(0), form.whole(half), axis)
    behind = form.node("Slice", x, form.whole(half), form.whole(2 * half), axis)
    return form.node("Mul", front, form.node("Sigmoid", behind))


_ADD = _pair(lambda a, b: a + b, "Add")
_SUB = _pair(lambda a, b: a - b, "Sub")
_MUL = _pair(lambda a, b: a * b, "Mul")
_DIV = _pair(lambda a, b: a / b, "Div")
_LARGER = _pair(lambda a, b: call(MAXIMUM, a, b), "Max")
_SMALLER = _pair(lambda a, b: call(MINIMUM, a, b), "Min")
_SAME = _each(_unchanged, _same)
_POWER = _each(_power, _write_power)

RULES = {
    "relu": _function(formulas.RELU, "Relu"),
    "relu6": _between(0.0, 6.0),
    "hardtanh": _between("min_val", "max_val"),
    "sigmoid": _function(formulas.SIGMOID, "Sigmoid"),
    "log_sigmoid": _function(formulas.LOG_SIGMOID, "LogSigmoid"),
    "tanh": _function(TANH, "Tanh"),
    "silu": _each(lambda given, x: call(formulas.SILU, x), _write_silu),
    "mish": _function(formulas.MISH, "Mish"),
    "hardswish": _function(formulas.HARD_SILU, "HardSwish"),
    "hardsigmoid": _function(formulas.HARD_SIGMOID, "HardSigmoid", alpha=1 / 6, beta=0.5),
    "gelu": _each(_gelu, _write_gelu),
    "leaky_relu": _each(
        _leaky,
        lambda given, form: form.node(
            "LeakyRelu",
            form.input(given.first()),
            alpha=0.01 if given["negative_slope"] is None else given.number("negative_slope"),
        ),
    ),
    "elu": _each(
        _elu,
        lambda given, form: form.node(
            "Elu", form.input(given.first()), alpha=given.number("alpha")
        ),
    ),
    "selu": _function(formulas.SELU, "Selu"),
    "celu": _spelled("Celu", alpha="alpha"),
    "softplus": _each(
        _softplus, lambda given, form: form.node("Softplus", form.input(given.first()))
    ),
    "threshold": _each(_threshold),
    "hardshrink": _each(lambda given, x: call(formulas.HARD_SHRINK, x, given.number("lambd"))),
    "softshrink": _each(lambda given, x: call(formulas.SOFT_SHRINK, x, given.number("lambd"))),
    "exp": _function(EXP, "Exp"),
    "log": _function(LOG, "Log"),
    "sqrt": _function(SQRT, "Sqrt"),
    "erf": _function(ERF, "Erf"),
    "abs": _function(ABS, "Abs"),
    "neg": _each(lambda given, x: 0.0 - x, _write_negative),
    "square": _each(lambda given, x: x * x, _write_square),
    "rsqrt": _each(lambda given, x: 1.0 / call(SQRT, x), _write_rsqrt),
    "reciprocal": _each(
        lambda given, x: 1.0 / x,
        lambda given, form: form.node("Reciprocal", form.input(given.first())),
    ),
    "clamp": _each(_clamp, _write_clamp),
    "clip": _each(_clamp, _write_clamp),
    "clamp_min": _each(_clamp, _write_clamp),
    "clamp_max": _each(_clamp, _write_clamp),
    "pow": _POWER,
    "dropout": _each(_dropout, _same),
    "feature_dropout": _each(_dropout, _same),
    "alpha_dropout": _each(_dropout, _same),
    **{
        name: _SAME for name in ("identity", "clone", "contiguous", "detach", "alias", "lift_fresh")
    },
    "add": _ADD,
    "sub": _SUB,
    "subtract": _SUB,
    "mul": _MUL,
    "multiply": _MUL,
    "div": _DIV,
    "divide": _DIV,
    "true_divide": _DIV,
    "rsub": _pair(lambda a, b: a - b, "Sub", turned=True),
    "maximum": _LARGER,
    "minimum": _SMALLER,
    "prelu": Rule(_prelu, _write_prelu),
    "glu": Rule(_glu, _write_glu),
    "copy": Rule(_copy),
    "where": Rule(
        _choice("condition", "self", "other"), _writes_choice("condition", "self", "other")
    ),
    "masked_fill": Rule(_choice("mask", "value", "self"), _writes_choice("mask", "value", "self")),
}

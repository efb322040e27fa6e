"""Operators that treat every number by itself, or the numbers at one position of several tensors.

out[n, c, y, x] = max(in[n, c, y, x], 0)
"""

from __future__ import annotations

import math
from collections.abc import Callable

from convscope.aten.rule import Call, NoEquation, Rule, Spelled, Write, axes_of, spelled
from convscope.equations import formulas
from convscope.equations.pointwise import (
    EQUAL,
    chosen,
    power,
    truncated,
)
from convscope.notation import Axis, Equation, Expression, call
from convscope.notation.expression import Number
from convscope.notation.functions import (
    ABS,
    ERF,
    EXP,
    FLOOR,
    LOG,
    MAXIMUM,
    MINIMUM,
    ROUND,
    SELECT,
    SQRT,
    TANH,
    Function,
)
from convscope.operators.elements import ALL, FLOATS, NUMBERS, TRUTH, Kind

Of = Callable[[Call, Expression], Expression]

_Written = Callable[[Call, Write], str]


def each_number(of: Of, write: _Written | None = None, takes: frozenset[Kind] = FLOATS) -> Rule:
    """Return the rule of an operator that treats every number by itself; settings without an equation are not written."""

    def state(given: Call) -> Equation:
        axes = axes_of(given.shape())
        return Equation(axes, of(given, given.read(None, *axes)))

    def written(given: Call, form: Write) -> str:
        assert write is not None
        of(given, Number(0.0))
        return write(given, form)

    return Rule(state, None if write is None else written, takes)


def _function(
    function: Function, *onnx: str, takes: frozenset[Kind] = FLOATS, **settings: object
) -> Rule:
    """Return the rule of a function, which ONNX operators one after another compute."""

    def write(given: Call, form: Write) -> str:
        x = form.input(given.first())
        for op in onnx:
            x = form.node(op, x, **settings)
        return x

    return each_number(lambda given, x: call(function, x), write if onnx else None, takes)


def _named(name: str) -> Rule:
    """Return the rule of a primitive that ONNX calls alike."""
    return _function(Function(name, ("x",)), name.capitalize())


def _spelled(op: str, **settings: str) -> Rule:
    """Return the rule of an operator of one tensor that ONNX has, too; settings under their names there."""

    def spell(given: Call) -> Spelled:
        numbers = {
            name: given.number(ours) for name, ours in settings.items() if given[ours] is not None
        }
        return Spelled(op, (given.first(),), numbers)

    return spelled(spell)


# -- one tensor -----------------------------------------------------------------------------------


def _slope(given: Call) -> float:
    """Return by what leaky_relu multiplies what is below 0; rrelu, which draws it in training, takes the middle."""
    if given.op == "rrelu":
        if given["training"]:
            raise NoEquation("it is set to training")
        return (given.number("lower") + given.number("upper")) / 2
    return 0.01 if given["negative_slope"] is None else given.number("negative_slope")


_LEAKY = each_number(
    lambda given, x: call(formulas.LEAKY_RELU, x, _slope(given)),
    lambda given, form: form.node("LeakyRelu", form.input(given.first()), alpha=_slope(given)),
)


def _gelu(given: Call, x: Expression) -> Expression:
    return call(formulas.GELU if given["approximate"] in (None, "none") else formulas.GELU_TANH, x)


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


def _clamp(given: Call) -> Equation:
    axes = given.together(given.first(), "min", "max")
    x = given.spread(given.first(), axes)
    for name, function in (("min", MAXIMUM), ("max", MINIMUM)):
        if given[name] is not None or given.has(name):
            x = call(function, x, given.spread(name, axes))
    return Equation(axes, x)


def _write_clamp(given: Call, form: Write) -> str:
    x = form.input(given.first())
    for name, op in (("min", "Max"), ("max", "Min")):
        if given[name] is not None or given.has(name):
            x = form.node(op, x, *numbers_of(given, form, name))
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

    return each_number(of, write)


def _steepness(given: Call) -> tuple[float, float]:
    """Return a softplus's β, and the β·x from which on it gives x."""
    named = (("beta", 1.0), ("threshold", 20.0))
    beta, edge = (usual if given[n] is None else given.number(n) for n, usual in named)
    if not beta:
        raise NoEquation("its β is 0")
    return beta, edge


def _softplus(given: Call, x: Expression) -> Expression:
    beta, edge = _steepness(given)
    steep = x if beta == 1 else beta * x
    soft = call(formulas.SOFTPLUS, steep)
    return call(SELECT, steep - edge, x, soft if beta == 1 else soft / beta)


def _write_softplus(given: Call, form: Write) -> str:
    beta, edge = _steepness(given)
    x = form.input(given.first())
    steep = x if beta == 1 else form.node("Mul", x, form.number(beta))
    soft = form.node("Softplus", steep)
    if beta != 1:
        soft = form.node("Div", soft, form.number(beta))
    if beta == 1 and edge == 20 and given.dtype != "float64":  # both are equal from there on
        return soft
    return form.node("Where", form.node("Greater", steep, form.number(edge)), x, soft)


def _threshold(given: Call, x: Expression) -> Expression:
    return call(formulas.THRESHOLD, x, given.number("threshold"), given.number("value"))


def _write_threshold(given: Call, form: Write) -> str:
    x = form.input(given.first())
    below = form.node("LessOrEqual", x, form.number(given.number("threshold")))
    return form.node("Where", below, form.number(given.number("value")), x)


def _write_shrink(given: Call, form: Write) -> str:
    edge = given.number("lambd")
    x = form.input(given.first())  # ONNX's own Shrink makes 0 of a NaN
    if given.op == "softshrink":
        return form.node("Sub", x, form.node("Clip", x, form.number(-edge), form.number(edge)))
    small = form.node("LessOrEqual", form.node("Abs", x), form.number(edge))
    return form.node("Where", small, form.number(0.0), x)


_SIGN_OF = Function("sign", ("x",), ("sub", ("at_least", "x", 0.0), ("at_least", 0.0, "x")))
"""PyTorch's sign, which is 0 of a NaN; elsewhere that is a NaN."""


def _write_sign(given: Call, form: Write) -> str:
    x = form.input(given.first())
    return form.node("Where", form.node("IsNaN", x), form.number(0.0), form.node("Sign", x))


def _rounded(given: Call, x: Expression) -> Expression:
    places: int = given["decimals"] or 0
    tens: float = 10.0 ** abs(places)
    if places < 0:
        return tens * call(ROUND, x / tens)
    return call(ROUND, tens * x) / tens if places else call(ROUND, x)


def _write_rounded(given: Call, form: Write) -> str:
    x, places = form.input(given.first()), given["decimals"] or 0
    if not places:
        return form.node("Round", x)
    tens, ops = form.number(10.0 ** abs(places)), ("Mul", "Div") if places > 0 else ("Div", "Mul")
    return form.node(ops[1], form.node("Round", form.node(ops[0], x, tens)), tens)


def _write_frac(given: Call, form: Write) -> str:
    x = form.input(given.first())
    return form.node("Sub", x, write_truncated(form, x))


def _logarithm(base: float) -> Rule:
    whole = math.log(base)
    return each_number(
        lambda given, x: call(LOG, x) / whole,
        lambda given, form: form.node(
            "Div", form.node("Log", form.input(given.first())), form.number(whole)
        ),
    )


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
    combine: Callable[[Expression, Expression], Expression],
    onnx: str,
    turned: bool = False,
    takes: frozenset[Kind] = NUMBERS,
) -> Rule:
    """Return the rule of an operator of two numbers at one position; tensors are broadcast.

    turned   whether the second comes first (rsub)
    """

    def state(given: Call) -> Equation:
        axes, a, b = both_numbers(given)
        factor = given["alpha"]
        if factor not in (None, 1):
            b, a = (b, given.number("alpha") * a) if turned else (given.number("alpha") * b, a)
        return Equation(axes, combine(b, a) if turned else combine(a, b))

    def write(given: Call, form: Write) -> str:
        values = numbers_of(given, form, "self", "other")
        if given["alpha"] not in (None, 1):
            place = 0 if turned else 1
            values[place] = form.node("Mul", values[place], form.number(given.number("alpha")))
        return form.node(onnx, *(reversed(values) if turned else values))

    return Rule(state, write, takes)


def both_numbers(
    given: Call, second: str = "other"
) -> tuple[tuple[Axis, ...], Expression, Expression]:
    """Return the axes of two tensors, or a tensor and a number, and the number of each at a position."""
    axes = given.together("self", second)
    return axes, given.spread("self", axes), given.spread(second, axes)


def numbers_of(given: Call, form: Write, *names: str) -> list[str]:
    """Return tensors, or numbers in their place, as they are written."""
    return [form.input(n) if given.has(n) else form.number(given.number(n)) for n in names]


def _divided(given: Call) -> Equation:
    """aten::div, whole where it is told how to round."""
    axes, a, b = both_numbers(given)
    match given["rounding_mode"]:
        case "floor":
            return Equation(axes, call(FLOOR, a / b))
        case "trunc":
            return Equation(axes, truncated(a / b))
    return Equation(axes, a / b)


def _write_divided(given: Call, form: Write) -> str:
    value = form.node("Div", *numbers_of(given, form, "self", "other"))
    match given["rounding_mode"]:
        case "floor":
            return form.node("Floor", value)
        case "trunc":
            return write_truncated(form, value)
    return value


def write_truncated(form: Write, x: str) -> str:
    """Write a number without what is behind its point."""
    down, up = form.node("Floor", x), form.node("Ceil", x)
    return form.node("Where", form.node("Greater", x, form.number(0.0)), down, up)


def _floor_divided(given: Call) -> Equation:
    axes, a, b = both_numbers(given)
    return Equation(axes, call(FLOOR, a / b))


def _remainder(given: Call) -> Equation:
    """aten::remainder with the sign of the divisor, aten::fmod with that of the number."""
    axes, a, b = both_numbers(given)
    times = truncated(a / b) if given.op == "fmod" else call(FLOOR, a / b)
    return Equation(axes, a - b * times)


def _write_remainder(given: Call, form: Write) -> str:
    a, b = numbers_of(given, form, "self", "other")
    left = form.node("Mod", a, b, fmod=1)
    if given.op == "fmod":
        return left
    signs = form.node("Mul", form.node("Sign", left), form.node("Sign", b))
    opposed = form.node("Less", signs, form.number(0.0))
    return form.node("Where", opposed, form.node("Add", left, b), left)


def _power(given: Call) -> Equation:
    axes, x, exponent = both_numbers(given, "exponent")
    return Equation(axes, power(x, exponent.value if isinstance(exponent, Number) else exponent))


def _write_power(given: Call, form: Write) -> str:
    if given["exponent"] in (0.5, -0.5):  # the root of −∞, which is none, ONNX's Pow makes ∞
        root = form.node("Sqrt", form.input("self"))
        return root if given["exponent"] > 0 else form.node("Reciprocal", root)
    return form.node("Pow", *numbers_of(given, form, "self", "exponent"))


def _combined(given: Call) -> Equation:
    """aten::addcmul, addcdiv and lerp: a number and a share of two others."""
    names = ("end", "weight") if given.op == "lerp" else ("tensor1", "tensor2")
    axes = given.together("self", *names)
    x, a, b = (given.spread(name, axes) for name in ("self", *names))
    if given.op == "lerp":
        return Equation(axes, x + b * (a - x))
    part = a * b if given.op == "addcmul" else a / b
    value = given["value"]
    return Equation(axes, x + (part if value in (None, 1) else float(value) * part))


def _write_combined(given: Call, form: Write) -> str:
    names = ("end", "weight") if given.op == "lerp" else ("tensor1", "tensor2")
    x, a, b = numbers_of(given, form, "self", *names)
    if given.op == "lerp":
        return form.node("Add", x, form.node("Mul", b, form.node("Sub", a, x)))
    part = form.node("Mul" if given.op == "addcmul" else "Div", a, b)
    if given["value"] not in (None, 1):
        part = form.node("Mul", form.number(float(given["value"])), part)
    return form.node("Add", x, part)


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


def _write_copy(given: Call, form: Write) -> str:
    return form.node("Expand", form.input("src"), form.whole(*map(int, given.wanted or ())))


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


def _together(given: Call) -> Equation:
    """aten::logaddexp: log(exp a + exp b), from the larger of them on; of two that are alike they are 0 apart, infinite ones too."""
    axes, a, b = both_numbers(given)
    away = chosen(call(EQUAL, a, b), 0.0, call(ABS, a - b))
    return Equation(
        axes, call(MAXIMUM, a, b) + call(Function("log1p", ("x",)), call(EXP, 0.0 - away))
    )


def _write_together(given: Call, form: Write) -> str:
    a, b = numbers_of(given, form, "self", "other")
    away = form.node("Abs", form.node("Sub", a, b))
    away = form.node("Where", form.node("Equal", a, b), form.number(0.0), away)
    less = form.node("Exp", form.node("Neg", away))
    more = form.node("Log", form.node("Add", less, form.number(1.0)))
    return form.node("Add", form.node("Max", a, b), more)


_TURNS = {"deg2rad": math.pi / 180, "rad2deg": 180 / math.pi}

_ADD = _pair(lambda a, b: a + b, "Add")
_SUB = _pair(lambda a, b: a - b, "Sub")
_MUL = _pair(lambda a, b: a * b, "Mul", takes=NUMBERS | TRUTH)
_DIV = Rule(_divided, _write_divided, NUMBERS)
_LARGER = _pair(lambda a, b: call(MAXIMUM, a, b), "Max")
_SMALLER = _pair(lambda a, b: call(MINIMUM, a, b), "Min")
_SAME = each_number(_unchanged, _same, ALL)


RULES = {
    "relu": _function(formulas.RELU, "Relu", takes=NUMBERS),
    "relu6": _between(0.0, 6.0),
    "hardtanh": _between("min_val", "max_val"),
    "sigmoid": _function(formulas.SIGMOID, "Sigmoid"),
    "log_sigmoid": _function(formulas.LOG_SIGMOID, "Neg", "Softplus", "Neg"),
    "tanh": _function(TANH, "Tanh"),
    "silu": each_number(lambda given, x: call(formulas.SILU, x), _write_silu),
    "mish": _function(formulas.MISH, "Mish"),
    "hardswish": _function(formulas.HARD_SILU, "HardSwish"),
    "hardsigmoid": _function(formulas.HARD_SIGMOID, "HardSigmoid", alpha=1 / 6, beta=0.5),
    "gelu": each_number(_gelu, _write_gelu),
    "leaky_relu": _LEAKY,
    "rrelu": _LEAKY,
    "elu": each_number(
        _elu,
        lambda given, form: form.node(
            "Elu", form.input(given.first()), alpha=given.number("alpha")
        ),
    ),
    "selu": _function(formulas.SELU, "Selu"),
    "celu": _spelled("Celu", alpha="alpha"),
    "softplus": each_number(_softplus, _write_softplus),
    "threshold": each_number(_threshold, _write_threshold),
    "hardshrink": each_number(
        lambda given, x: call(formulas.HARD_SHRINK, x, given.number("lambd")), _write_shrink
    ),
    "softshrink": each_number(
        lambda given, x: call(formulas.SOFT_SHRINK, x, given.number("lambd")), _write_shrink
    ),
    "exp": _function(EXP, "Exp"),
    "log": _function(LOG, "Log"),
    "sqrt": _function(SQRT, "Sqrt"),
    "erf": _function(ERF, "Erf"),
    "abs": _function(ABS, "Abs", takes=NUMBERS),
    "neg": each_number(lambda given, x: 0.0 - x, _write_negative, NUMBERS),
    "square": each_number(lambda given, x: x * x, _write_square, NUMBERS),
    "sign": each_number(lambda given, x: call(_SIGN_OF, x), _write_sign, NUMBERS),
    "sgn": each_number(lambda given, x: call(_SIGN_OF, x), _write_sign, NUMBERS),
    **{
        name: _named(name)
        for name in (
            "floor",
            "ceil",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "asinh",
            "acosh",
            "atanh",
        )
    },
    "round": each_number(_rounded, _write_rounded),
    "logaddexp": Rule(_together, _write_together),
    **{
        name: each_number(
            lambda given, x: _TURNS[given.op] * x,
            lambda given, form: form.node(
                "Mul", form.input(given.first()), form.number(_TURNS[given.op])
            ),
        )
        for name in ("deg2rad", "rad2deg")
    },
    "trunc": each_number(
        lambda given, x: truncated(x),
        lambda given, form: write_truncated(form, form.input(given.first())),
    ),
    "frac": each_number(lambda given, x: x - truncated(x), _write_frac),
    "expm1": each_number(
        lambda given, x: call(EXP, x) - 1.0,
        lambda given, form: form.node(
            "Sub", form.node("Exp", form.input(given.first())), form.number(1.0)
        ),
    ),
    "log1p": each_number(
        lambda given, x: call(Function("log1p", ("x",)), x),
        lambda given, form: form.node(
            "Log", form.node("Add", form.input(given.first()), form.number(1.0))
        ),
    ),
    "log2": _logarithm(2.0),
    "log10": _logarithm(10.0),
    "exp2": each_number(
        lambda given, x: call(EXP, math.log(2.0) * x),
        lambda given, form: form.node("Pow", form.number(2.0), form.input(given.first())),
    ),
    "rsqrt": each_number(lambda given, x: 1.0 / call(SQRT, x), _write_rsqrt),
    "reciprocal": each_number(
        lambda given, x: 1.0 / x,
        lambda given, form: form.node("Reciprocal", form.input(given.first())),
    ),
    **{
        name: Rule(_clamp, _write_clamp, NUMBERS)
        for name in ("clamp", "clip", "clamp_min", "clamp_max")
    },
    "pow": Rule(_power, _write_power, NUMBERS),
    "floor_divide": Rule(
        _floor_divided,
        lambda given, form: form.node(
            "Floor", form.node("Div", *numbers_of(given, form, "self", "other"))
        ),
        NUMBERS,
    ),
    "remainder": Rule(_remainder, _write_remainder, NUMBERS),
    "fmod": Rule(_remainder, _write_remainder, NUMBERS),
    **{name: Rule(_combined, _write_combined) for name in ("addcmul", "addcdiv", "lerp")},
    "dropout": each_number(_dropout, _same),
    "feature_dropout": each_number(_dropout, _same),
    "alpha_dropout": each_number(_dropout, _same),
    **{name: _SAME for name in ("identity", "clone", "contiguous", "detach", "alias")},
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
    "copy": Rule(_copy, _write_copy, ALL),
}

"""Operators that treat every number by itself, and those that weigh it against others of its row.

out[n, c, y, x] = max(in[n, c, y, x], 0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convscope.equations import formulas
from convscope.equations.formulas import SIGMOID
from convscope.equations.pointwise import EQUAL
from convscope.equations.stating import NoEquation
from convscope.notation import Equation, Expression, call, local
from convscope.notation.expression import Place, Reduction
from convscope.notation.functions import (
    ABS,
    ERF,
    EXP,
    LOG,
    MAXIMUM,
    MINIMUM,
    ROUND,
    SELECT,
    SQRT,
    TANH,
    Function,
)
from convscope.notation.sizes import LARGEST
from convscope.operators.elements import FLOATS, NUMBERS, Kind
from convscope.operators.rule import Given, Node, Rule, spread

Of = Callable[[Node, Expression], Expression]


def _each(of: Of, takes: frozenset[Kind] = FLOATS) -> Rule:
    """Return the rule of an operator that treats every number by itself."""

    def state(node: Node) -> Equation:
        axes = node.layout.axes(node.shape())
        return Equation(axes, of(node, node.read(0, *axes)))

    return Rule(state, takes=takes)


def _plain(function: Function) -> Of:
    return lambda node, x: call(function, x)


def _leaky(node: Node, x: Expression) -> Expression:
    return call(formulas.LEAKY_RELU, x, node.number("alpha", 0.01))


def _elu(node: Node, x: Expression) -> Expression:
    return call(formulas.ELU, x, node.number("alpha", 1.0))


def _celu(node: Node, x: Expression) -> Expression:
    alpha = node.number("alpha", 1.0)
    if alpha == 0:
        raise NoEquation("it divides by alpha = 0")
    return call(formulas.CELU, x, alpha)


def _selu(node: Node, x: Expression) -> Expression:
    alpha = node.number("alpha", formulas.SELU_ALPHA)
    gamma = node.number("gamma", formulas.SELU_SCALE)
    known = abs(alpha - formulas.SELU_ALPHA), abs(gamma - formulas.SELU_SCALE)
    if max(known) < 1e-6:  # a file has them in float32
        return call(formulas.SELU, x)
    below = alpha * call(EXP, call(MINIMUM, x, 0.0)) - alpha
    return gamma * call(SELECT, x, x, below)


def _hard_sigmoid(node: Node, x: Expression) -> Expression:
    line = node.number("alpha", 0.2) * x + node.number("beta", 0.5)
    return call(MAXIMUM, 0.0, call(MINIMUM, 1.0, line))


def _swish(node: Node, x: Expression) -> Expression:
    alpha = node.number("alpha", 1.0)
    return call(formulas.SILU, x) if alpha == 1.0 else x * call(SIGMOID, alpha * x)


def _gelu(node: Node, x: Expression) -> Expression:
    exact = node.text("approximate", "none", ("none", "tanh")) == "none"
    return call(formulas.GELU if exact else formulas.GELU_TANH, x)


def _thresholded(node: Node, x: Expression) -> Expression:
    return call(SELECT, x - node.number("alpha", 1.0), x, 0.0)


def _shrink(node: Node, x: Expression) -> Expression:
    bias, edge = node.number("bias", 0.0), node.number("lambd", 0.5)
    if edge < 0:
        raise NoEquation("its threshold is negative")
    low = call(SELECT, 0.0 - x - edge, x + bias, 0.0)
    return call(SELECT, x - edge, x - bias, low)


def clip(node: Node) -> Equation:
    axes = node.layout.axes(node.shape())
    value = node.read(0, *axes)
    for place, name, function in ((1, "min", MAXIMUM), (2, "max", MINIMUM)):
        if name in node.attributes:
            value = call(function, value, node.number(name, 0.0))
        elif node.has(place):
            slot = node.slot(place)
            if isinstance(slot, Given) and len(slot.values) != 1:
                raise NoEquation(f"its {name} is no single number")
            bound = node.read(place)
            value = call(function, value, bound)
    return Equation(axes, value)


def prelu(node: Node) -> Equation:
    axes = node.layout.axes(node.shape())
    x = node.read(0, *axes)
    if len(node.shape(1)) > len(axes):
        raise NoEquation("its slopes have more axes than its input")
    return Equation(axes, call(SELECT, x, x, spread(node, 1, axes) * x))


def hardmax(node: Node) -> Equation:
    """1 where the largest number of a row is, the first of several, and else 0."""
    shape = node.shape()
    axes = node.layout.axes(shape)
    newer = node.opset >= 13
    place = node.axis(node.whole("axis", -1 if newer else 1, -LARGEST), len(shape))
    if not newer and place != len(shape) - 1:
        raise NoEquation("it takes several axes as one row")
    k = axes[place].like("k", axes[place].size)
    at = tuple(k if n == place else axis for n, axis in enumerate(axes))
    stays = tuple(axis for n, axis in enumerate(axes) if n != place)
    first = local("first", stays, Reduction("first", (k,), node.read(0, *at)))
    return Equation(axes, call(EQUAL, first[stays], Place(axes[place])))


def _over_a_row(node: Node, logarithm: bool) -> Equation:
    shape = node.shape()
    axes = node.layout.axes(shape)
    if not axes:
        raise NoEquation("its input is a single number without axes")
    newer = node.opset >= 13
    first = node.axis(node.whole("axis", -1 if newer else 1, -LARGEST), len(shape), end=not newer)
    along = (first,) if newer else tuple(range(first, len(shape)))
    if not along:
        raise NoEquation("it weighs every number against itself")
    pre = local("pre", axes, node.read(0, *axes), preactivation=True)
    sizes = [shape[place] for place in along]
    over = formulas.log_softmax if logarithm else formulas.softmax
    return Equation(axes, over(pre, axes, along, sizes))


_FUNCTIONS: Mapping[str, Function] = {
    "Relu": formulas.RELU,
    "Sigmoid": SIGMOID,
    "Softplus": formulas.SOFTPLUS,
    "Softsign": formulas.SOFTSIGN,
    "HardSwish": formulas.HARD_SILU,
    "Mish": formulas.MISH,
    "Tanh": TANH,
    "Exp": EXP,
    "Log": LOG,
    "Sqrt": SQRT,
    "Abs": ABS,
    "Erf": ERF,
    "Round": ROUND,
    **{
        op: Function(op.lower(), ("x",))
        for op in (
            "Sign",
            "Floor",
            "Ceil",
            "Sin",
            "Cos",
            "Tan",
            "Asin",
            "Acos",
            "Atan",
            "Sinh",
            "Cosh",
            "Asinh",
            "Acosh",
            "Atanh",
        )
    },
}

_EACH: Mapping[str, Of] = {
    "Neg": lambda node, x: 0.0 - x,
    "Reciprocal": lambda node, x: 1.0 / x,
    "LeakyRelu": _leaky,
    "Elu": _elu,
    "Celu": _celu,
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "Swish": _swish,
    "Gelu": _gelu,
    "ThresholdedRelu": _thresholded,
    "Shrink": _shrink,
}

_WHOLE = ("Abs", "Sign", "Neg")
"""Those that are the same of whole numbers."""

RULES = {
    **{
        op: _each(of, NUMBERS if op in _WHOLE else FLOATS)
        for op, of in {**{op: _plain(f) for op, f in _FUNCTIONS.items()}, **_EACH}.items()
    },
    "Clip": Rule(clip, given=frozenset((1, 2)), takes=NUMBERS),
    "Hardmax": Rule(hardmax),
    "PRelu": Rule(prelu, {1: "slope"}),
    "Softmax": Rule(lambda node: _over_a_row(node, False)),
    "LogSoftmax": Rule(lambda node: _over_a_row(node, True)),
}

"""How far what was given is from what was wanted: every number by itself, their mean, or their sum.

out = mean n<8, c<10  (a[n, c] − b[n, c]) · (a[n, c] − b[n, c])
"""

from __future__ import annotations

import math
from collections.abc import Callable

from convscope.aten.distances import at_once
from convscope.aten.pointwise import both_numbers
from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import reducing
from convscope.equations.pointwise import EQUAL, chosen
from convscope.equations.reducing import REDUCTIONS
from convscope.notation import Axis, Equation, Expression, Max, Sum, call, local
from convscope.notation.expression import Number, Place
from convscope.notation.functions import ABS, EXP, LOG, MAXIMUM, SELECT, Function
from convscope.operators.elements import NUMBERS

Of = Callable[[Call, Expression, Expression], Expression]

REDUCED = (None, "mean", "sum")
"""What becomes of the numbers, as PyTorch counts it."""

_LOG1P = Function("log1p", ("x",))


def _edge(given: Call) -> float:
    """Return from which distance on a loss is a straight line."""
    return given.number("beta" if given.op == "smooth_l1_loss" else "delta")


def _squared(given: Call, a: Expression, b: Expression) -> Expression:
    away = a - b
    return away * away


def _bent(given: Call, a: Expression, b: Expression) -> Expression:
    """aten::smooth_l1_loss and huber_loss: half a square, and from an edge on a line."""
    away, edge = call(ABS, a - b), _edge(given)
    if not edge > 0:
        raise NoEquation("its edge is 0")
    if given.op == "huber_loss":
        return call(SELECT, edge - away, 0.5 * away * away, edge * (away - 0.5 * edge))
    return call(SELECT, edge - away, 0.5 * away * away / edge, away - 0.5 * edge)


def _logits(given: Call, x: Expression, y: Expression) -> Expression:
    """aten::binary_cross_entropy_with_logits, from what keeps the exponential small on."""
    if given.has("weight") or given.has("pos_weight"):
        raise NoEquation("its numbers are weighed")
    soft = call(_LOG1P, call(EXP, 0.0 - call(ABS, x)))
    return (1.0 - y) * x + (soft + call(MAXIMUM, 0.0 - x, 0.0))


def _write_squared(given: Call, form: Write, x: str, y: str) -> str:
    away = form.node("Sub", x, y)
    return form.node("Mul", away, away)


def _write_line(given: Call, form: Write, x: str, y: str) -> str:
    return form.node("Abs", form.node("Sub", x, y))


def _write_bent(given: Call, form: Write, x: str, y: str) -> str:
    away, edge = _write_line(given, form, x, y), form.number(_edge(given))
    half = form.number(0.5)
    square = form.node("Mul", half, form.node("Mul", away, away))
    line = form.node("Sub", away, form.node("Mul", half, edge))
    if given.op == "huber_loss":
        line = form.node("Mul", edge, line)
    else:
        square = form.node("Div", square, edge)
    return form.node("Where", form.node("Less", away, edge), square, line)


def _loss(of: Of, write: Callable[[Call, Write, str, str], str]) -> Rule:
    """Return the rule of a loss of two numbers at one position."""

    def state(given: Call) -> Equation:
        axes, a, b = both_numbers(given, "target")
        kind = REDUCED[given.whole("reduction")]
        if kind is None:
            return Equation(axes, of(given, a, b))

        def each(*at: Axis) -> Expression:
            return of(given, given.spread("self", at), given.spread("target", at))

        shape = [axis.size for axis in axes]
        return reducing.reduction(REDUCTIONS[kind], each, shape, range(len(shape)), False, axes_of)

    def written(given: Call, form: Write) -> str:
        of(given, Number(0.0), Number(0.0))  # settings without an equation are not written
        found = write(given, form, form.input("self"), form.input("target"))
        kind = REDUCED[given.whole("reduction")]
        return found if kind is None else form.node(f"Reduce{kind.capitalize()}", found, keepdims=0)

    return Rule(at_once(state), written)


def _write_logits(given: Call, form: Write, x: str, y: str) -> str:
    one = form.number(1.0)
    soft = form.node("Add", one, form.node("Exp", form.node("Neg", form.node("Abs", x))))
    less = form.node("Max", form.node("Neg", x), form.number(0.0))
    rest = form.node("Mul", form.node("Sub", one, y), x)
    return form.node("Add", rest, form.node("Add", form.node("Log", soft), less))


def _kept_log(x: Expression) -> Expression:
    """Return a logarithm that PyTorch keeps from falling below −100."""
    return call(MAXIMUM, call(LOG, x), -100.0)


def _binary(given: Call, x: Expression, y: Expression) -> Expression:
    if given.has("weight"):
        raise NoEquation("its numbers are weighed")
    return (y - 1.0) * _kept_log(1.0 - x) - y * _kept_log(x)


def _write_binary(given: Call, form: Write, x: str, y: str) -> str:
    one, least = form.number(1.0), form.number(-100.0)
    off = form.node("Max", form.node("Log", form.node("Sub", one, x)), least)
    on = form.node("Max", form.node("Log", x), least)
    away = form.node("Mul", form.node("Sub", y, one), off)
    return form.node("Sub", away, form.node("Mul", y, on))


def _diverged(given: Call, x: Expression, y: Expression) -> Expression:
    """aten::kl_div of logarithms x from shares y, or from their logarithms; a share of 0 counts nothing."""
    if given["log_target"]:
        return call(EXP, y) * (y - x)
    return call(SELECT, y, y * call(LOG, y), y * 0.0) - y * x


def _write_diverged(given: Call, form: Write, x: str, y: str) -> str:
    if given["log_target"]:
        return form.node("Mul", form.node("Exp", y), form.node("Sub", y, x))
    zero = form.number(0.0)
    share = form.node("Mul", y, form.node("Log", y))
    share = form.node("Where", form.node("Greater", y, zero), share, form.node("Mul", y, zero))
    return form.node("Sub", share, form.node("Mul", y, x))


def _classes(given: Call) -> tuple[int, bool]:
    """Return which axis the classes are along, and whether the target says a share of each."""
    if given.has("weight"):
        raise NoEquation("its classes are weighed")
    if given["label_smoothing"]:
        raise NoEquation("its target is smoothed")
    shares = len(given.shape("target")) == len(given.shape("self"))
    if not shares and given.whole("ignore_index") >= 0:
        raise NoEquation("it ignores a class")
    return int(len(given.shape("self")) > 1), shares


def _of_classes(given: Call) -> Equation:
    """aten::cross_entropy_loss and nll_loss: −log of the share of a target's class; one that there is not counts nothing."""
    place, shares = _classes(given)
    axes = axes_of(given.shape("self"))
    c = axes[place]
    others = axes[:place] + axes[place + 1 :]

    def at(k: Axis) -> Expression:
        return given.read("self", *axes[:place], k, *axes[place + 1 :])

    if given.op == "cross_entropy_loss":
        k, m = c.like("k", c.size), c.like("m", c.size)
        top = local("top", others, Max(m)(at(m)), neutral=True)[others]
        total = local("total", others, call(LOG, Sum(k)(call(EXP, at(k) - top))))
        term: Expression = total[others] - (at(c) - top)
    else:
        term = 0.0 - at(c)
    if shares:
        term, held = given.read("target", *axes) * term, None
    else:
        held = call(EQUAL, given.read("target", *others), Place(c))
        term = chosen(held, term, 0.0)
    kind = REDUCED[given.whole("reduction")]
    if kind is None:
        return Equation(others, Sum(c)(term))
    whole = Sum(*axes)(term)
    if kind == "sum":
        return Equation((), whole)
    if held is None:
        return Equation((), whole / float(math.prod(int(axis.size) for axis in others)))
    return Equation((), whole / Sum(*axes)(held))


def _write_of_classes(given: Call, form: Write) -> str:
    place, shares = _classes(given)
    shape = [int(size) for size in given.shape("self")]
    x, zero = form.input("self"), form.number(0.0)
    if given.op == "cross_entropy_loss":
        x = form.node("LogSoftmax", x, axis=place)
    x = form.node("Neg", x)
    if shares:
        held, x = "", form.node("Mul", form.input("target"), x)
    else:
        behind = (1,) * (len(shape) - place - 1)
        each = form.node("Reshape", form.whole(*range(shape[place])), form.whole(-1, *behind))
        target = form.node("Unsqueeze", form.input("target"), form.whole(place))
        held = form.node("Equal", target, form.counted(each))
        x = form.node("Where", held, x, zero)
    kind = REDUCED[given.whole("reduction")]
    if kind is None:
        return form.node("ReduceSum", x, form.whole(place), keepdims=0)
    whole = form.node("ReduceSum", x, keepdims=0)
    if kind == "sum":
        return whole
    rows = form.number(math.prod(shape) / shape[place])
    if held:
        rows = form.node("ReduceSum", form.counted(held), keepdims=0)
    return form.node("Div", whole, rows)


RULES = {
    "binary_cross_entropy": _loss(_binary, _write_binary),
    "kl_div": _loss(_diverged, _write_diverged),
    **{
        name: Rule(at_once(_of_classes), _write_of_classes, NUMBERS)
        for name in ("cross_entropy_loss", "nll_loss", "nll_loss_nd")
    },
    "mse_loss": _loss(_squared, _write_squared),
    "l1_loss": _loss(lambda given, a, b: call(ABS, a - b), _write_line),
    "smooth_l1_loss": _loss(_bent, _write_bent),
    "huber_loss": _loss(_bent, _write_bent),
    "binary_cross_entropy_with_logits": _loss(_logits, _write_logits),
}

"""How far what was given is from what was wanted: every number by itself, their mean, or their sum.

out = mean n<8, c<10  (a[n, c] − b[n, c]) · (a[n, c] − b[n, c])
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.aten.distances import at_once
from convscope.aten.pointwise import both_numbers
from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import reducing
from convscope.equations.reducing import REDUCTIONS
from convscope.notation import Axis, Equation, Expression, call
from convscope.notation.expression import Number
from convscope.notation.functions import ABS, EXP, MAXIMUM, SELECT, Function

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


def _write_squared(given: Call, form: Write, away: str) -> str:
    return form.node("Mul", away, away)


def _write_line(given: Call, form: Write, away: str) -> str:
    return form.node("Abs", away)


def _write_bent(given: Call, form: Write, away: str) -> str:
    away, edge = form.node("Abs", away), form.number(_edge(given))
    half = form.number(0.5)
    square = form.node("Mul", half, form.node("Mul", away, away))
    line = form.node("Sub", away, form.node("Mul", half, edge))
    if given.op == "huber_loss":
        line = form.node("Mul", edge, line)
    else:
        square = form.node("Div", square, edge)
    return form.node("Where", form.node("Less", away, edge), square, line)


def _loss(of: Of, write: Callable[[Call, Write, str], str] | None = None) -> Rule:
    """Return the rule of a loss; `write` writes it of a difference, without it is one of logits."""

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
        x, y = form.input("self"), form.input("target")
        found = write(given, form, form.node("Sub", x, y)) if write else _write_logits(form, x, y)
        kind = REDUCED[given.whole("reduction")]
        return found if kind is None else form.node(f"Reduce{kind.capitalize()}", found, keepdims=0)

    return Rule(at_once(state), written)


def _write_logits(form: Write, x: str, y: str) -> str:
    one = form.number(1.0)
    soft = form.node("Add", one, form.node("Exp", form.node("Neg", form.node("Abs", x))))
    less = form.node("Max", form.node("Neg", x), form.number(0.0))
    rest = form.node("Mul", form.node("Sub", one, y), x)
    return form.node("Add", rest, form.node("Add", form.node("Log", soft), less))


RULES = {
    "mse_loss": _loss(_squared, _write_squared),
    "l1_loss": _loss(lambda given, a, b: call(ABS, a - b), _write_line),
    "smooth_l1_loss": _loss(_bent, _write_bent),
    "huber_loss": _loss(_bent, _write_bent),
    "binary_cross_entropy_with_logits": _loss(_logits),
}

"""Conditions, which are 1 where they hold and else 0, and the choice by them.

out[n, c, y, x] = other[n, c, y, x] if self[n, c, y, x] > 0 else self[n, c, y, x]
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.aten.pointwise import both_numbers, each_number, numbers_of
from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations.pointwise import (
    DIFFERS,
    EQUAL,
    GREATER,
    both,
    chosen,
    either,
    negated,
    one_of,
)
from convscope.notation import Equation, Expression, call
from convscope.notation.expression import Place
from convscope.notation.functions import AT_LEAST
from convscope.operators.elements import ALL


def _condition(
    combine: Callable[[Expression, Expression], Expression],
    onnx: Callable[[Write, str, str], str],
) -> Rule:
    """Return the rule of a condition on two numbers: 1 where it holds, else 0."""

    def state(given: Call) -> Equation:
        axes, a, b = both_numbers(given)
        return Equation(axes, combine(a, b))

    def write(given: Call, form: Write) -> str:
        a, b = numbers_of(given, form, "self", "other")
        return form.counted(onnx(form, a, b))

    return Rule(state, write, ALL)


def _compared(op: str) -> Callable[[Write, str, str], str]:
    return lambda form, a, b: form.node(op, a, b)


def _logical(op: str) -> Callable[[Write, str, str], str]:
    """ONNX's And, Or and Xor of what is not 0."""

    def write(form: Write, a: str, b: str) -> str:
        held = [form.node("Not", form.node("Equal", x, form.number(0.0))) for x in (a, b)]
        return form.node(op, *held)

    return write


def _holds(x: Expression) -> Expression:
    return call(DIFFERS, x, 0.0)


def _not(given: Call, x: Expression) -> Expression:
    return call(EQUAL, x, 0.0)


def _write_not(given: Call, form: Write) -> str:
    return form.counted(form.node("Equal", form.input(given.first()), form.number(0.0)))


def _bitwise(given: Call) -> None:
    if set(given.reads) - {"bool"}:
        raise NoEquation("it works on the bits of its numbers")


def _choice(condition: str, yes: str, no: str) -> Callable[[Call], Equation]:
    """Return what states: `yes` where a condition holds, else `no`."""

    def state(given: Call) -> Equation:
        axes = given.together(condition, yes, no)
        return Equation(axes, chosen(*(given.spread(name, axes) for name in (condition, yes, no))))

    return state


def _writes_choice(condition: str, yes: str, no: str) -> Callable[[Call, Write], str]:
    def write(given: Call, form: Write) -> str:
        either = numbers_of(given, form, yes, no)
        where = form.node("Greater", form.input(condition), form.number(0.0))
        return form.node("Where", where, *either)

    return write


def _logic(op: str, combine: Callable[[Expression, Expression], Expression]) -> dict[str, Rule]:
    """Return the rules of aten::logical_…, and of aten::bitwise_… of what is true or false."""
    rule = _condition(lambda a, b: combine(_holds(a), _holds(b)), _logical(op.capitalize()))

    def bits(given: Call) -> Equation:
        _bitwise(given)
        axes, a, b = both_numbers(given)
        return Equation(axes, combine(a, b))

    only = Rule(bits, rule.onnx, ALL)
    return {f"logical_{op}": rule, f"bitwise_{op}": only, f"__{op}__": only}


def _bitwise_not(given: Call) -> Equation:
    _bitwise(given)
    axes = axes_of(given.shape())
    return Equation(axes, negated(given.read(None, *axes)))


def _one_hot(given: Call) -> Equation:
    """1 at the place that a whole number names along a new last axis, else 0."""
    axes = axes_of(given.wanted or (*given.shape(), given.whole("num_classes")))
    return Equation(axes, call(EQUAL, given.read("self", *axes[:-1]), Place(axes[-1])))


def _write_one_hot(given: Call, form: Write) -> str:
    many = given.whole("num_classes")
    if many < 0:
        raise NoEquation("how many classes it has depends on its numbers")
    each = form.node("Unsqueeze", form.input("self"), form.whole(len(given.shape())))
    return form.counted(form.node("Equal", each, form.counted(form.whole(*range(many)))))


RULES = {
    "one_hot": Rule(_one_hot, _write_one_hot, ALL),
    "isnan": each_number(
        lambda given, x: call(DIFFERS, x, x),
        lambda given, form: form.counted(form.node("IsNaN", form.input(given.first()))),
    ),
    "logical_not": each_number(_not, _write_not, ALL),
    "bitwise_not": Rule(_bitwise_not, _write_not, ALL),
    **_logic("and", both),
    **_logic("or", either),
    **_logic("xor", one_of),
    "eq": _condition(lambda a, b: call(EQUAL, a, b), _compared("Equal")),
    "ne": _condition(
        lambda a, b: call(DIFFERS, a, b),
        lambda form, a, b: form.node("Not", form.node("Equal", a, b)),
    ),
    "gt": _condition(lambda a, b: call(GREATER, a, b), _compared("Greater")),
    "lt": _condition(lambda a, b: call(GREATER, b, a), _compared("Less")),
    "ge": _condition(lambda a, b: call(AT_LEAST, a, b), _compared("GreaterOrEqual")),
    "le": _condition(lambda a, b: call(AT_LEAST, b, a), _compared("LessOrEqual")),
    "where": Rule(
        _choice("condition", "self", "other"), _writes_choice("condition", "self", "other"), ALL
    ),
    "masked_fill": Rule(
        _choice("mask", "value", "self"), _writes_choice("mask", "value", "self"), ALL
    ),
}

"""Conditions, which are 1 where they hold and else 0, and the choice by them.

out[n, c, y, x] = other[n, c, y, x] if self[n, c, y, x] > 0 else self[n, c, y, x]
"""

from __future__ import annotations

import math
import sys
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
from convscope.notation import Axis, Equation, Expression, Sum, call
from convscope.notation.expression import Place
from convscope.notation.functions import ABS, AT_LEAST, MAXIMUM, MINIMUM
from convscope.operators.elements import ALL, NUMBERS


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


def _close(given: Call) -> Equation:
    """1 where two numbers differ by no more than `atol` and a share of the second, or are equal: infinite, too."""
    axes, a, b = both_numbers(given)
    away, room = call(ABS, a - b), given.number("atol") + call(ABS, given.number("rtol") * b)
    near = call(AT_LEAST, room, away) * call(AT_LEAST, sys.float_info.max, away)
    held = either(call(EQUAL, a, b), near)
    unknown = call(DIFFERS, a, a) * call(DIFFERS, b, b)
    return Equation(axes, either(held, unknown) if given["equal_nan"] else held)


def _write_close(given: Call, form: Write) -> str:
    a, b = numbers_of(given, form, "self", "other")
    away = form.node("Abs", form.node("Sub", a, b))
    share = form.node("Abs", form.node("Mul", b, form.number(given.number("rtol"))))
    room = form.node("Add", share, form.number(given.number("atol")))
    near = form.node(
        "And", form.node("LessOrEqual", away, room), form.node("Less", away, form.number(math.inf))
    )
    held = form.node("Or", near, form.node("Equal", a, b))
    if given["equal_nan"]:
        held = form.node("Or", held, form.node("And", form.node("IsNaN", a), form.node("IsNaN", b)))
    return form.counted(held)


def _known(largest: bool) -> Rule:
    """Return the rule of aten::fmax or fmin: the larger or the smaller of two numbers, the other of a NaN."""

    def state(given: Call) -> Equation:
        axes, a, b = both_numbers(given)
        other = chosen(call(DIFFERS, a, a), b, call(MAXIMUM if largest else MINIMUM, a, b))
        return Equation(axes, chosen(call(DIFFERS, b, b), a, other))

    def write(given: Call, form: Write) -> str:
        a, b = numbers_of(given, form, "self", "other")
        first, second = (
            form.node("Where", form.node("IsNaN", a), b, a),
            form.node("Where", form.node("IsNaN", b), a, b),
        )
        return form.node("Max" if largest else "Min", first, second)

    return Rule(state, write)


LARGEST = {"float16": 65504.0, "bfloat16": 2.0**128 - 2.0**120, "float32": 2.0**128 - 2.0**104, "float64": sys.float_info.max}  # fmt: skip
"""The largest number of a type."""


def _stand_ins(given: Call) -> tuple[float, float, float]:
    """Return what stands for a NaN, for +∞ and for −∞."""
    most = LARGEST[given.dtype]
    named = (("nan", 0.0), ("posinf", most), ("neginf", -most))
    nan, above, below = (usual if given[n] is None else given.number(n) for n, usual in named)
    return nan, above, below


def _finite(given: Call, x: Expression) -> Expression:
    nan, above, below = _stand_ins(given)
    finite = chosen(call(EQUAL, x, -math.inf), below, x)
    return chosen(call(DIFFERS, x, x), nan, chosen(call(EQUAL, x, math.inf), above, finite))


def _write_finite(given: Call, form: Write) -> str:
    nan, above, below = map(form.number, _stand_ins(given))
    x = form.input(given.first())
    found = form.node("Where", form.node("Equal", x, form.number(-math.inf)), below, x)
    found = form.node("Where", form.node("Equal", x, form.number(math.inf)), above, found)
    return form.node("Where", form.node("IsNaN", x), nan, found)


def _sought(given: Call) -> tuple[str, str, bool]:
    """Return what is looked for, among what, and whether equal numbers come before it."""
    among = "boundaries" if given.has("boundaries") else "sorted_sequence"
    if given.has("sorter"):
        raise NoEquation("it is told in which order they are")
    return "self", among, bool(given["right"]) or given["side"] == "right"


def _searched(given: Call) -> Equation:
    """aten::bucketize and searchsorted: how many numbers of a row, which is in order, lie below a number."""
    name, among, equal = _sought(given)
    axes, row = axes_of(given.shape(name)), given.shape(among)
    k = Axis("k", row[-1], "position")
    x = given.read(name, *axes)
    border = given.read(among, *(axes[: len(row) - 1]), k)
    return Equation(axes, Sum(k)(negated(call(GREATER if equal else AT_LEAST, border, x))))


def _write_searched(given: Call, form: Write) -> str:
    name, among, equal = _sought(given)
    rank, row = len(given.shape(name)), given.shape(among)
    x = form.node("Unsqueeze", form.input(name), form.whole(rank))
    borders = form.input(among)
    if len(row) > 1:
        borders = form.node("Unsqueeze", borders, form.whole(rank - 1))
    above = form.node("Not", form.node("Greater" if equal else "GreaterOrEqual", borders, x))
    return form.node("ReduceSum", form.counted(above), form.whole(rank), keepdims=0)


RULES = {
    "isclose": Rule(_close, _write_close),
    "fmax": _known(True),
    "fmin": _known(False),
    "nan_to_num": each_number(_finite, _write_finite),
    **{name: Rule(_searched, _write_searched, NUMBERS) for name in ("bucketize", "searchsorted")},
    "one_hot": Rule(_one_hot, _write_one_hot, ALL),
    "isnan": each_number(
        lambda given, x: call(DIFFERS, x, x),
        lambda given, form: form.counted(form.node("IsNaN", form.input(given.first()))),
    ),
    "isinf": each_number(
        lambda given, x: call(EQUAL, call(ABS, x), math.inf),
        lambda given, form: form.counted(form.node("IsInf", form.input(given.first()))),
    ),
    "isfinite": each_number(
        lambda given, x: call(AT_LEAST, sys.float_info.max, call(ABS, x)),
        lambda given, form: form.counted(
            form.node(
                "Less",
                form.node("Abs", form.input(given.first())),
                form.number(math.inf),
            )
        ),
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

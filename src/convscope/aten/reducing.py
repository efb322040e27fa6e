"""Reductions along axes, and what weighs every number against the others of its row.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import formulas
from convscope.notation import Axis, Equation, Expression, Max, Mean, Sum, call, local
from convscope.notation.functions import ABS, EXP, LOG, MAXIMUM, SQRT

Reduce = Callable[[tuple[Axis, ...], Expression], Expression]

_NAMES = {1: ("k",), 2: ("i", "j"), 3: ("h", "i", "j")}


def _gone(given: Call, name: str = "dim") -> tuple[int, ...]:
    if given.output:
        raise NoEquation("it says where the number was found")
    return given.axes(name)


def _axes(
    given: Call, gone: tuple[int, ...]
) -> tuple[tuple[Axis, ...], dict[int, Axis], list[object]]:
    """Return the output's axes, those that run, and the indices of the read."""
    shape = given.shape()
    keep = bool(given["keepdim"])
    called = axes_of(shape)
    names = _NAMES.get(len(gone), tuple(f"i{n}" for n in range(1, len(gone) + 1)))
    runs = {
        place: called[place].like(name, shape[place])
        for place, name in zip(gone, names, strict=True)
    }
    stays = [n for n in range(len(shape)) if keep or n not in runs]
    out = axes_of([1 if n in runs else shape[n] for n in stays])
    where = dict(zip(stays, out, strict=True))
    return out, runs, [runs[n] if n in runs else where[n] for n in range(len(shape))]


def _reduced(reduce: Reduce, onnx: str | None) -> Rule:
    def state(given: Call) -> Equation:
        if given.has("other"):
            raise NoEquation("it compares two tensors")
        out, runs, at = _axes(given, _gone(given))
        if not runs:
            raise NoEquation("it reduces a single number")
        value = given.read(given.first(), *at)
        return Equation(out, reduce(tuple(runs.values()), value))

    def write(given: Call, form: Write) -> str:
        assert onnx is not None
        axes = form.whole(*_gone(given))
        return form.node(
            onnx, form.input(given.first()), axes, keepdims=int(bool(given["keepdim"]))
        )

    return Rule(state, write if onnx else None)


def _largest(given: Call) -> Equation:
    """aten::max and aten::min, of all numbers, along an axis, or of two tensors."""
    smallest = given.op == "min"
    if given.has("other"):
        axes = given.together("self", "other")
        a, b = given.spread("self", axes), given.spread("other", axes)
        if smallest:
            return Equation(axes, 0.0 - call(MAXIMUM, 0.0 - a, 0.0 - b))
        return Equation(axes, call(MAXIMUM, a, b))
    rule = _SMALLEST if smallest else _LARGEST
    return rule.state(given)


def _write_largest(given: Call, form: Write) -> str:
    if given.has("other"):
        op = "Min" if given.op == "min" else "Max"
        return form.node(op, form.input("self"), form.input("other"))
    rule = _SMALLEST if given.op == "min" else _LARGEST
    assert rule.onnx is not None
    return rule.onnx(given, form)


def _norm(given: Call) -> Equation:
    kind = given["ord"] if "ord" in given.settings else given["p"]
    order = 2.0 if kind is None else float(kind)
    if order not in (1.0, 2.0):
        raise NoEquation(f"it is the norm of order {order:g}")
    out, runs, at = _axes(given, _gone(given))
    x = given.read(None, *at)
    axes = tuple(runs.values())
    if order == 1.0:
        return Equation(out, Sum(*axes)(call(ABS, x)))
    return Equation(out, call(SQRT, Sum(*axes)(x * x)))


def _write_norm(given: Call, form: Write) -> str:
    kind = given["ord"] if "ord" in given.settings else given["p"]
    op = "ReduceL1" if kind == 1 else "ReduceL2"
    axes = form.whole(*_gone(given))
    return form.node(op, form.input(given.first()), axes, keepdims=int(bool(given["keepdim"])))


def _spread_of(given: Call) -> tuple[int, int]:
    """Return over how many numbers a variance goes, and what they are divided by."""
    gone = _gone(given)
    count = 1
    for place in gone:
        count *= int(given.shape()[place])
    less = given["correction"]
    if less is None:
        less = 0 if given["unbiased"] is False else 1
    return count, count - int(less)


def _variance(given: Call) -> Equation:
    """aten::var and aten::std: about the mean, divided by n − correction."""
    count, divisor = _spread_of(given)
    if divisor < 1:
        raise NoEquation("it divides by nothing")
    out, runs, at = _axes(given, _gone(given))
    axes = tuple(runs.values())
    stays = tuple(a for a in out if any(a is i for i in at))
    image = given.tensor()
    mean = local("μ", stays, Mean(*axes)(image[tuple(at)]))
    away = image[tuple(at)] - mean[stays]
    value: Expression = Sum(*axes)(away * away) / float(divisor)
    del count
    return Equation(out, call(SQRT, value) if given.op == "std" else value)


def _over_a_row(logarithm: bool) -> Rule:
    def state(given: Call) -> Equation:
        shape = given.shape()
        axes = axes_of(shape)
        if not axes:
            raise NoEquation("its input is a single number without axes")
        place = given.axis("dim")
        pre = local("pre", axes, given.read(None, *axes), preactivation=True)
        over = formulas.log_softmax if logarithm else formulas.softmax
        return Equation(axes, over(pre, axes, (place,), (shape[place],)))

    def write(given: Call, form: Write) -> str:
        op = "LogSoftmax" if logarithm else "Softmax"
        return form.node(op, form.input(given.first()), axis=given.axis("dim"))

    return Rule(state, write)


_LARGEST = _reduced(lambda axes, x: Max(*axes)(x), "ReduceMax")
_SMALLEST = _reduced(lambda axes, x: 0.0 - Max(*axes)(0.0 - x), "ReduceMin")

RULES = {
    "mean": _reduced(lambda axes, x: Mean(*axes)(x), "ReduceMean"),
    "sum": _reduced(lambda axes, x: Sum(*axes)(x), "ReduceSum"),
    "amax": _LARGEST,
    "amin": _SMALLEST,
    "max": Rule(_largest, _write_largest),
    "min": Rule(_largest, _write_largest),
    "logsumexp": _reduced(lambda axes, x: call(LOG, Sum(*axes)(call(EXP, x))), "ReduceLogSumExp"),
    "linalg_vector_norm": Rule(_norm, _write_norm),
    "norm": Rule(_norm, _write_norm),
    "var": Rule(_variance),
    "std": Rule(_variance),
    "softmax": _over_a_row(False),
    "_softmax": _over_a_row(False),
    "log_softmax": _over_a_row(True),
    "_log_softmax": _over_a_row(True),
}

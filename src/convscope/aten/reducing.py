"""Reductions along axes, orders, and what weighs every number against the others of its row.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

from typing import Any

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import formulas, reducing
from convscope.equations.ordering import ordered, place_of_largest
from convscope.equations.reducing import REDUCTIONS
from convscope.notation import Equation, call, local
from convscope.notation.functions import MAXIMUM, MINIMUM
from convscope.operators.elements import ALL, FLOATS, NUMBERS, Kind


def _keeps(given: Call) -> int:
    return int(bool(given["keepdim"]))


def _along(given: Call) -> tuple[Any, Any, Any, bool, Any]:
    """Return what a reduction takes: how it reads, the shape, the axes, whether they stay, their names."""
    shape = given.shape()
    if not shape:
        raise NoEquation("it reduces a single number")
    return given.reader(), shape, given.axes("dim"), bool(given["keepdim"]), axes_of


def _written(given: Call, form: Write, op: str) -> str:
    axes = form.whole(*given.axes("dim"))
    return form.node(op, form.input(given.first()), axes, keepdims=_keeps(given))


def _reduced(kind: str, onnx: str, takes: frozenset[Kind] = FLOATS) -> Rule:
    return Rule(
        lambda given: reducing.reduction(REDUCTIONS[kind], *_along(given)),
        lambda given, form: _written(given, form, onnx),
        takes,
    )


def _largest(given: Call) -> Equation:
    """aten::max and aten::min, of all numbers, along an axis (and where), or of two tensors."""
    smallest = given.op == "min"
    if given.has("other"):
        axes = given.together("self", "other")
        a, b = given.spread("self", axes), given.spread("other", axes)
        return Equation(axes, call(MINIMUM if smallest else MAXIMUM, a, b))
    if given.output:
        return place_of_largest(*_along(given), smallest)
    return reducing.reduction(REDUCTIONS[given.op], *_along(given))


def _write_largest(given: Call, form: Write) -> str:
    if given.has("other"):
        return form.node(given.op.capitalize(), form.input("self"), form.input("other"))
    if given.output:
        return _write_place(given, form)
    return _written(given, form, f"Reduce{given.op.capitalize()}")


def _place(given: Call) -> Equation:
    """aten::argmax and argmin: along an axis, or counted over all numbers."""
    return place_of_largest(*_along(given), given.op == "argmin")


def _write_place(given: Call, form: Write) -> str:
    op = "ArgMin" if given.op in ("argmin", "min") else "ArgMax"
    x = form.input(given.first())
    if given["dim"] is not None:
        place = given.axis("dim")
        return form.counted(form.node(op, x, axis=place, keepdims=_keeps(given)))
    flat = form.node(op, form.node("Reshape", x, form.whole(-1)), axis=0, keepdims=0)
    ones = (1,) * (len(given.shape()) * _keeps(given))
    return form.counted(form.node("Reshape", flat, form.whole(*ones)))


def _wanted(given: Call) -> tuple[int, int, bool, bool]:
    """Return along which axis numbers are put in order, how many, whether downwards, and whether their places are asked."""
    place = given.axis("dim", default=-1)
    if given.op == "topk":
        if given["sorted"] is False:
            raise NoEquation("it leaves the order open")
        return place, given.whole("k"), bool(given["largest"]), given.output == 1
    where = given.output == 1 or given.op == "argsort"
    return place, int(given.shape()[place]), bool(given["descending"]), where


def _in_order(given: Call) -> Equation:
    """aten::sort, argsort and topk: the numbers in order, or where each was."""
    place, many, downwards, where = _wanted(given)
    shape = given.shape()
    axes = axes_of([many if n == place else s for n, s in enumerate(shape)])
    return ordered(given.reader(), shape, place, axes, not downwards, where)


def _write_order(given: Call, form: Write) -> str:
    place, many, downwards, where = _wanted(given)
    x = form.input(given.first())
    values, places = form.outputs(
        "TopK", 2, x, form.whole(many), axis=place, largest=int(downwards)
    )
    return form.counted(places) if where else values


def _norm_of(given: Call) -> float:
    kind = given["ord"] if "ord" in given.settings else given["p"]
    return 2.0 if kind is None else float(kind)


def _norm(given: Call) -> Equation:
    return reducing.reduction(reducing.norm(_norm_of(given)), *_along(given))


def _write_norm(given: Call, form: Write) -> str:
    op = {1.0: "ReduceL1", 2.0: "ReduceL2"}.get(_norm_of(given))
    if op is None:
        raise NoEquation(f"ONNX has no norm of order {_norm_of(given):g}")
    return _written(given, form, op)


def _divided_by(given: Call) -> tuple[float, float]:
    """Return by how much less than the count of its numbers a variance divides, and by what."""
    less = given["correction"]
    if less is None:
        less = 0 if given["unbiased"] is False else 1
    count = 1.0
    for place in given.axes("dim"):
        count *= int(given.shape()[place])
    if count <= less:
        raise NoEquation("it divides by nothing")
    return float(less), count - float(less)


def _variance(given: Call) -> Equation:
    """aten::var and aten::std about the mean, and var_mean and std_mean, which give the mean as well."""
    if given.output:
        return reducing.reduction(REDUCTIONS["mean"], *_along(given))
    return reducing.variance(*_along(given), _divided_by(given)[0], given.op.startswith("std"))


def _write_variance(given: Call, form: Write) -> str:
    if given.output:
        return _written(given, form, "ReduceMean")
    x, axes = form.input(given.first()), form.whole(*given.axes("dim"))
    away = form.node("Sub", x, form.node("ReduceMean", x, axes, keepdims=1))
    squares = form.node("ReduceSumSquare", away, axes, keepdims=_keeps(given))
    value = form.node("Div", squares, form.number(_divided_by(given)[1]))
    return form.node("Sqrt", value) if given.op.startswith("std") else value


def _cumulative(given: Call) -> Equation:
    if given.output:
        raise NoEquation("it says where each number was found")
    axes = axes_of(given.shape())
    kind = {"cumsum": "sum", "cummax": "max", "logcumsumexp": "log_sum_exp"}[given.op]
    return reducing.cumulative(
        REDUCTIONS[kind],
        given.tensor(),
        axes,
        given.axis("dim"),
        "zero" if kind == "sum" else "-inf",
    )


def _write_cumulative(given: Call, form: Write) -> str:
    return form.node("CumSum", form.input(given.first()), form.whole(given.axis("dim")))


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


RULES = {
    "mean": _reduced("mean", "ReduceMean"),
    "sum": _reduced("sum", "ReduceSum", ALL),
    "amax": _reduced("max", "ReduceMax", NUMBERS),
    "amin": _reduced("min", "ReduceMin", NUMBERS),
    "max": Rule(_largest, _write_largest, NUMBERS),
    "min": Rule(_largest, _write_largest, NUMBERS),
    "argmax": Rule(_place, _write_place, NUMBERS),
    "argmin": Rule(_place, _write_place, NUMBERS),
    "sort": Rule(_in_order, _write_order, NUMBERS),
    "argsort": Rule(_in_order, _write_order, NUMBERS),
    "topk": Rule(_in_order, _write_order, NUMBERS),
    "prod": Rule(
        lambda given: reducing.product(*_along(given)),
        lambda given, form: _written(given, form, "ReduceProd"),
        NUMBERS,
    ),
    "logsumexp": _reduced("log_sum_exp", "ReduceLogSumExp"),
    "linalg_vector_norm": Rule(_norm, _write_norm),
    "norm": Rule(_norm, _write_norm),
    **{name: Rule(_variance, _write_variance) for name in ("var", "std", "var_mean", "std_mean")},
    "cumsum": Rule(_cumulative, _write_cumulative, ALL),
    "cummax": Rule(_cumulative),
    "logcumsumexp": Rule(_cumulative),
    "softmax": _over_a_row(False),
    "_softmax": _over_a_row(False),
    "log_softmax": _over_a_row(True),
    "_log_softmax": _over_a_row(True),
}

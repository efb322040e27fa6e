"""Reductions along axes, orders, and what weighs every number against the others of its row.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import formulas, reducing
from convscope.equations.ordering import in_place, ordered, place_of_largest
from convscope.equations.pointwise import DIFFERS, EQUAL, chosen
from convscope.equations.reducing import REDUCTIONS
from convscope.notation import Axis, Equation, Max, Sum, call, local
from convscope.notation.expression import Outside
from convscope.notation.functions import FLOOR, MAXIMUM, MINIMUM
from convscope.operators.elements import ALL, FLOATS, INT64, NUMBERS, Kind


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
    return ordered(
        given.reader(), shape, place, axes, not downwards, where, any_of_level=given.op == "topk"
    )


def _write_order(given: Call, form: Write) -> str:
    place, many, downwards, where = _wanted(given)
    x = form.input(given.first())
    values, places = form.outputs(
        "TopK", 2, x, form.whole(many), axis=place, largest=int(downwards)
    )
    return form.counted(places) if where else values


def _norm_of(given: Call) -> float:
    kind = given["ord"] if "ord" in given.settings else given["p"]
    if kind in (None, "fro"):
        return 2.0
    if given.op == "linalg_norm" and len(given.axes("dim")) > 1:
        raise NoEquation("it is the norm of a matrix")
    return float(kind)


def _norm(given: Call) -> Equation:
    return reducing.reduction(reducing.norm(_norm_of(given)), *_along(given))


def _write_norm(given: Call, form: Write) -> str:
    return norm_written(
        form, form.input(given.first()), _norm_of(given), given.axes("dim"), _keeps(given)
    )


def norm_written(form: Write, x: str, order: float, axes: Sequence[int], keeps: int) -> str:
    """Write the norm of an order along some axes."""
    along = form.whole(*axes)
    if order in (1.0, 2.0):
        return form.node(f"ReduceL{order:g}", x, along, keepdims=keeps)
    if not order:
        raise NoEquation("it is the norm of order 0")
    x = form.node("Abs", x)
    if math.isinf(order):
        return form.node("ReduceMax" if order > 0 else "ReduceMin", x, along, keepdims=keeps)
    powers = form.node("Pow", x, form.number(order))
    total = form.node("ReduceSum", powers, along, keepdims=keeps)
    return form.node("Pow", total, form.number(1 / order))


def _write_truth(given: Call, form: Write) -> str:
    held = form.node("Not", form.node("Equal", form.input(given.first()), form.number(0.0)))
    op = {"any": "ReduceMax", "all": "ReduceMin"}.get(given.op, "ReduceSum")
    axes = form.whole(*given.axes("dim"))
    return form.node(op, form.counted(held), axes, keepdims=_keeps(given))


_END = ("min", "max")
"""What aten::aminmax gives first, and then."""


def _halved(given: Call) -> int:
    """Return along which axis a median is."""
    if given.output:
        raise NoEquation("it says where each number was found")
    if given["dim"] is None and len(given.shape()) != 1:
        raise NoEquation("it is that of numbers along several axes")
    return given.axis("dim", default=0)


def _row(given: Call, place: int) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """Return the axes of one number for each row along an axis, and those of them that say which row."""
    shape = given.shape()
    kept = [1 if n == place else s for n, s in enumerate(shape) if _keeps(given) or n != place]
    out = axes_of(kept)
    return out, out[:place] + out[place + _keeps(given) :]


def _kth(given: Call) -> Equation:
    """aten::kthvalue: the number at a place of the order upwards along an axis, or where it was."""
    shape, place = given.shape(), given.axis("dim", default=-1)
    out, stays = _row(given, place)
    j, where = axes_of(shape)[place].like("j", shape[place]), given.output == 1
    return Equation(
        out,
        in_place(
            given.reader(), j, place, stays, given.whole("k") - 1, True, where, any_of_level=True
        ),
    )


def _write_kth(given: Call, form: Write) -> str:
    place, k = given.axis("dim", default=-1), given.whole("k")
    both = form.outputs("TopK", 2, form.input(given.first()), form.whole(k), axis=place, largest=0)
    found = both[0] if given.output == 0 else form.counted(both[1])
    found = form.node("Gather", found, form.whole(k - 1), axis=place)
    return found if _keeps(given) else form.node("Squeeze", found, form.whole(place))


def _known_median(given: Call) -> Equation:
    """The middle one of the numbers along an axis that are numbers; NaN where none is."""
    shape, read, place = given.shape(), given.reader(), _halved(given)
    out, stays = _row(given, place)
    j, k = (axes_of(shape)[place].like(name, shape[place]) for name in "jk")
    x = read(*stays[:place], k, *stays[place:])
    middle = call(FLOOR, (Sum(k)(call(EQUAL, x, x)) - 1.0) / 2.0)
    return Equation(out, in_place(read, j, place, stays, call(MAXIMUM, middle, 0.0), True))


def _write_known_median(given: Call, form: Write) -> str:
    place = _halved(given)
    x, axis, size = form.input(given.first()), form.whole(place), int(given.shape()[place])
    missing = form.node("IsNaN", x)
    finite = form.node("Where", missing, form.number(math.inf), x)  # where ONNX puts a NaN is open
    values, _ = form.outputs("TopK", 2, finite, form.whole(size), axis=place, largest=0)
    count = form.node(
        "Sub",
        form.number(float(size)),
        form.node("ReduceSum", form.counted(missing), axis, keepdims=1),
    )
    middle = form.node(
        "Floor", form.node("Div", form.node("Sub", count, form.number(1.0)), form.number(2.0))
    )
    where = form.node("Cast", form.node("Max", middle, form.number(0.0)), to=INT64)
    middle = form.node("GatherElements", values, where, axis=place)
    none = form.node("Equal", count, form.number(0.0))
    middle = form.node("Where", none, form.number(math.nan), middle)
    return middle if _keeps(given) else form.node("Squeeze", middle, axis)


def _median(given: Call) -> Equation:
    """The middle one of the numbers along an axis, the smaller of two; NaN where one of them is."""
    shape, read, place = given.shape(), given.reader(), _halved(given)
    out, stays = _row(given, place)
    j, k = (axes_of(shape)[place].like(name, shape[place]) for name in "jk")
    x = read(*stays[:place], k, *stays[place:])
    middle = in_place(read, j, place, stays, (int(shape[place]) - 1) // 2, True)
    return Equation(out, chosen(Max(k)(call(DIFFERS, x, x)), Max(k)(x), middle))


def _write_median(given: Call, form: Write) -> str:
    place = _halved(given)
    many = (int(given.shape()[place]) + 1) // 2
    x, axis = form.input(given.first()), form.whole(place)
    values, _ = form.outputs("TopK", 2, x, form.whole(many), axis=place, largest=0)
    middle = form.node("Gather", values, form.whole(many - 1), axis=place)
    unknown = form.node("ReduceMax", form.counted(form.node("IsNaN", x)), axis, keepdims=1)
    unknown = form.node("Greater", unknown, form.number(0.0))
    middle = form.node("Where", unknown, form.number(math.nan), middle)
    return middle if _keeps(given) else form.node("Squeeze", middle, axis)


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
    axes, place = axes_of(given.shape()), given.axis("dim")
    if given.op == "cumprod":
        return reducing.cumulative_product(given.tensor(), axes, place)
    kind = {"cumsum": "sum", "cummax": "max", "cummin": "min", "logcumsumexp": "log_sum_exp"}[given.op]  # fmt: skip
    empty: dict[str, Outside] = {"sum": "zero", "min": "edge"}
    return reducing.cumulative(
        REDUCTIONS[kind], given.tensor(), axes, place, empty.get(kind, "-inf")
    )


MOST_WRITTEN = 1 << 24
"""So many numbers at most are written beside one another, to be reduced."""


def _write_cumulative(given: Call, form: Write) -> str:
    """As ONNX's CumSum; else as a row for every position, of the numbers up to it, which is reduced."""
    x, place, shape = form.input(given.first()), given.axis("dim"), given.shape()
    if given.op == "cumsum":
        return form.node("CumSum", x, form.whole(place))
    size = int(shape[place])
    if given.output or math.prod(map(int, shape)) * size > MOST_WRITTEN:
        raise NoEquation("ONNX has no such operator, and its numbers are many")
    op, nothing = {
        "cummax": ("ReduceMax", -math.inf),
        "cummin": ("ReduceMin", math.inf),
        "logcumsumexp": ("ReduceLogSumExp", -math.inf),
        "cumprod": ("ReduceProd", 1.0),
    }[given.op]
    behind = (1,) * (len(shape) - place - 1)
    every = form.whole(*range(size))
    up_to = form.node("Reshape", every, form.whole(size, 1, *behind))
    held = form.node("LessOrEqual", form.node("Reshape", every, form.whole(size, *behind)), up_to)
    rows = form.node("Unsqueeze", x, form.whole(place))
    rows = form.node("Where", held, rows, form.number(nothing))
    return form.node(op, rows, form.whole(place + 1), keepdims=0)


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
    "linalg_norm": Rule(_norm, _write_norm),
    "kthvalue": Rule(_kth, _write_kth, NUMBERS),
    "count_nonzero": Rule(
        lambda given: reducing.reduction(REDUCTIONS["count"], *_along(given)), _write_truth, ALL
    ),
    "aminmax": Rule(
        lambda given: reducing.reduction(REDUCTIONS[_END[given.output]], *_along(given)),
        lambda given, form: _written(given, form, f"Reduce{_END[given.output].capitalize()}"),
        NUMBERS,
    ),
    **{name: Rule(_variance, _write_variance) for name in ("var", "std", "var_mean", "std_mean")},
    **{
        name: Rule(
            lambda given: reducing.reduction(REDUCTIONS[given.op], *_along(given)),
            _write_truth,
            ALL,
        )
        for name in ("any", "all")
    },
    "median": Rule(_median, _write_median, NUMBERS),
    "nanmedian": Rule(_known_median, _write_known_median),
    "cumsum": Rule(_cumulative, _write_cumulative, ALL),
    **{
        name: Rule(_cumulative, _write_cumulative)
        for name in ("cumprod", "cummax", "cummin", "logcumsumexp")
    },
    "softmax": _over_a_row(False),
    "_softmax": _over_a_row(False),
    "log_softmax": _over_a_row(True),
    "_log_softmax": _over_a_row(True),
}

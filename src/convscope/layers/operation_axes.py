"""Operations of keras.ops along axes: sums, means, the largest, how far numbers spread.

out[y, c] = Σ k<W  in[y, k, c]
"""

from __future__ import annotations

from convscope.equations.reducing import REDUCTIONS, reduction
from convscope.equations.stating import NoEquation
from convscope.equations.unit import unit
from convscope.layers.base import Form
from convscope.layers.operation_call import Called, StatedOperation
from convscope.notation import Equation, Expression, Index, call
from convscope.notation.functions import SQRT

# -- along axes -----------------------------------------------------------------------------------


def _reduced(name: str, op: str) -> StatedOperation:
    def state(given: Called) -> Equation:
        read = given.tensors[0]
        if given.options.get("initial") is not None:
            raise NoEquation("it starts from a number of its own")
        return reduction(
            REDUCTIONS[name],
            lambda *at: read[at],
            given.shape,
            given.places(),
            _kept(given),
            given.axes,
        )

    def write(given: Called, form: Form, inputs: list[str]) -> str:
        over = form.constant([place + 1 for place in given.places()], "int64")
        return form.node(op, inputs[0], over, keepdims=int(_kept(given)))

    return StatedOperation(state, write)


def _kept(given: Called) -> bool:
    return given.options.get("keepdims") is True


def _spread(root: bool) -> StatedOperation:
    """Return the variance along some axes, or its root."""

    def state(given: Called) -> Equation:
        from convscope.notation import Mean, local

        x, mean = given.tensors[0], _reduced("mean", "").state(given)
        axes = given.axes(given.shape)
        places, kept = given.places(), _kept(given)
        held = local("μ", tuple(mean.axes), mean.expression)
        runs = {p: axes[p].like(f"k{n}" if len(places) > 1 else "k", axes[p].size)
                for n, p in enumerate(places, 1)}  # fmt: skip
        out = iter(mean.axes)
        at: list[Index] = []
        for place in range(len(axes)):
            if place in runs:
                at.append(runs[place])
                if kept:
                    next(out)
            else:
                at.append(next(out))
        away = x[tuple(at)] - held[tuple(mean.axes)]
        value: Expression = Mean(*runs.values())(away * away)
        return Equation(mean.axes, call(SQRT, value) if root else value)

    def write(given: Called, form: Form, inputs: list[str]) -> str:
        over = form.constant([place + 1 for place in given.places()], "int64")
        away = form.node("Sub", inputs[0], form.node("ReduceMean", inputs[0], over, keepdims=1))
        value = form.node(
            "ReduceMean", form.node("Mul", away, away), over, keepdims=int(_kept(given))
        )
        return form.node("Sqrt", value) if root else value

    return StatedOperation(state, write)


def _norm(given: Called) -> Equation:
    if given.options.get("ord") not in (None, 2, "euclidean"):
        raise NoEquation("it is no Euclidean norm")
    return _reduced("l2", "ReduceL2").state(given)


def _normalised(given: Called) -> Equation:
    if given.options.get("order", 2) != 2:
        raise NoEquation("it divides by another norm")
    axes = given.axes(given.shape)
    return Equation(axes, unit(given.tensors[0], axes, given.places(), _shortest(given)))


def _shortest(given: Called) -> float:
    epsilon = given.options.get("epsilon")
    return 1e-7 if epsilon is None else float(epsilon)


def _write_normalised(given: Called, form: Form, inputs: list[str]) -> str:
    over = form.constant([place + 1 for place in given.places()], "int64")
    length = form.node("ReduceL2", inputs[0], over, keepdims=1)
    return form.node("Div", inputs[0], form.node("Max", length, form.constant(_shortest(given))))


ALONG: dict[str, StatedOperation] = {
    "Sum": _reduced("sum", "ReduceSum"),
    "Mean": _reduced("mean", "ReduceMean"),
    "Max": _reduced("max", "ReduceMax"),
    "Min": _reduced("min", "ReduceMin"),
    "Amax": _reduced("max", "ReduceMax"),
    "Amin": _reduced("min", "ReduceMin"),
    "Logsumexp": _reduced("log_sum_exp", "ReduceLogSumExp"),
    "Var": _spread(False),
    "Std": _spread(True),
    "Norm": StatedOperation(_norm, _reduced("l2", "ReduceL2").write),
    "Normalize": StatedOperation(_normalised, _write_normalised),
}

"""Reductions along axes: sums, means, maxima, and what is made of them.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.notation import Axis, Equation, Expression, Max, Mean, Sum, call
from convscope.notation.functions import ABS, EXP, LOG, SQRT
from convscope.operators.rule import Node, Rule

Reduce = Callable[[tuple[Axis, ...], Expression], Expression]


def _reduced(reduce: Reduce) -> Rule:
    def state(node: Node) -> Equation:
        shape = node.shape()
        rank = len(shape)
        axes = node.axes(1, ()) or ()
        if not axes and node.flag("noop_with_empty_axes"):
            every = node.layout.axes(shape)
            return Equation(every, reduce((Axis("i", 1, "position"),), node.read(0, *every)))
        gone = node.places(axes, rank) if axes else tuple(range(rank))
        keep = node.flag("keepdims", 1)
        called = node.layout.axes(shape)
        runs = {
            n: called[n].like(name, shape[n])
            for n, name in zip(gone, _names(len(gone)), strict=True)
        }
        stays = [n for n in range(rank) if keep or n not in runs]
        out = node.layout.axes([1 if n in runs else shape[n] for n in stays])
        where = dict(zip(stays, out, strict=True))
        at = [runs.get(n, where.get(n, 0)) for n in range(rank)]
        value = node.read(0, *at)
        return Equation(
            out, reduce(tuple(runs.values()), value) if runs else reduce((Axis("i", 1),), value)
        )

    return Rule(state, given=frozenset((1,)))


def _names(count: int) -> tuple[str, ...]:
    return {1: ("k",), 2: ("i", "j"), 3: ("h", "i", "j")}.get(
        count, tuple(f"i{n}" for n in range(1, count + 1))
    )


def _log_sum_exp(axes: tuple[Axis, ...], x: Expression) -> Expression:
    return call(LOG, Sum(*axes)(call(EXP, x)))


RULES = {
    "ReduceMean": _reduced(lambda axes, x: Mean(*axes)(x)),
    "ReduceSum": _reduced(lambda axes, x: Sum(*axes)(x)),
    "ReduceMax": _reduced(lambda axes, x: Max(*axes)(x)),
    "ReduceMin": _reduced(lambda axes, x: 0.0 - Max(*axes)(0.0 - x)),
    "ReduceL1": _reduced(lambda axes, x: Sum(*axes)(call(ABS, x))),
    "ReduceL2": _reduced(lambda axes, x: call(SQRT, Sum(*axes)(x * x))),
    "ReduceSumSquare": _reduced(lambda axes, x: Sum(*axes)(x * x)),
    "ReduceLogSum": _reduced(lambda axes, x: call(LOG, Sum(*axes)(x))),
    "ReduceLogSumExp": _reduced(_log_sum_exp),
}

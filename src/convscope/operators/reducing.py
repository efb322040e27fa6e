"""Reductions along axes: sums, means, maxima, and what is made of them.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

from functools import partial

from convscope.equations.reducing import REDUCTIONS, Reduce, reduction
from convscope.notation import Axis, Equation
from convscope.operators.rule import Node, Rule


def _reduced(reduce: Reduce) -> Rule:
    def state(node: Node) -> Equation:
        shape, named = node.shape(), node.layout.axes
        axes = node.axes(1, ()) or ()
        if not axes and node.flag("noop_with_empty_axes"):
            every = named(shape)
            return Equation(every, reduce((Axis("i", 1, "position"),), node.read(0, *every)))
        gone = node.places(axes, len(shape)) if axes else tuple(range(len(shape)))
        return reduction(
            reduce, partial(node.read, 0), shape, gone, node.flag("keepdims", 1), named
        )

    return Rule(state, given=frozenset((1,)))


_KINDS = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceSumSquare": "sum_square",
    "ReduceLogSum": "log_sum",
    "ReduceLogSumExp": "log_sum_exp",
}

RULES = {op: _reduced(REDUCTIONS[kind]) for op, kind in _KINDS.items()}

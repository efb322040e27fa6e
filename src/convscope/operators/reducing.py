"""Reductions along axes: sums, means, maxima, and what is made of them; norms of windows.

out[n, c] = mean i<7, j<7  in[n, c, i, j]
"""

from __future__ import annotations

from functools import partial

from convscope.equations.ordering import UNTOLD_ABOVE, ordered, place_of_largest
from convscope.equations.pooling import global_pooling, pooling
from convscope.equations.reducing import REDUCTIONS, Reduce, cumulative, norm, product, reduction
from convscope.equations.stating import NoEquation, all_known
from convscope.notation import Axis, Equation
from convscope.notation.sizes import LARGEST
from convscope.operators.elements import FLOATS, INT64, NUMBERS, Kind
from convscope.operators.rule import Node, Rule
from convscope.operators.windows import pooled, spatial_axes


def _gone(node: Node) -> tuple[int, ...]:
    """Return the axes along which the node reduces; none where it is told to reduce nothing."""
    axes = node.axes(1, ()) or ()
    if not axes and node.flag("noop_with_empty_axes"):
        return ()
    rank = len(node.shape())
    return node.places(axes, rank) if axes else tuple(range(rank))


def _reduced(reduce: Reduce, takes: frozenset[Kind] = FLOATS) -> Rule:
    def state(node: Node) -> Equation:
        shape, named = node.shape(), node.layout.axes
        gone = _gone(node)
        if not gone:
            every = named(shape)
            return Equation(every, reduce((Axis("i", 1, "position"),), node.read(0, *every)))
        return reduction(
            reduce, partial(node.read, 0), shape, gone, node.flag("keepdims", 1), named
        )

    return Rule(state, given=frozenset((1,)), takes=takes)


def multiplied(node: Node) -> Equation:
    shape, keep = node.shape(), node.flag("keepdims", 1)
    return product(partial(node.read, 0), shape, _gone(node), keep, node.layout.axes)


def _of_largest(smallest: bool) -> Rule:
    def state(node: Node) -> Equation:
        shape = node.shape()
        place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
        last = node.flag("select_last_index")
        return place_of_largest(
            partial(node.read, 0), shape, (place,), node.flag("keepdims", 1), node.layout.axes, smallest, last,
        )  # fmt: skip

    return Rule(state, takes=NUMBERS, gives=INT64)


def top(node: Node) -> Equation:
    """TopK: the largest or smallest numbers along an axis in order; its second output, where they were."""
    shape = node.shape()
    place = node.axis(node.whole("axis", -1, -LARGEST), len(shape))
    many = node.whole("k", 0) if "k" in node.attributes else node.whole_values(1)[0]
    all_known((shape[place],))
    if not 1 <= many <= shape[place]:
        raise NoEquation("its output is empty")
    if not node.flag("sorted", 1):
        raise NoEquation("it leaves the order open")
    axes = node.layout.axes([many if n == place else s for n, s in enumerate(shape)])
    smallest = not node.flag("largest", 1)
    return ordered(
        partial(node.read, 0), shape, place, axes, smallest, node.output == 1, UNTOLD_ABOVE
    )


def _of_top(node: Node) -> int:
    return INT64 if node.output else node.element


def running_sum(node: Node) -> Equation:
    axes = node.layout.axes(node.shape())
    place = node.axis(node.whole_values(1)[0], len(axes))
    return cumulative(
        REDUCTIONS["sum"],
        node.tensor(),
        axes,
        place,
        "zero",
        node.flag("exclusive"),
        node.flag("reverse"),
    )


def lp_pool(node: Node) -> Equation:
    """LpPool: the norm of each window, of an order that is set."""
    moves, order = pooled(node).slide(node.flag("ceil_mode")), norm(float(node.whole("p", 2, 1)))
    return pooling(
        moves,
        lambda *taps: partial(order, taps),
        node.tensor(),
        node.shape()[1],
        node.layout,
        "zero",
    )


def lp_pool_whole(node: Node) -> Equation:
    """GlobalLpPool: the norm of each map."""
    spatial_axes(node)
    order = norm(float(node.whole("p", 2, 1)))
    return global_pooling(
        lambda *taps: partial(order, taps), node.tensor(), node.shape(), node.layout, keep=True
    )


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
_WHOLE = ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceSumSquare")

RULES = {
    **{
        op: _reduced(REDUCTIONS[kind], NUMBERS if op in _WHOLE else FLOATS)
        for op, kind in _KINDS.items()
    },
    "ReduceProd": Rule(multiplied, given=frozenset((1,)), takes=NUMBERS),
    "LpPool": Rule(lp_pool),
    "GlobalLpPool": Rule(lp_pool_whole),
    "ArgMax": _of_largest(False),
    "ArgMin": _of_largest(True),
    "TopK": Rule(top, given=frozenset((1,)), takes=NUMBERS, gives=_of_top),
    "CumSum": Rule(running_sum, given=frozenset((1,)), takes=NUMBERS),
}

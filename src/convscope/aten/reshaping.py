"""Operators that give the same numbers another shape, or another order of axes.

out[n, k] = in[n, k // 49, k // 7 mod 7, k mod 7]
"""

from __future__ import annotations

import math

from convscope.aten.pointwise import write_truncated
from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import moving
from convscope.equations.pointwise import DIFFERS, truncated
from convscope.notation import Equation, call
from convscope.operators.elements import ALL, TORCH


def _moved(given: Call) -> Equation:
    """Return the equation of the same numbers in the same order, in the shape that is wanted."""
    before, after = given.shape(), wanted(given)
    if given["dtype"] is not None:
        raise NoEquation("it takes the bits of its numbers for those of another type")
    if math.prod(before) != math.prod(after):
        raise NoEquation(f"{math.prod(before)} numbers do not become {math.prod(after)}")
    return moving.reshaped(given.tensor(), before, axes_of(after))


def wanted(given: Call) -> tuple[int, ...]:
    """Return the shape that a reshaping gives."""
    if given.wanted is not None:
        return tuple(map(int, given.wanted))
    before = tuple(map(int, given.shape()))
    for name in ("shape", "size"):
        if isinstance(given[name], tuple):
            sizes = list(given[name])
            if -1 in sizes:
                rest = math.prod(s for s in sizes if s != -1)
                sizes[sizes.index(-1)] = math.prod(before) // max(rest, 1)
            return tuple(sizes)
    rank = len(before)
    if given.op == "flatten":
        first, last = given.axis("start_dim", default=0), given.axis("end_dim", default=-1)
        return (*before[:first], math.prod(before[first : last + 1]), *before[last + 1 :])
    if given.op == "unsqueeze":
        place = given.axis("dim", rank + 1)
        return (*before[:place], 1, *before[place:])
    if given.op == "squeeze":
        gone = given.axes("dim")
        return tuple(s for n, s in enumerate(before) if s != 1 or n not in gone)
    if given.op == "unflatten":
        place = given.axis("dim")
        sizes = list(given["sizes"])
        if -1 in sizes:
            sizes[sizes.index(-1)] = -before[place] // math.prod(sizes)
        return (*before[:place], *sizes, *before[place + 1 :])
    raise NoEquation("its shape is known only when it runs")


def _write_moved(given: Call, form: Write) -> str:
    return form.node("Reshape", form.input(given.first()), form.whole(*wanted(given)))


def _order(given: Call) -> tuple[int, ...]:
    """Return which axis of the input each axis of the output is."""
    rank = len(given.shape())
    order = list(range(rank))
    if given.op == "permute":
        return tuple(given.place(d) for d in given["dims"])
    if given.op in ("t", "numpy_T", "matrix_H", "mT", "adjoint"):
        order[-2:] = reversed(order[-2:])
        return tuple(order)
    if given.op in ("movedim", "moveaxis"):
        source, target = given["source"], given["destination"]
        froms = [given.place(d) for d in (source if isinstance(source, tuple) else (source,))]
        tos = [given.place(d) for d in (target if isinstance(target, tuple) else (target,))]
        rest = iter(n for n in order if n not in froms)
        placed = dict(zip(tos, froms, strict=True))
        return tuple(placed[n] if n in placed else next(rest) for n in range(rank))
    names = ("axis0", "axis1") if given.op == "swapaxes" else ("dim0", "dim1")
    a, b = (given.axis(name) for name in names)
    order[a], order[b] = order[b], order[a]
    return tuple(order)


def _transposed(given: Call) -> Equation:
    order, shape = _order(given), given.shape()
    return moving.permuted(given.tensor(), axes_of([shape[n] for n in order]), order)


def _write_transposed(given: Call, form: Write) -> str:
    return form.node("Transpose", form.input(given.first()), perm=list(_order(given)))


def _cast(given: Call) -> Equation:
    """The same numbers in another type: whole ones without what is behind the point, true as 1."""
    axes = axes_of(given.shape("self"))
    x = given.read("self", *axes)
    before, after = TORCH.get((given.reads or ("float32",))[0], ""), TORCH[given.dtype]
    if after == "small" and before != "small":
        raise NoEquation("it turns numbers into others")
    if after == "truth" and before != "truth":
        return Equation(axes, call(DIFFERS, x, 0.0))
    return Equation(axes, truncated(x) if before == "float" and after == "whole" else x)


def _write_cast(given: Call, form: Write) -> str:
    """All numbers are floats there; whole and true ones are floats that look so."""
    x = form.input("self")
    before, after = TORCH.get((given.reads or ("float32",))[0], ""), TORCH[given.dtype]
    if after == "truth" and before != "truth":
        return form.counted(form.node("Not", form.node("Equal", x, form.number(0.0))))
    return (
        write_truncated(form, x)
        if before == "float" and after == "whole"
        else form.node("Identity", x)
    )


_MOVED = Rule(_moved, _write_moved, ALL)
_TRANSPOSED = Rule(_transposed, _write_transposed, ALL)
_CAST = Rule(_cast, _write_cast, ALL)

RULES = {
    **{
        name: _MOVED
        for name in (
            "view",
            "reshape",
            "flatten",
            "squeeze",
            "unsqueeze",
            "unflatten",
            "view_as",
            "reshape_as",
            "_unsafe_view",
            "_reshape_alias",
            "ravel",
        )
    },
    **{
        name: _TRANSPOSED
        for name in (
            "transpose",
            "permute",
            "t",
            "numpy_T",
            "mT",
            "movedim",
            "moveaxis",
            "swapaxes",
            "swapdims",
            "adjoint",
        )
    },
    **{name: _CAST for name in ("to", "_to_copy", "type_as")},
}

"""How far apart, or how alike, two tensors are: norms of their difference, and the angle between rows.

out[n, m] = √(Σ k  (x1[n, k] − x2[m, k])²)
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.aten.reducing import norm_written
from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import reducing
from convscope.equations.merging import broadcast
from convscope.notation import Axis, Equation, Expression, Sum, call, local
from convscope.notation.functions import MAXIMUM, SQRT


def at_once(state: Callable[[Call], Equation]) -> Callable[[Call], Equation]:
    """Return what states an operator that PyTorch makes of several, each of which rounds."""

    def stated(given: Call) -> Equation:
        if given.dtype in ("float16", "bfloat16"):
            raise NoEquation(f"PyTorch rounds to {given.dtype} between its steps")
        return state(given)

    return stated


def _names(given: Call) -> tuple[str, str]:
    return ("x1", "x2") if given.has("x1") else ("self", "other")


def _order(given: Call) -> float:
    return 2.0 if given["p"] is None else given.number("p")


def _apart(given: Call) -> Equation:
    """aten::dist of two whole tensors, and pairwise_distance of their rows, whose every difference is a little more."""
    names, more = _names(given), given["eps"]
    shape = [axis.size for axis in given.together(*names)]
    along = range(len(shape)) if given.op == "dist" else (len(shape) - 1,)

    def away(*at: Axis) -> Expression:
        a, b = (given.spread(name, at) for name in names)
        return a - b if more is None else a - b + float(more)

    norm = reducing.norm(_order(given))
    return reducing.reduction(norm, away, shape, tuple(along), bool(given["keepdim"]), axes_of)


def _write_apart(given: Call, form: Write) -> str:
    names = _names(given)
    away = form.node("Sub", *map(form.input, names))
    if given["eps"] is not None:
        away = form.node("Add", away, form.number(float(given["eps"])))
    rank = len(given.together(*names))
    along = range(rank) if given.op == "dist" else (rank - 1,)
    return norm_written(form, away, _order(given), along, int(bool(given["keepdim"])))


_FEW_ROWS = 25
"""Of more rows PyTorch finds Euclidean distances by a product of matrices."""


def _by_product(given: Call) -> bool:
    rows = max(int(given.shape(name)[-2]) for name in ("x1", "x2"))
    mode = given["compute_mode"] or 0
    return _order(given) == 2 and (mode == 1 or (mode == 0 and rows > _FEW_ROWS))


def _each_to_each(given: Call) -> Equation:
    """aten::cdist: from every row to every row; from products where PyTorch does so, which round otherwise."""
    first, second = given.shape("x1"), given.shape("x2")
    lead = broadcast((first[:-2], second[:-2]), given.op)
    *stack, m, o = axes_of((*lead, first[-2], second[-2]))
    k = Axis("k", first[-1], "input", role="in")
    a, b = given.spread("x1", (*stack, m, k)), given.spread("x2", (*stack, o, k))
    if not _by_product(given):
        return Equation((*stack, m, o), reducing.norm(_order(given))((k,), a - b))
    squares = Sum(k)(a * a) + Sum(k)(b * b) - 2.0 * Sum(k)(a * b)
    return Equation((*stack, m, o), call(SQRT, call(MAXIMUM, squares, 0.0)))


def _write_each_to_each(given: Call, form: Write) -> str:
    a, b, last = form.input("x1"), form.input("x2"), form.whole(-1)
    if not _by_product(given):
        rows = form.node("Unsqueeze", a, form.whole(-2))
        others = form.node("Unsqueeze", b, form.whole(-3))
        return norm_written(form, form.node("Sub", rows, others), _order(given), (-1,), 0)
    rows = form.node("ReduceSumSquare", a, last, keepdims=1)
    others = form.node("ReduceSumSquare", b, last, keepdims=0)
    squares = form.node("Add", rows, form.node("Unsqueeze", others, form.whole(-2)))
    rank = len(given.shape("x2"))
    turned = form.node("Transpose", b, perm=[*range(rank - 2), rank - 1, rank - 2])
    product = form.node("MatMul", a, turned)
    squares = form.node("Sub", squares, form.node("Mul", product, form.number(2.0)))
    return form.node("Sqrt", form.node("Max", squares, form.number(0.0)))


def _alike(given: Call) -> Equation:
    """aten::cosine_similarity: Σ of products, each number divided by its row's length, or by ε if that is less."""
    axes = given.together("x1", "x2")
    place, epsilon = _along(given, len(axes)), _epsilon(given)
    k, m = (axes[place].like(name, axes[place].size) for name in "km")
    out = axes_of([axis.size for n, axis in enumerate(axes) if n != place])

    def row(name: str, index: Axis) -> Expression:
        return given.spread(name, (*out[:place], index, *out[place:]))

    def shares(name: str) -> Expression:
        length = reducing.norm(2.0)((m,), row(name, m))
        return row(name, k) / local(f"length_{name}", out, call(MAXIMUM, length, epsilon))[out]

    return Equation(out, Sum(k)(shares("x1") * shares("x2")))


def _along(given: Call, rank: int) -> int:
    return given.axis("dim", rank, 1)


def _epsilon(given: Call) -> float:
    return 1e-8 if given["eps"] is None else given.number("eps")


def _write_alike(given: Call, form: Write) -> str:
    sizes = form.whole(*(int(axis.size) for axis in given.together("x1", "x2")))
    along, least = (
        form.whole(_along(given, len(given.together("x1", "x2")))),
        form.number(_epsilon(given)),
    )
    shares = []
    for name in ("x1", "x2"):
        x = form.node("Expand", form.input(name), sizes)
        length = form.node("ReduceL2", x, along, keepdims=1)
        shares.append(form.node("Div", x, form.node("Max", length, least)))
    return form.node("ReduceSum", form.node("Mul", *shares), along, keepdims=0)


RULES = {
    **{name: Rule(at_once(_apart), _write_apart) for name in ("pairwise_distance", "dist")},
    "cdist": Rule(at_once(_each_to_each), _write_each_to_each),
    "cosine_similarity": Rule(at_once(_alike), _write_alike),
}

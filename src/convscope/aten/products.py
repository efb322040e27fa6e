"""Products of matrices: dense layers, matrix products, attention.

out[n, o] = bias[o] + Σ k  in[n, k] · weight[o, k]
"""

from __future__ import annotations

import math

from convscope.aten.rule import Call, NoEquation, Rule, Weight, Write, axes_of
from convscope.equations import formulas
from convscope.equations.merging import aligned, broadcast
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Size, Sum, call, local
from convscope.notation.functions import SELECT
from convscope.notation.sizes import Shape, shape_text


def linear(given: Call) -> Equation:
    shape, weight = given.shape("input"), given.shape("weight")
    if len(weight) != 2 or shape[-1] != weight[-1]:
        raise ShapeError(
            f"linear: rows of {shape[-1]} numbers do not fit a weight {shape_text(weight)}"
        )
    lead = axes_of((*shape[:-1], 1))[:-1] if len(shape) > 1 else ()
    o, k = Axis("o", weight[0], "unit", role="out"), Axis("k", weight[1], "input", role="in")
    total: Expression = Sum(k)(given.read("input", *lead, k) * given.read("weight", o, k))
    if given.has("bias"):
        total = given.read("bias", o) + total
    return Equation((*lead, o), total)


def write_linear(given: Call, form: Write) -> str:
    rank = len(given.shape("input"))
    bias = (form.input("bias"),) if given.has("bias") else ()
    if rank == 2:
        return form.node("Gemm", form.input("input"), form.input("weight"), *bias, transB=1)
    turned = form.node("Transpose", form.input("weight"), perm=[1, 0])
    value = form.node("MatMul", form.input("input"), turned)
    return form.node("Add", value, *bias) if bias else value


def product(given: Call, left: str, right: str) -> tuple[tuple[Axis, ...], Expression]:
    """Return the axes of a product of (stacks of) matrices, and the product."""
    a, b = given.shape(left), given.shape(right)
    if not a or not b:
        raise NoEquation("one of them is a single number")
    row, column = len(a) > 1, len(b) > 1
    if a[-1] != (b[-2] if column else b[-1]):
        raise ShapeError(f"the matrices {shape_text(a)} and {shape_text(b)} do not fit together")
    k = Axis("k", a[-1], "input", role="in")
    lead = broadcast([a[:-2], b[:-2]], given.op)
    axes = axes_of((*lead, 1, 1))[: len(lead)]
    m = Axis("m" if lead else "n", a[-2] if row else 1, "row" if lead else "image")
    o = Axis("o", b[-1], "unit", role="out")
    first = given.read(
        left, *(aligned(given.shape(left)[:-2], axes) if row else ()), *((m, k) if row else (k,))
    )
    second = given.read(
        right,
        *(aligned(given.shape(right)[:-2], axes) if column else ()),
        *((k, o) if column else (k,)),
    )
    out = (*axes, *((m,) if row else ()), *((o,) if column else ()))
    return out, Sum(k)(first * second)


def _names(given: Call) -> tuple[str, str]:
    pairs = (
        ("self", "other"),
        ("self", "mat2"),
        ("self", "vec"),
        ("mat1", "mat2"),
        ("batch1", "batch2"),
    )
    for left, right in pairs:
        if given.has(left) and given.has(right):
            return left, right
    raise NoEquation("it multiplies nothing that is known")


def matmul(given: Call) -> Equation:
    return Equation(*product(given, *_names(given)))


def write_matmul(given: Call, form: Write) -> str:
    left, right = _names(given)
    return form.node("MatMul", form.input(left), form.input(right))


def _added(given: Call) -> Equation:
    """aten::addmm and baddbmm: β·self + α·(a · b)."""
    left, right = ("mat1", "mat2") if given.has("mat1") else ("batch1", "batch2")
    axes, total = product(given, left, right)
    alpha, beta = given["alpha"], given["beta"]
    if alpha not in (None, 1):
        total = float(alpha) * total
    if beta == 0:
        return Equation(axes, total)
    more = given.spread("self", axes)
    return Equation(axes, (more if beta in (None, 1) else float(beta) * more) + total)


def _write_added(given: Call, form: Write) -> str:
    left, right = ("mat1", "mat2") if given.has("mat1") else ("batch1", "batch2")
    value = form.node("MatMul", form.input(left), form.input(right))
    if given["alpha"] not in (None, 1):
        value = form.node("Mul", value, form.number(float(given["alpha"])))
    if given["beta"] == 0:
        return value
    more = form.input("self")
    if given["beta"] not in (None, 1):
        more = form.node("Mul", more, form.number(float(given["beta"])))
    return form.node("Add", more, value)


def einsum(given: Call) -> Equation:
    """Every letter is an axis; those that the result does not name are summed over."""
    text = given["equation"]
    if not isinstance(text, str):
        raise NoEquation("its axes are not named")
    text = text.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    keys = given.many("tensors")
    if "." in text or len(terms) != len(keys):
        raise NoEquation(f"it is spelled {text}")
    if not arrow:
        right = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    sizes: dict[str, Size] = {}
    for term, key in zip(terms, keys, strict=True):
        if len(term) != len(given.shape(key)):
            raise NoEquation(f"it is spelled {text}")
        for letter, size in zip(term, given.shape(key), strict=True):
            if sizes.setdefault(letter, size) == 1:
                sizes[letter] = size
    named = dict(zip(right, axes_of([sizes[c] for c in right]), strict=True))
    taken = {axis.name for axis in named.values()}
    runs = {}
    for letter, size in sizes.items():
        if letter not in named:
            runs[letter] = Axis(
                letter if letter not in taken else 2 * letter, size, "input", role="in"
            )
    every = named | runs
    body: Expression | None = None
    for term, key in zip(terms, keys, strict=True):
        at = [
            0 if size == 1 and sizes[letter] != 1 else every[letter]
            for letter, size in zip(term, given.shape(key), strict=True)
        ]
        read = given.read(key, *at)
        body = read if body is None else body * read
    assert body is not None
    if runs:
        body = Sum(*runs.values())(body)
    return Equation(tuple(named[c] for c in right), body)


def write_einsum(given: Call, form: Write) -> str:
    return form.node("Einsum", *map(form.input, given.many("tensors")), equation=given["equation"])


# -- attention ------------------------------------------------------------------------------------


def _attention_shapes(given: Call) -> tuple[Shape, Shape, Shape]:
    query, key, value = (given.shape(name) for name in ("query", "key", "value"))
    if given["dropout_p"]:
        raise NoEquation("it drops at random")
    if given["enable_gqa"] and query[-3] != key[-3]:
        raise NoEquation("its heads share keys")
    return query, key, value


def _scale(given: Call) -> float:
    told = given["scale"]
    return float(told) if told is not None else 1.0 / math.sqrt(int(given.shape("query")[-1]))


def attention(given: Call) -> Equation:
    """softmax(q · kᵀ · scale + mask) · v (Vaswani et al. 2017, equation 1)."""
    query, key, value = _attention_shapes(given)
    lead = broadcast([query[:-2], key[:-2], value[:-2]], given.op)
    axes = axes_of((*lead, 1, 1))[: len(lead)]
    m, o = Axis("q", query[-2], "query"), Axis("o", value[-1], "unit", role="out")
    s, d = Axis("s", key[-2], "key"), Axis("d", query[-1], "input", role="in")
    t = Axis("t", key[-2], "key")
    scores: Expression = Sum(d)(
        given.read("query", *aligned(given.shape("query")[:-2], axes), m, d)
        * given.read("key", *aligned(given.shape("key")[:-2], axes), s, d)
    ) * _scale(given)
    if given["is_causal"]:
        raise NoEquation("its mask is a triangle")
    if given.has("attn_mask"):
        mask = given.shape("attn_mask")
        last = (*axes, m, s)[len(axes) + 2 - len(mask) :]
        at = [
            0 if size == 1 and axis.size != 1 else axis
            for size, axis in zip(mask, last, strict=True)
        ]
        weighed = given.read("attn_mask", *at)
        slot = given.slots["attn_mask"]
        if isinstance(slot, Weight) and slot.name.startswith("mask"):
            scores = call(SELECT, weighed, scores, float("-inf"))
        else:
            scores = scores + weighed
    pre = local("score", (*axes, m, s), scores)
    every = (*axes, m, s)
    share = local("share", every, formulas.softmax(pre, every, (len(every) - 1,), (key[-2],)))
    total = Sum(t)(
        share[(*axes, m, t)] * given.read("value", *aligned(given.shape("value")[:-2], axes), t, o)
    )
    return Equation((*axes, m, o), total)


def write_attention(given: Call, form: Write) -> str:
    _, key, _ = _attention_shapes(given)
    rank = len(key)
    turned = form.node("Transpose", form.input("key"), perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = form.node("MatMul", form.input("query"), turned)
    scores = form.node("Mul", scores, form.number(_scale(given)))
    if given.has("attn_mask"):
        slot = given.slots["attn_mask"]
        mask = form.input("attn_mask")
        if isinstance(slot, Weight) and slot.name.startswith("mask"):
            seen = form.node("Greater", mask, form.number(0.0))
            scores = form.node("Where", seen, scores, form.number(float("-inf")))
        else:
            scores = form.node("Add", scores, mask)
    return form.node("MatMul", form.node("Softmax", scores, axis=-1), form.input("value"))


RULES = {
    "linear": Rule(linear, write_linear),
    "matmul": Rule(matmul, write_matmul),
    "bmm": Rule(matmul, write_matmul),
    "mm": Rule(matmul, write_matmul),
    "mv": Rule(matmul, write_matmul),
    "addmm": Rule(_added, _write_added),
    "baddbmm": Rule(_added, _write_added),
    "einsum": Rule(einsum, write_einsum),
    "scaled_dot_product_attention": Rule(attention, write_attention),
}

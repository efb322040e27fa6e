"""Scaled dot-product attention.

out[n, c, q, o] = Σ r  share[n, c, q, r] · value[n, c, r, o]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations.attention import attended, causal
from convscope.equations.merging import aligned, broadcast
from convscope.notation import Axis, Equation, Expression, Index, Size, Sum, call
from convscope.notation.functions import SELECT


def _shared(given: Call) -> int:
    """Return how many heads of the query share one of the keys and values."""
    query, key = given.shape("query"), given.shape("key")
    if given["dropout_p"]:
        raise NoEquation("it drops at random")
    if not given["enable_gqa"] or query[-3] == key[-3]:
        return 1
    if query[-3] % key[-3] or given.shape("value")[-3] != key[-3]:
        raise NoEquation("its heads cannot be divided among the keys")
    return int(query[-3] // key[-3])


def _scale(given: Call) -> float:
    told = given["scale"]
    return float(told) if told is not None else 1.0 / math.sqrt(int(given.shape("query")[-1]))


def attention(given: Call) -> Equation:
    """softmax(q · kᵀ · scale + mask) · v (Vaswani et al. 2017, equation 1)."""
    query, key, value = (given.shape(name) for name in ("query", "key", "value"))
    each = _shared(given)
    stacks = [s[:-2] if each == 1 else s[:-3] for s in (query, key, value)]
    lead = broadcast(stacks, given.op)
    heads = () if each == 1 else (query[-3],)
    axes = axes_of((*lead, *heads, 1, 1))[: len(lead) + len(heads)]
    q, o = Axis("q", query[-2], "query"), Axis("o", value[-1], "unit", role="out")
    s, d = Axis("s", key[-2], "key"), Axis("d", query[-1], "input", role="in")

    def stack(name: str) -> list[Index | Size]:
        if each == 1:
            return list(aligned(given.shape(name)[:-2], axes))
        head = axes[-1] if name == "query" else axes[-1] // each
        return [*aligned(given.shape(name)[:-3], axes[:-1]), head]

    def scored(keys: Sequence[Axis]) -> Expression:
        left = given.read("query", *stack("query"), q, d)
        scores = Sum(d)(left * given.read("key", *stack("key"), *keys, d)) * _scale(given)
        if given["is_causal"]:
            return causal(scores, q, keys[0])
        if not given.has("attn_mask"):
            return scores
        mask = given.spread("attn_mask", (*axes, q, *keys))
        return (
            call(SELECT, mask, scores, float("-inf"))
            if given.is_truth("attn_mask")
            else scores + mask
        )

    def valued(others: Sequence[Axis]) -> Expression:
        return given.read("value", *stack("value"), *others, o)

    return Equation((*axes, q, o), attended(scored, valued, (*axes, q), (s,)))


def write_attention(given: Call, form: Write) -> str:
    each = _shared(given)
    query, keys = given.shape("query"), given.shape("key")
    rank = len(keys)
    key, value = form.input("key"), form.input("value")
    if each > 1:
        heads = form.whole(*(n // each for n in range(int(query[-3]))))
        key, value = (form.node("Gather", one, heads, axis=rank - 3) for one in (key, value))
    turned = form.node("Transpose", key, perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = form.node("MatMul", form.input("query"), turned)
    scores = form.node("Mul", scores, form.number(_scale(given)))
    seen = ""
    if given["is_causal"]:
        seen = form.node("Trilu", form.filled(1.0, (int(query[-2]), int(keys[-2]))), upper=0)
    elif given.has("attn_mask") and given.is_truth("attn_mask"):
        seen = form.input("attn_mask")
    elif given.has("attn_mask"):
        scores = form.node("Add", scores, form.input("attn_mask"))
    if seen:
        held = form.node("Greater", seen, form.number(0.0))
        scores = form.node("Where", held, scores, form.number(float("-inf")))
    return form.node("MatMul", form.node("Softmax", scores, axis=-1), value)


RULES = {
    "scaled_dot_product_attention": Rule(attention, write_attention, frozenset(("float", "truth"))),
}

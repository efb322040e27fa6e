"""Attention, and the turning of queries and keys by their places.

out[n, h, q, o] = Σ r  share[n, h, q, r] · value[n, h, r, o]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.equations.attention import attended, shares
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Index, Pieces, Size, Sum, call, local
from convscope.notation.expression import Place
from convscope.notation.functions import SELECT, TANH
from convscope.notation.index import written_out
from convscope.notation.sizes import is_one, shape_text
from convscope.operators.elements import BOOL, FLOATS
from convscope.operators.rule import Node, Rule, spread

QUERY, KEY, VALUE, MASK, PAST_KEY, PAST_VALUE, FILLED = range(7)
COSINE, SINE, PLACES = 1, 2, 3


class Stack:
    """Queries, keys or values as (image, head, place, number), however the tensor lies.

    (n, heads, places, numbers), or (n, places, heads · numbers) with `heads` told.
    """

    def __init__(self, node: Node, place: int, told: str) -> None:
        self.node, self.place = node, place
        shape = node.shape(place)
        all_known(shape[1:])
        self.whole = len(shape) == 4
        if self.whole:
            _, self.heads, self.length, self.width = shape
        elif len(shape) == 3:
            self.heads, self.length = node.whole(told, 0, 1), shape[1]
            self.width, rest = divmod(shape[2], self.heads)
            if rest:
                raise ShapeError(f"{shape[2]} numbers cannot be divided into {self.heads} heads")
        else:
            raise ShapeError(f"{node.op} takes tensors of 3 or 4 axes, not {shape_text(shape)}")

    def read(self, n: Index, head: Index, at: Index, number: Index, before: Size = 0) -> Expression:
        """Return one number; `before` places that are not here stand before the first."""
        whole = (n, head, at, number) if self.whole else (n, at, head * self.width + number)
        tensor = self.node.tensor(self.place)
        borders = [(before if index is at else 0, 0) for index in whole]
        return tensor.padded(borders, "zero")[whole] if before else tensor[whole]


class Kept(Stack):
    """Keys or values, those that were kept from before in front of them."""

    def __init__(self, node: Node, place: int, kept: int) -> None:
        super().__init__(node, place, "kv_num_heads")
        self.kept = kept
        self.before = int(node.shape(kept)[2]) if node.has(kept) else 0
        self.length += self.before

    def read(self, n: Index, head: Index, at: Index, number: Index, before: Size = 0) -> Expression:
        if not self.before:
            return super().read(n, head, at, number)
        own = super().read(n, head, at - self.before, number, self.before)
        borders = ((0, 0), (0, 0), (0, self.length - self.before), (0, 0))
        kept = self.node.tensor(self.kept).padded(borders, "zero")[n, head, at, number]
        return Pieces(at, (self.before, self.length), (kept, own))


def attention(node: Node) -> Equation:
    """softmax(q · kᵀ · scale + mask) · v (Vaswani et al. 2017, equation 1), of several heads."""
    if node.has(FILLED):
        raise NoEquation("how many keys there are is known only when it runs")
    query = Stack(node, QUERY, "q_num_heads")
    key, value = Kept(node, KEY, PAST_KEY), Kept(node, VALUE, PAST_VALUE)
    n = Axis("n", node.shape()[0], "image")
    if node.output in (1, 2):
        held = value if node.output == 2 else key
        h, r, d = (
            Axis("h", held.heads, "head"),
            Axis("r", held.length, "key"),
            Axis("d", held.width, "number"),
        )
        return Equation((n, h, r, d), held.read(n, h, r, d))
    if query.heads % key.heads:
        raise ShapeError(f"{query.heads} heads cannot be divided among {key.heads} of keys")
    h, q = Axis("h", query.heads, "head"), Axis("q", query.length, "query")
    s, o = Axis("s", key.length, "key"), Axis("o", value.width, "unit", role="out")
    lead, each = (n, h, q), query.heads // key.heads
    scored = _Scores(node, query, key, lead, each)
    hidden = node.has(MASK)
    if node.output:
        mode = node.whole("qk_matmul_output_mode", 0, 0, 3)
        steps = (scored.products, scored.capped, scored.masked)
        if mode < 3:
            return Equation((*lead, s), steps[mode]((s,)))
        return Equation((*lead, s), shares(scored.masked, lead, (s,), hidden)[(*lead, s)])

    def valued(others: Sequence[Axis]) -> Expression:
        return value.read(n, h // each, others[0], o)

    total = attended(scored.masked, valued, lead, (s,), hidden)
    if query.whole:
        return Equation((*lead, o), total)
    heads = local("head", (*lead, o), total)
    p = Axis("p", query.heads * value.width, "unit", role="out")
    return Equation((n, q, p), heads[n, p // value.width, q, p % value.width])


class _Scores:
    """How well a query fits a key, step by step."""

    def __init__(
        self, node: Node, query: Stack, key: Kept, lead: tuple[Axis, Axis, Axis], each: int
    ) -> None:
        self.node, self.query, self.key, self.lead, self.each = node, query, key, lead, each

    def products(self, keys: Sequence[Axis]) -> Expression:
        n, h, q = self.lead
        d = Axis("d", self.query.width, "input", role="in")
        scale = self.node.number("scale", 1.0 / math.sqrt(self.query.width))
        fits = self.query.read(n, h, q, d) * self.key.read(n, h // self.each, keys[0], d)
        return Sum(d)(fits) * scale

    def capped(self, keys: Sequence[Axis]) -> Expression:
        cap = self.node.number("softcap", 0.0)
        score = self.products(keys)
        return cap * call(TANH, score / cap) if cap else score

    def masked(self, keys: Sequence[Axis]) -> Expression:
        node, score = self.node, self.capped(keys)
        q, (s,) = self.lead[-1] + self.key.before, keys
        if node.has(MASK):
            mask = self._mask((*self.lead, s))
            seen = node.elements[MASK] == BOOL
            score = call(SELECT, mask, score, float("-inf")) if seen else score + mask
        left, right = (node.whole(f"{side}_window_size", -1, -1) for side in ("left", "right"))
        if node.flag("is_causal"):
            right = 0
        limits: list[Index] = [s - q + left + 1] if left >= 0 else []
        limits += [q - s + right + 1] if right >= 0 else []
        for limit in limits:
            score = call(SELECT, Place(limit), score, float("-inf"))
        return score

    def _mask(self, axes: Sequence[Axis]) -> Expression:
        shape = self.node.shape(MASK)
        if len(shape) > 4:
            raise ShapeError(f"a mask has up to 4 axes, not {shape_text(shape)}")
        if shape and shape[-1] not in (1, axes[-1].size):
            raise NoEquation("its mask is shorter than there are keys")
        return spread(self.node, MASK, axes)


def turned(node: Node) -> Equation:
    """RotaryEmbedding: pairs of numbers turned by an angle that depends on their place (Su et al. 2021)."""
    held = Stack(node, 0, "num_heads")
    width = node.whole("rotary_embedding_dim", 0) or held.width
    half = width // 2
    if width % 2 or width > held.width:
        raise ShapeError(f"{width} of {held.width} numbers cannot be turned in pairs")
    n, h = Axis("n", node.shape()[0], "image"), Axis("h", held.heads, "head")
    q, d = Axis("q", held.length, "place"), Axis("d", held.width, "number")
    angle = _angles(node, n, q)

    def pair(first: Index, second: Index, number: Index) -> tuple[Expression, Expression]:
        sine, cosine = angle(SINE, number), angle(COSINE, number)
        one, other = held.read(n, h, q, first), held.read(n, h, q, second)
        return cosine * one - sine * other, sine * one + cosine * other

    if node.flag("interleaved"):
        turns: Expression = Pieces(d % 2, (1, 2), pair(d // 2 * 2, d // 2 * 2 + 1, d // 2))
    else:
        turns = Pieces(d, (half, width), pair(d % half, d % half + half, d % half))
    total = (
        turns
        if width == held.width
        else Pieces(d, (width, held.width), (turns, held.read(n, h, q, d)))
    )
    if held.whole:
        return Equation((n, h, q, d), total)
    heads = local("head", (n, h, q, d), total)
    p = Axis("p", held.heads * held.width, "number")
    return Equation((n, q, p), heads[n, p // held.width, q, p % held.width])


def _angles(node: Node, n: Axis, q: Axis) -> Callable[[int, Index], Expression]:
    """Return what reads the sine or the cosine of a row's angles."""
    if not node.has(PLACES):
        return lambda place, number: node.read(
            place, 0 if is_one(node.shape(place)[0]) and not node.batched(place) else n, q, number
        )
    places = node.whole_values(PLACES)
    row: Index = q if len(places) == q.size else n * q.size + q
    if len(places) not in (q.size, q.size * n.size):
        raise ShapeError(f"{len(places)} places are told for {q.size} rows")
    return lambda place, number: node.read(place, written_out(row, places), number)


RULES = {
    "Attention": Rule(attention, takes=FLOATS | {"truth", "whole"}),
    "RotaryEmbedding": Rule(turned, given=frozenset((PLACES,)), takes=FLOATS | {"whole"}),
}

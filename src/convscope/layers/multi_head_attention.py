"""Attention in several heads, each with projections of its own.

    out[t, c] = bias[c] + Σ h, e  mixed[t, h, e] · attention_output_kernel[h, e, c]
    mixed[t, h, e] = Σ s  share[h, t, s] · v[s, h, e],  share = softmax over s of q · k / √key_dim

Vaswani et al., Attention Is All You Need, 2017, section 3.2.2. Ainslie et al., GQA, 2023: groups of heads share keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from convscope.equations.attention import attended
from convscope.equations.convolution import biased
from convscope.equations.formulas import SIGMOID
from convscope.equations.layout import axes_of
from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import axes_setting, flag, number, whole
from convscope.layers.attention import Attending
from convscope.layers.base import Form, Initializer, Sample, Value, tensor_names
from convscope.layers.initializers import kept
from convscope.notation import Axis, Equation, Expression, Local, Sum, call, local, source, weight
from convscope.notation.sizes import Shape, shape_text, surely_differ
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

OUTPUT = "attention_output"
KEY_NAMES = ("s", "s2", "s3")
"""What the axes along which the keys lie are called."""


class Heads(Attending):
    """What layers of attention in heads share."""

    inputs_taken = (2, 3)
    only_trained = ("dropout", "seed", "flash_attention")

    query_heads: int
    key_heads: int
    key_size: int
    value_size: int
    use_bias: bool
    use_gate: bool
    out_sizes: tuple[int, ...] | None = None

    def set_common(self, given: Mapping[str, Any]) -> None:
        """Check and keep what both kinds take, from what they are called with by name."""
        kind = self.kind
        self.dropout = number(given["dropout"], f"{kind}: dropout", 0, 1)
        self.use_bias = flag(given["use_bias"], f"{kind}: use_bias")
        self.use_gate = flag(given["use_gate"], f"{kind}: use_gate")
        self.sliding_window, self.seed = given["sliding_window"], given["seed"]
        self.flash_attention = given["flash_attention"]
        if self.sliding_window is not None:
            raise SettingError(f"{kind}: sliding_window = {self.sliding_window!r} is not supported")
        self._draws = kept(self, given)

    def initializers(self) -> dict[str, Initializer]:
        parts = ("query", "key", *(("gate",) if self.use_gate else ()), "value", OUTPUT)
        weights = ("kernel", "bias") if self.use_bias else ("kernel",)
        return {f"{part}_{w}": self._draws[w] for part in parts for w in weights}

    def equation(self, *shapes: Shape) -> Equation:
        query, value, key = shapes[0], shapes[1], shapes[-1] if len(shapes) > 2 else shapes[1]
        fits = len(value) == len(key) and not any(
            surely_differ(a, b) for a, b in zip(value[:-1], key[:-1], strict=False)
        )
        if not fits or not 2 <= len(query) <= 4 or not 2 <= len(value) <= 4:
            shown = ", ".join(map(shape_text, shapes))
            raise ShapeError(
                f"{self.kind} takes a query (…, channels), a value and perhaps a key of the value's size, not {shown}"
            )
        names = tensor_names(len(shapes))
        asked = axes_of(query)[:-1]
        if len(asked) == 1:
            asked = (Axis("t", query[0], "query"),)
        keys = tuple(Axis(name, size, "key") for name, size in zip(KEY_NAMES, key, strict=False))
        keys = keys[: len(key) - 1]
        h, d = Axis("h", self.query_heads, "head"), Axis("d", self.key_size, "number")
        e, g = Axis("e", self.value_size, "number"), Axis("g", self.key_heads, "head")
        q = self._projected("q", "query", source(query, names[0]), asked, h, d)
        k = self._projected("k", "key", source(key, names[-1]), keys, g, d)
        v = self._projected("v", "value", source(value, names[1]), keys, g, e)
        head = h // (self.query_heads // self.key_heads)
        scale = 1.0 / math.sqrt(self.key_size)
        total = attended(
            lambda at: scale * Sum(d)(q[(*asked, h, d)] * k[(*at, head, d)]),
            lambda at: v[(*at, head, e)],
            (*asked, h),
            keys,
        )
        mixed = local("mixed", (*asked, h, e), total)
        weighed: Expression = mixed[(*asked, h, e)]
        if self.use_gate:
            gate = self._projected("gate", "gate", source(query, names[0]), asked, h, e)
            weighed = weighed * call(SIGMOID, gate[(*asked, h, e)])
        out = self._out(query)
        kernel = weight(f"{OUTPUT}_kernel")[(h, e, *out)]
        bias = weight(f"{OUTPUT}_bias") if self.use_bias else None
        return Equation((*asked, *out), biased(Sum(h, e)(weighed * kernel), bias, *out))

    def _out(self, query: Shape) -> tuple[Axis, ...]:
        sizes = self.out_sizes or (query[-1],)
        names = ("o",) if len(sizes) == 1 else tuple(f"o{n}" for n in range(1, len(sizes) + 1))
        return tuple(
            Axis(n, size, "unit", role="out") for n, size in zip(names, sizes, strict=True)
        )

    def _projected(
        self, name: str, part: str, image: Any, axes: Sequence[Axis], head: Axis, inner: Axis
    ) -> Local:
        """Return what an input is made into for each head."""
        c = Axis("c", image.shape[-1], "input", role="in")
        total = Sum(c)(image[(*axes, c)] * weight(f"{part}_kernel")[c, head, inner])
        bias = weight(f"{part}_bias") if self.use_bias else None
        return local(name, (*axes, head, inner), biased(total, bias, head, inner))

    def onnx(self, form: Form, *inputs: Value) -> Value:
        names = [form.plain(x) for x in inputs]
        query, value, key = names[0], names[1], names[-1] if len(names) > 2 else names[1]
        own, other = "uvw"[: form.rank(inputs[0]) - 2], "xyz"[: form.rank(inputs[1]) - 2]

        def projected(part: str, x: str, at: str, inner: str) -> str:
            text = f"b{at}c,ch{inner}->b{at}h{inner}"
            y = form.node("Einsum", x, form.weight(f"{part}_kernel"), equation=text)
            return form.node("Add", y, form.weight(f"{part}_bias")) if self.use_bias else y

        q, k = projected("query", query, own, "d"), projected("key", key, other, "d")
        v = projected("value", value, other, "e")
        groups, each = self.key_heads, self.query_heads // self.key_heads
        many = each > 1
        heads = "gr" if many else "h"
        if many:  # the heads of a group beside one another: (…, heads, d) as (…, groups, each, d)
            q = self._split(form, q, len(own), groups, each, self.key_size)
        shared = "g" if many else "h"
        scores = form.node(
            "Einsum", q, k, equation=f"b{own}{heads}d,b{other}{shared}d->b{heads}{own}{other}"
        )
        scores = form.node("Mul", scores, form.constant(1.0 / math.sqrt(self.key_size)))
        share = self._softmax(form, scores, 1 + len(heads) + len(own), len(other))
        text = f"b{heads}{own}{other},b{other}{shared}e->b{own}{heads}e"
        mixed = form.node("Einsum", share, v, equation=text)
        if self.use_gate:
            gate = form.node("Sigmoid", projected("gate", query, own, "e"))
            if many:
                gate = self._split(form, gate, len(own), groups, each, self.value_size)
            mixed = form.node("Mul", mixed, gate)
        out = "opqs"[: len(self.out_sizes or (1,))]
        kernel = form.weight(
            f"{OUTPUT}_kernel",
            (lambda w: w.reshape(groups, each, *w.shape[1:])) if many else None,
        )
        y = form.node(
            "Einsum", mixed, kernel, equation=f"b{own}{heads}e,{heads}e{out}->b{own}{out}"
        )
        return Value(form.node("Add", y, form.weight(f"{OUTPUT}_bias")) if self.use_bias else y)

    def _split(self, form: Form, x: str, axes: int, groups: int, each: int, size: int) -> str:
        shape = form.constant([0] * (1 + axes) + [groups, each, size], "int64")
        return form.node("Reshape", x, shape)

    def _softmax(self, form: Form, scores: str, first: int, count: int) -> str:
        if count == 1:
            return form.node("Softmax", scores, axis=-1)
        over = form.constant(list(range(first, first + count)), "int64")
        total = form.node("ReduceLogSumExp", scores, over, keepdims=1)
        return form.node("Exp", form.node("Sub", scores, total))


class MultiHeadAttention(Heads):
    """Attention in heads: (T, c) and (S, c) → (T, c), or over the rows and columns of maps.

    >>> layer = MultiHeadAttention(num_heads=2, key_dim=3)
    >>> layer.equation((5, 8), (7, 8)).shape, layer.equation((5, 8), (7, 8)).weights["query_kernel"]
    ((5, 8), (8, 2, 3))

    Called as layer([query, value]) or layer([query, value, key]). Keras's arguments; attention runs over all axes between
    the batch and the channels. Weights: query_kernel (c, heads, key_dim), query_bias, key_…, value_… and
    attention_output_kernel (heads, value_dim, c) with its bias. Raises `SettingError` for `sliding_window`, and for
    `attention_axes` that are some of the axes only.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: None = None,
        flash_attention: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.num_heads = self.query_heads = self.key_heads = whole(
            num_heads, f"{kind}: num_heads", 1
        )
        self.key_dim = self.key_size = whole(key_dim, f"{kind}: key_dim", 1)
        self.value_dim = value_dim or self.key_dim
        self.value_size = whole(self.value_dim, f"{kind}: value_dim", 1)
        many = output_shape if isinstance(output_shape, (tuple, list)) else (output_shape,)
        self.output_shape = None
        if output_shape is not None:
            self.out_sizes = tuple(whole(n, f"{kind}: output_shape", 1) for n in many)
            self.output_shape = self.out_sizes
            if not 1 <= len(self.out_sizes) <= 3:
                raise SettingError(
                    f"{kind}: output_shape has one to three sizes, not {output_shape!r}"
                )
        self.attention_axes = (
            None
            if attention_axes is None
            else axes_setting(attention_axes, f"{kind}: attention_axes")
        )
        self.set_common(locals())

    def equation(self, *shapes: Shape) -> Equation:
        rank = len(shapes[1]) + 1  # of a value's projection, in heads: one axis more
        axes = self.attention_axes
        if axes is not None and sorted(a if a >= 0 else rank + a for a in axes) != list(
            range(1, rank - 1)
        ):
            raise SettingError(
                f"{self.kind}: attention_axes = {axes} must be all axes between the batch and the channels"
            )
        return super().equation(*shapes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(2, 3), ((5, 8), (7, 8)))
        yield Sample(cls(3, 4, 2, use_bias=False, output_shape=6), ((5, 8), (7, 9), (7, 10)))
        yield Sample(cls(2, 5, use_gate=True), ((4, 6), (3, 6)))
        yield Sample(cls(2, 3, 4), ((2, 5, 7), (3, 4, 8)))


class GroupQueryAttention(Heads):
    """Attention in heads of which several share a key and a value: (T, c) and (S, c) → (T, c).

    >>> layer = GroupQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    >>> layer.equation((5, 8), (7, 8)).weights["key_kernel"]
    (8, 2, 3)

    Ainslie et al., GQA, 2023. Called as layer([query, value]) or layer([query, value, key]). Keras's arguments and
    weights. Raises `SettingError` where the key heads do not divide the query heads, and for `sliding_window`.
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: None = None,
        flash_attention: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.head_dim = self.key_size = self.value_size = whole(head_dim, f"{kind}: head_dim", 1)
        self.num_query_heads = self.query_heads = whole(
            num_query_heads, f"{kind}: num_query_heads", 1
        )
        self.num_key_value_heads = self.key_heads = whole(
            num_key_value_heads, f"{kind}: num_key_value_heads", 1
        )
        if self.query_heads % self.key_heads:
            raise SettingError(
                f"{kind}: {self.query_heads} query heads cannot share {self.key_heads} keys evenly"
            )
        self.set_common(locals())

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(3, 4, 2), ((5, 8), (7, 8)))
        yield Sample(cls(2, 6, 3, use_bias=False, use_gate=True), ((5, 8), (7, 8), (7, 8)))

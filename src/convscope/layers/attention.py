"""Attention between inputs as they are: every query takes a weighed mean of all values.

    out[t, o] = Σ s<S  share[t, s] · value[s, o],  share = softmax over s of Σ d  query[t, d] · key[s, d]

Luong, Pham & Manning, Effective Approaches to Attention-based Neural Machine Translation, 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from convscope.equations.attention import attended
from convscope.equations.layout import axes_of
from convscope.errors import ShapeError, UnsupportedError
from convscope.layers.arguments import choice, flag, number
from convscope.layers.base import Form, Initializer, Layer, Learning, Sample, Value, tensor_names
from convscope.layers.initializers import ones
from convscope.notation import Axis, Equation, Expression, Sum, call, source, weight
from convscope.notation.functions import TANH
from convscope.notation.sizes import Shape, shape_text, surely_differ
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Attending(Layer):
    """A layer of attention, which may drop shares at random while a network learns."""

    dropout: float

    def learning(self, row: Axis, *shapes: Shape) -> Learning:
        """Return what the layer always is; raise `UnsupportedError` where it would drop shares at random."""
        if self.dropout:
            raise UnsupportedError(
                f"{self.name}: attention that drops shares in training is not trained"
            )
        return super().learning(row, *shapes)


class Attention(Attending):
    """A weighed mean of values for each query: (T, d) and (S, o) → (T, o).

    >>> print(Attention().equation((5, 8), (7, 8)))
    out[t, o] = Σ r<7  share[t, r] · b[r, o]
      with share[t, s] = exp(score[t, s] − top[t]) / (Σ k<7  exp(score[t, k] − top[t]))
      with top[t] = max m<7  score[t, m]
      with score[t, s] = Σ d<8  a[t, d] · b[s, d]

    Called on [query, value] or [query, value, key]; without a key the values are the keys. Keras's arguments:
    `use_scale` multiplies the scores by a weight, `score_mode="concat"` scores by Σ tanh(query + key). Weights: scale ()
    and concat_score_weight (), where they are asked for. Raises `ShapeError` for inputs that do not fit together.
    """

    inputs_taken = (2, 3)
    only_trained = ("dropout", "seed")

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.use_scale = flag(use_scale, "Attention: use_scale")
        self.score_mode = choice(score_mode, "Attention: score_mode", ("dot", "concat"))
        self.dropout = number(dropout, "Attention: dropout", 0, 1)
        self.seed = seed

    def equation(self, *shapes: Shape) -> Equation:
        query, value, key = shapes[0], shapes[1], shapes[-1] if len(shapes) > 2 else shapes[1]
        if (
            len({len(query), len(value), len(key)}) > 1
            or len(query) < 2
            or (
                surely_differ(query[-1], key[-1])
                or surely_differ(value[-2], key[-2])
                or any(
                    surely_differ(a, b) or surely_differ(a, c)
                    for a, b, c in zip(query[:-2], value[:-2], key[:-2], strict=True)
                )
            )
        ):
            shown = ", ".join(map(shape_text, shapes))
            raise ShapeError(
                f"Attention takes a query (…, T, d), a value (…, S, o) and perhaps a key (…, S, d), not {shown}"
            )
        names = tensor_names(len(shapes))
        a, b = source(query, names[0]), source(value, names[1])
        c = source(key, names[-1]) if len(shapes) > 2 else b
        before = axes_of((*query[:-2], 1, 1))[: len(query) - 2]
        t, s = Axis("t", query[-2], "query"), Axis("s", key[-2], "key")
        d, o = Axis("d", query[-1], "input", role="in"), Axis("o", value[-1], "unit", role="out")
        scale = weight("scale")[()] if self.use_scale else None

        def scored(keys: Sequence[Axis]) -> Expression:
            one, other = a[(*before, t, d)], c[(*before, *keys, d)]
            if self.score_mode == "dot":
                total: Expression = Sum(d)(one * other)
                return total if scale is None else total * scale
            both: Expression = one + other
            both = both if scale is None else scale * both
            return weight("concat_score_weight")[()] * Sum(d)(call(TANH, both))

        total = attended(scored, lambda keys: b[(*before, *keys, o)], (*before, t), (s,))
        return Equation((*before, t, o), total)

    def initializers(self) -> dict[str, Initializer]:
        found: dict[str, Initializer] = {"scale": ones} if self.use_scale else {}
        return found | ({"concat_score_weight": ones} if self.score_mode == "concat" else {})

    def onnx(self, form: Form, *inputs: Value) -> Value:
        names = [form.plain(x) for x in inputs]
        query, value, key = names[0], names[1], names[-1] if len(names) > 2 else names[1]
        rank = form.rank(inputs[0])
        if self.score_mode == "dot":
            turned = form.node("Transpose", key, perm=[*range(rank - 2), rank - 1, rank - 2])
            scores = form.node("MatMul", query, turned)
            if self.use_scale:
                scores = form.node("Mul", scores, form.weight("scale"))
        else:
            one = form.node("Unsqueeze", query, form.constant([rank - 1], "int64"))
            other = form.node("Unsqueeze", key, form.constant([rank - 2], "int64"))
            both = form.node("Add", one, other)
            if self.use_scale:
                both = form.node("Mul", both, form.weight("scale"))
            over = form.constant([rank], "int64")
            scores = form.node("ReduceSum", form.node("Tanh", both), over, keepdims=0)
            scores = form.node("Mul", scores, form.weight("concat_score_weight"))
        return Value(form.node("MatMul", form.node("Softmax", scores, axis=-1), value))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((5, 3), (4, 3)))
        yield Sample(cls(use_scale=True), ((5, 3), (4, 7), (4, 3)))
        yield Sample(cls(True, "concat"), ((5, 3), (4, 7), (4, 3)))
        yield Sample(cls(score_mode="concat"), ((2, 5, 3), (2, 4, 3)))

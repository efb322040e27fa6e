"""An embedding: whole numbers become rows of a table.

out[t, o] = embeddings[in[t], o]
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import axes_of
from convscope.equations.looking_up import looked_up
from convscope.errors import SettingError
from convscope.layers.arguments import flag, whole
from convscope.layers.base import Form, Initializer, Layer, Sample, Value
from convscope.layers.initializers import kept
from convscope.notation import Axis, Equation, source, weight
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

INT64 = 7
"""What ONNX calls int64 (TensorProto.INT64)."""


class Embedding(Layer):
    """A row of numbers for each whole number: (…) → (…, output_dim).

    >>> layer = Embedding(1000, 64)
    >>> print(layer.equation((12,)))
    out[t, o] = Σ v<1000  if_row(in[t], row=v, number=embeddings[v, o], rows=1000)
    >>> layer.equation((12,)).shape, layer.equation((12,)).params
    ((12, 64), 64000)

    Of all rows v the one counts that the input names; what is no whole number is cut to one, and negative numbers
    count from the end. Nothing is multiplied, so that it costs no multiply–accumulates.

    Keras's arguments. One weight: embeddings (input_dim, output_dim). Raises `SettingError` for `mask_zero`, which
    changes what later layers compute.
    """

    only_trained = ("lora_rank", "lora_alpha", "quantization_config")

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common, weights=weights)
        self.input_dim = whole(input_dim, "Embedding: input_dim", 1)
        self.output_dim = whole(output_dim, "Embedding: output_dim", 1)
        self._draws = kept(self, locals())
        self.mask_zero = flag(mask_zero, "Embedding: mask_zero")
        if self.mask_zero:
            raise SettingError(
                "Embedding: mask_zero=True masks later layers, which is not supported"
            )
        self.lora_rank, self.lora_alpha = lora_rank, lora_alpha
        self.quantization_config = quantization_config
        for name in ("lora_rank", "quantization_config"):
            if getattr(self, name) is not None:
                raise SettingError(f"Embedding: {name} = {getattr(self, name)!r} is not supported")

    def settings(self) -> dict[str, Any]:
        # what was given once is held as a weight, and no setting
        return {n: None if n == "weights" else getattr(self, n) for n in self.parameters()}

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        lead = axes_of((*shape, 1))[:-1]
        o = Axis("o", self.output_dim, "unit", role="out")
        v = Axis("v", self.input_dim, "row")
        return Equation((*lead, o), looked_up(source(shape)[lead], weight("embeddings"), v, o))

    def initializers(self) -> dict[str, Initializer]:
        return self._draws

    def onnx(self, form: Form, *inputs: Value) -> Value:
        where = form.node("Cast", form.plain(inputs[0]), to=INT64)
        return Value(form.node("Gather", form.weight("embeddings"), where, axis=0))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(9, 5), ((7,),))
        yield Sample(cls(11, 3), ((4, 6),))

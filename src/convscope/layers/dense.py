"""A dense layer: every output reads every input.

    out[o] = act( bias[o] + Σ c<C  in[c] · kernel[c, o] )

With more axes before the last, the same weights are used at each place.
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import axes_of
from convscope.equations.products import linear
from convscope.errors import SettingError, ShapeError
from convscope.layers.base import Form, Sample, Value
from convscope.layers.weighing import Weighing
from convscope.notation import Equation, size, source, weight
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Dense(Weighing):
    """A dense (fully connected) layer: (…, channels) → (…, units).

    >>> layer = Dense(10)
    >>> print(layer.equation((784,)))
    out[o] = bias[o] + Σ c<784  in[c] · kernel[c, o]
    >>> layer.equation((784,)).params
    7850

    Keras's arguments (no LoRA, no quantisation). Weights: kernel (channels, units), bias (units,).
    Raises `ShapeError` for an input without any axis.
    """

    only_trained = ("lora_rank", "lora_alpha", "quantization_config")

    def __init__(
        self,
        units: Any,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.units = size(units, "Dense: units")
        self.set_weighing(locals())
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha
        self.quantization_config = quantization_config
        for name in ("lora_rank", "quantization_config"):
            if getattr(self, name) is not None:
                raise SettingError(
                    f"Dense: {name} = {getattr(self, name)!r} is not supported; merge it into the "
                    f"kernel first, so that there is one (channels, units) kernel"
                )

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        if not shape:
            raise ShapeError("Dense needs an input with an axis to sum over, but its shape is ()")
        lead = axes_of(shape)[:-1]
        return self.activation.after(
            linear(
                source(shape), weight("kernel"), self.bias, lead, shape[-1], self.units, self.layout
            )
        )

    def onnx(self, form: Form, *inputs: Value) -> Value:
        x, kernel = form.plain(inputs[0]), form.weight("kernel")
        if (
            self.use_bias and len(form.input_shape()) == 1
        ):  # one operator, so that it is read as one layer
            y = form.node("Gemm", x, kernel, form.weight("bias"))
        else:
            y = form.node("MatMul", x, kernel)
            y = form.node("Add", y, form.weight("bias")) if self.use_bias else y
        return self.activation.onnx(form, Value(y))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5), ((7,),))
        yield Sample(cls(4, "softmax"), ((6,),))
        yield Sample(cls(5, activation="relu", use_bias=False), ((7, 3),))
        yield Sample(cls(2, activation="tanh"), ((4, 6, 3),))

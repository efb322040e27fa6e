"""Separable convolution: a depthwise one first, then a sum over channels at each place.

out[y, x, o] = act( bias[o] + Σ c  depth[y, x, c] · pointwise_kernel[0, 0, c, o] )
depth[y, x, c] = Σ i<kh, j<kw  in[y·s + i, x·s + j, ⌊c/M⌋] · depthwise_kernel[i, j, ⌊c/M⌋, c mod M]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from convscope.equations.convolution import biased, depthwise
from convscope.layers.arguments import known_per_axis, per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Sliding
from convscope.layers.weighing import Weighing
from convscope.notation import Axis, Equation, Sum, local, size, source, weight
from convscope.notation.sizes import Shape


class SeparableConvolution(Weighing, Sliding):
    """What SeparableConv1D and SeparableConv2D share."""

    kernels: ClassVar[dict[str, str]] = {
        "depthwise_kernel": "depthwise",
        "pointwise_kernel": "pointwise",
    }

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.filters = size(filters, f"{kind}: filters")
        self.kernel_size = per_axis(kernel_size, self.rank, f"{kind}: kernel_size")
        self.set_sliding(strides, padding, data_format)
        self.dilation_rate = known_per_axis(dilation_rate, self.rank, f"{kind}: dilation_rate")
        self.depth_multiplier = known_per_axis(depth_multiplier, 1, f"{kind}: depth_multiplier")[0]
        self.set_weighing(locals())

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        slide = self.slide(sizes, self.kernel_size, self.dilation_rate)
        m = Axis("m", channels * self.depth_multiplier, "channel", role="in")
        one = depthwise(
            slide, source(shape), weight("depthwise_kernel"), m, self.depth_multiplier, self.layout
        )
        depth = local("depth", (*slide.out, m), one)
        c, o = (
            Axis("c", m.size, "channel", role="in"),
            Axis("o", self.filters, "filter", role="out"),
        )
        kernel = weight("pointwise_kernel")[self.layout.kernel((0,) * self.rank, c, o)]
        total = biased(Sum(c)(depth[*slide.out, c] * kernel), self.bias, o)
        return self.activation.equation(self.layout.image(o, slide.out), total)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        last, before, *_ = range(self.rank + 1, -1, -1)
        spatial = range(self.rank)
        depth = form.node(
            "Conv",
            form.channels_first(inputs[0], self.channels_last),
            form.weight(
                "depthwise_kernel",
                lambda k: k.reshape(*k.shape[:-2], 1, -1).transpose(last, before, *spatial),
            ),
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            group=self.weights["depthwise_kernel"].shape[-2],
            **self.onnx_padding(form, self.kernel_size, self.dilation_rate),
        )
        y = form.node(
            "Conv",
            depth,
            form.weight("pointwise_kernel", lambda k: k.transpose(last, before, *spatial)),
            form.weight("bias") if self.use_bias else "",
        )
        return self.activation.onnx(form, Value(y, self.channels_last))


class SeparableConv1D(SeparableConvolution):
    """A separable convolution along one axis: (steps, channels) → (steps', filters).

    >>> SeparableConv1D(7, 3).equation((11, 5)).weights
    {'bias': (7,), 'depthwise_kernel': (3, 5, 1), 'pointwise_kernel': (1, 5, 7)}

    Keras's arguments. Weights: depthwise_kernel (kernel_size, channels, M), pointwise_kernel
    (1, channels · M, filters), bias (filters,).
    """

    rank = 1
    spellings = ("SeparableConvolution1D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5, 3), ((11, 2),))
        yield Sample(cls(4, 2, 3, "same", depth_multiplier=3, activation="relu"), ((13, 5),))
        yield Sample(cls(6, 3, data_format="channels_first", use_bias=False), ((2, 9),))


class SeparableConv2D(SeparableConvolution):
    """A separable convolution: each map by a filter of its own, then mixed at each place.

    >>> layer = SeparableConv2D(64, 3)
    >>> print(layer.equation((26, 26, 32)))
    out[y, x, o] = bias[o] + Σ c<32  depth[y, x, c] · pointwise_kernel[0, 0, c, o]
      with depth[y, x, m] = Σ i<3, j<3  in[y + i, x + j, m] · depthwise_kernel[i, j, m, 0]
    >>> layer.equation((26, 26, 32)).params
    2400

    Keras's arguments. Weights: depthwise_kernel (rows, columns, channels, M), pointwise_kernel
    (1, 1, channels · M, filters), bias (filters,).
    """

    rank = 2
    spellings = ("SeparableConvolution2D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5, 3), ((9, 11, 2),))
        yield Sample(cls(6, (2, 3), dilation_rate=(3, 2), padding="same"), ((12, 14, 5),))
        yield Sample(
            cls(4, (3, 2), 2, "same", depth_multiplier=3, activation="relu"), ((8, 11, 5),)
        )
        yield Sample(cls(7, (2, 3), dilation_rate=(3, 2), use_bias=False), ((12, 14, 5),))
        yield Sample(
            cls(6, 2, depth_multiplier=2, data_format="channels_first", activation="softmax"),
            ((3, 7, 9),),
        )

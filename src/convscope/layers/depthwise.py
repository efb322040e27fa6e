"""Depthwise convolution: each channel has filters of its own, and nothing is summed over channels.

    out[y, x, c] = act( bias[c] + Σ i<kh, j<kw  in[y·s + i, x·s + j, ⌊c/M⌋] · kernel[i, j, ⌊c/M⌋, c mod M] )

M is the depth multiplier: how many output channels are made of each input channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from convscope.equations.convolution import biased, depthwise
from convscope.layers.arguments import known_per_axis, per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Sliding
from convscope.layers.weighing import Weighing
from convscope.notation import Axis, Equation, source, weight
from convscope.notation.sizes import Shape


class DepthwiseConvolution(Weighing, Sliding):
    """What DepthwiseConv1D and DepthwiseConv2D share."""

    kernels: ClassVar[dict[str, str]] = {"kernel": "depthwise"}

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.kernel_size = per_axis(kernel_size, self.rank, f"{kind}: kernel_size")
        self.set_sliding(strides, padding, data_format)
        self.depth_multiplier = known_per_axis(depth_multiplier, 1, f"{kind}: depth_multiplier")[0]
        self.dilation_rate = known_per_axis(dilation_rate, self.rank, f"{kind}: dilation_rate")
        self.set_weighing(locals())

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        slide = self.slide(sizes, self.kernel_size, self.dilation_rate)
        c = Axis("c", channels * self.depth_multiplier, "channel", role="in")
        total = depthwise(
            slide, source(shape), weight("kernel"), c, self.depth_multiplier, self.layout
        )
        return self.activation.equation(
            self.layout.image(c, slide.out), biased(total, self.bias, c)
        )

    def onnx(self, form: Form, *inputs: Value) -> Value:
        spatial = range(self.rank)
        y = form.node(
            "Conv",
            form.channels_first(inputs[0], self.channels_last),
            form.weight(
                "kernel",
                lambda k: k.reshape(*k.shape[:-2], 1, -1).transpose(
                    -1 % k.ndim, -2 % k.ndim, *spatial
                ),
            ),
            form.weight("bias") if self.use_bias else "",
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            group=self.weights["kernel"].shape[-2],
            **self.onnx_padding(form, self.kernel_size, self.dilation_rate),
        )
        return self.activation.onnx(form, Value(y, self.channels_last))


class DepthwiseConv1D(DepthwiseConvolution):
    """A depthwise convolution along one axis: (steps, channels) → (steps', channels · M).

    >>> layer = DepthwiseConv1D(3, depth_multiplier=2)
    >>> layer.equation((11, 5)).weights["kernel"]
    (3, 5, 2)

    Keras's arguments. Weights: kernel (kernel_size, channels, M), bias (channels · M,).
    """

    rank = 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(3), ((11, 2),))
        yield Sample(cls(4, 3, "same", depth_multiplier=2, activation="relu"), ((13, 5),))
        yield Sample(cls(2, dilation_rate=3, data_format="channels_first"), ((7, 12),))


class DepthwiseConv2D(DepthwiseConvolution):
    """A depthwise convolution: each map is convolved by filters of its own, and stays apart.

    >>> layer = DepthwiseConv2D(3)
    >>> print(layer.equation((28, 28, 32)))
    out[y, x, c] = bias[c] + Σ i<3, j<3  in[y + i, x + j, c] · kernel[i, j, c, 0]
    >>> layer.equation((28, 28, 32)).shape
    (26, 26, 32)

    Keras's arguments; `depth_multiplier` M is how many maps are made of each. Weights: kernel (rows,
    columns, channels, M), bias (channels · M,).
    """

    rank = 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(3), ((9, 11, 2),))
        yield Sample(cls((2, 3), dilation_rate=(3, 2), padding="same"), ((12, 14, 5),))
        yield Sample(cls((3, 2), 2, "same", 3, activation="relu"), ((8, 11, 4),))
        yield Sample(cls((2, 3), dilation_rate=(3, 2), use_bias=False), ((12, 14, 5),))
        yield Sample(
            cls(2, padding="same", depth_multiplier=2, data_format="channels_first"), ((3, 7, 9),)
        )

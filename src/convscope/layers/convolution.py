"""Convolution over one, two or three spatial axes.

    out[y, x, o] = act( bias[o] + Σ i<kh, j<kw, c<C  in[y·s + i·d − top, x·s + j·d − left, c] · kernel[i, j, c, o] )

One filter o is as deep as its input has channels: it reads every one of them and sums to one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from convscope.equations.convolution import convolution
from convscope.errors import ShapeError
from convscope.layers.arguments import known_per_axis, per_axis
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Sliding
from convscope.layers.weighing import Weighing
from convscope.notation import Equation, Size, size, source, weight
from convscope.notation.sizes import Shape, is_known
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Convolution(Weighing, Sliding):
    """What Conv1D, Conv2D and Conv3D share."""

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.filters = size(filters, f"{kind}: filters")
        self.kernel_size = per_axis(kernel_size, self.rank, f"{kind}: kernel_size")
        self.set_sliding(strides, padding, data_format)
        self.dilation_rate = per_axis(dilation_rate, self.rank, f"{kind}: dilation_rate")
        self.groups = known_per_axis(groups, 1, f"{kind}: groups")[0]
        self.set_weighing(locals())
        if is_known(self.filters) and self.filters % self.groups:
            raise ShapeError(
                f"{kind}: {self.filters} filters cannot be divided into {self.groups} groups; "
                f"filters must be a multiple of groups"
            )

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        if is_known(channels) and channels % self.groups:
            raise ShapeError(
                f"{self.kind}: {channels} input channels cannot be divided into {self.groups} groups; "
                f"the channels must be a multiple of groups"
            )
        slide = self.slide(sizes, self.kernel_size, self.dilation_rate)
        return self.activation.after(
            convolution(
                slide, source(shape), weight("kernel"), self.bias,
                self.filters, channels, self.layout, self.groups,
            )
        )  # fmt: skip

    def onnx_padding(
        self, form: Form, kernel: Sequence[Size], dilation: Sequence[int] | None = None
    ) -> dict[str, Any]:
        if self.padding == "causal":
            return {"pads": [(self.kernel_size[0] - 1) * self.dilation_rate[0], 0]}
        return super().onnx_padding(form, kernel, dilation)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        channel_axes = (self.rank + 1, self.rank, *range(self.rank))
        y = form.node(
            "Conv",
            form.channels_first(inputs[0], self.channels_last),
            form.weight("kernel", lambda k: k.transpose(channel_axes)),
            form.weight("bias") if self.use_bias else "",
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            group=self.groups,
            **self.onnx_padding(form, self.kernel_size, self.dilation_rate),
        )
        return self.activation.onnx(form, Value(y, self.channels_last))


class Conv1D(Convolution):
    """A convolution along one axis: (steps, channels) → (steps', filters).

    >>> Conv1D(7, 3, padding="causal").equation((11, 5)).shape
    (11, 7)

    Keras's arguments; `padding` may also be "causal" (all of it before the first step).
    Weights: kernel (kernel_size, channels / groups, filters), bias (filters,).
    """

    rank = 1
    spellings = ("Convolution1D",)
    paddings_known = ("valid", "same", "causal")

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5, 3), ((11, 2),))
        yield Sample(cls(6, 4, strides=3, padding="same", activation="relu"), ((13, 5),))
        yield Sample(cls(5, 3, dilation_rate=2, padding="causal"), ((12, 7),))
        yield Sample(cls(6, 2, groups=3, data_format="channels_first"), ((9, 14),))


class Conv2D(Convolution):
    """A convolution over rows and columns: (rows, columns, channels) → (rows', columns', filters).

    >>> layer = Conv2D(64, (3, 3), activation="relu")
    >>> print(layer.equation((26, 26, 32)))
    out[y, x, o] = relu(bias[o] + Σ i<3, j<3, c<32  in[y + i, x + j, c] · kernel[i, j, c, o])
    >>> layer.equation((26, 26, 32)).weights["kernel"]
    (3, 3, 32, 64)

    Keras's arguments. Sizes may be symbols: Conv2D("k1", 3). Weights: kernel (rows, columns,
    channels / groups, filters), bias (filters,). Raises `SettingError` for a setting that cannot be,
    `ShapeError` for groups that do not divide filters or channels.
    """

    rank = 2
    spellings = ("Convolution2D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(7, 3), ((9, 11, 2),))
        yield Sample(cls(5, (3, 2), activation="relu", use_bias=False), ((8, 10, 3),))
        yield Sample(cls(5, (3, 4), strides=(2, 3), padding="same"), ((11, 13, 2),))
        yield Sample(cls(4, (2, 3), dilation_rate=(3, 2)), ((12, 14, 5),))
        yield Sample(cls(5, (1, 2), strides=(4, 5), padding="same"), ((12, 15, 3),))
        yield Sample(cls(6, 3, groups=2, padding="same", activation="softmax"), ((7, 9, 4),))
        yield Sample(cls(8, (2, 3), dilation_rate=(3, 2), padding="same"), ((12, 14, 5),))
        yield Sample(cls(6, (4, 3), strides=2, data_format="channels_first"), ((3, 13, 11),))
        yield Sample(
            cls(4, 2, data_format="channels_first", padding="same", activation="softmax"),
            ((3, 5, 7),),
        )


class Conv3D(Convolution):
    """A convolution over planes, rows and columns, as for volumes and films.

    >>> Conv3D(7, 3).equation((9, 11, 13, 2)).shape
    (7, 9, 11, 7)

    Keras's arguments. Weights: kernel (planes, rows, columns, channels / groups, filters), bias.
    """

    rank = 3
    spellings = ("Convolution3D",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(3, 2), ((5, 6, 7, 2),))
        yield Sample(cls(4, (2, 3, 1), strides=(1, 2, 3), padding="same"), ((5, 7, 9, 3),))
        yield Sample(cls(6, 2, groups=2, data_format="channels_first"), ((4, 5, 6, 7),))

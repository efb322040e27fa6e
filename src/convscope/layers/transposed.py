"""Transposed convolution: a convolution run backwards, from each input position to a window of outputs.

    out[y, x, o] = act( bias[o] + Σ i, j, c  in[(y + top − i·d)/s, (x + left − j·d)/s, c] · kernel[i, j, o, c] )

An input position p is spread over the outputs p·s + i·d − top. Seen from one output, it reads those
inputs for which the division comes out whole. Lengths and cropping follow Keras
(keras/src/backend/common/backend_utils.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.equations.convolution import transposed
from convscope.equations.sliding import spread
from convscope.errors import SettingError
from convscope.layers.arguments import per_axis, whole
from convscope.layers.base import Form, Sample, Value
from convscope.layers.spatial import Sliding
from convscope.layers.weighing import Weighing
from convscope.notation import Equation, size, source, weight
from convscope.notation.expression import Padding
from convscope.notation.sizes import Shape, is_known, largest


class TransposedConvolution(Weighing, Sliding):
    """What Conv1DTranspose, Conv2DTranspose and Conv3DTranspose share."""

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        self.output_padding = self._output_padding(output_padding)
        self.dilation_rate = per_axis(dilation_rate, self.rank, f"{kind}: dilation_rate")
        self.set_weighing(locals())

    def _output_padding(self, value: Any) -> tuple[int, ...] | None:
        """Return how many outputs more than necessary there are along each axis; None leaves it open."""
        if value is None:
            return None
        what = f"{self.kind}: output_padding"
        many = isinstance(value, Iterable) and not isinstance(value, str)
        values = tuple(value) if many else (value,) * self.rank
        if len(values) != self.rank:
            raise SettingError(
                f"{what} must be one number or {self.rank} of them (one for each spatial axis), "
                f"not {value!r}"
            )
        checked = tuple(whole(v, what) for v in values)
        for more, stride in zip(checked, self.strides, strict=True):
            if is_known(stride) and more >= stride:
                raise SettingError(
                    f"{what} must be less than the stride, but it is {more} where the stride is "
                    f"{stride} (output_padding = {checked}, strides = {self.strides})"
                )
        return checked

    def _crops(self) -> list[Padding]:
        """Return how much of the full spread, (size − 1) · stride + reach, is cut off: (before, after).

        Negative where outputs are added instead. `valid` cuts nothing; `same` as much as leaves
        size · stride, or (size − 1) · stride + reach mod 2 + output_padding, the odd one after.
        """
        found = []
        given = self.output_padding or (None,) * self.rank
        for kernel, stride, dilation, more in zip(
            self.kernel_size, self.strides, self.dilation_rate, given, strict=True
        ):
            reach = (kernel - 1) * dilation + 1
            if self.padding == "valid":
                beyond = reach - stride
                found.append((0, -more if more is not None else beyond - largest(beyond, 0)))
                continue
            cut = reach - (stride if more is None else reach % 2 + more)
            before = largest(cut, 0) // 2
            found.append((before, cut - before))
        return found

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        sizes, channels = self.split(shape)
        slide = spread(
            sizes, self.kernel_size, self.strides, self.dilation_rate, self._crops(), self.kind
        )
        return self.activation.after(
            transposed(
                slide,
                source(shape),
                weight("kernel"),
                self.bias,
                self.filters,
                channels,
                self.layout,
            )
        )

    def onnx(self, form: Form, *inputs: Value) -> Value:
        channel_axes = (self.rank + 1, self.rank, *range(self.rank))
        crops = self._crops()
        y = form.node(
            "ConvTranspose",
            form.channels_first(inputs[0], self.channels_last),
            form.weight("kernel", lambda k: k.transpose(channel_axes)),
            form.weight("bias") if self.use_bias else "",
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            pads=[before for before, _ in crops] + [max(after, 0) for _, after in crops],
            output_padding=[max(-after, 0) for _, after in crops],
        )
        return self.activation.onnx(form, Value(y, self.channels_last))


class Conv1DTranspose(TransposedConvolution):
    """A transposed convolution along one axis: (steps, channels) → (more steps, filters).

    >>> Conv1DTranspose(7, 4, strides=2).equation((5, 3)).shape
    (12, 7)

    Keras's arguments. Weights: kernel (kernel_size, filters, channels), bias (filters,).
    """

    rank = 1
    spellings = ("Convolution1DTranspose",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5, 3), ((7, 2),))
        yield Sample(cls(4, 3, strides=2, padding="same", activation="relu"), ((7, 5),))
        yield Sample(cls(6, 2, strides=3, data_format="channels_first"), ((4, 7),))


class Conv2DTranspose(TransposedConvolution):
    """A transposed convolution: every pixel is spread over a window of a larger map.

    >>> layer = Conv2DTranspose(16, 3, strides=2, padding="same")
    >>> print(layer.equation((14, 14, 32)))
    out[y, x, o] = bias[o] + Σ i<3, j<3, c<32  in[(y − i)/2, (x − j)/2, c] · kernel[i, j, o, c]
    >>> layer.equation((14, 14, 32)).shape
    (28, 28, 16)

    It reads only where the division comes out whole. Keras's arguments; sizes may be symbols. Weights: kernel (rows,
    columns, filters, channels), bias (filters,): filters before channels. Raises `SettingError` for
    an output_padding that is not less than the stride.
    """

    rank = 2
    spellings = ("Convolution2DTranspose",)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5, 3), ((6, 8, 2),))
        yield Sample(cls(4, (3, 5), 2, "same", activation="relu"), ((6, 7, 3),))
        yield Sample(cls(5, (4, 2), (3, 2), "same", use_bias=False), ((6, 8, 3),))
        yield Sample(cls(4, (3, 2), (2, 3), "valid", output_padding=(1, 2)), ((5, 7, 3),))
        yield Sample(cls(4, (3, 2), (2, 3), "same", output_padding=(0, 1)), ((5, 7, 3),))
        yield Sample(cls(6, (2, 3), 1, "valid", dilation_rate=(2, 3)), ((5, 7, 4),))
        yield Sample(cls(6, (2, 3), 1, "same", dilation_rate=(3, 2)), ((5, 7, 4),))
        yield Sample(cls(4, 2, (3, 4), data_format="channels_first"), ((5, 7, 6),))
        yield Sample(
            cls(3, 3, 2, "same", data_format="channels_first", activation="softmax"), ((2, 5, 7),)
        )


class Conv3DTranspose(TransposedConvolution):
    """A transposed convolution over planes, rows and columns.

    >>> Conv3DTranspose(4, 2, strides=2).equation((3, 5, 7, 2)).shape
    (6, 10, 14, 4)

    Keras's arguments, of which data_format stands before output_padding here. Weights: kernel (planes,
    rows, columns, filters, channels), bias (filters,).
    """

    rank = 3
    spellings = ("Convolution3DTranspose",)

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = 1,
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
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **common,
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(3, 2), ((4, 5, 6, 2),))
        yield Sample(cls(4, (2, 3, 1), (1, 2, 3), "same"), ((3, 5, 6, 2),))
        yield Sample(cls(5, (1, 2, 3), 2, data_format="channels_first"), ((2, 3, 4, 6),))

"""Layers around another layer: used at every step of a sequence, or with a kernel of bounded size.

The layer inside states the equation and the ONNX form; its weights are kept, and counted, by the one around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from convscope.errors import SettingError, ShapeError, UnsupportedError
from convscope.layers.arguments import whole
from convscope.layers.base import Form, Initializer, Layer, Learning, Sample, Value
from convscope.layers.batch_normalization import BatchNormalization
from convscope.layers.convolution import Conv1D, Conv2D
from convscope.layers.dense import Dense
from convscope.layers.initializers import truncated_normal
from convscope.layers.pooling import MaxPooling2D
from convscope.notation import Axis, Equation
from convscope.notation.rewriting import batched, named
from convscope.notation.sizes import Shape, shape_text
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Wrapping(Layer):
    """What layers share that hold another one; `layer` is that one."""

    def __init__(self, layer: Any, **common: Any) -> None:
        super().__init__(**common)
        if not isinstance(layer, Layer) or layer.kind == "InputLayer" or layer.opaque:
            raise SettingError(
                f"{self.kind}: layer must be a layer, such as Conv2D(32, 3), not {layer!r:.80}"
            )
        if layer.inputs_taken != (1, 1):
            raise SettingError(f"{self.kind}: {layer.kind} takes several inputs")
        self.layer = layer
        self.trainable = bool(self.trainable and layer.trainable)
        self.non_trainable = layer.non_trainable
        if hasattr(layer, "data_format"):
            self.data_format = layer.data_format
            self.channels_last = layer.channels_last

    def inside(self, shape: Shape) -> Equation:
        """Return the equation of the layer inside."""
        if not hasattr(self.layer, "data_format"):
            self.layer.channels_last = self.channels_last
        return self.layer.equation(shape)

    def learning(self, row: Axis, *shapes: Shape) -> Learning:
        """Return what the layer is while its network learns, where the layer inside is then what it always is.

        Raises `UnsupportedError` where it is not.
        """
        if type(self.layer).learning is not Layer.learning:
            raise UnsupportedError(
                f"{self.name}: {self.layer.kind} inside {self.kind} is explained once trained, not trained"
            )
        return super().learning(row, *shapes)

    def initializers(self) -> dict[str, Initializer]:
        return self.layer.initializers()

    def unread_shapes(self, read: Mapping[str, Shape]) -> Mapping[str, Shape]:
        return self.layer.unread_shapes(read)


class TimeDistributed(Wrapping):
    """The same layer at every step: (steps, …) → (steps, whatever the layer makes of …).

    >>> from convscope import Conv2D
    >>> layer = TimeDistributed(Conv2D(16, 3))
    >>> print(layer.equation((10, 28, 30, 3)))
    out[t, y, x, o] = bias[o] + Σ i<3, j<3, c<3  in[t, y + i, x + j, c] · kernel[i, j, c, o]
    >>> layer.equation((10, 28, 30, 3)).shape
    (10, 26, 28, 16)

    Keras's argument. The weights are those of the layer inside, the same at every step. Raises `ShapeError` for an
    input without a step, and what the layer inside raises.
    """

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        if len(shape) < 2:
            raise ShapeError(
                f"TimeDistributed takes steps of at least one axis, such as (10, 28, 28, 3), but its input has "
                f"shape {shape_text(shape)}"
            )
        inside = self.inside(shape[1:])
        every = [*inside.axes, *(axis for item in inside.locals for axis in item.axes)]
        return batched(inside, Axis(named("t", every), shape[0], "step"), ("in",))

    def onnx(self, form: Form, *inputs: Value) -> Value:
        shape = form.input_shape()
        after = self.equation(shape).shape
        x = form.reshaped(form.plain(inputs[0]), shape[1:])
        with form.inside(shape[1:], len(after)):
            found = form.plain(self.layer.onnx(form, x))
        return form.reshaped(found, after)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(Conv2D(3, (2, 4), strides=2, padding="same")), ((2, 5, 7, 6),))
        yield Sample(cls(Conv1D(4, 2, activation="relu")), ((3, 7, 5),))
        yield Sample(cls(Dense(4, activation="softmax")), ((3, 5),))
        yield Sample(cls(BatchNormalization()), ((3, 5, 7),))
        yield Sample(cls(MaxPooling2D(2, data_format="channels_first")), ((3, 5, 7, 8),))


class SpectralNormalization(Wrapping):
    """A layer whose kernel training divides by its largest singular value; once trained, the layer itself.

    >>> from convscope import Conv2D
    >>> layer = SpectralNormalization(Conv2D(16, 3, use_bias=False))
    >>> print(layer.equation((28, 30, 3)))
    out[y, x, o] = Σ i<3, j<3, c<3  in[y + i, x + j, c] · kernel[i, j, c, o]

    Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018. Keras's arguments. Weights: those of
    the layer inside, and vector_u (1, filters), from which training works the singular value out and which no output
    reads. Raises `SettingError` for a layer without a kernel.
    """

    only_trained = ("power_iterations",)

    def __init__(self, layer: Any, power_iterations: int = 1, **common: Any) -> None:
        super().__init__(layer, **common)
        self.power_iterations = whole(power_iterations, f"{self.kind}: power_iterations", 1)
        held = layer.initializers()
        self._kernel = next((name for name in ("kernel", "embeddings") if name in held), None)
        if self._kernel is None:
            raise SettingError(f"{self.kind}: {layer.kind} has no kernel")
        self.non_trainable = (*layer.non_trainable, "vector_u")

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        return self.inside(shape)

    def learning(self, row: Axis, *shapes: Shape) -> Learning:
        """Always raises `UnsupportedError`: training would divide the kernel, step by step."""
        raise UnsupportedError(f"{self.name}: {self.kind} is explained once trained, not trained")

    def initializers(self) -> dict[str, Initializer]:
        held = self.layer.initializers()
        kernel = self._kernel or ""
        return {kernel: held.pop(kernel), "vector_u": truncated_normal(0.0, 0.02), **held}

    def unread_shapes(self, read: Mapping[str, Shape]) -> Mapping[str, Shape]:
        return {**super().unread_shapes(read), "vector_u": (1, read[self._kernel or ""][-1])}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        return self.layer.onnx(form, *inputs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(Conv2D(3, (2, 4), activation="relu")), ((5, 7, 6),))
        yield Sample(cls(Dense(4, use_bias=False)), ((7, 3),))

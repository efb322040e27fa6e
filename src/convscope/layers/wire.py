"""Wires: what a layer returns when it is called, so that graphs can be written as in Keras.

x = Input((28, 28, 1))
y = Add()([Conv2D(8, 3, padding="same")(x), x])
net = Model(x, y)
"""

from __future__ import annotations

from itertools import count

from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from convscope.layers.base import Layer
from convscope.notation.sizes import Shape

_order = count()


class Wire:
    """The output of one use of a layer: what made it, from which wires, and its shape."""

    __slots__ = ("inputs", "layer", "order", "shape")

    def __init__(self, layer: Layer, inputs: tuple[Wire, ...], shape: Shape) -> None:
        self.layer = layer
        self.inputs = inputs
        self.shape = shape
        self.order = next(_order)

    def __repr__(self) -> str:
        return f"<output of {self.layer.kind}, shape {self.shape}>"

"""Wires: what a layer returns when it is called, so that graphs can be written as in Keras.

x = Input((28, 28, 1))
y = Add()([Conv2D(8, 3, padding="same")(x), x])
net = Model(x, y)
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from convscope.errors import SettingError
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from convscope.layers.base import Layer
from convscope.notation.sizes import Shape

_order = count()


def wires_of(given: object, what: str) -> tuple[Wire, ...]:
    """Return the outputs of other layers that something is called with; raise `SettingError` for anything else."""
    found: list[Wire] = []
    for wire in given if isinstance(given, (list, tuple)) else (given,):
        if not isinstance(wire, Wire):
            raise SettingError(
                f"{what} is called with outputs of other layers (start with Input(shape)), "
                f"not with {type(wire).__name__}; to compute numbers use predict or run"
            )
        found.append(wire)
    return tuple(found)


class Calling:
    """One use of a whole network inside another: which one, its name, its kind, and those of the networks in it."""

    __slots__ = ("kind", "name", "nested", "network")

    def __init__(self, network: int, name: str, kind: str, nested: Mapping[str, str]) -> None:
        self.network = network
        self.name = name
        self.kind = kind
        self.nested = nested


class Wire:
    """The output of one use of a layer: what made it, from which wires, and its shape.

    calling, place   the use of a network that it belongs to, and what the layer is called in that network
    """

    __slots__ = ("calling", "inputs", "layer", "order", "place", "shape")

    def __init__(
        self,
        layer: Layer,
        inputs: tuple[Wire, ...],
        shape: Shape,
        calling: Calling | None = None,
        place: str = "",
    ) -> None:
        self.layer = layer
        self.inputs = inputs
        self.shape = shape
        self.calling = calling
        self.place = place
        self.order = next(_order)

    def __repr__(self) -> str:
        return f"<output of {self.layer.kind}, shape {self.shape}>"

"""A layer without an equation: what convscope does not know, it names and counts, and leaves unexplained."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import UnsupportedError
from convscope.layers.base import Form, Layer, Value
from convscope.notation import UNKNOWN, Size
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Opaque(Layer):
    """A layer that keeps its name, its shapes and its parameters, and explains nothing.

    >>> Opaque("LSTM", (None, 64)).opaque
    True

    kind            what the framework calls it
    output_shape    without the batch, None where nobody knows it
    stored          the shapes of its weights by name, None where nobody knows them
    meant           the layer that it would be for inputs of a size that is known, if there is one

    It can be neither run nor traced.
    """

    inputs_taken: tuple[int, int | None] = (0, None)

    def __init__(
        self,
        kind: str,
        output_shape: Shape | None = None,
        stored: dict[str, Shape] | None = None,
        **common: Any,
    ) -> None:
        self._kind = kind
        super().__init__(**common)
        self.output_shape: Shape = UNKNOWN_SHAPE if output_shape is None else output_shape
        self.stored = stored
        self.meant: Layer | None = None

    @property
    def kind(self) -> str:
        """The kind's name, as its framework spells it."""
        return self._kind

    @property
    def opaque(self) -> bool:
        return True

    def opaque_facts(self, shapes: Sequence[Shape]) -> tuple[Shape, dict[str, Shape] | None, Size]:
        nothing = self.stored is not None and not self.stored
        # which of its weights are moving averages, say, only its framework knows
        return self.output_shape, self.stored, 0 if nothing or not self.trainable else UNKNOWN

    def onnx(self, form: Form, *inputs: Value) -> Value:
        raise UnsupportedError(
            f"{self.name} ({self.kind}) has no equation here, so it cannot be run; layers that do "
            f"not depend on it can be traced by the cone"
        )


def unknown_at(layer: Layer) -> Opaque:
    """Return a layer of which kind and weights are left: nobody knows what it gives on another input."""
    found = Opaque(layer.kind, None, dict(layer.weight_shapes or {}), trainable=layer.trainable)
    found.name, found.channels_last, found.bits = layer.name, layer.channels_last, layer.bits
    return found

"""What a layer without an equation gives, where its settings say it: a legacy .h5 file keeps no shapes."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.notation.sizes import UNKNOWN_SHAPE, Shape
from convscope.readers.keras.config import Part
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

RECURRENT = ("LSTM", "GRU", "SimpleRNN")
KEPT = ("GroupNormalization", "UnitNormalization", "RMSNormalization")
"""Kinds that give the shape that they are given."""


def settled_shape(part: Part, shapes: Sequence[Shape]) -> Shape | None:
    """Return the output's shape without the batch, for inputs of these shapes; None where it is not said."""
    if not part.of_keras or len(shapes) != 1 or shapes[0] is UNKNOWN_SHAPE:
        return None
    (shape,), settings = shapes, part.settings
    if part.kind in KEPT:
        return shape
    if part.kind in RECURRENT and len(shape) == 2 and not settings.get("return_state"):
        units = settings.get("units")
        if _size(units):
            return (shape[0], units) if settings.get("return_sequences") is True else (units,)
    if part.kind == "Embedding" and _size(settings.get("output_dim")):
        return (*shape, settings["output_dim"])
    if part.kind == "Lambda":
        said = settings.get("output_shape")
        if isinstance(said, list) and said and all(map(_size, said)):
            return tuple(said)
    return None


def _size(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 31

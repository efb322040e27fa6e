"""What a layer without an equation gives, where its settings say it: a legacy .h5 file keeps no shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    if part.kind == "Bidirectional":
        held = settings.get("layer")
        held = held if isinstance(held, dict) else {}
        mode = settings.get("merge_mode", "concat")
        if mode is None or not isinstance(held.get("config"), dict):
            return None
        return _recurrent(
            held.get("class_name"), held["config"], shape, 2 if mode == "concat" else 1
        )
    found = _recurrent(part.kind, settings, shape, 1)
    if found is not None:
        return found
    if part.kind in KEPT:
        return shape
    if part.kind == "Embedding" and _size(settings.get("output_dim")):
        return (*shape, settings["output_dim"])
    if part.kind == "Lambda":
        said = settings.get("output_shape")
        if isinstance(said, list) and said and all(map(_size, said)):
            return tuple(said)
    return None


def _recurrent(kind: Any, settings: Mapping[str, Any], shape: Shape, many: int) -> Shape | None:
    """Return what a recurrent layer gives, with so many times its units."""
    units: Any = settings.get("units")
    if kind not in RECURRENT or len(shape) != 2 or settings.get("return_state") or not _size(units):
        return None
    last: int = units * many
    return (shape[0], last) if settings.get("return_sequences") is True else (last,)


def _size(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 31

"""What convscope notes in an ONNX file that it writes, which ONNX has no place for: what is learned, what nothing reads.

    metadata_props["convscope.trained"]  the weights that a gradient moves
    metadata_props["convscope.fixed"]    the weights that none moves; all other numbers are constants
    metadata_props["convscope.unread"]   what a layer keeps and no operator reads: operator → weight → its tensor

Read back, the file then counts the parameters that the network has. To everybody else it is an ONNX file as any.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any

PRODUCER = "convscope"
TRAINED, FIXED, UNREAD = "convscope.trained", "convscope.fixed", "convscope.unread"
MOST = 1 << 24
"""Characters that a note may have."""


class Notes(Record):
    """What a file of ours says of its weights, by the names of tensors and operators."""

    trained: frozenset[str]
    fixed: frozenset[str]
    unread: Mapping[str, Mapping[str, str]]

    def written(self) -> dict[str, str]:
        """Return the notes as a model's metadata."""
        unread = {name: dict(weights) for name, weights in self.unread.items()}
        return {
            TRAINED: json.dumps(sorted(self.trained)),
            FIXED: json.dumps(sorted(self.fixed)),
            UNREAD: json.dumps(unread),
        }


def read(producer: str, said: Iterable[tuple[str, str]]) -> Notes | None:
    """Return the notes of a model's metadata; None where it has none, or none that make sense."""
    found = {
        key: value for key, value in said if key in (TRAINED, FIXED, UNREAD) and len(value) <= MOST
    }
    if producer != PRODUCER or len(found) < 3:
        return None
    try:
        trained, fixed, unread = (json.loads(found[key]) for key in (TRAINED, FIXED, UNREAD))
    except (ValueError, RecursionError):
        return None
    lists = isinstance(trained, list) and isinstance(fixed, list)
    if not lists or not isinstance(unread, dict):
        return None
    names: dict[str, dict[str, str]] = {}
    for operator, weights in unread.items():
        if isinstance(weights, dict) and all(isinstance(t, str) for t in weights.values()):
            names[operator] = weights
    return Notes(_texts(trained), _texts(fixed), names)


def _texts(said: list[Any]) -> frozenset[str]:
    return frozenset(name for name in said if isinstance(name, str))

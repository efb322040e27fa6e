"""Which parts of a Keras config are one and the same layer, standing in several networks.

Keras 3 gives a layer that it writes a second time a `shared_object_id`, and the first writing too; but
where that lies in a Sequential, it is a copy that never hears of it. What is found here is compared with
what the file stores: a layer that is another one has no weights of its own.
"""

from __future__ import annotations

from convscope.errors import SourceError
from convscope.readers.keras.config import Part
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ID = "shared_object_id"
MOST_COMPARED = 8  # parts of one name, whose settings are looked at
MOST_STEPS = 1_000_000  # in comparing settings, all together


def share(top: Part) -> None:
    """Say of each part that is a layer met before which one it is, in the order in which Keras walks.

    Raises `SourceError` when two parts are said to be one layer and have different settings.
    """
    _Walk(top.where).through(top)


def same(part: Part, first: Part) -> None:
    """Note that a part, and all in it, is another one again; raise `SourceError` if it cannot be."""
    names = [[(c.kind, c.name) for c in p.children] for p in (part, first)]
    if part.kind != first.kind or names[0] != names[1]:
        raise SourceError(
            f"{part.where}: it is said to be the layer at {first.where}, but is another one"
        )
    part.first = first.first or first
    part.first.again.append(part)
    for child, other in zip(part.children, first.children, strict=True):
        same(child, other)


class _Walk:
    """Goes through all parts; comparing settings has an end, whatever a file holds."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.steps = 0
        self.known: dict[int, Part] = {}
        self.unmarked: dict[tuple[str, str], list[Part]] = {}

    def through(self, container: Part) -> None:
        for child in container.children:
            if child.operation or child.kind == "InputLayer":
                continue
            first = None if child.shared is None else self._first(child, child.shared)
            if first is not None:
                same(child, first)
            elif child.shared is None:
                self.unmarked.setdefault((child.kind, child.name), []).append(child)
            if child.shared is not None:
                self.known.setdefault(child.shared, first or child)
            if first is None and child.container:
                self.through(child)

    def _first(self, part: Part, mark: int) -> Part | None:
        """Return the part of the same mark, or the one that must have lost it; None if there is none."""
        first = self.known.get(mark)
        if first is not None:
            if not self._alike(part.settings, first.settings):
                raise SourceError(
                    f"{part.where}: it is said to be the layer at {first.where}, whose settings differ"
                )
            return first
        near = self.unmarked.get((part.kind, part.name), [])
        if len(near) > MOST_COMPARED:
            return None
        found = [other for other in near if self._alike(part.settings, other.settings)]
        return found[0] if len(found) == 1 else None

    def _alike(self, one: Any, other: Any) -> bool:
        """Whether settings are the same but for the marks, which only one of two writings may have."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise SourceError(f"{self.what}: it says of too many layers that they are the same")
        if isinstance(one, dict) and isinstance(other, dict):
            keys = [key for key in one if key != ID]
            return len(keys) == len(other) - (ID in other) and all(
                key in other and self._alike(one[key], other[key]) for key in keys
            )
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(self._alike, one, other))
        return type(one) is type(other) and bool(one == other)

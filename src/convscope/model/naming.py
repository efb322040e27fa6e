"""Names of layers: Keras's, counted up per model."""

from __future__ import annotations

import re
from collections.abc import Container


def snake(kind: str) -> str:
    """Return Keras's default name for a kind.

    >>> snake("Conv2D"), snake("BatchNormalization"), snake("ReLU")
    ('conv2d', 'batch_normalization', 're_lu')
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def called(name: str) -> str:
    """Return a layer's name as a sentence says it: a bare number would read as a count.

    >>> called("conv2d_1"), called("3")
    ('conv2d_1', 'layer 3')
    """
    return f"layer {name}" if name.isdecimal() else name


class Names:
    """Hands out names: conv2d, conv2d_1, conv2d_2, …; never one that is taken."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def new(self, base: str, taken: Container[str]) -> str:
        """Return the next free name on a base."""
        number = self._next.get(base, 0)
        while (name := f"{base}_{number}" if number else base) in taken:
            number += 1
        self._next[base] = number + 1
        return name

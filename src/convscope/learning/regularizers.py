"""Regularizers: what large weights cost, added to the loss. Keras's names, arguments and defaults."""

from __future__ import annotations

from typing import Any

from convscope.layers.arguments import number
from convscope.learning.named import Configured, resolved


class L1L2(Configured):
    """l1 · Σ |w| + l2 · Σ w².

    >>> L1L2(l2=0.001).config()
    {'l1': 0.0, 'l2': 0.001}
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = number(0.0 if l1 is None else l1, "L1L2: l1", 0)
        self.l2 = number(0.0 if l2 is None else l2, "L1L2: l2", 0)

    def config(self) -> dict[str, Any]:
        """Return the settings, as Keras's config has them."""
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """l1 · Σ |w|.

    >>> L1(0.5).config()
    {'l1': 0.5}
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)

    def config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """l2 · Σ w².

    >>> L2().config()
    {'l2': 0.01}
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)

    def config(self) -> dict[str, Any]:
        return {"l2": self.l2}


KINDS: dict[str, type[L1L2]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(given: Any, what: str) -> L1L2:
    """Return a regularizer from its name, its config or itself; raises `SettingError`, by name."""
    return resolved(given, KINDS, L1L2, what, "regularizer")

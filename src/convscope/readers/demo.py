"""The network that convscope ships, under the name "demo"."""

from __future__ import annotations

from convscope.network import Network
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ACCEPTS = "demo"


def is_mine(source: Any) -> bool:
    """Whether the source is the word demo."""
    return bool(source == "demo") if isinstance(source, str) else False


def read(source: str) -> Network:
    """Return the digits network with its trained weights."""
    from convscope.demo import network

    return network()

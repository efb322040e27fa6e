"""The network that convscope ships, under the name "demo"."""

from __future__ import annotations

from typing import Any

from convscope.network import Network

ACCEPTS = "demo"


def is_mine(source: Any) -> bool:
    """Whether the source is the word demo."""
    return bool(source == "demo") if isinstance(source, str) else False


def read(source: str) -> Network:
    """Return the digits network with its trained weights."""
    from convscope.demo import network

    return network()

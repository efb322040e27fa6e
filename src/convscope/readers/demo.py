"""The networks that convscope ships, under the names "demo", "demo:groups" and "demo:resnet"."""

from __future__ import annotations

from convscope.network import Network
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ACCEPTS = "demo"

NAMES = ("demo", "demo:groups", "demo:resnet")


def is_mine(source: Any) -> bool:
    """Whether the source is one of their names."""
    return source in NAMES if isinstance(source, str) else False


def read(source: str) -> Network:
    """Return the network of that name, with its trained weights."""
    if source == "demo":
        from convscope.demo import network

        return network()
    from convscope.demo import small

    return small.groups() if source == "demo:groups" else small.resnet()

"""Opening networks, one ecosystem a room: *is this mine?* then *read it*. This folder is discovered."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol

from convscope.errors import SourceError, SourceWarning
from convscope.network import Network

__all__ = ["open"]


class Reader(Protocol):
    """What a module of this folder offers."""

    ACCEPTS: str
    """What it reads, for people: "file.py:attribute"."""

    def is_mine(self, source: Any) -> bool:
        """Whether this reader should try; decided without reading more than a few bytes."""

    def read(self, source: Any) -> Network:
        """Return the network; raise `SourceError` when it cannot be read."""


@cache
def readers() -> tuple[Reader, ...]:
    """Return every reader of this folder."""
    found: list[Any] = [import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__)]
    return tuple(found)


def open(source: Any) -> Network:
    """Return the network that a source names or holds.

    source   a network of convscope's own; the name of an .onnx, .keras or .h5 file; a live keras.Model or
             onnx.ModelProto; "module:attribute" or "file.py:attribute", which runs that Python code of
             yours; or "demo", the network that convscope ships

    Raises `SourceError`, which says what can be opened, for anything else. What a file says and
    convscope leaves out is a `SourceWarning` each, and stays in the network's `warnings`.
    """
    if isinstance(source, Network):
        return source
    for reader in readers():
        if reader.is_mine(source):
            network = reader.read(source)
            for remark in network.warnings:
                warnings.warn(remark, SourceWarning, stacklevel=2)
            return network
    shown = repr(source) if isinstance(source, str) else type(source).__name__
    known = ", ".join(reader.ACCEPTS for reader in readers())
    raise SourceError(f"{shown} is not a network that convscope can open; it opens {known}")

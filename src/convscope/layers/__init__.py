"""The kinds of layers, one a file; this folder is discovered, so a new kind is one new file."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module

from convscope.layers.base import Layer, Sample

__all__ = ["Layer", "Sample", "find", "kinds", "spellings"]


@cache
def find(name: str) -> type[Layer] | None:
    """Return the kind of that name or spelling, importing no file that does not mention it.

    A program that uses three kinds then starts without the other sixty.
    """
    stated, spelled = f"class {name}(".encode(), f'"{name}"'.encode()
    for module in _modules():
        source = _source(module)
        if stated in source or spelled in source:
            for kind in _kinds_in(module):
                if name == kind.__name__ or name in vars(kind).get("spellings", ()):
                    return kind
    return None


@cache
def kinds() -> dict[str, type[Layer]]:
    """Return every layer kind by its name: each public subclass of Layer with samples of its own."""
    found = {kind.__name__: kind for m in _modules() for kind in _kinds_in(m)}
    return dict(sorted(found.items()))


def _modules() -> list[str]:
    """Return the files of this folder, by name. (`pkgutil` would do it, and load what else it has.)"""
    return sorted(
        name.removesuffix(".py")
        for name in os.listdir(__path__[0])
        if name.endswith(".py") and name != "__init__.py"
    )


def _source(module: str) -> bytes:
    with open(os.path.join(__path__[0], f"{module}.py"), "rb") as file:
        return file.read()


def _kinds_in(module: str) -> list[type[Layer]]:
    """Return the kinds that one file of this folder states."""
    stated = vars(import_module(f"{__name__}.{module}")).values()
    return [
        value
        for value in stated
        if isinstance(value, type)
        and issubclass(value, Layer)
        and value is not Layer
        and "samples" in vars(value)
    ]


@cache
def spellings() -> dict[str, type[Layer]]:
    """Return every name under which a kind can be imported, other spellings included."""
    names = dict(kinds())
    for kind in kinds().values():
        for other in vars(kind).get("spellings", ()):
            names[other] = kind
    return names

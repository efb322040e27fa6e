"""ONNX's operators, a family a file, each an equation; this folder is discovered.

A module offers RULES: the operator's name and how its equation is stated. An operator that is in none of
them is opaque: it keeps its name, shapes and values, and is not explained.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from convscope.operators.rule import Rule

__all__ = ["Rule", "rules"]


@cache
def rules() -> dict[str, Rule]:
    """Return every rule by the operator's name."""
    found: dict[str, Rule] = {}
    for module in iter_modules(__path__):
        found.update(getattr(import_module(f"{__name__}.{module.name}"), "RULES", {}))
    return found

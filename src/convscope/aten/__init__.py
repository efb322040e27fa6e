"""PyTorch's operators (ATen), a family a file, each an equation and a spelling in ONNX; discovered.

A module offers RULES: the operator's name without its overload, and its rule. Where one ONNX operator says
the same, the rule names it, and the equation is that operator's; everything else is stated here. An operator
that is in none of them is opaque: it keeps its name, shapes and values, and is not explained.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from convscope.aten.rule import Rule

__all__ = ["Rule", "rules"]


@cache
def rules() -> dict[str, Rule]:
    """Return every rule by the operator's name."""
    found: dict[str, Rule] = {}
    for module in iter_modules(__path__):
        found.update(getattr(import_module(f"{__name__}.{module.name}"), "RULES", {}))
    return found

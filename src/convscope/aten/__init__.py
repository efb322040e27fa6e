"""PyTorch's operators (ATen), a family a file, each an equation and a spelling in ONNX; discovered.

A module offers RULES: the operator's name without its overload, and its rule. Where one ONNX operator says
the same, the rule names it, and the equation is that operator's; everything else is stated here. An operator
that is in none of them is opaque: it keeps its name, shapes and values, and is not explained.
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.aten.rule import Rule
from convscope.operators.families import discovered

__all__ = ["Rule", "rule_of", "rules"]

FIRST = ("windows", "normalisation", "pointwise", "products", "reshaping", "placing", "joining")
"""The families of most convolutional networks, which are looked through first."""

rule_of: Callable[[str], Rule | None]
rules: Callable[[], dict[str, Rule]]
rule_of, rules = discovered(__name__, __path__[0], FIRST)

"""ONNX's operators, a family a file, each an equation; this folder is discovered.

A module offers RULES: the operator's name and how its equation is stated. An operator that is in none of
them is opaque: it keeps its name, shapes and values, and is not explained.
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.operators.families import discovered
from convscope.operators.rule import Rule

__all__ = ["Rule", "rule_of", "rules"]

FIRST = ("windows", "activations", "normalisation", "merging", "reshaping")
"""The families of most convolutional networks, which are looked through first."""

rule_of: Callable[[str], Rule | None]
rules: Callable[[], dict[str, Rule]]
rule_of, rules = discovered(__name__, __path__[0], FIRST)

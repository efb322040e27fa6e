"""ONNX's operators, a family a file, each an equation; this folder is discovered.

A module offers RULES: the operator's name and how its equation is stated. An operator that is in none of
them is opaque: it keeps its name, shapes and values, and is not explained.
"""

from __future__ import annotations

from functools import cache

from convscope.operators.families import families
from convscope.operators.rule import Rule

__all__ = ["Rule", "rule_of", "rules"]

FIRST = ("windows", "activations", "normalisation", "merging", "reshaping")
"""The families of most convolutional networks, which are looked through first."""


@cache
def rule_of(op: str) -> Rule | None:
    """Return the rule of an operator, if there is one; families are loaded until it is found.

    >>> rule_of("Conv") is not None, rule_of("nobody's")
    (True, None)
    """
    return next(
        (rules[op] for rules in families(__name__, __path__[0], FIRST) if op in rules), None
    )


@cache
def rules() -> dict[str, Rule]:
    """Return every rule by the operator's name."""
    return {
        op: rule for rules in families(__name__, __path__[0], FIRST) for op, rule in rules.items()
    }

"""A layer that changes nothing.

A pooling of 1×1, padding by 0, an up-sampling by 1, an activation "linear" of its own: every number goes out as it
came in. Layers that do something in training (Dropout) are meant, and not named.

>>> from convscope import MaxPooling2D, Sequential
>>> model = Sequential([MaxPooling2D(1, input_shape=(28, 28, 1))])
>>> [found.words for rule, found in model.check().findings if rule.name == "changes-nothing"]
['MaxPooling2D passes on every number as it is']
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding, Repair
from convscope.checks.forms import passes_on
from convscope.checks.subject import Subject
from convscope.notation.expression import Read

TITLE = "A layer that changes nothing"
CERTAINTY = "fact"
SOURCE = "From the equation: the output at a position is the input at that position."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers that pass on what comes in, also while they are trained."""
    for node, facts, equation in subject.stated():
        if hasattr(node.layer, "use") and isinstance(equation.expression, Read):
            continue  # an operator that exporters and recordings are full of: a view, a copy, a dropout at rest
        if len(node.inputs) != 1 or not passes_on(equation) or _in_training(node.layer.settings()):
            continue
        given = {node.inputs[0]: subject.random(facts.input_shapes[0])}
        positions = subject.positions(node.name)
        if any(
            subject.number(node.name, at, given) != np.float64(given[node.inputs[0]][at])
            for at in positions
        ):
            continue
        yield Finding(
            node.name,
            f"{node.layer.kind} passes on every number as it is",
            {"kind": node.layer.kind},
            f"{len(positions)} of its outputs were computed from random input, and are that input",
            Repair("leave it out: no number changes"),
        )


def _in_training(settings: dict[str, object]) -> bool:
    """Whether settings say that a layer is at work in training: a share of numbers dropped, noise added."""
    return any(settings.get(name) for name in ("rate", "stddev", "l1", "l2"))

"""Sigmoids and tanhs that are at their ends for this image.

Where a sigmoid is within a thousandth of 0 or 1, its slope is under a thousandth: hardly any gradient passes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding
from convscope.checks.forms import activation
from convscope.checks.subject import Subject
from convscope.explain.words import grouped

TITLE = "Activations that are saturated for this image"
CERTAINTY = "fact"
SOURCE = "The activations of this run; Glorot & Bengio, 2010, on saturation."
NEEDS_RUN = True

ENDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_sigmoid": (0.0, 1.0)}
NEAR = 1e-3
SHARE = 0.9


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers more than nine tenths of whose numbers are at the ends of their activation."""
    assert subject.activations is not None
    for node, _, equation in subject.stated():
        own = activation(equation)
        array = subject.activations.get(node.name)
        if own is None or own.names[0] not in ENDS or array is None or not array.size:
            continue
        low, high = ENDS[own.names[0]]
        ended = int(np.count_nonzero((array <= low + NEAR) | (array >= high - NEAR)))
        if ended > SHARE * array.size:
            yield Finding(
                node.name,
                f"{grouped(ended)} of its {grouped(array.size)} numbers are within {NEAR:g} of {low:g} or {high:g}",
                {"count": ended, "of": int(array.size)},
                f"all {grouped(array.size)} numbers of this run were looked at",
            )

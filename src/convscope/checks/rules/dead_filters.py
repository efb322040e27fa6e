"""Filters that can never fire.

A filter whose weights and bias keep it at or below zero for every image in range gives 0 after a relu, always: its map
is dark, what the next layer has learned of it is unused, and it gets no gradient to recover by. Found here by bounds:
the largest number that each filter can reach, from the largest and smallest that its inputs can be.

>>> from convscope import Dense, Sequential
>>> model = Sequential([Dense(2, activation="relu", kernel_initializer="zeros", input_shape=(5,))])
>>> [found.words for rule, found in model.check().findings if rule.name == "dead-filters"]
['filters 0, 1 of 2 can be 0.0000 at most before the relu, and are 0 after it']
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.bounds import all_bounds
from convscope.checks.finding import Finding
from convscope.checks.forms import activation, weighs
from convscope.checks.subject import Subject
from convscope.explain.words import decimal, grouped, in_runs

TITLE = "Filters that can never fire"
CERTAINTY = "fact"
SOURCE = "Bounds of the layer's own equation (interval arithmetic); dying relus: Lu et al., 2019."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers with filters that a relu holds at 0 for every image in range."""
    bounds = all_bounds(subject)
    for node, _, equation in subject.stated():
        own = activation(equation)
        if own is None or own.names[-1] not in ("relu", "relu6"):
            continue
        before, _ = bounds[node.name]
        dead = [int(n) for n in np.flatnonzero(before.high <= 0)]
        if not dead:
            continue
        source = node.name if weighs(equation) is not None else node.inputs[0]
        worst = float(before.high[dead].max())
        yield Finding(
            node.name,
            f"filter{'s' if len(dead) > 1 else ''} {in_runs(dead)} of {grouped(before.high.size)} can be {decimal(worst, 4)} "
            f"at most before the {own.names[-1]}, and {'are' if len(dead) > 1 else 'is'} 0 after it",
            {
                "filters": dead[:64],
                "count": len(dead),
                "of": int(before.high.size),
                "largest": worst,
            },
            f"bounds led from images with numbers from {subject.low:g} to {subject.high:g} to {source}: every positive "
            f"weight met the largest number that its input can be, every negative one the smallest",
        )

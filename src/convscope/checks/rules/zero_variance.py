"""A variance of 0 in a batch normalisation.

A moving variance of 0 means that a map never varied while the network was trained: it was dead. What is left of the
division is 1/√ε, which makes 30 or 300 times as large whatever differs from the mean now. A negative one has no root.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding
from convscope.checks.forms import normalised
from convscope.checks.subject import Subject
from convscope.explain.words import decimal, exact, grouped, in_runs

TITLE = "A variance of 0 in a normalisation"
CERTAINTY = "fact"
SOURCE = "The weights, and the equation: they stand under a root that is divided by."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the normalisations some of whose variances are 0 or less."""
    for node, _, equation in subject.stated():
        found = normalised(equation)
        if found is None or found.under_root is None:
            continue
        name = found.under_root.tensor.name
        variance = np.asarray(subject.weights(node.name)[name], np.float64)
        low = [int(p) for p in np.flatnonzero(variance <= 0)]
        if not low:
            continue
        axis = found.under_root.indices[0].single()
        at = tuple(low[0] if own is axis else 0 for own in equation.axes)
        feed = node.inputs[0]
        nothing = {feed: np.zeros(subject.graph.shape(feed), np.float32)}
        step = subject.number(node.name, at, {feed: nothing[feed] + 1}) - subject.number(
            node.name, at, nothing
        )
        yield Finding(
            node.name,
            f"{name} is {exact(float(variance[low[0]]))} at {in_runs(low)} of {grouped(variance.size)} maps",
            {"weight": name, "maps": low[:64], "count": len(low), "of": int(variance.size)},
            f"where map {low[0]} comes in larger by 1, it goes out larger by {decimal(step, 2)}",
        )

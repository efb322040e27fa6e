"""Weights that are NaN or infinite.

One such number makes every output that reads it NaN or infinite, and with the next layer all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding
from convscope.checks.subject import Subject
from convscope.explain.words import exact, grouped
from convscope.model.naming import called

TITLE = "Weights that are NaN or infinite"
CERTAINTY = "fact"
SOURCE = "The weights themselves."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers with weights that are no finite numbers."""
    for node, _ in subject.graph.counted_once():
        for name, array in node.layer.weights.items():
            finite = np.isfinite(array)
            if finite.all():
                continue
            where = tuple(int(p) for p in np.argwhere(~finite)[0])
            count = int(array.size - np.count_nonzero(finite))
            yield Finding(
                node.name,
                f"{grouped(count)} of the {grouped(array.size)} numbers of {called(name)} {'are' if count > 1 else 'is'} not finite, "
                f"the first {exact(float(array[where]))} at {where}",
                {"weight": name, "count": count, "of": int(array.size), "first": list(where)},
                f"all {grouped(array.size)} were looked at",
            )

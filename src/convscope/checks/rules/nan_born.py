"""Where NaN or infinity is born.

The first layer whose numbers are not finite although all that it read is: there the arithmetic broke, and everything
after it only passes it on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding
from convscope.checks.subject import Subject
from convscope.explain.words import exact, grouped

TITLE = "NaN or infinity is born"
CERTAINTY = "fact"
SOURCE = "The activations of this run."
NEEDS_RUN = True


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers that make of finite numbers some that are not."""
    assert subject.activations is not None
    finite = {name: bool(np.isfinite(a).all()) for name, a in subject.activations.items()}
    for node in subject.graph.nodes.values():
        if finite.get(node.name, True) or not all(finite.get(n, True) for n in node.inputs):
            continue
        array = subject.activations[node.name]
        bad = ~np.isfinite(array)
        where = tuple(int(p) for p in np.argwhere(bad)[0])
        count = int(np.count_nonzero(bad))
        spelled = ",".join(map(str, where))
        yield Finding(
            node.name,
            f"{grouped(count)} of its {grouped(array.size)} numbers {'are' if count > 1 else 'is'} not finite, the first "
            f"{exact(float(array[where]))} at {where}; everything that it reads is finite",
            {"count": count, "of": int(array.size), "first": list(where)},
            f"all numbers before it were looked at; convscope trace MODEL {node.name} {spelled} takes it apart",
        )

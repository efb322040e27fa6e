"""Maps that are 0 everywhere for this image, after a relu.

One image cannot say that a filter is dead; many that agree can (a survey looks at a whole data set). A layer most of
whose maps are dark for an ordinary image deserves a look.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding
from convscope.checks.forms import activation
from convscope.checks.subject import Subject
from convscope.explain.words import grouped, in_runs

TITLE = "Maps that are dark for this image"
CERTAINTY = "fact"
SOURCE = "The activations of this run."
NEEDS_RUN = True


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the relus some of whose maps are 0 at every position."""
    assert subject.activations is not None
    for node, _, equation in subject.stated():
        own = activation(equation)
        array = subject.activations.get(node.name)
        if own is None or own.names[0] not in ("relu", "relu6") or array is None or array.ndim < 2:
            continue
        place = subject.channel_axis(node.name)
        if place is None:
            continue
        count = array.shape[place]
        flat = np.moveaxis(array, place, 0).reshape(count, -1)
        dark = [int(n) for n in np.flatnonzero(~flat.any(axis=1))]
        if dark:
            yield Finding(
                node.name,
                f"map{'s' if len(dark) > 1 else ''} {in_runs(dark)} of {grouped(count)} {'are' if len(dark) > 1 else 'is'} 0 "
                f"at all {grouped(flat.shape[1])} positions",
                {"maps": dark[:256], "count": len(dark), "of": count},
                f"all {grouped(array.size)} numbers of this run were looked at",
            )

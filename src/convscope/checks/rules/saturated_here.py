"""Sigmoids and tanhs that are at their ends for this image, or for the images of a survey.

Where a sigmoid is within a thousandth of 0 or 1, its slope is under a thousandth: hardly any gradient passes.

With a survey, maps that are at one end in all its images are named, too: their smallest and largest number say so. How
many of all numbers are there is said as *at least*, since a survey counts them in bins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.counted import Counted
from convscope.checks.finding import Finding
from convscope.checks.forms import activation
from convscope.checks.subject import Subject
from convscope.explain.words import grouped, in_runs

TITLE = "Activations that are saturated"
CERTAINTY = "fact"
SOURCE = (
    "The activations of this run, or what a survey counted; Glorot & Bengio, 2010, on saturation."
)
NEEDS_RUN = True

ENDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_sigmoid": (0.0, 1.0)}
NEAR = 1e-3
SHARE = 0.9


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers more than nine tenths of whose numbers are at the ends of their activation."""
    for name in subject.graph.nodes:
        equation = subject.equation(name)
        own = None if equation is None else activation(equation)
        if own is None or own.names[0] not in ENDS:
            continue
        low, high = ENDS[own.names[0]]
        if subject.counted is not None and name in subject.counted.layers:
            yield from _in_survey(subject.counted, name, low, high)
        elif subject.activations is not None:
            yield from _in_run(subject, name, low, high)


def _in_survey(counted: Counted, name: str, low: float, high: float) -> Iterator[Finding]:
    counts = counted.layers[name]
    each = counted.images * counts.places
    total = each * counts.maps
    at_end = (counts.high <= low + NEAR) | (counts.low >= high - NEAR)
    at_end &= counts.odd == 0
    ended = np.flatnonzero(at_end).tolist()
    binned = sum(n for start, end, n in counts.bins if end <= low + NEAR or start >= high - NEAR)
    least = max(binned, len(ended) * each)
    if not ended and least <= SHARE * total:
        return
    said = f"at least {grouped(least)} of its {grouped(total)} numbers are within {NEAR:g} of {low:g} or {high:g}"
    if ended:
        what, many = "number" if counts.rows else "map", len(ended) > 1
        said += (
            f"; {what}{'s' if many else ''} {in_runs(ended)} of {grouped(counts.maps)} "
            f"{'are' if many else 'is'} at one end in all {counted.over(counts)}"
        )
    numbers = {"at_least": least, "of": total, "maps": ended[:256], "maps_count": len(ended)}
    yield Finding(name, said, numbers | counted.numbers(counts), counted.proof(counts))


def _in_run(subject: Subject, name: str, low: float, high: float) -> Iterator[Finding]:
    assert subject.activations is not None
    array = subject.activations.get(name)
    if array is None or not array.size:
        return
    ended = int(np.count_nonzero((array <= low + NEAR) | (array >= high - NEAR)))
    if ended > SHARE * array.size:
        yield Finding(
            name,
            f"{grouped(ended)} of its {grouped(array.size)} numbers are within {NEAR:g} of {low:g} or {high:g}",
            {"count": ended, "of": int(array.size)},
            f"all {grouped(array.size)} numbers of this run were looked at",
        )

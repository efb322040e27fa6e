"""Maps that are 0 everywhere for this image, or for all images of a survey, after a relu.

One image cannot say that a filter is dead; many that agree can: with a survey, each map is counted over its images, and
so is each number of a dense layer. A layer most of whose maps are dark for an ordinary image deserves a look.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.counted import Counted
from convscope.checks.finding import Finding
from convscope.checks.forms import activation
from convscope.checks.subject import Subject
from convscope.explain.words import grouped, in_runs

TITLE = "Maps that are dark"
CERTAINTY = "fact"
SOURCE = "The activations of this run, or what a survey counted."
NEEDS_RUN = True

CLIPS = ("relu", "relu6")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the relus some of whose maps are 0 at every position."""
    for name in subject.graph.nodes:
        equation = subject.equation(name)
        own = None if equation is None else activation(equation)
        if own is None or own.names[0] not in CLIPS:
            continue
        if subject.counted is not None and name in subject.counted.layers:
            yield from _in_survey(subject.counted, name)
        elif subject.activations is not None:
            yield from _in_run(subject, name)


def _in_survey(counted: Counted, name: str) -> Iterator[Finding]:
    counts = counted.layers[name]
    dark = np.flatnonzero(counts.zeros == counted.images * counts.places).tolist()
    if dark:
        words = f"{_named(dark, counts.maps, 'number' if counts.rows else 'map')} 0 in all {counted.over(counts)}"
        numbers = {"maps": dark[:256], "count": len(dark), "of": counts.maps}
        yield Finding(name, words, numbers | counted.numbers(counts), counted.proof(counts))


def _in_run(subject: Subject, name: str) -> Iterator[Finding]:
    assert subject.activations is not None
    array, place = subject.activations.get(name), subject.channel_axis(name)
    if array is None or array.ndim < 2 or place is None:
        return
    count = array.shape[place]
    flat = np.moveaxis(array, place, 0).reshape(count, -1)
    dark = [int(n) for n in np.flatnonzero(~flat.any(axis=1))]
    if dark:
        yield Finding(
            name,
            f"{_named(dark, count, 'map')} 0 at all {grouped(flat.shape[1])} positions",
            {"maps": dark[:256], "count": len(dark), "of": count},
            f"all {grouped(array.size)} numbers of this run were looked at",
        )


def _named(dark: list[int], of: int, what: str) -> str:
    many = len(dark) > 1
    return f"{what}{'s' if many else ''} {in_runs(dark)} of {grouped(of)} {'are' if many else 'is'}"

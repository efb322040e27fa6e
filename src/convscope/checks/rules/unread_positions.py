"""Part of the input is read by no window.

A window of 3 that moves by 2 fits 13 times into 28 columns, and reads 27 of them: the last column could hold
anything. A window that moves further than it reaches leaves gaps: a 1×1 convolution with stride 2, as in the
shortcuts of the first ResNets, reads a quarter of the numbers that come in. Dilation leaves holes in the same way.

Where the numbers matter, another padding, kernel or stride reads them; where they do not, the layers before
compute them for nothing.

>>> from convscope import Conv2D, Sequential
>>> model = Sequential([Conv2D(8, 3, strides=2, input_shape=(28, 28, 1))])
>>> [found.words for rule, found in model.check().findings if rule.name == "unread-positions"]
['row 27 of 28 is read by no window (a window of 3, moved by 2, fits 13 times); column 27 of 28 is read by no window (a window of 3, moved by 2, fits 13 times)']
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from convscope.checks.finding import Finding, Repair
from convscope.checks.subject import Subject
from convscope.explain.windows import Along, windows
from convscope.explain.words import grouped, in_runs, shape_in_words
from convscope.layers.base import tensor_names
from convscope.notation.sizes import is_known

TITLE = "Positions that no window reads"
CERTAINTY = "fact"
SOURCE = "From the equation: the positions of its reads, all outputs together."

LISTED = 24


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers whose windows leave out part of their input."""
    for node, _, equation in subject.stated():
        left = {along: _unread(along) for along in windows(equation)}
        left = {along: places for along, places in left.items() if places}
        if not left:
            continue
        words = "; ".join(_words(along, places) for along, places in left.items())
        numbers = [
            {
                "axis": along.axis.name,
                "size": along.fit.size,
                "stride": along.fit.stride,
                "unread": len(places),
                "first_unread": places[:LISTED],
            }
            for along, places in left.items()
        ]
        proof = _proof(subject, node.name, left)
        if proof is not None:
            repair = _repair(subject, node.name, left)
            yield Finding(node.name, words, {"axes": numbers}, proof, repair)


def _unread(along: Along) -> list[int]:
    return sorted(set(range(along.fit.size)) - along.positions)


def _words(along: Along, places: list[int]) -> str:
    fit = along.fit
    many = len(places) > 1
    which = f"{fit.word}{'s' if many else ''} {in_runs(places)}"
    reach = f"a window of {fit.window}, moved by {fit.stride}, fits {grouped(fit.count)} times"
    return f"{which} of {grouped(fit.size)} {'are' if many else 'is'} read by no window ({reach})"


def _proof(subject: Subject, name: str, left: dict[Along, list[int]]) -> str | None:
    """Compute outputs again with other numbers at the places that are not read; None where any differs."""
    feeds = subject.graph.nodes[name].inputs
    given = {feed: subject.random(subject.graph.shape(feed)) for feed in feeds}
    fed = dict(zip(tensor_names(len(feeds)), feeds, strict=True))[next(iter(left)).read.tensor.name]
    other = given[fed].copy()
    for along, places in left.items():
        where: list[Any] = [slice(None)] * other.ndim
        where[along.dimension] = places
        other[tuple(where)] = 1e6
    count = subject.unchanged(name, given, {**given, fed: other})
    if count is None:
        return None
    changed = int(np.count_nonzero(other != given[fed]))
    return (
        f"with {grouped(changed)} of its {grouped(other.size)} input numbers replaced by 1,000,000, the "
        f"{count} outputs that were tried stay the same"
    )


def _repair(subject: Subject, name: str, left: dict[Along, list[int]]) -> Repair | None:
    settings = subject.graph.nodes[name].layer.settings()
    tries: list[tuple[str, Any]] = []
    if settings.get("padding") == "valid":
        tries.append(("padding", "same"))
    for key in ("kernel_size", "pool_size"):
        size = settings.get(key)
        if isinstance(size, tuple) and all(map(is_known, size)):
            tries += [(key, tuple(n + more for n in size)) for more in (1, 2, 3)]
    for key, value in tries:
        graph = subject.edited([(name, key, value)])
        equation = None if graph is None else graph.facts[name].equation
        if graph is None or equation is None or any(_unread(along) for along in windows(equation)):
            continue
        shape = shape_in_words(graph.shape(name))
        return Repair(
            f"{key} = {value!r} reads all of them; its output is then {shape}",
            ((name, key, value),),
        )
    return None

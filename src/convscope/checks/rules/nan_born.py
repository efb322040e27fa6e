"""Where NaN or infinity is born.

The first layer whose numbers are not finite although all that it read is: there the arithmetic broke, and everything
after it only passes it on.

A survey says in which layer, and of how many numbers; it keeps no image's numbers, so its first images are run again
until one shows it: that one is named, with the first number. Where an image itself holds NaN, the first layer that was
counted is named, and said to pass it on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.counted import Counted, NotFinite
from convscope.checks.finding import Finding
from convscope.checks.subject import Subject
from convscope.explain.words import exact, grouped, in_runs, join

TITLE = "NaN or infinity is born"
CERTAINTY = "fact"
SOURCE = "The activations of this run, or what a survey counted."
NEEDS_RUN = True


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers that make of finite numbers some that are not."""
    here = list(_in_run(subject))
    yield from here
    if subject.counted is not None:
        yield from _in_survey(subject, subject.counted, {found.layer for found in here})


def _in_run(subject: Subject) -> Iterator[Finding]:
    activations = subject.activations or {}
    finite = {name: bool(np.isfinite(a).all()) for name, a in activations.items()}
    for node in subject.graph.nodes.values():
        if finite.get(node.name, True) or not all(finite.get(n, True) for n in node.inputs):
            continue
        array = activations[node.name]
        bad = ~np.isfinite(array)
        where = tuple(int(p) for p in np.argwhere(bad)[0])
        count = int(np.count_nonzero(bad))
        yield Finding(
            node.name,
            f"{grouped(count)} of its {grouped(array.size)} numbers {'are' if count > 1 else 'is'} not finite, the first "
            f"{exact(float(array[where]))} at {where}; everything that it reads is finite",
            {"count": count, "of": int(array.size), "first": list(where)},
            f"all numbers before it were looked at; {_trace(node.name, where)} takes it apart",
        )


def _in_survey(subject: Subject, counted: Counted, found: set[str]) -> Iterator[Finding]:
    odd = {name: int(counts.odd.sum()) for name, counts in counted.layers.items()}
    broken: dict[str, bool] = {}  # whether a node's numbers, or those before it, are not finite
    for node in subject.graph.nodes.values():
        before = any(broken.get(n, False) for n in node.inputs)
        broken[node.name] = odd[node.name] > 0 if node.name in odd else before
        if before or not odd.get(node.name) or node.name in found:
            continue
        counts = counted.layers[node.name]
        total = counted.images * counts.places * counts.maps
        many = odd[node.name]
        maps = np.flatnonzero(counts.odd).tolist()
        what = f"{'number' if counts.rows else 'map'}{'s' if len(maps) > 1 else ''}"
        example = counted.example(node.name)
        unseen = [n for n in node.inputs if n not in odd and n not in counted.same]
        reads = (
            f"whether what it reads of {join(unseen)} is finite was not counted, nor which of the layers after it "
            f"make more of them"
            if unseen
            else "everything that it reads is finite in all of them"
        )
        words = (
            f"{grouped(many)} of its {grouped(total)} numbers {'are' if many > 1 else 'is'} not finite, in {what} "
            f"{in_runs(maps)} of {grouped(counts.maps)}, over {counted.over(counts)}; {reads}"
        )
        numbers = {"count": many, "of": total, "maps": maps[:256]} | counted.numbers(counts)
        proof = f"{counted.proof(counts)}. {_shown(node.name, example, numbers, not unseen)}"
        yield Finding(node.name, words, numbers, proof)


def _shown(name: str, example: NotFinite | str, numbers: dict[str, object], proved: bool) -> str:
    """Return which image shows it, and note it among the numbers; else what is missing."""
    if isinstance(example, str):
        return f"Which image it was is not known: {example}; with it, --image says the number"
    numbers |= {"image": example.image, "first": list(example.position)}
    if not (example.born or proved):
        return (
            f"In {example.image} the first is {exact(example.value)} at {example.position}, and what it reads is not "
            f"finite either: it is born before this layer, as where an image holds it"
        )
    return (
        f"In {example.image} the first is {exact(example.value)} at {example.position}, and everything that it "
        f"reads is finite there; with it, {_trace(name, example.position)} takes it apart"
    )


def _trace(name: str, where: tuple[int, ...]) -> str:
    return f"convscope trace MODEL {name} {','.join(map(str, where))}"

"""A bias that a normalisation takes away again.

Batch normalisation subtracts the mean of what comes in, and adds a shift of its own. A bias that was added right
before is in that mean: it changes nothing that the network computes, and in training its gradient is zero. Ioffe and
Szegedy say so in section 3.2 of their paper. It costs parameters, and a reader's time.

>>> from convscope import BatchNormalization, Conv2D, Sequential
>>> model = Sequential([Conv2D(8, 3, input_shape=(28, 28, 1)), BatchNormalization()])
>>> [found.words for rule, found in model.check().findings if rule.name == "bias-before-normalisation"]
['its 8 biases are subtracted again by batch_normalization, as part of moving_mean']
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding, Repair
from convscope.checks.forms import activation, added_weight, degree, normalised
from convscope.checks.subject import Subject
from convscope.explain.words import grouped
from convscope.notation.sizes import product

TITLE = "A bias before a normalisation"
CERTAINTY = "fact"
SOURCE = "Ioffe & Szegedy, Batch Normalization, 2015, section 3.2: the bias is subsumed by β."

CLOSE = 1e-9


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers whose bias the normalisation after them subtracts again."""
    for node, facts, equation in subject.stated():
        bias = added_weight(equation)
        if bias is None or activation(equation) or degree(equation) != 1:
            continue
        after = subject.only_reader(node.name)
        following = None if after is None else subject.equation(after)
        if after is None or following is None:
            continue
        found = normalised(following)
        if found is None or found.subtracted is None:
            continue
        mean = found.subtracted.tensor.name
        name = bias.tensor.name
        bound = facts.weights[name]
        if subject.graph.facts[after].weights.get(mean) != bound:
            continue
        proof = _proof(subject, node.name, name, after, mean)
        if proof is None:
            continue
        count = int(product(bound))
        yield Finding(
            node.name,
            f"its {grouped(count)} biases are subtracted again by {after}, as part of {mean}",
            {"parameters": count, "normalisation": after},
            proof,
            _repair(subject, node.name, count, after, mean),
        )


def _proof(subject: Subject, name: str, bias: str, after: str, mean: str) -> str | None:
    """Take the bias out of the layer and out of the mean, and compare what comes out."""
    feeds = subject.graph.nodes[name].inputs
    given = {feed: subject.random(subject.graph.shape(feed)) for feed in feeds}
    own, other = subject.weights(name)[bias], subject.weights(after)[mean]
    instead = {
        name: {bias: np.zeros_like(own)},
        after: {mean: np.asarray(other, np.float64) - np.asarray(own, np.float64)},
    }
    worst = 0.0
    positions = subject.positions(after)
    for at in positions:
        was = subject.number(after, at, given)
        now = subject.number(after, at, given, instead)
        if not np.isfinite(was):
            continue
        worst = max(worst, abs(was - now) / max(1.0, abs(was)))
    if worst > CLOSE:
        return None
    return f"with a bias of 0, and {mean} smaller by what it was, {len(positions)} outputs of {after} came out the same"


def _repair(subject: Subject, name: str, count: int, after: str, mean: str) -> Repair | None:
    edits = ((name, "use_bias", False),)
    if "use_bias" in subject.graph.nodes[name].layer.settings():
        graph = subject.edited(edits)
        if graph is not None and graph.shape(after) == subject.graph.shape(after):
            return Repair(
                f"use_bias = False, with {mean} less the bias: {grouped(count)} parameters fewer",
                edits,
            )
    return Repair(
        f"leave the bias out, with {mean} less the bias: {grouped(count)} parameters fewer"
    )

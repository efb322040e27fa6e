"""The same activation twice in a row.

The second relu finds nothing below zero and changes nothing. A sigmoid of a sigmoid, or a softmax of a softmax, does
change something, and nothing good: what comes out lies in a fraction of its range, so that a network that ends like
this can hardly become sure of anything. Theia and NeuraLint list it among the common faults of deep-learning programs.

>>> from convscope import Activation, Dense, Sequential
>>> model = Sequential([Dense(4, activation="sigmoid", input_shape=(5,)), Activation("sigmoid")])
>>> [found.words for rule, found in model.check().findings if rule.name == "activation-twice"]
['sigmoid of what dense gives, which is a sigmoid already: what comes out lies in 0.5000 … 0.7311']
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding, Repair
from convscope.checks.forms import activation, applied, softmax
from convscope.checks.subject import Subject
from convscope.explain.words import decimal
from convscope.notation import Equation

TITLE = "An activation twice"
CERTAINTY = "fact"
SOURCE = (
    "From the equations; listed by Nikanjam et al., NeuraLint (TOSEM 2021), and Manke et al., Theia (2023), among "
    "common faults."
)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers that apply the activation that was just applied."""
    for node, _, equation in subject.stated():
        if len(node.inputs) != 1:
            continue
        own, before = _last(equation), subject.equation(node.inputs[0])
        if own is None or before is None or own != _last(before):
            continue
        alone = activation(equation)
        if own != "softmax" and (alone is None or not alone.alone):
            continue
        if own == "softmax" and not _only_softmax(equation):
            continue
        words, proof, repair = _judged(subject, node.name, equation, own)
        yield Finding(
            node.name, words, {"activation": own, "before": node.inputs[0]}, proof, repair
        )


def _last(equation: Equation) -> str | None:
    if softmax(equation) is not None:
        return "softmax"
    found = activation(equation)
    return None if found is None or len(found.names) != 1 else found.names[0]


def _only_softmax(equation: Equation) -> bool:
    return not equation.weights and softmax(equation) is not None


def _judged(
    subject: Subject, name: str, equation: Equation, own: str
) -> tuple[str, str, Repair | None]:
    before = subject.graph.nodes[name].inputs[0]
    if own == "softmax":
        found = softmax(equation)
        assert found is not None
        count = found.over
        top = math.e / (math.e + count - 1)
        words = (
            f"{own} of what {before} gives, which is a {own} already: no output can be above {decimal(top, 4)}, and "
            f"the differences shrink"
        )
        proof = (
            f"its inputs lie in 0 … 1, and e/(e + {count - 1}) = {decimal(top, 4)} is the largest share that one of "
            f"{count} such numbers can get"
        )
        return (
            words,
            proof,
            Repair(f"leave it out: the outputs of {before} add up to 1 as they are"),
        )
    numbers = np.linspace(-12, 12, 4801)
    once = applied(equation, numbers)
    twice = applied(equation, once)
    if np.array_equal(once, twice):
        return (
            f"{own} of what {before} gives, which is a {own} already: it changes nothing",
            f"{own}({own}(x)) = {own}(x) for {len(numbers):,} numbers x from −12 to 12",
            Repair("leave it out: no number changes"),
        )
    low, high = decimal(float(twice.min()), 4), decimal(float(twice.max()), 4)
    return (
        f"{own} of what {before} gives, which is a {own} already: what comes out lies in {low} … {high}",
        f"{own}({own}(x)) for {len(numbers):,} numbers x from −12 to 12",
        Repair(
            f"leave it out: the outputs then lie in {decimal(float(once.min()), 4)} … {decimal(float(once.max()), 4)}"
        ),
    )

"""Two layers of weights with nothing between them but sums and products.

A convolution or dense layer without an activation, followed by another: together they are one linear map, and no
more can be said by the two than by one of the right size. A forgotten activation is the usual reason. Where the maps
between them are fewer than before and after, it may be meant: a factorisation that saves weights, as in the linear
bottlenecks of MobileNetV2, or a depthwise convolution before a 1×1.

>>> from convscope import Conv2D, Sequential
>>> model = Sequential([Conv2D(8, 3, input_shape=(28, 28, 1)), Conv2D(5, 3)])
>>> [found.words for rule, found in model.check().findings if rule.name == "linear-after-linear"]
['no activation stands between it and conv2d_1: together they are one linear map']
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding
from convscope.checks.forms import (
    activation,
    at_own_place,
    degree,
    degree_of,
    filter_axis,
    weighs,
)
from convscope.checks.subject import Subject
from convscope.explain.words import decimal, grouped, join
from convscope.notation import Equation
from convscope.notation.anatomy import anatomy
from convscope.notation.sizes import product

TITLE = "Two linear layers with nothing between"
CERTAINTY = "fact"
SOURCE = "A composition of linear maps is a linear map."

CLOSE = 1e-9


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers whose numbers go into another layer of weights without an activation."""
    for node, facts, equation in subject.stated():
        if not _linear(equation) or weighs(equation) is None:
            continue
        between: list[str] = []
        after = subject.only_reader(node.name)
        while after is not None and _passes(subject, after):
            between.append(after)
            after = subject.only_reader(after)
        following = None if after is None else subject.equation(after)
        if after is None or following is None or weighs(following) is None:
            continue
        if degree_before_activation(following) != 1 or len(subject.graph.nodes[after].inputs) != 1:
            continue
        proof = (
            _proof(subject, node.name, after)
            if degree(following) == 1
            else _stated(node.name, after)
        )
        if proof is None:
            continue
        through = (
            f", with {join(between)} between, which scale{'s' if len(between) == 1 else ''} and shift{'s' if len(between) == 1 else ''} only"
            if between
            else ""
        )
        params = subject.graph.facts[node.name].params, subject.graph.facts[after].params
        words = f"no activation stands between it and {after}{through}: together they are one linear map"
        place = filter_axis(equation)
        inner = None if place is None else facts.output_shape[place]
        outer = _maps(node.inputs[0], subject), _maps(after, subject)
        if inner is not None and all(outer) and inner < min(outer):
            words += (
                f". It goes through {grouped(inner)} maps, from {grouped(outer[0])} to {grouped(outer[1])}: a "
                f"factorisation, which may be meant"
            )
        yield Finding(
            node.name,
            words,
            {"after": after, "between": between, "parameters": [int(p) for p in params]},
            proof,
        )


def _maps(name: str, subject: Subject) -> int:
    """Return how many maps, or numbers of a row, a node or an input has."""
    shape = subject.graph.shape(name)
    return int(shape[subject.channel_axis(name) or 0]) if shape else 0


def _linear(equation: Equation) -> bool:
    return degree(equation) == 1 and activation(equation) is None


def _passes(subject: Subject, name: str) -> bool:
    """Whether a layer does no more than scale and shift what one other layer gives."""
    equation = subject.equation(name)
    return (
        equation is not None
        and len(subject.graph.nodes[name].inputs) == 1
        and degree(equation) == 1
        and at_own_place(equation)
    )


def degree_before_activation(equation: Equation) -> int:
    """Return the degree of what stands before the activation."""
    return degree_of(anatomy(equation).preactivation)


def _stated(name: str, after: str) -> str:
    return f"{name} and what {after} adds up before its activation are sums of inputs times weights"


def _proof(subject: Subject, name: str, after: str) -> str | None:
    """Compare f(u + v) + f(0) with f(u) + f(v), which is what linear means."""
    feed = subject.graph.nodes[name].inputs[0]
    shape = subject.graph.shape(feed)
    if product(shape) > 1 << 24:
        return _stated(name, after)
    u, v = subject.random(shape, 1), subject.random(shape, 2)
    u, v = u.round(2), v.round(2)
    worst = 0.0
    positions = subject.positions(after, 4)
    for at in positions:
        both, nothing, one, other = (
            subject.number(after, at, {feed: array}) for array in (u + v, 0 * u, u, v)
        )
        scale = max(1.0, abs(both), abs(one), abs(other))
        worst = max(worst, abs(both + nothing - one - other) / scale)
    if worst > 1e-5:
        return None
    return (
        f"f(u + v) + f(0) = f(u) + f(v) for two random inputs u and v at {len(positions)} positions of {after}, to "
        f"{decimal(worst, 9)}"
    )

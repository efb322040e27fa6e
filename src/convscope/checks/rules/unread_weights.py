"""Weights that no output depends on.

A 5×5 kernel over a map of 2×2 with "same" padding: most of its places lie in the padding for every output, and are
multiplied by zeros whatever they hold. They count as parameters, are trained by nothing but weight decay, and cost
work. Frameworks also keep some weights that the arithmetic never looks at.

>>> from convscope import Conv2D, Sequential
>>> model = Sequential([Conv2D(8, 5, padding="same", input_shape=(2, 3, 4))])
>>> [found.words for rule, found in model.check().findings if rule.name == "unread-weights"]
['of its 5×5 kernel only 3×5 places ever meet the input; the other 320 of 800 weights are multiplied by padding at every output']
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from convscope.checks.finding import Finding, Repair
from convscope.checks.forms import kernels, weighs
from convscope.checks.subject import Subject
from convscope.explain.windows import windows
from convscope.explain.words import grouped, times
from convscope.notation import Axis, Equation
from convscope.notation.anatomy import Main
from convscope.notation.sizes import product

TITLE = "Weights that nothing reads"
CERTAINTY = "fact"
SOURCE = "From the equation: which places of the kernel meet a number of the input at any output."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers some of whose weights meet nothing but padding, or are kept and not read."""
    for node, facts, equation in subject.stated():
        main = weighs(equation)
        idle = {} if main is None else _idle(equation, main)
        if main is not None and idle:
            kernel = facts.weights[kernels(main)[0].tensor.name]
            each = {axis: axis.size - len(taps) for axis, taps in idle.items()}
            of = int(product(kernel))
            used = of
            for axis, kept in each.items():
                used = used * kept // axis.size
            size = times(axis.size for axis in main.window)
            inner = times(each.get(axis, axis.size) for axis in main.window)
            proof = _proof(subject, node.name, main, idle)
            if proof is None:
                continue
            yield Finding(
                node.name,
                f"of its {size} kernel only {inner} places ever meet the input; the other {grouped(of - used)} of "
                f"{grouped(of)} weights are multiplied by padding at every output",
                {"unread": of - used, "of": of},
                proof,
                _repair(subject, node.name),
            )
        folded = dict(getattr(node.layer, "folded", ()))  # what a weight was computed from is read
        unread = {
            n: s for n, s in facts.weights.items() if n not in equation.weights and n not in folded
        }
        if unread:
            count = int(sum(product(shape) for shape in unread.values()))
            named = ", ".join(f"{name} ({times(shape)})" for name, shape in unread.items())
            yield Finding(
                node.name,
                f"{named}: {grouped(count)} numbers are kept, and the equation reads none of them",
                {"unread": count},
                "the equation names all that it reads",
            )


def _idle(equation: Equation, main: Main) -> dict[Axis, list[int]]:
    """Return the places along each axis of the window that lie in the padding for every output."""
    found = {}
    for along in windows(equation):
        index = main.read.indices[along.dimension]
        inner = [axis for axis in index.axes() if axis in main.window]
        if len(inner) != 1 or index.axes() != {along.axis, inner[0]}:
            continue
        fit, tap = along.fit, inner[0]
        taps = [
            t
            for t in range(tap.size)
            if not any(
                0 <= int(index.at({along.axis: p, tap: t})) < fit.size for p in range(fit.count)
            )
        ]
        if taps:
            found[tap] = taps
    return found


def _proof(subject: Subject, name: str, main: Main, idle: dict[Axis, list[int]]) -> str | None:
    """Compute outputs again with other numbers in the places that meet nothing; None where any differs."""
    kernel = kernels(main)[0]
    own = subject.weights(name)[kernel.tensor.name]
    other = own.copy()
    for dimension, index in enumerate(kernel.indices):
        axis = index.single()
        if axis in idle:
            where: list[Any] = [slice(None)] * other.ndim
            where[dimension] = idle[axis]
            other[tuple(where)] = 1e6
    given = {n: subject.random(subject.graph.shape(n)) for n in subject.graph.nodes[name].inputs}
    instead = {name: {kernel.tensor.name: other}}
    count = subject.unchanged(name, given, given, instead)
    if count is None:
        return None
    return f"with 1,000,000 in their places, {count} outputs that were tried stay the same"


def _repair(subject: Subject, name: str) -> Repair | None:
    size = subject.graph.nodes[name].layer.settings().get("kernel_size")
    if not isinstance(size, tuple) or len(size) == 0:
        return None
    for smaller in range(max(size) - 1, 0, -1):
        value = tuple(min(n, smaller) for n in size)
        graph = subject.edited([(name, "kernel_size", value)])
        if graph is None or graph.shape(name) != subject.graph.shape(name):
            continue
        equation = graph.facts[name].equation
        main = None if equation is None else weighs(equation)
        if equation is not None and main is not None and not _idle(equation, main):
            saved = subject.graph.facts[name].params - graph.facts[name].params
            return Repair(
                f"kernel_size = {value} reads the same numbers, with {grouped(saved)} parameters fewer",
                ((name, "kernel_size", value),),
            )
    return None

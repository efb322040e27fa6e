"""Transposed convolutions that paint checkerboards.

Where the kernel is no multiple of the stride, some outputs are the sum of more products than their neighbours: a
kernel of 3 with stride 2 gives 1, 2, 1, 2 … along a row, and 1, 2 or 4 in the plane. The pattern is in the picture
from the first step of training, and often to the end. A kernel that the stride divides, or an up-sampling followed by
a convolution, has none.

>>> from convscope import Conv2DTranspose, Sequential
>>> model = Sequential([Conv2DTranspose(3, 3, strides=2, input_shape=(6, 5, 1))])
>>> [found.words for rule, found in model.check().findings if rule.name == "checkerboard"]
['neighbouring outputs are sums of differently many products: along its rows 1 and 2 products in turn (2, 1, 2, 1 …); along its columns 1 and 2 products in turn (1, 2, 1, 2 …)']
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding, Repair
from convscope.checks.forms import weighs
from convscope.checks.subject import Subject
from convscope.explain.words import join
from convscope.notation import Axis, Equation
from convscope.notation.anatomy import Main
from convscope.notation.sizes import is_known

TITLE = "Transposed convolutions that paint checkerboards"
CERTAINTY = "predicted"
SOURCE = "Odena, Dumoulin & Olah, Deconvolution and Checkerboard Artifacts, Distill 2016."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the transposed convolutions whose outputs add up differently many products."""
    for node, _, equation in subject.stated():
        main = weighs(equation)
        if main is None or not main.read.scattered:
            continue
        counts = _counts(equation, main)
        uneven = {axis: each for axis, each in counts.items() if len(set(each)) > 1}
        if not uneven:
            continue
        words = "; ".join(
            f"along its {axis.word}s {join(sorted(set(each)))} products in turn ({', '.join(map(str, each[:6]))} …)"
            for axis, each in uneven.items()
        )
        yield Finding(
            node.name,
            f"neighbouring outputs are sums of differently many products: {words}",
            {"terms": {axis.name: list(each[:32]) for axis, each in uneven.items()}},
            "the products of the equation were counted in the middle of the map, place by place",
            _repair(subject, node.name),
        )


def _counts(equation: Equation, main: Main) -> dict[Axis, tuple[int, ...]]:
    """Return along each axis how many places of the kernel meet a number, output by output."""
    found = {}
    for dimension, index in enumerate(main.read.indices):
        inner = [a for a in index.axes() if a in main.window]
        outer = [a for a in index.axes() if a in equation.axes]
        if len(inner) != 1 or len(outer) != 1:
            continue
        tap, axis = inner[0], outer[0]
        count = equation.sizes[axis]
        shape = main.read.tensor.shape
        size = None if shape is None else shape[dimension]
        if size is None or not (is_known(count) and is_known(tap.size) and is_known(size)):
            continue
        period = index.period()
        start = max(0, count // 2 - period)
        each = []
        for place in range(start, min(count, start + 2 * period)):
            reads = 0
            for t in range(tap.size):
                at = {axis: place, tap: t}
                if bool(index.whole(at)):
                    reads += int(0 <= int(index.at(at)) < size)
            each.append(reads)
        if len(each) > 1:
            found[axis] = tuple(each)
    return found


def _repair(subject: Subject, name: str) -> Repair | None:
    settings = subject.graph.nodes[name].layer.settings()
    size, strides = settings.get("kernel_size"), settings.get("strides")
    if not isinstance(size, tuple) or not isinstance(strides, tuple) or len(size) != len(strides):
        return None
    value = tuple(-(-k // s) * s for k, s in zip(size, strides, strict=True))
    graph = subject.edited([(name, "kernel_size", value)])
    equation = None if graph is None else graph.facts[name].equation
    main = None if equation is None else weighs(equation)
    if equation is None or main is None:
        return None
    if any(len(set(each)) > 1 for each in _counts(equation, main).values()):
        return None
    return Repair(
        f"kernel_size = {value}, which the stride divides: every output adds up equally many products",
        ((name, "kernel_size", value),),
    )

"""Strides that alias.

A layer that keeps every second position of a map with fine detail keeps or loses the detail by where it lies: moving
the image by one pixel changes the output more than it should. Zhang measured it for strided convolutions and max
poolings of common networks; a blur before the stride (anti-aliasing) made them steadier and more accurate.

>>> from convscope import MaxPooling2D, Sequential
>>> model = Sequential([MaxPooling2D(2, input_shape=(28, 28, 1))])
>>> [found.words for rule, found in model.check().findings if rule.name == "aliasing"]
['a maximum that moves by 2×2: of 4 positions one is kept, and nothing smooths before']
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding
from convscope.checks.subject import Subject
from convscope.explain.windows import windows
from convscope.explain.words import times
from convscope.notation.anatomy import anatomy

TITLE = "Strides that alias"
CERTAINTY = "predicted"
SOURCE = "Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the convolutions and max poolings that move by more than one position."""
    for node, _, equation in subject.stated():
        main = anatomy(equation).main
        if main is None or main.reduction.kind == "mean":
            continue
        strides = [along.fit.stride for along in windows(equation)]
        if not any(stride > 1 for stride in strides):
            continue
        what = "maximum" if main.reduction.kind == "max" else "convolution"
        dense = 1
        for stride in strides:
            dense *= stride
        yield Finding(
            node.name,
            f"a {what} that moves by {times(strides)}: of {dense} positions one is kept, and nothing smooths before",
            {"strides": strides},
            f"the equation reads its input at {' and '.join(str(main.read.indices[a.dimension]) for a in windows(equation))}",
        )

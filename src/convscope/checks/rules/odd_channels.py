"""Numbers of filters that hardware does not like.

Matrix units of graphics cards work on 8 (float16) or 16 (int8) channels at once; other numbers are padded, so that 65
filters can take as long as 72.

>>> from convscope import Conv2D, ReLU, Sequential
>>> model = Sequential([Conv2D(65, 3, input_shape=(28, 28, 1)), ReLU()])
>>> [found.words for rule, found in model.check(advice=True).findings if rule.name == "odd-channels"]
['65 filters; the next multiple of 8 is 72']
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding
from convscope.checks.forms import filter_axis
from convscope.checks.subject import Subject
from convscope.explain.words import grouped

TITLE = "Numbers of filters that are no multiple of 8"
CERTAINTY = "advice"
SOURCE = "NVIDIA, Deep Learning Performance: Convolutional Layers User's Guide: channels as multiples of 8 for float16."

MULTIPLE = 8


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers within the network whose filters are no multiple of 8."""
    for node, facts, equation in subject.stated():
        place = filter_axis(equation)
        if place is None or node.name in subject.graph.outputs:
            continue
        count = facts.output_shape[place]
        if count % MULTIPLE and count > MULTIPLE:
            full = -(-count // MULTIPLE) * MULTIPLE
            yield Finding(
                node.name,
                f"{grouped(count)} filters; the next multiple of {MULTIPLE} is {grouped(full)}",
                {"filters": count, "next": full},
                f"{count} = {count // MULTIPLE} · {MULTIPLE} + {count % MULTIPLE}",
            )

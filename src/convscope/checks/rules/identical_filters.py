"""Filters that are the same, number by number.

Two filters with equal weights and equal biases make the same map of every image: what the next layer learns of one it
could learn of the other. Weights that all began alike (a constant initialiser) stay alike for ever, since their
gradients are alike too.

>>> from convscope import Dense, Sequential
>>> model = Sequential([Dense(3, kernel_initializer="ones", input_shape=(5,))])
>>> [found.words for rule, found in model.check().findings if rule.name == "identical-filters"]
['3 of its 3 filters are the same as another one; filters 0, 1 and 2 are alike']
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.checks.finding import Finding
from convscope.checks.forms import added_weight, filter_axis, kernels, weighs
from convscope.checks.subject import Subject
from convscope.explain.words import grouped, join

TITLE = "Filters that are the same"
CERTAINTY = "fact"
SOURCE = "The weights themselves; that they stay alike: Goodfellow et al., Deep Learning, 2016, section 8.4."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers that have equal filters which read the same maps."""
    for node, facts, equation in subject.stated():
        main, place = weighs(equation), filter_axis(equation)
        if main is None or place is None or len(main.weights) != 1 or main.channels is None:
            continue
        if main.over is None or main.over.size != main.channels:  # groups read other maps each
            continue
        out = equation.axes[place]
        kernel = subject.weights(node.name)[kernels(main)[0].tensor.name]
        along = [n for n, index in enumerate(kernels(main)[0].indices) if index.single() is out]
        if len(along) != 1 or kernel.shape[along[0]] != facts.output_shape[place]:
            continue
        flat = np.moveaxis(kernel, along[0], 0).reshape(kernel.shape[along[0]], -1)
        bias = added_weight(equation)
        if bias is not None:
            flat = np.concatenate(
                [flat, subject.weights(node.name)[bias.tensor.name].reshape(-1, 1)], axis=1
            )
        groups: dict[bytes, list[int]] = {}
        for number, row in enumerate(np.ascontiguousarray(flat + 0.0)):
            groups.setdefault(row.tobytes(), []).append(number)
        alike = [group for group in groups.values() if len(group) > 1]
        if not alike:
            continue
        count = sum(map(len, alike))
        largest = max(alike, key=len)
        zero = not flat[largest[0]].any()
        named = join(largest[:6]) + (f" and {len(largest) - 6} more" if len(largest) > 6 else "")
        yield Finding(
            node.name,
            f"{grouped(count)} of its {grouped(len(flat))} filters are the same as another one; filters {named} are "
            f"alike{', all of them 0' if zero else ''}",
            {"groups": alike[:32], "count": count, "of": len(flat)},
            f"their {grouped(flat.shape[1])} numbers were compared, bit by bit",
        )

"""Layers whose inputs have seen the whole image already.

Where the numbers that come into a layer depend on more than the image along both axes, a window brings nothing new
to them. Richter et al. trained such networks and measured the layers past that border one by one: they do not
improve what is told about the image, and can be left out, or the stride or kernel before them made smaller.

>>> from convscope import Conv2D, Sequential
>>> model = Sequential([Conv2D(3, 7, padding="same", input_shape=(6, 5, 1)), Conv2D(4, 3)])
>>> [found.words for rule, found in model.check().findings if rule.name == "past-the-border"]
['each number that comes in sees 7×7 already, of an image of 6×5']
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding
from convscope.checks.forms import weighs
from convscope.checks.subject import Subject
from convscope.explain.words import times
from convscope.model.graph import Node
from convscope.notation.sizes import is_known

TITLE = "Layers past the image's border"
CERTAINTY = "predicted"
SOURCE = (
    "Richter et al., Should You Go Deeper? Optimizing Convolutional Neural Network Architectures without Training by "
    "Receptive Field Analysis, 2021."
)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the convolutions all of whose inputs see the whole image along every axis."""
    graph = subject.graph
    for node, _, equation in subject.stated():
        main = weighs(equation)
        if main is None or not any(axis.size > 1 for axis in main.window):
            continue
        seen = _least(subject, node)
        if seen is None:
            continue
        sizes, image = seen
        if all(size >= whole for size, whole in zip(sizes, image, strict=True)):
            yield Finding(
                node.name,
                f"each number that comes in sees {times(sizes)} already, of an image of {times(image)}",
                {"seen": list(sizes), "image": list(image)},
                f"the receptive field of {' and '.join(node.inputs)}, from the windows of all layers before "
                f"(convscope summary has it for each layer of {graph.name})",
            )


def _least(subject: Subject, node: Node) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the smallest receptive field among a node's inputs, and the image's size."""
    graph = subject.graph
    fields = []
    for name in node.inputs:
        if name in graph.inputs:
            return None
        field = graph.receptive_field(name)
        if field is None or any(size is None for size in field.size):
            return None
        fields.append(field.size)
    images = [shape for shape in graph.inputs.values() if len(shape) > 1]
    if not fields or not images:
        return None
    image = images[0][:-1] if graph.image_layout == "channels_last" else images[0][1:]
    if not all(map(is_known, image)) or len(image) != len(fields[0]):
        return None
    least = tuple(min(sizes) for sizes in zip(*fields, strict=True))
    return tuple(int(s) for s in least if s is not None), tuple(int(s) for s in image)

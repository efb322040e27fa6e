"""A softmax over the wrong numbers.

Over a single number a softmax is 1, whatever comes in: a network with one output wants a sigmoid. Over the rows or
columns of a map, at the end of a network, it makes the positions compete with one another instead of the classes.

>>> from convscope import Dense, Sequential
>>> model = Sequential([Dense(1, activation="softmax", input_shape=(5,))])
>>> [found.words for rule, found in model.check().findings if rule.name == "softmax-axis"]
['its softmax is over the single unit there is: every output is 1']
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding, Repair
from convscope.checks.forms import softmax
from convscope.checks.subject import Subject
from convscope.notation import Equation

TITLE = "A softmax over one number, or over positions"
CERTAINTY = "fact"
SOURCE = "From the equation: the axis along which the softmax adds up. e^x / e^x = 1."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the softmaxes over one number, and those at the network's end over an axis of positions."""
    for node, facts, equation in subject.stated():
        found = softmax(equation)
        if found is None:
            continue
        axis = equation.axes[found.axis]
        if found.over == 1:
            positions = subject.positions(node.name)
            given = {n: subject.random(subject.graph.shape(n)) for n in node.inputs}
            if any(subject.number(node.name, at, given) != 1.0 for at in positions):
                continue  # its weights are NaN
            yield Finding(
                node.name,
                f"its softmax is over the single {axis.word or 'number'} there is: every output is 1",
                {"over": 1, "axis": axis.name},
                f"{len(positions)} output{'s' if len(positions) > 1 else ''} of random input came out as 1",
                _repair(subject, node.name),
            )
        elif (
            node.name in subject.graph.outputs
            and len(facts.output_shape) > 2
            and _of_positions(equation, found.axis)
        ):
            yield Finding(
                node.name,
                f"its softmax is over the {found.over} {axis.word}s: the numbers of one channel along them add up to 1, "
                f"not those of the channels at a position",
                {"over": found.over, "axis": axis.name},
                f"the equation's Σ runs along axis {axis.name}",
                _along_channels(subject, node.name),
            )


def _of_positions(equation: Equation, place: int) -> bool:
    return equation.axes[place].word in ("row", "column", "plane", "slice", "step")


def _repair(subject: Subject, name: str) -> Repair | None:
    settings = subject.graph.nodes[name].layer.settings()
    if str(settings.get("activation")) == "softmax":
        edits = ((name, "activation", "sigmoid"),)
        if subject.edited(edits) is not None:
            return Repair(
                "activation = 'sigmoid' gives a number between 0 and 1 that depends on the input",
                edits,
            )
    return None


def _along_channels(subject: Subject, name: str) -> Repair | None:
    value = -1 if subject.graph.layout == "channels_last" else 1
    if "axis" not in subject.graph.nodes[name].layer.settings():
        return None
    edits = ((name, "axis", value),)
    graph = subject.edited(edits)
    equation = None if graph is None else graph.facts[name].equation
    found = None if equation is None else softmax(equation)
    if equation is None or found is None or _of_positions(equation, found.axis):
        return None
    return Repair(
        f"axis = {value}: the {found.over} channels at each position then add up to 1", edits
    )

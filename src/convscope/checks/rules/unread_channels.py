"""Outputs that nobody reads: whole layers, or some of their maps.

A branch that ends nowhere, or maps that a slice leaves out, are computed for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding, Repair
from convscope.checks.forms import filter_axis
from convscope.checks.subject import Subject
from convscope.explain.words import grouped, in_runs, join
from convscope.layers.base import tensor_names
from convscope.notation.equation import hull
from convscope.notation.evaluation import Box

TITLE = "Outputs that nothing reads"
CERTAINTY = "fact"
SOURCE = "From the graph and the equations: who reads a layer, and which of its maps."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers that nobody reads, and those with filters whose maps no output of the network needs."""
    graph = subject.graph
    for name in graph.nodes:
        if name not in graph.outputs and name not in subject.readers:
            macs = graph.facts[name].macs
            work = f", and its {grouped(macs)} multiply–accumulates" if macs else ""
            yield Finding(
                name,
                f"no layer reads it and it is no output of the network: its numbers{work} are for nothing",
                {"readers": 0},
                f"of {len(graph.nodes)} layers none has it among its inputs; the network's "
                f"output{'s are' if len(graph.outputs) > 1 else ' is'} {join(graph.outputs)}",
                Repair("leave it out: no output of the network changes"),
            )
    needed = _needed(subject)
    for node, facts, equation in subject.stated():
        place = filter_axis(equation)
        box = needed.get(node.name)
        if place is None or box is None:
            continue
        size, (low, high) = facts.output_shape[place], box[place]
        unread = [*range(low), *range(high + 1, size)]
        if unread:
            yield Finding(
                node.name,
                f"its maps {in_runs(unread)} of {grouped(size)} are in no number that the network gives",
                {"maps": size, "unread": len(unread), "first": unread[:64]},
                f"the windows of all layers after it, from the outputs back, read maps {low} … {high} of it",
            )


def _needed(subject: Subject) -> dict[str, Box]:
    """Return what of each layer the outputs of the network depend on, as a box; nothing where it is not known."""
    graph = subject.graph
    found: dict[str, Box | None] = {}
    stated = {node.name for node, _, _ in subject.stated()}
    for name in reversed(graph.nodes):
        if name in graph.outputs:
            found[name] = (
                tuple((0, size - 1) for size in graph.shape(name)) if name in stated else None
            )
        if name not in found:  # nobody reads it, or nothing of it
            continue
        box, node, equation = found[name], graph.nodes[name], graph.facts[name].equation
        for tensor, fed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True):
            if box is None or equation is None or name not in stated:
                found[fed] = None
                continue
            window = equation.window(box, tensor)
            if window is None or (fed in found and found[fed] is None):
                continue
            inside = tuple(
                (max(low, 0), min(high, size - 1))
                for (low, high), size in zip(window, graph.shape(fed), strict=True)
            )
            before = found.get(fed)
            found[fed] = inside if before is None else hull(before, inside)
    return {name: box for name, box in found.items() if box is not None}

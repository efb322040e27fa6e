"""Shapes that a network's own file says, and its equations and weights contradict.

Files say shapes twice: an ONNX file in its value_info and outputs, in its inputs that have a weight and in kernel_shape;
a Keras config in the tensors that its layers read, and in the input that a layer was built for. Nothing computes with
what is said there, so that it goes wrong unseen: a network edited by hand, a size replaced in one place. Then tools that
believe it plan memory, or quantise, for another network; ONNX Runtime warns and goes on. Only the first layer of each
path is a finding, since those after it follow.

A weight that does not have the shape that its config asks for is no finding but an error, with exit status 2: there is
nothing to compute with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from convscope.checks.finding import Finding, Repair
from convscope.checks.subject import Subject
from convscope.explain.derivation import explain
from convscope.explain.words import times
from convscope.model.graph import Said
from convscope.notation.sizes import is_known, shape_text
from convscope.parts import figure

TITLE = "Shapes that the network's own file contradicts"
CERTAINTY = "fact"
SOURCE = "What the file says of shapes, beside what follows from its equations and weights."

SIZES = (1, 2, 3, 4, 5, 7)
"""What is tried for a window's or a stride's size."""


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers that the file gives another shape than they have, the first along each path."""
    graph = subject.graph
    wrong: dict[str, list[Said]] = {}
    for said in graph.said():
        if said.contradicts:
            wrong.setdefault(said.layer, []).append(said)
    after: dict[str, str] = {}
    for name, node in graph.nodes.items() if wrong else ():
        first = next((after[n] for n in node.inputs if n in after), name if name in wrong else None)
        if first is not None:
            after[name] = first
    for name in dict.fromkeys(after.values()):
        said = wrong[name][0]
        more = sum(1 for other, first in after.items() if first == name and other in wrong) - 1
        yield Finding(
            name,
            f"{said.where} says {shape_text(said.said)}, and it is {shape_text(said.found)}"
            + (f"; of {more} layers after it the file says another shape, too" if more else ""),
            {"said": [*map(figure, said.said)], "is": [*map(figure, said.found)], "after": more},
            _proof(subject, said),
            _repair(subject, said),
        )


def _proof(subject: Subject, said: Said) -> str:
    """Return how the shape follows, and what the engine gave where it was run."""
    if not said.output:
        return f"the weight itself holds {times(said.found)} numbers"
    explained = explain(subject.graph, said.layer).layers[0]
    reasons = "; ".join(explained.reasons())
    ran = (subject.activations or {}).get(said.layer)
    return reasons if ran is None else f"{reasons}; the engine gave {times(ran.shape)}"


def _repair(subject: Subject, said: Said) -> Repair:
    """Return the setting that would make true what the file says, found by trying; or what to write."""
    form = subject.backing.editable(subject.graph, said.layer) if said.output else {}
    wanted = said.said[len(said.said) - len(subject.graph.shape(said.layer)) :]
    for setting, field in sorted(form.items(), key=lambda one: one[1]["kind"] != "choice"):
        for value in _values(field, wanted):
            graph = subject.edited([(said.layer, setting, value)])
            if graph is None or said.layer not in graph.facts:
                continue
            if not Said("", "", wanted, graph.shape(said.layer)).contradicts:
                return Repair(
                    f"{setting} = {value!r} would give what the file says; or write {shape_text(said.found)} there",
                    ((said.layer, setting, value),),
                )
    return Repair(
        f"write {shape_text(said.found)} there, or leave it out: nothing is computed with it"
    )


def _values(field: dict[str, Any], wanted: Sequence[Any]) -> list[Any]:
    """Return what is tried for a setting: its words, small sizes, the sizes that the file says."""
    tried: dict[str, list[Any]] = {
        "choice": list(field.get("choices", ())),
        "sizes": [(n,) * field.get("count", 1) for n in SIZES],
        "int": [size for size in wanted if is_known(size)],
    }
    own = field["value"]
    own = tuple(own) if isinstance(own, list) else own
    return [value for value in tried.get(field["kind"], []) if value != own]

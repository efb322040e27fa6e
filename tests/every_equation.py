"""Write down every equation there is, and compare two such files: for changes that should change nothing.

    python tests/every_equation.py before.json          # every sample, operator, call and conformance case
    python tests/every_equation.py after.json before.json   # the same, and what differs; exit status 1 if anything does

Of every equation: text, LaTeX, JSON, shape and why, weights, counts, and what single outputs and the
whole of them read. Samples are taken with their own sizes, with symbols and with unknowns in place of
all sizes but the channels'; where that is refused, what is said.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parent)]

import onnx_models
from onnx import ModelProto
from readers.onnx import test_onnx_conformance as conformance

import convscope
from convscope.errors import ConvscopeError
from convscope.layers import kinds
from convscope.layers.base import Layer
from convscope.notation import UNKNOWN, Equation, macs, other_work, symbol
from convscope.notation.serial import to_json
from convscope.notation.sizes import Shape, plain
from convscope.operators.layer import Operator, state

Facts = dict[str, Any]


def described(equation: Equation) -> Facts:
    """Return everything that follows from an equation, as plain data."""
    facts: Facts = {
        "text": str(equation),
        "latex": equation.latex(),
        "json": to_json(equation),
        "shape": list(map(plain, equation.shape)),
        "weights": {n: list(map(plain, s)) for n, s in equation.weights.items()},
        "params": plain(equation.params),
        "macs": plain(macs(equation)),
        "other": {n: plain(count) for n, count in other_work(equation).items()},
        "why": [
            {
                "axis": axis.name,
                "word": axis.word,
                "why": "" if axis.size is None else axis.why,
                "fit": str(equation.fits[axis]) if axis in equation.fits else None,
            }
            for axis in equation.axes
        ],
    }
    sizes = [size for tensor in equation.inputs for size in tensor.shape or ()]
    if all(isinstance(size, int) and size for size in (*sizes, *equation.shape)):
        last = [size - 1 for size in equation.shape]
        boxes = {
            "first": [(0, 0) for _ in last],
            "middle": [(p // 2, p // 2) for p in last],
            "last": [(p, p) for p in last],
            "all": [(0, p) for p in last],
        }
        facts["windows"] = {
            f"{which} of {tensor.name}": None if window is None else [list(map(plain, w)) for w in window]
            for which, box in boxes.items()
            for tensor in equation.inputs
            for window in [equation.window(box, tensor.name)]
        }  # fmt: skip
    return facts


def layers() -> Iterator[tuple[str, Facts]]:
    """Yield every sample of every layer kind, with its own sizes, symbols and unknowns."""
    for name, kind in kinds().items():
        for number, sample in enumerate(kind.samples()):
            for how in ("numbers", "symbols", "unknowns"):
                shapes = [_opened(sample.layer, shape, how) for shape in sample.shapes]
                yield f"{name}-{number} {how}", _of_layer(sample.layer, shapes)


def _opened(layer: Layer, shape: Sequence[int], how: str) -> Shape:
    """Return a shape of which all but the channels are symbols or unknown."""
    channel = len(shape) - 1 if layer.channels_last else 0
    return tuple(
        size if how == "numbers" or place == channel
        else symbol(f"n{size}") if how == "symbols" else UNKNOWN
        for place, size in enumerate(shape)
    )  # fmt: skip


def _of_layer(layer: Layer, shapes: Sequence[Shape]) -> Facts:
    try:
        return described(layer.equation(*shapes))
    except (ConvscopeError, TypeError) as error:
        return {"refused": str(error)}


def nodes() -> Iterator[tuple[str, Facts]]:
    """Yield every node of the conformance cases that has a rule, as it is and with open sizes."""
    for case in conformance.cases():
        yield from _of_model(case.name, conformance.made(case))
    for case in conformance.explainable():
        model = conformance.fixed(case)
        yield from _of_model(f"{case.name} fixed", model)
        given = {tensor.name for tensor in model.graph.initializer}
        for value in model.graph.input:
            if value.name not in given:
                for place, dim in enumerate(value.type.tensor_type.shape.dim):
                    if place != 1:
                        dim.Clear()
        yield from _of_model(f"{case.name} open", model)
    yield from _of_model("small", onnx_models.small())


def calls() -> Iterator[tuple[str, Facts]]:
    """Yield every layer of every case of a PyTorch operator."""
    from aten.cases import CASES
    from aten.test_every_rule import recorded

    for number, case in enumerate(CASES):
        _, graph, _, _ = recorded(case)
        for name, facts in graph.facts.items():
            layer = graph.nodes[name].layer
            said = {"opaque": layer.reason, "shape": list(map(plain, facts.output_shape))}
            yield (
                f"{case.op}-{number} {name}",
                described(facts.equation) if facts.equation else said,
            )


def _of_model(name: str, model: ModelProto) -> Iterator[tuple[str, Facts]]:
    try:
        graph = convscope.open(model).graph
    except ConvscopeError as error:
        yield name, {"refused": str(error)}
        return
    for node, facts in graph.facts.items():
        if facts.equation is not None:
            yield f"{name} {node}", described(facts.equation)
        else:
            yield (
                f"{name} {node}",
                {
                    "opaque": _why_not(graph.nodes[node].layer, facts.input_shapes),
                    "shape": list(map(plain, facts.output_shape)),
                },
            )


def _why_not(layer: Layer, shapes: Sequence[Shape]) -> str:
    assert isinstance(layer, Operator)
    try:
        return state(layer.use, tuple(shapes)).reason
    except (ConvscopeError, ArithmeticError) as error:
        return f"it cannot be: {error}"


def compared(old: dict[str, Facts], new: dict[str, Facts]) -> list[str]:
    """Return what differs, a line each."""
    said = [f"{name}: only before" for name in old.keys() - new.keys()]
    said += [f"{name}: only now" for name in new.keys() - old.keys()]
    for name in old.keys() & new.keys():
        for key in old[name].keys() | new[name].keys():
            before, now = old[name].get(key), new[name].get(key)
            if before != now:
                said.append(f"{name}: {key}\n    {before}\n    {now}")
    return sorted(said)


def main(path: str, before: str | None = None) -> int:
    warnings.simplefilter("ignore")
    found = dict(layers()) | dict(nodes()) | dict(calls())
    found = json.loads(json.dumps(found))
    Path(path).write_text(json.dumps(found), encoding="utf-8")
    print(f"{len(found)} equations", file=sys.stderr)
    if before is None:
        return 0
    said = compared(json.loads(Path(before).read_text(encoding="utf-8")), found)
    print("\n".join(said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

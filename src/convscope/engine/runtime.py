"""Running a network: ONNX Runtime on the graph's ONNX form, with any activations kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from convscope.engine.blocks import Blocks, asked
from convscope.engine.child import first_line
from convscope.engine.memory import trim
from convscope.engine.onnx_form import Writer, WrittenGraph, model_proto
from convscope.engine.sessions import Session
from convscope.errors import EngineError
from convscope.layers.base import Value
from convscope.model.graph import Graph
from convscope.typed import Array

APART_FROM = 1 << 10
"""Weights of this many bytes and more are not serialised: the engine gets their arrays."""

MOST_IN_A_FILE = (1 << 31) - (1 << 20)
"""How many bytes of weights one ONNX file holds: protobuf stops at 2 GiB."""


class Runner(Protocol):
    """What runs a network: `Engine` from its layers, `StoredEngine` from the file it came from.

    Several callers may run one at once where it says so: `shared`.
    """

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the kept activations for a batch: name → array with a batch axis."""


def one_by_one(
    run: Callable[[Mapping[str, Array]], dict[str, Array]], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Return what a run gives for every row of a batch by itself, put together.

    Raises `EngineError` for a layer that gives as many numbers as it finds, which are no batch.
    """
    rows = len(next(iter(inputs.values())))
    parts = [run({n: a[r : r + 1] for n, a in inputs.items()}) for r in range(rows)]
    for name, array in parts[0].items():
        for part in parts:
            other = part[name].shape if name in part else "nothing"
            if other != array.shape:
                raise EngineError(
                    f"{name} gives {array.shape} for one image and {other} for another, which are no batch: "
                    f"leave it out, or run one image at a time"
                )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Engine:
    """A network made ready to run, for one set of activations to keep.

    keep    names of the layers whose outputs are returned, in their layers' own layouts
    many    whether inputs come in batches of several: large matrices are then packed, not used in
            place, since products of many rows repay the copy
    """

    def __init__(self, graph: Graph, keep: Sequence[str], many: bool = False) -> None:
        self.graph = graph
        self.keep = tuple(keep)
        written = Writer(graph).write(self.keep)
        self._values = {name: written.values[name] for name in self.keep}
        computed = {
            value.name: (name, value)
            for name, value in self._values.items()
            if value.name not in graph.inputs
        }
        self._fetched = list(computed)
        self._session: Session | None = None
        copied = sum(array.nbytes for array in written.weights.values())
        if computed:  # else every layer passes its input on
            self._session = _session(graph, written, dict(computed.values()), many)
            copied -= self._session.in_place
        del written
        trim(copied)

    @property
    def shared(self) -> bool:
        """Whether several callers may run it at once."""
        return self._session is None or self._session.shared

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the kept activations for a batch: name → array with a batch axis.

        The arrays are float32; those of channels-last layers may be transposed views, and made `in_blocks`
        it gives `Blocks` for some. Raises `EngineError` when ONNX Runtime fails on these inputs.
        """
        found = {n: np.ascontiguousarray(a, dtype=np.float32) for n, a in inputs.items()}
        if self._session is not None:
            results = self._session.run(self._fetched, found)
            found.update(zip(self._fetched, results, strict=True))
        return {name: _plain(found[value.name], value) for name, value in self._values.items()}


def _plain(array: Array, value: Value) -> Array:
    moved = value.moved and not isinstance(array, Blocks)
    return array.transpose(0, *range(2, array.ndim), 1) if moved else array


def _session(
    graph: Graph, written: WrittenGraph, outputs: Mapping[str, Value], many: bool
) -> Session:
    """Return an inference session of the written model."""
    apart = {n: a for n, a in written.weights.items() if a.nbytes >= APART_FROM}
    model = model_proto(graph, written, outputs, apart).SerializeToString()
    return Session(model, apart, written.matrices, len(outputs), many, graph.name, blocks=asked())


def export(graph: Graph, path: Path) -> None:
    """Write the network as an ONNX file that carries the layers' names, checked by onnx itself.

    Every output has its layer's name and lies in its layer's own layout. Raises `EngineError` when
    the checker objects, or when the weights are more than one ONNX file holds.
    """
    import onnx

    writer = Writer(graph)
    written = writer.write(graph.outputs)
    size = sum(array.nbytes for array in written.weights.values())
    if size > MOST_IN_A_FILE:
        raise EngineError(
            f"the weights of {graph.name} are {size:,} bytes, and one ONNX file holds 2 GiB at most"
        )
    outputs = {name: writer.finish(name) for name in graph.outputs}
    notes = writer.notes()
    model = model_proto(graph, written, outputs)
    onnx.helper.set_model_props(model, notes.written())
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises its own and protobuf's errors
        raise EngineError(
            f"the ONNX form of {graph.name} is not valid: {first_line(error)}"
        ) from error
    onnx.save(model, str(path))

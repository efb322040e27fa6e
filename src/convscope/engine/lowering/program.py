"""A board made ready to run: arrays in, arrays out, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convscope.engine.lowering.board import Board, Laid
from convscope.engine.onnx_form import IR_VERSION, OPSET
from convscope.engine.sessions import Session
from convscope.notation import Axis
from convscope.typed import Array


class Program:
    """What is written on a board, made ready to run.

    inputs    the tensors that are given, and their shapes
    outputs   what is wanted by name, and in which order of axes
    """

    def __init__(
        self,
        board: Board,
        inputs: Mapping[str, Sequence[int]],
        outputs: Mapping[str, tuple[Laid, Sequence[Axis]]],
        name: str,
    ) -> None:
        self.name = name
        written = {
            key: board.ordered(board.whole(laid, axes), axes).name
            for key, (laid, axes) in outputs.items()
        }
        shapes = {written[key]: [a.size for a in axes] for key, (_, axes) in outputs.items()}
        self.constants = {n: board.constants[n] for n in written.values() if n in board.constants}
        self.given = [n for n in written.values() if n in inputs]
        self._written = written
        computed = {
            n: shapes[n] for n in written.values() if n not in self.constants and n not in inputs
        }
        self._fetched = list(computed)
        self.operators = _needed(board, self._fetched)
        read = {i for o in self.operators for i in o.inputs}
        self.inputs = {n: tuple(shape) for n, shape in inputs.items() if n in read}
        self._session: Session | None = None
        if computed:
            model = self._model(board, read, computed)
            self._session = Session(model, {}, (), len(computed), True, name)

    def _model(self, board: Board, read: set[str], computed: Mapping[str, Sequence[int]]) -> bytes:
        from onnx import TensorProto, helper, numpy_helper

        def declared(shapes: Mapping[str, Sequence[int]]) -> list[Any]:
            return [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s))
                for n, s in shapes.items()
            ]

        nodes = [
            helper.make_node(o.op, o.inputs, [o.output], name=o.name, **o.attributes)
            for o in self.operators
        ]
        held = [numpy_helper.from_array(a, n) for n, a in board.constants.items() if n in read]
        graph = helper.make_graph(nodes, self.name, declared(self.inputs), declared(computed), held)
        made = helper.make_model(
            graph,
            producer_name="convscope",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        found: bytes = made.SerializeToString()
        return found

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """Return what is wanted, by name."""
        values: dict[str, Any] = dict(self.constants)
        values |= {n: given[n] for n in self.given}
        if self._session is not None:
            feeds = {
                n: np.ascontiguousarray(given[n], np.float32).reshape(shape)
                for n, shape in self.inputs.items()
            }
            found = self._session.run(self._fetched, feeds)
            values.update(zip(self._fetched, found, strict=True))
        return {key: values[name] for key, name in self._written.items()}


def _needed(board: Board, wanted: Sequence[str]) -> list[Any]:
    """Return the operators that some tensors depend on, in their order."""
    made = {operator.output: operator for operator in board.operators}
    found: set[str] = set()
    stack = list(wanted)
    while stack:
        name = stack.pop()
        if name in made and name not in found:
            found.add(name)
            stack.extend(made[name].inputs)
    return [operator for operator in board.operators if operator.output in found]

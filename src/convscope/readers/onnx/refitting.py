"""Weights that must follow when a stored model is edited: found node by node, and drawn anew.

What a weight's shape must be is known here for the operators in `_wanted`. Any other stays as it is; where
it then does not fit, the model cannot be.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from convscope.errors import ConvscopeError, SettingError, ShapeError, SourceError
from convscope.layers.initializers import constant, initializer, zeros
from convscope.model.editing import spread_as
from convscope.notation.sizes import is_known
from convscope.readers.onnx.build import Builder, Doubts, OpenedGraph
from convscope.readers.onnx.settings import OUTPUTS, attribute, outputs_of
from convscope.readers.onnx.slots import KnownTensor
from convscope.readers.onnx.source import Source
from convscope.readers.onnx.tensors import Constant
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import NodeProto


Whole: TypeAlias = tuple[int, ...]

PER_CHANNEL = {"BatchNormalization": (1, 2, 3, 4), "InstanceNormalization": (1, 2)}
"""Operators whose inputs at these places hold one number for each channel."""

BROADCASTING = ("Add", "Sub", "Mul", "Div", "PRelu", "Max", "Min", "Pow")


class Broken(Exception):
    """Where an edited model breaks: the place of the node, and why."""

    def __init__(self, place: int, cause: ConvscopeError, graph: OpenedGraph | None) -> None:
        super().__init__(str(cause))
        self.place, self.cause, self.graph = place, cause, graph


class Passed(Builder):
    """Goes through a model once, node by node, and finds which weights no longer fit.

    outputs   place of a node → how many outputs its weight shall make; None to change nothing
    at        layer → the place of its node
    drawn     the tensors that are new, by their names
    renamed   place → the node that reads them; the model that is gone through must be a copy
    """

    def __init__(
        self,
        source: Source,
        outputs: Mapping[int, int] | None,
        seed: int,
        known: Container[str],
        names: Mapping[int, str],
    ) -> None:
        raised = () if outputs is None else (SettingError, ShapeError)
        super().__init__(source, None, Doubts(raised, known))
        self.wished, self.seed, self.called = outputs, seed, names
        self.at: dict[str, int] = {}
        self.drawn: dict[str, Constant] = {}
        self.renamed: dict[int, NodeProto] = {}
        self._instead: dict[tuple[str, Whole], str] = {}

    def _node(self, node: NodeProto, used: set[str]) -> None:
        try:
            if self.wished is not None and node.domain in ("", "ai.onnx"):
                self._refit(node, self.wished.get(self.place))
            super()._node(node, used)
        except SourceError as error:
            said = str(error).removeprefix(f"{self.source.name}: ")
            kind = SettingError if isinstance(error.__cause__, SettingError) else ShapeError
            raise Broken(self.place, kind(said), self.result) from error

    def _use(self, *given: Any) -> None:
        super()._use(*given)
        self.at[next(reversed(self.result.nodes))] = self.place

    def _refit(self, node: NodeProto, outputs: int | None) -> None:
        """Draw anew the weights of a node that do not have the shapes that its input asks for."""
        tensors = {p: self.tensors[n] for p, n in enumerate(node.input) if n in self.tensors}
        held = {p: t.constant.shape for p, t in tensors.items() if t.constant is not None}
        shape = next((t.shape for t in tensors.values() if t.constant is None), None)
        first = 0 in held and node.op_type in OUTPUTS
        if shape is None or first or not all(map(is_known, shape)):
            return
        for place, wanted in _wanted(node, shape, held, outputs).items():
            known = tensors[place].constant
            if known is not None and wanted != held[place]:
                node.input[place] = self._anew(node, place, wanted, known)
                # a layer may be called after its weight, and keeps its name
                node.name = self.called.get(self.place, node.name)
                self.renamed[self.place] = node

    def _anew(self, node: NodeProto, place: int, shape: Whole, known: Constant) -> str:
        """Return a new tensor in the place of a weight; whoever else reads that keeps it."""
        name = node.input[place]
        if (name, shape) not in self._instead:
            number = 1
            while (new := f"{name}_{number}") in self.tensors:
                number += 1
            get = _drawing(node, place, new, shape, self.seed, known.dtype)
            self.drawn[new] = Constant(shape, known.dtype, get)
            element = self.tensors[name].element
            self.tensors[new] = KnownTensor(None, shape, False, element, self.drawn[new])
            self._instead[name, shape] = new
        return self._instead[name, shape]


def passed_through(
    source: Source,
    outputs: Mapping[int, int] | None = None,
    seed: int = 0,
    known: Container[str] = (),
    names: Mapping[int, str] | None = None,
) -> Passed:
    """Return what was found on the way through a model; raise `Broken` where it cannot be.

    known   the layers that made no sense before the edit either
    names   place of a node → what its layer is called
    """
    passed = Passed(source, outputs, seed, known, names or {})
    try:
        passed.graph()
    except SourceError as error:
        raise Broken(-1, ShapeError(str(error)), None) from error
    return passed


def _wanted(
    node: NodeProto, shape: Sequence[int], held: Mapping[int, Whole], outputs: int | None
) -> dict[int, Whole]:
    """Return the shapes that a node's weights must have for an input of this shape (with the batch)."""
    op = node.op_type
    if op in PER_CHANNEL and len(shape) > 1:
        return {place: (shape[1],) for place in PER_CHANNEL[op] if place in held}
    weight = held.get(1)
    if op in BROADCASTING:
        return {p: spread_as(own, shape) for p, own in held.items()}
    if weight is None:
        return {}
    found: dict[int, Whole] = {}
    if op in ("Conv", "ConvTranspose") and len(shape) == len(weight) > 2:
        group = attribute(node, "group", 1)
        kernel = attribute(node, "kernel_shape", weight[2:])
        many = outputs or outputs_of(node, weight)
        whole = isinstance(group, int) and group > 0
        if op == "Conv":
            each = shape[1] // group if whole and shape[1] % group == 0 else weight[1]
            found[1] = (many, max(each, 1), *kernel)
        else:
            each = many // group if whole and many % group == 0 else weight[1]
            found[1] = (shape[1], max(each, 1), *kernel)
    elif op == "Gemm" and len(shape) == 2 == len(weight):
        inputs = shape[0] if attribute(node, "transA", 0) else shape[1]
        many = outputs or outputs_of(node, weight)
        found[1] = (many, inputs) if attribute(node, "transB", 0) else (inputs, many)
    elif op == "MatMul" and len(weight) > 1:
        many = outputs or weight[-1]
        found[1] = (*weight[:-2], shape[-1], many)
    if found and 2 in held and outputs:
        found[2] = spread_as(held[2], (outputs,)) if op == "Gemm" else (outputs,)
    return found


def _drawing(
    node: NodeProto, place: int, name: str, shape: Whole, seed: int, dtype: Any
) -> Callable[[], Array]:
    """Return what draws a weight, once: kernels as Keras draws them, others so that they do nothing."""
    kept: list[Array] = []

    def get() -> Array:
        if not kept:
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            array = _values(node, place, shape, rng)
            kept.append(np.ascontiguousarray(array.astype(dtype)))
        return kept[0]

    return get


def _values(node: NodeProto, place: int, shape: Whole, rng: Any) -> Array:
    op = node.op_type
    if op in OUTPUTS and place == 1:
        draw = initializer("glorot_uniform", op)
        if op in ("Conv", "ConvTranspose"):  # drawn as Keras has it: the window, then two others
            keras = draw((*shape[2:], shape[1], shape[0]), rng)
            return keras.transpose(len(shape) - 1, len(shape) - 2, *range(len(shape) - 2))
        return draw(shape, rng)
    if op == "PRelu":
        return constant(0.25)(shape, rng)
    ones = op in ("Mul", "Div", "Pow") or (op in PER_CHANNEL and place in (1, 4))
    return constant(1.0)(shape, rng) if ones else zeros(shape, rng)

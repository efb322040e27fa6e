"""The graph as ONNX: each layer writes its own operators, this keeps the names, layouts and weights.

ONNX's convolutions are channels-first. A channels-last network is moved there once, at the first layer
that needs it, and stays so until a layer asks for its own layout.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.memory import let_go
from convscope.engine.notes import PRODUCER, Notes
from convscope.errors import EngineError, UnsupportedError
from convscope.layers.base import Layer, Value
from convscope.model.graph import Graph
from convscope.notation.sizes import UNKNOWN, Shape, is_known, is_symbolic, shape_text, show
from convscope.typed import Array

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


OPSET = 20
IR_VERSION = 9


@dataclass
class OnnxNode:
    """One ONNX node to be."""

    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]
    name: str


@dataclass
class WrittenGraph:
    """A graph written as ONNX, its weights still apart.

    values      node or input name → the tensor that holds it, and how it lies
    weights     tensor name → array, in ONNX's layout
    matrices    the weights that only matrix products read (the engine can use those in place)
    """

    operators: list[OnnxNode]
    values: dict[str, Value]
    ranks: dict[str, int]
    weights: dict[str, Array]
    constants: dict[str, Array]
    matrices: set[str] = field(default_factory=set)


class Writer:
    """What layers write themselves into; see `convscope.layers.base.Form`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.written = WrittenGraph([], {}, {}, {}, {})
        self._layer: Layer | None = None
        self._prefix = ""
        self._rank = 0
        self._shapes: tuple[Shape, ...] = ()
        self._count = 0
        self._transposes: dict[tuple[str, tuple[int, ...]], str] = {}
        self._weights: dict[tuple[int, str], list[str]] = {}

    def write(self, outputs: Sequence[str]) -> WrittenGraph:
        """Return as ONNX operators what these nodes depend on, and themselves."""
        written = self.written
        for name, shape in self.graph.inputs.items():
            written.values[name] = Value(name)
            written.ranks[name] = len(shape) + 1
        for name in self.graph.needed(outputs):
            node = self.graph.nodes[name]
            self._layer, self._prefix, self._count = node.layer, name, 0
            self._rank = len(self.graph.shape(name)) + 1
            self._shapes = self.graph.facts[name].input_shapes
            start = len(written.operators)
            value = node.layer.onnx(self, *(written.values[n] for n in node.inputs))
            written.values[name] = self._named(name, value, written.operators[start:])
        return written

    def _named(self, name: str, value: Value, own: Sequence[OnnxNode]) -> Value:
        """Give a layer's output tensor the layer's name, and its main operator too.

        A layer that passes its input on has no tensor of its own.
        """
        main = next((operator for operator in own if operator.op != "Transpose"), None)
        if main is not None:
            main.name = name
        if not any(operator.output == value.name for operator in own):
            return value
        final = f"{name}/channels_first" if value.moved else name
        for operator in own:
            operator.inputs = [final if i == value.name else i for i in operator.inputs]
            if operator.output == value.name:
                operator.output = final
                if operator.op == "Transpose":
                    key = (operator.inputs[0], tuple(operator.attributes["perm"]))
                    self._transposes[key] = final
        self.written.ranks[final] = self.written.ranks.pop(value.name, self._rank)
        return Value(final, value.moved)

    def finish(self, name: str) -> Value:
        """Give an output of the network a tensor of its layer's name, in its layer's own layout."""
        value = self.written.values[name]
        if value.moved:
            rank = self.rank(value)
            order = [0, *range(2, rank), 1]
            self.written.operators.append(
                OnnxNode("Transpose", [value.name], name, {"perm": order}, f"{name}/plain")
            )
        elif value.name != name:
            self.written.operators.append(OnnxNode("Identity", [value.name], name, {}, name))
        self.written.values[name] = Value(name)
        return self.written.values[name]

    def notes(self) -> Notes:
        """Return what an ONNX file should note of the weights, and add those that no operator reads."""
        operators = {operator.name for operator in self.written.operators}
        trained: set[str] = set()
        fixed: set[str] = set()
        unread: dict[str, dict[str, str]] = {}
        seen: set[int] = set()
        for name in self.written.values:
            layer = self.graph.nodes[name].layer if name in self.graph.nodes else None
            if layer is None or id(layer) in seen:
                continue
            seen.add(id(layer))
            for weight in layer.weight_shapes or {}:
                tensors = self._weights.get((id(layer), weight), [])
                if not tensors and name in operators:
                    tensors = [f"{name}/{weight}"]
                    self.written.weights[tensors[0]] = np.asarray(layer.weights[weight])
                    unread.setdefault(name, {})[weight] = tensors[0]
                still = not layer.trainable or weight in layer.non_trainable
                (fixed if still else trained).update(tensors)
        return Notes(frozenset(trained), frozenset(fixed), unread)

    # -- what layers call -------------------------------------------------------------------------

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        for what, value in attributes.items():
            symbols = [v for v in (value if isinstance(value, list) else [value]) if is_symbolic(v)]
            if symbols:
                raise UnsupportedError(
                    f"{self._prefix}: {what} {show(symbols[0])} is a symbol: a network runs when every size "
                    f"is a number"
                )
        self._count += 1
        name = f"{self._prefix}/{op}_{self._count}"
        self.written.operators.append(OnnxNode(op, list(inputs), name, attributes, name))
        return name

    def weight(self, name: str, arrange: Callable[[Array], Array] | None = None) -> str:
        assert self._layer is not None
        array = self._layer.weights[name]
        arranged = np.ascontiguousarray(array if arrange is None else arrange(array))
        if arranged is not array:
            let_go(array)
        known = self._weights.setdefault((id(self._layer), name), [])
        for tensor in known:  # a layer that is used twice hands its weights over once
            if np.array_equal(self.written.weights[tensor], arranged):
                return tensor
        tensor = f"{self._prefix}/{name}" + (f"_{len(known) + 1}" if known else "")
        known.append(tensor)
        self.written.weights[tensor] = arranged
        if arranged is array and arranged.ndim == 2:
            self.written.matrices.add(tensor)
        return tensor

    def constant(self, value: Any, dtype: str = "float32") -> str:
        name = f"{self._prefix}/constant_{len(self.written.constants)}"
        self.written.constants[name] = np.asarray(value, dtype=dtype)
        return name

    def rank(self, value: Value) -> int:
        return self.written.ranks.get(value.name, self._rank)

    def input_shape(self) -> Shape:
        return self._shapes[0]

    def input_shapes(self) -> tuple[Shape, ...]:
        return self._shapes

    def reshaped(self, name: str, shape: Shape) -> Value:
        if not all(map(is_known, shape)):
            raise EngineError(
                f"{self._prefix} takes steps apart, for which every size must be a number: {shape_text(shape)}"
            )
        made = self.node("Reshape", name, self.constant([-1, *shape], "int64"))
        self.written.ranks[made] = len(shape) + 1
        return Value(made)

    @contextmanager
    def inside(self, shape: Shape, rank: int) -> Iterator[None]:
        around = self._shapes, self._rank
        self._shapes, self._rank = (shape,), rank
        yield
        self._shapes, self._rank = around

    def plain(self, value: Value) -> str:
        if not value.moved:
            return value.name
        return self._transposed(value.name, (0, *range(2, self.rank(value)), 1))

    def channels_first(self, value: Value, channels_last: bool) -> str:
        if not channels_last:
            return self.plain(value)
        rank = self.rank(value)
        if value.moved or rank < 3:
            return value.name
        return self._transposed(value.name, (0, rank - 1, *range(1, rank - 1)))

    def _transposed(self, name: str, order: tuple[int, ...]) -> str:
        """Return a tensor with its axes in another order; made once, however many layers ask."""
        key = (name, order)
        if key not in self._transposes:
            made = self.node("Transpose", name, perm=list(order))
            self._transposes[key] = made
            self.written.ranks[made] = len(order)
        return self._transposes[key]


def model_proto(
    graph: Graph, written: WrittenGraph, outputs: Mapping[str, Value], apart: Container[str] = ()
) -> ModelProto:
    """Return the ONNX model that gives these nodes' values.

    Weights whose names are in `apart` are only declared: the engine gets their arrays.
    """
    from onnx import TensorProto, helper, numpy_helper

    initializers = [numpy_helper.from_array(a, n) for n, a in written.constants.items()]
    for name, array in written.weights.items():
        if name not in apart:
            initializers.append(numpy_helper.from_array(array, name))
            continue
        declared = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
        declared.data_location = TensorProto.EXTERNAL
        place = declared.external_data.add()
        place.key, place.value = "location", EMPTY_FILE
        initializers.append(declared)
    nodes = [
        helper.make_node(o.op, _trimmed(o.inputs), [o.output], name=o.name, **o.attributes)
        for o in written.operators
    ]
    inputs = [_float(name, _dimensions(name, shape)) for name, shape in graph.inputs.items()]
    results = []
    for name, value in outputs.items():
        sizes = _dimensions(name, graph.shape(name))
        if value.moved:
            sizes = [sizes[-1], *sizes[:-1]]
        results.append(_float(value.name, sizes))
    proto = helper.make_graph(nodes, graph.name, inputs, results, initializers)
    return helper.make_model(
        proto,
        producer_name=PRODUCER,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def _float(name: str, sizes: Sequence[int | str]) -> ValueInfoProto:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])


EMPTY_FILE = "py.typed"
"""A file of the package that is empty: what declared weights refer to until the engine has them."""


def _trimmed(inputs: list[str]) -> list[str]:
    """Return inputs without the empty ones at the end."""
    while inputs and not inputs[-1]:
        inputs = inputs[:-1]
    return inputs


def _dimensions(name: str, shape: Sequence[Any]) -> list[int | str]:
    sizes: list[int | str] = []
    for place, size in enumerate(shape):
        if is_known(size):
            sizes.append(size)
        elif size is UNKNOWN:
            sizes.append(f"{name}_{place}")
        else:
            raise EngineError(f"{name} has the symbolic size {size}: only numbers can be run")
    return sizes

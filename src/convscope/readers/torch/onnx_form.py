"""A recorded graph as ONNX: each call is written by its rule, under its layer's name; torch.onnx is not used."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from convscope.aten import rule_of
from convscope.aten.layer import Operator, call_of, computes
from convscope.aten.rule import OPSET, Call, Given, NoEquation, Weight
from convscope.errors import EngineError, OutputError, OutputWarning, UnsupportedError
from convscope.readers.torch.graph import TorchGraph

if TYPE_CHECKING:
    from onnx import ModelProto

    from convscope.engine.onnx_file import StoredEngine
    from convscope.engine.runtime import Runner

IR_VERSION = 10
MOST = (1 << 31) - (1 << 20)
"""How many bytes of weights one file holds."""


def engine_of(graph: TorchGraph, keep: Sequence[str]) -> Runner:
    """Return ONNX Runtime on a recorded graph, for one set of activations to keep.

    Raises `UnsupportedError` where one of them needs what ONNX has no operator for.
    """
    from convscope.engine.estimate import allowance
    from convscope.engine.onnx_file import Feed, Fetched, Material, StoredEngine

    model = model_of(graph, keep)
    feeds = {name: Feed(graph.number, name in graph.batched) for name in graph.inputs}
    fetched = {
        name: Fetched(name, name in graph.batched, place=graph.places.get(name, 0)) for name in keep
    }
    data, alone = model.SerializeToString(), graph.rows == 1
    material = Material(graph.name, data, feeds, frozenset(keep), {}, alone, checked=True)
    engine = StoredEngine(material, fetched, keep[-1], allowance(graph, keep))
    return engine if graph.rows == 1 else _OneOf(engine, graph)


class LiveEngine:
    """ONNX Runtime on a recorded graph whose weights are a module's: made anew when they have changed."""

    def __init__(self, graph: TorchGraph, keep: Sequence[str]) -> None:
        self.graph, self.keep = graph, tuple(keep)
        self._ready: tuple[tuple[int, ...], Runner] | None = None

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the kept activations for a batch: name → array with a batch axis."""
        weights = [a for layer in self.graph.layers for a in layer.weights.values()]
        now = tuple(crc32(np.ascontiguousarray(a).reshape(-1).view(np.uint8).data) for a in weights)
        try:
            if self._ready is None or self._ready[0] != now:
                self._ready = now, engine_of(self.graph, self.keep)
            return self._ready[1].run(inputs)
        except EngineError as error:
            if lacking := _lacking(self.graph, error):
                raise EngineError(
                    f"{lacking}: module.float() would run there, and without engine='onnxruntime' PyTorch runs it as it is"
                ) from error
            raise


def _lacking(graph: TorchGraph, error: Exception) -> str:
    """Return which operator ONNX Runtime has not in float64, and which layer needs it; "" where it is something else."""
    found = re.search(r"implementation for (\w+)\(\d+\) node with name '([^']*)'", str(error))
    if found is None or graph.number != "float64":
        return ""
    op, node = found.groups()
    layer = graph.nodes.get(node) or graph.nodes.get(node.rpartition("/")[0])
    who = "this graph" if layer is None else f"{layer.name} ({layer.layer.kind})"
    return f"ONNX Runtime has no {op} in float64, in which {who} computes"


class _OneOf:
    """Runs one input on a graph that was recorded on several: as many times the same."""

    def __init__(self, engine: StoredEngine, graph: TorchGraph) -> None:
        self.engine, self.graph = engine, graph

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the kept activations for a batch: name → array with a batch axis."""
        from convscope.engine.runtime import one_by_one

        return one_by_one(self._one, inputs)

    def _one(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        rowed, rows = self.graph.batched, self.graph.rows
        given = {n: np.repeat(a, rows, axis=0) if n in rowed else a for n, a in inputs.items()}
        return {name: array[:1] for name, array in self.engine.run(given).items()}


def model_of(graph: TorchGraph, wanted: Sequence[str]) -> ModelProto:
    """Return the ONNX model of a recorded graph, for the batch that was recorded.

    wanted   the layers that it gives

    Raises `UnsupportedError` for a layer that ONNX has no operator for.
    """
    from onnx import TensorProto, helper

    writer = _Writer(graph)
    for name in graph.needed(wanted):
        writer.layer(name)
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}
    element = kinds[np.dtype(writer.dtype)]
    inputs = [
        helper.make_tensor_value_info(name, element, list(graph.whole_shape(name)))
        for name in graph.inputs
    ]
    outputs = [
        helper.make_tensor_value_info(name, element, list(graph.whole_shape(name)))
        for name in wanted
    ]
    made = helper.make_graph(writer.nodes, graph.name, inputs, outputs, writer.initializers)
    return helper.make_model(
        made,
        producer_name="convscope",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def export(graph: TorchGraph, path: Path) -> None:
    """Write a recorded graph as an ONNX file that carries its layers' names, checked by onnx itself."""
    import onnx

    model = model_of(graph, graph.outputs)
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if size > MOST:
        raise OutputError(
            f"the weights of {graph.name} are {size:,} bytes, and one ONNX file holds 2 GiB at most"
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises its own and protobuf's errors
        raise EngineError(f"the ONNX form of {graph.name} is not valid: {error}") from error
    onnx.save(model, str(path))
    if graph.number == "float64":
        _say_what_lacks(graph)


def _say_what_lacks(graph: TorchGraph) -> None:
    """Warn of a valid file that ONNX Runtime does not run: it has not every operator in float64."""
    try:
        engine_of(graph, graph.outputs)
    except EngineError as error:
        if lacking := _lacking(graph, error):
            warnings.warn(
                f"{lacking}: the file is valid, and what has those operators runs it; module.float() is exported as one "
                f"that ONNX Runtime runs",
                OutputWarning,
                stacklevel=5,
            )


def unwritable(graph: TorchGraph) -> dict[str, str]:
    """Return the layers that cannot be written as ONNX, each with the reason. No weight is read."""
    writer = _Writer(graph, numbers=False)
    found = {}
    for name in graph.nodes:
        try:
            writer.layer(name)
        except UnsupportedError as error:
            found[name] = str(error)
    return found


class _Writer:
    """Writes layers one after another; what `convscope.aten.rule.Write` offers.

    numbers   whether weights are written; without, it is only seen whether they could be
    """

    def __init__(self, graph: TorchGraph, numbers: bool = True) -> None:
        self.graph, self.numbers = graph, numbers
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._known: dict[Any, str] = {}
        self._count = 0
        self._name = ""
        self._layer: Operator | None = None
        self._call: Call | None = None
        self._feeds: dict[str, str] = {}
        self.dtype = np.float64 if graph.number == "float64" else np.float32

    def layer(self, name: str) -> None:
        """Write a layer."""
        node = self.graph.nodes[name]
        layer = node.layer
        assert isinstance(layer, Operator)
        rule = rule_of(layer.use.op)
        if rule is None or rule.onnx is None or not computes(rule, layer.use):
            raise UnsupportedError(
                f"{name} ({layer.kind}) cannot be written as ONNX: no rule says how {layer.use.op} is written"
            )
        self._name, self._layer = name, layer
        shapes = tuple(map(self.graph.shape, node.inputs))
        self._call = call_of(layer.use, shapes)
        fed = iter(node.inputs)
        self._feeds = {
            key: next(fed)
            for key, slot in layer.use.slots
            if slot is not None and not isinstance(slot, (Given, Weight))
        }
        start = len(self.nodes)
        try:
            output = rule.onnx(self._call, self)
        except NoEquation as error:
            raise UnsupportedError(
                f"{name} ({layer.kind}) cannot be written as ONNX: {error}"
            ) from error
        last = self.nodes[-1] if len(self.nodes) > start else None
        if last is not None and last.output[0] == output:
            last.output[0] = name
            last.name = name
        else:
            self._add("Identity", [output], [name], name, {})

    def _add(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        name: str,
        settings: dict[str, Any],
    ) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(inputs), list(outputs), name=name, **settings))

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add one operator; return its output's name. An input named "" is left out."""
        return self.outputs(op, 1, *inputs, **attributes)[0]

    def outputs(self, op: str, count: int, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Add one operator of so many outputs; return their names."""
        self._count += 1
        name = f"{self._name}/{op}_{self._count}"
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        names = (name, *(f"{name}:{n}" for n in range(1, count)))
        self._add(op, given, names, name, attributes)
        return names

    def input(self, name: str) -> str:
        """Return the ONNX tensor of one of the call's tensors; "" where it is left out."""
        assert self._call is not None and self._layer is not None
        slot = self._call.slots.get(name)
        if slot is None:
            return ""
        if name in self._feeds:
            return self._feeds[name]
        if isinstance(slot, Given):
            array = np.array(slot.values, dtype=self.dtype).reshape(slot.shape)
            return self._constant(f"{self._name}/{name}", array, ("given", slot.values, slot.shape))
        assert isinstance(slot, Weight)
        if not self.numbers:
            return slot.name
        array = self._layer.weights[slot.name]
        key = (array.__array_interface__["data"][0], array.shape, array.strides)
        return self._constant(f"{self._name}.{slot.name}", array.astype(self.dtype), key)

    def whole(self, *numbers: int) -> str:
        """Return a constant row of whole numbers."""
        return self._constant(
            f"{self._name}/whole_{len(self.initializers)}",
            np.array(numbers, dtype=np.int64),
            ("whole", numbers),
        )

    def number(self, value: float) -> str:
        """Return a constant number."""
        return self._constant(
            f"{self._name}/number_{len(self.initializers)}",
            np.array(value, dtype=self.dtype),
            ("number", value),
        )

    def filled(self, value: float, sizes: Sequence[int]) -> str:
        """Return a constant of one number everywhere."""
        return self._constant(
            f"{self._name}/filled_{len(self.initializers)}",
            np.full(tuple(sizes), value, dtype=self.dtype),
            ("filled", value, tuple(sizes)),
        )

    def scales(self, *numbers: float) -> str:
        """Return a constant row of float32, which scales are whatever the numbers are."""
        array = np.array(numbers, dtype=np.float32)
        name = f"{self._name}/scales_{len(self.initializers)}"
        return self._constant(name, array, ("scales", numbers))

    def counted(self, name: str) -> str:
        """Return whole numbers, or what is true or false, as the floats that all other numbers are."""
        from onnx import helper

        return self.node("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype)))

    def _constant(self, name: str, array: Any, key: Any) -> str:
        """Return the name of a constant, written once."""
        if not self.numbers:
            return name
        from onnx import numpy_helper

        if key not in self._known:
            self._known[key] = name
            self.initializers.append(
                numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            )
        return self._known[key]

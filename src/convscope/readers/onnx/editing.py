"""Edits of a stored model: settings of its nodes, and the weights whose shapes must follow.

Settings are ONNX's own attributes (kernel_shape, strides, pads …), and how many outputs a weight makes:
`filters` of a convolution, `units` of a product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from convscope.errors import (
    ConvscopeError,
    SettingError,
    ShapeError,
    SourceError,
    UnsupportedError,
    did_you_mean,
)
from convscope.model.editing import Change, Edit, Edited, shown
from convscope.model.remedies import explained_by_trying, numbers_for
from convscope.notation.sizes import is_known
from convscope.operators.layer import Operator
from convscope.readers.onnx.build import OpenedGraph, build
from convscope.readers.onnx.message import read_by
from convscope.readers.onnx.refitting import Broken, Passed, passed_through
from convscope.readers.onnx.settings import OUTPUTS, form, put
from convscope.readers.onnx.source import Source
from convscope.readers.onnx.tensors import Constant

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Whole: TypeAlias = tuple[int, ...]


@dataclass
class Editable:
    """A stored model that can be edited: where its nodes are, and what edits have replaced.

    places     layer → the place of its node among the nodes of the graph
    nodes      place → the node in the place of the one that is stored
    drawn      tensor → a weight that is new; nodes that need it read it by this name
    outputs    output → its shape with the batch, None for a size that is open
    """

    source: Source
    nodes: dict[int, NodeProto] = field(default_factory=dict)
    drawn: dict[str, Constant] = field(default_factory=dict)
    outputs: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @cached_property
    def places(self) -> dict[str, int]:
        return passed_through(self.source).at

    @cached_property
    def names(self) -> dict[int, str]:
        """Place of a node → its layer, that of its first output."""
        return {place: layer for layer, place in reversed(self.places.items())}

    def node(self, graph: OpenedGraph, layer: str) -> tuple[int, NodeProto]:
        """Return the node of a layer, and its place; raise where it has none or we know no settings."""
        operator = graph.node(layer).layer
        if operator.opaque or layer not in self.places:
            raise UnsupportedError(
                f"{layer} ({operator.kind}) has no equation here, so that nobody could say what another "
                f"setting would change"
            )
        return self.places[layer], self.source.model.graph.node[self.places[layer]]

    def form(self, graph: OpenedGraph, layer: str) -> dict[str, dict[str, Any]]:
        """Return the settings of a layer's node, with the kinds of their values."""
        return form(self.source, graph.facts[layer].input_shapes, self.node(graph, layer)[1])

    def bytes(self, stored: bytes) -> bytes:
        """Return the edited model as it is run and written, from the bytes that are stored."""
        from onnx import numpy_helper

        model = type(self.source.model).FromString(stored)
        _put(model, self.nodes)
        initializers = model.graph.initializer
        for place in reversed(range(len(initializers))):
            if initializers[place].name not in self.source.weights:  # nobody reads it now
                del initializers[place]
        for value in model.graph.output:
            for size in self.outputs.get(value.name, ()):
                value.type.tensor_type.shape.dim.add(dim_value=size)
        for name, held in self.drawn.items():
            initializers.append(numpy_helper.from_array(held.get(), name))
        found: bytes = model.SerializeToString()
        return found


# -- settings -------------------------------------------------------------------------------------


def settings(model: Editable, graph: OpenedGraph, layer: str) -> dict[str, dict[str, Any]]:
    """Return the settings of a layer's node as a form can offer them; {} where nobody knows them."""
    if graph.node(layer).layer.opaque or layer not in model.places:
        return {}
    return {
        name: {k: list(v) if isinstance(v, tuple) else v for k, v in field.items()}
        for name, field in model.form(graph, layer).items()
    }


# -- editing --------------------------------------------------------------------------------------


def edited(
    model: Editable, graph: OpenedGraph, edits: Sequence[Edit], seed: int
) -> tuple[Editable, Edited]:
    """Return the model with all edits made at once, and its graph.

    Raises `SettingError` or `ShapeError`, which say which layer breaks, why, and which values would do.
    """
    forms = {e.layer: model.form(graph, e.layer) for e in edits}
    for number, edit in enumerate(edits):
        known = forms[edit.layer]
        if edit.setting not in known:
            kind = graph.node(edit.layer).layer.kind
            raise SettingError(
                f"{edit.layer} ({kind}) has no setting {edit.setting!r}"
                f"{did_you_mean(str(edit.setting), known)}; "
                + (f"it takes {', '.join(known)}" if known else "it takes none")
            )
        if any(e[:2] == edit[:2] for e in edits[:number]):
            raise SettingError(f"{edit.layer}.{edit.setting} is given twice")
    try:
        new, passed = _made(model, graph, edits, forms, seed)
        result = build(new.source)
    except Broken as broken:
        raise _explained(model, graph, edits, forms, seed, broken) from broken.cause
    except SourceError as error:  # what onnx's shape inference finds has changed as well
        raise ShapeError(f"{' with '.join(map(str, edits))} cannot be: {error}") from error
    for name, node in graph.nodes.items():
        after = result.nodes.get(name)
        if not node.layer.opaque and after is not None and after.layer.opaque:
            raise ShapeError(
                f"{' with '.join(map(str, edits))} cannot be: {name} ({node.layer.kind}) would have no "
                f"equation any more"
            )
    changes = []
    for edit in edits:
        old = forms[edit.layer][edit.setting]["value"]
        value = new.form(result, edit.layer)[edit.setting]["value"]
        changes.append(Change(edit.layer, edit.setting, _listed(old), _listed(value)))
    tensors = {fetched.tensor: name for name, fetched in result.fetched.items()}
    for value in new.source.model.graph.output:
        if value.name in tensors:
            giver = tensors[value.name]
            sizes = [size if is_known(size) else None for size in result.shape(giver)]
            batch = [None] if result.fetched[giver].batched else []
            new.outputs[value.name] = (*batch, *sizes)
    getters = {id(constant.get) for name, constant in new.drawn.items() if name in passed.drawn}
    redrawn = {}
    for name, node in result.nodes.items():
        arrays = node.layer.arrays.items() if isinstance(node.layer, Operator) else ()
        if names := tuple(weight for weight, get in arrays if id(get) in getters):
            redrawn[name] = names
        if arrays and name in graph.nodes:
            node.layer.take_over(graph.nodes[name].layer)
    return new, Edited(result, tuple(changes), redrawn, (), {})


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _made(
    model: Editable,
    graph: OpenedGraph,
    edits: Sequence[Edit],
    forms: Mapping[str, Mapping[str, Any]],
    seed: int,
) -> tuple[Editable, Passed]:
    """Return the edited model; raise `Broken` at the first node that cannot be."""
    nodes = dict(model.nodes)
    outputs: dict[int, int] = {}
    for edit in edits:
        place, stored = model.node(graph, edit.layer)
        node = nodes.get(place, stored)
        copied = type(stored)()
        copied.CopyFrom(node)
        if edit.setting in OUTPUTS.values():
            if type(edit.value) is not int or edit.value < 1:
                cause = SettingError(
                    f"{edit.setting} must be a whole number of at least 1, not {shown(edit.value)}"
                )
                raise Broken(place, cause, None)
            outputs[place] = edit.value
        else:
            try:
                put(copied, edit, forms[edit.layer][edit.setting])
            except SettingError as error:
                raise Broken(place, error, None) from error
        nodes[place] = copied
    light = _light(model.source.model, nodes)
    passed = passed_through(
        replace(model.source, model=light), outputs, seed, graph.odd, model.names
    )
    nodes.update(passed.renamed)
    weights = {**model.source.weights, **passed.drawn}
    light = _light(light, nodes, passed.drawn)
    read = {value.name for value in light.graph.output}.union(*map(read_by, light.graph.node))
    source = replace(
        model.source,
        model=light,
        weights={name: held for name, held in weights.items() if name in read},
        external={n: get for n, get in model.source.external.items() if n in read},
    )
    drawn = {n: held for n, held in {**model.drawn, **passed.drawn}.items() if n in read}
    return Editable(source, nodes, drawn), passed


def _put(model: ModelProto, nodes: Mapping[int, NodeProto]) -> None:
    """Put nodes in their places, and take away what the model says of the shapes that follow."""
    for place, node in nodes.items():
        model.graph.node[place].CopyFrom(node)
    del model.graph.value_info[:]
    for value in model.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")


def _light(
    model: ModelProto, nodes: Mapping[int, NodeProto], drawn: Mapping[str, Constant] | None = None
) -> ModelProto:
    """Return the model with nodes in their places, and of its larger weights only what they are."""
    from onnx import GraphProto, TensorProto, helper

    graph = GraphProto(
        name=model.graph.name,
        node=model.graph.node,
        input=model.graph.input,
        output=model.graph.output,
        sparse_initializer=model.graph.sparse_initializer,
    )
    for tensor in model.graph.initializer:
        light = tensor
        if len(tensor.dims) > 1:
            light = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        graph.initializer.append(light)
    for name, held in (drawn or {}).items():
        element = helper.np_dtype_to_tensor_dtype(held.dtype)
        graph.initializer.append(TensorProto(name=name, data_type=element, dims=held.shape))
    result = type(model)(
        ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions
    )
    result.graph.CopyFrom(graph)
    _put(result, nodes)
    return result


# -- what cannot be -------------------------------------------------------------------------------


def _explained(
    model: Editable,
    graph: OpenedGraph,
    edits: Sequence[Edit],
    forms: Mapping[str, Mapping[str, Any]],
    seed: int,
    broken: Broken,
) -> ConvscopeError:
    """Return the error that people read: which node breaks and why, and which values would do."""
    own = [edit for edit in edits if model.places[edit.layer] == broken.place]

    def values(edit: Edit) -> tuple[Any, ...]:
        form = forms[edit.layer][edit.setting]
        return tuple(form["choices"]) if form["kind"] == "choice" else numbers_for(form["kind"])

    def works(tried: Sequence[Edit]) -> bool:
        try:
            _made(model, graph, tried, forms, seed)
        except Broken:
            return False
        return True

    return explained_by_trying(graph, edits, own, broken.cause, broken.graph, values, works)

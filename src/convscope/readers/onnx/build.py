"""The graph of layers that a model's message holds: one for every output of a node that is used."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from convscope.engine.onnx_file import Feed, Fetched, Material
from convscope.errors import SettingError, ShapeError, SourceError
from convscope.model.graph import Again, Graph, Said
from convscope.model.naming import Names, snake
from convscope.notation.counting import products
from convscope.notation.sizes import LARGEST, UNKNOWN, Shape, is_known, shape_text
from convscope.operators import rule_of
from convscope.operators.elements import ONNX
from convscope.operators.layer import Operator, Stated, Use, computed_in, narrows, state
from convscope.operators.rule import Fed, Given, Rule, Slot, Weight
from convscope.readers.onnx.folding import fold, sparse, stated
from convscope.readers.onnx.inferring import inferred_types
from convscope.readers.onnx.message import (
    captured,
    in_order,
    plain_type,
    read_by,
    setting,
    typed,
)
from convscope.readers.onnx.said import said_shapes
from convscope.readers.onnx.scopes import call_of, module_path
from convscope.readers.onnx.slots import KnownTensor, known_constant, meant, slot_of
from convscope.readers.onnx.source import Source
from convscope.readers.onnx.tensors import Constant, bits
from convscope.readers.onnx.weights import (
    LIFTED,
    NOT_LEARNED,
    NUMBERS,
    TYPED,
    Alike,
)

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, ValueInfoProto


MOST_FIXED = 1 << 26
"""Numbers that operators may make of constants alone, together, in the engine that makes them at once."""

MOST_FIXED_WORK = 1 << 32
"""Products that operators may make of constants alone, together: about a second, in which nothing stops the engine."""

LONGEST_NAME = 200

RESERVED = ("file", "allow_pickle", "args", "kwds")
"""Names that numpy's writer of .npz files has for itself."""


class OpenedGraph(Graph):
    """The graph of a model that was opened.

    fetched   where each layer's value is found
    odd       the layers whose nodes make no sense to us, and why; whether they can run the engine says
    """

    def __init__(self, source: Source, inputs: dict[str, Shape]) -> None:
        proto = source.model.graph
        images = "channels_last" if _moved_at_once(proto, inputs) else "channels_first"
        super().__init__(source.name, inputs, "channels_first", images)
        self.source = source
        self.fetched: dict[str, Fetched] = {}
        self.material: Material | None = None
        self.odd: dict[str, str] = {}

    def at(self, inputs: dict[str, Shape]) -> OpenedGraph:
        """Return the same model on inputs of other shapes, read anew: shapes may be computed in it.

        Raises `ShapeError` where those do not go through it.
        """
        try:
            return build(self.source, inputs, Doubts((ShapeError,), frozenset(self.odd)))
        except SourceError as error:
            raise ShapeError(str(error)) from error

    def said(self) -> Iterator[Said]:
        """Yield what the file's value_info, its outputs and inputs say of shapes, beside those that there are."""
        return said_shapes(self)


STAY = frozenset({"Add", "Cast", "Clip", "Div", "Identity", "Mul", "Pad", "Sub"})
"""Operators that leave an image's axes where they are: what is done to pixels before they are moved."""


def _moved_at_once(proto: GraphProto, inputs: Mapping[str, Shape]) -> bool:
    """Whether every map among the inputs goes into a transposition to channels-first, padded or rescaled at most.

    So do the files that exporters write of channels-last networks; their images lie channels-last.
    """
    maps = {name: len(shape) + 1 for name, shape in inputs.items() if len(shape) > 1}
    moved = False
    for node in proto.node:
        rank = max((maps.get(name, 0) for name in node.input), default=0)
        order = [list(a.ints) for a in node.attribute if a.name == "perm"]
        if node.op_type in STAY and rank:
            maps[node.output[0]] = rank
        elif node.op_type == "Transpose" and order == [[0, rank - 1, *range(1, rank - 1)]]:
            moved = True
        elif rank:
            return False
    return moved


class Doubts(NamedTuple):
    """What becomes of a node that makes no sense to us. It is opaque, unless it is one of

    raised   errors that are not to be passed over: what somebody has just asked for cannot be
    known    the layers that made no sense before, whatever was asked
    """

    raised: tuple[type[Exception], ...] = ()
    known: Container[str] = ()


def build(
    source: Source, sizes: Mapping[str, Shape] | None = None, doubts: Doubts | None = None
) -> OpenedGraph:
    """Return the graph of a model, for inputs as the file says or of the given shapes.

    Raises `SourceError` for a graph that cannot be.
    """
    return Builder(source, sizes, doubts).graph()


class NodeInputs(NamedTuple):
    """What a node reads: the names, and what each is to its rule.

    feeds      the layers that feed it, and `held` what is known of their values
    arrays     the weights among them
    elements   the types of their numbers
    readable   whether all is known that an equation asks for
    """

    names: list[str]
    slots: list[Slot]
    feeds: list[str]
    held: list[KnownTensor]
    arrays: dict[str, Constant]
    elements: list[int | None]
    readable: bool


class Builder:
    """Goes through a model's nodes in order and makes a layer of each."""

    def __init__(
        self, source: Source, sizes: Mapping[str, Shape] | None, doubts: Doubts | None = None
    ) -> None:
        self.source, self.proto = source, source.model.graph
        self.doubts = doubts or Doubts()
        self.tensors: dict[str, KnownTensor] = {}
        self.names, self.taken = Names(), set(RESERVED)
        self.shared: dict[Any, Operator] = {}
        self.holders: dict[int, str] = {}
        self.alike = Alike()
        self.places: dict[str, Feed] = {}
        self.alone = False
        self.place = -1  # of the node that is looked at
        # whether all is known of what the engine will do; what depends on no input, and how much it makes
        self.checked = not source.model.graph.sparse_initializer
        self.fixed: set[str] = set()
        self.made = self.worked = 0
        self.unlearned = {
            node.input[place]
            for node in self.proto.node
            for place in NOT_LEARNED.get(node.op_type, ())
            if place < len(node.input)
        }
        self._inferred: dict[str, tuple[int, Shape | None]] | None = None
        shapes: dict[str, Shape] = {}
        for value in self.proto.input:
            if value.name in source.weights:
                continue
            if value.name in shapes or not value.name:
                raise self.wrong(f"two inputs are named {value.name!r}")
            held = self._input(value)
            if sizes is not None:
                own = sizes[value.name]
                held.shape = (1, *own) if held.batched else own
            shapes[value.name] = held.own
            self.tensors[value.name] = held
            self.taken.add(value.name)
        given = {n for node in self.proto.node if node.op_type == "Constant" for n in node.output}
        for name, weight in source.weights.items():
            if name not in self.tensors and name not in given:  # a Constant goes before a weight
                self.tensors[name] = known_constant(weight)
        for tensor in self.proto.sparse_initializer:
            if tensor.values.name not in self.tensors:
                self.tensors[tensor.values.name] = known_constant(sparse(tensor, source.name))
        self.result = OpenedGraph(source, shapes)
        kinds = {name: feed.dtype for name, feed in self.places.items()}
        self.result.takes = {n: k.name for n, k in kinds.items() if k is not None}

    def wrong(self, what: str) -> SourceError:
        return SourceError(f"{self.source.name}: {what}")

    # -- inputs -----------------------------------------------------------------------------------

    def _input(self, value: ValueInfoProto) -> KnownTensor:
        element, shape = typed(value.type)
        whole: Shape | None = shape
        batched = whole is not None and len(whole) > 1 and _is_one(whole[0])
        single = batched and whole is not None and is_known(whole[0])
        dtype: Any = None
        if value.type.HasField("tensor_type"):
            dtype = plain_type(element)
        if whole is not None and any(is_known(s) and s >= LARGEST for s in whole):
            raise self.wrong(
                f"its input {value.name!r} has the impossible shape {shape_text(whole)}"
            )
        self.places[value.name] = Feed(dtype, batched)
        self.alone = self.alone or single or not batched
        if batched and whole is not None:
            whole = (1, *whole[1:])
        return KnownTensor(value.name, whole, batched, element)

    # -- nodes ------------------------------------------------------------------------------------

    def graph(self) -> OpenedGraph:
        outputs = [value.name for value in self.proto.output]
        used = set(outputs).union(*map(read_by, self.proto.node))
        nodes = list(self.proto.node)
        for place in in_order(nodes, self.tensors):
            self.place, node = place, nodes[place]
            for name in node.input:
                if name and name not in self.tensors:
                    raise self.wrong(
                        f"the node {node.name or node.op_type!r} reads {name!r}, which nothing before "
                        f"it gives"
                    )
            self._node(node, used)
        results = []
        for name in outputs:
            if name not in self.tensors:
                raise self.wrong(f"its output {name!r} is given by no node")
            held = self.tensors[name]
            results.append(self._passed(name) if held.node in self.places else self._layer(name))
        self.result.outputs = tuple(dict.fromkeys(results))
        if not results:
            raise self.wrong("it has no outputs")
        stored = sum(weight.count for weight in self.source.weights.values())
        self.result.material = Material(
            self.source.name,
            self.source.data,
            self.places,
            frozenset(outputs),
            self.source.external,
            self.alone,
            self._matrices(),
            self.checked
            and self.made <= MOST_FIXED + 2 * stored
            and self.worked <= MOST_FIXED_WORK,
        )
        return self.result

    def _matrices(self) -> frozenset[str]:
        """Return the weights outside the message that only products read, as their second factor."""
        weights = self.source.weights
        only = {
            n: len(weights[n].shape) == 2 and weights[n].dtype == np.float32
            for n in self.source.external
        }
        for node in self.proto.node:
            factor = node.op_type in ("Gemm", "MatMul") and node.domain in ("", "ai.onnx")
            for place, name in enumerate(node.input):
                if name in only and not (factor and place == 1):
                    only[name] = False
            only.update((name, False) for name in captured(node) if name in only)
        only.update((value.name, False) for value in self.proto.output if value.name in only)
        return frozenset(name for name, alone in only.items() if alone)

    def _node(self, node: NodeProto, used: set[str]) -> None:
        opset = self.source.opset
        domain = "" if node.domain == "ai.onnx" else node.domain
        attributes = {a.name: setting(a) for a in node.attribute}
        named = [(place, name) for place, name in enumerate(node.output) if name]
        self.checked = self.checked and bool(named)
        for _, name in named:
            if name in self.tensors:
                raise self.wrong(f"the tensor {name!r} is given twice")
        if domain == "" and named and self._folded(node, attributes, named[0][1]):
            return
        for number, (place, name) in enumerate(named):
            if number and name not in used:
                continue
            self._use(node, domain, opset, attributes, place, name, number)

    def _folded(self, node: NodeProto, attributes: dict[str, Any], name: str) -> bool:
        """Keep what a node gives if that is known already; return whether it is."""
        found: Constant | None = None
        if node.op_type == "Constant":
            found = stated(node, self.source.name)
        elif node.op_type in ("Shape", "Size") and len(node.input) == 1 and node.input[0]:
            shape = self.tensors[node.input[0]].shape
            if shape is not None and all(map(is_known, shape)):
                sizes = np.array(shape, dtype=np.int64)
                if node.op_type == "Size":
                    sizes = sizes.prod()
                else:
                    sizes = sizes[attributes.get("start", 0) : attributes.get("end")]
                found = Constant(sizes.shape, sizes.dtype, lambda: sizes, True)
        elif node.input and node.input[0] and len(node.output) == 1:
            inputs = [self.tensors[n].constant for n in node.input if n]
            known = [c for c in inputs if c is not None]
            if len(known) == len(node.input):
                found = fold(node.op_type, attributes, known)
            elif node.op_type == "CastLike" and known and known[0] is inputs[0]:
                like = self.tensors[node.input[-1]].element
                found = fold("Cast", {"to": like}, known) if like else None
        if found is None:
            return False
        if node.op_type == "ConstantOfShape" and LIFTED.fullmatch(name):
            found = replace(found, same=True)  # written out by an exporter, and no weight left out
        self.made += 0 if node.op_type == "Constant" else found.count
        self.tensors[name] = known_constant(found)
        return True

    def _read(self, node: NodeProto, rule: Rule | None, attributes: dict[str, Any]) -> NodeInputs:
        """Return what a node reads, and what each of its inputs is to its rule."""
        op, call = node.op_type, call_of(node)
        inputs = list(node.input)
        while inputs and not inputs[-1]:
            inputs.pop()
        found = NodeInputs(inputs, [], [], [], {}, [], rule is not None)
        readable = rule is not None
        for where, name in enumerate(inputs):
            held = self.tensors[name] if name else None
            if op == "MatMulNBits" and where == 1 and held is not None:
                held = meant(held, attributes, [self.tensors.get(n) for n in inputs[2:4]])
            slot = None if held is None else slot_of(held, rule, where, op, found.arrays, call)
            if held is not None and isinstance(slot, Fed):
                found.feeds.append(self._fed(name))
                held = self.tensors[name]
                found.held.append(held)
                slot = Fed(held.batched)
                readable = readable and held.shape is not None
            plain = isinstance(slot, Given) and where not in TYPED.get(op, ())
            found.elements.append(None if held is None or plain else held.element)
            found.slots.append(slot)
        if rule is None:  # a subgraph reads what lies outside it without naming it as an input
            for name in captured(node):
                outer = self.tensors.get(name)
                if outer is not None and outer.node is not None and outer.node not in found.feeds:
                    found.feeds.append(outer.node)
                    found.held.append(outer)
        return found._replace(readable=readable)

    def _made(
        self,
        node: NodeProto,
        use: Use,
        name: str,
        arrays: dict[str, Constant],
        number: int,
        explained: bool,
        shape: Shape,
    ) -> Operator:
        """Return a layer that holds arrays as its weights, which are counted."""
        unlearned = [use.slots[p] for p in NOT_LEARNED.get(use.op, ()) if p < len(use.slots)]
        scaled = tuple(slot.name for slot in unlearned if isinstance(slot, Weight))
        noted = {"constants": scaled} | self._noted(node, arrays, number)
        getters = {n: constant.get for n, constant in arrays.items()}
        layer = Operator(name, use, getters, explained, () if explained else shape, **noted)
        layer.bits = {n: many for n, c in arrays.items() if (many := bits(c.origin.dtype)) != 32}
        if arrays:
            self._count(layer, {n: c for n, c in arrays.items() if n not in scaled})
        return layer

    def _use(
        self,
        node: NodeProto,
        domain: str,
        opset: int,
        attributes: dict[str, Any],
        place: int,
        tensor: str,
        number: int,
    ) -> None:
        """Make a layer of one output of a node."""
        op = node.op_type
        rule = rule_of(op) if domain == "" else None
        inputs, slots, feeds, held_inputs, arrays, elements, readable = self._read(
            node, rule, attributes
        )
        fixed = tuple(
            sorted((n, v) for n, v in attributes.items() if not isinstance(v, np.ndarray))
        )
        use = Use(op, domain, opset, fixed, tuple(slots), place, len(node.output), tuple(elements))
        layer_name = self._name(node, op, number, place)
        shapes = tuple(held.own for held in held_inputs)
        stated, reason = None, ""
        if readable and not any(0 in shape for shape in shapes):
            stated, reason = self._stated(use, shapes, layer_name)
        explained = stated is not None and stated.equation is not None
        if explained and stated is not None:
            shape, batched, own = None, stated.batched, stated.shape or ()
            element = stated.element
        else:
            element, shape = self._infer(tensor)
            batched = any(h.batched for h in held_inputs) and shape is not None
            batched = batched and len(shape or ()) > 1 and _is_one((shape or (0,))[0])
            own = KnownTensor(None, shape, batched, 0).own
        key = (use, shapes, tuple(n for n in inputs if n and self.tensors[n].constant), own)
        layer = self.shared.get(key) if arrays else None
        if layer is None:
            layer = self._made(node, use, layer_name, arrays, number, explained, own)
            layer.reason = reason
            layer.dtype, layer.narrows = computed_in(use, element), narrows(use, element)
            if arrays:
                self.shared[key] = layer
        try:
            facts = self.result.add(layer_name, layer, feeds)
            layer.build(facts.weights, (0,))
        except (SettingError, ShapeError) as error:
            raise self.wrong(str(error)) from error
        self.checked = self.checked and explained
        if explained:
            shape = (1, *facts.output_shape) if batched else facts.output_shape
            if all(feed in self.fixed for feed in feeds):
                self.fixed.add(layer_name)
                self.made += math.prod(s if is_known(s) else MOST_FIXED for s in shape)
                work = sum(products(facts.equation)) if facts.equation is not None else 0
                self.worked += work if is_known(work) else MOST_FIXED_WORK
        # what joins the rows of a batch, or may do so unseen, is right for one image at a time
        self.alone = self.alone or (not batched and any(h.batched for h in held_inputs))
        self.tensors[tensor] = KnownTensor(layer_name, shape, batched, element)
        self.result.fetched[layer_name] = Fetched(tensor, batched)

    def _noted(self, node: NodeProto, arrays: dict[str, Constant], number: int) -> dict[str, Any]:
        """Return what our own file says of a node's weights: those that it does not read, and which are what."""
        notes = self.source.notes
        if notes is None:
            return {}
        kept: dict[str, Shape] = {}
        for name, tensor in notes.unread.get(node.name, {}).items() if number == 0 else ():
            held = self.tensors.get(tensor)
            constant = None if held is None else held.constant
            if constant is not None and name not in arrays and tensor in self.source.weights:
                arrays[name], kept[name] = constant, constant.shape
        still = [n for n, c in arrays.items() if c.origin.name in notes.fixed]
        learned = [n for n, c in arrays.items() if c.origin.name in notes.trained]
        constants = tuple(n for n in arrays if n not in still and n not in learned)
        return {"kept": kept, "fixed": tuple(still), "constants": constants}

    def _stated(self, use: Use, shapes: tuple[Shape, ...], name: str) -> tuple[Stated | None, str]:
        """Return what an operator's rule states, and why where that is nothing."""
        try:
            stated = state(use, shapes)
            return stated, stated.reason
        except (SettingError, ShapeError) as error:
            if isinstance(error, self.doubts.raised) and name not in self.doubts.known:
                raise self.wrong(f"{name} ({use.op}): {error}") from error
            reason = str(error)
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            # settings that each pass their check and together make no sense
            reason = f"it makes no sense: {type(error).__name__}: {error}"
        self.result.odd[name] = reason
        return None, reason

    def _count(self, layer: Operator, arrays: Mapping[str, Constant]) -> None:
        """Note which of a layer's weights another layer has already."""
        assert layer.name is not None
        for constant in arrays.values():
            origin = self.alike.first(constant.origin)
            holder = self.holders.get(id(origin))
            if holder is None:
                self.holders[id(origin)] = layer.name
            else:
                before = self.result.again.setdefault(layer.name, {})
                numbers, size = before.get(holder, Again(0, 0))
                numbers += constant.count
                size += -(-constant.count * bits(constant.origin.dtype) // 8)
                before[holder] = Again(numbers, size)

    def _fed(self, tensor: str) -> str:
        """Return the layer or input that gives a tensor; a constant becomes a layer of its own."""
        held = self.tensors[tensor]
        return held.node if held.node is not None else self._layer(tensor)

    def _layer(self, tensor: str) -> str:
        """Return the layer that gives a tensor, made for a constant."""
        held = self.tensors[tensor]
        if held.node is not None:
            return held.node
        constant = held.constant
        assert constant is not None
        name = self._free(tensor)
        learned = held.element in NUMBERS and constant.count > 0 and tensor not in self.unlearned
        known = ONNX.get(held.element, "") != "" and constant.count > 0
        explained = known and len(constant.shape) <= 8
        slot = (Weight("value", constant.shape),) if learned or explained else ()
        use = Use("Constant", "", self.source.opset, (), slot, 0, 1, (held.element,))
        layer = Operator(name, use, {"value": constant.get}, explained, constant.shape, not learned)
        layer.bits = {"value": bits(constant.origin.dtype)} if learned else {}
        if learned:
            self._count(layer, {"value": constant})
        facts = self.result.add(name, layer, ())
        layer.build(facts.weights, (0,))
        self.fixed.add(name)
        held.node = name
        self.result.fetched[name] = Fetched(tensor, False, constant.get)
        return name

    def _passed(self, tensor: str) -> str:
        """Return a layer for an output that is an input as it is."""
        held = self.tensors[tensor]
        name = self.names.new("identity", self.taken)
        self.taken.add(name)
        use = Use(
            "Identity", "", self.source.opset, (), (Fed(held.batched),), 0, 1, (held.element,)
        )
        readable = held.shape is not None and 0 not in held.shape
        layer = Operator(name, use, {}, readable, held.own)
        self.result.add(name, layer, (tensor,))
        self.result.fetched[name] = Fetched(tensor, held.batched)
        return name

    def _name(self, node: NodeProto, op: str, number: int, place: int) -> str:
        """Return the node's own name, or one made from what it is and how many there were before.

        PyTorch numbers its nodes (node_Conv_754), but says in which modules each stands.
        """
        path = module_path(node, self.source.weights) if node.name.startswith("node_") else ()
        if path:
            name = "/".join((*path, op))
            return self._free(f"{name}:{place}" if number else name)
        if not node.name:
            name = self.names.new(snake(op) or "node", self.taken)
            self.taken.add(name)
            return name
        return self._free(f"{node.name}:{place}" if number else node.name)

    def _free(self, name: str) -> str:
        name = name[:LONGEST_NAME] or "node"
        if name in self.taken:
            name = self.names.new(name, self.taken)
        self.taken.add(name)
        return name

    # -- shapes by onnx's own inference -----------------------------------------------------------

    def _infer(self, tensor: str) -> tuple[int, Shape | None]:
        """Return the type and shape that onnx's shape inference finds for a tensor."""
        if self._inferred is None:
            self._inferred = dict(
                inferred_types(
                    self.source,
                    {n: held.shape for n, held in self.tensors.items() if n in self.places},
                )
            )
        return self._inferred.get(tensor, (0, None))


def _is_one(size: Any) -> bool:
    """Whether a first axis can be that of one image: of size 1, or open."""
    return size is UNKNOWN or (is_known(size) and size == 1)

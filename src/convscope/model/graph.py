"""A network: layers wired into a graph, with shapes, counts and receptive fields along it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from convscope.equations.layout import Layout
from convscope.errors import LayerLookupError, SettingError, ShapeError, WindowError, did_you_mean
from convscope.layers.base import Layer, drawn_from, tensor_names
from convscope.model.facts import NONE, Facts, facts_of
from convscope.model.field import Fields, ReceptiveField, ends, image_fields, patch, readable
from convscope.model.receptive import Steps, through
from convscope.notation import Size
from convscope.notation.index import Range
from convscope.notation.sizes import (
    UNKNOWN,
    UNKNOWN_SHAPE,
    Shape,
    ceil_div,
    is_known,
    product,
    shape_text,
    tidy,
)
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["Graph", "Node", "Totals", "Which", "tensor_names"]


Which: TypeAlias = "str | int | Layer"
"""How people name a layer of a network: its name, its place from 0, or itself."""


class Node(Record):
    """One use of a layer: a name of its own, the layer, and the names of what feeds it."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


class Totals(Record):
    """What a whole network amounts to; a weight that is shared counts once.

    products    products under sums of two inputs (attention's), which are no MACs
    uncounted   how many layers have no equation, so that nobody knows what work they are
    """

    params: Size
    trainable: Size
    non_trainable: Size
    macs: Size
    bytes: Size
    products: Size = 0
    uncounted: int = 0


class Again(Record):
    """How many numbers two layers have in common, and how many bytes they take."""

    numbers: int
    bytes: int


class Said(Record):
    """What a network's own file says of a layer, beside what its equation and its weights give.

    layer   whose shape it is
    where   where the file says so, in words: "its config's output_shape"
    said    the shape that it says; sizes that it leaves open are UNKNOWN
    found   the shape that there is
    output  whether it is that of the layer's output; else of one of its weights
    """

    layer: str
    where: str
    said: Shape
    found: Shape
    output: bool = True

    @property
    def contradicts(self) -> bool:
        """Whether the two differ in a size that both know, or in how many there are."""
        if UNKNOWN_SHAPE in (self.said, self.found):
            return False
        return len(self.said) != len(self.found) or any(
            is_known(a) and is_known(b) and a != b
            for a, b in zip(self.said, self.found, strict=True)
        )


def bytes_of(layer: Layer, facts: Facts) -> Size:
    """Return how many bytes a layer's weights take where they are stored."""
    if not layer.bits:
        return facts.params * 4
    if facts.params is UNKNOWN:
        return UNKNOWN
    return sum(
        (ceil_div(product(shape) * layer.bits.get(n, 32), 8) for n, shape in facts.weights.items()),
        0,
    )


def _narrows(before: Shape, now: Shape) -> bool:
    """Whether a shape only says sizes that were open: what was said of its layer then still holds."""
    if before is UNKNOWN_SHAPE or now is UNKNOWN_SHAPE:
        return before is now
    return len(before) == len(now) and all(
        a is UNKNOWN or a is b or a == b for a, b in zip(before, now, strict=True)
    )


class Graph:
    """Inputs and nodes in an order in which each comes after what feeds it.

    `add` derives a node's facts at once, so an impossible layer fails where it is added.

    layout          how its maps lie: "channels_last" or "channels_first"
    image_layout    how its images lie, where that is another way
    takes           input → the type in which its numbers go in, where that is not float32
    learned         the layers that depend on no input: computed from weights alone
    again           layer → what of its weights an earlier layer holds already, by that one's name
    separator       what stands between the steps of a name: inner/conv, layer1.0.conv1
    noted           what its file says: layer, where, shape, and what there is (None: the layer's output)
    path            which of the ways that a live module goes it is; 0 is that of what it was opened with
    uncalled        what exists beside the nodes and was never used: name, kind, parameters
    nested          the kinds of the networks that were laid flat into it, by their names; its own is ""
    """

    def __init__(
        self,
        name: str,
        inputs: dict[str, Shape],
        layout: str = "channels_last",
        image_layout: str | None = None,
    ) -> None:
        self.name = name
        self.inputs = dict(inputs)
        self.layout = layout
        self.image_layout = image_layout or layout
        self.takes: dict[str, str] = {}
        self.sequential = False
        self.path = 0
        self.nested: dict[str, str] = {}
        self.separator = "/"
        self.noted: list[tuple[str, str, Shape, Shape | None]] = []
        self.uncalled: tuple[tuple[str, str, int], ...] = ()
        self.nodes: dict[str, Node] = {}
        self.facts: dict[str, Facts] = {}
        self.outputs: tuple[str, ...] = ()
        self._steps = Steps()
        self.learned: set[str] = set()
        self.again: dict[str, dict[str, Again]] = {}
        self._fields = {name: self._image_fields(shape) for name, shape in self.inputs.items()}
        self._readable: dict[int, tuple[Fields, ReceptiveField | None]] = {}

    def add(self, name: str, layer: Layer, inputs: Sequence[str]) -> Facts:
        """Add a node that reads earlier nodes or inputs; return its facts.

        Raises `ShapeError` (or `WindowError`, which says what made the map so small) when the layer
        cannot take them, `SettingError` for a name that is taken.
        """
        if name in self.nodes or name in self.inputs:
            raise SettingError(f"{self.name} already has a layer named {name!r}; names must differ")
        inputs = tuple(inputs)
        shapes = tuple([self.shape(fed) for fed in inputs])
        try:
            facts = facts_of(layer, shapes, self._learned(inputs))
        except ShapeError as error:
            reason = self._shrinking(inputs) if isinstance(error, WindowError) else ""
            feeds = ", ".join(f"{n} has shape {shape_text(self.shape(n))}" for n in inputs)
            raise type(error)(f"{name}: {error}{reason or f' ({feeds})'}") from error
        if self.learned.issuperset(inputs):
            self.learned.add(name)
        self.nodes[name] = Node(name, layer, inputs)
        self.facts[name] = facts
        self.outputs = (name,)
        return facts

    def grow(self, name: str, layer: Layer, inputs: Sequence[str], seed: int) -> None:
        """Add a node, whose weights are drawn from the seed and its name: their order does not matter.

        Raises as `add` does.
        """
        layer.build(self.add(name, layer, inputs).weights, drawn_from(seed, name))

    def _learned(self, inputs: Sequence[str]) -> frozenset[str]:
        """Return what an equation calls those of its inputs that hold nothing but what was learned."""
        if not self.learned:
            return NONE
        named = zip(tensor_names(len(inputs)), inputs, strict=True)
        return frozenset(tensor for tensor, name in named if name in self.learned)

    def remove(self, name: str) -> None:
        """Remove the last node; what fed it becomes the output."""
        node = self.nodes.pop(name)
        del self.facts[name]
        self._fields.pop(name, None)
        self.learned.discard(name)
        self.outputs = tuple(n for n in node.inputs if n in self.nodes)

    def _shrinking(self, inputs: Sequence[str]) -> str:
        """Return which earlier layers made the map as small as it is, the last three of them."""
        steps: list[str] = []
        name = inputs[0]
        while name in self.nodes and self.nodes[name].inputs and len(steps) < 3:
            node, facts = self.nodes[name], self.facts[name]
            before, after = facts.input_shapes[0], facts.output_shape
            if self._smaller(after, before):
                steps.append(
                    f"{name} ({node.layer.kind}) made {shape_text(after)} of {shape_text(before)}"
                )
            name = node.inputs[0]
        return "".join(f"; {step}" for step in steps)

    def _smaller(self, after: Shape, before: Shape) -> bool:
        """Whether a map has become smaller along an axis that is not the channels'."""
        if len(after) != len(before):
            return False
        last = self.layout == "channels_last"
        sizes = zip(Layout(last).split(after)[0], Layout(last).split(before)[0], strict=True)
        return any(is_known(a) and is_known(b) and a < b for a, b in sizes)

    def shape(self, name: str) -> Shape:
        """Return the shape of a node's output or of an input, without the batch."""
        if name in self.inputs:
            return self.inputs[name]
        return self.facts[name].output_shape

    def node(self, layer: Which) -> Node:
        """Return a node by its name, by its place from 0 (-1 is the last), or by its layer (its first use).

        Raises `LayerLookupError`, naming the nearest, if there is none.
        """
        if isinstance(layer, str) and layer in self.nodes:
            return self.nodes[layer]
        names = list(self.nodes)
        if isinstance(layer, Layer):
            for node in self.nodes.values():
                if node.layer is layer:
                    return node
            layer = layer.name or layer.kind
            raise LayerLookupError(f"{self.name} does not use that layer, {layer!r}")
        if not isinstance(layer, (str, bool)) and hasattr(layer, "__index__"):
            place = layer.__index__()
            if -len(names) <= place < len(names):
                return self.nodes[names[place]]
            raise LayerLookupError(
                f"{self.name} has {len(names):,} layers, there is none at place {place}, counted from 0"
            )
        shown = ", ".join(names[:12]) + (f" … ({len(names)} layers)" if len(names) > 12 else "")
        near = did_you_mean(layer, names) if isinstance(layer, str) else ""
        raise LayerLookupError(f"{self.name} has no layer {layer!r}{near}; its layers are {shown}")

    def nests(self, name: str) -> bool:
        """Whether a name is that of a network inside, whose layers are called `name/layer`."""
        inside = name + self.separator
        return name not in self.nodes and any(node.startswith(inside) for node in self.nodes)

    def at(self, inputs: dict[str, Shape]) -> Graph:
        """Return the same network on inputs of other shapes; layers and weights are shared.

        What a layer without an equation gives there nobody knows, nor what those behind it give.
        """
        from convscope.layers.opaque import Opaque, unknown_at

        other = Graph(self.name, inputs, self.layout, self.image_layout)
        for node in self.nodes.values():
            layer = node.layer
            shapes = tuple(map(other.shape, node.inputs))
            if isinstance(layer, Opaque) and layer.meant is not None:
                try:
                    other.add(node.name, layer.meant, node.inputs)
                    continue
                except (SettingError, ShapeError):  # not of this size either
                    pass
            if any(shape is UNKNOWN_SHAPE for shape in shapes) or (
                layer.opaque and not all(map(_narrows, map(self.shape, node.inputs), shapes))
            ):
                layer = unknown_at(layer)
            other.add(node.name, layer, node.inputs)
        other.again = self.again
        other.outputs, other.sequential = self.outputs, self.sequential
        other.nested = self.nested
        if all(_narrows(self.inputs[name], shape) for name, shape in inputs.items()):
            other.noted = self.noted
        return other

    def said(self) -> Iterator[Said]:
        """Yield what the network's own file says of its layers' shapes, beside those that there are."""
        for name, where, shape, found in self.noted:
            if name in self.facts:
                there = self.shape(name) if found is None else found
                yield Said(name, where, shape, there, found is None)

    def as_it_is(self) -> Graph:
        """Return a graph of the same nodes that does not see what is added here later."""

        from copy import copy

        other = copy(self)
        other.inputs, other.nodes = dict(self.inputs), dict(self.nodes)
        other.facts, other._fields = dict(self.facts), dict(self._fields)
        other._steps = Steps()
        other.learned = set(self.learned)
        return other

    def needed(self, names: Iterable[str]) -> list[str]:
        """Return the nodes that the named ones depend on, and themselves, in order."""
        wanted: set[str] = set()
        stack = [name for name in names if name in self.nodes]
        while stack:
            name = stack.pop()
            if name not in wanted:
                wanted.add(name)
                stack.extend(n for n in self.nodes[name].inputs if n in self.nodes)
        return [name for name in self.nodes if name in wanted]

    def behind(self, names: Iterable[str]) -> dict[str, str]:
        """Return these nodes and all that depend on them, each with the first of them before it."""
        found = {name: name for name in names}
        for name, node in self.nodes.items():
            before = next((found[n] for n in node.inputs if n in found), None)
            if before is not None:
                found.setdefault(name, before)
        return found

    def cut(self, names: Sequence[str], known: Mapping[str, Shape]) -> Graph:
        """Return what is needed for these nodes where others are known already: those are its inputs.

        known   name → shape of every input and node whose numbers are known
        """
        wanted: set[str] = set()
        stack = list(names)
        while stack:
            name = stack.pop()
            if name not in wanted:
                wanted.add(name)
                stack.extend(self.nodes[name].inputs if name not in known else ())
        inputs = {name: shape for name, shape in known.items() if name in wanted}
        other = Graph(self.name, inputs, self.layout, self.image_layout)
        for name, node in self.nodes.items():
            if name in wanted and name not in known:
                other.add(name, node.layer, node.inputs)
        other.outputs = tuple(names)
        return other

    @property
    def layers(self) -> list[Layer]:
        """Every layer once, in order."""
        return list({id(n.layer): n.layer for n in self.nodes.values()}.values())

    # -- receptive fields -------------------------------------------------------------------------

    def _image_fields(self, shape: Shape) -> Fields:
        """Return the fields of an input: one for each axis of a map, none for a row of numbers.

        Positions are those of the first map among the inputs; in a map of another size they mean
        something else.
        """
        last = self.image_layout == "channels_last"
        maps = [Layout(last).split(s)[0] for s in self.inputs.values() if len(s) > 1]
        spatial = Layout(last).split(shape)[0]
        if not spatial:
            return ()
        return (
            image_fields(0 if last else 1, spatial)
            if spatial == maps[0]
            else (None,) * len(spatial)
        )

    def _field(self, node: Node) -> Fields:
        equation = self.facts[node.name].equation
        feeds = tuple([self._fields[name] for name in node.inputs])
        if equation is None:
            return (None,) * max(map(len, feeds), default=0)
        return through(equation, feeds, self._steps)

    def receptive_field(self, name: str) -> ReceptiveField | None:
        """Return the receptive field of a layer; None when the input has no spatial axes."""
        fields = self._fields_of(name)
        known = self._readable.get(id(fields))
        if known is None:
            known = self._readable[id(fields)] = fields, readable(fields)
        return known[1]

    def patch(self, name: str, position: Sequence[int]) -> tuple[Range | None, ...]:
        """Return what of the image one output sees: its first and last position along each axis.

        Not cut at the image's border; what is read with weight 0 is seen, as a NaN there shows, and what was written over
        is not. None along an axis where it is not known, and where nothing is seen.
        """
        fields = self._fields_of(name)
        found = patch(fields, position)
        needed = self.needed([name])
        shapes = [self.facts[other].output_shape for other in needed]
        if not fields or not all(is_known(size) for shape in shapes for size in shape):
            return found
        turning = [self._turns(other) for other in needed]
        if None not in found and not any(turn is not None for turn in turning):
            return found
        from convscope.notation.seen import TooMuch

        try:
            return self._looked_up(position, dict(zip(needed, turning, strict=True)), len(fields))
        except TooMuch:
            return (None,) * len(fields)

    def _turns(self, name: str) -> bool | None:
        """Return whether outputs differ in what they read along an axis of the image, which fields do not tell in full.

        False if along others only; None if they do not differ.
        """
        equation, fields = self.facts[name].equation, self._fields[name]
        if equation is None or not equation.turns:
            return None
        moved = {axis for field in fields if field is not None for axis in field.moved}
        axes = equation.axes
        return any(axis is None or axes.index(axis) in moved for axis in equation.turns)

    def _looked_up(
        self, position: Sequence[int], turning: dict[str, bool | None], rank: int
    ) -> tuple[Range | None, ...]:
        """Return what `patch` does, place by place, until all that is left follows from the fields.

        turning   the nodes on the way, the last one that of the position, with `_turns` of each
        """
        from convscope.notation.seen import Allowance, Parts, seen

        allowance = Allowance()
        plain: set[str] = set(self.inputs)  # what comes before them is told in full by their fields
        for name, turns in turning.items():
            if not turns and all(fed in plain for fed in self.nodes[name].inputs):
                plain.add(name)
        reached = {name: Parts([tuple(range(int(p), int(p) + 1) for p in position)])}
        found: list[list[int]] = [[] for _ in range(rank)]
        for name in (*reversed(turning), *self.inputs):
            fields = self._fields[name]
            if name not in reached or not fields:
                continue
            parts = reached[name]
            told = ends(fields, parts, self.shape(name) if name in self.nodes else None)
            if name in plain and told is not None:
                for axis, more in zip(found, told, strict=True):
                    axis += more
                continue
            equation = self.facts[name].equation if name in self.nodes else None
            if equation is None:
                return (None,) * rank
            fed = self.nodes[name].inputs
            tensors = dict(zip(tensor_names(len(fed)), fed, strict=True))
            for tensor, some in seen(equation, parts, allowance).items():
                reached.setdefault(tensors[tensor], Parts()).join(some)
        return tuple((min(axis), max(axis)) if axis else None for axis in found)

    def _fields_of(self, name: str) -> Fields:
        if name not in self._fields:
            for node in self.nodes.values():
                if node.name not in self._fields:
                    self._fields[node.name] = self._field(node)
        return self._fields[name]

    # -- totals -----------------------------------------------------------------------------------

    def look_again(self) -> None:
        """Take notice of what a live network's owner may have changed since: which of its parameters learn."""

    def counted_once(self) -> Iterable[tuple[Node, Facts]]:
        """Yield the first use of each layer: what its weights are counted at."""
        seen: set[int] = set()
        for name, node in self.nodes.items():
            if id(node.layer) not in seen:
                seen.add(id(node.layer))
                yield node, self.facts[name]

    @property
    def uncounted(self) -> set[str]:
        """The layers whose work nobody knows: they have no equation, and are more than learned numbers."""
        return {name for name, facts in self.facts.items() if facts.macs is None} - self.learned

    @property
    def totals(self) -> Totals:
        """The whole network's parameters (shared ones once), MACs (every use) and bytes."""
        counted = list(self.counted_once())
        once = [facts for _, facts in counted]
        again = [part for parts in self.again.values() for part in parts.values()]
        params = tidy(sum((f.params for f in once), -sum(part.numbers for part in again)))
        held = sum((bytes_of(node.layer, facts) for node, facts in counted), 0)
        trainable = tidy(sum((f.trainable for f in once), 0))
        work = tidy(sum((f.macs for f in self.facts.values() if f.macs is not None), 0))
        if self.facts and not self.inputs:  # weights alone: nobody knows what is done with them
            work = UNKNOWN
        return Totals(
            params,
            trainable,
            tidy(params - trainable),
            work,
            tidy(held - sum(part.bytes for part in again)),
            tidy(sum((f.products for f in self.facts.values() if f.products is not None), 0)),
            len(self.uncounted),
        )

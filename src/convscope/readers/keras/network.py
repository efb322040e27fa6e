"""The network that a Keras config describes: parts become layers, calls become nodes of the graph."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from convscope.building import layout_of
from convscope.errors import ConvscopeError, SettingError, SourceError
from convscope.layers.base import Layer
from convscope.layers.opaque import Opaque
from convscope.layers.operation import Operation
from convscope.model.graph import Graph, Said
from convscope.model.naming import Names
from convscope.network import Network
from convscope.notation.sizes import UNKNOWN, UNKNOWN_SHAPE, Shape, shape_text
from convscope.readers.keras.adapted import ADAPTERS, Adapted
from convscope.readers.keras.config import Operand, Part, Place, SizesSaid, said_shape
from convscope.readers.keras.layers import LAMBDA, LayerMaker, arranged
from convscope.readers.keras.shapes import settled_shape
from convscope.typed import TYPE_CHECKING, Protocol, Record

if TYPE_CHECKING:
    from typing import Any

MOST_CALLS = 50_000
SHORTER_REMARKS = 20
MASKED = (
    "Attention", "MultiHeadAttention", "GroupQueryAttention", "Softmax",
    "GlobalAveragePooling1D", "TimeDistributed",
)  # fmt: skip
"""Kinds of ours that compute something else where a mask says that some of their input does not count."""


SENSELESS = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, MemoryError,
)  # fmt: skip
"""What settings may end in that each pass their check, and together make no sense."""


class WeightSource(Protocol):
    """Where a network's weights come from: a file of either format, or a live model."""

    adapters_stored: bool
    again: str
    """What is to be done again with a model that was changed: save, open."""

    def stored_shapes(self, part: Part) -> dict[str, tuple[int, ...]]:
        """Return the shapes of whatever is kept for a layer that nobody knows."""

    def stored_bits(self, part: Part) -> dict[str, int]:
        """Return how many bits each number takes of what is kept for such a layer."""

    def expect(self, part: Part, name: str, shapes: Mapping[str, Shape]) -> None:
        """Note what a layer's weights must be, to be compared when the first is asked for."""

    def fetch(self, part: Part, name: str) -> Any:
        """Return one weight as float32; raise `WeightsError` if any are not those of the config."""


class Origin(Record):
    """Where a node without an equation comes from.

    part, given   what is called, and with what: that call's own list among the part's
    feeds         the nodes that it reads, in the order of that list
    output        which of the outputs this one is
    """

    part: Part
    given: Sequence[Operand]
    feeds: tuple[str, ...]
    output: int


class Builder:
    """Makes a network of what a config says: parts become layers, calls become nodes of the graph."""

    def __init__(self, top: Part, what: str, weights: WeightSource) -> None:
        self.top, self.what, self.weights = top, what, weights
        self.built: dict[Part, Layer] = {}
        self._maker = LayerMaker(weights)
        self._used: set[Part] = set()
        self._names = Names()
        self._graph = Graph(top.name, {})
        self._count = 0
        self.opaque: dict[str, Origin] = {}
        self._masks: set[str] = set()

    def network(self) -> Network:
        """Return the network; warn of everything that was left out."""
        inputs = dict(self._inputs())
        for name, shape in inputs.items():
            if not shape:
                raise SourceError(f"{self.what}: its input {name} has no axes besides the batch")
        for part in self.top.leaves():
            if part.kind not in ("InputLayer", LAMBDA) and not part.operation and not part.first:
                self.built[part] = self._maker.layer(part)
        layout = layout_of(self.built.values())
        for layer in self.built.values():
            if not hasattr(layer, "data_format"):
                layer.channels_last = layout == "channels_last"
        self._graph = graph = Graph(self.top.name, inputs, layout)
        graph.nested[""] = self.top.kind
        outputs = self._container(self.top, "", list(inputs), {})
        graph.outputs = tuple(outputs)
        graph.sequential = self.top.sequential and all(
            len(node.inputs) == 1 for node in graph.nodes.values()
        )
        for name in outputs:
            if name in graph.inputs:
                raise SourceError(f"{self.what}: its output {name} is an input; it has no layers")
        remarks = self._maker.remarks
        shown = remarks[:SHORTER_REMARKS]
        if len(remarks) > len(shown):
            shown.append(f"{self.what}: {len(remarks) - len(shown)} more of these")
        return Network(self.top.name, graph=graph, warnings=shown)

    def _inputs(self) -> Iterable[tuple[str, Shape]]:
        """Yield the network's inputs and their shapes."""
        top = self.top
        layers = [child for child in top.children if child.kind == "InputLayer"]
        if top.sequential:
            said = _said_input(layers[0]) if layers else None
            if said is None and not layers and top.children:
                said = _said_input(top.children[0]) or top.children[0].said
            if said is None:
                said = said_shape(top.settings.get("build_input_shape"), top.where) or top.said
            if said is None:
                raise SourceError(
                    f"{self.what}: {top.name} has no input shape yet; give its first layer one, or call it "
                    f"once, and {self.weights.again} it again"
                )
            yield (layers[0].name if layers else "input"), _shape(said)
            return
        known = {child.name: child for child in layers}
        seen = set()
        for name, _, _ in top.inputs:
            said = _said_input(known[name]) if name in known else None
            if said is None or name in seen:
                raise SourceError(
                    f"{self.what}: its input {name!r} has no shape, or stands there twice"
                )
            seen.add(name)
            yield name, _shape(said)

    # -- calls ------------------------------------------------------------------------------------

    def _container(
        self, part: Part, prefix: str, feeds: Sequence[str], said: Mapping[int, SizesSaid | None]
    ) -> list[str]:
        """Add the layers of a container that reads these nodes; return the nodes that it gives.

        said   what those who read its outputs say of their shapes
        """
        try:
            if part.sequential:
                return [self._chain(part, prefix, feeds, said.get(0))]
            return self._wired(part, prefix, feeds, said)
        except RecursionError as error:
            raise SourceError(f"{part.where}: networks are nested too deeply") from error

    def _chain(
        self, part: Part, prefix: str, feeds: Sequence[str], at_the_end: SizesSaid | None
    ) -> str:
        if len(feeds) != 1:
            raise SourceError(f"{part.where}: a Sequential reads one input, not {len(feeds)}")
        children = [child for child in part.children if child.kind != "InputLayer"]
        (name,) = feeds
        for child, after in zip(children, [*children[1:], None], strict=True):
            said = at_the_end if after is None else after.said
            given = [Operand((name, 0, 0))]
            found = self._call(child, prefix, given, [name], {0: said})
            name = found[0]
        return name

    def _wired(
        self, part: Part, prefix: str, feeds: Sequence[str], outside: Mapping[int, SizesSaid | None]
    ) -> list[str]:
        """Add the calls of a functional network, each after those that feed it."""
        if len(part.inputs) != len(feeds):
            raise SourceError(
                f"{part.where}: it has {len(part.inputs)} inputs, but reads {len(feeds)}"
            )
        children = {child.name: child for child in part.children}
        if len(children) < len(part.children):
            raise SourceError(f"{part.where}: two of its layers have one name")
        values: dict[Place, str] = {}
        for place, name in zip(part.inputs, feeds, strict=True):
            values[place] = name
        said = _said_of(part)
        for number, (name, call, output) in enumerate(part.outputs):
            outputs = said[name, call]
            outputs[output] = outputs[output] or outside.get(number)
        last = {name: number for name, number in sorted(said)}
        order = {name: number for number, name in enumerate(children)}
        waiting: dict[tuple[int, int], int] = {}
        readers: dict[tuple[str, int], list[tuple[int, int]]] = {}
        calls: dict[tuple[int, int], tuple[Part, int, list[Operand]]] = {}
        ready: list[tuple[int, int]] = []
        inputs = {name for name, _, _ in part.inputs}
        for child in part.children:
            if child.kind == "InputLayer" or child.name in inputs:
                continue
            # Keras 2 counts a nested network's own making as its first call
            first = 1 if child.container and last.get(child.name) == len(child.calls) else 0
            for number, given in enumerate(child.calls):
                key = (order[child.name], number + first)
                calls[key] = (child, number + first, given)
                needs = {
                    o.place[:2] for o in given if o.place is not None and o.place not in values
                }
                waiting[key] = len(needs)
                for need in needs:
                    readers.setdefault(need, []).append(key)
                if not needs:
                    heapq.heappush(ready, key)
        done = 0
        while ready:
            key = heapq.heappop(ready)
            child, number, given = calls[key]
            done += 1
            names = [self._value(values, o.place, child) for o in given if o.place is not None]
            outputs = said.get((child.name, number), {})
            for output, name in self._call(child, prefix, given, names, outputs).items():
                values[child.name, number, output] = name
            for reader in readers.get((child.name, number), ()):
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready, reader)
        if done < len(calls):
            stuck = next(calls[key][0] for key in calls if waiting[key])
            raise SourceError(f"{stuck.where}: it reads layers that do not exist, or itself")
        return [self._value(values, place, part) for place in part.outputs]

    def _value(self, values: Mapping[Place, str], place: Place, part: Part) -> str:
        if place not in values:
            raise SourceError(
                f"{part.where}: it reads output {place[2]} of call {place[1]} of {place[0]!r:.80}, "
                f"which does not exist"
            )
        return values[place]

    def _call(
        self,
        part: Part,
        prefix: str,
        given: Sequence[Operand],
        feeds: Sequence[str],
        said: Mapping[int, SizesSaid | None],
    ) -> dict[int, str]:
        """Add one call of a part; return the node of each of its outputs.

        said   what those who read its outputs say of their shapes
        """
        self._count += 1
        if self._count > MOST_CALLS:
            raise SourceError(f"{self.what}: it makes more than {MOST_CALLS:,} calls of layers")
        graph = self._graph
        name = prefix + part.name
        again = part.container and part in self._used
        if again or name in graph.nodes or name in graph.inputs:
            name = self._names.new(f"{name}_again", graph.nodes)
        if part.container:
            self._used.add(part)
            graph.nested[name] = part.kind
            return dict(enumerate(self._container(part, f"{name}/", feeds, said)))
        own, part = part, part.first or part
        layer = self.built.get(part) or self._maker.operation(part, given, said)
        reason, read = None, tuple(feeds)
        if not part.operation and part.kind != LAMBDA:
            feeds, reason = arranged(part, own.given_in(given), feeds)
            reason = reason or self._mask(part, feeds)
        if reason is not None and not isinstance(layer, Opaque):
            layer = self._maker.odd(part, SettingError(reason))
            if part in self._used:
                layer.stored = {}
            else:
                self.built[part] = layer
        self._note_mask(part, name, feeds)
        unknown = any(graph.shape(feed) is UNKNOWN_SHAPE for feed in feeds)
        if unknown and not isinstance(layer, Opaque):
            layer = self._maker.opaque(part)
            self.built.setdefault(part, layer)
        shape = said.get(0)
        if isinstance(layer, Opaque):
            settled = None if shape is not None else settled_shape(part, [*map(graph.shape, feeds)])
            if shape is not None or settled is not None:
                layer.output_shape = _shape(shape) if shape is not None else settled or ()
        first = part not in self._used
        if first or layer.name is None:
            layer.name = name
        layer = self._add(part, name, layer, feeds, shape)
        if first and part in self.built:
            if not isinstance(layer, Opaque):
                self.weights.expect(part, name, self._kept(layer))
                self._note_built(part, name, layer, feeds)
            layer.attach(lambda weight: self._weight(part, layer, weight))
        self._used.add(part)
        self._compare(part, name, shape)
        found = {0: name}
        if isinstance(layer, Opaque):
            self.opaque[name] = Origin(own, given, read, 0)
        for output in sorted(said):
            if output:
                found[output] = f"{name}:{output}"
                shape = said[output]
                if isinstance(layer, Operation):
                    one = Operation(layer.operation, layer.options, layer.given, output)
                    one.name = found[output]
                    self._add(part, found[output], one, feeds, shape)
                    continue
                other = Opaque(part.kind, None if shape is None else _shape(shape), {})
                other.name = found[output]
                self._graph.grow(found[output], other, [name], seed=0)
                self.opaque[found[output]] = Origin(own, given, read, output)
        return found

    def _mask(self, part: Part, feeds: Sequence[str]) -> str | None:
        """Return what a mask that reaches a layer changes about it; None for nothing."""
        masked = part.kind in MASKED and any(feed in self._masks for feed in feeds)
        return "a mask reaches it, which says what of its input counts" if masked else None

    def _note_mask(self, part: Part, name: str, feeds: Sequence[str]) -> None:
        """Note where masks come from, and how far they may reach."""
        makes = part.kind == "Masking" or part.settings.get("mask_zero") is True
        if makes or any(feed in self._masks for feed in feeds):
            self._masks.add(name)

    def _add(
        self, part: Part, name: str, layer: Layer, feeds: Sequence[str], said: SizesSaid | None
    ) -> Layer:
        """Add a node, and return its layer: an opaque one where that of the part cannot be."""
        try:
            self._graph.grow(name, layer, feeds, seed=0)
            return layer
        except ConvscopeError as error:
            reason: Exception = error
        except SENSELESS as error:
            reason = SourceError(f"it makes no sense: {type(error).__name__}: {error}")
        if name in self._graph.nodes:
            self._graph.remove(name)
        other = self._maker.odd(part, reason, None if said is None else _shape(said))
        if part in self._used:  # its weights stand, and count, where it was first used
            other.stored = {}
        elif part in self.built:
            self.built[part] = other
        other.name = name
        shapes = [*map(self._graph.shape, feeds)]
        if not layer.initializers() and any(UNKNOWN in shape for shape in shapes):
            other.meant, layer.name = layer, name
        self._graph.grow(name, other, feeds, seed=0)
        return other

    def _kept(self, layer: Layer) -> dict[str, Shape]:
        """Return which of a layer's weights are kept where they come from."""
        shapes = layer.weight_shapes or {}
        if not isinstance(layer, Adapted) or self.weights.adapters_stored:
            return shapes
        return {name: shape for name, shape in shapes.items() if name not in ADAPTERS}

    def _weight(self, part: Part, layer: Layer, name: str) -> Any:
        if not isinstance(layer, Adapted):
            return self.weights.fetch(part, name)
        if not self.weights.adapters_stored:
            return layer.begin(name) if name in ADAPTERS else self.weights.fetch(part, name)
        if name != "kernel":
            return self.weights.fetch(part, name)
        first, second = (self.weights.fetch(part, adapter) for adapter in ADAPTERS)
        alpha = part.settings.get("lora_alpha") or layer.adapter_rank
        return self.weights.fetch(part, name) + first @ second * (alpha / layer.adapter_rank)

    def _note_built(self, part: Part, name: str, layer: Layer, feeds: Sequence[str]) -> None:
        """Note which weights would be others for the input that the config says a layer was built for."""
        said = None if part.said is None else _shape(part.said)
        if (
            said is None
            or len(feeds) != 1
            or not Said(name, "", said, self._graph.shape(feeds[0])).contradicts
        ):
            return
        try:
            built = layer.equation(said).weights
        except (ConvscopeError, *SENSELESS):
            return
        for weight, shape in (layer.weight_shapes or {}).items():
            where = f"its build_config, {shape_text(said)}, for its {weight}"
            self._graph.noted.append((name, where, built.get(weight, shape), shape))

    def _compare(self, part: Part, name: str, said: SizesSaid | None) -> None:
        """Remark when the config says another output shape than follows from the equation."""
        found = self._graph.shape(name)
        if said is None or found is UNKNOWN_SHAPE:
            return
        self._graph.noted.append((name, "its config", _shape(said), None))
        if Said(name, "", _shape(said), found).contradicts:
            self._maker.remark(
                part, f"its config says it gives {said}, but by its settings it gives {found}"
            )


def _said_of(part: Part) -> dict[tuple[str, int], dict[int, SizesSaid | None]]:
    """Return what a network's config says of every output that is read: its shape, if it does."""
    found: dict[tuple[str, int], dict[int, SizesSaid | None]] = {}
    for child in part.children:
        for call in child.calls:
            for operand in call:
                if operand.place is not None:
                    name, number, output = operand.place
                    outputs = found.setdefault((name, number), {})
                    outputs[output] = outputs.get(output) or operand.shape
    for name, number, output in part.outputs:
        found.setdefault((name, number), {}).setdefault(output, None)
    return found


def _said_input(part: Part) -> SizesSaid | None:
    """Return the input shape that a layer's settings state, in any of Keras's ways."""
    for key in ("batch_shape", "batch_input_shape"):
        if key in part.settings:
            return said_shape(part.settings[key], part.where)
    if "shape" in part.settings and isinstance(part.settings["shape"], list):
        return said_shape([None, *part.settings["shape"]], part.where)
    return None


def _shape(said: SizesSaid) -> Shape:
    return tuple(UNKNOWN if size is None else size for size in said)

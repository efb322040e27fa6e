"""The graph of a recorded module: its layers, and what of the module they are."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from convscope.aten.layer import Operator
from convscope.errors import ShapeError
from convscope.layers.base import Layer
from convscope.model.graph import Graph, Node, Totals
from convscope.notation import Size
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape
from convscope.readers.torch.calls import Value
from convscope.typed import Record


class Rowed(Record):
    """Which axis of every value of a recording is the batch, −1 for none: operators, and a place for each of their outputs."""

    ops: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]


class TorchGraph(Graph):
    """The graph of a recorded module.

    fetched     node → the value in the recording
    counts      parameters in all, trained ones, numbers in buffers, bytes of both
    rows        how many rows the batch of the recording has
    batched     the inputs and nodes one of whose axes is the batch
    places      which axis that is, where it is not the first
    rowed       what is known of that from a forward of another number of rows, call by call
    owners      the module that was recorded, and those in it, by path; {} of an edited graph
    flags       which of their parameters learn, when that was last looked at
    modules     node → the module that does nothing else, by its name
    origins     node → weight → what the module calls it: layer1.0.conv1.weight
    """

    def __init__(self, name: str, inputs: dict[str, Shape]) -> None:
        super().__init__(name, inputs, "channels_first")
        self.separator = "."
        self.fetched: dict[str, Value] = {}
        self.counts = (0, 0, 0, 0)
        self.rows = 1
        self.batched: set[str] = set()
        self.places: dict[str, int] = {}
        self.rowed: Rowed | None = None
        self.modules: dict[str, str] = {}
        self.owners: dict[str, Any] = {}
        self.flags: list[bool] = []
        self.origins: dict[str, dict[str, str]] = {}

    def without_nodes(self) -> TorchGraph:
        """Return a graph of the same inputs and modules, and no nodes yet."""
        other = TorchGraph(self.name, self.inputs)
        other.nested, other.uncalled = self.nested, self.uncalled
        other.rows, other.batched = self.rows, {n for n in self.batched if n in self.inputs}
        other.takes, other.modules, other.origins = self.takes, self.modules, dict(self.origins)
        return other

    def holding(self, fetched: dict[str, Value]) -> TorchGraph:
        """Return the same graph with the values of another recording that took its path."""
        from copy import copy

        other = copy(self)
        other.fetched = fetched
        return other

    @property
    def kinds(self) -> set[str]:
        """The types of the numbers that its layers give."""
        return {layer.use.dtype for layer in self.layers if isinstance(layer, Operator)}

    @property
    def number(self) -> str:
        """The type of its numbers where it runs as ONNX: float64, or float32 (halves are widened)."""
        return "float64" if "float64" in self.kinds else "float32"

    def node(self, layer: Any) -> Node:
        """Return a node as any graph does; also by the module that it is, and by any name that PyTorch has for that."""
        if not isinstance(layer, str) or layer not in self.nodes:
            one = layer if isinstance(layer, torch.nn.Module) else self._named(layer)
            known = [path for path, own in self.owners.items() if one is not None and own is one]
            for name, path in self.modules.items():
                if path in known:
                    return self.nodes[name]
        return super().node(layer)

    def _named(self, name: Any) -> Any:
        """Return the module that an attribute of an attribute is: one that is shared has several names."""
        one = self.owners.get("") if isinstance(name, str) else None
        for part in str(name).split(".") if one is not None else ():
            one = one._modules[part] if one is not None and part in one._modules else None
        return one

    def look_again(self) -> None:
        """Take notice of which parameters learn now: their requires_grad may have been set since."""
        flags = flags_of(self.owners)
        if flags == self.flags:
            return
        self.flags, self.counts = flags, counts_of(self.owners.values())
        for name, node in self.nodes.items():
            layer, facts = node.layer, self.facts[name]
            if isinstance(layer, Operator) and layer.held:
                numbers: Any = layer.arrays
                layer.held = tuple([(n, numbers[n].learns) for n, _ in layer.held])
                learned = [facts.weights.get(n, (0,)) for n, learns in layer.held if learns]
                self.facts[name] = facts._replace(trainable=sum(map(prod, learned)))
            elif isinstance(layer, NotRun):
                layer.trained = sum(p.numel() for p in layer.own.values() if p.requires_grad)
                self.facts[name] = facts._replace(trainable=layer.trained)

    def whole_shape(self, name: str) -> Shape:
        """Return the shape of a node's output or of an input, with the batch where it has one."""
        shape = self.shape(name)
        place = self.places.get(name, 0)
        return (*shape[:place], self.rows, *shape[place:]) if name in self.batched else shape

    def same_as(self, other: TorchGraph) -> bool:
        """Whether another recording took the same path, with the same constants."""
        if list(self.nodes) != list(other.nodes) or self.outputs != other.outputs:
            return False
        for name, node in self.nodes.items():
            twin = other.nodes[name]
            ours, theirs = node.layer, twin.layer
            assert isinstance(ours, Operator) and isinstance(theirs, Operator)
            if node.inputs != twin.inputs or ours.use != theirs.use or ours.held != theirs.held:
                return False
            if any(not alike(ours.arrays[n], theirs.arrays[n]) for n in ours.uncounted):
                return False
        return True

    @property
    def totals(self) -> Totals:
        """The whole module's figures: every parameter once, called or not; buffers are no parameters."""
        found = super().totals
        params, trainable, _, size = self.counts
        return found._replace(
            params=params,
            trainable=trainable,
            non_trainable=params - trainable,
            bytes=size,
        )

    def at(self, inputs: dict[str, Shape]) -> TorchGraph:
        """A recording is of one size of input: raises `ShapeError` for another."""
        known = ", ".join(f"{n} {tuple(s)}" for n, s in self.inputs.items())
        raise ShapeError(
            f"{self.name} was recorded on {known}: open the module with an example of the other size"
        )


class NotRun(Layer):
    """A module that was not run: its parameters, and nothing of what it does."""

    inputs_taken = (0, None)
    channels_last = False

    def __init__(self, name: str, called: str, own: Mapping[str, Any], met: Container[int]) -> None:
        self.called = called
        super().__init__()
        self.name, self.own = name, own
        self.shapes = {n: tuple(p.shape) for n, p in own.items()}
        self.trained = sum(p.numel() for p in own.values() if p.requires_grad)

    @property
    def kind(self) -> str:
        return self.called

    @property
    def opaque(self) -> bool:
        return True

    def opaque_facts(self, shapes: Sequence[Shape]) -> tuple[Shape, dict[str, Shape], Size]:
        return UNKNOWN_SHAPE, self.shapes, self.trained


def alike(ours: Callable[[], Any], theirs: Callable[[], Any]) -> bool:
    """Whether two constants are the same numbers."""
    import numpy as np

    a, b = ours(), theirs()
    return a.shape == b.shape and (
        a.__array_interface__["data"] == b.__array_interface__["data"]
        or np.array_equal(a, b, equal_nan=True)
    )


def flags_of(modules: Mapping[str, Any]) -> list[bool]:
    """Return which parameters of modules learn, in their order."""
    held = [
        p for one in modules.values() for _, p in one._parameters.items()
    ]  # TorchScript's is no dict
    return [p.requires_grad for p in held if p is not None]


def counts_of(modules: Iterable[Any]) -> tuple[int, int, int, int]:
    """Return how many parameters modules have, how many are trained, numbers in buffers, and bytes."""
    every: dict[int, Any] = {}
    buffers: dict[int, Any] = {}
    for one in modules:
        for found, held in ((every, one._parameters), (buffers, one._buffers)):
            for tensor in held.values() if held else ():
                if tensor is not None:
                    found[id(tensor)] = tensor
    numbers = trained = size = 0
    for parameter in every.values():
        count = parameter.numel()
        numbers += count
        if parameter.requires_grad:
            trained += count
        size += count * parameter.element_size()
    return numbers, trained, sum(b.numel() for b in buffers.values()), size

"""Gradients through a whole network: each layer's adjoint equation, evaluated from the end backwards."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from convscope.errors import UnsupportedError
from convscope.model.graph import Graph, Node, tensor_names
from convscope.notation import Equation
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate_all
from convscope.typed import Array


class Backward:
    """What a change of each activation and each weight does to one number, worked out when asked for.

    activations   every activation of a run, without a batch axis
    seeds         what a change of some activations does to that number, to begin with
    dtype         what it is computed in: float64, or float32 where that is asked for
    """

    def __init__(
        self,
        graph: Graph,
        activations: Mapping[str, Array],
        seeds: Mapping[str, Array],
        dtype: Any = np.float64,
    ) -> None:
        self.graph, self.activations, self.seeds = graph, activations, dict(seeds)
        self.dtype = np.dtype(dtype)
        self._activations: dict[str, Array] = {}
        self._adjoints: dict[str, dict[str, Equation]] = {}

    @cached_property
    def reached(self) -> frozenset[str]:
        """The layers and inputs on which the number may depend."""
        return frozenset(self.graph.needed(list(self.seeds))) | {
            feed
            for name in self.graph.needed(list(self.seeds))
            for feed in self.graph.nodes[name].inputs
        }

    @cached_property
    def consumers(self) -> dict[str, list[tuple[Node, str]]]:
        """For each layer and input: who reads it on the way to the number, and as which tensor."""
        found: dict[str, list[tuple[Node, str]]] = {}
        for name in self.graph.needed(list(self.seeds)):
            node = self.graph.nodes[name]
            for tensor, feed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True):
                found.setdefault(feed, []).append((node, tensor))
        return found

    def adjoint(self, node: Node) -> dict[str, Equation]:
        """Return the gradients of what a layer reads; raise `UnsupportedError` where it has no equation."""
        if node.name not in self._adjoints:
            self._adjoints[node.name] = adjoint(self.equation(node))
        return self._adjoints[node.name]

    def equation(self, node: Node) -> Equation:
        """Return a layer's equation; raise `UnsupportedError` where it has none."""
        equation = self.graph.facts[node.name].equation
        if equation is None:
            raise UnsupportedError(
                f"{node.name} ({node.layer.kind}) has no equation, so nothing can be led back through it"
            )
        return equation

    def check(self, name: str, weight: bool) -> None:
        """Raise `UnsupportedError` where something on the way back to a layer has no equation."""
        for one in self._later(name):
            self.equation(self.graph.nodes[one])
        if weight:
            self.equation(self.graph.nodes[name])

    def values(self, node: Node) -> dict[str, Any]:
        """Return what the adjoint equations of a layer read."""
        values: dict[str, Any] = dict(node.layer.weights)
        for tensor, feed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True):
            values[tensor] = self.activations[feed]
        values[OUTPUT] = self.activation(node.name)
        return values

    def activation(self, name: str) -> Array:
        """Return what a change of each number of a layer's activation, or of an input, does."""
        if name in self._activations:
            return self._activations[name]
        # what comes later first, so that no chain is followed by recursion
        order = [n for n in reversed(self.graph.needed(list(self.seeds))) if n in self._later(name)]
        for one in [*order, name]:
            if one not in self._activations:
                self._activations[one] = self._gathered(one)
        return self._activations[name]

    def _later(self, name: str) -> set[str]:
        found, stack = set[str](), [name]
        while stack:
            for node, _ in self.consumers.get(stack.pop(), ()):
                if node.name not in found and node.name not in self._activations:
                    found.add(node.name)
                    stack.append(node.name)
        return found

    def _gathered(self, name: str) -> Array:
        shape = self.activations[name].shape
        total = np.zeros(shape, self.dtype)
        if name in self.seeds:
            total += self.seeds[name]
        for node, tensor in self.consumers.get(name, ()):
            found = self.adjoint(node).get(tensor)
            if found is not None:
                total += evaluate_all(found, self.values(node), self.dtype)
        return total

    def holders(self, node: Node) -> list[Node]:
        """Return where a layer is used on the way to the number: several nodes where it is shared."""
        used = self.graph.needed(list(self.seeds))
        return [n for n in map(self.graph.nodes.__getitem__, used) if n.layer is node.layer]

    def weight(self, node: Node, weight: str) -> Array:
        """Return what a change of each number of a layer's weight does."""
        total = np.zeros(node.layer.weights[weight].shape, self.dtype)
        for one in self.holders(node):
            found = self.adjoint(one).get(weight)
            if found is not None:
                total += evaluate_all(found, self.values(one), self.dtype)
        return total

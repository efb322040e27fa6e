"""What a rule is given: a network's graph and weights, numbers to try its equations on, edits to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from convscope.checks.counted import Counted
from convscope.engine.backing import Backing
from convscope.errors import ConvscopeError, NotBuiltError
from convscope.layers.base import tensor_names
from convscope.model.editing import Edit
from convscope.model.facts import Facts
from convscope.model.graph import Graph, Node
from convscope.model.maps import channel_axes
from convscope.notation import Equation
from convscope.notation.cone import Link, cone
from convscope.notation.evaluation import evaluate
from convscope.notation.sizes import is_known
from convscope.typed import Array

MOST_EDITED = 40_000
"""So many layers are made again, all edits that are tried taken together."""

TRIED = 24
"""At so many positions a proof compares numbers."""


class Subject:
    """A network that rules look at.

    activations   those of a run, with each input's own array; None without an image
    low, high     between which the numbers of the image lie
    counted       what a survey counted; None without one
    """

    def __init__(
        self,
        graph: Graph,
        backing: Backing,
        seed: int = 0,
        activations: Mapping[str, Array] | None = None,
        low: float = 0.0,
        high: float = 1.0,
        counted: Counted | None = None,
    ) -> None:
        self.graph, self.backing, self.seed = graph, backing, seed
        self.activations = activations
        self.low, self.high = low, high
        self.counted = counted
        self._edited = 0

    # -- what there is ----------------------------------------------------------------------------

    def stated(self) -> Iterator[tuple[Node, Facts, Equation]]:
        """Yield every node that has an equation, with all its sizes known."""
        for name, node in self.graph.nodes.items():
            facts = self.graph.facts[name]
            shapes = (facts.output_shape, *facts.input_shapes)
            if facts.equation is not None and all(is_known(s) for shape in shapes for s in shape):
                yield node, facts, facts.equation

    def symbolic(self) -> Iterator[str]:
        """Yield the nodes that have an equation, of sizes that are not all known."""
        for name, facts in self.graph.facts.items():
            shapes = (facts.output_shape, *facts.input_shapes, *facts.weights.values())
            if facts.equation is not None and not all(is_known(s) for at in shapes for s in at):
                yield name

    def equation(self, name: str) -> Equation | None:
        """Return a node's equation; None for an input, and where it has none."""
        return self.graph.facts[name].equation if name in self.graph.facts else None

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """Who reads a node or an input, each as often as it does."""
        found: dict[str, list[str]] = {}
        for node in self.graph.nodes.values():
            for name in node.inputs:
                found.setdefault(name, []).append(node.name)
        return found

    def only_reader(self, name: str) -> str | None:
        """Return the one node that reads another; None where there are more, or it leaves the network."""
        found = self.readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.graph.outputs else None

    def channel_axis(self, name: str) -> int | None:
        """Return which axis of a node's or an input's shape picks the map; None for a row of numbers."""
        return channel_axes(self.graph).get(name)

    def weights(self, name: str) -> dict[str, Array]:
        """Return a node's weights by the names that its equation has for them."""
        return self.graph.nodes[name].layer.weights

    # -- numbers ----------------------------------------------------------------------------------

    def random(self, shape: Sequence[int], salt: int = 0) -> Array:
        """Return float32 numbers of both signs; the same for the same shape and salt.

        Raises `NotBuiltError` where a size is a symbol.
        """
        if not all(is_known(size) for size in shape):
            raise NotBuiltError(f"no numbers can be drawn for the symbolic shape {tuple(shape)}")
        rng = np.random.default_rng([self.seed, salt, *shape])
        found: Array = rng.standard_normal(tuple(shape)).astype(np.float32)
        return found

    def positions(self, name: str, count: int = TRIED) -> list[tuple[int, ...]]:
        """Return positions of a node's output to try, its first and its last among them."""
        shape = self.graph.shape(name)
        rng = np.random.default_rng([self.seed, *shape])
        found = [tuple(int(rng.integers(s)) for s in shape) for _ in range(count)]
        found[:2] = [(0,) * len(shape), tuple(s - 1 for s in shape)]
        return list(dict.fromkeys(found))

    def number(
        self,
        name: str,
        position: Sequence[int],
        given: Mapping[str, Array],
        weights: Mapping[str, Mapping[str, Array]] | None = None,
    ) -> float:
        """Return one number of a node, from arrays of nodes or inputs before it, by the equations.

        weights   node → weights that it shall have instead of its own
        """
        links: dict[str, Link] = {}
        for at in self.graph.needed([name]):
            node, equation = self.graph.nodes[at], self.graph.facts[at].equation
            if at in given:
                continue
            if any(n not in links and n not in given for n in node.inputs) or equation is None:
                continue  # before what was given
            feeds = dict(zip(tensor_names(len(node.inputs)), node.inputs, strict=True))
            links[at] = Link(
                equation, feeds, {**node.layer.weights, **((weights or {}).get(at) or {})}
            )
        made = cone(links, name, position, given)
        return evaluate(links[name].equation, position, made.values)

    def unchanged(
        self,
        name: str,
        given: Mapping[str, Array],
        other: Mapping[str, Array],
        weights: Mapping[str, Mapping[str, Array]] | None = None,
    ) -> int | None:
        """Return at how many positions of a node numbers are the same, whatever differs; None if any is another.

        What is NaN both times is the same.
        """
        positions = self.positions(name)
        for at in positions:
            was, now = self.number(name, at, given), self.number(name, at, other, weights)
            if was != now and not (np.isnan(was) and np.isnan(now)):
                return None
        return len(positions)

    # -- what would be otherwise ------------------------------------------------------------------

    def edited(self, edits: Iterable[tuple[str, str, Any]]) -> Graph | None:
        """Return the graph with settings changed; None where that cannot be, or enough was tried."""
        self._edited += len(self.graph.nodes)
        if self._edited > MOST_EDITED:
            return None
        try:
            _, made = self.backing.edited(self.graph, [Edit(*edit) for edit in edits], self.seed)
        except ConvscopeError:
            return None
        return made.graph

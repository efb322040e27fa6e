"""One number of a unit from given arrays, in float64, and how far float32 may be off: its own error, not what it inherited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from convscope.checks.forms import at_own_place
from convscope.comparing.units import Unit, Units
from convscope.layers.base import tensor_names
from convscope.notation import Equation
from convscope.notation.cone import Link, cone
from convscope.notation.evaluation import evaluate
from convscope.notation.ledger import Ledger, ledger
from convscope.typed import Array

Weights = Mapping[str, Mapping[str, Array]]
Equations = Mapping[str, Equation]


class Number(NamedTuple):
    """A number by the equations, and how far an engine in float32 may be from it."""

    value: float
    rounding: float


class Computing:
    """What is needed to compute numbers of one unit from what feeds it, by the equations alone.

    equations, weights   of nodes that shall have others than their own
    """

    def __init__(
        self,
        units: Units,
        unit: Unit,
        weights: Weights | None = None,
        equations: Equations | None = None,
    ) -> None:
        graph = units.graph
        self.unit = unit
        self.links: dict[str, Link] = {}
        stop, needed, stack = {*unit.feeds, *graph.inputs}, set[str](), [unit.name]
        while stack:
            name = stack.pop()
            if name not in needed and (name not in stop or name == unit.name):
                needed.add(name)
                stack += [n for n in graph.nodes[name].inputs if n in graph.nodes]
        for name in graph.nodes:
            if name not in needed:
                continue
            node = graph.nodes[name]
            equation = (equations or {}).get(name) or graph.facts[name].equation
            assert equation is not None
            feeds = dict(zip(tensor_names(len(node.inputs)), node.inputs, strict=True))
            own = {**node.layer.weights, **((weights or {}).get(name) or {})}
            self.links[name] = Link(equation, feeds, own)

    def ledger(self, position: Sequence[int], given: Mapping[str, Array]) -> Ledger:
        """Return the arithmetic of the unit's first sum, at a position."""
        return self._ledger_of(self.unit.nodes[0], position, given)

    def value(self, position: Sequence[int], given: Mapping[str, Array]) -> float:
        """Return the number at a position alone, which costs a quarter of what its room costs."""
        last = self.unit.name
        return evaluate(self.links[last].equation, position, self._of(last, position, given))

    def at(self, position: Sequence[int], given: Mapping[str, Array]) -> Number:
        """Return the number at a position, and its room: each node's own roundings, led on by those after it."""
        nodes = [name for name in self.unit.nodes if name in self.links]
        found = self._ledger_of(nodes[0], position, given)
        value, room = found.value, found.rounding
        for n, name in enumerate(nodes[1:], 1):
            link = self.links[name]
            if len(link.feeds) > 1 or not at_own_place(link.equation):
                return self._mixed(nodes[n:], position, given, room)
            value, room = _led_on(link, position, value, room)
        return Number(value, room)

    def _mixed(
        self, nodes: Sequence[str], position: Sequence[int], given: Mapping[str, Array], room: float
    ) -> Number:
        """Return a number whose last steps read more than one number: a softmax, a gate.

        A softmax moves by at most half of what goes into it does; x · sigmoid(x) by at most 1.1 times.
        """
        found = self._ledger_of(nodes[-1], position, given)
        return Number(found.value, 2 * room + found.rounding)

    def _ledger_of(self, name: str, position: Sequence[int], given: Mapping[str, Array]) -> Ledger:
        return ledger(
            self.links[name].equation, position, self._of(name, position, given), "float32"
        )

    def _of(
        self, name: str, position: Sequence[int], given: Mapping[str, Array]
    ) -> Mapping[str, Any]:
        needed = {feed for link in self.links.values() for feed in link.feeds.values()} - set(
            self.links
        )
        return cone(self.links, name, position, {n: given[n] for n in needed}).values


def _led_on(link: Link, position: Sequence[int], value: float, room: float) -> Number:
    """Return what a node makes of the one number that it reads, and of how far that may be off."""
    tensor, shape = next(iter(link.feeds)), tuple(link.equation.shape)

    def values(number: float) -> dict[str, Any]:
        return {**link.weights, tensor: np.broadcast_to(np.float64(number), shape)}

    now, low, high = (
        evaluate(link.equation, position, values(n)) for n in (value, value - room, value + room)
    )
    own = ledger(link.equation, position, values(value), "float32").rounding
    return Number(now, max(abs(low - now), abs(high - now)) + own)

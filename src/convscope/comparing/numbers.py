"""One number of a unit from given arrays, in float64, and how far its engine may be off: its own error, not what it inherited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from convscope.checks.forms import at_own_place
from convscope.comparing.units import Unit, Units
from convscope.layers.base import tensor_names
from convscope.notation import Equation
from convscope.notation.cone import Link, cone
from convscope.notation.evaluation import AT_ONCE, evaluate, evaluate_all, gathered
from convscope.notation.expression import Reduction
from convscope.notation.ledger import Ledger, ledger
from convscope.notation.rounding import ROUNDING
from convscope.notation.scattered import Positions, bounded, numbers
from convscope.notation.sizes import is_known, product
from convscope.typed import Array

Weights = Mapping[str, Mapping[str, Array]]
Equations = Mapping[str, Equation]


class BoundedNumber(NamedTuple):
    """A number by the equations, and how far an engine may be from it that computes in the unit's types."""

    value: float
    rounding: float


class Computing:
    """What is needed to compute numbers of one unit from what feeds it, by the equations alone.

    equations, weights   of nodes that shall have others than their own

    `dtype` is the coarsest type in which one of its nodes computes.
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
        self._found: tuple[Mapping[str, Array], Mapping[str, Any]] | None = None
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
        kinds = {graph.nodes[name].layer.dtype for name in self.links}
        self.dtype = max(kinds, key=ROUNDING.__getitem__, default="float32")

    @property
    def weighted(self) -> list[str]:
        """The unit's nodes that have weights."""
        return [name for name in self.unit.nodes if name in self.links and self.links[name].weights]

    @property
    def steps(self) -> tuple[str, str, str]:
        """The unit's first node, the last that has weights, and the last."""
        nodes = [name for name in self.unit.nodes if name in self.links]
        return nodes[0], (self.weighted or nodes)[-1], nodes[-1]

    def ledger(self, position: Sequence[int], given: Mapping[str, Array], name: str) -> Ledger:
        """Return the arithmetic of one of the unit's nodes, at a position."""
        return self._ledger_of(name, position, given)

    def values(self, positions: Positions, given: Mapping[str, Array]) -> Array:
        """Return the numbers at some positions alone, which costs a quarter of what their rooms cost."""
        if self._together(positions):
            return numbers(self.links, self.unit.name, positions, given)
        last = self.unit.name
        equation = self.links[last].equation
        return np.array([evaluate(equation, at, self._of(last, at, given)) for at in positions])

    def bounded(self, positions: Positions, given: Mapping[str, Array]) -> list[BoundedNumber]:
        """Return the numbers at some positions, with their rooms."""
        names = [name for name in self.unit.nodes if name in self.links]
        alone = all(len(self.links[name].feeds) == 1 for name in names[1:])
        if not alone or not self._together(positions):
            return [self._at(position, given) for position in positions]
        found = bounded(self.links, names, positions, given, self.dtype)
        return [BoundedNumber(*map(float, pair)) for pair in zip(*found, strict=True)]

    def _together(self, positions: Positions) -> bool:
        """Whether positions may be computed at once: only the unit's first node reads more than its own place."""
        first = self.unit.nodes[0]
        for name, link in self.links.items():
            equation = link.equation
            bodies = [item.expression for item in equation.locals]
            if name != first:
                bodies.append(equation.expression)
            if any(isinstance(node, Reduction) for body in bodies for node in body.walk()):
                return False
            if name != first and name in self.unit.nodes and not at_own_place(equation):
                return False
        return len(positions) * gathered(self.links[first].equation) <= AT_ONCE

    def _at(self, position: Sequence[int], given: Mapping[str, Array]) -> BoundedNumber:
        """Return the number at a position, and its room: each node's own roundings, led on by those after it."""
        nodes = [name for name in self.unit.nodes if name in self.links]
        found = self._ledger_of(nodes[0], position, given)
        value, room = found.value, found.rounding
        for n, name in enumerate(nodes[1:], 1):
            link = self.links[name]
            if len(link.feeds) > 1 or not at_own_place(link.equation):
                return self._mixed(nodes[n:], position, given, room)
            value, room = _led_on(link, position, value, room, self.dtype)
        return BoundedNumber(value, room)

    def _mixed(
        self, nodes: Sequence[str], position: Sequence[int], given: Mapping[str, Array], room: float
    ) -> BoundedNumber:
        """Return a number whose last steps read more than one number: a softmax, a gate.

        A softmax moves by at most half of what goes into it does; x · sigmoid(x) by at most 1.1 times.
        """
        found = self._ledger_of(nodes[-1], position, given)
        return BoundedNumber(found.value, 2 * room + found.rounding)

    def _ledger_of(self, name: str, position: Sequence[int], given: Mapping[str, Array]) -> Ledger:
        return ledger(
            self.links[name].equation, position, self._of(name, position, given), self.dtype
        )

    def _of(
        self, name: str, position: Sequence[int], given: Mapping[str, Array]
    ) -> Mapping[str, Any]:
        if name == self.unit.name and self._spans:
            return self._whole(given)
        needed = {feed for link in self.links.values() for feed in link.feeds.values()} - set(
            self.links
        )
        return cone(self.links, name, position, {n: given[n] for n in needed}).values

    @cached_property
    def _spans(self) -> bool:
        """Whether the last node's numbers read all that comes before them, which is then computed once."""
        before = [link.equation for name, link in self.links.items() if name != self.unit.name]
        work = sum(product(equation.shape) * gathered(equation) for equation in before)
        return (
            bool(before)
            and not at_own_place(self.links[self.unit.name].equation)
            and is_known(work)
            and work <= AT_ONCE
        )

    def _whole(self, given: Mapping[str, Array]) -> Mapping[str, Any]:
        """Return what the last node reads: its weights, and all of what feeds it."""
        if self._found is None or self._found[0] is not given:
            arrays: dict[str, Any] = dict(given)
            values: Mapping[str, Any] = {}
            for name, link in self.links.items():
                values = {**link.weights, **{t: arrays[f] for t, f in link.feeds.items()}}
                if name != self.unit.name:
                    arrays[name] = evaluate_all(link.equation, values)
            self._found = given, values
        return self._found[1]


def _led_on(
    link: Link, position: Sequence[int], value: float, room: float, dtype: str
) -> BoundedNumber:
    """Return what a node makes of the one number that it reads, and of how far that may be off."""
    tensor, shape = next(iter(link.feeds)), tuple(link.equation.shape)

    def values(number: float) -> dict[str, Any]:
        return {**link.weights, tensor: np.broadcast_to(np.float64(number), shape)}

    now, low, high = (
        evaluate(link.equation, position, values(n)) for n in (value, value - room, value + room)
    )
    own = ledger(link.equation, position, values(value), dtype).rounding
    return BoundedNumber(now, max(abs(low - now), abs(high - now)) + own)

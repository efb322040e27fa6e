"""Numbers of a chain of equations at scattered positions, all at once, and how far an engine may be from each.

A cone computes a patch of every link before the number that is asked for. Here what stands before a link is computed
at the places that it reads, and nowhere else: right where each later link reads one number for each of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convscope.notation.cone import Link
from convscope.notation.equation import Equation
from convscope.notation.evaluation import Evaluator, Values, bordered
from convscope.notation.expression import Local, Read, Tensor
from convscope.notation.index import Axis
from convscope.notation.rounding import LEAST, Rounding
from convscope.typed import Array

Positions = Sequence[Sequence[int]]


def numbers(
    links: Mapping[str, Link], target: str, positions: Positions, given: Mapping[str, Array]
) -> Array:
    """Return the numbers of `target` at these positions, in float64.

    given   the arrays that are known from the start; the links that lead to them are not looked at
    """
    end = _End(links, target, given)
    return _row(end.value(end.equation.expression, end.at(positions), 1), positions)


def bounded(
    links: Mapping[str, Link],
    names: Sequence[str],
    positions: Positions,
    given: Mapping[str, Array],
    dtype: str = "float32",
) -> tuple[Array, Array]:
    """Return the numbers of the last of some links in a row, and how far an engine of this type may be from each.

    names   the links that round, in their order: what is before the first only moves numbers, each later one reads
            one number at its own place, and leads on how far that may be off
    """
    first, *others = names
    end = _End(links, first, given)
    least = LEAST.get(dtype, 0.0)
    value, room = Rounding(end, dtype).of(end.equation.expression, end.at(positions), 1)
    value, room = _row(value, positions), _row(room, positions) + least
    for name in others:
        link = links[name]
        at = dict(zip(link.equation.axes, np.array(positions).T, strict=True))
        tensor = next(iter(link.feeds))

        def led(number: Any, link: Link = link, tensor: str = tensor) -> Standing:
            return Standing({**link.weights, tensor: number}, link.equation)

        body = link.equation.expression
        now, own = Rounding(led(value), dtype).of(body, at, 1)
        low, high = (led(n).value(body, at, 1) for n in (value - room, value + room))
        moved = np.maximum(np.abs(low - now), np.abs(high - now))
        value, room = _row(now, positions), _row(moved + own + least, positions)
    return value, room


def _row(found: Any, positions: Positions) -> Array:
    return np.broadcast_to(np.asarray(found, np.float64), (len(positions),))


class Standing(Evaluator):
    """Evaluates an equation that reads its inputs at its own place: their numbers are rows, one for each position."""

    def __init__(self, values: Values, equation: Equation) -> None:
        super().__init__(values)
        self._sizes = equation.sizes

    def read(self, node: Read, given: Mapping[Axis, Any], depth: int) -> Any:
        """Return the row for an input; what a read gives else."""
        if node.tensor.role == "input" and not isinstance(node.tensor, Local):
            return self.values[node.tensor.name]
        return super().read(node, given, depth)


class _End(Evaluator):
    """The last link of a chain: what it reads of links before it is computed where it reads it."""

    def __init__(self, links: Mapping[str, Link], name: str, given: Mapping[str, Array]) -> None:
        link = links[name]
        self.equation = link.equation
        fed = {t: feed for t, feed in link.feeds.items() if feed not in given}
        super().__init__(
            {**link.weights, **{t: given[f] for t, f in link.feeds.items() if t not in fed}}
        )
        self.before = {tensor: _End(links, feed, given) for tensor, feed in fed.items()}
        self._sizes = self.equation.sizes

    def at(self, positions: Positions) -> dict[Axis, Any]:
        """Return where the axes of the output are, for each position."""
        return dict(zip(self.equation.axes, np.array(positions).T, strict=True))

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Return a tensor's whole shape."""
        before = self.link(tensor)
        return super().shape(tensor) if before is None else tuple(before.equation.shape)

    def link(self, tensor: Tensor) -> _End | None:
        """Return the link that gives a tensor; None for what is given, weights and locals."""
        return None if isinstance(tensor, Local) else self.before.get(tensor.name)

    def read(self, node: Read, given: Mapping[Axis, Any], depth: int) -> Any:
        """Return what a read gives, computed by the link before where there is one."""
        before = self.link(node.tensor)
        if before is None:
            return super().read(node, given, depth)
        places, shape = [index.at(given) for index in node.indices], self.shape(node.tensor)
        inside = self.inside(node, given, places, shape)
        if inside is not True:
            places = [np.clip(p, 0, size - 1) for p, size in zip(places, shape, strict=True)]
        inner = dict(zip(before.equation.axes, places, strict=True))
        return bordered(
            before.value(before.equation.expression, inner, depth), inside, node.outside
        )

"""The numbers of two networks, a stretch of layers at a time: what is held at once is bounded, however deep they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from convscope.comparing.matching import Pair
from convscope.comparing.units import Unit
from convscope.model.graph import Graph
from convscope.notation.sizes import is_known, product
from convscope.typed import Array, Protocol, Record

HELD = 512 << 20
"""So many bytes of activations are held at once, of both networks together; at least what one pair needs."""


class Numbers(Protocol):
    """What gives a network's numbers for one image."""

    @property
    def inputs(self) -> Mapping[str, Array]:
        """The network's inputs, each without the batch."""

    def values(self, names: Sequence[str]) -> Mapping[str, Array]:
        """Return these layers' activations, as far as they can be computed: one run of the network."""


class Stretch(Record):
    """Some pairs in a row, and of which layers of either network their numbers are needed."""

    pairs: tuple[Pair, ...]
    names: tuple[tuple[str, ...], tuple[str, ...]]


def stretches(pairs: Sequence[Pair], a: Graph, b: Graph) -> Iterator[Stretch]:
    """Yield all pairs in their order, as many together as may be held."""
    here: list[Pair] = []
    names: tuple[dict[str, int], dict[str, int]] = {}, {}
    for pair in pairs:
        both = pair.one is not None and pair.other is not None
        wanted = (
            _needed(a, pair.one if both else None),
            _needed(b, pair.other if both else None),
        )
        size = sum(sum({**old, **new}.values()) for old, new in zip(names, wanted, strict=True))
        if here and size > HELD:
            yield Stretch(tuple(here), (tuple(names[0]), tuple(names[1])))
            here, names = [], ({}, {})
        here.append(pair)
        for old, new in zip(names, wanted, strict=True):
            old.update(new)
    if here:
        yield Stretch(tuple(here), (tuple(names[0]), tuple(names[1])))


def _needed(graph: Graph, unit: Unit | None) -> dict[str, int]:
    """Return the layers whose numbers a unit needs, its own and what feeds it, and how many bytes those are."""
    if unit is None:
        return {}
    found = {}
    for name in (unit.name, *unit.feeds):
        if name in graph.nodes:
            shape = graph.shape(name)
            found[name] = 4 * int(product(shape)) if all(map(is_known, shape)) else 0
    return found

"""A structure's fingerprint: equal for the same network in another format, or with other names."""

from __future__ import annotations

import hashlib

from convscope.checks.forms import filter_axis
from convscope.comparing.units import Unit, Units
from convscope.model.graph import Graph


def fingerprint(graph: Graph) -> str:
    """Return 64 hexadecimal digits that say what a network computes, its weights' numbers aside.

    Two networks have the same where their layers compute the same in the same order: names, the format and the
    order of axes do not matter; a setting, a size or a connection does. Of a layer without an equation its kind
    and its shape are all that counts.
    """
    units = Units(graph)
    known: dict[str, bytes] = {}
    for number, (name, shape) in enumerate(graph.inputs.items()):
        known[name] = _hash("input", number, sorted(map(str, shape)))
    for unit in units:
        feeds = [known[feed] for feed in unit.feeds]
        if unit.kind in ("add", "multiply"):
            feeds.sort()
        known[unit.name] = _hash(*_said(units, unit), *feeds)
    ends = [known[units.source(name)] for name in graph.outputs]
    return _hash("network", *ends).hex()


def _said(units: Units, unit: Unit) -> tuple[object, ...]:
    shape = [str(size) for size in units.graph.shape(unit.name)]
    equation = units.equation_of(unit.nodes[0])
    place = None if equation is None else filter_axis(equation)
    if place is None:  # which of the axes are the channels' cannot be told
        shape = sorted(size for size in shape if size != "1")
    else:
        shape = [shape[place], *shape[:place], *shape[place + 1 :]]
    paddings = sorted(units.padding(unit))
    biased = unit.kind == "sum" and units.biased(unit)
    return (*unit.signature, unit.normal, tuple(shape), tuple(paddings), biased)


def _hash(*parts: object) -> bytes:
    made = hashlib.sha256()
    for part in parts:
        text = part if isinstance(part, bytes) else repr(part).encode()
        made.update(len(text).to_bytes(8, "big") + text)
    return made.digest()

"""A comparison as parts and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convscope.explain.ledger_parts import ledger_parts
from convscope.explain.words import exact, grouped, join, scientific, times
from convscope.notation.sizes import is_known
from convscope.parts import (
    NONE,
    Column,
    Document,
    Formula,
    Heading,
    Paragraph,
    Part,
    Span,
    Table,
    Words,
    at_least,
    figure,
)

if TYPE_CHECKING:
    from convscope.comparing.comparison import Compared, Comparison, First

SHOWN = 60
"""Of more layers than this only those are shown that differ, and the first and last."""

_COLUMNS = (
    Column("layer of the first"),
    Column("of the second"),
    Column("output"),
    Column("weights"),
    Column("largest difference", "right"),
    Column("of its own", "right"),
    Column(""),
)


def document(made: Comparison) -> Document:
    """Return the table of layers, and where they first part."""
    one, other = made.names
    parts: list[Part] = [Heading(f"{one} and {other}, compared"), Paragraph(verdict(made))]
    if made.first is not None:
        parts += _first(made.first, made.names, made.ran)
    layers = made.layers
    if len(layers) > SHOWN:
        different = [n for n, layer in enumerate(layers) if not layer.same]
        kept = sorted({*range(8), *different[:SHOWN], len(layers) - 2, len(layers) - 1})
        left = len(layers) - len(kept)
        layers = tuple(layers[n] for n in kept)
        if left:
            parts.append(
                Paragraph(
                    f"{grouped(left)} of the {grouped(len(made.layers))} layers are not shown here."
                )
            )
    parts.append(Table(_COLUMNS, tuple(_row(layer) for layer in layers), tuple(_footer(made))))
    if made.ran:
        parts.append(
            Paragraph(
                "Largest difference: of all numbers of a layer, each network's from its own engine. Of its own: given "
                "the first network's input, by how much the two layers' arithmetic differs where it differs most."
            )
        )
    parts += [Paragraph(remark) for remark in made.remarks]
    return Document(tuple(parts))


def verdict(made: Comparison) -> Words:
    """Return in a sentence or two whether they agree, and where not."""
    count = len(made.layers)
    alone = sum(layer.one is None or layer.other is None for layer in made.layers)
    if made.agree and made.ran:
        told = sum(layer.agrees is True for layer in made.layers)
        rest = (
            f"; the numbers of the other {grouped(count - told)} are equal" if told < count else ""
        )
        said = f"In {grouped(told)} of {grouped(count)} layers every number tried is the same but for its own"
        return [Span("They agree. ", "good"), f"{said} roundings{rest}."]
    if made.agree is None and not made.ran:
        named = join([f"{layer.one} ({layer.why_not})" for layer in made.untold[:8]])
        return f"Whether they agree cannot be told without an image. No layer is known to differ, but not all can be compared: {named}{' and more' if len(made.untold) > 8 else ''}."
    if made.agree is None:
        named = join([str(layer.one or layer.other) for layer in made.untold[:8]])
        return (
            f"Whether they agree cannot be told: no layer is known to differ, but the numbers of {named}"
            f"{' and more' if len(made.untold) > 8 else ''} are not equal, and no equation says why."
        )
    if made.agree:
        said = f"All {grouped(count)} layers are alike in what they compute and in their weights."
        if count == 1:
            said = "The one layer is alike in what it computes and in its weights."
        return f"{said} With an image their numbers are compared, too."
    words: list[str | Span] = [Span("They differ.", "bad")]
    if made.first is not None:
        words.append(f" The first layer whose own arithmetic differs is {made.first.compared.one}.")
    different = sum(
        not layer.alike and layer.one is not None and layer.other is not None
        for layer in made.layers
    )
    if different:
        words.append(
            f" {grouped(different)} pair{'s' if different > 1 else ''} of layers {'do' if different > 1 else 'does'} not compute the same by {'their' if different > 1 else 'its'} equations."
        )
    if alone:
        words.append(f" {grouped(alone)} layer{'s have' if alone > 1 else ' has'} no partner.")
    weights = sum(
        layer.weights is not None and layer.weights.how in ("different", "permuted")
        for layer in made.layers
    )
    if weights and made.first is None:
        words.append(
            f" The weights of {grouped(weights)} layer{'s' if weights > 1 else ''} differ."
        )
    return words


def _first(first: First, names: tuple[str, str], ran: bool) -> Iterator[Part]:
    layer = first.compared
    x, y = first.values
    yield Heading(f"Where they part: {layer.one} and {layer.other}")
    if first.cause is not None:
        yield Paragraph(
            [
                Span("What makes them agree: ", "strong"),
                f"{first.cause}. It was tried, and every number that was compared then agrees.",
            ]
        )
    else:
        yield Paragraph("Nothing that was tried makes them agree.")
    given = f"input, that of {names[0]}" if ran else "numbers, drawn at random"
    yield Paragraph(
        f"Given the same {given}, the number at {first.positions[0]} is {exact(x.value)} in {names[0]} and "
        f"{exact(y.value)} in {names[1]} (there at {first.positions[1]}): {scientific(abs(x.value - y.value))} apart, where "
        f"roundings account for {scientific(x.rounding + y.rounding)} at most."
    )
    for name, led in zip(names, first.ledgers, strict=True):
        if led is None:
            continue
        yield Heading(f"Its arithmetic in {name}", 3)
        yield Formula(str(led.equation), led.equation.latex())
        yield from ledger_parts(led)


def _row(layer: Compared) -> tuple[Words, ...]:
    shape = _shape(layer)
    weights = "" if layer.weights is None else layer.weights.how
    if layer.weights is not None and layer.weights.how not in ("equal",) and layer.weights.largest:
        weights += f" ({scientific(layer.weights.largest)})"
    apart = "" if layer.difference is None else scientific(layer.difference)
    own = "" if layer.own is None else scientific(layer.own)
    return (layer.one or "–", layer.other or "–", shape, weights, apart, own, _sign(layer))


def _sign(layer: Compared) -> Words:
    if layer.one is None or layer.other is None:
        return Span("no partner", "bad")
    if layer.agrees is False:
        return Span(f"differs: {layer.unlike}" if layer.unlike else "differs", "bad")
    if not layer.alike:
        return Span(layer.unlike or "not the same equation", "bad")
    if layer.agrees:
        return Span("agrees", "good")
    return layer.why_not or ""


def _shape(layer: Compared) -> str:
    ours, theirs = layer.shapes
    if ours is None or theirs is None:
        return times(ours or theirs or ())
    if sorted(map(str, ours)) == sorted(map(str, theirs)):
        return times(ours)
    return f"{times(ours)} | {times(theirs)}"


def _footer(made: Comparison) -> Iterator[tuple[Words, ...]]:
    for name, totals in zip(made.names, made.totals, strict=True):
        said = {name: grouped(v) for name, v in totals.items() if is_known(v)}
        if "macs" in said:
            said["macs"] = at_least(said["macs"], totals.get("uncounted_layers", 0))
        words = [
            f"{said[name]} {word}{'' if said[name] == '1' else 's'}"
            for name, word in (("layers", "layer"), ("params", "parameter"), ("macs", "MAC"))
            if said.get(name, NONE) != NONE
        ]
        yield (name, ", ".join(words), "", "", "", "", "")


def to_dict(made: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data."""
    first = made.first
    return {
        "names": list(made.names),
        "agree": made.agree,
        "ran": made.ran,
        "layers": [_plain(layer) for layer in made.layers],
        "first_difference": first
        and {
            "layers": [first.compared.one, first.compared.other],
            "positions": [list(p) for p in first.positions],
            "values": [n.value for n in first.values],
            "roundings": [n.rounding for n in first.values],
            "cause": first.cause,
        },
        "totals": [{k: figure(v) for k, v in totals.items()} for totals in made.totals],
        "remarks": list(made.remarks),
    }


def _plain(layer: Compared) -> dict[str, Any]:
    return {
        "layers": [layer.one, layer.other],
        "kinds": list(layer.kinds),
        "shapes": [None if s is None else [figure(n) for n in s] for s in layer.shapes],
        "same_equation": layer.alike,
        "weights": layer.weights and layer.weights._asdict(),
        "difference": layer.difference,
        "own_difference": layer.own,
        "room": layer.room,
        "agrees": layer.agrees,
        "position": list(layer.position),
        "why_not": layer.why_not or None,
        "unlike": layer.unlike or None,
    }

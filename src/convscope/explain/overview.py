"""A whole network explained on a page: each kind's equation once, a layer a line, repeats folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from convscope.explain.words import dots, grouped, shape_in_words
from convscope.notation.sizes import is_known
from convscope.parts import Column, Document, Formula, Heading, Paragraph, Part, Span, Table, Words

if TYPE_CHECKING:
    from convscope.explain.derivation import LayerExplanation

FULL = 12
"""A network of more layers is explained on a page; one of fewer, layer by layer."""

_COLUMNS = (
    Column("layers"),
    Column("from"),
    Column("to"),
    Column("parameters of each"),
    Column("MACs of each", "right"),
)


def overview(name: str, layers: Sequence[LayerExplanation]) -> Document:
    """Return a network of many layers on a page: kinds in the order in which they first appear."""
    kinds: dict[str, list[LayerExplanation]] = {}
    for layer in layers:
        kinds.setdefault(layer.kind, []).append(layer)
    rows = "rows" if any(layer.nested for layer in layers) else "layers"
    parts: list[Part] = [
        Heading(name, 1),
        Paragraph(
            f"{len(layers):,} {rows} of {_kinds(len(kinds))}. Layers whose sizes are the same share a line; "
            f"convscope explain MODEL LAYER, or net.explain(layer), takes one apart."
        ),
    ]
    for kind, alike in kinds.items():
        many = f"{len(alike):,} layers" if len(alike) > 1 else "1 layer"
        parts.append(Heading(f"{kind}: {many}"))
        parts += _equation(alike)
        parts.append(Table(_COLUMNS, tuple(_rows(alike))))
    return Document(tuple(parts))


def _kinds(many: int) -> str:
    return f"{many:,} kinds" if many > 1 else "one kind"


def _equation(alike: Sequence[LayerExplanation]) -> Iterator[Part]:
    """Yield the equation of the first layer of a kind, and say whether it is that of all."""
    if all(layer.nested for layer in alike):
        yield Paragraph("Networks that are not looked into: a larger --depth does.")
        return
    stated = [layer for layer in alike if layer.equation is not None]
    if not stated:
        yield Paragraph(
            "These have no equation here: they are named and counted, but not explained."
        )
        return
    first = stated[0]
    assert first.equation is not None
    yield Formula(str(first.equation), first.equation.latex())
    same = {str(layer.equation) for layer in stated} == {str(first.equation)}
    if not same:
        yield Paragraph(
            [
                "That is ",
                Span(first.name, "code"),
                "; the others differ in their sizes or settings.",
            ]
        )
    if len(stated) < len(alike):
        without = len(alike) - len(stated)
        yield Paragraph(f"{without:,} of them have no equation here.")


def _rows(alike: Sequence[LayerExplanation]) -> Iterator[tuple[Words, ...]]:
    """Yield a row for every set of sizes, with the first of the layers that have them."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for layer in alike:
        facts = layer.facts
        read = dict.fromkeys(shape_in_words(shape) for shape in facts.input_shapes)
        row = (
            " and ".join(read),
            shape_in_words(facts.output_shape),
            _parameters(layer),
            "–" if facts.macs is None else grouped(facts.macs),
        )
        rows.setdefault(row, []).append(layer.name)
    for row, names in rows.items():
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        yield ((names[0], Span(more, "dim")) if more else names[0], *row)


def _parameters(layer: LayerExplanation) -> str:
    """Return where a layer's count comes from: 3·3·32·64 + 64 = 18,496."""
    if layer.nested:
        return grouped(layer.facts.params)
    shapes = list(layer.counted.values())
    if not shapes:
        return "–"
    params = layer.facts.params
    if len(shapes) > 2 and len(set(shapes)) == 1:
        sums = f"{len(shapes)}·{dots(shapes[0])}"
    else:
        sums = " + ".join(map(dots, shapes))
    return f"{sums} = {grouped(params)}" if is_known(params) and len(sums) > 1 else grouped(params)

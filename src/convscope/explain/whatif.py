"""What an edit changes: every layer's figures, old beside new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.explain.dropped import Dropped, dropped
from convscope.explain.folding import folds
from convscope.explain.summary import summarise
from convscope.explain.words import grouped, join, times
from convscope.model.editing import Change, Edited, shown
from convscope.model.graph import Graph
from convscope.model.naming import called
from convscope.notation.sizes import from_plain, show
from convscope.parts import (
    NO_BREAK,
    Bullets,
    Column,
    Document,
    Figure,
    Heading,
    Paragraph,
    Part,
    Seen,
    Sizes,
    Span,
    Style,
    Summary,
    SummaryRow,
    SummaryTotals,
    Table,
    Words,
    at_least,
    figure,
)
from convscope.typed import Record

FIGURES = ("output_shape", "weights", "params", "macs", "receptive_field")
"""What is compared of every layer, as `summary --json` calls it."""


LISTED = 12
"""Names of more layers than this are not listed in a sentence."""

FULL = 12
"""More layers than this are a line each, with old → new; fewer have two lines, with every figure."""

NEW: Style = "strong"
"""How what is new is marked."""


class Edits(Record):
    """Where an edited network comes from: the graph before the first edit, and all edits since.

    redrawn, unknown, notes   as in `Edited`, of all edits together
    """

    origin: Graph
    changes: tuple[Change, ...]
    redrawn: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def after(cls, before: Edits | None, graph: Graph, made: Edited) -> Edits:
        """Return the history with one more step; settings edited twice are one change."""
        if before is None:
            before = cls(graph.as_it_is(), (), {}, ())
        changes = {(c.layer, c.setting): c for c in before.changes}
        for change in made.changes:
            key = change.layer, change.setting
            first = changes.get(key, change)
            changes[key] = change._replace(old=first.old)
        redrawn = {}
        for name, facts in made.graph.facts.items():
            again = {*before.redrawn.get(name, ()), *made.redrawn.get(name, ())}
            if names := tuple(weight for weight in facts.weights if weight in again):
                redrawn[name] = names
        unknown = tuple(dict.fromkeys((*before.unknown, *made.unknown)))
        notes = tuple(dict.fromkeys((*before.notes, *made.notes)))
        return cls(before.origin, tuple(changes.values()), redrawn, unknown, notes)


class LayerChange(Record):
    """One layer before and after; `old` is None for a layer that was added, `new` for one that is gone.

    dropped   what its strides leave out now, where it changed and has any
    """

    name: str
    kind: str
    changed: bool
    old: SummaryRow | None
    new: SummaryRow | None
    weights_redrawn: tuple[str, ...]
    dropped: tuple[Dropped, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "changed": self.changed,
            "old": None if self.old is None else figures(self.old),
            "new": None if self.new is None else figures(self.new),
            "weights_redrawn": list(self.weights_redrawn),
            "dropped": [d.to_dict() for d in self.dropped],
        }


@dataclass(frozen=True)
class Changes:
    """The table of what edits changed, and what there is to say about it."""

    name: str
    edits: tuple[Change, ...]
    layers: tuple[LayerChange, ...]
    old: SummaryTotals
    new: SummaryTotals
    notes: tuple[str, ...]

    @property
    def changed(self) -> tuple[LayerChange, ...]:
        """The layers that are not as they were, among those that were asked for."""
        return tuple(layer for layer in self.layers if layer.changed)

    def to_dict(self) -> dict[str, Any]:
        """Return what `whatif --json` writes."""
        return {
            "name": self.name,
            "edits": [change._asdict() for change in self.edits],
            "layers": [layer.to_dict() for layer in self.layers],
            "totals": {"old": self.old.to_dict(), "new": self.new.to_dict()},
            "notes": list(self.notes),
        }

    def document(self) -> Document:
        """Return the edits, the layers that changed with old and new beside each other, and notes."""
        parts: list[Part] = [Heading(f"What if, in {self.name}")]
        if self.edits:
            parts.append(Bullets(tuple(map(_edit, self.edits))))
        if len(self.changed) > FULL:
            seen = [layer for layer in self.changed if _sees_more(layer)]
            listed = [layer for layer in self.changed if len(seen) <= FULL or layer not in seen]
            if listed:
                parts.append(_in_lines(listed, self.old, self.new))
            if len(seen) > FULL:
                parts.append(Paragraph(_seen(seen)))
        elif rows := [row for layer in self.changed for row in _rows(layer)]:
            parts.append(Table(_COLUMNS, tuple(rows), _footer(self.old, self.new)))
        parts += [Paragraph(text) for text in self.notes]
        return Document(tuple(parts))


def changes(
    graph: Graph,
    history: Edits | None,
    seed: int,
    layers: str | Sequence[Any] | None = None,
    depth: int | None = None,
) -> Changes:
    """Return what became different since the network that this one was edited from.

    layers, depth   which rows to show, as in `summarise`; the notes are about all
    """
    if history is None:
        history = Edits(graph, (), {}, ())
    old, new = summarise(history.origin, depth), summarise(graph, depth, layers)
    rows = tuple(_layers(graph, history, old, new, depth))
    notes = tuple(_notes(graph, history, rows, old, new, seed))
    if layers is not None:
        asked = {row.name for row in new.visible}
        rows = tuple(row for row in rows if row.name in asked)
    return Changes(graph.name, history.changes, rows, old.totals, new.totals, notes)


def figures(row: SummaryRow) -> dict[str, Any]:
    """Return a layer's figures that are compared, as plain data."""
    whole = row.to_dict()
    return {name: whole[name] for name in FIGURES}


def _layers(
    graph: Graph, history: Edits, old: Summary, new: Summary, depth: int | None
) -> Iterator[LayerChange]:
    before = {row.name: row for row in old.rows}
    after = {row.name: row for row in new.rows}
    edited = {id(graph.node(c.layer).layer) for c in history.changes if c.old != c.new}
    for fold in folds(graph, depth):
        name, row, was = fold.name, after[fold.name], before.get(fold.name)
        nodes = [graph.nodes[n] for n in fold.nodes]
        again = {n: history.redrawn.get(n, ()) for n in fold.nodes}
        redrawn = again[name] if fold.kind is None else tuple(n for n in again if again[n])
        changed = was is None or figures(was) != figures(row) or bool(redrawn)
        changed = changed or any(id(node.layer) in edited for node in nodes)
        left_out = (
            dropped(nodes[0].layer, graph.facts[name]) if changed and fold.kind is None else ()
        )
        yield LayerChange(name, row.kind, changed, was, row, redrawn, left_out)
    for name, row in before.items():
        if name not in after:
            yield LayerChange(name, row.kind, True, row, None, (), ())


# -- in words -------------------------------------------------------------------------------------


def _notes(
    graph: Graph,
    history: Edits,
    layers: tuple[LayerChange, ...],
    old: Summary,
    new: Summary,
    seed: int,
) -> Iterator[str]:
    if not any(layer.changed for layer in layers):
        yield f"Nothing changed: {_as_before(history)}."
        return
    compared = [(layer.old, layer.new) for layer in layers]
    if all(a and b and figures(a) == figures(b) for a, b in compared):
        yield (
            "No shape, weight, parameter, MAC or receptive field changed; only what is computed "
            "from them did."
        )
    rest = [layer.name for layer in layers if not layer.changed]
    if rest:
        named = f": {join(list(map(called, rest)))}" if len(rest) <= LISTED else ""
        count = (
            f"{len(rest):,} other layers stay as they are"
            if len(rest) > 1
            else ("1 other layer stays as it is")
        )
        yield f"{count}{named}."
    if history.redrawn:
        said = [f"{called(name)} ({join(names)})" for name, names in history.redrawn.items()]
        if len(said) > LISTED:
            said = [*said[:LISTED], f"{len(said) - LISTED} more layers"]
        kept = any(
            layer.new and set(layer.new.weights) - set(layer.weights_redrawn) for layer in layers
        )
        yield (
            f"Weights that no longer fit are drawn anew (seed {seed}), and not trained: {join(said)}. "
            f"{'All other weights are kept.' if kept else 'No other weights are left.'}"
        )
    for change in history.changes:
        for symbol in dict.fromkeys(_symbols(change.old, change.new)):
            yield (
                f"{symbol} is taken as a symbol: sizes and counts are written with it. A number, such as "
                f"{change.layer}.{change.setting}={_first_number(change.old)}, gives numbers."
            )
    for layer in layers:
        if layer.dropped and not _sees_more(layer):
            yield f"{called(layer.name)}: {_left_out(layer.dropped)}"
    yield from _about_layers(graph, history)


def _symbols(old: Any, new: Any) -> Iterator[str]:
    """Yield the words that an edit put where numbers stood."""
    if isinstance(new, (list, tuple)):
        old = old if isinstance(old, (list, tuple)) else [old] * len(new)
        for was, now in zip(old, new, strict=False):
            yield from _symbols(was, now)
    elif isinstance(new, str) and isinstance(_first_number(old), int):
        yield new


def _first_number(value: Any) -> Any:
    return _first_number(value[0]) if isinstance(value, (list, tuple)) and value else value


def _about_layers(graph: Graph, history: Edits) -> Iterator[str]:
    for change in history.changes:
        layer = graph.node(change.layer).layer
        uses = [node.name for node in graph.nodes.values() if node.layer is layer]
        if len(uses) > 1:
            yield f"{join(uses)} are one layer, used {len(uses)} times: an edit is one of all of them."
        if change.setting == "pool_size" and not any(
            c.layer == change.layer and c.setting == "strides" for c in history.changes
        ):
            strides = shown(layer.settings().get("strides"))
            yield f"{change.layer}: its strides stay {strides}; they are a setting of their own."
    if history.unknown:
        shown_names = join(history.unknown[:LISTED])
        yield (
            f"Nobody knows what {shown_names} would give on other inputs: there is no equation, "
            f"or none before them."
        )
    yield from history.notes


def _as_before(history: Edits) -> str:
    if not history.changes:
        return "no setting was edited"
    return join([f"{c.layer}.{c.setting} is {shown(c.new)} already" for c in history.changes])


def _left_out(found: tuple[Dropped, ...]) -> str:
    """Return what strides leave out as sentences, axes with the same numbers together."""
    groups: dict[tuple[int, ...], list[Dropped]] = {}
    for one in found:
        groups.setdefault(tuple(one[2:]), []).append(one)
    said = []
    for same in groups.values():
        one = same[0]
        words = join([f"{d.word}s" for d in same])
        text = (
            f"stride {one.stride} keeps {one.kept} of the {one.positions} {words} that stride 1 "
            f"would give and skips {one.skipped}"
        )
        if one.unread:
            ends = (
                f"{one.unread} of the {one.size} input {words} {'is' if one.unread == 1 else 'are'}"
            )
            where = ", at the far edge" if one.unread == one.unread_end else ""
            text += f"; {ends} read by no window{where}"
        said.append(text)
    return f"{'; '.join(said)}."


def _edit(change: Change) -> Words:
    name = Span(f"{change.layer}.{change.setting}", "code")
    if change.old == change.new:
        return (name, f": {shown(change.new)}, as before")
    return (name, f": {shown(change.old)} → ", Span(shown(change.new), NEW))


_COLUMNS = (
    Column("layer"),
    Column(""),
    Column("output"),
    Column("weights"),
    Column("params", "right"),
    Column("MACs", "right"),
    Column("receptive field"),
)


def _rows(layer: LayerChange) -> Iterator[tuple[Words, ...]]:
    """Yield a layer's two rows: as it was, and as it is with what is new marked."""
    old, new = _cells(layer.old), _cells(layer.new)
    yield (layer.name, "was", *old)
    marked: list[Words] = [_beside(a, b) for a, b in zip(old, new, strict=True)]
    if layer.new and layer.weights_redrawn and layer.new.inside is None:
        marked[1] = _weights(layer.new, layer.weights_redrawn)
    yield (Span(f"({layer.kind})", "dim"), Span("now", NEW), *marked)


def _sees_more(layer: LayerChange) -> bool:
    """Whether nothing of a layer changed but its receptive field."""
    if layer.old is None or layer.new is None or layer.weights_redrawn:
        return False
    old, new = figures(layer.old), figures(layer.new)
    return [name for name in FIGURES if old[name] != new[name]] == ["receptive_field"]


def _seen(layers: Sequence[LayerChange]) -> Words:
    """Say of many layers that they see another patch, with the first and the last."""
    ends = [f"{_arrow_text(layer)} ({layer.name})" for layer in (layers[0], layers[-1])]
    return f"Of {len(layers):,} layers nothing changes but the receptive field, from {' to '.join(ends)}."


def _arrow_text(layer: LayerChange) -> str:
    old, new = (row and row.receptive_field for row in (layer.old, layer.new))
    if _size_seen(old) == _size_seen(new):
        return f"{_field(old)} → {_field(new)}"
    return f"{_size_seen(old)} → {_size_seen(new)}"


def _in_lines(changed: Sequence[LayerChange], old: SummaryTotals, new: SummaryTotals) -> Table:
    """Return many layers, one a line: what changed as old → new, columns without a change left out."""
    cells = [
        (layer, _cells(layer.old, short=True), _cells(layer.new, short=True)) for layer in changed
    ]
    totals = {2: (_count(old.params), _count(new.params)), 3: (_work(old), _work(new))}
    places = [n for n in range(len(FIGURES)) if any(a[n] != b[n] for _, a, b in cells)]
    rows = [
        (
            _name(layer),
            *(_arrow(a[n], b[n]) for n in places),
        )
        for layer, a, b in cells
    ]
    footer = ("total", *(_arrow(*totals[n]) if n in totals else "" for n in places))
    columns = [Column("layer (kind)"), *(_COLUMNS[n + 2] for n in places)]
    return Table(tuple(columns), tuple(rows), (footer,) if {*totals} & {*places} else ())


def _name(layer: LayerChange) -> str:
    gone = ", gone" if layer.new is None else ", new" if layer.old is None else ""
    return f"{layer.name} ({layer.kind}{gone})"


def _arrow(old: str, new: str) -> Words:
    """Return a figure that changed as old → new, and one that did not as it is."""
    if old == new:
        return Span(new, "dim")
    return (f"{old} →{NO_BREAK}", Span(new, NEW))


def _beside(old: str, new: str) -> Words:
    """Return a figure as it stands beside the old one."""
    if old == new:
        return new if new == "–" else Span("same", "dim")
    return Span(new, NEW)


def _cells(row: SummaryRow | None, short: bool = False) -> tuple[str, ...]:
    """Return a row's figures as texts; in short, the first weight and the size of the receptive field."""
    if row is None:
        return ("–",) * len(FIGURES)
    named = [_weight(name, shape) for name, shape in row.weights.items()]
    weights = ", ".join(named[:1] if short else named)
    if row.inside is not None and named:
        weights = f"{len(named):,} in its layers"
    return (
        "?" if row.output_shape is None else _sizes(row.output_shape[1:]),
        weights or "–",
        _count(row.params),
        at_least(_count(row.macs), row.inside.uncounted if row.inside else 0),
        _size_seen(row.receptive_field) if short else _field(row.receptive_field),
    )


def _weight(name: str, shape: Sizes) -> str:
    return f"{name}{NO_BREAK}{_sizes(shape)}"


def _weights(row: SummaryRow, redrawn: tuple[str, ...]) -> Words:
    """Return the weights, with those marked that were drawn anew."""
    words: list[str | Span] = []
    for name, shape in row.weights.items():
        text = _weight(name, shape)
        words += [", "] if words else []
        words.append(Span(f"{text} (new)", NEW) if name in redrawn else text)
    return words


def _size_seen(seen: Seen | None) -> str:
    return "–" if seen is None else _sizes(seen.size)


def _field(seen: Seen | None) -> str:
    """Return a receptive field in a few words; that it starts at 0 goes without saying."""
    if seen is None:
        return "–"
    words = [_sizes(seen.size)]
    if any(figure(s) is not None for s in seen.stride):
        words.append(f"stride{NO_BREAK}{_short(seen.stride)}")
    if any(figure(s) != 0 for s in seen.start):
        words.append(f"start{NO_BREAK}{_short(seen.start)}")
    return ", ".join(words)


def _footer(old: SummaryTotals, new: SummaryTotals) -> tuple[tuple[Words, ...], ...]:
    was = ("total", "was", "", "", _count(old.params), _work(old), "")
    numbers = [(_count(old.params), _count(new.params)), (_work(old), _work(new))]
    now = [_beside(a, b) for a, b in numbers]
    return was, ("", Span("now", NEW), "", "", *now, "")


def _sizes(sizes: Sizes) -> str:
    return times(map(_size, sizes)).replace(" ", NO_BREAK) if sizes else "scalar"


def _short(sizes: Sizes) -> str:
    """Return one number where all axes have the same, else all of them."""
    texts = [_text(_size(s)) for s in sizes]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"


def _text(size: Any) -> str:
    return f"{size:g}".replace("-", "−") if isinstance(size, float) else show(size)


def _work(totals: SummaryTotals) -> str:
    return at_least(_count(totals.macs), totals.uncounted)


def _count(value: Figure) -> str:
    return "–" if value is None else grouped(_size(value))


def _size(value: Figure) -> Any:
    """Return a figure of a summary as the size that it was."""
    return value if isinstance(value, float) else from_plain(value)

"""A network's summary as our own table, and as CSV; Keras's two spellings are next door."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod

from convscope.errors import SettingError, did_you_mean
from convscope.parts import (
    NO_BREAK,
    NONE,
    Column,
    Document,
    Figure,
    Paragraph,
    Span,
    Summary,
    SummaryRow,
    SummaryTotals,
    Table,
    Words,
    at_least,
    figure,
)
from convscope.typed import TYPE_CHECKING, Record
from convscope.views import figures
from convscope.views.characters import printable
from convscope.views.wrapping import pieces

if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    from convscope.views.text_table import MeasuredColumn

DEFAULT_COLUMNS = ("layer", "output", "weights", "params", "macs", "receptive_field")
STYLES = ("table", "keras", "keras2")

_Align: TypeAlias = "Literal['left', 'right']"


class _Asked(Record):
    """What a cell is made for: the whole summary, and in how few words (0 for all of them, up to 2)."""

    summary: Summary
    detail: int = 0


class _Kind(Record):
    """A column that can be asked for: its title, its side, its cell, and its total if it has one.

    made_of   what of a row its cell is made of alone: where rows share it, they share the cell
    """

    title: str
    align: _Align
    cell: Callable[[SummaryRow, _Asked], Words]
    total: str = ""
    made_of: Callable[[SummaryRow], object] | None = None


def _none(text: str) -> Words:
    return Span(text, "dim") if text == NONE else text


def _own(row: SummaryRow, value: Any, place: int) -> Words:
    """Return a count that belongs to a layer, not to its every use: what no row above has counted."""
    if row.shared_with and row.weights:
        return Span("shared", "dim")
    if row.own is not None:
        own = row.own[place]
        if figure(own) == 0:
            return Span("shared", "dim")
        if figure(own) is None:
            return Span(NONE, "dim")
        return (Span("shared +", "dim"), f" {figures.count(own)}")
    return _none(figures.count(value))


def _layer(row: SummaryRow, asked: _Asked) -> str:
    kind, detail = _kind(row, asked), asked.detail
    if detail > 1 and row.inside is None and len(row.kind) > _LONGEST_KIND:
        kind = kind.replace(row.kind, _beginning(row.kind), 1)
    return f"{row.name} ({kind})"


_LONGEST_KIND = 15
"""Kinds with longer names are cut where a layer has to keep to a line."""


def _beginning(kind: str) -> str:
    """Return the first words of a kind's name: GlobalAverage… of GlobalAveragePooling2D."""
    words = re.findall(r"[A-Z]?[^A-Z]+|[A-Z]", kind)
    while len(words) > 1 and len("".join(words)) >= _LONGEST_KIND:
        words.pop()
    return f"{''.join(words)[:_LONGEST_KIND]}…"


def _never_run(summary: Summary) -> bool:
    """Whether a network was opened without an input, so that its parameters are all that is known of it."""
    ends = (*summary.rows[:1], *summary.rows[-1:])
    return not summary.inputs and all(row.output_shape is None for row in ends)


def _kind(row: SummaryRow, asked: _Asked) -> str:
    """Return what a row is: Conv2D; LSTM, opaque; Functional of 12 layers, 2 opaque."""
    if row.inside is None:
        return f"{row.kind}{', opaque' if row.opaque and not _never_run(asked.summary) else ''}"
    many = f"{row.inside.layers:,} layer{'s' if row.inside.layers != 1 else ''}"
    unknown = row.inside.opaque and not _never_run(asked.summary)
    opaque = f", {row.inside.opaque:,} opaque" if unknown else ""
    return f"{row.kind} of {many}{opaque}"


def _shape(sizes: Sequence[Any] | None) -> str:
    return "?" if sizes is None else figures.shape(sizes[1:])


def _weights(row: SummaryRow, detail: int) -> Words:
    if row.shared_with and row.weights:
        return Span(f"those of {row.shared_with}", "dim")
    if row.inside is not None:
        return f"{len(row.weights):,} in its layers" if row.weights else _none(NONE)
    return _none(figures.weights(row.weights, detail))


def _share(row: SummaryRow, summary: Summary) -> Words:
    """Return how much of the network's parameters a layer holds; those that are shared, once."""
    own = row.params if row.own is None else row.own[0]
    mine, all_of_them = figure(0 if row.shared_with else own), figure(summary.totals.params)
    if not isinstance(mine, (int, float)) or not isinstance(all_of_them, (int, float)):
        return _none(NONE)
    return f"{mine / all_of_them:.1%}" if mine and all_of_them else _none(NONE)


def _memory(row: SummaryRow) -> Words:
    """Return how many bytes a layer's output takes, in float32."""
    sizes = None if row.output_shape is None else row.output_shape[1:]
    if sizes is None or not all(isinstance(size, int) for size in sizes):
        return _none(NONE)
    return figures.memory(4 * prod(sizes))


def _kernel(row: SummaryRow, summary: Summary) -> Words:
    """Return the window of a convolution, as its weight says."""
    shapes = [shape for shape in row.weights.values() if len(shape) > 2]
    if not shapes or row.inside is not None:
        return _none(NONE)
    first = summary.layout == "channels_first"
    return figures.shape(shapes[0][2:] if first else shapes[0][:-2])


def _attention(row: SummaryRow) -> Words:
    """Return the products between two inputs; most layers have none."""
    return _none(figures.count(row.products) if figure(row.products) else NONE)


_KINDS: dict[str, _Kind] = {
    "layer": _Kind("layer (kind)", "left", _layer),
    "name": _Kind("layer", "left", lambda row, _: row.name),
    "kind": _Kind(
        "kind", "left", lambda row, asked: row.kind if row.inside is None else _kind(row, asked)
    ),
    "activation": _Kind("activation", "left", lambda row, _: _none(row.activation or NONE)),
    "inputs": _Kind("inputs", "left", lambda row, _: _none(", ".join(row.inputs) or NONE)),
    "input": _Kind("input shape", "left", lambda row, _: ", ".join(map(_shape, row.input_shapes))),
    "output": _Kind(
        "output shape",
        "left",
        lambda row, _: _shape(row.output_shape),
        "",
        lambda row: row.output_shape,
    ),
    "weights": _Kind(
        "weights",
        "left",
        lambda row, asked: _weights(row, asked.detail),
        "",
        lambda row: row if row.shared_with or row.inside else row.weights,
    ),
    "params": _Kind("params", "right", lambda row, _: _own(row, row.params, 0), "params"),
    "share": _Kind("of params", "right", lambda row, asked: _share(row, asked.summary)),
    "trainable": _Kind(
        "trainable", "right", lambda row, _: _own(row, row.trainable, 1), "trainable"
    ),
    "macs": _Kind("MACs", "right", lambda row, _: _none(_macs(row)), "macs"),
    "attention": _Kind("attention MACs", "right", lambda row, _: _attention(row), "products"),
    "kernel": _Kind("kernel", "left", lambda row, asked: _kernel(row, asked.summary)),
    "memory": _Kind("output in float32", "right", lambda row, _: _memory(row)),
    "receptive_field": _Kind(
        "receptive field",
        "left",
        lambda row, asked: _none(figures.field(row.receptive_field, asked.detail)),
        "",
        lambda row: row.receptive_field,
    ),
}

COLUMNS = tuple(_KINDS)
"""What `columns=` may name."""


class SummaryTable(Record):
    """A summary and the columns to show of it: the facts that a `Report` is made around."""

    summary: Summary
    columns: tuple[str, ...] = DEFAULT_COLUMNS

    def document(self) -> Document:
        """Return the table and its totals."""
        return document(self.summary, self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Return what `summary --json` writes; the columns chosen make no difference to it."""
        return self.summary.to_dict()


def document(
    summary: Summary,
    columns: Sequence[str] | None = None,
    detail: int = 0,
) -> Document:
    """Return a network's layers in a table, one a row, and below it what they amount to.

    detail   1 or 2 to say weights and receptive fields in fewer words, which is said below

    Raises `SettingError` for a column that there is not.
    """
    names = _names(summary, columns)
    return _document(summary, names, [_cells(summary, names, n, detail) for n in names], detail)


def _document(
    summary: Summary, names: Sequence[str], cells: Sequence[Sequence[Words]], detail: int
) -> Document:
    """Return the document of these columns, whose cells are made."""
    kinds = [_KINDS[name] for name in names]
    rows = zip(*cells, strict=True)
    footer = _footer(summary, kinds)
    titles = tuple(Column(k.title, k.align) for k in kinds)
    table = Table(titles, tuple(rows), (footer,) if footer else ())
    said = (Paragraph(_opening(summary)), table, Paragraph(_closing(summary)))
    short = _BRIEF[detail] if {"weights", "receptive_field"} & {*names} else ""
    return Document((*said, Paragraph(Span(short, "dim"))) if short else said)


def _footer(summary: Summary, kinds: Sequence[_Kind]) -> tuple[Words, ...]:
    """Return the cells under the rows: totals, where there are columns that have one."""
    if kinds[0].total or not any(kind.total for kind in kinds):
        return ()
    part = summary.shown is not None and not summary.shown.whole
    first = "total of the whole network" if part else "total"
    return (first, *[_total(summary, kind.total) if kind.total else "" for kind in kinds[1:]])


def _names(summary: Summary, columns: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns to show; products of two inputs have one where there are any."""
    names = checked(columns)
    if columns is not None or not figure(summary.totals.products):
        return names
    place = names.index("macs") + 1
    return (*names[:place], "attention", *names[place:])


def _cells(summary: Summary, names: Sequence[str], name: str, detail: int) -> list[Words]:
    """Return the cells of a column, in as few words as `detail` says."""
    kind, asked, visible = _KINDS[name], _Asked(summary, detail), summary.visible
    if kind.made_of:
        parts = [id(kind.made_of(row)) for row in visible]
        once = dict(zip(parts, visible, strict=True))
        made = {part: kind.cell(row, asked) for part, row in once.items()}
        return [made[part] for part in parts]
    cells = [kind.cell(row, asked) for row in visible]
    if name != "layer" or name != names[0] or "inputs" in names:
        return cells
    arrows = _arrows(summary, detail)
    if not arrows:
        return cells
    pairs = zip(cells, visible, strict=True)
    return [_with_arrow(cell, arrows.get(row.name)) for cell, row in pairs]


_SHORTER = {"layer": (0, 0, 2), "weights": (0, 1, 2), "receptive_field": (0, 1, 2)}
"""The columns that can be said in fewer words, and which of the three ways are others."""

_BRIEF = (
    "",
    (
        "To keep a layer to a line, it is left out where receptive fields start: a wider terminal or "
        "--csv shows it."
    ),
    (
        "To keep a layer to a line, of its weights the first is shown and how many more there are, of "
        "receptive fields the size, of long kinds the beginning: a wider terminal or --csv shows all."
    ),
)
"""What is said to be left out."""

_MANY = 40
"""A table of more rows should keep each to a line."""


WIDEST = 240
"""Where there is no terminal, rows are lines up to so many characters."""


def _kept_to_lines(
    summary: Summary, columns: Sequence[str] | None, width: int | None
) -> tuple[Document, int, Sequence[MeasuredColumn]]:
    """Return the document in as few words as keep each row of a long table to a line, its width and its columns."""
    from convscope.views.ansi import FALLBACK_WIDTH
    from convscope.views.text_table import MeasuredColumn, height, least_height, natural_width

    rows, free = len(summary.visible), width is None
    width = FALLBACK_WIDTH if width is None else width
    if rows <= _MANY:
        return document(summary, columns), width, ()
    names = _names(summary, columns)
    kinds = [_KINDS[name] for name in names]
    totals = _footer(summary, kinds)
    known: dict[tuple[str, int], MeasuredColumn] = {}

    def column(place: int, detail: int) -> MeasuredColumn:
        name, kind = names[place], kinds[place]
        way = name, _SHORTER[name][detail] if name in _SHORTER else 0
        if way not in known:
            cells = [*_cells(summary, names, *way), *totals[place : place + 1]]
            known[way] = MeasuredColumn(Column(kind.title, kind.align), cells)
        return known[way]

    def made(detail: int) -> list[MeasuredColumn]:
        return [column(place, detail) for place in range(len(names))]

    def as_narrow(detail: int) -> bool:
        last = every[-1]
        return all(column(n, detail).natural <= column(n, last).natural for n in range(len(names)))

    every, few = range(len(_BRIEF)), 1.1 * rows
    least = least_height(made(every[-1]), width, bool(totals)) if free else 0
    if least > max(
        few, rows + _AROUND
    ):  # nor in more words: as narrow as can be, in as many words as are
        lines, detail = least, next(filter(as_narrow, every))
    else:
        ways: list[tuple[int, int]] = []
        for detail in every:
            ways.append((least_height(made(detail), width, bool(totals)), detail))
            if ways[-1][0] <= few and height(made(detail), width, bool(totals)) <= few:
                ways = ways[-1:]
                break
        found: list[tuple[int, int]] = []
        for way in sorted(ways):
            if all(way < one for one in found):  # else it takes more for sure
                found.append((height(made(way[1]), width, bool(totals)), way[1]))
        lines, detail = min(found)
    if free and lines > rows + _AROUND:
        width = natural_width(made(detail), WIDEST)
    said = [one.cells[:rows] for one in made(detail)]
    return _document(summary, names, said, detail), width, made(detail)


_AROUND = 6
"""Lines of a table that are no rows: its heading, rules and total."""


def _total(summary: Summary, name: str) -> str:
    """Return a total as its column shows it: MACs are "≥" where a layer's work is not known."""
    text = figures.count(getattr(summary.totals, name))
    return at_least(text, summary.totals.uncounted) if name == "macs" else text


def _macs(row: SummaryRow) -> str:
    """Return a row's MACs: "≥" those that are known where it stands for layers of unknown work."""
    return at_least(figures.count(row.macs), row.inside.uncounted if row.inside else 0)


def checked(columns: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns to show; raise `SettingError` for one that there is not."""
    if columns is None:
        return DEFAULT_COLUMNS
    if isinstance(columns, str):
        columns = [name.strip() for name in columns.split(",")]
    for name in columns:
        if name not in _KINDS:
            raise SettingError(
                f"a summary has no column {name!r}{did_you_mean(name, COLUMNS)}; "
                f"its columns are {', '.join(COLUMNS)}"
            )
    if not columns:
        raise SettingError(f"a summary needs a column; its columns are {', '.join(COLUMNS)}")
    return tuple(columns)


def _arrows(summary: Summary, detail: int = 0) -> dict[str, str]:
    """Return what feeds each row that does not simply read the row above it.

    In fewer words, what a source's name begins with as the row's own does is …
    """
    above: tuple[str, ...] = tuple(summary.inputs)[:1]
    found = {}
    for row in summary.rows:
        if row.inputs and row.inputs != above and len(summary.rows) > 1 and above:
            sources = [_after(row.name, n) for n in row.inputs] if detail > 1 else row.inputs
            found[row.name] = ", ".join(sources)
        above = (row.name,)
    return found


def _after(name: str, source: str) -> str:
    """Return a source's name without the words with which the row's name begins too."""
    own, other = pieces(name), pieces(source)
    same = 0
    while same < min(len(own), len(other) - 1) and own[same] == other[same]:
        same += 1
    return f"…{''.join(other[same:])}" if same else source


def _with_arrow(cell: Words, sources: str | None) -> Words:
    if sources is None or not isinstance(cell, str):
        return cell
    return (cell, Span(f" ←{NO_BREAK}{sources}", "dim"))


def _opening(summary: Summary) -> Words:
    words: list[str | Span] = [Span(summary.name, "strong")]
    shapes = list(summary.inputs.items())
    if len(shapes) == 1:
        words.append(f": input {_shape(shapes[0][1])}")
    elif shapes:
        words.append(f": inputs {', '.join(f'{name} {_shape(s)}' for name, s in shapes)}")
    channels = {"channels_last": "channels last", "channels_first": "channels first"}
    if any(len(sizes) > 2 for _, sizes in shapes):
        words.append(f", {channels.get(summary.layout, summary.layout)}")
    opaque = sum(row.inside.opaque if row.inside else row.opaque for row in summary.rows)
    words.append(f"; {figures.extent(summary)}")
    if _never_run(summary):
        words.append(", of which the parameters are all that is known")
    elif opaque:
        of = "of them" if summary.shown is None else "of the layers"
        words.append(f", {opaque:,} {of} without an equation")
    return words


def _closing(summary: Summary) -> Words:
    totals = summary.totals
    text = f"{figures.count(totals.params)} parameter{'s' if figure(totals.params) != 1 else ''}"
    if figure(totals.params) and figure(totals.non_trainable) is None:
        text += ", how many of them are trained is unknown"
    elif figure(totals.non_trainable) == 0:
        text += ", all trainable" if figure(totals.params) else ""
    else:
        text += f": {figures.count(totals.trainable)} trainable"
        text += f", {figures.count(totals.non_trainable)} not"
    text += f"; {figures.memory(totals.bytes)}. "
    text += _work(totals) + "Shapes are without the batch."
    if summary.uncalled:
        every = [
            f"{name} ({kind}{f', {params:,} parameters' if params else ''})"
            for name, kind, params in summary.uncalled
        ]
        text += f" Never called: {', '.join(every)}."
    return text


def _work(totals: SummaryTotals) -> str:
    """Say how many MACs one input takes, and what is not among them."""
    if figure(totals.macs) is None:
        return ""
    many = totals.uncounted
    left = f"{many:,} layers that have" if many > 1 else "1 layer that has"
    if many and figure(totals.macs) == 0:
        return f"No multiply–accumulates (MACs) are known: there is work in {left} no equation. "
    text = f"{figures.count(totals.macs)} multiply–accumulates (MACs) for one input"
    if figure(totals.products):
        text += f", and {figures.count(totals.products)} products of two inputs (as in attention)"
    return f"At least {text}, without {left} no equation. " if many else f"{text}. "


def render(
    summary: Summary,
    style: str = "table",
    columns: Sequence[str] | None = None,
    line_length: int | None = None,
    width: int | None = 80,
    color: bool = False,
) -> str:
    """Return a summary as text, in one of the styles "table", "keras" and "keras2".

    `columns`, `width` and `color` are for our own table, `line_length` for Keras's styles. A width of
    None, where there is no terminal, is 100, and what the rows of a long table need to be a line each.
    """
    match style:
        case "table":
            from convscope.views import text

            made, wide, measured = _kept_to_lines(summary, columns, width)
            return text.render(made, wide, color, measured)
        case "keras":
            from convscope.views.keras_summary import keras_text

            return keras_text(summary, line_length)
        case "keras2":
            from convscope.views.keras2_summary import keras2_text

            return keras2_text(summary, line_length)
    raise SettingError(
        f"a summary's style is {', '.join(STYLES)}, not {style!r}{did_you_mean(style, STYLES)}"
    )


def summary_csv(summary: Summary) -> str:
    """Return the rows as CSV, one a line under a heading; shapes are written as in JSON.

    The column `own_params` holds what no row above has counted; it adds up to the total.

    A text that a spreadsheet would take for a formula (=, +, -, @) gets an apostrophe in front.
    """
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    rows = [row.to_dict() | {"own_params": _own_params(row)} for row in summary.visible]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["name", "kind"]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return stream.getvalue()


def _own_params(row: SummaryRow) -> Figure:
    if row.shared_with and row.weights:
        return 0
    return row.params if row.own is None else row.own[0]


def _csv_cell(value: object) -> object:
    if isinstance(value, str):
        value = printable(value)
        return f"'{value}" if value[:1] in tuple("=+-@") else value
    if isinstance(value, (list, dict, bool)):
        from convscope.views.strict_json import strict_json

        return strict_json(value, None)
    return value

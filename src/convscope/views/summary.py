"""A network's summary as our own table, and as CSV; Keras's two spellings are next door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from convscope.errors import SettingError
from convscope.parts import (
    Column,
    Document,
    Paragraph,
    Span,
    Summary,
    SummaryRow,
    Table,
    Words,
    figure,
)
from convscope.views import figures
from convscope.views.characters import NO_BREAK, printable
from convscope.views.figures import NONE

DEFAULT_COLUMNS = ("layer", "output", "weights", "params", "macs", "receptive_field")
STYLES = ("table", "keras", "keras2")

_Align = Literal["left", "right"]


class _Kind(NamedTuple):
    """A column that can be asked for: its title, its side, its cell, and its total if it has one."""

    title: str
    align: _Align
    cell: Callable[[SummaryRow], Words]
    total: str = ""


def _none(text: str) -> Words:
    return Span(text, "dim") if text == NONE else text


def _own(row: SummaryRow, value: Any, place: int) -> Words:
    """Return a count that belongs to a layer, not to its every use: what no row above has counted."""
    if row.shared_with and row.weights:
        return Span("shared", "dim")
    if row.own is not None:
        own = row.own[place]
        if not figure(own):
            return Span("shared", "dim")
        return (Span("shared +", "dim"), f" {figures.count(own)}")
    return _none(figures.count(value))


def _layer(row: SummaryRow) -> str:
    return f"{row.name} ({_kind(row)})"


def _kind(row: SummaryRow) -> str:
    """Return what a row is: Conv2D; LSTM, opaque; Functional of 12 layers, 2 opaque."""
    if row.inside is None:
        return f"{row.kind}{', opaque' if row.opaque else ''}"
    many = f"{row.inside.layers:,} layer{'s' if row.inside.layers != 1 else ''}"
    opaque = f", {row.inside.opaque:,} opaque" if row.inside.opaque else ""
    return f"{row.kind} of {many}{opaque}"


def _shape(sizes: Sequence[Any] | None) -> str:
    return "?" if sizes is None else figures.shape(sizes[1:])


def _weights(row: SummaryRow) -> Words:
    if row.shared_with and row.weights:
        return Span(f"those of {row.shared_with}", "dim")
    if row.inside is not None:
        return f"{len(row.weights):,} in its layers" if row.weights else _none(NONE)
    return _none(figures.weights(dict(row.weights)))


_KINDS: dict[str, _Kind] = {
    "layer": _Kind("layer (kind)", "left", _layer),
    "name": _Kind("layer", "left", lambda row: row.name),
    "kind": _Kind("kind", "left", lambda row: row.kind if row.inside is None else _kind(row)),
    "activation": _Kind("activation", "left", lambda row: _none(row.activation or NONE)),
    "inputs": _Kind("inputs", "left", lambda row: _none(", ".join(row.inputs) or NONE)),
    "input": _Kind("input shape", "left", lambda row: ", ".join(map(_shape, row.input_shapes))),
    "output": _Kind("output shape", "left", lambda row: _shape(row.output_shape)),
    "weights": _Kind("weights", "left", _weights),
    "params": _Kind("params", "right", lambda row: _own(row, row.params, 0), "params"),
    "trainable": _Kind("trainable", "right", lambda row: _own(row, row.trainable, 1), "trainable"),
    "macs": _Kind("MACs", "right", lambda row: _none(figures.count(row.macs)), "macs"),
    "receptive_field": _Kind(
        "receptive field", "left", lambda row: _none(figures.field(row.receptive_field))
    ),
}

COLUMNS = tuple(_KINDS)
"""What `columns=` may name."""


class SummaryTable(NamedTuple):
    """A summary and the columns to show of it: the facts that a `Report` is made around."""

    summary: Summary
    columns: tuple[str, ...] = DEFAULT_COLUMNS

    def document(self) -> Document:
        """Return the table and its totals."""
        return document(self.summary, self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Return what `summary --json` writes; the columns chosen make no difference to it."""
        return self.summary.to_dict()


def document(summary: Summary, columns: Sequence[str] | None = None) -> Document:
    """Return a network's layers in a table, one a row, and below it what they amount to.

    Raises `SettingError` for a column that there is not.
    """
    names = checked(columns)
    kinds = [_KINDS[name] for name in names]
    arrows = _arrows(summary) if names[0] == "layer" and "inputs" not in names else {}
    rows = [
        tuple(
            _with_arrow(kind.cell(row), arrows.get(row.name) if not n else None)
            for n, kind in enumerate(kinds)
        )
        for row in summary.visible
    ]
    footer: tuple[tuple[Words, ...], ...] = ()
    if any(kind.total for kind in kinds) and not kinds[0].total:
        cells: list[Words] = [
            figures.count(getattr(summary.totals, kind.total)) if kind.total else ""
            for kind in kinds
        ]
        part = summary.shown is not None and not summary.shown.whole
        footer = (("total of the whole network" if part else "total", *cells[1:]),)
    table = Table(tuple(Column(k.title, k.align) for k in kinds), tuple(rows), footer)
    return Document((Paragraph(_opening(summary)), table, Paragraph(_closing(summary))))


def checked(columns: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns to show; raise `SettingError` for one that there is not."""
    if columns is None:
        return DEFAULT_COLUMNS
    if isinstance(columns, str):
        columns = [name.strip() for name in columns.split(",")]
    for name in columns:
        if name not in _KINDS:
            raise SettingError(
                f"a summary has no column {name!r}{_nearest(name, COLUMNS)}; "
                f"its columns are {', '.join(COLUMNS)}"
            )
    if not columns:
        raise SettingError(f"a summary needs a column; its columns are {', '.join(COLUMNS)}")
    return tuple(columns)


def _nearest(name: object, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(name), names, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _arrows(summary: Summary) -> dict[str, str]:
    """Return what feeds each row that does not simply read the row above it."""
    above: tuple[str, ...] = tuple(summary.inputs)[:1]
    found = {}
    for row in summary.rows:
        if row.inputs and row.inputs != above and len(summary.rows) > 1 and above:
            found[row.name] = ", ".join(row.inputs)
        above = (row.name,)
    return found


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
    if opaque:
        of = "of them" if summary.shown is None else "of the layers"
        words.append(f", {opaque:,} {of} without an equation")
    return words


def _closing(summary: Summary) -> Words:
    totals = summary.totals
    text = f"{figures.count(totals.params)} parameter{'s' if figure(totals.params) != 1 else ''}"
    if figure(totals.non_trainable) == 0:
        text += ", all trainable" if figure(totals.params) else ""
    else:
        text += f": {figures.count(totals.trainable)} trainable"
        text += f", {figures.count(totals.non_trainable)} not"
    text += f"; {figures.memory(totals.bytes)}. "
    if figure(totals.macs) is not None:
        text += f"{figures.count(totals.macs)} multiply–accumulates (MACs) for one input. "
    return text + "Shapes are without the batch."


def render(
    summary: Summary,
    style: str = "table",
    columns: Sequence[str] | None = None,
    line_length: int | None = None,
    width: int = 80,
    color: bool = False,
) -> str:
    """Return a summary as text, in one of the styles "table", "keras" and "keras2".

    `columns`, `width` and `color` are for our own table, `line_length` for Keras's styles.
    """
    match style:
        case "table":
            from convscope.views import text

            return text.render(document(summary, columns), width, color)
        case "keras":
            from convscope.views.keras_summary import keras_text

            return keras_text(summary, line_length)
        case "keras2":
            from convscope.views.keras2_summary import keras2_text

            return keras2_text(summary, line_length)
    raise SettingError(
        f"a summary's style is {', '.join(STYLES)}, not {style!r}{_nearest(style, STYLES)}"
    )


def summary_csv(summary: Summary) -> str:
    """Return the rows as CSV, one a line under a heading; shapes are written as in JSON.

    A text that a spreadsheet would take for a formula (=, +, -, @) gets an apostrophe in front.
    """
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    rows = [row.to_dict() for row in summary.visible]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["name", "kind"]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return stream.getvalue()


def _csv_cell(value: object) -> object:
    if isinstance(value, str):
        value = printable(value)
        return f"'{value}" if value[:1] in tuple("=+-@") else value
    if isinstance(value, (list, dict, bool)):
        from convscope.views.strict_json import strict_json

        return strict_json(value, None)
    return value

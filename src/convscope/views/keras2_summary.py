"""A summary as Keras 2 printed it (2.2.5 to 2.6), character for character: the textbooks' one.

Rows are parted by lines of underscores and cells cut where their column ends. (Keras 2.2.4 and
older did not print the line with the model's name; from 2.7 on the rows were no longer parted.)
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.parts import Figure, Sizes, Summary, figure
from convscope.views.characters import printable
from convscope.views.figures import count, extent, size
from convscope.views.keras_order import LayerLine, keras_lines


def keras2_text(summary: Summary, line_length: int | None = None) -> str:
    """Return what Keras 2.3.1's `model.summary()` printed, 65 columns wide, or 98 for a graph."""
    lines, chain = keras_lines(summary)
    ends = _ends(chain, line_length)
    titles = ("Layer (type)", "Output Shape", "Param #", "Connected to")[: len(ends)]
    thin, thick = "_" * ends[-1], "=" * ends[-1]
    printed = [f'Model: "{printable(summary.name)}"', thin, _row(titles, ends), thick]
    for n, line in enumerate(lines):
        printed += [_row(cells, ends) for cells in _cells(line, chain)]
        printed.append(thick if n == len(lines) - 1 else thin)
    totals = summary.totals
    return "\n".join(
        [
            *printed,
            f"Total params: {count(totals.params)}",
            f"Trainable params: {count(totals.trainable)}",
            f"Non-trainable params: {count(totals.non_trainable)}",
            thin,
            *([] if summary.shown is None else [f"Shown: {extent(summary)}"]),
        ]
    )


def cut_short(summary: Summary, line_length: int | None = None) -> int:
    """Return how many cells of that text are wider than their columns, and cut without a sign."""
    lines, chain = keras_lines(summary)
    ends = _ends(chain, line_length)
    rooms = [end - start - 1 for start, end in zip((0, *ends), ends, strict=False)]
    rooms[-1] += 1  # no space has to follow
    return sum(
        len(cell) > room
        for line in lines
        for cells in _cells(line, chain)
        for cell, room in zip(cells, rooms, strict=True)
    )


def _ends(chain: bool, line_length: int | None) -> list[int]:
    """Return where the columns end."""
    length = line_length or (65 if chain else 98)
    return [int(length * end) for end in ((0.45, 0.85, 1.0) if chain else (0.33, 0.55, 0.67, 1.0))]


def _cells(line: LayerLine, chain: bool) -> list[list[str]]:
    """Return a layer's cells; below them, in a graph, what else feeds it."""
    first, *others = line.connections or [""]
    cells = [line.label, _shape(line), _params(line.params)]
    if chain:
        return [cells]
    return [[*cells, first], *(["", "", "", source] for source in others)]


def _row(cells: Sequence[str], ends: Sequence[int]) -> str:
    line = ""
    for n, (cell, end) in enumerate(zip(cells, ends, strict=True)):
        # at least one space parts a cell from the one before it, at the expense of that one
        line = (line[:-1] + " " if n else "") + cell
        line = line[:end].ljust(end)
    return line


def _shape(line: LayerLine) -> str:
    """Return the output shape as a Python tuple; "multiple" when the uses of a layer differ."""
    shapes = [_tuple(shape) for shape in line.shapes]
    return shapes[0] if len(set(shapes)) == 1 else "multiple"


def _tuple(sizes: Sizes | None) -> str:
    if sizes is None:
        return "?"
    shown = ["None" if figure(s) is None else size(s) for s in sizes]
    return f"({shown[0]},)" if len(shown) == 1 else f"({', '.join(shown)})"


def _params(value: Figure) -> str:
    if value is None:
        return "0 (unused)"
    return str(value) if isinstance(value, int) else count(value)

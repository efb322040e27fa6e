"""The question as a figure: the four pictures of a convolution, each with what it would need and give, and which one
the engine computed."""

from __future__ import annotations

from itertools import pairwise

from convscope.explain.pictures import Judged, Pictures
from convscope.explain.reading import main_sum
from convscope.explain.words import decimal, exact, grouped, times
from convscope.figures.lettering import broken
from convscope.figures.scene import Group, Paint, Part, Point, Scene, Text, line, rectangle
from convscope.figures.styles import Style, colour_of, mixed
from convscope.views.characters import printable

MARGIN, GAP = 8.0, 10.0
_SHOWN = 3


def question(found: Pictures, style: Style, width: float) -> Scene:
    """Return the four pictures of one layer side by side, or in two rows where that is too narrow."""
    across = 4 if width > 56 * style.size else 2 if width > 26 * style.size else 1
    room = (width - 2 * MARGIN - GAP * (across - 1)) / across
    where = ", ".join(map(str, found.position))
    parts: list[Part] = []
    y = MARGIN
    head = f"Which one does {printable(found.layer)} compute? Input {times(found.input_shape)}, output {times(found.output_shape)}."
    for text in broken(head, width - 2 * MARGIN, style.size * 1.1, True):
        y += style.size * 1.4
        parts.append(
            Text(MARGIN, y - style.size * 0.3, text, style.size * 1.1, style.ink, "start", True)
        )
    y += 4
    for start in range(0, len(found.verdicts), across):
        lowest = y
        row: list[tuple[list[Part], float, Judged, float]] = []
        for n, verdict in enumerate(found.verdicts[start : start + across]):
            x = MARGIN + n * (room + GAP)
            made, bottom = _panel(found, verdict, style, x, y, room, start + n + 1, where)
            row.append((made, x, verdict, bottom))
            lowest = max(lowest, bottom)
        for made, x, verdict, _ in row:
            proved = found.proved(verdict)
            edge = Paint(
                None, style.ink if proved else style.dim, style.thin * (3.2 if proved else 1)
            )
            frame = rectangle(x, y, room, lowest - y + 4, edge)
            key = verdict.picture.key
            parts.append(Group(f"picture-{key}", verdict.picture.name, (frame, *made)))
        y = lowest + 4 + GAP
    engine = f"{printable(found.engine)} computed {_said(found.engine_value)} at ({where}) of an output {times(found.output_shape)}."
    for text in broken(engine, width - 2 * MARGIN, style.size):
        y += style.size * 1.3
        parts.append(Text(MARGIN, y - style.size * 0.3, text, style.size, style.ink))
    title = f"Four pictures of {printable(found.layer)}, tested"
    return Scene(width, y + MARGIN, title, tuple(parts), style.ground)


def _panel(
    found: Pictures,
    verdict: Judged,
    style: Style,
    x: float,
    y: float,
    room: float,
    count: int,
    where: str,
) -> tuple[list[Part], float]:
    picture, small = verdict.picture, round(style.size * 0.88, 2)
    parts: list[Part] = []
    inner, left = room - 12, x + 6

    def say(text: str, size: float, colour: str, bold: bool = False) -> None:
        nonlocal y
        for piece in broken(printable(text), inner, size, bold):
            y += size * 1.3
            parts.append(Text(left, y - size * 0.3, piece, size, colour, "start", bold))

    y += 3
    say(f"{count}. {picture.name}", style.size, style.ink, True)
    y += 3
    sketch, y = _sketch(verdict, found, style, left, y, inner)
    parts += sketch
    y += 3
    equation = picture.equation
    say(f"kernel {times(picture.kernel)}", small, style.ink)
    say(f"{grouped(picture.params)} parameters", small, style.ink)
    say(
        f"output {times(equation.shape)}",
        small,
        style.ink if verdict.shape_agrees else style.accent,
    )
    say(
        f"value {_said(verdict.value)}",
        small,
        style.ink if verdict.value_agrees is not False else style.accent,
    )
    y += 2
    if found.proved(verdict):
        say("The engine agrees.", style.size, style.ink, True)
    elif verdict.agrees is False:
        why = (
            "the output has another shape" if not verdict.shape_agrees else "the number is another"
        )
        say(f"Not so: {why}.", style.size, style.accent, True)
    else:
        say("Cannot be told apart here.", style.size, style.dim, True)
    return parts, y


def _sketch(
    verdict: Judged, found: Pictures, style: Style, x: float, y: float, width: float
) -> tuple[list[Part], float]:
    """Return maps that go in, slices of filters and maps that come out, a few of each, with lines between what is
    multiplied and what is added."""
    picture = verdict.picture
    side = min(2.0 * style.size, width / 7)
    columns = (x, x + (width - side) / 2, x + width - side)
    rows = [y + n * side * 1.25 for n in range(_SHOWN)]
    ink, blue = style.dim, colour_of("convolution")
    into, out = _into(found), _out(verdict)
    parts: list[Part] = []

    def box(column: int, top: float, colour: str, size: float = 1.0) -> Point:
        s = side * size
        left = columns[column] + (side - s) / 2
        edge = top + (side - s) / 2
        parts.append(rectangle(left, edge, s, s, Paint(colour, style.ink, style.thin)))
        return left, edge + s / 2

    def way(a: Point, b: Point, size_a: float, column: int) -> None:
        parts.append(line(((a[0] + side * size_a, a[1]), b), ink, style.thin))

    maps = [box(0, top, mixed(blue, "#FFFFFF", 0.55)) for top in rows]
    tone = colour_of("pointwise")
    if picture.key == "shared":
        slices = [box(1, rows[1], tone, 0.7)]
    else:
        slices = [box(1, top, tone, 0.7) for top in rows]
    for n, one in enumerate(maps):
        way(one, slices[min(n, len(slices) - 1)], 1.0, 0)
    sums = picture.key in ("shared", "added") or (picture.real and picture.name != "Depthwise")
    if sums:
        end = [box(2, rows[1], blue)]
        for one in slices:
            way(one, end[0], 0.7, 1)
        parts.append(
            Text(
                columns[2] + side / 2, rows[1] + side * 0.72, "∑", side * 0.62, "#000000", "middle"
            )
        )
    else:
        for n, one in enumerate(slices):
            way(one, box(2, rows[n], blue), 0.7, 1)
    small = round(style.size * 0.85, 2)
    below = rows[-1] + side + small * 1.3
    words = (f"{into} in", "slices" if picture.key != "shared" else "one slice", f"{out} out")
    anchors = ("start", "middle", "end")
    places = (columns[0], columns[1] + side / 2, columns[2] + side)
    said = [
        Text(place, below, text, small, style.dim, anchor)  # type: ignore[arg-type]  # one of the three
        for text, place, anchor in zip(words, places, anchors, strict=True)
    ]
    if any(
        a.box[2] + 2 > b.box[0] for a, b in pairwise(said)
    ):  # large counts have a line of their own
        below += small * 1.25
        said[1] = said[1]._replace(y=below)
        if said[0].box[2] + 2 > said[2].box[0]:
            below += small * 1.25
            said[2] = said[2]._replace(y=below)
    return [*parts, *said], below


def _said(value: float) -> str:
    """Return a number as the tables say it, but never a small one as 0."""
    return decimal(value) if not 0 < abs(value) < 1e-4 else exact(value)


def _into(found: Pictures) -> str:
    """Return how many maps go in."""
    real = next(v.picture for v in found.verdicts if v.picture.real)
    main = main_sum(real.equation)
    return grouped(main.maps) if main is not None and main.maps is not None else "?"


def _out(verdict: Judged) -> str:
    """Return how many maps a picture lets come out."""
    axis = next((a for a in verdict.picture.equation.axes if a.role), None)
    return "1" if axis is None else grouped(axis.size)

"""What a survey found: figures of every map, the images that drive it most, verdicts with their evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from convscope.equations.layout import Layout
from convscope.errors import InputError, LayerLookupError, SettingError, UnsupportedError
from convscope.explain.words import exact, grouped, shape_in_words, times
from convscope.model.graph import Graph, Which
from convscope.model.naming import called
from convscope.notation.sizes import is_known
from convscope.parts import Bullets, Column, Document, Heading, Paragraph, Part, Table
from convscope.survey.data import so_many
from convscope.survey.exact import LOW
from convscope.survey.patches import Patch, cut, picture
from convscope.survey.stored import State, save
from convscope.survey.tally import Measured
from convscope.survey.verdicts import Verdict, grouped_verdicts, verdicts
from convscope.typed import Array, Record

FIGURES = ("numbers", "mean", "std", "min", "max", "zeros", "not_finite")

BARS = 48
"""A histogram that is drawn has so many bars."""

MOST_VERDICTS = 40
"""So many verdicts are written out; the others are counted."""

MOST_CLASSES = 24
"""A confusion table of so many classes is shown whole."""


class Response(Record):
    """One of the largest responses of a map: one for each image.

    position   in the layer's output, without the batch
    """

    value: float
    image: int
    name: str
    label: str | None
    position: tuple[int, ...]

    @property
    def whose(self) -> str:
        """The image and its label: "0017.png (3)"."""
        return self.name if self.label is None else f"{self.name} ({self.label})"


class MapFigures(Record):
    """What one map did over all images.

    numbers      how many it gave: images × places
    mean, std    of the finite numbers (the standard deviation of all of them: divided by their number);
                 None where there is none
    min, max     the smallest and the largest finite number
    zeros        which share of the numbers is 0; `not_finite` which is NaN or infinite
    """

    map: int
    numbers: int
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    zeros: float
    not_finite: float
    top: tuple[Response, ...]


class LayerFigures:
    """What the maps of one layer did; `layer[3]` is one of them."""

    def __init__(self, survey: Survey, measured: Measured) -> None:
        self._survey, self._measured = survey, measured
        node = survey.graph.nodes[measured.name]
        self.name, self.kind = measured.name, node.layer.kind
        self.maps = measured.maps
        self.places = measured.places

    def __len__(self) -> int:
        return self.maps

    def __repr__(self) -> str:
        return f"<{self.name} ({self.kind}): {self.maps} maps × {so_many(self.places, 'place')}>"

    def __getitem__(self, map_: int) -> MapFigures:
        if not -self.maps <= map_ < self.maps:
            raise LayerLookupError(
                f"{self.name} has {self.maps} maps, there is none at {map_}, counted from 0"
            )
        return self._figures(map_ % self.maps)

    def __iter__(self) -> Iterator[MapFigures]:
        return map(self._figures, range(self.maps))

    @property
    def count(self) -> int:
        """How many numbers each map gave: images × places."""
        return self._survey.images * self.places

    def _figures(self, map_: int) -> MapFigures:
        tally, at = self._survey.state.tally, self._measured.first + map_
        count, odd = self.count, int(tally.odd[at])
        finite = count - odd
        mean = std = low = high = None
        if finite:
            total, squares = tally.sums.whole(at), tally.squares.whole(at)
            low, high = float(tally.low[at]), float(tally.high[at])
            mean = total / (finite << LOW)
            spread = finite * (squares << LOW) - total * total
            std = 0.0 if low == high else math.sqrt(max(spread, 0) / (finite * finite << (2 * LOW)))
        top = tuple(self._survey.response(self._measured, map_, n) for n in range(tally.plan.top))
        return MapFigures(
            map_, count, mean, std, low, high, int(tally.zeros[at]) / count, odd / count,
            tuple(one for one in top if one is not None),
        )  # fmt: skip

    def histogram(self, map_: int | None = None) -> list[tuple[float, float, int]]:
        """Return the bins that are not empty: lower end, upper end, how many of the map's numbers.

        A bin is at most 1/128 of its ends wide. Without a map, or where the survey kept one histogram a
        layer: of all maps together. Numbers that are not finite are in none.
        """
        one = self._survey.histograms[self.name]
        if map_ is not None and one.rows == self.maps:
            return list(one.bins(map_ % self.maps))
        if map_ is not None and self.maps > 1:
            raise SettingError(
                f"the survey kept one histogram for all maps of {self.name}: histograms='maps' keeps one each"
            )
        both: dict[tuple[float, float], int] = {}
        for row in range(one.rows):
            for low, high, count in one.bins(row):
                both[low, high] = both.get((low, high), 0) + count
        return [(low, high, count) for (low, high), count in sorted(both.items())]

    def bars(self, map_: int) -> list[int]:
        """Return how many of a map's numbers lie in each of 48 equal parts of its range; zeros are left out.

        A bin of the histogram counts where its middle lies. [] without a range, or a histogram of the map's own.
        """
        one = self[map_]
        if (
            self._survey.histograms[self.name].rows != self.maps
            or one.min is None
            or one.max is None
        ):
            return []
        low, wide, bars = one.min, one.max - one.min, [0] * BARS
        if not 0 < wide < math.inf:
            return []
        for start, end, count in self.histogram(map_):
            if not start <= 0 <= end:
                place = int(((start + end) / 2 - low) / wide * BARS)
                bars[min(max(place, 0), BARS - 1)] += count
        return bars

    def correlations(self) -> Array:
        """Return (maps, maps): how alike maps are, from −1 to 1; NaN for a map that is constant there.

        An estimate from n numbers of each map: of 4 places, drawn by lot, in each of the images that were drawn
        (`survey.sampled`, 512 at most). One of r is off by (1 − r²)/√n as a rule: 0.02 at 0 for 2,048 places, less than
        0.00001 at 0.9999. (Fisher 1915; for numbers that are distributed normally, and drawn apart.)
        """
        return self._survey.sample_correlations(self._measured)

    def to_dict(self) -> dict[str, Any]:
        """Return the layer as `survey --json` writes it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "places": self.places,
            "maps": [
                {
                    **{name: getattr(one, name) for name in ("map", *FIGURES)},
                    "top": [response._asdict() for response in one.top],
                }
                for one in self
            ],
        }


class Survey:
    """A network over a whole data set; what `net.survey` returns.

    images, skipped   how many were measured, and how many could not be taken (`bad` names them)
    layers            name → `LayerFigures`; `survey["conv2d_1"][3]` is one map
    same              layers that only move the numbers of another about: name → that one
    missing           layers that could not be computed: name → the layer without an equation before them; and those
                      that give as many numbers as they find in an image: name → itself
    verdicts          what is doubtful about maps, each with what it rests on
    confusion         label → how often each class was the largest output; {} without labels or classes
    """

    def __init__(
        self, state: State, graph: Graph, network: Any, source: Any, measuring: Any
    ) -> None:
        self.state, self.graph, self.network = state, graph, network
        self.source, self.measuring = source, measuring
        self.images, self.skipped = state.tally.images, state.tally.skipped
        self.bad = {number: tuple(said) for number, said in state.tally.bad.items()}
        self.same: dict[str, str] = dict(measuring.same)
        self.missing: dict[str, str] = dict(measuring.missing)
        plan = state.tally.plan
        self.layers = {layer.name: LayerFigures(self, layer) for layer in plan.layers}
        self.histograms = dict(zip(self.layers, state.tally.histograms, strict=True))

    def __getitem__(self, layer: Which) -> LayerFigures:
        """Return a layer's figures; raises `LayerLookupError` for one that was not surveyed."""
        name = self.graph.node(layer).name
        name = self.same.get(name, name)
        if name not in self.layers:
            raise LayerLookupError(f"{name} was not surveyed; {', '.join(self.layers)} were")
        return self.layers[name]

    # -- figures ----------------------------------------------------------------------------------

    def response(self, layer: Measured, map_: int, rank: int) -> Response | None:
        """Return one of the largest responses of a map, the largest first; None where there is none."""
        tally, at = self.state.tally, layer.first + map_
        image = int(tally.top_image[at, rank])
        if image < 0:
            return None
        name, label = tally.seen[image]
        position = layer.position(map_, int(tally.top_place[at, rank]))
        return Response(float(tally.top_value[at, rank]), image, name, label, position)

    def item(self, image: int) -> Any:
        """Return an image of the data set by its number; raises `InputError` where it is gone or broken."""
        from convscope.survey.data.given import Passing

        if isinstance(self.source, Passing):
            raise InputError(
                "the images came from an iterable, which has been gone through: give survey a list or an array"
            )
        count = self.source.count or 0
        if not 0 <= image < count:
            raise InputError(
                f"there is no image {image}: the data hold {so_many(count)}, from 0 on"
            )
        item = self.source.item(image)
        if item.content is None:
            raise InputError(f"{item.name} cannot be taken: {item.why}")
        return item

    def run(self, response: Response | int) -> Any:
        """Return the run of an image, by one of its responses or its number: to trace and to explore."""
        number = response if isinstance(response, int) else response.image
        return self.network.run(self.measuring.preparation.apply(self.item(number)))

    def patch(self, layer: Which, response: Response) -> Patch:
        """Return what one of the largest responses sees of its image: cut out by the receptive field."""
        name = self[layer].name
        image = picture(self.measuring.preparation, self.item(response.image))
        return cut(image, self.graph.patch(name, response.position))

    @property
    def sampled(self) -> int:
        """In how many images places were drawn for the correlations."""
        return len(self.state.tally.samples)

    def sample(self, layer: Measured) -> Array:
        """Return the numbers that were drawn of a layer's maps, (numbers, maps); where one is not finite, none."""
        rows = [sample[:, layer.slice] for sample in self.state.tally.samples.values()]
        places = 1 if layer.places == 1 else len(rows[0])
        x = np.concatenate([row[:places] for row in rows]).astype(np.float64)
        found: Array = x[np.isfinite(x).all(axis=1)]
        return found

    def sample_correlations(self, layer: Measured) -> Array:
        """Return the correlations between a layer's maps; see `LayerFigures.correlations`."""
        x = self.sample(layer)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if len(x) < 2:
                return np.full((layer.maps, layer.maps), np.nan)
            x -= x.mean(axis=0)
            x /= np.sqrt((x * x).sum(axis=0))
            found: Array = x.T @ x
        return np.clip(found, -1, 1)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        return verdicts(self)

    @property
    def confusion(self) -> dict[str, list[int]]:
        return {label: row.tolist() for label, row in self.state.tally.confusion.items()}

    @property
    def classes(self) -> list[str]:
        """What the columns of `confusion` are called."""
        count = len(next(iter(self.confusion.values()), []))
        for names in (self.network.labels, self.source.classes):
            if count and len(names) == count:
                return list(names)
        return [str(n) for n in range(count)]

    @property
    def right(self) -> tuple[int, int] | None:
        """Of how many images the own class is the largest output, and of how many that is known.

        None where labels are neither the names of the classes nor their numbers: which is whose nobody knows. An
        output that is NaN somewhere has no largest.
        """
        right = total = 0
        for label, row in self.confusion.items():
            known = next((n for n in (self.classes, self.source.classes) if label in n), None)
            if known is None and not label.isdecimal():
                return None
            place = int(label) if known is None else list(known).index(label)
            if place >= len(row):
                return None
            right, total = right + row[place], total + sum(row)
        return (right, total) if total else None

    @property
    def accuracy(self) -> float | None:
        """Which share of the labelled images has its own class as the largest output; see `right`."""
        return None if self.right is None else self.right[0] / self.right[1]

    @property
    def right_in_words(self) -> str:
        """How often the largest output was the image's own class; "" where that is not known."""
        if self.right is None or self.accuracy is None:
            return ""
        right, total = self.right
        return f"The image's own in {right:,} of {so_many(total)} ({percent(self.accuracy, 2)})."

    # -- told -------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, as `survey --json` writes it."""
        facts = self.state.facts
        return {
            "name": self.graph.name,
            "images": self.images,
            "skipped": [{"image": n, "name": b[0], "why": b[1]} for n, b in self.bad.items()],
            "skipped_count": self.skipped,
            "data": facts["described"],
            "prepared": facts["prepared"],
            "layers": [
                *(layer.to_dict() for layer in self.layers.values()),
                *(
                    {"name": name, "same_as": source, "maps": []}
                    for name, source in self.same.items()
                    if source in self.layers
                ),
            ],
            "not_computed": self.missing,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "classes": self.classes,
            "confusion": self.confusion,
            "accuracy": self.accuracy,
        }

    def json(self, indent: int | None = 2) -> str:
        """Return everything as JSON; what is not finite is written "NaN", "Infinity", "-Infinity"."""
        from convscope.views.strict_json import strict_json

        return strict_json(self.to_dict(), indent)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row for each map, as `csv` and `parquet` write them."""
        for layer in self.layers.values():
            for one in layer:
                first = one.top[0] if one.top else None
                yield {
                    "layer": layer.name,
                    **{name: getattr(one, name) for name in ("map", *FIGURES)},
                    "top_image": first.name if first else None,
                    "top_label": first.label if first else None,
                    "top_position": ",".join(map(str, first.position)) if first else None,
                    "verdicts": "; ".join(
                        v.kind for v in self.verdicts if v.layer == layer.name and one.map in v.maps
                    ),
                }

    def csv(self) -> str:
        """Return one line for each map, as comma-separated values."""
        import csv
        import io

        text = io.StringIO()
        writer: Any = None
        for row in self.rows():
            if writer is None:
                writer = csv.DictWriter(text, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
        return text.getvalue()

    def parquet(self, path: str | Path) -> None:
        """Write one row for each map as Parquet. Raises `UnsupportedError` without pyarrow."""
        from convscope.engine.writing import complete

        pyarrow = arrow()
        with complete(path, ".parquet", "a survey's rows are written as .parquet") as part:
            table = pyarrow.Table.from_pylist(list(self.rows()))
            pyarrow.parquet.write_table(table, part)

    def save(self, path: str | Path) -> None:
        """Write the survey as FILE.survey, from which one like it goes on (`resume`)."""
        save(self.state, Path(path))

    def page(self, path: str | Path, **how: Any) -> None:
        """Write one HTML file to look through, offline; see `convscope.survey.page`."""
        from convscope.survey.page import write_page

        write_page(self, path, **how)

    def document(self) -> Document:
        """Return the survey to be read: the layers, the verdicts, and how the classes came out."""
        parts: list[Part] = [Heading(f"{self.graph.name} over {so_many(self.images)}", 1)]
        facts = self.state.facts
        parts.append(Paragraph(f"Data: {facts['described']}."))
        parts.append(Paragraph(f"Every image: {'; '.join(facts['prepared']['steps'])}."))
        if self.skipped:
            named = list(self.bad.values())[:5]
            told = "; ".join(f"{name}: {why}" for name, why in named)
            more = " …" if self.skipped > len(named) else ""
            parts.append(Paragraph(f"Skipped: {grouped(self.skipped)}. {told}{more}"))
        parts.append(self._table())
        for name, source in self.same.items():
            if source in self.layers:
                parts.append(
                    Paragraph(f"{called(name)} only moves the numbers of {called(source)}.")
                )
        if self.missing:
            parts.append(Paragraph(f"Not counted: {', '.join(map(called, self.missing))}."))
        if len(self.layers) == 1:
            parts += self._maps(next(iter(self.layers.values())))
        parts += self._verdicts()
        parts += self._classes()
        return Document(tuple(parts))

    def _table(self) -> Table:
        titles = ("maps", "numbers a map", "least", "mean", "most", "zeros", "never fired")
        columns = (Column("layer"), *(Column(title, "right") for title in titles))
        rows = []
        for layer in self.layers.values():
            figures = [one for one in layer if one.mean is not None]
            never = sum(v.kind == "never fired" for v in self.verdicts if v.layer == layer.name)
            told = [_short(min(f.min for f in figures if f.min is not None)),
                    _short(sum(f.mean for f in figures if f.mean is not None) / len(figures)),
                    _short(max(f.max for f in figures if f.max is not None))] if figures else ["–"] * 3  # fmt: skip
            zeros = sum(one.zeros for one in layer) / layer.maps
            rows.append(
                (f"{layer.name} ({layer.kind})", grouped(layer.maps), grouped(layer.count),
                 *told, percent(zeros), grouped(never))
            )  # fmt: skip
        return Table(columns, tuple(rows))

    def _maps(self, layer: LayerFigures) -> list[Part]:
        columns = (
            Column("map", "right"),
            *(Column(name, "right") for name in ("mean", "std", "least", "most", "zeros")),
            Column("largest in"),
        )
        rows = []
        for one in layer:
            first = one.top[0] if one.top else None
            where = f"{first.whose} at {shape_in_words(first.position)}" if first else "–"
            figures = [one.mean, one.std, one.min, one.max]
            rows.append(
                (str(one.map), *("–" if f is None else _short(f) for f in figures),
                 percent(one.zeros), where)
            )  # fmt: skip
        return [Heading(f"The maps of {layer.name}"), Table(columns, tuple(rows))]

    def _verdicts(self) -> list[Part]:
        if not self.verdicts:
            return [
                Paragraph(
                    "No verdicts: there is no map that never fired, is constant, always on, saturated or a copy."
                )
            ]
        lines = list(grouped_verdicts(self.verdicts))
        parts: list[Part] = [Heading("Verdicts"), Bullets(tuple(lines[:MOST_VERDICTS]))]
        if len(lines) > MOST_VERDICTS:
            parts.append(Paragraph(f"{len(lines) - MOST_VERDICTS:,} more, in --json."))
        return parts

    def _classes(self) -> list[Part]:
        if not self.confusion:
            if self.state.tally.plan.output is not None and not self.source.labelled:
                return [
                    Paragraph("The images have no labels, so that there is no confusion table.")
                ]
            return []
        parts: list[Part] = [Heading("Which class was the largest output")]
        if self.right is not None:
            parts.append(Paragraph(self.right_in_words))
        names = self.classes
        if len(names) <= MOST_CLASSES and len(self.confusion) <= MOST_CLASSES:
            columns = (Column("label"), *(Column(name, "right") for name in names))
            rows = [(label, *map(grouped, row)) for label, row in self.confusion.items()]
            parts.append(Table(columns, tuple(rows)))
        else:
            parts.append(
                Paragraph(f"{len(self.confusion)} labels, {len(names)} classes: in --json.")
            )
        return parts

    def text(self, width: int | None = None, color: bool = False) -> str:
        """Return the survey as text."""
        from convscope.views.report import Report

        return Report(self).text(width, color)

    __str__ = text

    def __repr__(self) -> str:
        return f"<survey of {self.graph.name!r}, {so_many(self.images)}, {len(self.layers)} layers>"

    def _repr_html_(self) -> str:
        from convscope.views.html import html

        return html(self.document())


def field_in_words(graph: Graph, layer: str) -> str:
    """Return what one number of a layer sees, no more than the image: "each number sees 5×5 pixels of the image"."""
    seen = graph.receptive_field(layer)
    sizes = () if seen is None else tuple(size for size in seen.size if size is not None)
    if seen is None or len(sizes) < len(seen.size):
        return ""
    ((_, shape),) = graph.inputs.items()
    space, _ = Layout(graph.image_layout == "channels_last").split(shape)
    if len(space) == len(sizes) and all(map(is_known, space)):
        inside = tuple(map(min, sizes, space))
        if inside != sizes:
            return f"each number sees up to {times(inside)} pixels of the image"
    return f"each number sees {times(sizes)} pixels of the image"


def _short(value: float) -> str:
    return exact(float(f"{value:.4g}"))


def percent(share: float, places: int = 1) -> str:
    """Return a share; 0 % and 100 % only where it is exactly that."""
    text, least = f"{share:.{places}%}", 0.01 / 10**places
    if share in (0, 1):
        return f"{share:.0%}"
    if text == f"{0:.{places}%}":
        return f"< {least:.{places}%}"
    return f"> {1 - least:.{places}%}" if text == f"{1:.{places}%}" else text


def arrow() -> Any:
    """Return pyarrow, which writes Parquet. Raises `UnsupportedError` where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UnsupportedError(
            f"writing Parquet needs pyarrow: pip install 'convscope[parquet]' ({error})"
        ) from error
    return pyarrow

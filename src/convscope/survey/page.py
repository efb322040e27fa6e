"""A survey as one HTML file to look through, offline: every map with its figures and the patches that drive it.

A click on a patch shows the ledger of the number that saw it: what it is made of, in float64, with the engine's
value beside it.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from convscope.engine.writing import complete
from convscope.errors import ConvscopeError
from convscope.explain.trace import trace
from convscope.explain.words import adding_up, exact, shape_in_words
from convscope.model.naming import called
from convscope.survey.data import so_many
from convscope.survey.survey import (
    LayerFigures,
    MapFigures,
    Response,
    Survey,
    field_in_words,
    percent,
)
from convscope.survey.verdicts import grouped_verdicts
from convscope.typed import Array
from convscope.views.characters import printable

MOST_PATCHES = 6_000
"""So many patches are in a page; of larger networks each map has fewer of them, and of one with more maps than this only
some are in the page at all, as it says: a browser takes long to open more."""

MOST_LEDGERS = 2_000
"""So many of them have their ledger in the page: those of the largest responses first, one of each map at least."""

MOST_LINES = 60
"""So many lines of verdicts are at the top."""

SIDE = 260
"""Of a patch that is larger so many pixels are kept along each side: as large as it is shown."""

SHOWN_GROUPS = 12
"""Of a ledger's partial sums so many are listed, the largest; the others are added up."""

REDUCED = {"sum": "sum", "max": "largest", "mean": "mean"}

PLACES = 7
"""Decimals of a ledger's figures."""

_HERE = Path(__file__).parent


def write_page(survey: Survey, path: str | Path) -> None:
    """Write the page. Raises `OutputError` when it cannot be written."""
    with complete(path, ".html", "a survey's page is written as .html") as part:
        part.write_text(page(survey), encoding="utf-8")


def page(survey: Survey) -> str:
    """Return the page as text."""
    making = _Page(survey)
    body = "\n".join(making.body())
    making.tell()
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    data = json.dumps(making.ledgers, ensure_ascii=True).replace("<", "\\u003c")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(survey.graph.name)}: a survey of {so_many(survey.images)}</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="ledgers">{data}</script>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


class _Page:
    """A page in the making."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.ledgers: dict[str, Any] = {}
        maps = sum(layer.maps for layer in survey.layers.values())
        top = survey.state.tally.plan.top
        self.each = max(1, min(top, MOST_PATCHES // maps))
        self.with_ledger = min(self.each, max(1, MOST_LEDGERS // max(maps, 1)))
        self._pictures: dict[int, Array | None] = {}
        self._wanted: list[tuple[int, str, str, Response]] = []
        self._doubts: dict[tuple[str, int], list[str]] = {}
        for verdict in survey.verdicts:
            for map_ in verdict.maps:
                self._doubts.setdefault((verdict.layer, map_), []).append(verdict.kind)
        self.chosen = self._chosen() if maps > MOST_PATCHES else None

    def _chosen(self) -> set[tuple[str, int]]:
        """Return the maps of a large network that are in the page, with a patch and its ledger: as many of each layer.

        Those with a verdict first, then those with the largest responses; a map that is constant has none.
        """
        tally, chosen = self.survey.state.tally, set()
        share = max(1, MOST_LEDGERS // len(tally.plan.layers))
        for layer in tally.plan.layers:
            low, high = tally.low[layer.slice], tally.high[layer.slice]
            maps = np.flatnonzero(low < high).tolist()
            maps.sort(key=lambda n: ((layer.name, n) not in self._doubts, -high[n], n))
            chosen |= {(layer.name, n) for n in maps[:share]}
        return chosen

    def body(self) -> Iterator[str]:
        """Yield the parts of the page."""
        survey = self.survey
        links = " ".join(
            f'<a href="#layer-{n}">{_text(called(name))}</a>'
            for n, name in enumerate(survey.layers)
        )
        yield (
            f"<nav><div><span>{links}</span><label><input type=checkbox id=doubtful> only maps with a verdict"
            f"</label></div></nav>\n<main>"
        )
        facts = survey.state.facts
        yield f"<h1>{_text(survey.graph.name)} over {so_many(survey.images)}</h1>"
        yield f'<p class="dim">{_text(facts["described"])}; every image: {_text("; ".join(facts["prepared"]["steps"]))}</p>'
        if survey.skipped:
            named = "; ".join(f"{name}: {why}" for name, why in list(survey.bad.values())[:5])
            yield f'<p class="bad">{so_many(survey.skipped)} {"was" if survey.skipped == 1 else "were"} skipped. {_text(named)}</p>'
        if self.chosen is not None:
            yield (
                f"<p>{len(self.chosen):,} of the {survey.state.tally.plan.maps:,} maps are in this page: as many of each layer, "
                f"those with a verdict first, then those with the largest responses; a map that is constant has nothing to "
                f"show and is left out. survey --json, --csv and the "
                f"explorer's screen Survey have all.</p>"
            )
        if survey.verdicts:
            yield "<h2>Verdicts</h2><ul>"
            lines = list(grouped_verdicts(survey.verdicts))
            for line in lines[:MOST_LINES]:
                yield f"<li>{_text(line)}</li>"
            yield "</ul>"
            if len(lines) > MOST_LINES:
                yield f"<p>{len(lines) - MOST_LINES:,} more, in --json.</p>"
        yield from self._confusion()
        for number, layer in enumerate(survey.layers.values()):
            yield from self._layer(number, layer)
        yield "</main>"
        yield (
            "<dialog><h3></h3><div class=sides><div><img alt=''><p class='where dim'></p></div>"
            "<div class=ledger><pre></pre><table></table><p class='more dim'></p></div></div>"
            "<form method=dialog><button>Close</button></form></dialog>"
        )

    def _confusion(self) -> Iterator[str]:
        table = self.survey.confusion
        if not table or len(table) > 100 or len(self.survey.classes) > 100:
            return
        yield "<h2>Which class was the largest output</h2>"
        if self.survey.right is not None:
            yield f"<p>{_text(self.survey.right_in_words)}</p>"
        head = "".join(f"<th>{_text(name)}</th>" for name in self.survey.classes)
        yield f"<div class=scroll><table><tr><th>label</th>{head}</tr>"
        for label, row in table.items():
            cells = "".join(f"<td>{count:,}</td>" for count in row)
            yield f"<tr><td>{_text(label)}</td>{cells}</tr>"
        yield "</table></div>"

    def _layer(self, number: int, layer: LayerFigures) -> Iterator[str]:
        seen = field_in_words(self.survey.graph, layer.name)
        told = f"{so_many(layer.maps, 'map')} × {so_many(layer.places, 'place')}"
        told += f"; {seen}" if seen else ""
        if self.chosen is not None:
            told += f"; {sum(name == layer.name for name, _ in self.chosen):,} of them here"
        yield f'<h2 id="layer-{number}">{_text(called(layer.name))} ({_text(layer.kind)})</h2>'
        yield f'<p class="dim">{_text(told)}</p><div class=cards>'
        for one in layer:
            if self.chosen is None or (layer.name, one.map) in self.chosen:
                yield self._card(number, layer, one)
        yield "</div>"

    def _card(self, number: int, layer: LayerFigures, one: MapFigures) -> str:
        doubts = self._doubts.get((layer.name, one.map), [])
        kind = '<span class="bad">' + _text(", ".join(doubts)) + "</span>" if doubts else ""
        figures = "no finite number"
        if one.mean is not None and one.std is not None:
            low, high = one.min or 0.0, one.max or 0.0
            figures = (
                f"mean {_short(one.mean)} ± {_short(one.std)}, {_short(low)} … {_short(high)}, "
                f"{percent(one.zeros)} zeros"
            )
        patches = [
            self._patch(f"p{number}-{one.map}-{rank}", layer, response, rank)
            for rank, response in enumerate(one.top[: self.each])
            if one.max != one.min
        ]
        return (
            f'<div class="card{" doubt" if doubts else ""}"><h3>map {one.map}{kind}</h3>'
            f'<p class="dim">{_text(figures)}</p>{self._histogram(layer, one)}'
            f"<div class=patches>{''.join(patches)}</div></div>"
        )

    def _histogram(self, layer: LayerFigures, one: MapFigures) -> str:
        """Return a map's bars, as `LayerFigures.bars` gives them."""
        if not (bars := layer.bars(one.map)):
            return ""
        assert one.min is not None and one.max is not None
        most = max(bars) or 1
        drawn = "".join(
            f'<rect x="{n * 5}" y="{34 - 34 * b / most:.1f}" width="4.4" height="{34 * b / most:.1f}"/>'
            for n, b in enumerate(bars)
            if b
        )
        title = f"how often: {_short(one.min)} on the left, {_short(one.max)} on the right; zeros left out"
        return (
            f'<svg viewBox="0 0 240 34" preserveAspectRatio="none" role="img"><title>{_text(title)}'
            f"</title>{drawn}</svg>"
        )

    # -- patches ----------------------------------------------------------------------------------

    def _picture(self, number: int) -> Array | None:
        from convscope.survey.patches import picture

        if number not in self._pictures:
            if len(self._pictures) > 2000:
                self._pictures.clear()
            try:
                preparation = self.survey.measuring.preparation
                self._pictures[number] = picture(preparation, self.survey.item(number))
            except ConvscopeError:  # no picture, or gone: the response is told without it
                self._pictures[number] = None
        return self._pictures[number]

    def _patch(self, id_: str, layer: LayerFigures, response: Response, rank: int) -> str:
        from convscope.survey.patches import cut

        image = self._picture(response.image)
        if image is None:
            return ""
        patch = cut(image, self.survey.graph.patch(layer.name, response.position))
        where = f"{response.whose}: {patch.words}"
        title = f"{layer.name} at {shape_in_words(response.position)} = {exact(response.value)}"
        self.ledgers[id_] = {"title": title, "where": where, "rows": [], "more": ""}
        if rank < self.with_ledger:
            self._wanted.append((response.image, id_, layer.name, response))
        else:
            self.ledgers[id_]["more"] = "The page holds the ledgers of the largest responses only."
        return (
            f'<button id="{id_}" title="{_text(title)}"><img src="{patch.address(SIDE)}" alt="{_text(where)}">'
            f"</button>"
        )

    def tell(self) -> None:
        """Add the ledgers, image by image: each goes through the network once."""
        for image, wanted in groupby(sorted(self._wanted), key=itemgetter(0)):
            try:
                activations = self.survey.run(image).activations
            except ConvscopeError as error:
                for _, id_, _, _ in wanted:
                    self.ledgers[id_]["more"] = str(error)
                continue
            for _, id_, layer, response in wanted:
                self.ledgers[id_] |= self._ledger(activations, layer, response)

    def _ledger(
        self, activations: dict[str, Array], layer: str, response: Response
    ) -> dict[str, Any]:
        """Return what made a number, short enough to stand beside its patch."""
        engine = self.survey.network.backing.engine
        try:
            told = trace(self.survey.graph, activations, layer, response.position, engine).to_dict()
        except ConvscopeError as error:
            return {"more": str(error)}
        parts = [("bias", told["bias"])] if told.get("bias") is not None else []
        groups = sorted(told.get("groups") or [], key=lambda g: -abs(g["partial_sum"]))
        parts += [
            (f"map {g['channel']} of the input", g["partial_sum"]) for g in groups[:SHOWN_GROUPS]
        ]
        if len(groups) > SHOWN_GROUPS:
            rest = sum(g["partial_sum"] for g in groups[SHOWN_GROUPS:])
            parts.append((f"{len(groups) - SHOWN_GROUPS:,} more maps", rest))
        rows = []
        if (before := told.get("preactivation")) is not None:
            shown, total = adding_up([value for _, value in parts], before, PLACES)
            rows = [[name, text] for (name, _), text in zip(parts, shown, strict=True)]
            changed = told["activation"] or before != told["value"]
            what = (REDUCED.get(told["reduction"]), "before the activation" if changed else None)
            rows.append([", ".join(filter(None, what)) or "sum", total])
        rows.append(["value (float64)", exact(told["value"])])
        if told.get("engine_value") is not None:
            rows.append([f"{engine} (float32)", exact(told["engine_value"])])
            if told["engine_value"] != response.value:  # kernels may round otherwise in a group
                rows.append(["in its group of images", exact(response.value)])
        return {"equation": told["equation"], "rows": rows}


def _short(value: float) -> str:
    return exact(float(f"{value:.3g}"))


def _text(text: str) -> str:
    return escape(printable(text))

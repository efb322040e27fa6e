"""A survey as the rules of `check` look at it; its images are needed only to name one that is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convscope.checks.counted import Counted, Counts, NotFinite
from convscope.errors import ConvscopeError, SettingError
from convscope.survey.measuring import passed_on
from convscope.survey.stored import State, load
from convscope.survey.survey import Survey
from convscope.survey.work import check_network, opened

LOOKED = 64
"""So many images are run again to name one whose numbers are not finite."""


def counted(network: Any, survey: Any, data: Any = None) -> Counted:
    """Return what a survey, or its file, counted of a network.

    data   where the images are now, if not where they were

    Raises `InputError` for a file that is no survey, and for a survey of another network.
    """
    if not isinstance(survey, (Survey, str, Path)):
        raise SettingError(f"survey is a Survey or its file, not {type(survey).__name__}")
    if isinstance(survey, Survey):
        state, named, beside = survey.state, repr(survey), partial(_itself, survey)
    else:
        state, named = load(Path(survey)), str(survey)
        beside = partial(opened, network, survey, data)
    check_network(network, state, named)

    def example(layer: str) -> NotFinite | str:
        pixels = network.pixels
        try:
            return _example(beside(), layer)
        except ConvscopeError as error:
            return f"the images are needed again for that: {error}"
        finally:
            network.pixels = pixels

    same = frozenset(passed_on(network.graph))
    of = None if state.whole else state.total or 0
    tally = state.tally
    return Counted(
        state.facts["described"],
        tally.images,
        of,
        tally.skipped,
        dict(_layers(state)),
        same,
        example,
    )


def _itself(survey: Survey) -> Survey:
    return survey


def _layers(state: State) -> Iterator[tuple[str, Counts]]:
    tally = state.tally
    for layer, one in zip(tally.plan.layers, tally.histograms, strict=True):
        at = layer.slice
        bins = tuple(found for row in range(one.rows) for found in one.bins(row))
        figures = tally.zeros[at], tally.odd[at], tally.low[at], tally.high[at]
        yield layer.name, Counts(not layer.axis, layer.places, *figures, bins)


def _example(survey: Survey, layer: str) -> NotFinite | str:
    """Return an image in which a layer is not finite, of the first that were counted: one that it is born in, if any."""
    looked, later = 0, None
    for first, last in survey.state.done:
        for number in range(first, last):
            if number in survey.bad:
                continue
            if looked == LOOKED:
                return later or (
                    f"a survey keeps no names of them, and none of the first {LOOKED} images is one"
                )
            looked += 1
            found = survey.run(number).activations
            array = found[layer]
            odd = np.argwhere(~np.isfinite(array))
            if len(odd):
                where = tuple(int(p) for p in odd[0])
                reads = [found.get(before) for before in survey.graph.nodes[layer].inputs]
                born = all(read is not None and bool(np.isfinite(read).all()) for read in reads)
                name = survey.item(number).name
                one = NotFinite(name, float(array[where]), where, born)
                if born:
                    return one
                later = later or one
    return later or "a survey keeps no names of them, and run again alone no image is one"

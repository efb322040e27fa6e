"""What is doubtful about maps, each with what it rests on: counted over the images, or proved from the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.explain.words import exact, join, scientific
from convscope.layers.base import tensor_names
from convscope.model.graph import Graph
from convscope.model.maps import channel_axes
from convscope.model.naming import called
from convscope.notation.expression import Call, Inside, Place, Reduction
from convscope.notation.index import Axis, Index
from convscope.notation.sizes import is_known, product
from convscope.survey.data import so_many
from convscope.typed import Array, Record

if TYPE_CHECKING:
    from convscope.survey.survey import LayerFigures, Survey

ALIKE = 0.9999
"""Maps whose correlation in the sample is at least this are looked at: their weights say whether they are copies."""

LEAST_MOVED = 8
"""So many numbers in the sample must be other than the usual one (0, after most ReLUs), or they are alike by chance."""

SATURATED, NEAR = 0.95, 0.01
"""A map is saturated where so large a share of its numbers lies within so much of a bound, of the whole range."""

BOUNDS: dict[str, tuple[float | None, float]] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu6": (None, 6.0),
}
"""Between which numbers an activation stays, by its name; 0 is where a ReLU6 rests, as a ReLU does."""

MOST_COMPARED = 4096
"""Of a layer with more maps none are compared with one another."""


class Verdict(Record):
    """What was found of one map, or of a few.

    kind      "never fired", "constant", "always on", "saturated", "copies", "alike" or "not finite"
    evidence  what it rests on, in words
    proved    whether the weights prove it for any image; else it is what was seen in these
    """

    kind: str
    layer: str
    maps: tuple[int, ...]
    evidence: str
    proved: bool = False

    def __str__(self) -> str:
        many = "maps" if len(self.maps) > 1 else "map"
        return f"{called(self.layer)}, {many} {', '.join(map(str, self.maps))}: {self.kind}: {self.evidence}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**self._asdict(), "maps": list(self.maps)}


def verdicts(survey: Survey) -> list[Verdict]:
    """Return the verdicts on every layer of a survey, in order."""
    found: list[Verdict] = []
    for layer in survey.layers.values():
        found += _of_values(survey, layer)
        found += _of_pairs(survey, layer)
    return found


def _of_values(survey: Survey, layer: LayerFigures) -> Iterator[Verdict]:
    from convscope.survey.survey import field_in_words, percent

    tally = survey.state.tally
    at = tally.plan.layer(layer.name).slice
    low, high, zeros, odd = tally.low[at], tally.high[at], tally.zeros[at], tally.odd[at]
    over = f"{so_many(survey.images)} × {so_many(layer.places, 'place')}"
    seen = field_in_words(survey.graph, layer.name)
    over += f"; {seen}" if seen else ""
    finite = np.isfinite(low)
    clips = _clips(survey.graph, layer.name)
    others = int(zeros.sum()) / (layer.count * layer.maps)
    others_are = (
        f"{percent(others)} of the layer's numbers are 0" if others else "nothing of the layer is 0"
    )
    bounds = _bounds(survey.graph, layer.name)
    for place in range(layer.maps):
        name, maps = layer.name, (place,)
        if odd[place]:
            many = f"{so_many(int(odd[place]), 'number')} {'are' if odd[place] > 1 else 'is'}"
            yield Verdict("not finite", name, maps, f"{many} NaN or infinite, in {over}")
        if not finite[place]:
            continue
        if low[place] == high[place]:
            kind = "never fired" if low[place] == 0 else "constant"
            if odd[place] or (kind == "constant" and layer.count == 1):
                continue
            told = f"every number is {exact(float(low[place]))}, in {over}"
            if weighed := weights_in_words(survey.graph, name, place):
                told += f"; {weighed}"
            yield Verdict(kind, name, maps, told)
            continue
        if low[place] > 0 and (clips == "itself" or (clips and others)):
            told = f"never below {exact(float(low[place]))}, while {others_are}, in {over}"
            yield Verdict("always on", name, maps, told)
        if bounds is not None and survey.histograms[name].rows == layer.maps:
            yield from _saturated(layer, place, bounds, over)


def _saturated(
    layer: LayerFigures, place: int, bounds: tuple[float | None, float], over: str
) -> Iterator[Verdict]:
    low, high = bounds
    near = (high - (low or 0.0)) * NEAR
    bins = layer.histogram(place)
    below = 0 if low is None else sum(count for _, end, count in bins if end <= low + near)
    above = sum(count for start, _, count in bins if start >= high - near)
    share = (below + above) / layer.count
    if share >= SATURATED:
        yield Verdict(
            "saturated", layer.name, (place,),
            f"at least {floor(share * 1e3) / 1e3:.1%} of its numbers lie within {near:g} of "
            f"{'' if low is None else f'{low:g} or '}{high:g}, in {over}",
        )  # fmt: skip


def _clips(graph: Graph, layer: str) -> str:
    """Return where what is below 0 becomes 0: "itself", a ReLU, or "before", the largest of what went through one.

    "" elsewhere. The largest of many is seldom 0: that it never is says something beside others of the layer.
    """
    node = graph.nodes.get(layer)
    equation = None if node is None else graph.facts[layer].equation
    if node is None or equation is None:
        return ""
    expression = equation.expression
    if isinstance(expression, Reduction) and expression.kind == "max":
        return "before" if _clips(graph, node.inputs[0]) else ""
    relu = isinstance(expression, Call) and expression.function.name in ("relu", "relu6")
    return "itself" if relu else ""


def _bounds(graph: Graph, layer: str) -> tuple[float | None, float] | None:
    """Return between which numbers a layer's outermost function stays."""
    equation = graph.facts[layer].equation
    function = getattr(getattr(equation, "expression", None), "function", None)
    return BOUNDS.get(getattr(function, "name", ""))


def grouped_verdicts(found: list[Verdict]) -> Iterator[str]:
    """Yield what is to be read: of one layer and kind in one line, with the evidence of the first."""
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in found:
        alone = len(verdict.maps) > 1  # copies: a group each
        groups.setdefault(
            (verdict.layer, f"{verdict.kind} {verdict.maps if alone else ''}"), []
        ).append(verdict)
    for many in groups.values():
        first = many[0]
        if len(many) == 1:
            yield str(first)
            continue
        maps = ", ".join(str(verdict.maps[0]) for verdict in many)
        alike = all(verdict.evidence == first.evidence for verdict in many)
        whose = "" if alike else f"map {first.maps[0]}: "
        yield f"{called(first.layer)}, {len(many)} maps: {first.kind}: {maps} ({whose}{first.evidence})"


# -- copies ---------------------------------------------------------------------------------------


def _of_pairs(survey: Survey, layer: LayerFigures) -> Iterator[Verdict]:
    """Yield groups of maps that go together in the sample, and what the weights say of them."""
    if not 1 < layer.maps <= MOST_COMPARED or not survey.sampled:
        return
    measured = survey.state.tally.plan.layer(layer.name)
    alike = survey.sample_correlations(measured)
    with np.errstate(invalid="ignore"):
        near = np.triu(alike >= ALIKE, 1)
    sample, moved = survey.sample(measured), dict[int, int]()
    taken: set[int] = set()
    for one in np.flatnonzero(near.any(axis=1)).tolist():
        if one in taken:
            continue
        others = [int(n) for n in np.flatnonzero(near[one]) if int(n) not in taken]
        told: dict[tuple[bool, str], list[int]] = {}
        for n in others:
            proof = identical(survey.graph, layer.name, one, n)
            why = {
                True: "the same weights on the same inputs: equal for any image",
                False: _differing(survey.graph, layer.name, one, n),
                None: "their weights do not say whether they are equal for any image",
            }[proof]
            if proof is True or min(_moved(sample, m, moved) for m in (one, n)) >= LEAST_MOVED:
                told.setdefault((proof is True, why), []).append(n)
        least = min((float(alike[one, n]) for maps in told.values() for n in maps), default=1.0)
        more = " or more" if least < 1 else ""
        least = floor(least * 1e5) / 1e5  # down, as "or more" says
        how = f"correlation {least:.5f}{more} in a sample of {so_many(survey.sampled)}"
        for (proved, why), maps in sorted(told.items(), reverse=True):
            taken |= {one, *maps} if proved else set(maps)
            kind = "copies" if proved else "alike"
            yield Verdict(kind, layer.name, (one, *maps), f"{how}; {why}", proved)


def _moved(sample: Array, map_: int, known: dict[int, int]) -> int:
    """Return how many of a map's numbers in the sample are other than its usual one."""
    if map_ not in known:
        many = np.unique(sample[:, map_], return_counts=True)[1]
        known[map_] = len(sample) - int(many.max(initial=0))
    return known[map_]


def _differing(graph: Graph, layer: str, one: int, other: int) -> str:
    """Return that weights differ, and how: "their weights differ: those of map 6 are 2 times those of map 4"."""
    weights = dict(graph.nodes[layer].layer.weights)
    pairs = {
        name: (np.take(weights[name], one, place), np.take(weights[name], other, place))
        for name, place, source, _ in _reads_by_map(graph, layer) or ()
        if not source and name in weights
    }
    if not pairs:
        return "weights before them differ"
    said = "their weights differ"
    same = [name for name, (a, b) in pairs.items() if np.array_equal(a, b)]
    others = [name for name in pairs if name not in same]
    if not others or not any(a.ndim for a, _ in pairs.values()):
        return said
    if any(pairs[name][0].ndim for name in same):
        return f"{said}: {join(same)} is the same, {join(others)} is not"
    largest, beside = max(pairs.values(), key=lambda pair: float(np.abs(pair[0]).max(initial=0)))
    at = np.unravel_index(int(np.abs(largest).argmax()), largest.shape)
    factor = float(beside[at]) / float(largest[at]) if largest[at] else 0.0
    if factor and all(np.allclose(a * factor, b, rtol=1e-6, atol=0) for a, b in pairs.values()):
        by = exact(float(f"{factor:.6g}"))
        if by == "1":
            return f"{said}, none by more than 0.001 %"
        return f"{said}: those of map {other} are {by} times those of map {one}"
    return said


Said = dict[tuple[str, int, int], bool | None]


def identical(
    graph: Graph, layer: str, one: int, other: int, said: Said | None = None
) -> bool | None:
    """Return whether the weights prove that two maps of a layer are equal for any image.

    They do where every weight has the same numbers for both, and where what each reads of the inputs is
    the same: all maps of them, or maps that are copies themselves. False where weights differ; None where
    that cannot be said.

    said   what has been found of the layers before this one, and is not looked for again
    """
    said = {} if said is None else said
    if (layer, one, other) not in said:
        said[layer, one, other] = _identical(graph, layer, one, other, said)
    return said[layer, one, other]


def _identical(graph: Graph, layer: str, one: int, other: int, said: Said) -> bool | None:
    if layer in graph.inputs:
        return True if one == other else None
    by_map = _reads_by_map(graph, layer)
    if by_map is None:
        return None
    weights = dict(graph.nodes[layer].layer.weights)
    found: bool | None = True
    for name, place, source, reads in by_map:
        if source:
            same = _alike(graph, source, place, reads(one), reads(other), said)
        elif (weight := weights.get(name)) is None:
            same = None
        else:
            same = bool(np.array_equal(np.take(weight, one, place), np.take(weight, other, place)))
        if same is False:
            return False
        found = found and same
    return found


def _alike(
    graph: Graph, source: str, place: int, one: Array | None, other: Array | None, said: Said
) -> bool | None:
    """Return whether what two maps read of a layer is the same for any image, number by number."""
    if one is None or other is None or channel_axes(graph)[source] != place:
        return None
    found: bool | None = True
    maps = graph.shape(source)[place]
    for a, b in {(int(a), int(b)) for a, b in zip(one, other, strict=True)}:
        there = is_known(maps) and min(a, b) >= 0 and max(a, b) < maps  # not in the padding
        same = True if a == b else identical(graph, source, a, b, said) if there else None
        if same is False:
            return False
        found = found and same
    return found


def _read_at(index: Index, axis: Axis, map_: int) -> Array | None:
    """Return at which places along its axis a tensor is read for one map; None for too many to be looked at."""
    others = sorted(index.axes() - {axis}, key=lambda other: other.name)
    sizes = [other.size for other in others if is_known(other.size)]
    if len(sizes) < len(others) or product(sizes) > MOST_COMPARED:
        return None
    count = product(sizes)
    runs = dict(zip(others, np.indices(sizes).reshape(len(sizes), count), strict=True))
    places: Array = np.broadcast_to(index.at({axis: map_, **runs}), count)
    return places


def _reads_by_map(
    graph: Graph, layer: str
) -> list[tuple[str, int, str, Callable[[int], Array | None]]] | None:
    """Return what a layer's equation reads at the place of its own map: tensor, its axis, what feeds it, and where.

    What feeds it is "" for a weight. None where the map decides in another way what a number is.
    """
    node, equation = graph.nodes[layer], graph.facts[layer].equation
    if equation is None:
        return None
    place = channel_axes(graph)[layer]
    if place is None and len(equation.axes) != 1:
        return None
    axis = equation.axes[0 if place is None else place]
    for stated in (equation.expression, *(local.expression for local in equation.locals)):
        for part in stated.walk():
            indices = part.indices if isinstance(part, Inside) else ()
            indices = (part.index,) if isinstance(part, Place) else indices
            if any(axis in index.axes() for index in indices):
                return None
    feeds = dict(zip(tensor_names(len(node.inputs)), node.inputs, strict=True))
    found: list[tuple[str, int, str, Callable[[int], Array | None]]] = []
    for read, indices, _ in equation.inlined:
        using = [n for n, index in enumerate(indices) if axis in index.axes()]
        if not using:
            continue
        index, source = indices[using[0]], feeds.get(read.tensor.name, "")
        if len(using) > 1 or (not source and index.single() is not axis):
            return None
        found.append((read.tensor.name, using[0], source, partial(_read_at, index, axis)))
    return found


def weights_in_words(graph: Graph, layer: str, map_: int) -> str:
    """Return how large a map's weights are beside those of the layer's other maps; "" without any.

    A filter whose numbers are all but 0 was given up in training; one like the others may fire for other images.
    """
    told = []
    weights = dict(graph.nodes[layer].layer.weights)
    for name, place, source, _ in _reads_by_map(graph, layer) or ():
        weight = weights.get(name)
        if source or weight is None or weight.shape[place] < 2:
            continue
        largest = np.abs(np.moveaxis(weight, place, 0).reshape(weight.shape[place], -1)).max(axis=1)
        if weight.ndim == 1:
            told.append(f"its {name} is {exact(float(weight[map_]))}")
        else:
            usual = float(np.median(largest))
            told.append(
                f"the largest number of its {name} is {scientific(float(largest[map_]))} (of the layer's "
                f"maps {scientific(usual)} is usual)"
            )
    return ", ".join(dict.fromkeys(told))

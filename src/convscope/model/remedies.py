"""Why an edit cannot be, and which values would do: found by trying them, not by knowing the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from convscope.errors import ConvscopeError, SettingError, ShapeError
from convscope.layers.base import Layer
from convscope.model.editing import Edit, EditError, replacements, shown
from convscope.model.graph import Graph
from convscope.model.settings import allowed
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape, is_known, shape_text

LEAST_TRIED, MOST_TRIED = 64, 1024
"""Whole numbers are tried from 1 to somewhere between these: as far as the sizes at hand suggest."""

MOST_STEPS = 8000
"""So many equations are solved for all values that are tried together."""

MOST_NODES = 3000
"""So many nodes of a stored model are gone through for all values that are tried together."""

MOST_WORDS = 8
"""Settings of more words than this (activations) are not tried."""

MOST_BRANCHES = 24
"""So many layers before the one that breaks are tried with the same edit."""

LISTED = 8


def explained(graph: Graph, edits: Sequence[Edit], failed: EditError) -> ConvscopeError:
    """Return the error that people read: what fails where and why, and what would work instead."""
    own = [e for e in edits if graph.node(e.layer).layer is graph.node(failed.node).layer]
    names = " with ".join(map(str, own or edits))
    if own:
        text = f"{names} cannot be: {_own_reason(graph, failed)}"
    else:
        text = (
            f"{names} {'are' if len(edits) > 1 else 'is'} fine for the layer itself"
            f"{_gives(failed.graph, edits)}, but a later layer breaks: {failed.cause}"
        )
    if not getattr(failed.cause, "allowed", ()):  # it has not said already what would do
        text = f"{text}. {_remedies(graph, edits, own, failed.node)}"
    return type(failed.cause)(text)


def explained_by_trying(
    graph: Graph,
    edits: Sequence[Edit],
    own: Sequence[Edit],
    cause: ConvscopeError,
    reached: Graph | None,
    values: Callable[[Edit], tuple[Any, ...]],
    works: Callable[[Sequence[Edit]], bool],
) -> ConvscopeError:
    """Return the error that people read, for a model whose edits are made by its own reader.

    own       the edits of the layer that breaks; none where a later one does
    reached   the edited graph up to there
    values    what is tried in the place of an edit's value
    works     whether edits can be
    """
    names = " with ".join(map(str, own or edits))
    if own:
        text = f"{names} cannot be: {cause}"
    else:
        text = (
            f"{names} {'are' if len(edits) > 1 else 'is'} fine for the layer itself"
            f"{_gives(reached, edits)}, but a later layer breaks: {cause}"
        )
    most = max(MOST_NODES // max(len(graph.nodes), 1), 8)
    said = []
    for edit in own or edits:
        every = values(edit)
        others = [e for e in edits if e is not edit]
        tried = every[:most]
        good = [value for value in tried if works([*others, edit._replace(value=value)])]
        if good:
            end = every[-1] if type(every[-1]) is int else None
            name = f"{edit.layer}.{edit.setting}" if others else edit.setting
            said.append(f"{name} {spelled(good, end, len(tried) == len(every))} would do")
    rest = "; or ".join(said) or "No other value that was tried would do; it works as it was before"
    return type(cause)(f"{text}. {rest}")


def numbers_for(kind: str, least: int = 1) -> tuple[int, ...]:
    """Return the whole numbers that are tried for a setting of this kind; () where it is none."""
    return tuple(range(least, LEAST_TRIED + 1)) if kind in ("int", "sizes") else ()


def _own_reason(graph: Graph, failed: EditError) -> str:
    """Return why an edited layer itself fails, and what comes in where it does not say so."""
    reason = str(failed.cause)
    if failed.graph is None and not getattr(failed.cause, "allowed", ()):
        feeds = graph.node(failed.node).inputs
        shapes = " and ".join(shape_text(graph.shape(name)) for name in feeds)
        reason += f" (its input has shape {shapes})"
    return reason


def _gives(reached: Graph | None, edits: Sequence[Edit]) -> str:
    """Return what the edited layers give, as far as they stand before the one that fails."""
    if reached is None:
        return ""
    names = list(dict.fromkeys(e.layer for e in edits if e.layer in reached.facts))
    given = [f"{name} gives {shape_text(reached.shape(name))}" for name in names]
    return f" ({', '.join(given)})" if given else ""


# -- what would work ------------------------------------------------------------------------------


def _remedies(graph: Graph, edits: Sequence[Edit], own: Sequence[Edit], node: str) -> str:
    """Return a sentence that says which values would make the edits possible."""
    trial = Trial(graph)
    said: list[str] = []
    for edit in own or edits:
        said += _values(trial, edit, [e for e in edits if e is not edit], bool(own))
    if not own:
        said += _elsewhere(trial, edits, node)
    said += _besides(trial, edits, own)
    if said:
        return "; or ".join(said)
    return "No other value that was tried would do; it works as it was before"


def _values(trial: Trial, edit: Edit, others: Sequence[Edit], own: bool) -> Iterator[str]:
    """Yield which values of a setting would do, beside the other edits."""
    values = _candidates(trial.graph, edit)
    tries = [[*others, edit._replace(value=value)] for value in values]
    works, complete = trial.working(tries)
    if not works:
        return
    end = values[-1] if isinstance(edit.value, (int, tuple, list)) else None
    name = f"{edit.layer}.{edit.setting}" if others else edit.setting
    text = f"{name} {spelled([values[n] for n in works], end, complete)} would do"
    if own and complete:
        alone, _ = trial.working(tries, only=edit.layer)
        if alone != works:
            text += f" ({spelled([values[n] for n in alone])} for this layer alone)"
    yield text


def _elsewhere(trial: Trial, edits: Sequence[Edit], node: str) -> Iterator[str]:
    """Yield which other layer before the one that breaks would need the same edit: another branch."""
    graph = trial.graph
    edited = {id(graph.node(e.layer).layer) for e in edits}
    before = [n for n in reversed(graph.needed([node])) if id(graph.node(n).layer) not in edited]
    for edit in edits:
        old = graph.node(edit.layer).layer.settings()[edit.setting]
        for name in before[:MOST_BRANCHES]:
            layer = graph.node(name).layer
            if not layer.opaque and layer.settings().get(edit.setting) == old:
                more = Edit(name, edit.setting, edit.value)
                if trial.working([[*edits, more]])[0]:
                    yield f"{more} beside it"


def _besides(trial: Trial, edits: Sequence[Edit], own: Sequence[Edit]) -> Iterator[str]:
    """Yield which words of other settings of the edited layers would make the edits possible."""
    graph = trial.graph
    given = {(id(graph.node(e.layer).layer), e.setting) for e in edits}
    for layer in dict.fromkeys(e.layer for e in own or edits):
        held = graph.node(layer).layer
        for setting, value in held.settings().items():
            if (id(held), setting) in given or setting == "data_format":
                continue
            words = allowed(held, setting) if isinstance(value, str) else ()
            for word in [w for w in words if w != value][:MOST_WORDS]:
                more = Edit(layer, setting, word)
                if trial.working([[*edits, more]])[0]:
                    yield f"{more} beside it"


def _candidates(graph: Graph, edit: Edit) -> list[Any]:
    """Return the values to try for a setting, like the one that was asked for."""
    layer = graph.node(edit.layer).layer
    old = layer.settings()[edit.setting]
    words = allowed(layer, edit.setting)
    if words:
        return [w for w in words if w != edit.value] if len(words) <= MOST_WORDS else []
    if isinstance(old, bool):
        return [value for value in (True, False) if value is not edit.value]
    sizes = [s for n in graph.node(edit.layer).inputs for s in graph.shape(n) if is_known(s)]
    olds = old if isinstance(old, tuple) else (old,)
    if not olds or not all(is_known(v) for v in olds):
        return []
    asked = edit.value if isinstance(edit.value, (tuple, list)) else (edit.value,)
    reach = [*sizes, *olds, *(a for a in asked if isinstance(a, int))]
    numbers = range(1, max(LEAST_TRIED, min(MOST_TRIED, max(reach) + 1)) + 1)
    if not isinstance(edit.value, (tuple, list)) or len(asked) != len(olds):
        return list(numbers)
    # one axis at a time; where all differ from what fits, all together
    values = [(*asked[:n], v, *asked[n + 1 :]) for n in range(len(asked)) for v in numbers]
    return values + [(v,) * len(asked) for v in numbers]


class Trial:
    """Tries edits on a graph for their shapes alone; nothing is built, and what is known is kept."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.steps = 0
        self._known: dict[tuple[str, tuple[Shape, ...]], Shape | None] = {}
        uses: dict[int, int] = {}
        for node in graph.nodes.values():
            uses[id(node.layer)] = uses.get(id(node.layer), 0) + 1
        self._shared = {layer for layer, count in uses.items() if count > 1}

    def working(
        self, tries: Sequence[Sequence[Edit]], only: str | None = None
    ) -> tuple[list[int], bool]:
        """Return the places of the edits that work, and whether all of them could be tried.

        only   the one layer that has to work
        """
        found: list[int] = []
        for number, edits in enumerate(tries):
            if self.steps > MOST_STEPS:
                return found, False
            if self._works(edits, only):
                found.append(number)
        return found, True

    def _works(self, edits: Sequence[Edit], only: str | None) -> bool:
        try:
            replaced = replacements(self.graph, edits)
        except EditError:
            return False
        shapes: dict[str, Shape] = dict(self.graph.inputs)
        weights: dict[int, Any] = {}
        for name, node in self.graph.nodes.items():
            given = tuple(shapes[n] for n in node.inputs)
            new = replaced.get(id(node.layer))
            same = given == self.graph.facts[name].input_shapes
            if new is None and same and id(node.layer) not in self._shared:
                shapes[name] = self.graph.shape(name)
                continue
            if node.layer.opaque or any(shape is UNKNOWN_SHAPE for shape in given):
                shapes[name] = self.graph.shape(name) if same else UNKNOWN_SHAPE
                continue
            shape = self._after(name, new or node.layer, given, new is None, weights)
            if shape is None:
                return False
            shapes[name] = shape
            if name == only:
                break
        return True

    def _after(
        self, name: str, layer: Layer, given: tuple[Shape, ...], old: bool, weights: dict[int, Any]
    ) -> Shape | None:
        """Return what a layer gives; None where it cannot be."""
        shared = id(self.graph.nodes[name].layer) in self._shared
        key = (name, given)
        if old and not shared and key in self._known:
            return self._known[key]
        self.steps += 1
        try:
            equation = layer.equation(*given)
            shape: Shape | None = equation.shape
            own = equation.weights
            if shared and weights.setdefault(id(layer), own) != own:
                shape = None
        except (SettingError, ShapeError):
            shape = None
        if old and not shared:
            self._known[key] = shape
        return shape


# -- in words -------------------------------------------------------------------------------------


def spelled(values: Sequence[Any], end: Any = None, complete: bool = True) -> str:
    """Return values as a sentence has them: 1 … 26; 1, 2, 4, 8; 5, 10, 15 … 60.

    end        the last value that was tried; what works there may work beyond
    complete   whether all values up to there were tried

    >>> spelled(list(range(1, 27))), spelled([1, 2, 4, 8])
    ('1 … 26', '1, 2, 4 or 8')
    """
    runs = _runs(list(values))
    texts = []
    for first, last, count in runs:
        if count > 2:
            texts.append(f"{shown(first)} … {shown(last)}")
        else:
            texts += [shown(v) for v in dict.fromkeys((first, last))]
    more = len(texts) - LISTED
    texts = texts[:LISTED]
    if more > 0:
        text = f"{', '.join(texts)} and {more} more"
    else:
        text = f"{', '.join(texts[:-1])} or {texts[-1]}" if len(texts) > 1 else "".join(texts)
    if not complete:
        return f"{text}, and perhaps others,"
    if len(values) > 2 and values[-1] == end:
        return f"{text}, and perhaps larger ones,"
    return text


def _runs(values: list[Any]) -> list[tuple[Any, Any, int]]:
    """Return (first, last, how many) of runs of neighbours: numbers, or tuples in one place."""
    runs: list[list[Any]] = []
    for before, value in pairwise([None, *values]):
        if runs and _next(before, value):
            runs[-1].append(value)
        else:
            runs.append([value])
    return [(run[0], run[-1], len(run)) for run in runs]


def _next(before: Any, value: Any) -> bool:
    if isinstance(before, int) and isinstance(value, int):
        return value == before + 1
    if isinstance(before, tuple) and isinstance(value, tuple) and len(before) == len(value):
        steps = [b - a for a, b in zip(before, value, strict=True)]
        return set(steps) == {1} or (max(steps) == 1 and sum(map(abs, steps)) == 1)
    return False

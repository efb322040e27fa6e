"""Layers with letters where sizes stand, for a page that works out edits with nobody to ask.

A layer's equation is stated for inputs of any size and, where that can be, for kernels, strides and filters of
any number; what cannot be a letter (a padding, a bias) is stated in a few ways. The page puts numbers in.
Nothing is sent that was not tried: each statement is held against the layer itself at other sizes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product as every
from typing import Any, TypeAlias

from convscope.errors import ConvscopeError
from convscope.explorer.known_edits import COUNTS, GROUPS, SIZES
from convscope.layers.base import Layer
from convscope.model.editing import with_settings
from convscope.model.facts import Facts, facts_of
from convscope.model.graph import Graph
from convscope.notation.serial import to_json
from convscope.notation.sizes import UNKNOWN_SHAPE, Size, is_known, plain, symbol
from convscope.typed import Record

Json: TypeAlias = Any

LETTER = "size_"
"""How the symbols begin that stand for sizes: no other text in an equation holds this."""

OPEN = ("kernel_size", "pool_size", "strides", "dilation_rate")
"""Sizes that may be letters, beside COUNTS."""

MOST = 800
"""How many statements a file holds at most: all layers times all ways."""

EACH = 32
"""And so many of one layer."""


class Letters(Record):
    """Which sizes of a layer are letters: those of its inputs, and the settings' (name → one, or one an axis).

    numbers   letter → the size that it has in the network
    """

    inputs: tuple[tuple[Size, ...], ...]
    settings: dict[str, Any]
    numbers: dict[Any, int]

    def __str__(self) -> str:
        return f"{self.inputs} {self.settings}"


def alternatives(graph: Graph, settings: Mapping[str, dict[str, Json]]) -> dict[str, Json]:
    """Return {"layers": [[layer, {"kinds", "starts"}]], "kinds": […], "why"}: those that can be stated so.

    settings   layer → what the host told of its settings

    why      where no layer can be stated so, the reason
    starts   weight → the number that it begins with before training, null where it is drawn
    kinds    which kinds it may be: as it is, and with its maps in groups. Layers that differ by nothing but
             what is open share them
    inputs   of a kind: the sizes of its inputs, as letters or numbers
    open     setting → the letters that stand for it
    fixed    the settings that are not open and have been tried in several ways
    ways     [values of the fixed settings, statement]; the statements after the first are told by where
             they differ from it, [[path, value], …], if that is shorter
    """
    layers = [node.layer for node in graph.nodes.values()]
    if len(set(map(id, layers))) < len(layers):  # one in two places counts once: the page does not
        return {
            "layers": [],
            "kinds": [],
            "why": "a layer of this network stands in several places",
        }
    most = max(1, min(EACH, MOST // max(1, len(layers))))
    found: list[Json] = []
    kinds: dict[str, Json] = {}
    for name, node in graph.nodes.items():
        told = settings[name].get("facts", {}).get("settings", {})
        facts = graph.facts[name]
        if not _can_be(node.layer, facts, told):
            continue
        places = []
        for turn, groups in enumerate(_groupings(told), 1):  # what it is not comes in fewer ways
            for names in (
                (*OPEN, *COUNTS),
                (*OPEN[:2], *COUNTS),
                COUNTS,
                (),
            ):  # as many as it takes
                letters = _letters(node.layer, told, facts.input_shapes, names, groups)
                own = {n: v for n, v in node.layer.settings().items() if n not in letters.settings}
                key = f"{node.layer.kind} {own} {letters} {groups}"
                if key not in kinds:
                    kinds[key] = _of_layer(node.layer, letters, told, groups, most // turn)
                if kinds[key]:
                    places.append(list(kinds).index(key))
                    break
        if places:
            found.append([name, {"kinds": places, "starts": _starts(node.layer, facts)}])
    why = (
        ""
        if found
        else "an edit of this model changes its file or module, which the page does not have"
    )
    return {"layers": found, "kinds": list(kinds.values()), "why": why}


def _groupings(told: Mapping[str, Json]) -> list[tuple[int, ...]]:
    """Return the numbers of groups that are stated together: one, where numbers of maps may be letters, and others."""
    own = next((told[name]["value"] for name in GROUPS if name in told), None)
    if own is None:
        return [()]
    others = tuple(n for n in dict.fromkeys((own, *GROUPS["groups"])) if n != 1)
    return [(1,), others] if own == 1 else [others, (1,)]


def _can_be(layer: Layer, facts: Facts, told: Mapping[str, Json]) -> bool:
    """Whether a layer has an equation over inputs of known sizes, and its settings are its own to change."""
    shapes = facts.input_shapes
    return (
        facts.equation is not None
        and told.keys() <= layer.settings().keys()
        and UNKNOWN_SHAPE not in shapes
        and all(is_known(size) for shape in shapes for size in shape)
    )


def _of_layer(
    layer: Layer, letters: Letters, told: Mapping[str, Json], groups: tuple[int, ...], most: int
) -> Json | None:
    """Return what is told of a layer's kind; None where it cannot be stated with letters."""
    fixed = [name for name in told if name not in letters.settings]
    more = (*SIZES, *GROUPS, *(COUNTS if groups not in ((), (1,)) else ()), "padding", "use_bias")
    tried = [n for n in fixed if n in more]
    ways: list[Json] = []
    for values in _ways(tried, told, groups, most):
        try:
            changed = {n: v for n, v in values.items() if v != told[n]["value"]}
            statement = _stated(with_settings(layer, changed), letters)
        except ConvscopeError:
            continue  # a way that cannot be, or not with letters
        if statement is not None:
            first = ways[0][1] if ways else None
            ways.append([list(values.values()), shorter(first, statement)])
    if not ways:
        return None
    return {
        "inputs": [[plain(size) for size in shape] for shape in letters.inputs],
        "open": {n: _plain(v) for n, v in letters.settings.items()},
        "fixed": tried,
        "ways": ways,
    }


def _letters(
    layer: Layer,
    told: Mapping[str, Json],
    shapes: Sequence[Sequence[Size]],
    names: Sequence[str],
    groups: tuple[int, ...],
) -> Letters:
    """Return the letters of a layer: for inputs, and these settings. Where maps are in groups, how many stays a number."""
    grouped = groups not in ((), (1,))
    numbers: dict[Any, int] = {}
    inputs = []
    met: dict[tuple[int, int], Any] = {}
    for shape in shapes:
        found = []
        maps = len(shape) - 1 if layer.channels_last else 0
        for place in enumerate(shape):
            if grouped and place[0] == maps:
                found.append(place[1])
                continue
            # inputs that are added have equal sizes: one letter for those that are equal here
            letter = met.setdefault(place, symbol(f"{LETTER}{place[0]}_{len(met)}"))
            found.append(letter)
            numbers[letter] = place[1]
        inputs.append(tuple(found))
    settings: dict[str, Any] = {}
    for name, entry in told.items():
        value = entry["value"]
        if name not in names:
            continue
        if name in OPEN and entry["kind"] == "sizes" and isinstance(value, list):
            settings[name] = tuple(symbol(f"{LETTER}{name}_{n}") for n in range(len(value)))
            numbers.update(zip(settings[name], value, strict=True))
        elif name in COUNTS and not grouped and type(value) is int:
            settings[name] = symbol(f"{LETTER}{name}")
            numbers[settings[name]] = value
    return Letters(tuple(inputs), settings, numbers)


def _ways(
    names: Sequence[str], told: Mapping[str, Json], groups: tuple[int, ...], most: int
) -> Iterator[dict[str, Json]]:
    """Yield values of settings, those that differ least from the layer's own first."""
    choices = []
    for name in names:
        entry = told[name]
        own = entry["value"]
        others: list[Json] = []
        if name in SIZES and isinstance(own, list):
            others = [[size] * len(own) for size in (1, 2, 3, *((5,) if name in OPEN else (4,)))]
        elif name in COUNTS:
            others = [2 * own, max(1, own // 2)]
        elif entry["kind"] == "choice":
            others = entry["choices"]
        elif entry["kind"] == "bool":
            others = [not own]
        if name in GROUPS:
            choices.append([*groups])
        else:
            choices.append([own, *(v for v in others if v != own)])
    found = sorted(every(*choices), key=lambda values: sum(
        v != told[n]["value"] for n, v in zip(names, values, strict=True)
    ))  # fmt: skip
    for values in found[:most]:
        yield dict(zip(names, values, strict=True))


def _stated(layer: Layer, letters: Letters) -> Json | None:
    """Return a layer with letters as plain data; None where it is not always what the letters say."""
    general = with_settings(layer, letters.settings) if letters.settings else layer
    facts = facts_of(general, letters.inputs)
    equation = facts.equation
    if equation is None or {t.shape for t in equation.inputs} - {*letters.inputs}:
        return None
    if not all(_holds(layer, letters, facts, change) for change in _TRIED):
        return None
    return {"equation": to_json(equation, as_read=False), **_figures(facts)}


_TRIED = (lambda n: n, lambda n: n + 1, lambda n: 2 * n + 1, lambda n: max(1, n // 3))
"""What becomes of the sizes that the letters stand for when a statement is tried."""


def _holds(layer: Layer, letters: Letters, general: Facts, change: Any) -> bool:
    """Whether a layer with numbers is what its statement with letters says, or both say that it cannot be."""
    numbers = {letter: change(size) for letter, size in letters.numbers.items()}
    given = {
        name: tuple(numbers[one] for one in of) if isinstance(of, tuple) else numbers[of]
        for name, of in letters.settings.items()
    }

    def filled(size: Size) -> Size:
        return size if is_known(size) else int(size.xreplace(numbers))

    shape = tuple(map(filled, general.output_shape))
    try:
        special = facts_of(
            with_settings(layer, given) if given else layer,
            tuple(tuple(map(filled, shape)) for shape in letters.inputs),
        )
    except ConvscopeError:
        return any(size < 1 for size in shape)
    weights = {n: tuple(map(filled, of)) for n, of in general.weights.items()}
    return (shape, weights, filled(general.params), filled(general.macs)) == (
        special.output_shape,
        special.weights,
        special.params,
        special.macs,
    )


def _figures(facts: Facts) -> dict[str, Json]:
    return {
        "weights": {n: [plain(s) for s in of] for n, of in facts.weights.items()},
        "params": plain(facts.params),
        "trainable": plain(facts.trainable),
        "macs": plain(facts.macs),
    }


def _starts(layer: Layer, facts: Facts) -> dict[str, float | None]:
    """Return what the weights begin with: all one number, seen by drawing a few, or null."""
    import numpy as np

    found: dict[str, float | None] = {}
    for name, draw in layer.initializers().items():
        few = tuple(min(3, int(size)) for size in facts.weights.get(name, ()))
        drawn = np.unique(draw(few, np.random.default_rng(0)))
        found[name] = float(drawn[0]) if drawn.size == 1 and len(few) < 2 else None
    return found


def _plain(letters: Any) -> Json:
    return list(map(plain, letters)) if isinstance(letters, tuple) else plain(letters)


# -- what two statements share --------------------------------------------------------------------


def shorter(first: Json, other: Json) -> Json:
    """Return data by where it differs from other data, if that takes less room.

    >>> shorter({"a": [1, 2, "text"], "b": 3}, {"a": [1, 5, "text"], "b": 3})
    [[['a', 1], 5]]
    """
    if first is None:
        return other
    changes = list(_differences(first, other, []))
    return changes if len(json.dumps(changes)) < len(json.dumps(other)) else other


def _differences(a: Json, b: Json, path: list[Json]) -> Iterator[Json]:
    if a == b and type(a) is type(b):
        return
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from _differences(a[key], b[key], [*path, key])
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _differences(x, y, [*path, n])
    else:
        yield [path, b]

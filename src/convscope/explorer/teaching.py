"""Lessons: places of the explorer and sentences beside them, as data that anybody can write.

A lesson is JSON: {"title", "about", "steps": [{"title", "text", "place", "part", "guess"}]}.

    title   of the lesson, or of a step
    about   what it is about, in a sentence or two
    network what to open for it where no MODEL is named
    text    what is said at a step
    place   where it is, as the page's address says it after the #: "l=conv2d_1&o=3&s=models". Without `l` it
            is the network's first convolution whose filters read several maps, all of them; without a
            position it is the liveliest place of that layer
    part    what of the page is meant, one of `PARTS`
    guess   {"ask", "answer", "right", "wrong"}: a number that is asked for, and what is said then

In a sentence, what stands in braces is computed from the network: {numbers}, {conv2d.maps}, {inputs * maps},
{new output} (of the network as the place's edits make it). {value}, {where} and {guess} are left to the page:
they change with the image, the position and whoever guesses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote

from convscope.errors import ConvscopeError, SourceError, did_you_mean
from convscope.explain.reading import main_sum
from convscope.explain.words import grouped, times
from convscope.explorer.description import roles
from convscope.files.json_text import read_json
from convscope.model.graph import Graph
from convscope.notation.sizes import UNKNOWN_SHAPE, is_known

Json: TypeAlias = Any

PARTS = (
    "image",
    "map",
    "tiles",
    "play",
    "total",
    "equation",
    "models",
    "compared",
    "form",
    "table",
)
"""What of the page a step can mean; web/tour.js finds them."""

SCREENS = ("network", "stack", "microscope", "models", "whatif", "input")
MODELS = ("apart", "shared", "real", "depth", "added")
"""The screens and the mental models, as addresses name them (web/address.js)."""

LEFT_TO_THE_PAGE = ("value", "where", "guess")

MOST_STEPS = 60
MOST_CHARACTERS = 2000

_KEYS = {"title": True, "about": False, "network": False, "steps": True}
_STEP_KEYS = {"title": True, "text": True, "place": False, "part": False, "guess": False}
_GUESS_KEYS = {"ask": True, "answer": True, "right": True, "wrong": True}
_PLACE_KEYS = ("l", "o", "y", "x", "p", "m", "s", "w", "c", "sort")


class TaughtNetwork(Protocol):
    """What of a network lessons look at."""

    @property
    def graph(self) -> Graph: ...

    def edit(self, layer: Any, /, **settings: Any) -> Any: ...


class Lesson(NamedTuple):
    """A lesson as it was written: its name, where it stands (for what is said of it), what it says."""

    name: str
    source: str
    said: dict[str, Json]

    @property
    def network(self) -> str | None:
        """What to open for it, as MODEL of the command line."""
        return self.said.get("network")

    def head(self, network: TaughtNetwork) -> tuple[str, str]:
        """Return its title and what it is about, with the numbers of the first step's layer."""
        _, known = _place(network, self.said["steps"][0].get("place", ""), self.source)
        title, about = self.said["title"], self.said.get("about", "")
        return _filled(title, known, self.source), _filled(about, known, self.source)

    def on(self, network: TaughtNetwork) -> dict[str, Json]:
        """Return the lesson as the page takes it, with the network's numbers; raises `SourceError`.

        {"name", "title", "about", "steps": [{"title", "text", "place", "part", "guess"}]}
        """
        steps = [self._step(network, n, step) for n, step in enumerate(self.said["steps"], 1)]
        title, about = self.head(network)
        return {"name": self.name, "title": title, "about": about, "steps": steps}

    def _step(self, network: TaughtNetwork, n: int, step: Mapping[str, Json]) -> dict[str, Json]:
        where = f"{self.source}, step {n} ({step['title']})"
        place, known = _place(network, step.get("place", ""), where)

        def filled(text: str) -> str:
            return _filled(text, known, where)

        told: dict[str, Json] = {
            "title": filled(step["title"]),
            "text": filled(step["text"]),
            "place": place,
        }
        guess = step.get("guess")
        if guess is not None:
            answer = known.number(guess["answer"], where)
            told["guess"] = {
                "answer": answer,
                **{key: filled(guess[key]) for key in ("ask", "right", "wrong")},
            }
        return {**told, "part": step.get("part")}


def our_lessons() -> list[str]:
    """Return the names of the lessons that come along.

    >>> our_lessons()
    ['groups', 'padding', 'question', 'resnet']
    """
    return sorted(
        p.name.removesuffix(".json") for p in _home().iterdir() if p.name.endswith(".json")
    )


@cache
def our_lesson(name: str) -> Lesson:
    """Return a lesson that comes along."""
    return _checked(read_json(_home().joinpath(f"{name}.json").read_bytes(), name), name, name)


def lesson(given: str | Path | Mapping[str, Json] | Lesson) -> Lesson:
    """Return a lesson: one that comes along by its name, a JSON file's, or one that is given as a dict.

    Raises `SourceError`, which says what is wrong and at which step, for what is none.
    """
    if isinstance(given, Lesson):
        return given
    if isinstance(given, Mapping):
        return _checked(json.loads(json.dumps(dict(given))), "lesson", "the lesson")
    if isinstance(given, str) and given in our_lessons():
        return our_lesson(given)
    path = Path(given)
    try:
        data = path.read_bytes()
    except OSError as failed:
        known = our_lessons()
        raise SourceError(
            f"there is no lesson {str(given)!r}{did_you_mean(str(given), known)}: name a JSON file, or one "
            f"of those that come along, {', '.join(known)} ({failed.strerror})"
        ) from failed
    return _checked(read_json(data, path.name), path.stem, path.name)


def fitting(network: TaughtNetwork, names: list[str]) -> list[dict[str, Json]]:
    """Return those of our lessons that can be given on a network, as the page takes them."""
    found = []
    for name in names:
        try:
            found.append(our_lesson(name).on(network))
        except SourceError:  # the network does not have what it speaks of
            continue
    return found


def _home() -> Any:
    return files("convscope.explorer").joinpath("lessons")


# -- as it is written -----------------------------------------------------------------------------


def _checked(said: Json, name: str, source: str) -> Lesson:
    """Return a lesson whose JSON has what it must have, all of the right kind; raises `SourceError`."""
    _object(said, _KEYS, source)
    steps = said["steps"]
    if not isinstance(steps, list) or not 1 <= len(steps) <= MOST_STEPS:
        raise SourceError(f"{source}: steps must be a list of 1 to {MOST_STEPS} steps")
    for n, step in enumerate(steps, 1):
        where = f"{source}, step {n}"
        _object(step, _STEP_KEYS, where)
        where = f"{where} ({step['title']})"
        if step.get("part") not in (None, *PARTS):
            raise SourceError(
                f"{where}: there is no part {step['part']!r}{did_you_mean(step['part'], PARTS)}; there are "
                f"{', '.join(PARTS)}"
            )
        if "guess" in step:
            _object(step["guess"], _GUESS_KEYS, f"{where}, guess")
    return Lesson(re.sub(r"[^\w-]", "-", name)[:40], source, said)


def _object(found: Json, keys: Mapping[str, bool], where: str) -> None:
    """Raise `SourceError` for what is no object with these keys, each a text unless it holds more."""
    if not isinstance(found, dict):
        raise SourceError(f"{where}: {json.dumps(found)[:60]} is no object with {', '.join(keys)}")
    for key, value in found.items():
        if key not in keys:
            raise SourceError(
                f"{where}: there is no key {key!r}{did_you_mean(key, keys)}; there are {', '.join(keys)}"
            )
        if key not in ("steps", "guess") and not (
            isinstance(value, str) and len(value) <= MOST_CHARACTERS
        ):
            raise SourceError(
                f"{where}: {key} must be a text of at most {MOST_CHARACTERS:,} characters, not "
                f"{json.dumps(value)[:60]}"
            )
    for key, needed in keys.items():
        if needed and key not in found:
            raise SourceError(f"{where}: {key} is missing")


# -- where a step is ------------------------------------------------------------------------------


def _place(network: TaughtNetwork, text: str, where: str) -> tuple[str, _Known]:
    """Return a step's place with its layer, and what is known there; raises `SourceError`."""
    graph = network.graph
    try:
        given = dict(
            parse_qsl(text.removeprefix("#"), keep_blank_values=True, strict_parsing=bool(text))
        )
    except ValueError as failed:
        raise SourceError(
            f"{where}: the place {text!r} is no address such as l=conv2d&o=3&s=microscope"
        ) from failed
    for key in given:
        if key not in _PLACE_KEYS:
            raise SourceError(
                f"{where}: an address has no {key!r}; it has {', '.join(_PLACE_KEYS)}"
            )
    name = given.get("l") or _several_maps(graph, where)
    if name not in graph.nodes and name not in graph.inputs:
        raise SourceError(
            f"{where}: there is no layer {name!r}{did_you_mean(name, graph.nodes)} in {graph.name}"
        )
    for key, words in (("s", SCREENS), ("m", MODELS)):
        if key in given and given[key] not in words:
            raise SourceError(f"{where}: {key}={given[key]} is none of {', '.join(words)}")
    _check_position(graph, name, given, where)
    edited = _edited(network, given.get("w"), where)
    text = "&".join(f"{k}={quote(v, safe=',')}" for k, v in {"l": name, **given}.items())
    return text, _Known(graph, name, edited)


def _several_maps(graph: Graph, where: str) -> str:
    """Return the first convolution whose filters read several maps, all of them; raises `SourceError`."""
    for name in graph.nodes:
        equation = graph.facts[name].equation
        main = None if equation is None else main_sum(equation)
        if (
            main is not None
            and main.window
            and main.filter is not None
            and main.channel is not None
            and main.groups == 1
            and is_known(main.channel.size)
            and main.channel.size > 3
        ):
            return name
    raise SourceError(f"{where}: {graph.name} has no convolution whose filters read several maps")


def _check_position(graph: Graph, name: str, given: Mapping[str, str], where: str) -> None:
    shape = graph.inputs[name] if name in graph.inputs else graph.facts[name].output_shape
    if shape is UNKNOWN_SHAPE:
        return
    axes = roles(graph, shape, name)
    sizes = {"o": axes["maps"], "y": axes["rows"], "x": axes["columns"]}
    wanted = [(key, given[key], axis) for key, axis in sizes.items() if key in given]
    if "p" in given:
        listed = given["p"].split(",")
        if len(listed) != len(shape):
            raise SourceError(f"{where}: p={given['p']} is no position in {name}, {times(shape)}")
        wanted += [("p", number, axis) for axis, number in enumerate(listed)]
    for key, number, axis in wanted:
        size = None if axis is None else shape[axis]
        fits = number.isdecimal() and (not isinstance(size, int) or int(number) < size)
        if axis is None or not fits:
            raise SourceError(f"{where}: {key}={number} is not within {name}, {times(shape)}")


def _edited(network: TaughtNetwork, text: str | None, where: str) -> Graph | None:
    """Return the network as a place's edits make it; raises `SourceError` for edits that cannot be."""
    if text is None:
        return None
    try:
        edits = json.loads(text)
        changes: dict[str, dict[str, Any]] = {}
        for layer, setting, value in edits:
            changes.setdefault(layer, {})[setting] = (
                tuple(value) if isinstance(value, list) else value
            )
        found: Graph = network.edit(changes).graph
    except ConvscopeError as failed:
        raise SourceError(f"{where}: the edits {text} cannot be: {failed}") from failed
    except (ValueError, TypeError, RecursionError) as failed:
        raise SourceError(
            f"{where}: edits are [[layer, setting, value], …], not {text[:80]}"
        ) from failed
    return found


# -- what is known of a network -------------------------------------------------------------------


def _facts(graph: Graph, name: str) -> dict[str, Any]:
    """Return what sentences may say of a layer: texts and whole numbers."""
    if name in graph.inputs:
        shape = graph.inputs[name]
        return {"name": name, "output": times(shape), **_maps(graph, name, shape, "maps")}
    facts, node = graph.facts[name], graph.nodes[name]
    found: dict[str, Any] = {"name": name, "params": facts.params, "macs": facts.macs}
    found["feeds"] = len(node.inputs)
    if facts.output_shape is not UNKNOWN_SHAPE:
        found["output"] = times(facts.output_shape)
        found |= _maps(graph, name, facts.output_shape, "maps")
        if all(map(is_known, facts.output_shape)):
            found["outputs"] = prod(int(s) for s in facts.output_shape if isinstance(s, int))
    if facts.input_shapes and facts.input_shapes[0] is not UNKNOWN_SHAPE:
        found["input"] = times(facts.input_shapes[0])
        found |= _maps(graph, node.inputs[0], facts.input_shapes[0], "inputs")
    main = None if facts.equation is None else main_sum(facts.equation)
    if main is not None:
        found |= {
            "numbers": main.terms,
            "filter": times(main.filter_shape),
            "window": times(axis.size for axis in main.window),
            "places": prod(int(a.size) for a in main.window if isinstance(a.size, int)),
            "read": 1 if main.channel is None else main.channel.size,
            "groups": main.groups,
            "kernel": times(facts.weights[main.kernel.tensor.name]),
        }
    field = graph.receptive_field(name)
    if field is not None and all(map(is_known, field.size)):
        found["field"] = times(field.size)
    return found


def _maps(graph: Graph, name: str, shape: Any, word: str) -> dict[str, Any]:
    axis = roles(graph, shape, name)["maps"]
    return {} if axis is None else {word: shape[axis]}


class _Known:
    """What sentences at a place may say: of its layer, of any other, of the network, old and edited."""

    def __init__(self, graph: Graph, layer: str | None = None, edited: Graph | None = None) -> None:
        self.graph, self.edited = graph, edited
        self.layer = layer

    def text(self, asked: str, where: str) -> str:
        """Return what stands for {asked}; raises `SourceError`."""
        found = self._evaluated(asked, where)
        if isinstance(found, float):
            return f"{found:,.1f}".removesuffix(".0")
        return grouped(found) if isinstance(found, int) else str(found)

    def number(self, asked: str, where: str) -> int:
        """Return a whole number; raises `SourceError`."""
        found = self._evaluated(asked, where)
        if not isinstance(found, int):
            raise SourceError(
                f"{where}: {asked} is {found}, not a whole number that can be guessed"
            )
        return found

    def _evaluated(self, asked: str, where: str) -> Any:
        first, *rest = re.split(r" ([*/+-]) ", asked.strip())
        value = self._one(first, where)
        for sign, name in zip(rest[::2], rest[1::2], strict=True):
            other = self._one(name, where)
            if (
                not isinstance(value, (int, float))
                or not isinstance(other, int)
                or (sign == "/" and not other)
            ):
                raise SourceError(
                    f"{where}: {{{asked}}} cannot be worked out: {value} {sign} {other}"
                )
            value = {
                "*": lambda a, b: a * b,
                "/": lambda a, b: a / b if a % b else a // b,
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
            }[sign](value, other)
        return value

    def _one(self, name: str, where: str) -> Any:
        """Return what a name or a whole number stands for."""
        name = name.strip()
        if name.isdecimal():
            return int(name)
        graph, asked = self.graph, name
        if name.startswith("new "):
            if self.edited is None:
                raise SourceError(f"{where}: {{{name}}} needs a place with edits (w=…)")
            graph, asked = self.edited, name.removeprefix("new ")
        home, _, fact = asked.rpartition(".")
        layer = home or self.layer
        if layer == "network" and layer not in graph.nodes:
            totals = graph.totals
            known = {
                "name": graph.name, "params": totals.params, "macs": totals.macs, "layers": len(graph.nodes)
            }  # fmt: skip
        elif layer is None or (layer not in graph.nodes and layer not in graph.inputs):
            raise SourceError(
                f"{where}: {{{name}}} names no layer of {graph.name}"
                f"{did_you_mean(str(layer or name), graph.nodes)}; {{maps}} is of the step's own layer, "
                f"{{conv2d.maps}} of another"
            )
        else:
            known = _facts(graph, layer)
        found = known.get(fact)
        if found is None or (not isinstance(found, (str, int)) and not is_known(found)):
            raise SourceError(
                f"{where}: {{{name}}} is not known of {layer}{did_you_mean(fact, known)}; known are "
                f"{', '.join(known)}"
            )
        return found if isinstance(found, str) else int(found)


def _filled(text: str, known: _Known, where: str) -> str:
    """Return a sentence with what stands in braces put in."""

    def fill(braces: re.Match[str]) -> str:
        return braces[0] if braces[1] in LEFT_TO_THE_PAGE else known.text(braces[1], where)

    return re.sub(r"\{([^{}]*)\}", fill, text)

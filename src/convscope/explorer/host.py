"""The host of the explorer: answers the page's questions, whatever carries them.

A server, a notebook or a file that is being written all hold one `Host` and pass it questions: small
JSON objects such as {"ask": "values", "run": 1, "layer": "conv2d_1", "box": [[0, 2], [0, 2], [0, 31]]}.
An answer is JSON and, for numbers, bytes: little-endian, in C order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from convscope.errors import (
    InputError,
    LayerLookupError,
    PositionError,
    UnsupportedError,
    did_you_mean,
)
from convscope.explain.account import ROLES
from convscope.explain.pictures import WORDS
from convscope.explorer import description, teaching
from convscope.explorer.joining import late_script
from convscope.explorer.late import of_every_page, offered
from convscope.explorer.protocol import Answer
from convscope.model.graph import Graph
from convscope.notation.sizes import UNKNOWN_SHAPE
from convscope.typed import Array
from convscope.views.colours import ENDS

Json: TypeAlias = Any

RUNS_KEPT = 4
"""How many of the newest runs a host remembers in any case."""

PAGES_KEPT = 12
"""How many pages that are open beside one another keep the run that they show, however old it is."""

WAIT = 1.0
"""Seconds for which a question waits for the first run, before the page asks again."""

SMALL = 64
"""Pixels along the longer side of a small picture."""

MOST_VALUES = 1 << 24
"""How many numbers one answer may hold (64 MiB of float32)."""


class SomeRun(Protocol):
    """What a run is to its host: the graph at the image's size, and every activation."""

    graph: Graph
    activations: dict[str, Array]

    @property
    def engine(self) -> str: ...


class SomeNetwork(Protocol):
    """What a network is to its host."""

    warnings: list[str]
    samples: dict[str, Path]
    labels: list[str]
    lessons: list[str]

    @property
    def graph(self) -> Graph: ...

    def pixel_scale(self) -> Any: ...

    def run(self, image: Any) -> Any: ...

    def editable(self, layer: str) -> dict[str, dict[str, Any]]: ...

    def whatif(self, edits: Any) -> Any: ...

    def edited(self, edits: Any) -> Any: ...

    def edit(self, layer: Any, /, **settings: Any) -> Any: ...


class Host:
    """Answers questions about one network and its runs. Safe to ask from several threads.

    network   the network
    image     what goes through it first: whatever `Network.run` takes, or a run; None for nothing yet
    samples   images that come along, name to file; the network's own by default
    lesson    the lesson that the page begins with: what `teaching.lesson` takes
    given     what late screens are opened for, by their names (see `explorer/late`): a film of training
    place     where a page opens whose address does not say, as an address says it: "s=compare"
    late      let the image go through when a page asks for it ("first"): until then a page is told of the
              network alone, for which no weight is read

    Raises `InputError` for an image that the network cannot take as it is, saying what it needs;
    `SourceError` for a lesson that is none, or speaks of what the network does not have.
    """

    def __init__(
        self,
        network: SomeNetwork,
        image: Any = None,
        samples: Mapping[str, Path] | None = None,
        lesson: Any = None,
        late: bool = False,
        given: Mapping[str, Any] | None = None,
        place: str = "",
    ) -> None:
        self.network = network
        self._begins = None if lesson is None else teaching.lesson(lesson).on(network)
        self.samples = dict(network.samples if samples is None else samples)
        self._place = place
        self._runs: dict[int, _Held] = {}
        self._shown: dict[
            str, int
        ] = {}  # page to the run that it last asked about, the latest last
        self._last = 0
        self._lock = threading.Lock()
        self._answers: dict[str, Callable[[Mapping[str, Any], bytes | None], Answer]] = {
            "network": self._network,
            "first": self._first_run,
            "layer": self._layer,
            "patch": self._patch,
            "values": self._values,
            "maps": self._maps,
            "tiles": self._tiles,
            "lessons": self._lessons,
            "settings": self._settings,
            "whatif": self._whatif,
            "try": self._try,
            "sample": self._sample,
            "picture": self._picture,
            "image": self._image,
            "room": self._room,
        }
        self.screens = offered(self, given or {})
        for name, screen in self.screens.items():
            self._answers[name] = screen.answer
        self._first: Later | None = None
        if hasattr(image, "activations"):
            self._add(image, "the input")
        elif image is not None:
            run = self._ready(image)
            if late:
                self._first = Later(run)
            else:
                run()

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        """Return the answer to a question; raises a `ConvscopeError` that says what is wrong with it."""
        asked = question.get("ask")
        found = self._answers.get(asked) if isinstance(asked, str) else None
        if found is None:
            raise UnsupportedError(
                f"the explorer cannot be asked {asked!r}; it answers {', '.join(self._answers)}"
            )
        answer = found(question, body)
        self._note(question, answer)
        return answer

    def _note(self, question: Mapping[str, Any], answer: Answer) -> None:
        """Remember which run a page shows: the one that it asked about, or was told of."""
        page, run = question.get("page"), question.get("run")
        told = answer.facts.get("run")
        number = told.get("id") if isinstance(told, dict) else run
        if isinstance(page, str) and len(page) <= 32 and type(number) is int:
            with self._lock:
                self._shown.pop(page, None)
                self._shown[page] = number
                for old in list(self._shown)[:-PAGES_KEPT]:
                    del self._shown[old]

    def _ran(self, image: Any, pixels: str | None = None) -> dict[str, Json]:
        """Run an image, a picture's file step by step, and remember the run."""
        return self._ready(image, pixels)()

    def _ready(self, image: Any, pixels: str | None = None) -> Callable[[], dict[str, Json]]:
        """Return what runs an image and remembers the run; a picture's file is made ready before, step by step."""
        path = Path(image) if isinstance(image, (str, os.PathLike)) else None
        if path is None or path.suffix.lower() == ".npy" or not self._takes_pictures():
            name = "the array" if path is None else path.name
            return lambda: self._add(self.network.run(image), name)
        if not path.is_file():
            return lambda: self._add(
                self.network.run(image), path.name
            )  # says what is wrong with it
        prepared = self._prepared(path.read_bytes(), (), path.name, pixels)
        return lambda: self._add(
            self.network.run(prepared["array"]), path.name, prepared["steps"], prepared["pixels"]
        )

    def let(self, array: Any, source: str) -> dict[str, Json]:
        """Let an array go through the network and remember the run; return what a page is told of it."""
        return self._add(self.network.run(array), source)

    def _takes_pictures(self) -> bool:
        shapes = list(self.network.graph.inputs.values())
        return len(shapes) == 1 and len(shapes[0]) == 3

    def _prepared(
        self, picture: bytes, steps: Sequence[str], name: str, pixels: str | None
    ) -> dict[str, Any]:
        graph = self.network.graph
        if len(graph.inputs) != 1:
            raise InputError(
                f"the network has {len(graph.inputs)} inputs, {', '.join(graph.inputs)}: give them "
                f"from Python, as in net.explore({{name: array, …}})"
            )
        from convscope.engine.preparing import prepare

        (shape,) = graph.inputs.values()
        last = graph.image_layout == "channels_last"
        scale = pixels or self.network.pixel_scale().name
        return {**prepare(picture, shape, last, steps, name, scale), "pixels": scale}

    def show(self, run: SomeRun, source: str) -> dict[str, Json]:
        """Remember a run that may be of other weights than the network's; return what a page is told of it."""
        return self._add(run, source, own=True)

    def _add(
        self,
        run: SomeRun,
        source: str,
        steps: Sequence[Json] = (),
        pixels: str | None = None,
        tried: bool = False,
        own: bool = False,
    ) -> dict[str, Json]:
        """Remember a run; return what a page is told of it. An old one that no page shows is forgotten.

        tried   whether it is of an edited network, beside the run that is shown
        own     whether it has weights of its own, so that they are asked of the run
        """
        held = _Held(run, source, list(steps), pixels, tried, own)
        with self._lock:
            self._last += 1
            number = self._last
            self._runs[number] = held
            alike = [n for n, one in self._runs.items() if one.tried == tried]
            for old in set(alike[:-RUNS_KEPT]) - set(self._shown.values()):
                del self._runs[old]
        return held.facts(number)

    # -- answers ----------------------------------------------------------------------------------

    def _network(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        found = description.network(self.network.graph)
        found["warnings"] = list(self.network.warnings)
        found["samples"] = list(self.samples)
        found["pixels"] = self._scales()
        found["colours"] = {scheme: dict(ends) for scheme, ends in ENDS.items()}
        found["labels"] = list(self.network.labels)
        found["screens"] = {name: screen.title for name, screen in self.screens.items()}
        found["words"] = {**WORDS, **ROLES}
        found["running"] = self.begins
        found["place"] = self._place
        with self._lock:
            newest = self._newest()
            found["run"] = None if newest is None else self._runs[newest].facts(newest)
        return Answer(found)

    def _newest(self) -> int | None:
        return max((n for n, one in self._runs.items() if not one.tried), default=None)

    @property
    def newest(self) -> tuple[int, SomeRun, str] | None:
        """The newest run that was not tried beside another: its number, itself, what went through."""
        with self._lock:
            number = self._newest()
            return (
                None
                if number is None
                else (number, self._runs[number].run, self._runs[number].source)
            )

    @property
    def begins(self) -> bool:
        """Whether the image that the page was opened for has not gone through yet."""
        return self._first is not None and not self._first.done

    def _first_run(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """The run that the page was opened for, or that it is still going on."""
        if self._first is None:
            raise InputError("no image was given that could go through first")
        facts = self._first.wait(WAIT)
        return Answer({"run": facts, "running": facts is None})

    def _scales(self) -> dict[str, Json]:
        """Return how pixels go in unless somebody says otherwise, why, and what else there is."""
        from convscope.engine.pixels import SCALES

        found = self.network.pixel_scale()
        words = {name: f"{scale.step}: {scale.words}" for name, scale in SCALES.items()}
        return {"name": found.name, "why": found.why, "choices": words}

    def _layer(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        graph = self._held(question).run.graph if "run" in question else self.network.graph
        return Answer(description.layer(graph, _text(question, "layer")))

    def _patch(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """What of the image one number sees: first and last position along each axis, or null."""
        graph = self._held(question).run.graph
        node = graph.node(_text(question, "layer"))
        at, shape = question.get("at"), graph.facts[node.name].output_shape
        if (
            not isinstance(at, list)
            or shape is UNKNOWN_SHAPE
            or len(at) != len(shape)
            or not all(type(p) is int and 0 <= p < _most(s) for p, s in zip(at, shape, strict=True))
        ):
            raise PositionError(f"{at!r:.80} is no position in {node.name}")
        return Answer({"patch": [r and list(r) for r in graph.patch(node.name, at)]})

    def _values(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """Numbers of an activation or of a weight, those of a box if one is named."""
        import numpy as np

        array = self._array(question)
        box = question.get("box")
        if box is not None:
            array = array[_slices(box, array.shape)]
        if array.size > MOST_VALUES:
            raise UnsupportedError(
                f"{array.size:,} numbers at once are too many; ask for a box of at most {MOST_VALUES:,}"
            )
        exact = np.float32 if array.dtype.itemsize <= 2 or array.dtype == np.float32 else np.float64
        sent = np.ascontiguousarray(array, dtype=np.dtype(exact).newbyteorder("<"))
        return Answer({"shape": list(array.shape), "dtype": np.dtype(exact).name}, sent.tobytes())

    def _maps(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """How much is going on in each map of a layer: the mean of its squares."""
        import numpy as np

        maps = self._map_view(question)
        flat = np.nan_to_num(maps.reshape(len(maps), -1), nan=0.0, posinf=0.0, neginf=0.0)
        with np.errstate(over="ignore"):
            energy = np.square(flat, dtype=np.float64).mean(axis=1) if flat.size else []
        energy = np.nan_to_num(energy)  # what is beyond float64 counts as its largest number
        return Answer({"energy": [float(e) for e in energy]})

    def _tiles(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """Pictures of some maps, as numbers: each the mean of a block where the map is large."""
        maps = self._map_view(question)
        side = question.get("side")
        if type(side) is not int or not 1 <= side <= 1024:
            raise InputError(f"side must be a whole number from 1 to 1024, not {side!r}")
        wanted = question.get("maps")
        if not isinstance(wanted, list) or not all(
            type(n) is int and 0 <= n < len(maps) for n in wanted
        ):
            raise InputError(f"maps must be numbers of maps, 0 … {len(maps) - 1}")
        picked = description.shrunk(maps[wanted], side)
        if picked.size > MOST_VALUES:
            raise UnsupportedError(f"{len(wanted)} maps at once are too many")
        facts = {"tile": list(picked.shape[1:]), "of": list(maps.shape[1:])}
        return Answer(facts, picked.astype("<f4").tobytes())

    def _lessons(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """The lessons that this network can be given, the one to begin with first."""
        begins = [] if self._begins is None else [self._begins]
        names = [
            n for n in ("question", *self.network.lessons) if n not in [b["name"] for b in begins]
        ]
        found = [*begins, *teaching.fitting(self.network, names)]
        return Answer({"lessons": found, "start": begins[0]["name"] if begins else None})

    def _settings(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """A layer's settings, as a form can offer them."""
        return Answer({"settings": self.network.editable(_text(question, "layer"))})

    def _whatif(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """The table of what edits would change: [[layer, setting, value], …]."""
        return Answer(self.network.whatif(_edits(question)).facts.to_dict())

    def _try(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """What went through the network goes through the edited one: a run beside the one that is shown."""
        held = self._held(question)
        given = {name: held.run.activations[name] for name in held.run.graph.inputs}
        run = self.network.edited(_edits(question)).run(
            given if len(given) > 1 else next(iter(given.values()))
        )
        facts = self._add(run, held.source, held.steps, held.pixels, tried=True)
        return Answer({"tried": facts})

    def _sample(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """One of the images that come along goes through the network."""
        return Answer({"run": self._ran(self._sample_file(question), _scale(question))})

    def _sample_file(self, question: Mapping[str, Any]) -> Path:
        name = question.get("name")
        if not isinstance(name, str) or name not in self.samples:
            raise InputError(f"there is no sample {name!r}; there are {', '.join(self.samples)}")
        return self.samples[name]

    def _image(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """A picture goes through the network, or an offer of the steps that it needs before."""
        if not body:
            raise InputError("there is no picture: its bytes go with the question")
        steps = question.get("steps", [])
        if not isinstance(steps, list):
            raise InputError(f"steps must be a list of names, not {steps!r:.80}")
        name = str(question.get("name", "the picture"))[:120]
        prepared = self._prepared(body, steps, name, _scale(question))
        if "offer" in prepared:
            return Answer(prepared)
        run = self.network.run(prepared["array"])
        return Answer({"run": self._add(run, name, prepared["steps"], prepared["pixels"])})

    def _picture(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """One of the images that come along, small, as a PNG."""
        from io import BytesIO

        from convscope.engine.images import open_image

        path = self._sample_file(question)
        picture = open_image(path, path.name).convert("RGBA")
        picture.thumbnail((SMALL, SMALL))
        file = BytesIO()
        picture.save(file, "PNG")
        return Answer({}, file.getvalue())

    def _room(self, question: Mapping[str, Any], body: bytes | None) -> Answer:
        """The text of a late screen, for whoever fetches no files."""
        name = _text(question, "name")
        if name not in self.screens and name not in of_every_page():
            raise UnsupportedError(f"there is no screen {name!r:.80}")
        return Answer({"script": late_script(name)})

    # -- what questions name ------------------------------------------------------------------------

    def _held(self, question: Mapping[str, Any]) -> _Held:
        number = question.get("run")
        with self._lock:
            held = self._runs.get(number) if type(number) is int else None
        if held is None:
            raise InputError(
                f"run {number!r} is not remembered any more (those that pages show are, and the last "
                f"{RUNS_KEPT}): "
                f"choose the image again"
            )
        return held

    def _array(self, question: Mapping[str, Any]) -> Array:
        name = _text(question, "layer")
        weight = question.get("weight")
        if weight is None:
            run = self._held(question).run
            if name not in run.activations:
                name = run.graph.node(name).name
            return run.activations[name]
        graph = (
            self.network.graph if question.get("run") is None else self._held(question).run.graph
        )
        weights = graph.node(name).layer.weights
        if not isinstance(weight, str) or weight not in weights:
            raise LayerLookupError(
                f"{name} has no weight {weight!r}{did_you_mean(str(weight), list(weights))}; "
                f"it has {', '.join(weights) or 'none'}"
            )
        found: Array = weights[weight]
        return found

    def _name(self, graph: Graph, question: Mapping[str, Any]) -> str:
        name = _text(question, "layer")
        return name if name in graph.inputs else graph.node(name).name

    def _map_view(self, question: Mapping[str, Any]) -> Array:
        array = self._array(question)
        graph = self._held(question).run.graph
        return description.maps_of(
            array, description.roles(graph, array.shape, self._name(graph, question))
        )


class Later:
    """Work that begins when it is first waited for, in a thread of its own."""

    def __init__(self, work: Callable[[], dict[str, Json]]) -> None:
        self._work = work
        self._ended = threading.Event()
        self._begun = threading.Lock()
        self._found: dict[str, Json] | None = None
        self._failed: Exception | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended; with what, `wait` says."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> dict[str, Json] | None:
        """Return what the work gave, or raise what it raised; None while it goes on."""
        if self._begun.acquire(blocking=False):  # kept: it begins once
            threading.Thread(target=self._do, name="convscope first run", daemon=True).start()
        self._ended.wait(seconds)
        if self._failed is not None:
            raise self._failed
        return self._found

    def _do(self) -> None:
        try:
            self._found = self._work()
        except Exception as failed:  # noqa: BLE001 – raised again by whoever waits
            self._failed = failed
        self._ended.set()


class _Held:
    """A run, and what its image is called."""

    def __init__(
        self,
        run: SomeRun,
        source: str,
        steps: list[Json],
        pixels: str | None,
        tried: bool,
        own: bool,
    ) -> None:
        self.run, self.source, self.steps, self.pixels = run, source, steps, pixels
        self.tried, self.own = tried, own
        self._ranges: dict[str, Json] | None = None

    def facts(self, number: int) -> dict[str, Json]:
        """Return what a page is told of a run."""
        graph, activations = self.run.graph, self.run.activations
        if self._ranges is None:
            self._ranges = description.ranges(activations)
        output = graph.outputs[0]
        return {
            "id": number,
            "source": self.source,
            "steps": self.steps,
            "pixels": self.pixels,
            "engine": self.run.engine,
            "weights": self.own,
            "shapes": {n: list(a.shape) for n, a in activations.items()},
            "ranges": self._ranges,
            "output": output,
            "largest": description.largest(activations[output]) if output in activations else [],
            "missing": dict(getattr(self.run, "missing", {})),
            "taken": dict(getattr(self.run, "taken", {})),
        }


def _text(question: Mapping[str, Any], key: str) -> str:
    found = question.get(key)
    if not isinstance(found, str):
        raise InputError(f"{key} must be a name, not {found!r}")
    return found


def _scale(question: Mapping[str, Any]) -> str | None:
    """Return the name of the scale that a question asks for, if any; raises `InputError` for an unknown one."""
    name = question.get("pixels")
    if name is None:
        return None
    from convscope.engine.pixels import SCALES

    if not isinstance(name, str) or name not in SCALES:
        raise InputError(f"pixels go in as one of {', '.join(SCALES)}, not {name!r:.40}")
    return name


def _most(size: Any) -> int:
    """Return a size, and a bound for one that is open."""
    return size if type(size) is int else 1 << 31


def _edits(question: Mapping[str, Any]) -> list[Any]:
    """Return the edits that a question asks about, each as networks take it."""
    edits = question.get("edits")
    if not isinstance(edits, list) or not all(isinstance(e, list) for e in edits):
        raise InputError(f"edits must be [[layer, setting, value], …], not {edits!r:.80}")
    return [[*e[:2], _tuples(e[2])] if len(e) == 3 else e for e in edits]


def _tuples(value: Json) -> Any:
    """Return a setting as layers take it: lists, which JSON has, as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _slices(box: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the slices of a box, (first, last) along each axis; raises `PositionError`."""
    fits = isinstance(box, list) and len(box) == len(shape)
    if not fits or not all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(p) is int for p in pair)
        and 0 <= pair[0] <= pair[1] < size
        for pair, size in zip(box, shape, strict=True)
    ):
        raise PositionError(f"a box of {shape} is [first, last] along each axis, not {box!r}")
    return tuple(slice(first, last + 1) for first, last in box)

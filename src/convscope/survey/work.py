"""The work of a survey: images counted here or by workers, checkpoints, and an end at any time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any, NoReturn

from convscope.errors import InputError, OutputError, SettingError
from convscope.survey.bar import Progress
from convscope.survey.data import open_data
from convscope.survey.measuring import BATCH, HISTOGRAMS, Asked, Measuring, identity
from convscope.survey.stored import State, check_target, joined, left, load, save
from convscope.survey.survey import Survey
from convscope.survey.tally import Tally
from convscope.version import __version__

CHECKPOINT_SECONDS = 30.0
"""After so many seconds of work what is done is written to --out."""

OFTEN = 0.1
"""So many seconds after the last time it is looked at what is done, and whether somebody pressed Ctrl-C."""

LEAST_BATCHES = 8
"""A worker's task is at least so many batches: 256 images."""


def survey(
    network: Any,
    data: Any,
    asked: Asked,
    *,
    out: Path | None = None,
    resume: bool = False,
    force: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    told: Callable[[str], None] | None = None,
    unsaved: Callable[[OutputError], None] | None = None,
) -> Survey:
    """Return the survey of a network over a data set; see `Network.survey`.

    unsaved   is given the error where the whole cannot be written, so that what was found is not lost with it
    """
    if resume and out is None:
        raise SettingError("resume goes on with a file: out=…")
    for name, value in (("top", asked.top), ("workers", 1 if workers is None else workers)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise SettingError(f"{name} is a whole number from 1, not {value!r}")
    if asked.histograms not in HISTOGRAMS:
        kinds = ", ".join(HISTOGRAMS)
        raise SettingError(f"histograms is one of {kinds}, not {asked.histograms!r}")
    if workers is not None and scheduler is not None:
        raise SettingError("workers start a scheduler of their own: give that or scheduler")
    asked = asked._replace(top=int(asked.top))  # numpy's would not be written
    before = None if out is None else check_target(out, force, resume)
    source = open_data(data)
    measuring = Measuring(network, source, asked)
    state = State(Tally(measuring.plan), (), source.count, _facts(measuring))
    if before is not None:
        state = _resumed(before, state, out)
    if told is not None:
        for line in _told(measuring, state):
            told(line)
    if not state.whole or out is None or before is None:
        work = Work(state, out, progress, told)
        if workers is None and scheduler is None:
            work.here(measuring)
        else:
            from convscope.survey.cluster import spread

            spread(work, measuring, workers, scheduler)
        state = work.state
        try:
            work.checkpoint()
        except OutputError as error:
            if unsaved is None:
                raise
            unsaved(error)
    return Survey(state, measuring.graph, network, source, measuring)


def opened(network: Any, path: str | Path, data: Any = None) -> Survey:
    """Return a survey that was written, beside its network and its data: nothing is counted.

    data   where the images are now; by default where they were

    Raises `InputError` where the file, the network or the data are not those of the survey.
    """
    path = Path(path)
    state = load(path)
    told, asked = state.facts, state.facts["asked"]
    if data is None and (data := told.get("from")) is None:
        raise InputError(
            f"{path} is a survey of {told['described']}, which was no file: give the data beside it"
        )
    which = f"({told['name']}, {told['described']})"
    check_network(network, state, str(path))
    if (pixels := told["prepared"]["pixels"]) is not None:  # pictures went in
        network.pixels = pixels
    layers = None if asked["layers"] is None else tuple(asked["layers"])
    source = open_data(data)
    measuring = Measuring(
        network, source, Asked(layers, asked["top"], asked["histograms"], tuple(asked["prepare"]))
    )
    now = State(Tally(measuring.plan), (), source.count, _facts(measuring))
    state = _same(state, now, f"{path} is no survey of this", which)
    return Survey(state, measuring.graph, network, source, measuring)


def to_look_through(network: Any, survey: Any, data: Any = None) -> dict[str, Any]:
    """Return what the explorer's screen Survey is opened for: a survey, or its file; {} for none."""
    if survey is None:
        return {}
    if not isinstance(survey, (Survey, str, Path)):
        raise SettingError(f"survey is a Survey or its file, not {type(survey).__name__}")
    found = survey if isinstance(survey, Survey) else opened(network, survey, data)
    check_network(network, found.state, repr(found))
    return {"survey": found}


def check_network(network: Any, state: State, named: str) -> None:
    """Raise `InputError` for a survey of another network than this."""
    facts = state.facts
    if facts.get("network") != identity(network.graph):
        raise InputError(
            f"{named} is of another network, or of the same with other weights "
            f"({facts['name']}, {facts['described']})"
        )


def _facts(measuring: Measuring) -> dict[str, Any]:
    source = measuring.source
    return {
        "version": __version__,
        "name": measuring.graph.name,
        "network": measuring.fingerprint(),
        "data": source.fingerprint(),
        "described": source.words,
        "from": source.spec,
        "prepared": measuring.preparation.told(),
        "asked": {
            **measuring.asked._asdict(),
            "layers": None if measuring.asked.layers is None else list(measuring.asked.layers),
            "prepare": list(measuring.asked.prepare),
        },
    }


def _resumed(before: State, now: State, out: Path | None) -> State:
    """Return what was done before, if it is the same survey."""
    facts = before.facts
    return _same(
        before,
        now,
        f"{out} cannot be resumed",
        f"({facts.get('name')}, {facts.get('described')}); --force, without --resume, begins anew",
    )


def _same(before: State, now: State, wrong: str, more: str) -> State:
    """Return a survey with the facts of now; raise `InputError`, which says `wrong` and `more`, where they differ."""
    for key, words in (
        ("network", "another network, or the same with other weights"),
        ("data", "other data"),
        ("asked", "other options"),
        ("prepared", "images prepared in another way"),
    ):
        if _identity(before, key) != _identity(now, key):
            how = _differing(before.facts.get(key), now.facts.get(key))
            raise InputError(f"{wrong}: it was begun with {words}{how} {more}")
    if before.tally.plan != now.tally.plan:
        raise InputError(f"{wrong}: its layers have other shapes {more}")
    total = now.total if now.total is not None else before.total
    return before._replace(total=total, facts=now.facts)


def _identity(state: State, key: str) -> Any:
    """Return a fact that two surveys must share; why pixels go in as they do is none."""
    found = state.facts.get(key)
    return {n: v for n, v in found.items() if n != "why"} if isinstance(found, dict) else found


def _differing(was: Any, now: Any) -> str:
    """Return in which facts two surveys differ: ": top 9, not 3"; "" for what is no table of facts."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        return ""
    names = [n for n in now if n != "why" and was.get(n) != now[n]]
    return ": " + "; ".join(f"{n} {_value(was.get(n))}, not {_value(now[n])}" for n in names)


def _value(found: Any) -> str:
    if isinstance(found, (list, tuple)):
        return " + ".join(map(str, found)) or "none"
    return "all" if found is None else str(found)


def _told(measuring: Measuring, state: State) -> Iterator[str]:
    yield f"{measuring.graph.name} over {measuring.source.words}"
    for step in measuring.preparation.words:
        yield f"every image: {step}"
    if measuring.preparation.pictures:
        pixels = measuring.preparation.pixels
        yield f"pixels go in as {pixels.name}: {pixels.why} (--pixels changes that)"
    if state.done:
        yield f"resumed: {sum(last - first for first, last in state.done):,} images are done"
    if state.tally.plan.histograms == "layers" and measuring.asked.histograms == "auto":
        yield (
            f"one histogram a layer, since there are {state.tally.plan.maps:,} maps (--histograms maps "
            f"for each its own)"
        )


class Work:
    """A survey under way: what is done, and what has to happen meanwhile."""

    def __init__(
        self,
        state: State,
        out: Path | None,
        progress: Callable[[Progress], None] | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.state, self.out, self._progress = state, out, progress
        self.say = told or (lambda said: None)
        self._begun = self._saved = self._seen = time.monotonic()
        self._before = self.count

    @property
    def count(self) -> int:
        """How many images are done."""
        return sum(last - first for first, last in self.state.done)

    def here(self, measuring: Measuring) -> None:
        """Do all that is left in this process."""
        with listening() as told:

            def due() -> bool:
                seconds = time.monotonic() - self._seen
                return seconds >= min(OFTEN, CHECKPOINT_SECONDS) or told.is_set()

            for first, last in left(self.state.done, self.state.total):
                reached = first
                for reached in measuring.measure(self.state.tally, first, last, due):
                    self.add((first, reached))
                    if told.is_set():
                        self.stop()
                if last is None:
                    self.state = self.state._replace(total=reached)
        self.finish()

    def merge(self, tally: Tally, done: tuple[int, int]) -> None:
        """Add what a worker counted."""
        self.state.tally.merge(tally)
        self.add(done)

    def add(self, done: tuple[int, int]) -> None:
        """Note that these images are in the tally; write a checkpoint where it is time."""
        self.state = self.state._replace(done=joined(self.state.done, done))
        now = self._seen = time.monotonic()
        if self._progress is not None:
            count = self.count
            rate = (count - self._before) / max(now - self._begun, 1e-9)
            self._progress(Progress(count, self.state.total, rate))
        if now - self._saved > CHECKPOINT_SECONDS:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write what is done."""
        if self.out is not None:
            save(self.state, self.out)
        self._saved = time.monotonic()

    def kept(self) -> str:
        """Write what is done, and return where it is."""
        self.checkpoint()
        if self.out is None:
            return "nothing is kept without --out"
        of = "" if self.state.total is None else f" of {self.state.total:,}"
        return f"{self.out} holds {self.count:,}{of} images: --resume goes on"

    def stop(self) -> NoReturn:
        """End early, as somebody asked."""
        self.say(self.kept())
        raise KeyboardInterrupt

    def finish(self) -> None:
        """Bring the figures into their one form; raise `InputError` where no image could be taken."""
        self.state.tally.settle()
        if not self.state.tally.images:
            raise InputError(_none(self.state))


def _none(state: State) -> str:
    bad = next(iter(state.tally.bad.values()), ("", ""))
    return f"none of {state.tally.skipped:,} images could be taken; the first, {bad[0]}: {bad[1]}"


def tasks(state: State) -> list[tuple[int, int]]:
    """Return what is left, cut into tasks of whole batches."""
    assert state.total is not None
    size = BATCH * LEAST_BATCHES
    found = []
    for first, last in left(state.done, state.total):
        assert last is not None
        while first < last:
            end = min(last, (first // size + 1) * size)
            found.append((first, end))
            first = end
    return found


@contextmanager
def listening() -> Iterator[threading.Event]:
    """Let a first Ctrl-C wait for the end of a batch; a second one does not."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def hear(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)

"""A training that somebody watches: it is started, paused, and goes on by single steps."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.errors import ConvscopeError, InputError, SettingError
from convscope.layers.arguments import number
from convscope.learning.callbacks import Callback, Logs
from convscope.learning.film import Film, Frames, chosen
from convscope.learning.optimizers import get
from convscope.typed import Array, Record

if TYPE_CHECKING:
    from convscope.learning.trainer import Trainer

MOST_BYTES = 256 << 20
"""Of frames that are held: beyond these only the steps that were there from the start are kept."""


class Examples(Record):
    """What is learned from: images and targets, those held out, and what they are.

    words   "1,438 digits; 359 are held out"
    labels  the names of the classes, where they have any
    """

    x: Any
    y: Any
    held_x: Any
    held_y: Any
    words: str
    labels: list[str]


MOST_EPOCHS = 1000

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "adam": ("Adam", {}),
    "rmsprop": ("RMSprop", {}),
}
"""What may be chosen by name: Keras's class, and the settings in which it differs from its defaults."""


class Settings(Record):
    """How a training goes that somebody chooses.

    optimizer    a name of `OPTIMIZERS`; "compiled" is the one that the network came with
    """

    optimizer: str
    learning_rate: float
    batch_size: int = 32
    epochs: int = 5

    @staticmethod
    def of(network: Any) -> Settings:
        """Return those that a compiled network comes with."""
        own = network.optimizer
        for name, (kind, settings) in OPTIMIZERS.items():
            other = get({"class_name": kind, "config": settings})
            if own.keras() == {**other.keras(), "config": {**other.config(), **_rate(own)}}:
                return Settings(name, own.learning_rate)
        return Settings("compiled", own.learning_rate)

    @staticmethod
    def chosen(given: Any, usual: Settings, images: int) -> Settings:
        """Return the settings that a page names, checked; raises `InputError` or `SettingError`, by name."""
        if not isinstance(given, Mapping) or set(given) - set(usual._fields):
            raise InputError(f"a training is set by {', '.join(usual._fields)}, not {given!r:.120}")
        found = usual._replace(**given)
        names = [*OPTIMIZERS, *({usual.optimizer} - set(OPTIMIZERS))]
        if found.optimizer not in names:
            raise InputError(f"the optimizers are {', '.join(names)}, not {found.optimizer!r:.80}")
        if not number(found.learning_rate, "learning_rate", 0):
            raise SettingError("with a learning rate of 0 no weight moves: it must be larger")
        for name, most in (("batch_size", images), ("epochs", MOST_EPOCHS)):
            value = getattr(found, name)
            if type(value) is not int or not 1 <= value <= most:
                raise SettingError(
                    f"{name} must be a whole number from 1 to {most}, not {value!r:.80}"
                )
        return found

    def put(self, network: Any) -> None:
        """Compile a network anew with this optimizer, with the loss and the metrics that it has."""
        own = network._compiled()
        kind, config = OPTIMIZERS.get(
            self.optimizer, (type(own.optimizer).__name__, own.optimizer.config())
        )
        made = get({"class_name": kind, "config": {**config, "learning_rate": self.learning_rate}})
        network.compile(made, own.loss, metrics=own.metrics)


def _rate(optimizer: Any) -> dict[str, float]:
    return {"learning_rate": optimizer.learning_rate}


def optimizers(network: Any) -> dict[str, dict[str, Any]]:
    """Return what may be chosen for a compiled network: what each is called, and its usual learning rate."""
    found = {}
    for name, (kind, settings) in OPTIMIZERS.items():
        said = "".join(f", {what} {value:g}" for what, value in settings.items())
        rate = get({"class_name": kind, "config": settings}).learning_rate
        found[name] = {"title": f"{kind}{said}", "learning_rate": rate}
    own = Settings.of(network)
    if own.optimizer not in found:
        found[own.optimizer] = {
            "title": repr(network.optimizer),
            "learning_rate": own.learning_rate,
        }
    return found


class TrainingSession:
    """Training in a thread of its own, which waits between steps while it is paused.

    network   compiled, with metrics; it is the session's alone
    frames    how many steps are kept by themselves; each at which somebody pauses is kept, too

    `state` is "ready", "running", "paused", "done" or "failed" (`why` says it).
    """

    def __init__(
        self,
        network: Any,
        examples: Examples,
        epochs: int = 5,
        batch_size: int = 32,
        frames: int = 16,
    ) -> None:
        self.network, self.examples = network, examples
        self.epochs, self.batch_size = epochs, batch_size
        self.trainer: Trainer = network._compiled()
        self.steps = epochs * -(-len(examples.y) // batch_size)
        self.state, self.why = "ready", ""
        self.kept = Frames()
        self.losses: list[float] = []
        self.logs: list[Mapping[str, float]] = []
        self.wanted = set(chosen(self.steps, frames)) if self.steps > 1 else {1}
        self.lock = threading.Lock()
        """Held while a step is made or taken apart: both use the same steps."""
        self._told = threading.Condition()
        self._allowed: float = 0
        self._asked = False  # whether the next step is kept, because somebody will look at it
        self._making = False
        self._thread: threading.Thread | None = None

    @property
    def step(self) -> int:
        """How many steps have been made."""
        return len(self.losses)

    def now(self) -> tuple[str, str, list[float], list[Mapping[str, float]]]:
        """Return at one moment the state, why, and of each step the loss and the figures; its film, asked later, has as much."""
        with self._told:
            return self.state, self.why, [*self.losses], [*self.logs]

    @property
    def film(self) -> Film:
        """The steps that have been kept so far."""
        return Film.of(self.kept, self.trainer)

    def start(self) -> None:
        """Go on until the end, or until `pause`."""
        self._go(float("inf"))

    def one(self) -> None:
        """Make one step, and wait for it."""
        made = self.step
        self._go(made + 1)
        self._wait(lambda: self.step > made)

    def pause(self) -> None:
        """Make the step that is under way the last one for now; it is kept. Waits for it."""
        with self._told:
            if self.state != "running":
                return
            self._asked = True
            self._allowed = 0
        self._wait(lambda: self.state != "running")

    def _go(self, allowed: float) -> None:
        with self._told:
            if self.state in ("done", "failed"):
                raise InputError(f"the training is {self.state}; begin again to see it once more")
            self._allowed = allowed
            self._asked = allowed < float("inf")
            self.state = "running"
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="convscope training", daemon=True
                )
                self._thread.start()
            self._told.notify_all()

    def _wait(self, until: Any) -> None:
        with self._told:
            self._told.wait_for(lambda: until() or self.state in ("done", "failed"), timeout=120)

    def _run(self) -> None:
        given = self.examples
        try:
            held = None if given.held_y is None else (given.held_x, given.held_y)
            data = self.trainer.data(given.x, given.y, validation_data=held)
            watched = [_Watched(self)]
            self.trainer.fit(data, self.batch_size, self.epochs, 0, watched, file=io.StringIO())
            ended, why = "done", ""
        except ConvscopeError as failed:
            ended, why = "failed", str(failed)
        except Exception as failed:  # noqa: BLE001 – the thread ends here: whoever asks is told
            ended, why = "failed", f"{type(failed).__name__}: {failed}"
        if self._making:
            self._making = False
            self.lock.release()
        with self._told:
            self.state, self.why = ended, why
            self._told.notify_all()

    def close(self) -> None:
        """End it after the step that is under way, if it goes on."""
        with self._told:
            self.network.stop_training = True
            self._allowed = float("inf")
            self._told.notify_all()

    # -- what the training asks -------------------------------------------------------------------

    def turn(self) -> None:
        """Wait until the next step may be made."""
        with self._told:
            if self._allowed <= self.step:
                self.state = "paused"
                self._told.notify_all()
            self._told.wait_for(lambda: self._allowed > self.step)
        self.lock.acquire()
        self._making = True

    def wants(self, step: int) -> bool:
        """Whether a step is kept."""
        held = sum(array.nbytes for array in self.kept.arrays.values())
        return step in self.wanted or step == self.steps or (self._asked and held < MOST_BYTES)

    def made(self, logs: Logs) -> None:
        """Note a step that was made."""
        last = self.trainer.last
        try:
            if last is not None and last.number == self.step + 1:
                given = self.examples
                judged = None if given.held_y is None else (given.held_x, given.held_y)
                self.kept.add(last, judged)
        finally:
            self._making = False
            self.lock.release()
        with self._told:
            self.losses.append(float(self.trainer.loss_of_step))
            self.logs.append(dict(logs))
            if self._allowed < float("inf") and self._allowed <= self.step:
                self.state = "paused"
            self._told.notify_all()


class _Watched(Callback):
    """Lets a session say when the next step is made, and tells it what came of it."""

    def __init__(self, session: TrainingSession) -> None:
        self.session = session

    def wants(self, step: int) -> bool:
        return self.session.wants(step)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.session.turn()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.session.made(logs or {})


def shares_of_images(trainer: Trainer, film: Film, step: int) -> dict[str, Array] | None:
    """Return what each image of a step's batch adds to the gradient of each weight: (images, *shape) of float32.

    Each image alone goes through the step, so the engine computes them. None where images do not stand alone: batch
    normalisation in training takes statistics of all, and dropout drew for all together.
    """
    from convscope.engine.step import SHARE, Goal, Step
    from convscope.equations.losses import TARGET

    taken = film.taken(trainer, step)
    if not trainer.step(taken.rows, True).apart:
        return None
    goal = Goal(trainer.output, trainer.loss.equation(trainer.row, trainer.shape))
    alone = Step(trainer.graph, 1, [goal], trainer.trained, {})
    batched = {*trainer.graph.inputs, f"{trainer.output}/{TARGET}", f"{trainer.output}/{SHARE}"}
    found: dict[str, list[Array]] = {}
    for row in range(taken.rows):
        given = {n: a[row : row + 1] if n in batched else a for n, a in taken.given.items()}
        for name, array in alone.run(given).items():
            if name.startswith("∂"):
                found.setdefault(name[1:], []).append(np.array(array))
    return {name: np.stack(arrays) for name, arrays in found.items()}

"""A film of training: weights, gradients and movements at chosen steps, in one file.

FILE.npz holds, for each step that was chosen, `step/weight/…`, `step/gradient/…`, `step/update/…`, what the
optimizer had kept, the images and targets of the batch; and the loss and the accuracy over all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.step import SHARE
from convscope.engine.writing import check_ending, check_place, complete
from convscope.equations.losses import TARGET
from convscope.errors import (
    InputError,
    LayerLookupError,
    PositionError,
    SourceError,
    UnsupportedError,
)
from convscope.explain.words import exact, grouped
from convscope.learning.callbacks import Callback, Logs
from convscope.learning.taken import Taken
from convscope.model.positions import position_of
from convscope.parts import Code, Column, Document, Heading, Paragraph, Part, Table
from convscope.typed import Array

if TYPE_CHECKING:
    from convscope.learning.trainer import Trainer

FORMAT = 1
MOST_FRAMES = 4096
FILMS = "a film is written as .npz"


def chosen(last: int, many: int = 12) -> tuple[int, ...]:
    """Return steps to keep of so many: the first ones, then ever fewer, and the last.

    >>> chosen(225)
    (1, 2, 3, 4, 7, 12, 19, 31, 51, 84, 138, 225)
    """
    found = {round(last ** (n / (many - 1))) for n in range(many)} | {1, last}
    small = 1
    while len(found) < min(many, last):
        found.add(small)
        small += 1
    return tuple(sorted(found))


class Frames:
    """Steps that were kept: their arrays by name, as a film holds them, and what is said of each."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.arrays: dict[str, Array] = {}

    def add(self, last: Taken, judged: Any = None) -> None:
        """Keep a step; with `judged`, (x, y), also what the network makes of those after it."""
        found: dict[str, float] = {}
        if judged is not None:
            found = last.trainer.evaluate(judged[0], judged[1], return_dict=True)
        top = str(last.number)
        for name in last.after:
            self.arrays[f"{top}/weight/{name}"] = last.given[name]
        for name, gradient in last.gradients.items():
            self.arrays[f"{top}/gradient/{name}"] = gradient
            self.arrays[f"{top}/update/{name}"] = last.update(name)
            for slot, array in last.slots.get(name, {}).items():
                self.arrays[f"{top}/{slot}/{name}"] = array
        for name, array in last.given.items():
            if name not in last.after:
                self.arrays[f"{top}/given/{name}"] = array
        frame = {"step": last.number, "loss": last.loss, "learning_rate": last.learning_rate}
        self.frames.append({**frame, "judged": found})

    def said(self, trainer: Trainer) -> dict[str, Any]:
        """Return what a film says of itself."""
        return {
            "format": FORMAT,
            "network": trainer.network.name,
            "optimizer": trainer.optimizer.keras(),
            "loss": trainer.loss.kind,
            "from_logits": trainer.loss.from_logits,
            "penalties": {f"{o}.{w}": list(cost) for (o, w), cost in trainer.penalties.items()},
            "steps": trainer.steps_done,
            "frames": list(self.frames),
        }


class FilmMaker(Callback):
    """Keeps chosen steps while a network learns, and writes them to one file in the end.

    steps    which to keep, counted from 1
    judged   (x, y) whose accuracy is told at each of them
    """

    def __init__(self, path: str | Path, steps: Sequence[int], judged: Any = None) -> None:
        self.path, self.steps, self.judged = Path(path), set(steps), judged
        check_ending(self.path, ".npz", FILMS)
        check_place(self.path)
        self.kept = Frames()

    def wants(self, step: int) -> bool:
        return step in self.steps

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        trainer: Trainer = self.model._compiled()
        last = trainer.last
        if last is None or last.number != trainer.steps_done or last.number not in self.steps:
            return
        self.kept.add(last, self.judged)

    def on_train_end(self, logs: Logs | None = None) -> None:
        said = self.kept.said(self.model._compiled())
        arrays = {**self.kept.arrays, "film": np.frombuffer(json.dumps(said).encode(), np.uint8)}
        with (
            complete(self.path, ".npz", FILMS) as part,
            part.open("wb") as file,
        ):
            np.savez_compressed(file, allow_pickle=False, **arrays)


@dataclass(frozen=True)
class WeightPath:
    """One number of a weight through the steps of a film."""

    what: str
    position: tuple[int, ...]
    steps: tuple[int, ...]
    values: tuple[float, ...]
    gradients: tuple[float, ...]
    updates: tuple[float, ...]

    def document(self) -> Document:
        """Return the numbers as a table."""
        where = ", ".join(map(str, self.position))
        rows = tuple(
            (grouped(step), exact(value), exact(gradient), exact(update))
            for step, value, gradient, update in zip(
                self.steps, self.values, self.gradients, self.updates, strict=True
            )
        )
        columns = (
            Column("step", "right"), Column("before", "right"), Column("gradient", "right"),
            Column("moved", "right"),
        )  # fmt: skip
        after, last = self.values[-1] + self.updates[-1], self.steps[-1]
        begun = "It began as" if self.steps[0] == 1 else f"Before step {self.steps[0]} it was"
        steps = last - self.steps[0] + 1
        said = (
            f"{begun} {exact(self.values[0])}, and is {exact(after)} after step {grouped(last)}: "
            f"{'a step' if steps == 1 else f'{grouped(steps)} steps'} moved it by {exact(after - self.values[0])}. "
            f"Why it moved in one of those that are here: --step {self.steps[len(self.steps) // 2]}."
        )
        heading = Heading(f"The path of {self.what}({where})")
        return Document((heading, Paragraph(said), Table(columns, rows)))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain data."""
        return {
            "of": self.what,
            "position": list(self.position),
            "steps": list(self.steps),
            "values": list(self.values),
            "gradients": list(self.gradients),
            "updates": list(self.updates),
        }


class Film:
    """A film that was written: what is in it, and any of its steps to be taken apart.

    Raises `SourceError` for a file that is no film.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                self._arrays = {name: held[name] for name in held.files}
            self.said: dict[str, Any] = json.loads(bytes(self._arrays.pop("film")))
            self.frames: list[dict[str, Any]] = self.said["frames"]
            good = self.said["format"] == FORMAT and len(self.frames) <= MOST_FRAMES
            self.steps = tuple(int(frame["step"]) for frame in self.frames)
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{path} is no film of convscope's: one is a .npz that convscope train --film wrote"
            ) from error
        except Exception as error:  # zipfile's and zlib's own
            raise SourceError(f"{path} cannot be read: {error}") from error
        if not good:
            raise SourceError(f"{path} is a film of another format than {FORMAT}")

    @classmethod
    def of(cls, kept: Frames, trainer: Trainer) -> Film:
        """Return what has been kept so far as a film, without a file."""
        film = cls.__new__(cls)
        film.path = Path(f"{trainer.network.name}, which still learns")
        film.said = kept.said(trainer)
        film.frames = film.said["frames"]
        film.steps = tuple(int(frame["step"]) for frame in film.frames)
        film._arrays = kept.arrays
        return film

    def arrays(self, step: int, kind: str) -> dict[str, Array]:
        """Return the arrays of a step: its "weight"s before, "gradient"s or "update"s, by name."""
        start = f"{self._step(step)}/{kind}/"
        return {n.removeprefix(start): a for n, a in self._arrays.items() if n.startswith(start)}

    def _step(self, step: int) -> int:
        if step not in self.steps:
            raise PositionError(
                f"step {step} is not in {self.path.name}; it has {', '.join(map(str, self.steps))}"
            )
        return step

    def path_of(self, what: str, position: Sequence[int]) -> WeightPath:
        """Return one number of a weight through the steps."""
        found = [
            [self.arrays(s, k).get(what) for k in ("weight", "gradient", "update")]
            for s in self.steps
        ]
        if not found or any(array is None for row in found for array in row):
            names = ", ".join(self.arrays(self.steps[0], "gradient")) if self.steps else "none"
            raise LayerLookupError(f"{self.path.name} has no weight {what}; it has {names}")
        where = position_of(position, found[0][0].shape, what)  # type: ignore[union-attr]
        numbers = [tuple(float(a[where]) for a in row if a is not None) for row in found]
        values, gradients, updates = zip(*numbers, strict=True)
        return WeightPath(what, where, self.steps, values, gradients, updates)

    def taken(self, trainer: Trainer, step: int) -> Taken:
        """Return a step to be taken apart, of the network that the film is of.

        Raises `InputError` where that network has other weights.
        """
        weights = self.arrays(step, "weight")
        own = {f"{o}.{w}": tuple(s) for o, layer in trainer.layers.items()
               for w, s in (layer.weight_shapes or {}).items()}  # fmt: skip
        if {n: a.shape for n, a in weights.items()} != own:
            raise InputError(
                f"{self.path.name} is of {self.said['network']}, and its weights are not those of "
                f"{trainer.network.name}"
            )
        self._punish(trainer)
        frame = self.frames[self.steps.index(step)]
        given = {**weights, **self.arrays(step, "given")}
        gradients = self.arrays(step, "gradient")
        slots: dict[str, dict[str, Array]] = {
            name: {s: self._arrays[f"{step}/{s}/{name}"] for s in trainer.optimizer.kept
                   if f"{step}/{s}/{name}" in self._arrays}
            for name in gradients
        }  # fmt: skip
        found = {f"∂{n}": a for n, a in gradients.items()}
        taken = Taken(trainer, given, found, float(frame["loss"]), step, slots)
        taken.learning_rate = float(frame["learning_rate"])
        updates = self.arrays(step, "update")
        taken.after = {n: a + updates[n] if n in updates else a for n, a in weights.items()}
        return taken

    def _punish(self, trainer: Trainer) -> None:
        """Let a trainer count the size of weights as it was counted when the film was made."""
        said = self.said.get("penalties")
        if said is None:  # films of before say nothing of it
            return
        found = {(n.rpartition(".")[0], n.rpartition(".")[2]): tuple(c) for n, c in said.items()}
        if found != trainer.penalties:
            trainer.penalties = {name: (float(l1), float(l2)) for name, (l1, l2) in found.items()}
            trainer.forget()

    def document(self) -> Document:
        """Return the steps as a table."""
        judged = list(self.frames[0]["judged"]) if self.frames else []
        rows = tuple(
            (grouped(f["step"]), exact(f["loss"]), *(f"{f['judged'][name]:.4f}" for name in judged))
            for f in self.frames
        )
        columns = (
            Column("step", "right"), Column("loss of the batch", "right"),
            *(Column(f"held-out {name}", "right") for name in judged),
        )  # fmt: skip
        said = f"{self.said['network']} learned for {grouped(self.said['steps'])} steps; {len(rows)} are here."
        parts: list[Part] = [
            Heading(f"The film {self.path.name}"),
            Paragraph(said),
            Table(columns, rows),
        ]
        what, where = self.liveliest()
        if what:
            place = ",".join(map(str, where))
            parts += [
                Paragraph(f"Of {what} the number that moved most, its path:"),
                Code(f"convscope film {self.path} --of {what}:{place}"),
            ]
        return Document(tuple(parts))

    def liveliest(self) -> tuple[str, tuple[int, ...]]:
        """Return the last kernel of a convolution, else the first weight, and which number of it moved most."""
        if not self.steps:
            return "", ()
        held = self.arrays(self.steps[0], "update")
        names = [n for n in self.arrays(self.steps[0], "weight") if n in held]  # as the layers are
        what = next((n for n in reversed(names) if held[n].ndim > 2), next(iter(names), ""))
        if not what:
            return "", ()
        moved = sum(np.abs(np.nan_to_num(self.arrays(s, "update")[what])) for s in self.steps)
        return what, tuple(int(p) for p in np.unravel_index(np.argmax(moved), held[what].shape))

    def alone(
        self, trainer: Trainer, network: Any, step: int, image: int
    ) -> tuple[Any, Any, Array]:
        """Return a network with the weights of a step, an image of its batch, and that image's target.

        network   one with the film's layers, whose weights are set. Raises `InputError` for an image that the batch does not
        have, `UnsupportedError` where a step's numbers are of all its images together.
        """
        if not trainer.step(self.taken(trainer, step).rows, True).apart:
            raise UnsupportedError(
                f"in training {trainer.network.name} takes statistics of the whole batch or draws what it drops: "
                "an image alone gives other numbers"
            )
        weights = self.arrays(step, "weight")
        for node in network.graph.nodes.values():
            start = f"{node.name}."
            own = {n.removeprefix(start): a for n, a in weights.items() if n.startswith(start)}
            if own:
                node.layer.put(own)
                node.layer.version += 1
        given = self.arrays(step, "given")
        x = {name: given[name] for name in trainer.graph.inputs}
        rows = len(next(iter(x.values())))
        if type(image) is not int or not 0 <= image < rows:
            raise InputError(f"the batch has images 0 … {rows - 1}, not {image!r:.80}")
        one = {name: array[image] for name, array in x.items()}
        target: Array = given[f"{trainer.output}/{TARGET}"][image]
        return network, (one if len(one) > 1 else next(iter(one.values()))), target

    def shares(self, trainer: Trainer, step: int) -> Array:
        """Return what each image of a step's batch counts in its loss: 1/images, unless they were weighted."""
        return self.arrays(step, "given")[f"{trainer.output}/{SHARE}"]

    def to_dict(self) -> dict[str, Any]:
        """Return what the film says of itself as plain data."""
        return dict(self.said)


def compiled(film: Film) -> Mapping[str, Any]:
    """Return how the network of a film was compiled, as `Network.compile` takes it."""
    from convscope.learning import losses

    kind = losses.KINDS[film.said["loss"]]
    return {"optimizer": film.said["optimizer"], "loss": kind(film.said["from_logits"])}

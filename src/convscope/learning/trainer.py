"""Compiling and fitting: what Keras's compile, fit, evaluate and train_on_batch do, on ONNX Runtime."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from convscope.engine.images import as_batch
from convscope.engine.step import SHARE, Goal, Step
from convscope.equations.losses import TARGET
from convscope.errors import InputError, SettingError, UnsupportedError
from convscope.layers.base import Layer, drawn_from
from convscope.learning import constraints, losses, metrics, optimizers, regularizers
from convscope.learning.callbacks import Callback, CallbackList, History, ProgressBar
from convscope.model.graph import Graph, Node
from convscope.notation import Axis
from convscope.notation.sizes import is_known
from convscope.typed import Array, Record

if TYPE_CHECKING:
    from convscope.learning.taken import Taken


class Learner(Protocol):
    """A network, as far as training knows it."""

    name: str
    seed: int
    stop_training: bool

    @property
    def graph(self) -> Graph:
        """Its layers wired up."""

    def _by_name(self, given: Any) -> dict[str, Any]:
        """Return what is given for each input."""


class TrainingData(Record):
    """Images and targets to learn from, how much each counts (None: all alike), and images and targets held out."""

    images: Mapping[str, Array]
    targets: Array
    weights: Array | None
    held: tuple[Mapping[str, Array], Array] | None


class Trainer:
    """A network with its optimizer, its loss and its metrics; steps are made ready once for each batch size.

    Raises `UnsupportedError` or `SettingError`, by name, for what cannot be trained.
    """

    def __init__(
        self, network: Learner, optimizer: Any, loss: Any, given_metrics: Iterable[Any] | None
    ) -> None:
        self.network = network
        graph = self.graph = network.graph
        if len(graph.outputs) != 1:
            raise UnsupportedError(
                f"{network.name} has {len(graph.outputs)} outputs; networks with one are trained"
            )
        (self.output,) = graph.outputs
        if loss is None:
            raise SettingError(f"compile: loss=… is needed; there are {', '.join(losses.KINDS)}")
        self.optimizer, self.loss = optimizers.get(optimizer), losses.get(loss)
        for name in graph.needed(graph.outputs):
            _check(graph.nodes[name])
            layer = graph.nodes[name].layer
            if type(layer).learning is not Layer.learning:  # it may say that it cannot
                layer.learning(Axis("n", 2), *graph.facts[name].input_shapes)
        shape = graph.shape(self.output)
        if not all(map(is_known, (*shape, *(s for i in graph.inputs.values() for s in i)))):
            raise UnsupportedError(
                f"{network.name} leaves sizes open: give it one first, as in sized(28), to train it"
            )
        self.shape: tuple[int, ...] = tuple(shape)
        self.row = Axis("n", 1)
        self.loss.equation(self.row, self.shape)
        several = (
            [given_metrics] if isinstance(given_metrics, (str, metrics.Metric)) else given_metrics
        )
        classes = self.shape[-1] if self.shape else 1
        self.metrics = [metrics.get(one, self.loss, classes) for one in several or ()]
        self.owners = {id(n.layer): n.name for n in reversed(graph.nodes.values())}
        self.layers: dict[str, Layer] = {
            self.owners[id(graph.nodes[n].layer)]: graph.nodes[n].layer
            for n in graph.needed(graph.outputs)
        }
        self.penalties: dict[tuple[str, str], tuple[float, float]] = {}
        self.constraints: dict[str, constraints.Constraint] = {}
        for owner, layer in self.layers.items():
            self._bounds(owner, layer)
        self._steps: dict[Any, Step] = {}
        self.weights: dict[str, Array] = {}
        self._versions: tuple[int, ...] = ()
        self.last: Taken | None = None
        self.loss_of_step = 0.0
        self.steps_done = 0

    def _bounds(self, owner: str, layer: Layer) -> None:
        """Note what the weights of a layer cost, and where they are put back."""
        for weight in layer.weight_shapes or {}:
            for ending in ("regularizer", "constraint"):
                setting = getattr(layer, f"{_prefix(layer, weight)}_{ending}", None)
                if setting is None:
                    continue
                what = f"{owner}: {_prefix(layer, weight)}_{ending}"
                if ending == "constraint":
                    self.constraints[f"{owner}.{weight}"] = constraints.get(setting, what)
                else:
                    found = regularizers.get(setting, what)
                    if found.l1 or found.l2:
                        self.penalties[owner, weight] = (found.l1, found.l2)

    # -- weights ----------------------------------------------------------------------------------

    @property
    def trained(self) -> list[tuple[str, str]]:
        """The weights that learn, as (layer, weight)."""
        return [
            (owner, weight)
            for owner, layer in self.layers.items()
            if layer.trainable
            for weight in layer.weight_shapes or {}
            if weight not in layer.non_trainable
        ]

    def own(self) -> dict[str, Array]:
        """Return all weights as arrays that may be changed in place, without anyone else seeing it."""
        versions = tuple(layer.version for layer in self.layers.values())
        if versions != self._versions or not self.weights:
            self.weights = {}
            for owner, layer in self.layers.items():
                copies = {w: np.array(a, np.float32) for w, a in layer.weights.items()}
                layer.put(copies)
                self.weights |= {f"{owner}.{w}": a for w, a in copies.items()}
            self._changed()
        return self.weights

    def _changed(self) -> None:
        for layer in self.layers.values():
            layer.version += 1
        self._versions = tuple(layer.version for layer in self.layers.values())

    # -- steps ------------------------------------------------------------------------------------

    def step(
        self, rows: int, learning: bool, keep: Sequence[str] = (), led: Sequence[str] = ()
    ) -> Step:
        """Return a step for so many images, made ready once."""
        trained = tuple(self.trained) if learning else ()
        shown = tuple((o, bool(layer.trainable)) for o, layer in self.layers.items())
        key = (rows, learning, trained, shown, tuple(keep), tuple(led))
        if key not in self._steps:
            row = Axis("n", rows, "image")
            goal = Goal(self.output, self.loss.equation(row, self.shape))
            self._steps[key] = Step(
                self.graph, rows, [goal], trained, self.penalties, keep, led, learning
            )
        return self._steps[key]

    def targets(self, y: Any, what: str = "y") -> Array:
        """Return targets as the loss reads them."""
        return self.loss.target(y, self.shape, what)

    def images(self, x: Any) -> dict[str, Array]:
        """Return inputs by name, each (images, *shape) of float32."""
        given = self.network._by_name(x)
        found = {n: as_batch(a, self.graph.inputs[n], n) for n, a in given.items()}
        if len({len(a) for a in found.values()}) != 1:
            raise InputError(
                f"the inputs hold different numbers of images: {[len(a) for a in found.values()]}"
            )
        return found

    def given(self, x: Mapping[str, Array], t: Array, share: Array) -> dict[str, Array]:
        """Return what a step's graph is given, but for the noise."""
        weights = self.own()
        return {**x, f"{self.output}/{TARGET}": t, f"{self.output}/{SHARE}": share, **weights}

    def noise(self, step: Step, number: int) -> dict[str, Array]:
        """Return what a step draws: of its number and its layers' seeds alone."""
        found = {}
        for name, (node, draw) in step.noise.items():
            layer = self.graph.nodes[node].layer
            seed = getattr(layer, "seed", None)
            seeds = drawn_from(self.network.seed, node) if not isinstance(seed, int) else (seed,)
            found[name] = draw(np.random.default_rng([*seeds, number]))
        return found

    def learn(
        self,
        x: Mapping[str, Array],
        t: Array,
        weight: Array | None,
        record: bool = False,
        size: int | None = None,
    ) -> tuple[float, Array]:
        """Make one step; return the loss before it, and the outputs.

        size   how many images the other steps take: a smaller batch goes through the same step, filled up with
               images that have no share in the loss, where images do not touch one another
        """
        rows = len(t)
        count = size if size and size > rows and self.step(size, True).apart else rows
        step = self.step(count, True)
        share = np.full(rows, 1.0 / rows, np.float32)
        if weight is not None:
            share = (weight * share).astype(np.float32)
        given = self.given(x, t, share)
        self.steps_done += 1
        given |= self.noise(step, self.steps_done)
        found = self._filled(step, given, rows)
        loss = self.loss_of_step = self.total(found, share)
        if record:
            from convscope.learning.taken import Taken

            self.last = Taken(self, given, found, loss)
        gradients = {k[1:]: found[k] for k in found if k.startswith("∂")}
        self.optimizer.apply(self.weights, gradients)
        for key, constraint in self.constraints.items():
            if key in gradients:
                self.weights[key][...] = constraint(self.weights[key])
        for key in [k for k in found if k.endswith(" after")]:
            self.weights[key.removesuffix(" after")][...] = found[key]
        self._changed()
        if record and self.last is not None:
            self.last.after = {k: a.copy() for k, a in self.weights.items()}
        return loss, found[self.output]

    def _filled(self, step: Step, given: dict[str, Array], rows: int) -> dict[str, Array]:
        """Return what a step makes of fewer images than it takes: the first is repeated, with no share in the loss."""
        more = step.rows - rows
        if not more:
            return step.run(given)
        share = f"{self.output}/{SHARE}"
        filled = {share: np.append(given[share], np.zeros(more, np.float32))}
        for name in (*self.graph.inputs, f"{self.output}/{TARGET}"):
            filled[name] = np.concatenate([given[name], np.repeat(given[name][:1], more, axis=0)])
        found = step.run({**given, **filled})
        return found | {n: found[n][:rows] for n in (self.output, f"{self.output}/loss")}

    def total(self, found: Mapping[str, Array], share: Array) -> float:
        """Return the loss of a batch: every image's times its share, and what the weights cost."""
        each = found[f"{self.output}/loss"].astype(np.float64)
        cost = sum(float(found[k]) for k in found if k.endswith(" penalty"))
        return float(each @ share.astype(np.float64)) + cost

    def forget(self) -> None:
        """Make steps anew, because what they are made of has changed."""
        self._steps.clear()

    # -- Keras's verbs ----------------------------------------------------------------------------

    def data(
        self,
        x: Any,
        y: Any,
        validation_split: float = 0.0,
        validation_data: Any = None,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
    ) -> TrainingData:
        """Return what `fit` learns from, and what it is tested on after each epoch; see `Network.fit`."""
        images, t = self.images(x), self.targets(y)
        count = _same_count(images, t, "fit")
        weights = self._weights(t, class_weight, sample_weight)
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                raise InputError("validation_data must be (x, y)")
            held = self.images(validation_data[0]), self.targets(validation_data[1], "validation y")
            _same_count(*held, "validation_data")
            return TrainingData(images, t, weights, held)
        if not validation_split:
            return TrainingData(images, t, weights, None)
        if not 0 < validation_split < 1:
            raise SettingError(f"validation_split must lie between 0 and 1, not {validation_split}")
        first = math.floor(count * (1.0 - validation_split))
        if not 0 < first < count:
            raise InputError(
                f"validation_split={validation_split} of {count} images leaves {first} to learn from"
            )
        return TrainingData(
            {n: a[:first] for n, a in images.items()},
            t[:first],
            None if weights is None else weights[:first],
            ({n: a[first:] for n, a in images.items()}, t[first:]),
        )

    def fit(
        self,
        data: TrainingData,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[Callback] | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        validation_freq: int = 1,
        file: Any = None,
    ) -> History:
        """Learn from images; see `Network.fit`."""
        size = _count(batch_size, 32, "batch_size")
        epochs = _count(epochs, 1, "epochs")
        images, t, weights, checked = data
        count = len(t)
        history, bars = History(), 1 if verbose in ("auto", True) else int(verbose)
        steps = -(-count // size)
        told = CallbackList(
            [ProgressBar(bars, file), *(callbacks or ()), history],
            self.network,
            {"epochs": epochs, "steps": steps, "verbose": bars},
        )
        self.network.stop_training = False
        told.tell("on_train_begin", {})
        logs: dict[str, float] = {}
        for epoch in range(initial_epoch, epochs):
            order = np.arange(count)
            if shuffle:
                np.random.default_rng([self.network.seed, self.steps_done]).shuffle(order)
            self._begin()
            told.tell("on_epoch_begin", epoch, {})
            for number, start in enumerate(range(0, count, size)):
                told.tell("on_train_batch_begin", number, {})
                rows = order[start : start + size]
                batch = {n: a[rows] for n, a in images.items()}
                loss, output = self.learn(
                    batch, t[rows], None if weights is None else weights[rows],
                    any(one.wants(self.steps_done + 1) for one in told.callbacks), min(size, count),
                )  # fmt: skip
                self._note(loss, t[rows], output)
                logs = self._logs()
                told.tell("on_train_batch_end", number, dict(logs))
                if self.network.stop_training:
                    break
            if checked is not None and (epoch + 1) % validation_freq == 0:
                told.tell("on_test_begin", {})
                found = self._evaluated(*checked, size)
                told.tell("on_test_end", dict(found))
                logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
            logs = dict(logs)
            for one in reversed(
                told.callbacks
            ):  # what a callback adds (the learning rate) is told to all
                if hasattr(one, "factor"):
                    one.on_epoch_end(epoch, logs)
            for one in told.callbacks:
                if not hasattr(one, "factor"):
                    one.on_epoch_end(epoch, logs)
            if self.network.stop_training:
                break
        told.tell("on_train_end", dict(logs))
        return history

    def evaluate(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = None,
        return_dict: bool = False,
        verbose: str | int = 0,
    ) -> Any:
        """Return the loss and the metrics of images; see `Network.evaluate`."""
        images, t = self.images(x), self.targets(y)
        _same_count(images, t, "evaluate")
        size = _count(batch_size, 32, "batch_size")
        bar = None
        if bars := 1 if verbose in ("auto", True) else int(verbose):
            from convscope.learning.progress import KerasBar

            bar = KerasBar(-(-len(t) // size), bars, sys.stdout)
        logs = self._evaluated(images, t, size, bar)
        return logs if return_dict else _listed(logs)

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:  # fmt: skip
        """Make one step; see `Network.train_on_batch`."""
        images, t = self.images(x), self.targets(y)
        _same_count(images, t, "train_on_batch")
        loss, output = self.learn(
            images, t, self._weights(t, class_weight, sample_weight), record=True
        )
        self._begin()
        self._note(loss, t, output)
        logs = self._logs()
        return logs if return_dict else _listed(logs)

    # -- counting ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._losses, self._images = 0.0, 0
        for metric in self.metrics:
            metric.reset()

    def _note(self, loss: float, t: Array, output: Array) -> None:
        self._losses += loss * len(t)
        self._images += len(t)
        for metric in self.metrics:
            metric.update(t, output)

    def _logs(self) -> dict[str, float]:
        """Return the metrics and the loss so far, in Keras's order."""
        found = {m.name: m.result() for m in self.metrics}
        found["loss"] = self._losses / max(self._images, 1)
        return dict(sorted(found.items()))

    def _evaluated(
        self, images: Mapping[str, Array], t: Array, size: int, bar: Any = None
    ) -> dict[str, float]:
        before = self._losses_and_metrics()
        self._begin()
        step = self.step(min(size, len(t)), False)
        for start in range(0, len(t), size):
            rows = slice(start, start + size)
            part = t[rows]
            share = np.full(len(part), 1.0 / len(part), np.float32)
            given = self.given({n: a[rows] for n, a in images.items()}, part, share)
            found = self._filled(step, given, len(part))
            self._note(self.total(found, share), part, found[self.output])
            if bar is not None:
                bar.show(start // size + 1, self._logs())
        logs = self._logs()
        if bar is not None:
            bar.end(logs)
        self._restore(before)
        return {"loss": logs.pop("loss"), **logs}

    def _losses_and_metrics(self) -> Any:
        return (
            getattr(self, "_losses", 0.0), getattr(self, "_images", 0),
            [(m._total, m._count) for m in self.metrics],
        )  # fmt: skip

    def _restore(self, before: Any) -> None:
        self._losses, self._images, held = before
        for metric, (total, count) in zip(self.metrics, held, strict=True):
            metric._total, metric._count = total, count

    def _weights(self, t: Array, class_weight: Any, sample_weight: Any) -> Array | None:
        """Return how much each image counts; None where all count alike."""
        found = None
        if sample_weight is not None:
            found = np.asarray(sample_weight, np.float32)
            if found.shape != (len(t),):
                raise InputError(
                    f"sample_weight must be one number an image, ({len(t)},), not {found.shape}"
                )
        if class_weight is not None:
            if t.ndim != 2:
                raise InputError("class_weight is for one class an image")
            classes = t.argmax(axis=-1) if t.shape[1] > 1 else t[:, 0].astype(np.int64)
            each = np.array([class_weight.get(int(c), 1.0) for c in classes], np.float32)
            found = each if found is None else found * each
        return found


def _prefix(layer: Layer, weight: str) -> str:
    prefix: str = getattr(layer, "kernels", {}).get(weight, weight)
    return prefix


def _check(node: Node) -> None:
    """Raise `UnsupportedError`, by name, for a layer that cannot be trained."""
    layer, name = node.layer, node.name
    if layer.opaque:
        raise UnsupportedError(
            f"{name} ({layer.kind}) has no equation here, so it cannot be led back through and trained"
        )
    for setting in ("activity_regularizer", "synchronized", "seed_generator"):
        if getattr(layer, setting, None):
            raise UnsupportedError(f"{name} ({layer.kind}): {setting} is not supported in training")
    if layer.kind == "ActivityRegularization" and (
        layer.settings()["l1"] or layer.settings()["l2"]
    ):
        raise UnsupportedError(f"{name}: ActivityRegularization is not supported in training")
    if layer.kind == "AlphaDropout" and layer.settings()["rate"]:
        raise UnsupportedError(f"{name}: AlphaDropout is not supported in training")


def _count(value: Any, default: int, what: str) -> int:
    if value is None:
        return default
    if type(value) is not int or value < 1:
        raise SettingError(f"{what} must be a whole number from 1, not {value!r}")
    return value


def _listed(logs: Mapping[str, float]) -> Any:
    """Return the loss, and the metrics behind it where there are any, as Keras lists them."""
    values = [logs["loss"], *(value for name, value in logs.items() if name != "loss")]
    return values[0] if len(values) == 1 else values


def _same_count(images: Mapping[str, Array], t: Array, what: str) -> int:
    count = len(next(iter(images.values())))
    if count != len(t):
        raise InputError(f"{what}: {count} images, but {len(t)} targets")
    if count == 0:
        raise InputError(f"{what}: there are no images")
    return count

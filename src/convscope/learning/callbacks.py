"""Callbacks: what is told while a network learns, and may stop it. Keras's names, arguments and defaults."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from convscope.errors import InputWarning, OutputError, SettingError

if TYPE_CHECKING:
    from pathlib import Path

Logs = dict[str, Any]


class Callback:
    """What is told at each step and epoch; a subclass says what it does with that.

    `model` is the network that learns, `params` has "epochs", "steps" and "verbose".
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Be told which network learns."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Be told how long."""
        self.params = params

    def wants(self, step: int) -> bool:
        """Whether a step, counted from 1, is to be kept so that it can be taken apart."""
        return False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch; `logs` has the loss, the metrics, and those of the validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step, counted from 0 in each epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step; `logs` has the loss and the metrics of the epoch so far."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""


class CallbackList(Callback):
    """Several callbacks, told one after the other."""

    def __init__(self, callbacks: Iterable[Any], model: Any, params: Mapping[str, Any]) -> None:
        self.callbacks = list(callbacks)
        for one in self.callbacks:
            if not isinstance(one, Callback):
                raise SettingError(
                    f"callbacks must be convscope's own, or subclasses of convscope.callbacks.Callback, "
                    f"not {type(one).__module__}.{type(one).__name__}"
                )
            one.set_model(model)
            one.set_params(params)

    def tell(self, event: str, *told: Any) -> None:
        """Tell all of them."""
        for one in self.callbacks:
            getattr(one, event)(*told)


class History(Callback):
    """What `fit` returns: `history` has a list for the loss and each metric, a number an epoch.

    >>> History().history
    {}
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class _Watching(Callback):
    """What callbacks share that compare one number from epoch to epoch."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise SettingError(
                f"{type(self).__name__}: mode must be auto, min or max, not {mode!r}"
            )
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)

    @property
    def larger(self) -> bool:
        """Whether larger is better."""
        if self.mode != "auto":
            return self.mode == "max"
        return any(word in self.monitor for word in ("acc", "auc", "precision", "recall"))

    def better(self, value: float, than: float | None) -> bool:
        """Whether a number is better than another, by more than min_delta."""
        if than is None:
            return True
        if self.larger:
            return value - self.min_delta > than
        return value + self.min_delta < than

    def watched(self, logs: Logs | None) -> float | None:
        """Return the number; None, and a warning, where there is none."""
        found = (logs or {}).get(self.monitor)
        if found is None:
            warnings.warn(
                f"{type(self).__name__}: there is no {self.monitor}; there are {', '.join(logs or {})}",
                InputWarning,
                stacklevel=4,
            )
        return found


class EarlyStopping(_Watching):
    """Stops when a number has not become better for some epochs.

    >>> EarlyStopping(patience=3).monitor
    'val_loss'
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best: float | None = None
        self.best_weights: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.watched(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(
                    f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(_Watching):
    """Multiplies the learning rate by a factor when a number has not become better for some epochs.

    >>> ReduceLROnPlateau(factor=0.5).patience
    10
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise SettingError(f"ReduceLROnPlateau: factor must be below 1, not {factor}")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = self.cooldown_counter = 0
        self.best: float | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        value = self.watched(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                if self.verbose > 0:
                    print(
                        f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to "
                        f"{optimizer.learning_rate}."
                    )
                self.cooldown_counter, self.wait = self.cooldown, 0


class ModelCheckpoint(_Watching):
    """Writes the network (FILE.keras) or its weights (FILE.weights.h5) after each epoch, or the best only.

    The name may hold {epoch:02d} and {val_loss:.2f}.

    >>> ModelCheckpoint("best.keras", save_best_only=True).save_freq
    'epoch'
    """

    def __init__(
        self,
        filepath: str | Path,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath, self.verbose, self.save_freq = str(filepath), verbose, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.best = initial_value_threshold
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(ending):
            raise SettingError(
                f"ModelCheckpoint: the name must end in {ending}"
                f"{' with save_weights_only=True' if save_weights_only else ''}, not be {self.filepath}"
            )
        if save_freq != "epoch" and not (isinstance(save_freq, int) and save_freq > 0):
            raise SettingError(
                f"ModelCheckpoint: save_freq must be 'epoch' or how many steps, not {save_freq!r}"
            )
        self._epoch = self._steps = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        if self.save_freq != "epoch" and self._steps % int(self.save_freq) == 0:
            self.write(self._epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self.write(epoch, logs)

    def write(self, epoch: int, logs: Logs | None) -> None:
        """Write a file, if this is to be kept."""
        if self.save_best_only:
            value = self.watched(logs)
            if value is None or not self.better(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        except (KeyError, ValueError, IndexError) as error:
            raise OutputError(
                f"ModelCheckpoint: {self.filepath} cannot be filled in: {error}; there are epoch, "
                f"{', '.join(logs or {})}"
            ) from error
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: saving model to {path}")


class CSVLogger(Callback):
    """Writes the loss and the metrics of each epoch as a row of a CSV file.

    >>> CSVLogger("log.csv").separator
    ','
    """

    def __init__(self, filename: str | Path, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = str(filename), separator, append
        self._file: Any = None
        self._keys: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        import os

        self._headed = self.append and os.path.exists(self.filename)
        try:
            self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115
        except OSError as error:
            raise OutputError(f"cannot write {self.filename}: {error.strerror or error}") from error
        self._keys = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        import csv

        logs = logs or {}
        writer = csv.writer(self._file, delimiter=self.separator)
        if not self._keys:
            self._keys = sorted(logs)
            if not self._headed:
                writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(logs.get(key, "NA") for key in self._keys)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class LambdaCallback(Callback):
    """Calls functions: on_epoch_end=lambda epoch, logs: …

    >>> LambdaCallback(on_epoch_end=lambda epoch, logs: None).model is None
    True
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        known = [name for name in dir(Callback) if name.startswith("on_")]
        renamed = {"on_batch_begin": "on_train_batch_begin", "on_batch_end": "on_train_batch_end"}
        for name, function in functions.items():
            event = renamed.get(name, name)
            if event not in known:
                raise SettingError(f"LambdaCallback has no {name!r}; there are {', '.join(known)}")
            if function is not None:
                setattr(self, event, function)


class ProgressBar(Callback):
    """Keras's progress bar: epochs, steps, time, loss and metrics.

    verbose   1 for a bar, 2 for a line an epoch, 0 for silence
    """

    def __init__(self, verbose: int, file: Any = None) -> None:
        self.verbose, self.file = verbose, file

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        from convscope.learning.progress import KerasBar

        out = self.file or sys.stdout
        if self.verbose and self.params["epochs"] > 1:
            print(f"Epoch {epoch + 1}/{self.params['epochs']}", file=out)
        self.bar = KerasBar(self.params["steps"], self.verbose, out)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.bar.show(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.bar.end(logs or {})

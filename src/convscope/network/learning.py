"""Networks that learn, and are saved: Keras's `compile`, `fit`, `evaluate`, `save` and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from convscope.errors import NotBuiltError, SettingError, UnsupportedError
from convscope.network.running import Runnable
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from convscope.learning.callbacks import Callback, History
    from convscope.learning.trainer import Trainer
    from convscope.network.reports import StepTaken


class Trainable(Runnable):
    """A network that is trained under Keras's names, and written to Keras's files."""

    # -- files of Keras ---------------------------------------------------------------------------

    def save(self, path: str | Path, overwrite: bool = True) -> None:
        """Write the network as FILE.keras, which Keras 3 opens with the same outputs; needs h5py.

        How it was trained (optimizer, loss) is not written. Raises `UnsupportedError`, by name, for a
        layer that Keras does not have, `OutputError` when the file cannot be written.
        """
        from convscope.network.keras_file import save

        save(self.graph, path, overwrite)

    def save_weights(self, path: str | Path, overwrite: bool = True) -> None:
        """Write the weights as FILE.weights.h5, as Keras 3 reads them; needs h5py."""
        from convscope.network.keras_file import save_weights

        save_weights(self.graph, path, overwrite)

    def load_weights(self, path: str | Path) -> None:
        """Set the weights to those of FILE.weights.h5 or FILE.keras, of a network with the same layers.

        Raises `SourceError` for a file that is no such, `WeightsError` where weights do not fit; then
        nothing is set.
        """
        from convscope.network.keras_file import load_weights

        load_weights(self.graph, path)

    # -- training ---------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: None = None,
        metrics: Iterable[Any] | None = None,
        weighted_metrics: None = None,
        **settings: Any,
    ) -> None:
        """Say how the network is to learn, as in Keras.

        optimizer   "sgd", "adam", "rmsprop", or one of `convscope.optimizers`
        loss        a name ("sparse_categorical_crossentropy", "categorical_crossentropy",
                    "binary_crossentropy", "mse", "mae"), or one of `convscope.losses` (from_logits=True)
        metrics     "accuracy", names such as "top_k_categorical_accuracy", or ones of `convscope.metrics`

        Regularizers, constraints and trainable=False of the layers hold. Raises `SettingError` and
        `UnsupportedError`, by name, for what is not supported.
        """
        from convscope.engine.backing import OwnLayers
        from convscope.learning.trainer import Trainer

        unchanged = {
            "loss_weights": None, "weighted_metrics": None, "run_eagerly": False,
            "steps_per_execution": 1, "jit_compile": "auto", "auto_scale_loss": True,
        }  # fmt: skip
        settings |= {"loss_weights": loss_weights, "weighted_metrics": weighted_metrics}
        for name, value in settings.items():
            if name not in unchanged:
                raise SettingError(f"compile has no setting {name!r}")
            if value != unchanged[name] and value not in (None, False):
                raise UnsupportedError(f"compile: {name}={value!r} is not supported")
        if not isinstance(self.backing, OwnLayers):
            raise UnsupportedError(
                f"{self.name} was opened from a file or module that does not say what is trained and how: "
                f"networks of convscope's own layers, and Keras's, are trained"
            )
        self._trainer = Trainer(self, optimizer, loss, metrics)

    @property
    def optimizer(self) -> Any:
        """What `compile` was told; its `learning_rate` may be set."""
        return self._compiled().optimizer

    def _compiled(self) -> Trainer:
        if self._trainer is None:
            raise NotBuiltError(
                f"{self.name} is not compiled: compile(optimizer, loss, metrics) comes first"
            )
        return self._trainer

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        validation_freq: int = 1,
        **more: Any,
    ) -> History:
        """Learn from images, as in Keras; return the `History` of the loss and the metrics.

        x, y              arrays: (images, *input_shape), and targets as the loss takes them
        batch_size        how many images a step takes (32)
        verbose           1 for a progress bar, 2 for a line an epoch, 0 for silence
        callbacks         some of `convscope.callbacks`
        validation_split  which share at the end to hold out; or validation_data=(x, y)
        class_weight      {class: how much its images count}

        The same seed, data and settings give the same weights. Raises `InputError` for arrays that do not
        fit, `NotBuiltError` before `compile`, `UnsupportedError` for Keras's further settings.
        """
        for name, value in more.items():
            if name not in LEFT_OUT:
                raise SettingError(f"fit has no setting {name!r}")
            if value is not None:
                raise UnsupportedError(f"fit: {name}={value!r} is not supported")
        trainer = self._compiled()
        data = trainer.data(x, y, validation_split, validation_data, class_weight, sample_weight)
        return trainer.fit(
            data, batch_size, epochs, verbose, callbacks, shuffle, initial_epoch, validation_freq
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        return_dict: bool = False,
    ) -> Any:
        """Return the loss of images, and the metrics: one number, a list that the loss begins, or a dict of them.

        verbose   1 for a progress bar ("auto"), 2 for a line, 0 for silence
        """
        return self._compiled().evaluate(x, y, batch_size, return_dict, verbose)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Make one step on a batch; return the loss before it, and the metrics: of this batch alone, where Keras's
        go on averaging from call to call.

        `last_step` can then be taken apart.
        """
        return self._compiled().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    @property
    def last_step(self) -> StepTaken:
        """The last step of `train_on_batch`, to be taken apart.

        `last_step.at("conv2d_1.kernel", (1, 2, 0, 11))` is a report of why that weight moved: every
        product of its gradient, by image, and what the optimizer made of it. `.gradient(weight)` and
        `.update(weight)` are arrays.
        """
        from convscope.network.reports import StepTaken

        last = self._compiled().last
        if last is None:
            raise NotBuiltError(f"{self.name} has made no step yet: train_on_batch(x, y) makes one")
        return StepTaken(last)


def to_watch(network: Any, data: Any = None, film: Any = None) -> dict[str, Any]:
    """Return what the explorer's screen Learning is opened for: a film, or data to learn from; {} for neither.

    data    what `survey.examples` takes: arrays (images, labels), a folder of images, FILE.npz
    film    a film, or its file

    A network that was compiled learns as it was told; any other with Adam, from the cross-entropy of classes. The network
    itself stays as it is: a copy learns. Raises `SettingError` for both at once, and what reading them raises.
    """
    if data is not None and film is not None:
        raise SettingError("a film shows what was learned, data is learned from: give one of them")
    if film is not None:
        from convscope.learning.film import Film

        return {"learning": film if isinstance(film, Film) else Film(film)}
    if data is None:
        return {}
    from convscope.learning import losses, optimizers
    from convscope.survey.examples import examples

    found = examples(network, data, network.seed)
    known = network._trainer

    def fresh() -> Any:
        other = network.edited([])
        optimizer = optimizers.get(known.optimizer.keras()) if known else "adam"
        loss = losses.KINDS[known.loss.kind](known.loss.from_logits) if known else LOSS
        other.compile(optimizer, loss, metrics=["accuracy"])
        return other, found

    fresh()  # a network that cannot be trained says so now
    return {"learning": fresh}


LOSS = "sparse_categorical_crossentropy"

LEFT_OUT = ("steps_per_epoch", "validation_steps", "validation_batch_size")
"""Settings of Keras's fit that are refused unless they are None."""

"""Metrics, by Keras's names: a mean over images of how right the output is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from convscope.errors import SettingError, did_you_mean
from convscope.layers.arguments import whole
from convscope.learning.losses import Loss
from convscope.learning.named import plain

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class Metric:
    """A number for each image, of which the mean is reported under a name."""

    def __init__(self, name: str, of: Callable[[Array, Array], Any]) -> None:
        self.name, self._of = name, of
        self.reset()

    def reset(self) -> None:
        """Begin anew, as at the beginning of an epoch."""
        self._total, self._count = 0.0, 0

    def update(self, target: Array, output: Array) -> None:
        """Take a batch into account."""
        found = self._of(target, output)
        self._total += float(found.sum(dtype="float64"))
        self._count += found.size

    def result(self) -> float:
        """Return the mean so far."""
        return self._total / self._count if self._count else 0.0


def _binary(target: Array, output: Array) -> Any:
    return ((output > 0.5) == target).mean(axis=-1)


def _most(target: Array, output: Array) -> Any:
    return target.argmax(axis=-1) == output.argmax(axis=-1)


def _among(k: int) -> Callable[[Array, Array], Any]:
    """Return whether the class is among the k largest: fewer than k are larger than it."""

    def of(target: Array, output: Array) -> Any:
        import numpy as np

        own = np.take_along_axis(output, target.argmax(axis=-1)[..., np.newaxis], axis=-1)
        return (output > own).sum(axis=-1) < k

    return of


def _squared(target: Array, output: Array) -> Any:
    return ((output - target) ** 2).mean(axis=-1)


def _absolute(target: Array, output: Array) -> Any:
    return abs(output - target).mean(axis=-1)


BY_NAME: dict[str, Callable[[Array, Array], Any]] = {
    "binary_accuracy": _binary,
    "categorical_accuracy": _most,
    "sparse_categorical_accuracy": _most,
    "top_k_categorical_accuracy": _among(5),
    "sparse_top_k_categorical_accuracy": _among(5),
    "mse": _squared,
    "mean_squared_error": _squared,
    "mae": _absolute,
    "mean_absolute_error": _absolute,
}


def TopKCategoricalAccuracy(k: int = 5, name: str = "top_k_categorical_accuracy") -> Metric:
    """Return how often the class is among the k largest outputs.

    >>> TopKCategoricalAccuracy(3).name
    'top_k_categorical_accuracy'
    """
    return Metric(name, _among(whole(k, "TopKCategoricalAccuracy: k", 1)))


def SparseTopKCategoricalAccuracy(
    k: int = 5, name: str = "sparse_top_k_categorical_accuracy"
) -> Metric:
    """Return how often the class, a whole number, is among the k largest outputs.

    >>> SparseTopKCategoricalAccuracy(2).name
    'sparse_top_k_categorical_accuracy'
    """
    return Metric(name, _among(whole(k, "SparseTopKCategoricalAccuracy: k", 1)))


def get(given: Any, loss: Loss, classes: int) -> Metric:
    """Return a metric from its name or itself; "accuracy" is the one that goes with the loss.

    Raises `SettingError`, by name, for what there is not.
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        if given in ("accuracy", "acc"):
            return Metric(given, _binary if _is_binary(loss, classes) else _most)
        for name, of in BY_NAME.items():
            if plain(name) == plain(given):
                return Metric(given, of)
        known = ["accuracy", *BY_NAME]
        raise SettingError(
            f"compile: there is no metric {given!r}{did_you_mean(given, known)}; there are {', '.join(known)}"
        )
    raise SettingError(
        f"compile: a metric must be a name or one of convscope's own, not {type(given).__name__} {given!r:.60}"
    )


def _is_binary(loss: Loss, classes: int) -> bool:
    return loss.kind == "binary_crossentropy" or classes == 1

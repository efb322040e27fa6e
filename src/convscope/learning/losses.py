"""Losses, by Keras's names: each an equation (`equations/losses.py`), its mean over a batch what is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.equations import losses as equations
from convscope.errors import InputError, SettingError
from convscope.learning.named import resolved
from convscope.notation import Axis, Equation
from convscope.notation.rewriting import batched
from convscope.notation.sizes import Shape, shape_text

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class Loss:
    """A loss of an output and its target."""

    kind = ""

    def __init__(self, from_logits: bool = False, **more: Any) -> None:
        self.from_logits = bool(from_logits)
        unchanged = {
            "label_smoothing": 0.0, "axis": -1, "reduction": "sum_over_batch_size", "name": None,
            "ignore_class": None, "dtype": None,
        }  # fmt: skip
        for name, value in more.items():
            if name not in unchanged:
                raise SettingError(f"{type(self).__name__} has no setting {name!r}")
            if name != "name" and value != unchanged[name]:
                raise SettingError(f"{type(self).__name__}: {name}={value!r} is not supported")
        if self.from_logits and self.kind not in equations.LOGITS:
            raise SettingError(f"{type(self).__name__} has no logits")

    def equation(self, row: Axis, shape: Shape) -> Equation:
        """Return the loss of each image of a batch, whose outputs have this shape each."""
        one = equations.loss(self.kind, shape, None, self.from_logits, shown=True)
        return batched(one, row, ("in", equations.TARGET))

    def target(self, y: Any, shape: tuple[int, ...], what: str) -> Array:
        """Return targets as the equation reads them: (images, *shape) of float32.

        Raises `InputError` for targets of another shape, or classes that there are not.
        """
        import numpy as np

        y = np.asarray(y)
        found: Array
        if y.dtype.kind not in "biuf":
            raise InputError(f"{what} must be numbers, not {y.dtype}")
        if self.kind == "sparse_categorical_crossentropy":
            return _shown(y, shape, what)
        if (
            y.shape[1:] != shape
            and y.size == len(y) * int(np.prod(shape))
            and 1 in (*shape, *y.shape[1:])
        ):
            y = y.reshape(len(y), *shape)
        if y.shape[1:] != shape:
            raise InputError(
                f"{what} must have the shape (images, {', '.join(map(str, shape))}) for {self.kind}, "
                f"not {shape_text(y.shape)}"
                + ("; for classes as whole numbers use sparse_categorical_crossentropy"
                   if self.kind == "categorical_crossentropy" and y.ndim == 1 else "")
            )  # fmt: skip
        found = y.astype(np.float32)
        return found


def _shown(y: Array, shape: tuple[int, ...], what: str) -> Array:
    """Return classes as 1 at each class and 0 elsewhere."""
    import numpy as np

    if y.ndim == len(shape) + 1 and y.shape[-1] == 1:
        y = y[..., 0]
    if y.shape[1:] != shape[:-1]:
        raise InputError(
            f"{what} must be classes as whole numbers, of shape (images{''.join(f', {s}' for s in shape[:-1])}), "
            f"not {shape_text(y.shape)}; for one row of {shape[-1]} each use categorical_crossentropy"
        )
    classes = y.astype(np.int64)
    if (classes != y).any() or (classes.size and (classes.min() < 0 or classes.max() >= shape[-1])):
        raise InputError(
            f"{what} must be whole numbers 0 … {shape[-1] - 1}, the classes that the output has, and they "
            f"run from {y.min()} to {y.max()}"
        )
    found: Array = (classes[..., np.newaxis] == np.arange(shape[-1])).astype(np.float32)
    return found


class SparseCategoricalCrossentropy(Loss):
    """−log of the share of the right class; targets are classes as whole numbers.

    >>> SparseCategoricalCrossentropy(from_logits=True).from_logits
    True
    """

    kind = "sparse_categorical_crossentropy"


class CategoricalCrossentropy(Loss):
    """−Σ target · log(share); targets are rows that add up to 1.

    >>> CategoricalCrossentropy().kind
    'categorical_crossentropy'
    """

    kind = "categorical_crossentropy"


class BinaryCrossentropy(Loss):
    """The mean of −target · log(p) − (1 − target) · log(1 − p).

    >>> BinaryCrossentropy().kind
    'binary_crossentropy'
    """

    kind = "binary_crossentropy"


class MeanSquaredError(Loss):
    """The mean of (output − target)².

    >>> MeanSquaredError().kind
    'mse'
    """

    kind = "mse"


class MeanAbsoluteError(Loss):
    """The mean of |output − target|.

    >>> MeanAbsoluteError().kind
    'mae'
    """

    kind = "mae"


KINDS: dict[str, type[Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
}


def get(given: Any) -> Loss:
    """Return a loss from its name, its config or itself; raises `SettingError`, by name."""
    found: Loss = resolved(given, KINDS, Loss, "compile: loss", "loss")
    return found

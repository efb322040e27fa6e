"""The layer that stands for a network's input."""

from __future__ import annotations

from collections.abc import Iterable

from convscope.errors import SettingError
from convscope.layers.base import Sample
from convscope.layers.elementwise import Elementwise
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class InputLayer(Elementwise):
    """The images as they are given: it only says what shape they have.

    >>> InputLayer(shape=(28, 28, 1)).input_shape
    (28, 28, 1)
    >>> InputLayer(batch_shape=(None, 28, 28, 1)).input_shape
    (28, 28, 1)

    `shape` (or its older name `input_shape`) is without the batch, `batch_shape` with it. No weights.
    Raises `SettingError` unless exactly one of them is given.
    """

    inputs_taken = (0, 1)

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: None = None,
        optional: bool = False,
        **common: Any,
    ) -> None:
        given = {"input_shape": shape, "batch_shape": batch_shape}
        given = {name: value for name, value in given.items() if value is not None}
        for name in given:
            if name in common:
                raise SettingError(f"InputLayer: give one of shape and {name}, not both")
        super().__init__(dtype=dtype, **given, **common)
        if self.input_shape is None:
            raise SettingError("InputLayer needs a shape, such as shape=(28, 28, 1)")
        self.shape = self.input_shape
        self.batch_size = batch_size
        self.sparse = bool(sparse)
        self.ragged = bool(ragged)
        self.batch_shape = (batch_size, *self.shape)
        self.input_tensor = input_tensor
        self.optional = optional
        for name in ("sparse", "ragged", "input_tensor"):
            if getattr(self, name):
                raise SettingError(
                    f"InputLayer: {name} = {getattr(self, name)!r} is not supported; images are "
                    f"plain arrays of numbers"
                )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(shape=(3, 5, 4)), ((3, 5, 4),))

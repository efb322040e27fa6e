"""What layers of opened networks have in common: their equations are stated from what a file or a recording says of
them, and their weights are somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from convscope.errors import ShapeError, UnsupportedError
from convscope.layers.base import Initializer, Layer
from convscope.notation import Equation
from convscope.notation.sizes import Shape
from convscope.typed import Array


class Foreign(Layer):
    """One output of an operator, in the layout of whom it came from.

    arrays      weight name → what gives its numbers
    explained   whether it has an equation
    shape       the output's shape where it has none (without the batch)
    WHOSE       whose its weights are, in words
    """

    inputs_taken = (0, None)
    channels_last = False
    WHOSE = ""

    arrays: Mapping[str, Callable[[], Array]]
    explained: bool
    shape: Shape

    @property
    def opaque(self) -> bool:
        return not self.explained

    def stated(self, shapes: tuple[Shape, ...]) -> Any:
        """Return what the operator's rule states of inputs of these shapes: an `equation`, or a `reason`."""
        raise NotImplementedError

    def equation(self, *shapes: Shape) -> Equation:
        stated = self.stated(tuple(shapes))
        if stated.equation is None:
            raise ShapeError(f"{self.name} ({self.kind}) has no equation: {stated.reason}")
        found: Equation = stated.equation
        return found

    def stored(self, weight: str) -> Initializer:
        """Return a weight's numbers as something that is "drawn" once, like any layer's."""
        get = self.arrays[weight]
        return lambda shape, rng: get()

    def set_weights(self, weights: Sequence[Array]) -> NoReturn:
        """Always raises `UnsupportedError`: what was opened is what runs."""
        raise UnsupportedError(
            f"{self.name}: the weights are those of {self.WHOSE}; change them there"
        )

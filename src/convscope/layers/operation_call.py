"""What a statement of an operation is given: its settings, what it is called with, and its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from convscope.equations.merging import aligned, broadcast
from convscope.equations.stating import NoEquation
from convscope.layers.arguments import place_of
from convscope.layers.base import Form, tensor_names
from convscope.notation import Axis, Equation, Expression, Pieces, source
from convscope.notation.expression import as_expression
from convscope.notation.sizes import (
    Shape,
)
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any

    from convscope.layers.operation import Operation

INPUT = "input"
"""What stands for an input among the things that an operation is given."""

MOST_NUMBERS = 64
"""A constant of more numbers has no equation here."""


def is_input(value: object) -> bool:
    return isinstance(value, str) and value == INPUT


class Called:
    """An operation on inputs of these shapes, as its statement and its ONNX form see it."""

    options: Mapping[str, Any]

    def __init__(self, layer: Operation, shapes: Sequence[Shape]) -> None:
        self.layer, self.options, self.shapes = layer, layer.options, tuple(shapes)
        self.name = layer.operation
        names = tensor_names(len(shapes))
        self.tensors = [source(s, n) for s, n in zip(shapes, names, strict=True)]
        self.given = layer.given if layer.given is not None else (INPUT,) * len(shapes)

    @property
    def shape(self) -> Shape:
        return self.shapes[0]

    def axes(self, shape: Sequence[Any]) -> tuple[Axis, ...]:
        """Return axes for a tensor; the third input is called c, so that the channels then need another name."""
        return self.layer.layout.axes(shape, "k" if len(self.shapes) > 1 else "c")

    def place(self, option: str = "axis", more: int = 0) -> int:
        """Return the place of one axis; `more` axes there are in the output."""
        axis = self.options.get(option, -1)
        if type(axis) is not int:
            raise NoEquation(f"{option} = {axis!r:.40} is not one axis")
        return place_of(axis, (*self.shape, *(1,) * more), f"{self.name}: {option}")

    def places(self, option: str = "axis") -> list[int]:
        """Return the places of one axis or of several."""
        axes = self.options.get(option)
        many = axes if isinstance(axes, (list, tuple)) else [axes]
        if any(type(axis) is not int for axis in many):
            raise NoEquation("it goes over the whole batch")
        return sorted(
            {
                place_of(int(axis), self.shape, f"{self.name}: {option}")
                for axis in many
                if axis is not None
            }
        )

    def operands(self, axes: Sequence[Axis]) -> list[Expression]:
        """Return what it is called with at one position of broadcast axes: tensors read, constants as they are."""
        tensors = iter(zip(self.tensors, self.shapes, strict=True))
        found: list[Expression] = []
        for one in self.given:
            if is_input(one):
                tensor, shape = next(tensors)
                found.append(tensor[aligned(shape, axes)])
            else:
                found.append(_constant(one, axes))
        return found

    def broadcast(self) -> tuple[Axis, ...]:
        """Return the axes of all inputs together."""
        constants = [_shape_of(one) for one in self.given if not is_input(one)]
        rank = max(map(len, self.shapes))
        if any(len(shape) > rank for shape in constants):
            raise NoEquation("a constant has more axes than the tensor")
        return self.axes(broadcast([*self.shapes, *constants], self.name))

    def names(self, form: Form, inputs: Sequence[str]) -> list[str]:
        """Return the ONNX tensors that it is called with; those of fewer axes get more, after the batch."""
        tensors = iter(zip(inputs, self.shapes, strict=True))
        rank = max(map(len, self.shapes))
        found = []
        for one in self.given:
            if not is_input(one):
                found.append(form.constant(one))
                continue
            name, shape = next(tensors)
            missing = list(range(1, 1 + rank - len(shape)))
            if missing:
                name = form.node("Unsqueeze", name, form.constant(missing, "int64"))
            found.append(name)
        return found


def _shape_of(value: Any) -> Shape:
    shape: list[int] = []
    while isinstance(value, (list, tuple)):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _constant(value: Any, axes: Sequence[Axis]) -> Expression:
    """Return the number that a constant holds at a position: one for all, or one for each along the last axis."""
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, (bool, int, float)):
        return as_expression(float(value))
    flat = isinstance(value, (list, tuple)) and all(isinstance(v, (int, float)) for v in value)
    if not flat or len(value) > MOST_NUMBERS or not axes or axes[-1].size != len(value):
        raise NoEquation("it holds a constant of many numbers")
    numbers = tuple(as_expression(float(v)) for v in value)
    return Pieces(axes[-1], tuple(range(1, len(value) + 1)), numbers)


class StatedOperation(Record):
    """How an operation is stated, and written as ONNX. `each`: it treats every number by itself."""

    state: Callable[[Called], Equation]
    write: Callable[[Called, Form, list[str]], str]
    each: bool = False

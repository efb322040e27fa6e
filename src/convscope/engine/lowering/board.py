"""Tensors whose dimensions are axes, and the ONNX operators between them.

A tensor remembers which axis each of its dimensions is, in the order in which they lie. Two are combined
number by number whatever their orders; only what has to lie otherwise is transposed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from convscope.engine.onnx_form import OnnxNode
from convscope.notation import Axis
from convscope.typed import Array, Record


class Laid(Record):
    """A tensor of the ONNX graph, and what axis each of its dimensions is."""

    name: str
    axes: tuple[Axis, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How large each dimension is."""
        return tuple(axis.size for axis in self.axes)

    @property
    def many(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.sizes)


class Board:
    """What operators are written on: nodes and constants under names of their own.

    chosen   whether what a gate drops (relu′ = 0) is 0 whatever it was, as frameworks have it. As a product, 0 · x, it
             takes a tenth of the time, and is the same unless x is infinite or no number
    """

    def __init__(self, chosen: bool = True) -> None:
        self.chosen = chosen
        self.operators: list[OnnxNode] = []
        self.constants: dict[str, Array] = {}
        self.prefix = ""
        self.beside: dict[Axis, Axis] = {}
        """Axes that had better lie right behind another: digits of one number."""
        self._written: dict[Any, str] = {}

    # -- names ------------------------------------------------------------------------------------

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add one operator, or find that it is there; return its output's name."""
        said = {k: tuple(v) if isinstance(v, list) else v for k, v in attributes.items()}
        key = (op, inputs, tuple(sorted(said.items())))
        if key not in self._written:
            name = f"{self.prefix}/{op}_{len(self.operators)}"
            self.operators.append(OnnxNode(op, list(inputs), name, attributes, name))
            self._written[key] = name
        return self._written[key]

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Return a constant tensor; equal ones are one."""
        array = np.ascontiguousarray(value, dtype=dtype).reshape(np.shape(value))
        key = ("constant", dtype, array.shape, array.tobytes())
        if key not in self._written:
            self._written[key] = f"constant_{len(self.constants)}"
            self.constants[self._written[key]] = array
        return self._written[key]

    # -- lying ------------------------------------------------------------------------------------

    def shaped(self, name: str, sizes: Sequence[int]) -> str:
        """Return a tensor in another shape, its numbers in the same order."""
        return self.node("Reshape", name, self.constant(list(sizes), "int64"))

    def turned(self, name: str, order: Sequence[int]) -> str:
        """Return a tensor with its dimensions in another order."""
        return name if list(order) == sorted(order) else self.node("Transpose", name, perm=[*order])

    def ordered(self, x: Laid, axes: Sequence[Axis]) -> Laid:
        """Return a tensor whose axes lie in this order; they must be its own."""
        if tuple(axes) == x.axes:
            return x
        order = [x.axes.index(axis) for axis in axes]
        moving = [place for place in order if x.axes[place].size != 1]
        if moving == sorted(moving):  # what is of size 1 moves without being moved
            return Laid(self.shaped(x.name, [axis.size for axis in axes]), tuple(axes))
        return Laid(self.turned(x.name, order), tuple(axes))

    def under(self, x: Laid, axes: Sequence[Axis]) -> str:
        """Return a tensor that broadcasts over these axes: of size 1 where it has none of them."""
        own = tuple(axis for axis in axes if axis in x.axes)
        x = self.ordered(x, own)
        first = next((n for n, axis in enumerate(axes) if axis in own), len(axes))
        wanted = [axis.size if axis in own else 1 for axis in axes[first:]]
        return x.name if wanted == list(x.sizes) else self.shaped(x.name, wanted)

    def whole(self, x: Laid, axes: Sequence[Axis]) -> Laid:
        """Return a tensor that has all these axes, its numbers repeated along those it had not."""
        if set(axes) <= set(x.axes):
            return x
        sizes = self.constant([axis.size for axis in axes], "int64")
        return Laid(self.node("Expand", self.under(x, axes), sizes), tuple(axes))

    # -- arithmetic -------------------------------------------------------------------------------

    def number(self, value: float) -> Laid:
        """Return one number."""
        return Laid(self.constant(value), ())

    def together(self, op: str, *parts: Laid, over: Sequence[Axis] | None = None) -> Laid:
        """Return an operator applied number by number; `over` are the axes in the order to lie in."""
        axes = joined(parts, self.beside)
        if over is not None:
            axes = [axis for axis in over if axis in axes]
        return Laid(self.node(op, *(self.under(part, axes) for part in parts)), tuple(axes))

    def reduced(self, op: str, x: Laid, axes: Iterable[Axis]) -> Laid:
        """Return a sum, maximum or mean over axes of the tensor."""
        gone = [n for n, axis in enumerate(x.axes) if axis in set(axes)]
        if not gone:
            return x
        left = tuple(axis for n, axis in enumerate(x.axes) if n not in gone)
        if all(x.axes[n].size == 1 for n in gone):
            return Laid(self.shaped(x.name, [axis.size for axis in left]), left)
        return Laid(self.node(op, x.name, self.constant(gone, "int64"), keepdims=0), left)


def joined(parts: Iterable[Laid], beside: Mapping[Axis, Axis] | None = None) -> list[Axis]:
    """Return the axes of several tensors: those of the largest as they lie there, then the rest."""
    found: list[Axis] = []
    for part in sorted(parts, key=lambda part: (-part.many, -len(part.axes))):
        for axis in part.axes:
            if axis not in found:
                behind = (beside or {}).get(axis)
                place = found.index(behind) + 1 if behind in found else len(found)
                found.insert(place, axis)
    return found

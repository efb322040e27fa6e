"""What an operator's rule is given and what it states: one ONNX node, and an equation over whole tensors.

A rule writes its equation over ONNX's own axes, the batch included. Whether the batch can be left out of
it, because every output row depends on the input row of the same number and on nothing else of the batch,
is then seen from the equation itself (`batch.settled`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from convscope.equations.layout import Layout
from convscope.equations.merging import aligned
from convscope.equations.stating import NoEquation
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation, Expression, Index, Size, Tensor
from convscope.notation import source as given_source
from convscope.notation import weight as given_weight
from convscope.notation.expression import Number
from convscope.notation.sizes import LARGEST, Shape, is_known, is_one, shape_text
from convscope.operators.elements import FLOAT, FLOATS, Kind
from convscope.typed import Record, cached_property

ANYWHERE = (-(1 << 63), (1 << 63) - 1)
"""Positions may lie as far out as 64 bits can say: exporters write the largest number for "to the end"."""

MOST_AXES = 8
"""Tensors of more axes than this have no equation here."""


class Fed(Record):
    """An input that an earlier node or the image gives.

    batched   whether one of its axes is the batch, and at which `place`: the first, but for PyTorch's attention
    """

    batched: bool
    place: int = 0


class Weight(Record):
    """An input that the file gives: numbers that the equation reads.

    truth   whether they are true or false, 1 or 0 where they are read
    """

    name: str
    shape: tuple[int, ...]
    truth: bool = False


class Given(Record):
    """An input that the file gives and that shapes the equation: axes, pads, a single number."""

    values: tuple[Any, ...]
    shape: tuple[int, ...]


Slot: TypeAlias = Fed | Weight | Given | None
"""One ONNX input; None where it is left out."""


class Rule(Record):
    """How an operator becomes an equation.

    state     the equation of a node, over whole tensors
    weights   what inputs are called when the file gives them, by their places; "*" for all others
    given     places of inputs whose numbers shape the equation, and must be in the file
    takes     the kinds of numbers with which the equation is what the operator computes
    gives     ONNX's number for the type of the output, or how it follows; by default that of the first input
    """

    state: Callable[[Node], Equation]
    weights: Mapping[int | str, str] = {}
    given: frozenset[int] = frozenset()
    takes: frozenset[Kind] = FLOATS
    gives: int | Callable[[Node], int] | None = None

    def weight_name(self, place: int) -> str | None:
        """Return what an input that the file gives is called as a weight; None where it is none."""
        return self.weights.get(place, self.weights.get("*"))


class Node:
    """One ONNX node as its rule sees it: settings that are checked as they are asked for, and tensors.

    shapes     of every input, the batch included (as one image); None where it is left out
    elements   ONNX's number for the type of each; None where it is left out or given
    """

    def __init__(
        self,
        op: str,
        opset: int,
        attributes: Mapping[str, Any],
        slots: Sequence[Slot],
        shapes: Sequence[Shape | None],
        names: Sequence[str | None],
        output: int,
        outputs: int,
        elements: Sequence[int | None] = (),
    ) -> None:
        self.op, self.opset, self.elements = op, opset, elements
        self.output, self.outputs = output, outputs
        self.attributes, self.slots = attributes, slots
        self._shapes, self._names = shapes, names

    @property
    def element(self) -> int:
        """ONNX's number for the type of the first input that has one."""
        return next((one for one in self.elements if one is not None), FLOAT)

    # -- inputs -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.slots)

    def has(self, place: int) -> bool:
        """Whether an input is there."""
        return place < len(self.slots) and self.slots[place] is not None

    def slot(self, place: int) -> Slot:
        """Return how an input is given; raise where it is left out."""
        if not self.has(place):
            raise SettingError(f"its input {place + 1} is missing")
        return self.slots[place]

    def shape(self, place: int = 0) -> Shape:
        """Return an input's shape, the batch included."""
        self.slot(place)
        found = self._shapes[place]
        assert found is not None, "what is there has a shape"
        return found

    def batched(self, place: int) -> bool:
        """Whether an input's first axis is the batch."""
        slot = self.slot(place)
        return isinstance(slot, Fed) and slot.batched

    def tensor(self, place: int = 0) -> Tensor:
        """Return an input as something that can be read."""
        slot, name = self.slot(place), self._names[place]
        if name is None:
            raise NoEquation(f"its input {place + 1} cannot be read")
        if isinstance(slot, Weight):
            return given_weight(name)
        return given_source(self.shape(place), name)

    def read(self, place: int, *at: Index | Size) -> Expression:
        """Return the read of an input; a single number that the file gives stands as it is."""
        slot = self.slot(place)
        if isinstance(slot, Given):
            if len(slot.values) != 1:
                raise NoEquation(f"its input {place + 1} is no single number")
            return Number(float(slot.values[0]))
        shape = self.shape(place)
        if len(at) != len(shape):
            raise ShapeError(
                f"{self.op}: its input {place + 1} has shape {shape_text(shape)}, but {len(at)} "
                f"{'axes are' if len(at) != 1 else 'axis is'} needed"
            )
        return self.tensor(place)[at]

    def values(self, place: int) -> tuple[Any, ...]:
        """Return the numbers of an input that the file gives."""
        slot = self.slot(place)
        if not isinstance(slot, Given):
            raise NoEquation(f"its input {place + 1} is known only when it runs")
        return slot.values

    def whole_values(self, place: int) -> tuple[int, ...]:
        """Return the whole numbers of an input that the file gives, however large."""
        return tuple(_whole(v, f"input {place + 1}", *ANYWHERE) for v in self.values(place))

    @cached_property
    def layout(self) -> Layout:
        """ONNX's order of axes, for the builders of equations."""
        lead = Axis("n", (*self.shape(), 1)[0], "image")
        return Layout(channels_last=False, taps_first=False, lead=(lead,))

    def addend(self, place: int) -> Tensor | float | None:
        """Return what is added for each filter; exporters write zeros where there is nothing."""
        if not self.has(place):
            return None
        read = self.read(place, Axis("o"))
        return read.value if isinstance(read, Number) else self.tensor(place)

    def rank(self, least: int, most: int) -> int:
        """Return how many axes the first input has; raise unless that many can be."""
        rank = len(self.shape())
        if rank < least:
            raise ShapeError(
                f"{self.op} takes inputs of at least {least} axes, not {shape_text(self.shape())}"
            )
        if rank > most:
            raise NoEquation(f"it has {rank} axes")
        return rank

    # -- settings ---------------------------------------------------------------------------------

    def text(self, name: str, default: str, allowed: Sequence[str] = ()) -> str:
        """Return a setting that is a word."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str) or (allowed and value not in allowed):
            options = f", one of {', '.join(allowed)}" if allowed else ""
            raise SettingError(f"{name} must be a word{options}, not {value!r}")
        return value

    def whole(self, name: str, default: int, least: int = 0, most: int = LARGEST) -> int:
        """Return a setting that is a whole number within bounds."""
        return _whole(self.attributes.get(name, default), name, least, most)

    def flag(self, name: str, default: int = 0) -> bool:
        """Return a setting that is 0 or 1."""
        return bool(self.whole(name, default, 0, 1))

    def number(self, name: str, default: float) -> float:
        """Return a setting that is a finite number."""
        value = self.attributes.get(name, default)
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and abs(value) < float("inf")
        ):
            return float(value)
        raise SettingError(f"{name} must be a finite number, not {value!r}")

    def wholes(
        self,
        name: str,
        count: int | None,
        default: Sequence[int] | None,
        least: int = 0,
        most: int = LARGEST,
    ) -> tuple[int, ...] | None:
        """Return a setting that is whole numbers, `count` of them; the default where it is not set."""
        value = self.attributes.get(name)
        if value is None:
            return None if default is None else tuple(default)
        if not isinstance(value, tuple) or (count is not None and len(value) != count):
            wanted = "" if count is None else f" {count}"
            raise SettingError(f"{name} must be{wanted} whole numbers, not {value!r}")
        for one in value:
            if type(one) is not int or not least <= one <= most:
                _whole(one, f"{name} = {list(value)}: every number", least, most)
        return value

    def axis(self, value: int, rank: int, what: str = "axis", end: bool = False) -> int:
        """Return which axis a number means, counted from the front."""
        last = rank if end else rank - 1
        if not -rank <= value <= last:
            raise SettingError(
                f"{what} = {value} does not exist: the tensor has {rank} axes, 0 … {rank - 1}"
            )
        return value + rank if value < 0 else value

    def axes(self, place: int, default: Sequence[int] | None = None) -> tuple[int, ...] | None:
        """Return the setting `axes`, from the attribute or (in newer opsets) the input; may be negative."""
        if "axes" in self.attributes:
            return self.wholes("axes", None, None, -LARGEST)
        if self.has(place):
            return self.whole_values(place)
        return None if default is None else tuple(default)

    def places(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Return axes counted from the front, in order; each may be named once."""
        found = tuple(sorted(self.axis(a, rank, "axes") for a in axes))
        if len(set(found)) != len(found):
            raise SettingError(f"axes = {list(axes)} names an axis twice")
        return found


def _whole(value: object, what: str, least: int = 0, most: int = LARGEST) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingError(f"{what} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise SettingError(f"{what} must lie in {least} … {most}, not {value}")
    return value


def size_is(size: Size, number: int) -> bool:
    """Whether a size is known to be this number."""
    return is_known(size) and size == number


def spread(node: Node, place: int, axes: Sequence[Axis]) -> Expression:
    """Return the read of an input at the position of broadcast axes."""
    if isinstance(node.slot(place), Given):
        return node.read(place)
    return node.read(place, *read_at(node, place, node.shape(place), axes))


def read_at(node: Node, place: int, shape: Shape, axes: Sequence[Axis]) -> tuple[Index | Size, ...]:
    """Return the last axes as indices of an input.

    The batch is one image here, but an input that has it is read along it, and one that has not is not.
    """
    at = aligned(shape, axes)
    if not at or not is_one(shape[0]):
        return at
    return (axes[len(axes) - len(shape)] if node.batched(place) else 0, *at[1:])

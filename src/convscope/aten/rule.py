"""What a rule of a PyTorch operator is given and what it states.

A rule is given a `Call`: plain settings by the names of the operator's schema, and tensors by the same names.
It returns an equation over whole tensors, the batch included (what can be left out of it is seen from the
equation, see `convscope.operators.batch.settled`), or raises `NoEquation` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convscope.equations.layout import Layout
from convscope.equations.layout import axes_of as named_axes
from convscope.equations.merging import aligned, broadcast
from convscope.equations.stating import NoEquation
from convscope.errors import SettingError
from convscope.notation import Axis, Equation, Expression, Index, Size, Tensor
from convscope.notation import source as given_source
from convscope.notation import weight as given_weight
from convscope.notation.expression import Number, Place
from convscope.notation.index import in_one, written_out
from convscope.notation.sizes import Shape, is_one
from convscope.operators import rule_of as onnx_rule
from convscope.operators.elements import FLOATS, TORCH, Kind
from convscope.operators.rule import (
    MOST_AXES,
    Fed,
    Given,
    Node,
    Slot,
    Weight,
)
from convscope.typed import Protocol, Record

__all__ = [
    "OPSET", "Call", "Fed", "Given", "NoEquation", "Rule", "Slot", "Spelled", "Weight", "Write", "axes_of",
    "spelled",
]  # fmt: skip

OPSET = 21
"""The version of ONNX in which operators are spelled."""


def axes_of(shape: Sequence[Size]) -> tuple[Axis, ...]:
    """Return axes for a tensor, called as in a map: image, channel, rows, columns.

    >>> [axis.name for axis in axes_of((1, 3, 8, 9))], [axis.name for axis in axes_of((7,))]
    (['n', 'c', 'y', 'x'], ['c'])
    """
    if len(shape) > MOST_AXES:
        raise NoEquation(f"it has {len(shape)} axes")
    return named_axes(shape, 0, lead=int(len(shape) > 1))


class Spelled(Record):
    """One ONNX operator that says what a call says.

    inputs   names of the call's tensors; or whole numbers that ONNX takes as an input; None: left out
    """

    op: str
    inputs: tuple[str | Given | None, ...]
    settings: Mapping[str, Any] = {}


class Write(Protocol):
    """What a call that is written as ONNX is offered."""

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add one operator; return its output's name. An input named "" is left out."""

    def input(self, name: str) -> str:
        """Return the ONNX tensor of one of the call's tensors; "" where it is left out."""

    def whole(self, *numbers: int) -> str:
        """Return a constant row of whole numbers."""

    def number(self, value: float) -> str:
        """Return a constant number."""

    def filled(self, value: float, sizes: Sequence[int]) -> str:
        """Return a constant of one number everywhere."""

    def scales(self, *numbers: float) -> str:
        """Return a constant row of float32, which scales are whatever the numbers are."""

    def outputs(self, op: str, count: int, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Add one operator of so many outputs; return their names."""

    def counted(self, name: str) -> str:
        """Return whole numbers, or what is true or false, as the floats that all other numbers are."""


class Rule(Record):
    """How an operator becomes an equation, and ONNX operators.

    onnx    writes the call and returns the name of its output; None where ONNX has no such operator
    takes   the kinds of numbers with which the equation is what the operator computes
    """

    state: Callable[[Call], Equation]
    onnx: Callable[[Call, Write], str] | None = None
    takes: frozenset[Kind] = FLOATS


class Call:
    """One call of an operator as its rule sees it.

    settings   everything that is no tensor, by the names of the schema
    slots      the tensors by name; those of a list as tensors.0, tensors.1 …
    wanted     the shape of the output that PyTorch gave; None where nothing was run
    dtype      of the output, and `reads` those of what is fed
    """

    def __init__(
        self,
        op: str,
        settings: Mapping[str, Any],
        slots: Mapping[str, Slot],
        shapes: Mapping[str, Shape],
        names: Mapping[str, str],
        output: int = 0,
        wanted: Shape | None = None,
        dtype: str = "float32",
        reads: Sequence[str] = (),
    ) -> None:
        self.op, self.settings, self.slots = op, settings, slots
        self.dtype, self.reads = dtype, reads
        self._shapes, self._names = shapes, names
        self.output, self.wanted = output, wanted

    def in_a_batch(self) -> Call:
        """Return the same call of a batch of one: its first tensor, and what it gives, with an axis in front."""
        first = self.first()
        shapes = {**self._shapes, first: (1, *self.shape(first))}
        wanted = None if self.wanted is None else (1, *self.wanted)
        return Call(
            self.op, self.settings, self.slots, shapes, self._names, self.output, wanted, self.dtype, self.reads,
        )  # fmt: skip

    # -- tensors ----------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether a tensor is there."""
        return name in self.slots

    def is_truth(self, name: str) -> bool:
        """Whether a tensor holds what is true or false: a mask, beside the first tensor, whose type the output has."""
        slot = self.slots[name]
        if isinstance(slot, Weight):
            return slot.truth
        if isinstance(slot, Given):
            return bool in map(type, slot.values)
        whole = any(TORCH.get(one) == "whole" for one in self.reads)
        return (
            isinstance(slot, Fed) and "bool" in self.reads and (self.dtype != "bool" or not whole)
        )

    def many(self, name: str) -> list[str]:
        """Return the names of the tensors of a list."""
        return [key for key in self.slots if key.startswith(f"{name}.")]

    def first(self) -> str:
        """Return the name of the first tensor."""
        for key in self.slots:
            return key
        raise NoEquation("it reads no tensor")

    def shape(self, name: str | None = None) -> Shape:
        """Return a tensor's shape, the batch included; that of the first by default."""
        name = self.first() if name is None else name
        if name not in self._shapes:
            raise NoEquation(f"its {name} is no tensor")
        return self._shapes[name]

    def tensor(self, name: str | None = None) -> Tensor:
        """Return a tensor as something that can be read."""
        name = self.first() if name is None else name
        if name not in self._names:
            raise NoEquation(f"its {name} cannot be read")
        if isinstance(self.slots[name], Weight):
            return given_weight(self._names[name])
        return given_source(self.shape(name), self._names[name])

    def read(self, name: str | None, *at: Index | Size) -> Expression:
        """Return the read of a tensor; constant numbers that shape an equation stand as they are."""
        name = self.first() if name is None else name
        slot = self.slots.get(name)
        if isinstance(slot, Given) and len(slot.values) == 1:
            return Number(float(slot.values[0]))
        if len(at) != len(self.shape(name)):
            raise NoEquation(f"its {name} has {len(self.shape(name))} axes")
        if isinstance(slot, Given):
            return Place(written_out(in_one(at, slot.shape), [int(v) for v in slot.values]))
        return self.tensor(name)[at]

    def spread(self, name: str, axes: Sequence[Axis]) -> Expression:
        """Return the read of a tensor, or a number among the settings, broadcast to axes."""
        if name not in self.slots:
            return Number(self.number(name))
        if not self.shape(name):
            return self.read(name)
        at = aligned(self.shape(name), axes)
        if isinstance(self.slots[name], Weight):  # one that serves a batch of one serves any
            at = tuple(0 if is_one(s) else a for s, a in zip(self.shape(name), at, strict=True))
        return self.read(name, *at)

    def reader(self, name: str | None = None) -> Callable[..., Expression]:
        """Return what reads a tensor, at one index after another."""
        return lambda *at: self.read(name, *at)

    @property
    def layout(self) -> Layout:
        """PyTorch's order of axes, for the builders of equations."""
        lead = Axis("n", (*self.shape(), 1)[0], "image")
        return Layout(channels_last=False, taps_first=False, lead=(lead,))

    def addend(self, name: str) -> Tensor | float | None:
        """Return what is added for each unit, if anything is."""
        if not self.has(name):
            return None
        read = self.read(name, Axis("o"))
        return read.value if isinstance(read, Number) else self.tensor(name)

    def together(self, *names: str) -> tuple[Axis, ...]:
        """Return the axes of tensors that are broadcast together."""
        shapes = [self.shape(n) for n in names if n in self.slots and n in self._shapes]
        return axes_of(broadcast(shapes or [()], self.op))

    def values(self, name: str) -> tuple[Any, ...]:
        """Return the numbers of a small constant."""
        slot = self.slots.get(name)
        if not isinstance(slot, Given):
            raise NoEquation(f"its {name} is known only when it runs")
        return slot.values

    # -- settings ---------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        """Return a setting; None where it is not set."""
        return self.settings.get(name)

    def number(self, name: str) -> float:
        """Return a setting that is a number; what is true counts 1."""
        value = self.settings.get(name)
        if not isinstance(value, (int, float)):
            raise NoEquation(f"its {name} is no number that is known")
        return float(value)

    def whole(self, name: str) -> int:
        """Return a setting that is a whole number."""
        value = self.settings.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise SettingError(f"{name} must be a whole number, not {value!r}")
        return value

    def wholes(self, name: str, count: int, default: Sequence[int] = ()) -> tuple[int, ...]:
        """Return a setting of so many whole numbers; one stands for all."""
        value = self.settings.get(name)
        if value is None or value == ():
            value = tuple(default)
        if isinstance(value, int):
            value = (value,)
        if len(value) == 1:
            value = tuple(value) * count
        if len(value) != count or not {*map(type, value)} <= {int}:
            raise SettingError(f"{name} must be {count} whole numbers, not {value!r}")
        return tuple(value)

    def axis(self, name: str, rank: int | None = None, default: int | None = None) -> int:
        """Return the axis that a setting names, counted from the front."""
        value = self.settings.get(name)
        return self.place(default if value is None else value, rank)

    def place(self, value: Any, rank: int | None = None) -> int:
        """Return an axis counted from the front."""
        rank = len(self.shape()) if rank is None else rank
        if isinstance(value, bool) or not isinstance(value, int) or not -rank <= value < rank:
            raise SettingError(f"there is no axis {value!r}: the tensor has {rank} axes")
        return value % rank

    def axes(self, name: str) -> tuple[int, ...]:
        """Return the axes that a setting names, counted from the front; all where it is not set."""
        value = self.settings.get(name)
        rank = len(self.shape())
        if value is None or value == ():
            return tuple(range(rank))
        if isinstance(value, int):
            value = (value,)
        return tuple(sorted({self.place(v) for v in value}))

    # -- ONNX -------------------------------------------------------------------------------------

    def as_onnx(self, said: Spelled) -> Equation:
        """Return the equation of the ONNX operator that says the same."""
        slots: list[Slot] = []
        shapes: list[Shape | None] = []
        names: list[str | None] = []
        for given in said.inputs:
            if isinstance(given, Given):
                slots.append(given)
                shapes.append(given.shape)
                names.append(None)
            elif given is None or given not in self.slots:
                slots.append(None)
                shapes.append(None)
                names.append(None)
            else:
                slots.append(self.slots[given])
                shapes.append(self._shapes.get(given, getattr(self.slots[given], "shape", ())))
                names.append(self._names.get(given))
        while slots and slots[-1] is None:
            slots.pop()
        rule = onnx_rule(said.op)
        assert rule is not None, said.op
        node = Node(said.op, OPSET, said.settings, slots, shapes, names, self.output, 1)
        return rule.state(node)


def spelled(spell: Callable[[Call], Spelled]) -> Rule:
    """Return the rule of an operator that one ONNX operator says."""

    def write(call: Call, form: Write) -> str:
        said = spell(call)
        inputs = [
            form.whole(*map(int, one.values)) if isinstance(one, Given) else form.input(one or "")
            for one in said.inputs
        ]
        while inputs and not inputs[-1]:
            inputs.pop()
        settings = {n: list(v) if isinstance(v, tuple) else v for n, v in said.settings.items()}
        return form.node(said.op, *inputs, **settings)

    return Rule(lambda call: call.as_onnx(spell(call)), write)

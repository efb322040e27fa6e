"""A call of a PyTorch operator as a layer: the equation that its rule states, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from convscope.aten import rule_of
from convscope.aten.rule import Call, Fed, NoEquation, Rule, Slot, Weight
from convscope.errors import SettingError, ShapeError
from convscope.layers.base import Initializer, tensor_names
from convscope.notation import Equation, Size
from convscope.notation.sizes import Shape, product, shape_text
from convscope.operators.batch import check_reads, settled, without_row
from convscope.operators.elements import TORCH
from convscope.operators.foreign import Foreign
from convscope.typed import Array, Record

FLOATS = ("float32", "float64", "float16", "bfloat16")

CASTS = ("to", "_to_copy", "type_as", "copy")
"""Calls that make numbers of another type."""


class _Use(Record):
    op: str
    settings: tuple[tuple[str, Any], ...]
    slots: tuple[tuple[str, Slot], ...]
    rows: int
    dtype: str
    output: int
    wanted: Shape | None
    reads: tuple[str, ...] = ()
    row: int | None = None


class Use(_Use):
    """One output of a call: everything that its equation depends on, but for the shapes fed to it.

    op         the operator without its overload, in place or not
    settings   what is no tensor, by the names of the schema
    slots      the tensors, by the names of the schema
    rows       how many rows the batch has
    dtype      of its output
    output     which of the outputs it is
    wanted     the output's shape that PyTorch gave, with the batch; None after an edit
    reads      the types of the tensors that are fed, each once; by default its own
    row        which axis of the output is the batch, −1 for none, where that was seen from other numbers of rows;
               None: it is the first if the equation says so

    Networks repeat themselves, and ask for the equation, the facts and the layer by it: its hash is known.
    """

    def __hash__(self) -> int:
        found: int | None = self.__dict__.get("hash")
        if found is None:
            found = self.__dict__["hash"] = tuple.__hash__(self)
        return found


@lru_cache(maxsize=4096)
def use_of(*fields: Any) -> Use:
    """Return a use, the same one for the same fields."""
    return Use(*fields)


class Stated(Record):
    """What a rule made of a call: an equation, or the reason why there is none.

    batched   whether the output is one row of a batch
    """

    equation: Equation | None
    batched: bool = False
    reason: str = ""


def call_of(use: Use, shapes: Sequence[Shape]) -> Call:
    """Return a call as its rule sees it, for inputs of these shapes (without the batch)."""
    fed = iter(zip(tensor_names(len(shapes)), shapes, strict=True))
    whole: dict[str, Shape] = {}
    names: dict[str, str] = {}
    for key, slot in use.slots:
        if isinstance(slot, Fed):
            names[key], shape = next(fed)
            whole[key] = with_rows(shape, slot, use.rows)
        elif slot is not None:
            whole[key] = slot.shape
            if isinstance(slot, Weight):
                names[key] = slot.name
    slots = {key: slot for key, slot in use.slots if slot is not None}
    return Call(
        use.op,
        dict(use.settings),
        slots,
        whole,
        names,
        use.output,
        use.wanted,
        use.dtype,
        use.reads,
    )


def computes(rule: Rule, use: Use) -> bool:
    """Whether a rule's equation is of the numbers that a call reads."""
    kinds = {TORCH.get(dtype, "") for dtype in use.reads or (use.dtype,)}
    return kinds <= rule.takes and TORCH.get(use.dtype, "") != ""


def with_rows(shape: Shape, slot: Fed, rows: int) -> Shape:
    """Return the shape of what is fed with the batch in its place, if it has one."""
    return (*shape[: slot.place], rows, *shape[slot.place :]) if slot.batched else shape


@lru_cache(maxsize=4096)
def state(use: Use, shapes: tuple[Shape, ...]) -> Stated:
    """Return what an operator's rule states for inputs of these shapes (without the batch).

    A shape that is not PyTorch's own makes it opaque. Raises `SettingError` or `ShapeError` only where
    PyTorch was not asked: after an edit.
    """
    rule = rule_of(use.op)
    if rule is None:
        return Stated(None, reason=f"nothing here says what {use.op} computes")
    if not computes(rule, use):
        kinds = " and ".join(use.reads or (use.dtype,))
        return Stated(None, reason=f"its numbers are {kinds}")
    call = call_of(use, shapes)
    batched = {
        call.tensor(key).name: slot.place
        for key, slot in use.slots
        if isinstance(slot, Fed) and slot.batched
    }
    try:
        equation = rule.state(call)
        if use.wanted is not None and equation.shape != use.wanted:
            raise NoEquation(
                f"PyTorch's output is {shape_text(use.wanted)}, ours would be {shape_text(equation.shape)}"
            )
        if use.row is None:
            equation, keeps = settled(equation, frozenset(batched))
        else:
            keeps = use.row >= 0
            equation = without_row(equation, batched, use.row if keeps else None)
        check_reads(equation)
        if 0 in equation.shape:
            raise NoEquation("its output is empty")
        held = {slot.name: slot.shape for _, slot in use.slots if isinstance(slot, Weight)}
        if any(not _covers(use, held.get(n), shape) for n, shape in equation.weights.items()):
            raise NoEquation("it does not read all of a weight")
    except NoEquation as error:
        return Stated(None, reason=str(error))
    except (SettingError, ShapeError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        if use.wanted is None:
            raise
        return Stated(None, reason=str(error))
    return Stated(equation, keeps)


def _finer(read: str, use: Use) -> bool:
    """Whether a type that a call reads holds numbers that its output's does not."""
    if read in FLOATS:
        from convscope.notation.rounding import ROUNDING

        return ROUNDING[read] < ROUNDING[use.dtype]
    return use.op in CASTS and read not in ("bool", "int8", "uint8")


def _covers(use: Use, held: Shape | None, read: Shape) -> bool:
    """Whether an equation reads a weight as it is; of what is written over it reads the rest alone."""
    if use.op == "put" and held is not None and len(held) == len(read):
        return all(r <= h for r, h in zip(read, held, strict=True))
    return held == read


class Operator(Foreign):
    """One output of a PyTorch operator, in PyTorch's own layout.

    use         the call
    called      what it is called: the module's class where it is all that the module does, else the operator
    parameters  which of the weights are parameters, and whether training changes them; the others are
                buffers and constants, which are no parameters
    folded      parameters that a weight was computed from, and their shapes: counted, and not read
    """

    WHOSE = "the PyTorch module"

    def __init__(
        self,
        name: str,
        use: Use,
        called: str,
        arrays: Mapping[str, Callable[[], Array]],
        held: tuple[tuple[str, bool], ...],
        explained: bool,
        shape: Shape = (),
        folded: tuple[tuple[str, Shape], ...] = (),
    ) -> None:
        self.use, self.called = use, called
        super().__init__()
        self.name, self.dtype = name, use.dtype if use.dtype in FLOATS else "float32"
        alike = use.reads == (use.dtype,)
        self.narrows = (
            not alike and use.dtype in FLOATS and any(_finer(one, use) for one in use.reads)
        )
        self.arrays, self.held = arrays, held
        self.explained, self.shape, self.folded = explained, shape, folded
        self.reason = ""

    @property
    def non_trainable(self) -> tuple[str, ...]:  # type: ignore[override]
        trained = {name for name, trainable in self.held if trainable}
        return tuple([name for name in self._named() if name not in trained])

    def unread_shapes(self, read: Mapping[str, Shape]) -> Mapping[str, Shape]:
        """Return parameters that a weight was computed from, and weights that only training changes."""
        held = (slot for _, slot in self.use.slots if isinstance(slot, Weight))
        return {slot.name: slot.shape for slot in held if slot.name not in read} | dict(self.folded)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Weights that are no parameters: buffers, and constants that were computed."""
        known = {name for name, _ in self.held}
        return tuple([name for name in self._named() if name not in known])

    @property
    def kind(self) -> str:
        return self.called

    def settings(self) -> dict[str, Any]:
        return {
            "folded": self.folded,
            "use": self.use,
            "held": self.held,
            "explained": self.explained,
            "shape": self.shape,
        }

    def stated(self, shapes: tuple[Shape, ...]) -> Stated:
        return state(self.use, shapes)

    def opaque_facts(self, shapes: Sequence[Shape]) -> tuple[Shape, dict[str, Shape], Size]:
        held = {slot.name: slot.shape for _, slot in self.use.slots if isinstance(slot, Weight)}
        held |= self.folded
        trained = {name for name, trainable in self.held if trainable}
        return self.shape, held, sum((product(s) for n, s in held.items() if n in trained), 0)

    @property
    def weights(self) -> dict[str, Array]:
        """The weights by name, as they are in the module now: training changes them under our eyes."""
        return {name: get() for name, get in self.arrays.items()}

    def _named(self) -> list[str]:
        named = [slot.name for _, slot in self.use.slots if isinstance(slot, Weight)]
        return named + [name for name, _ in self.folded]

    def initializers(self) -> dict[str, Initializer]:
        return {name: self.stored(name) for name in self._named()}

    def __repr__(self) -> str:
        given = ", ".join(f"{n}={v!r}" for n, v in self.use.settings if v is not None)
        return f"{self.kind}({given})"

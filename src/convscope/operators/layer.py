"""An ONNX node as a layer: the equation that its operator's rule states, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from convscope.equations.stating import NoEquation
from convscope.errors import SettingError, ShapeError
from convscope.layers.base import Initializer, tensor_names
from convscope.notation import Equation, Size
from convscope.notation.sizes import UNKNOWN, Shape
from convscope.operators import rule_of
from convscope.operators.batch import check_reads, settled, unknown_in
from convscope.operators.elements import BOOL, FLOAT, ONNX
from convscope.operators.foreign import Foreign
from convscope.operators.rule import (
    MOST_AXES,
    Fed,
    Given,
    Node,
    Slot,
    Weight,
)
from convscope.typed import Array, Record

NOT_TRAINED = {"BatchNormalization": ("mean", "variance")}
"""Weights that training does not touch by gradient."""


class Use(Record):
    """One output of an ONNX node: everything that its equation depends on, but for the shapes.

    domain       "" for ONNX's own operators
    attributes   the node's settings, in the order of their names
    output       which of the node's outputs it is, and how many those are
    elements     ONNX's number for the type of each input (1 is float32); None of what is left out or given
    """

    op: str
    domain: str
    opset: int
    attributes: tuple[tuple[str, Any], ...]
    slots: tuple[Slot, ...]
    output: int
    outputs: int
    elements: tuple[int | None, ...]


class Stated(Record):
    """What a rule made of a node: an equation, or the reason why there is none.

    batched   whether the output is one row of a batch
    shape     the output's, without the batch where it is batched; None when there is no equation
    element   ONNX's number for the type of the output
    """

    equation: Equation | None
    batched: bool = False
    reason: str = ""
    element: int = 0

    @property
    def shape(self) -> Shape | None:
        return None if self.equation is None else self.equation.shape


@lru_cache(maxsize=4096)
def state(use: Use, shapes: tuple[Shape, ...]) -> Stated:
    """Return what an operator's rule states for inputs of these shapes (without the batch).

    Raises `SettingError` or `ShapeError` for a node that cannot be.
    """
    rule = rule_of(use.op) if use.domain == "" else None
    if rule is None:
        return Stated(None, reason=f"nothing here says what {use.op} computes")
    if not {ONNX.get(one, "") for one in use.elements if one is not None} <= rule.takes:
        return Stated(None, reason="it computes with other numbers than float32")
    fed = iter(zip(tensor_names(len(shapes)), shapes, strict=True))
    whole: list[Shape | None] = []
    names: list[str | None] = []
    for slot in use.slots:
        if isinstance(slot, Fed):
            name, shape = next(fed)
            names.append(name)
            whole.append((1, *shape) if slot.batched else shape)
        else:
            names.append(slot.name if isinstance(slot, Weight) else None)
            whole.append(None if slot is None else slot.shape)
    node = Node(
        use.op, use.opset, dict(use.attributes), use.slots, whole, names, use.output, use.outputs, use.elements,
    )  # fmt: skip
    batched = frozenset(
        name or "" for slot, name in zip(use.slots, names, strict=True)
        if isinstance(slot, Fed) and slot.batched
    )  # fmt: skip
    try:
        equation, keeps = settled(rule.state(node), batched)
        rank = max(len(shape) for shape in (*shapes, equation.shape))
        if rank > MOST_AXES:
            raise NoEquation(f"it has {rank} axes")
        check_reads(equation)
        if 0 in equation.shape:
            raise NoEquation("its output is empty")
        held = {slot.name: slot.shape for slot in use.slots if isinstance(slot, Weight)}
        if any(held.get(name) != shape for name, shape in equation.weights.items()):
            raise NoEquation("it does not read all of a weight")
        gives = node.element if rule.gives is None else rule.gives
        element = gives if isinstance(gives, int) else gives(node)
    except NoEquation as error:
        return Stated(None, reason=str(error))
    except (SettingError, ShapeError, TypeError):
        if any(map(unknown_in, shapes)):
            return Stated(None, reason="it depends on a size that is not known yet")
        raise
    return Stated(equation, keeps, element=element)


HALVES = (10, 16)
"""ONNX's numbers for float16 and bfloat16."""

DOUBLE = 11
"""ONNX's number for float64."""

PLACED = frozenset(("AffineGrid", "GridSample", "Resize", "Upsample"))
"""Operators whose places are computed in float32, whatever their numbers are."""


def computed_in(use: Use, element: int) -> str:
    """Return in which type a node computes, whose output is of this one."""
    return "float64" if element == DOUBLE and use.op not in PLACED else "float32"


def narrows(use: Use, element: int) -> bool:
    """Whether a node makes floats of whole numbers, or of longer floats."""
    given = use.elements[0] if use.op in ("Cast", "CastLike") else None
    return given is not None and element in (FLOAT, DOUBLE) and given not in (FLOAT, element, BOOL)


AS_PRODUCTS: Mapping[str, tuple[str, tuple[int, int]]] = {
    "QLinearConv": ("Conv", (0, 3)), "ConvInteger": ("Conv", (0, 1)), "QLinearMatMul": ("MatMul", (0, 3)),
    "MatMulInteger": ("MatMul", (0, 1)), "DynamicQuantizeMatMul": ("MatMul", (0, 1)),
    "MatMulNBits": ("MatMul", (0, 1)),
}  # fmt: skip
"""Operators on whole numbers that are scaled: what they are but for that, and which of their inputs are multiplied."""


def _in_float32(use: Use, shapes: Sequence[Shape]) -> tuple[Use, tuple[Shape, ...]] | None:
    """Return an operator on halves, or on whole numbers that are scaled, as the same on float32; None for others."""
    if use.op in AS_PRODUCTS:
        op, places = AS_PRODUCTS[use.op]
        if max(places) >= len(use.slots):
            return None
        fed = iter(shapes)
        own = [next(fed) if isinstance(slot, Fed) else None for slot in use.slots]
        slots = tuple(use.slots[place] for place in places)
        read = tuple(shape for place in places if (shape := own[place]) is not None)
        elements = tuple(FLOAT if isinstance(slot, (Fed, Weight)) else None for slot in slots)
        settings = use.attributes if op == "Conv" else ()
        return Use(op, "", use.opset, settings, slots, 0, 1, elements), read
    if not any(one in HALVES for one in use.elements):
        return None
    elements = tuple(FLOAT if one in HALVES else one for one in use.elements)
    return use._replace(elements=elements), tuple(shapes)


class Operator(Foreign):
    """One output of an ONNX node, in ONNX's own layout.

    use       the node
    written   its weights are constants that the file states, and no parameters
    kept      weights that belong to it and that it does not read: name → shape
    constants the weights that are no parameters, though others of it are
    fixed     the weights that no gradient moves; None where the file does not say what is trained
    """

    WHOSE = "an ONNX model's file"

    def __init__(
        self,
        name: str,
        use: Use,
        arrays: Mapping[str, Callable[[], Array]],
        explained: bool,
        shape: Shape = (),
        written: bool = False,
        kept: Mapping[str, Shape] | None = None,
        fixed: tuple[str, ...] | None = None,
        constants: tuple[str, ...] = (),
    ) -> None:
        self.constants = constants
        self.use, self.written, self.kept, self.fixed = use, written, dict(kept or {}), fixed
        super().__init__()
        # an ONNX file does not say what is trained, unless we wrote it
        self.name, self.trainable = name, None if fixed is None else True
        self.arrays = arrays
        self.explained = explained
        self.shape = shape

    @property
    def non_trainable(self) -> tuple[str, ...]:  # type: ignore[override]
        return NOT_TRAINED.get(self.use.op, ()) if self.fixed is None else self.fixed

    @property
    def kind(self) -> str:
        return self.use.op

    def settings(self) -> dict[str, Any]:
        return {
            "use": self.use,
            "explained": self.explained,
            "shape": self.shape,
            "written": self.written,
            "kept": tuple(self.kept.items()),
            "fixed": self.fixed,
            "constants": self.constants,
        }

    @property
    def uncounted(self) -> tuple[str, ...]:
        return tuple(self.initializers()) if self.written else self.constants

    def unread_shapes(self, read: Mapping[str, Shape]) -> Mapping[str, Shape]:
        held = (slot for slot in self.use.slots if isinstance(slot, Weight))
        return {slot.name: slot.shape for slot in held if slot.name not in read} | self.kept

    def stated(self, shapes: tuple[Shape, ...]) -> Stated:
        return state(self.use, shapes)

    def opaque_facts(self, shapes: Sequence[Shape]) -> tuple[Shape, dict[str, Shape], Size]:
        held = {slot.name: slot.shape for slot in self.use.slots if isinstance(slot, Weight)}
        return self.shape, held, UNKNOWN if held else 0

    def counted_as(self, shapes: Sequence[Shape]) -> Equation | None:
        like = _in_float32(self.use, shapes)
        if like is None or self.use.output:
            return None
        try:
            return state(*like).equation
        except (SettingError, ShapeError):  # what it is like cannot be
            return None

    def initializers(self) -> dict[str, Initializer]:
        return {
            slot.name: self.stored(slot.name) for slot in self.use.slots if isinstance(slot, Weight)
        } | {name: self.stored(name) for name in self.kept}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.use.attributes)
        return f"{self.kind}({given})"


__all__ = ["Fed", "Given", "Operator", "Stated", "Use", "Weight", "state"]

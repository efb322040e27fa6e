"""What is known of a model's tensors, and how an operator sees them: as what a layer feeds it, as weights, or as numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.notation.sizes import UNKNOWN, Shape
from convscope.operators.rule import Fed, Given, Rule, Slot, Weight
from convscope.readers.onnx.message import element_of, short
from convscope.readers.onnx.tensors import Constant
from convscope.readers.onnx.weights import NUMBERS, QUANTISED, filled, unpacked

MOST_GIVEN = 1024
"""Constants of more numbers than this do not shape an equation."""

ADDEND = "constant"
"""What an operator of two calls one that the file gives: a bias where the file calls it so."""


@dataclass(slots=True)
class KnownTensor:
    """What is known of a tensor.

    node      the layer or input that gives it; None for a constant that is no layer yet
    shape     with the batch, as that of one image; None when not even the number of axes is known
    element   ONNX's number for its type; 0 when it is unknown
    """

    node: str | None
    shape: Shape | None
    batched: bool
    element: int
    constant: Constant | None = None

    @property
    def own(self) -> Shape:
        """The shape without the batch."""
        if self.shape is None:
            return (UNKNOWN,)
        return self.shape[1:] if self.batched else self.shape


def known_constant(constant: Constant) -> KnownTensor:
    return KnownTensor(None, constant.shape, False, element_of(constant.dtype), constant)


def slot_of(
    held: KnownTensor,
    rule: Rule | None,
    place: int,
    op: str,
    arrays: dict[str, Constant],
    call: str,
) -> Slot:
    """Return how an input is seen: fed by a layer, a weight, or numbers that shape the equation.

    arrays   the node's weights so far, by their names; a weight is added to them
    """
    constant = held.constant
    if constant is None:
        return Fed(held.batched)
    if rule is not None and place in rule.given:  # also where another operator reads it as a layer
        if constant.count <= MOST_GIVEN and constant.dtype.kind in "biuf":
            return _given(constant)
        return Fed(False)
    if held.node is not None:
        return Fed(held.batched)
    single = constant.count == 1 and (constant.written or not constant.shape)
    if rule is None:
        scaled = QUANTISED.get(op)
        number = held.element not in NUMBERS if scaled is None else place not in scaled
        if number or single or constant.count == 0 or filled(op, place, constant, call):
            return Given((), ())
        return _weight(f"weight_{place}", constant, arrays)
    name = rule.weight_name(place)
    if name is None or constant.count == 0:
        return Fed(False)
    if single and constant.dtype.kind in "biuf":
        return _given(constant)
    if held.element not in NUMBERS and op not in QUANTISED:
        return Fed(False)
    if filled(op, place, constant, call):
        return Given((float(constant.get().flat[0]),), constant.shape)
    if name == ADDEND and re.split(r"[./]", constant.name)[-1] == "bias":
        name = "bias"
    return _weight(name, constant, arrays)


def _weight(name: str, constant: Constant, arrays: dict[str, Constant]) -> Weight:
    base, number = name, 1
    while name in arrays:
        name, number = f"{base}_{number}", number + 1
    arrays[name] = constant
    return Weight(name, constant.shape)


def _given(constant: Constant) -> Given:
    array = constant.get()
    if array.dtype.kind == "f":
        return Given(tuple(map(short, array.ravel())), constant.shape)
    return Given(tuple(array.ravel().tolist()), constant.shape)


def meant(
    held: KnownTensor, attributes: Mapping[str, Any], beside: Sequence[KnownTensor | None]
) -> KnownTensor:
    """Return a packed kernel as the matrix that is meant, where its numbers are in the file.

    beside   what it is scaled by, and where its zero lies
    """
    if held.constant is None or held.node is not None:
        return held
    scale, zero, *_ = (*(None if one is None else one.constant for one in beside), None, None)
    matrix = unpacked(attributes, held.constant, scale, zero)
    return held if matrix is None else known_constant(matrix)

"""The settings of an ONNX node: its operator's attributes, and how many outputs its weight makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.errors import SettingError
from convscope.model.editing import Edit, shown
from convscope.notation.sizes import LARGEST, Shape
from convscope.operators.windows import AUTO
from convscope.readers.onnx.source import Source

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto

OUTPUTS = {"Conv": "filters", "ConvTranspose": "filters", "Gemm": "units", "MatMul": "units"}
"""What is called how many outputs the weight of an operator makes."""


def form(source: Source, shapes: Sequence[Shape], node: NodeProto) -> dict[str, dict[str, Any]]:
    """Return the settings of a node as a form shows them: name → its value and kind.

    shapes   of what feeds it, without the batch
    """
    from onnx import defs, helper

    types = defs.OpSchema.AttrType
    kinds: dict[Any, str] = {
        types.INT: "int", types.FLOAT: "number", types.STRING: "text", types.INTS: "sizes"
    }  # fmt: skip
    given = {a.name: _stated(a) for a in node.attribute}
    found: dict[str, dict[str, Any]] = {}
    try:
        schema = defs.get_schema(node.op_type, source.opset, "")
    except (defs.SchemaError, TypeError):  # an operator set that there is not
        return found
    rank = max(len(shapes[0]) - 1, 0) if shapes else 0
    weight = _weight_shape(source, node)
    for name, told in schema.attributes.items():
        kind = kinds.get(told.type)
        if kind is None:
            continue
        value = given.get(name)
        if value is None and told.default_value.name:
            value = _plain(helper.get_attribute_value(told.default_value))
        if value is None and kind == "sizes":
            value = {"pads": (0,) * 2 * rank, "strides": (1,) * rank, "dilations": (1,) * rank}.get(
                name
            )
            if name == "kernel_shape" and weight is not None:
                value = weight[2:]
        found[name] = {"value": value, "kind": kind}
        if name == "auto_pad":
            found[name] |= {"kind": "choice", "choices": [*AUTO]}
        elif kind == "sizes" and isinstance(value, tuple):
            found[name]["count"] = len(value)
    outputs = OUTPUTS.get(node.op_type)
    if outputs is not None and weight is not None:
        found[outputs] = {"value": outputs_of(node, weight), "kind": "int"}
    return found


def _weight_shape(source: Source, node: NodeProto) -> tuple[int, ...] | None:
    """Return the shape of what a node's second input holds, if the file gives it as a weight."""
    held = source.weights.get(node.input[1]) if len(node.input) > 1 else None
    return None if held is None else held.shape


def outputs_of(node: NodeProto, weight: tuple[int, ...]) -> int:
    """Return how many channels or units come of a node with a weight of this shape."""
    match node.op_type:
        case "Conv":
            return weight[0]
        case "ConvTranspose":
            return weight[1] * int(attribute(node, "group", 1))
        case "Gemm":
            return weight[0 if attribute(node, "transB", 0) else 1]
    return weight[-1]


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """Return an attribute of a node as plain data, or the default where it has none."""
    for given in node.attribute:
        if given.name == name:
            value = _stated(given)
            return default if value is None else value
    return default


def _stated(attribute: AttributeProto) -> Any:
    """Return what an attribute says; None for what is no number, text or list of them."""
    kinds = type(attribute)
    match attribute.type:
        case _ if attribute.ref_attr_name:  # of a function, which no node of a graph is in
            return None
        case kinds.INT:
            return _plain(attribute.i)
        case kinds.FLOAT:
            return _plain(attribute.f)
        case kinds.STRING:
            return _plain(attribute.s)
        case kinds.INTS:
            return _plain(attribute.ints)
        case kinds.FLOATS:
            return tuple(map(_plain, attribute.floats))
        case kinds.STRINGS:
            return tuple(map(_plain, attribute.strings))
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):  # the shortest decimal that means it: 1e-05
        return float(str(np.float32(value)))
    return value if isinstance(value, (int, str)) else tuple(value)


def put(node: NodeProto, edit: Edit, field: Mapping[str, Any]) -> None:
    """Set an attribute of a node; None takes it away. Raises `SettingError` for another kind of value."""
    from onnx import helper

    kept = [a for a in node.attribute if a.name != edit.setting]
    value = tuple(edit.value) if isinstance(edit.value, list) else edit.value
    if value is not None:
        kind, count = field["kind"], field.get("count")
        if kind == "sizes":
            if type(value) is int and count:
                value = (value,) * count
            good = isinstance(value, tuple) and all(type(v) is int for v in value)
            if not good or (count and len(value) != count):
                wanted = f"one number or {count} of them" if count else "whole numbers"
                raise SettingError(f"{edit.setting} must be {wanted}, not {shown(edit.value)}")
        elif kind == "int":
            if isinstance(value, bool) or not isinstance(value, int):
                raise SettingError(f"{edit.setting} must be a whole number, not {shown(value)}")
        elif kind == "number":
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise SettingError(f"{edit.setting} must be a number, not {shown(value)}")
            value = float(value)
        elif not isinstance(value, str):
            raise SettingError(f"{edit.setting} must be a word, not {shown(value)}")
        if kind in ("sizes", "int") and any(
            abs(v) >= LARGEST for v in (value if isinstance(value, tuple) else (value,))
        ):
            raise SettingError(f"{edit.setting} = {shown(edit.value)} is too large")
        kept.append(helper.make_attribute(edit.setting, value))
    del node.attribute[:]
    node.attribute.extend(kept)

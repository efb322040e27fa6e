"""Normalisation: by fixed numbers, by what one map, one group or one row holds, by neighbouring maps.

out[n, c, y, x] = weight[c] · (in[n, c, y, x] − running_mean[c]) / √(running_var[c] + ε) + bias[c]
"""

from __future__ import annotations

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations.layout import Layout
from convscope.equations.normalising import (
    Row,
    along,
    group_of_maps,
    normalised,
    one_map,
    whole_maps,
)
from convscope.notation import Axis, Equation, Expression, Index


def _affine(given: Call, *at: Index) -> tuple[Expression | None, Expression | None]:
    """Return the scale and the shift of a number, where there are any."""
    scale = given.read("weight", *at) if given.has("weight") else None
    return scale, given.read("bias", *at) if given.has("bias") else None


def _by_the_batch(given: Call) -> bool:
    """Whether maps are normalised by what the batch holds: in training, or without running numbers."""
    return bool(given["training"]) or not given.has("running_mean")


def _layout(axes: tuple[Axis, ...]) -> Layout:
    return Layout(channels_last=False, taps_first=False, lead=axes[:1])


def batch(given: Call) -> Equation:
    if given.output:
        raise NoEquation("it is a by-product of the normalisation")
    if given["use_input_stats"]:
        return instance(given)
    axes = axes_of(given.shape())
    if len(axes) < 2:
        raise NoEquation("its input has no channels")
    if _by_the_batch(given):
        row = whole_maps(axes)
        return row.layer(given.tensor("input"), axes, given.number("eps"), *_affine(given, axes[1]))
    c = axes[1]
    mean, variance = given.read("running_mean", c), given.read("running_var", c)
    x = given.read("input", *axes)
    return Equation(axes, normalised(x, mean, variance, given.number("eps"), *_affine(given, c)))


def instance(given: Call) -> Equation:
    shape = given.shape()
    axes = axes_of(shape)
    if not 3 <= len(axes) <= 5:
        raise NoEquation(f"it has {len(shape)} axes")
    row = one_map(axes, shape, _layout(axes))
    image = given.tensor("input")
    return row.layer(image, axes, given.number("eps"), *_affine(given, axes[1]))


def group(given: Call) -> Equation:
    shape = given.shape()
    axes = axes_of(shape)
    if not 3 <= len(axes) <= 5:
        raise NoEquation(f"it has {len(shape)} axes")
    row = group_of_maps(axes, shape, _layout(axes), given.whole("num_groups"))
    image = given.tensor("input")
    return row.layer(image, axes, given.number("eps"), *_affine(given, axes[1]))


def _row(given: Call) -> tuple[tuple[Axis, ...], Row]:
    """Return all axes, and what is normalised together: the last ones."""
    shape = given.shape()
    axes = axes_of(shape)
    count = len(given["normalized_shape"] or ())
    return axes, along(axes, range(len(shape) - count, len(shape)))


def layer(given: Call) -> Equation:
    if given.output:
        raise NoEquation("it is a by-product of the normalisation")
    axes, row = _row(given)
    affine = _affine(given, *axes[len(row.stays) :])
    return row.layer(given.tensor("input"), axes, given.number("eps"), *affine)


def root_mean_square(given: Call) -> Equation:
    axes, row = _row(given)
    scale, _ = _affine(given, *axes[len(row.stays) :])
    return row.root_mean_square(given.tensor("input"), axes, _epsilon(given), scale)


def _epsilon(given: Call) -> float:
    """Return ε, or what stands for it where nobody says one: the distance from 1 to the next number."""
    if given["eps"] is not None:
        return given.number("eps")
    steps = {"float32": 2.0**-23, "float64": 2.0**-52}
    if given.dtype not in steps:
        raise NoEquation(f"nobody says its ε, and its numbers are {given.dtype}")
    return steps[given.dtype]


# -- as ONNX --------------------------------------------------------------------------------------


def _constant(given: Call, form: Write, name: str, value: float, count: int) -> str:
    return form.input(name) if given.has(name) else form.filled(value, (count,))


def write_batch(given: Call, form: Write) -> str:
    if given.op == "instance_norm" and given["use_input_stats"]:
        return write_instance(given, form)
    channels = int(given.shape()[1])
    if _by_the_batch(given):
        return _write_by_the_batch(given, form)
    return form.node(
        "BatchNormalization",
        form.input("input"),
        _constant(given, form, "weight", 1.0, channels),
        _constant(given, form, "bias", 0.0, channels),
        form.input("running_mean"),
        form.input("running_var"),
        epsilon=given.number("eps"),
    )


def _write_by_the_batch(given: Call, form: Write) -> str:
    """Step by step: ONNX's own gives running numbers as well, which are nobody's here."""
    shape, x = given.shape(), form.input("input")
    axes = form.whole(*(n for n in range(len(shape)) if n != 1))
    away = form.node("Sub", x, form.node("ReduceMean", x, axes, keepdims=1))
    square = form.node("ReduceMean", form.node("Mul", away, away), axes, keepdims=1)
    root = form.node("Sqrt", form.node("Add", square, form.number(given.number("eps"))))
    return _scaled(given, form, form.node("Div", away, root), len(shape))


def _scaled(given: Call, form: Write, value: str, rank: int) -> str:
    """Write each channel's scale and shift."""
    side = form.whole(-1, *(1,) * (rank - 2))
    for name, op in (("weight", "Mul"), ("bias", "Add")):
        if given.has(name):
            value = form.node(op, value, form.node("Reshape", form.input(name), side))
    return value


def write_instance(given: Call, form: Write) -> str:
    channels = int(given.shape()[1])
    return form.node(
        "InstanceNormalization",
        form.input("input"),
        _constant(given, form, "weight", 1.0, channels),
        _constant(given, form, "bias", 0.0, channels),
        epsilon=given.number("eps"),
    )


def write_group(given: Call, form: Write) -> str:
    shape = tuple(map(int, given.shape()))
    if len(shape) > 2:
        return form.node(
            "GroupNormalization",
            form.input("input"),
            _constant(given, form, "weight", 1.0, shape[1]),
            _constant(given, form, "bias", 0.0, shape[1]),
            num_groups=given.whole("num_groups"),
            epsilon=given.number("eps"),
        )
    # rows of a group each, which are normalised like maps; then each channel's scale and shift
    groups = given.whole("num_groups")
    rows = form.node("Reshape", form.input("input"), form.whole(shape[0], groups, -1))
    ones, zeros = form.filled(1.0, (groups,)), form.filled(0.0, (groups,))
    value = form.node("InstanceNormalization", rows, ones, zeros, epsilon=given.number("eps"))
    return _scaled(given, form, form.node("Reshape", value, form.whole(*shape)), len(shape))


def write_layer(given: Call, form: Write) -> str:
    _, row = _row(given)
    sizes = [int(a.size) for a in row.runs]
    scale = form.input("weight") if given.has("weight") else form.filled(1.0, sizes)
    shift = (form.input("bias"),) if given.has("bias") else ()
    return form.node(
        "LayerNormalization",
        form.input("input"),
        scale,
        *shift,
        axis=len(row.stays),
        epsilon=given.number("eps"),
    )


def write_root_mean_square(given: Call, form: Write) -> str:
    _, row = _row(given)
    x = form.input("input")
    axes = form.whole(*(-n for n in range(len(row.runs), 0, -1)))
    square = form.node("ReduceMean", form.node("Mul", x, x), axes)
    root = form.node("Sqrt", form.node("Add", square, form.number(_epsilon(given))))
    value = form.node("Div", x, root)
    return form.node("Mul", value, form.input("weight")) if given.has("weight") else value


RULES = {
    "batch_norm": Rule(batch, write_batch),
    "native_batch_norm": Rule(batch, write_batch),
    "instance_norm": Rule(batch, write_batch),
    "group_norm": Rule(group, write_group),
    "layer_norm": Rule(layer, write_layer),
    "native_layer_norm": Rule(layer, write_layer),
    "rms_norm": Rule(root_mean_square, write_root_mean_square),
}

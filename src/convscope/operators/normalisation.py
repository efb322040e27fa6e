"""Normalisation: by fixed numbers, by what one map, one group or one row holds, by neighbouring maps.

out[n, c, y, x] = scale[c] · (in[n, c, y, x] − mean[c]) / √(variance[c] + ε) + bias[c]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convscope.equations.layout import window_axes
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation, Expression, Mean, Read, Sum, call, local
from convscope.notation.functions import EXP, LOG, SQRT
from convscope.operators.rule import LARGEST, Node, Rule, spread

EPSILON = 1e-5


def batch(node: Node) -> Equation:
    if node.output or node.flag("training_mode") or not node.flag("spatial", 1):
        raise NoEquation("it is set to training")
    node.rank(2, 8)
    axes = node.layout.axes(node.shape())
    c = axes[1]
    value: Expression = node.read(1, c) * (node.read(0, *axes) - node.read(3, c))
    value = value / call(SQRT, node.read(4, c) + node.number("epsilon", EPSILON))
    return Equation(axes, value + node.read(2, c))


def _normal(
    node: Node,
    axes: Sequence[Axis],
    stays: Sequence[Axis],
    runs: Sequence[Axis],
    at: Sequence[Any],
) -> Expression:
    """Return (in − μ) / √(σ² + ε), with μ and σ² over the running axes."""
    mean = local("μ", stays, Mean(*runs)(_at(node, at)))
    away = _at(node, at) - mean[tuple(stays)]
    variance = local("σ²", stays, Mean(*runs)(away * away))
    epsilon = node.number("epsilon", EPSILON)
    where = tuple(stays)
    return (node.read(0, *axes) - mean[where]) / call(SQRT, variance[where] + epsilon)


def _at(node: Node, at: Sequence[Any]) -> Read:
    return node.tensor()[tuple(at)]


def instance(node: Node) -> Equation:
    node.rank(3, 5)
    axes = node.layout.axes(node.shape())
    runs = window_axes(node.shape()[2:])
    n, c = axes[:2]
    value = _normal(node, axes, (n, c), runs, (n, c, *runs))
    return Equation(axes, node.read(1, c) * value + node.read(2, c))


def group(node: Node) -> Equation:
    node.rank(3, 5)
    shape = node.shape()
    groups = node.whole("num_groups", 0, 1)
    all_known(shape[1:2])
    if shape[1] % groups:
        raise ShapeError(f"{shape[1]} channels cannot be divided into {groups} groups")
    axes = node.layout.axes(shape)
    each = shape[1] // groups
    n, c = axes[:2]
    g, k = Axis("g", groups, "group"), Axis("k", each, "channel")
    runs = window_axes(shape[2:])
    mean = local("μ", (n, g), Mean(k, *runs)(_at(node, (n, g * each + k, *runs))))
    away = _at(node, (n, g * each + k, *runs)) - mean[n, g]
    variance = local("σ²", (n, g), Mean(k, *runs)(away * away))
    own = c // each
    scale = c if node.opset >= 21 else own
    root = call(SQRT, variance[n, own] + node.number("epsilon", EPSILON))
    value = (node.read(0, *axes) - mean[n, own]) / root
    return Equation(axes, node.read(1, scale) * value + node.read(2, scale))


def _running(node: Node) -> tuple[tuple[Axis, ...], list[Axis], list[Axis]]:
    """Return all axes, those that stay and those along which a layer is normalised."""
    shape = node.shape()
    axes = node.layout.axes(shape)
    first = node.axis(node.whole("axis", -1, -LARGEST), len(shape))
    runs = [
        Axis(f"k{n}", s, a.word)
        for n, (s, a) in enumerate(zip(shape[first:], axes[first:], strict=True), 1)
    ]
    if len(runs) == 1:
        runs = [Axis("k", shape[-1], axes[-1].word)]
    return axes, list(axes[:first]), runs


def layer(node: Node) -> Equation:
    if node.output:
        raise NoEquation("it is a by-product of the normalisation")
    axes, stays, runs = _running(node)
    value = _normal(node, axes, stays, runs, (*stays, *runs))
    value = value * spread(node, 1, axes)
    return Equation(axes, value + spread(node, 2, axes) if node.has(2) else value)


def root_mean_square(node: Node) -> Equation:
    axes, stays, runs = _running(node)
    square = local(
        "σ²", stays, Mean(*runs)(_at(node, (*stays, *runs)) * _at(node, (*stays, *runs)))
    )
    value = node.read(0, *axes) / call(SQRT, square[tuple(stays)] + node.number("epsilon", EPSILON))
    return Equation(axes, value * spread(node, 1, axes))


def response(node: Node) -> Equation:
    """Krizhevsky, Sutskever & Hinton 2012, section 3.3: divided by what neighbouring maps hold."""
    node.rank(2, 8)
    if "size" not in node.attributes:
        raise SettingError("size is missing")
    size = node.whole("size", 1, 1, 1 << 16)
    axes = node.layout.axes(node.shape())
    before = (size - 1) // 2
    k = Axis("k", size, "channel")
    borders = [(0, 0)] * len(axes)
    borders[1] = (before, size - 1 - before)
    near = node.tensor().padded(borders, "zero")[(axes[0], axes[1] + k - before, *axes[2:])]
    alpha, beta = node.number("alpha", 1e-4), node.number("beta", 0.75)
    base = node.number("bias", 1.0) + alpha / size * Sum(k)(near * near)
    return Equation(axes, node.read(0, *axes) / call(EXP, beta * call(LOG, base)))


_ALL: Mapping[int | str, str] = {1: "scale", 2: "bias"}

RULES = {
    "BatchNormalization": Rule(batch, {1: "scale", 2: "bias", 3: "mean", 4: "variance"}),
    "InstanceNormalization": Rule(instance, _ALL),
    "GroupNormalization": Rule(group, _ALL),
    "LayerNormalization": Rule(layer, _ALL),
    "RMSNormalization": Rule(root_mean_square, {1: "scale"}),
    "LRN": Rule(response),
}

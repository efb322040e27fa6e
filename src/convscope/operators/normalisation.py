"""Normalisation: by fixed numbers, by what one map, one group or one row holds, by neighbouring maps.

out[n, c, y, x] = scale[c] · (in[n, c, y, x] − mean[c]) / √(variance[c] + ε) + bias[c]
"""

from __future__ import annotations

from collections.abc import Mapping

from convscope.equations import normalising
from convscope.equations.normalising import (
    Row,
    along,
    group_of_maps,
    normalised,
    one_map,
    whole_maps,
)
from convscope.equations.stating import NoEquation, all_known
from convscope.equations.unit import unit
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation, Index
from convscope.notation.sizes import LARGEST
from convscope.operators.rule import Node, Rule, spread

EPSILON = 1e-5


def batch(node: Node) -> Equation:
    if not node.flag("spatial", 1):
        raise NoEquation("it normalises every position by numbers of its own")
    node.rank(2, 8)
    axes = node.layout.axes(node.shape())
    if node.flag("training_mode"):
        return _by_the_batch(node, axes)
    if node.output:
        raise NoEquation("it is a by-product of the normalisation")
    scale, shift, mean, variance = (node.read(place, axes[1]) for place in (1, 2, 3, 4))
    epsilon = node.number("epsilon", EPSILON)
    return Equation(axes, normalised(node.read(0, *axes), mean, variance, epsilon, scale, shift))


def _by_the_batch(node: Node, axes: tuple[Axis, ...]) -> Equation:
    """Normalisation by the batch that is there, and as further outputs the running mean and variance."""
    row = whole_maps(axes)
    if not node.output:
        return _layer(node, row, axes, axes[1])
    if node.output > 2:
        raise NoEquation("it is a by-product of the normalisation")
    kept = node.number("momentum", 0.9)
    return row.running(node.tensor(), node.tensor(2 + node.output), kept, node.output == 2)


def instance(node: Node) -> Equation:
    node.rank(3, 5)
    axes = node.layout.axes(node.shape())
    return _layer(node, one_map(axes, node.shape(), node.layout), axes, axes[1])


def group(node: Node) -> Equation:
    node.rank(3, 5)
    shape = node.shape()
    groups = node.whole("num_groups", 0, 1)
    all_known(shape[1:2])
    if shape[1] % groups:
        raise ShapeError(f"{shape[1]} channels cannot be divided into {groups} groups")
    axes = node.layout.axes(shape)
    each = shape[1] // groups
    row = group_of_maps(axes, shape, node.layout, groups)
    return _layer(node, row, axes, axes[1] if node.opset >= 21 else axes[1] // each)


def _layer(node: Node, row: Row, axes: tuple[Axis, ...], c: Index) -> Equation:
    epsilon = node.number("epsilon", EPSILON)
    return row.layer(node.tensor(), axes, epsilon, node.read(1, c), node.read(2, c))


def _row(node: Node) -> tuple[tuple[Axis, ...], Row]:
    """Return all axes, and what a layer normalisation takes together."""
    shape = node.shape()
    first = node.axis(node.whole("axis", -1, -LARGEST), len(shape))
    # what is normalised along the last axis alone was moved there: its channels
    layout = node.layout._replace(channels_last=first == len(shape) - 1)
    axes = layout.axes(shape)
    return axes, along(axes, range(first, len(shape)))


def layer(node: Node) -> Equation:
    if node.output:
        raise NoEquation("it is a by-product of the normalisation")
    axes, row = _row(node)
    shift = spread(node, 2, axes) if node.has(2) else None
    epsilon = node.number("epsilon", EPSILON)
    return row.layer(node.tensor(), axes, epsilon, spread(node, 1, axes), shift)


def root_mean_square(node: Node) -> Equation:
    axes, row = _row(node)
    epsilon = node.number("epsilon", EPSILON)
    return row.root_mean_square(node.tensor(), axes, epsilon, spread(node, 1, axes))


def response(node: Node) -> Equation:
    node.rank(2, 8)
    if "size" not in node.attributes:
        raise SettingError("size is missing")
    return normalising.among_neighbours(
        node.tensor(), node.layout.axes(node.shape()), 1, node.whole("size", 1, 1, 1 << 16),
        node.number("alpha", 1e-4), node.number("beta", 0.75), node.number("bias", 1.0),
    )  # fmt: skip


def by_mean_and_variance(node: Node) -> Equation:
    """MeanVarianceNormalization: along axes that are named."""
    shape = node.shape()
    axes = node.layout.axes(shape)
    told = node.wholes("axes", None, (0, 2, 3), -LARGEST) or ()
    row = along(axes, node.places(told, len(shape)))
    return row.layer(node.tensor(), axes, 1e-9, None, None)


_ALL: Mapping[int | str, str] = {1: "scale", 2: "bias"}


def by_length(node: Node) -> Equation:
    """LpNormalization: rows divided by their length, of order 1 or 2; rows of zeros stay."""
    axes = node.layout.axes(node.shape())
    place = node.axis(node.whole("axis", -1, -LARGEST), len(axes))
    return Equation(axes, unit(node.tensor(), axes, (place,), None, order=node.whole("p", 2, 1, 2)))


RULES = {
    "LpNormalization": Rule(by_length),
    "BatchNormalization": Rule(batch, {1: "scale", 2: "bias", 3: "mean", 4: "variance"}),
    "InstanceNormalization": Rule(instance, _ALL),
    "GroupNormalization": Rule(group, _ALL),
    "LayerNormalization": Rule(layer, _ALL),
    "RMSNormalization": Rule(root_mean_square, {1: "scale"}),
    "LRN": Rule(response),
    "MeanVarianceNormalization": Rule(by_mean_and_variance),
}

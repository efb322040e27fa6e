"""Resizing: Resize in every mode, and Upsample; sampling where a grid says: GridSample.

out[n, c, y, x] = in[n, c, y // 2, x // 2]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from convscope.equations import sampling
from convscope.equations.layout import map_axes
from convscope.equations.moving import framed
from convscope.equations.resizing import (
    LINEAR,
    LINES,
    PLACES,
    ROUNDED,
    Curve,
    Line,
    cubic,
    interpolated,
    nearest,
    simplest,
)
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation, Index
from convscope.notation.sizes import LARGEST, is_one, shape_text
from convscope.operators.rule import Node, Rule, Weight
from convscope.typed import Record

MOST_CHECKED = 1 << 16
"""Along longer axes no regular order is looked for."""

CROPPED = "tf_crop_and_resize"
"""The way of resizing in which a part of the map is resized, which may reach beyond it."""


class ResizedAxis(Record):
    """How one axis is resized: how long it was and becomes, by what scale, from where to where of it (0 … 1)."""

    size: int
    length: int
    scale: float
    part: tuple[float, float]

    @property
    def alone(self) -> bool:
        """Whether it is left as it is."""
        return self.scale == 1 and self.length == self.size and self.part == (0.0, 1.0)


def _mixed(node: Node, out: Sequence[Axis], every: Sequence[ResizedAxis], where: str) -> Equation:
    """Return a resizing that mixes neighbouring numbers."""
    smooth = node.flag("antialias")
    curve: Curve = LINEAR
    if node.text("mode", "nearest") == "cubic":
        curve = cubic(node.number("cubic_coeff_a", -0.75))
    beyond = "zero" if node.flag("exclude_outside") else "edge"
    lines: list[Line | None] = [
        None if along.alone else _line(where, along, smooth) for along in every
    ]
    sizes = [along.size for along in every]
    equation = interpolated(node.tensor(), out, sizes, lines, curve, beyond, smooth)  # type: ignore[arg-type]
    if where != CROPPED:
        return equation
    return _cropped(node, equation, [
        None if line is None else [float(line[0] * y + line[1]) for y in range(along.length)]
        for line, along in zip(lines, every, strict=True)
    ], sizes)  # fmt: skip


def _line(where: str, along: ResizedAxis, smooth: bool = False) -> Line:
    size, length, scale, part = along
    if where == CROPPED:
        first, last = (Fraction(simplest(abs(p))) * (1 if p >= 0 else -1) for p in part)
        if length > 1:
            return (last - first) * Fraction(size - 1, length - 1), first * (size - 1)
        return Fraction(0), (first + last) / 2 * (size - 1)
    exact = Fraction(length, size) if scale == length / size else simplest(scale)
    if where == "align_corners" and smooth:
        raise NoEquation(
            "it is aligned at its corners and takes in as many numbers as if it were not"
        )
    if where == "align_corners" and exact * size != length:
        raise NoEquation("the standard and ONNX Runtime differ about where its corners lie")
    return LINES[where](exact, size, length)


def _cropped(
    node: Node, equation: Equation, places: Sequence[Sequence[float] | None], sizes: Sequence[int]
) -> Equation:
    """Return an equation with another number wherever a place lies beyond the map."""
    value, borders = node.number("extrapolation_value", 0.0), []
    for found, size in zip(places, sizes, strict=True):
        within = [y for y, at in enumerate(found or ()) if 0 <= at <= size - 1]
        if found is not None and not within:
            raise NoEquation("it lies beyond its map")
        borders.append((within[0], len(found) - 1 - within[-1]) if found is not None else (0, 0))
    if not any(map(any, borders)):
        return equation
    return Equation(equation.axes, framed(equation.expression, equation.axes, borders, value))


def _nearest(
    node: Node, out: Sequence[Axis], every: Sequence[ResizedAxis], where: str, rounding: str
) -> Equation:
    at: list[Index] = []
    places: list[list[float] | None] = []
    for axis, along in zip(out, every, strict=True):
        size, length, scale, _ = along
        if length > MOST_CHECKED:
            raise NoEquation("it is too large to find its order")
        if along.alone:
            at.append(axis)
            places.append(None)
            continue
        if where == CROPPED:
            slope, start = _line(where, along)
            found = [float(slope * y + start) for y in range(length)]
        else:
            found = [PLACES[where](y, scale, size, length) for y in range(length)]
        reads = [min(max(ROUNDED[rounding](place), 0), size - 1) for place in found]
        at.append(nearest(axis, size, reads))
        places.append(found)
    equation = Equation(out, node.read(0, *at))
    if where != CROPPED:
        return equation
    return _cropped(node, equation, places, [along.size for along in every])


def _kept_ratio(
    policy: str, places: Sequence[int], shape: Sequence[int], wanted: Sequence[int]
) -> tuple[float, tuple[int, ...]]:
    """Return the one scale of all axes that fits or fills the wanted sizes, and what they become."""
    ratios = [Fraction(w, shape[p]) for p, w in zip(places, wanted, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return float(scale), tuple(math.floor(scale * shape[p] + Fraction(1, 2)) for p in places)


def resize(node: Node) -> Equation:
    shape = node.shape()
    rank = len(shape)
    mode = node.text("mode", "nearest", ("nearest", "linear", "bilinear", "cubic"))
    all_known(shape)
    axes = node.wholes("axes", None, range(rank), -LARGEST) or ()
    places = [node.axis(a, rank, "axes") for a in axes]
    scales, lengths = [1.0] * rank, list(shape)
    last = node.op == "Upsample" or node.opset < 11
    if node.has(3) and node.values(3):
        policy = node.text("keep_aspect_ratio_policy", "stretch")
        wanted = node.whole_values(3)
        if len(wanted) != len(places):
            raise SettingError(f"sizes must be {len(places)} numbers, not {list(wanted)}")
        for length in wanted:
            if not 1 <= length <= LARGEST:
                raise SettingError(f"sizes: {length} is no size")
        if policy != "stretch":
            if policy not in ("not_larger", "not_smaller"):
                raise NoEquation(f"its sizes follow from {policy!r}")
            scale, wanted = _kept_ratio(policy, places, shape, wanted)
        for place, length in zip(places, wanted, strict=True):
            lengths[place] = length
            scales[place] = length / shape[place] if policy == "stretch" else scale
    else:
        given = node.attributes.get("scales") or node.values(1 if last else 2)
        if len(given) != len(places):
            raise SettingError(f"scales must be {len(places)} numbers, not {list(given)}")
        for place, scale in zip(places, given, strict=True):
            if not isinstance(scale, (int, float)) or not 0 < scale < LARGEST:
                raise SettingError(f"scales: {scale!r} is no scale")
            lengths[place], scales[place] = math.floor(shape[place] * scale), scale
    where = "asymmetric" if last else node.text("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if last else node.text("nearest_mode", "round_prefer_floor")
    if min(lengths) < 1:
        raise ShapeError(f"{node.op} leaves nothing")
    if (where not in PLACES and where != CROPPED) or rounding not in ROUNDED:
        raise NoEquation(f"it resizes in the way {where!r}, {rounding!r}")
    parts = [(0.0, 1.0)] * rank
    if where == CROPPED:
        box = node.values(1)
        if len(box) != 2 * len(places):
            raise SettingError(f"roi must be {2 * len(places)} numbers, not {list(box)}")
        for n, place in enumerate(places):
            parts[place] = float(box[n]), float(box[n + len(places)])
    out = node.layout.axes(lengths)
    every = [ResizedAxis(*one) for one in zip(shape, lengths, scales, parts, strict=True)]
    if mode == "nearest":
        return _nearest(node, out, every, where, rounding)
    return _mixed(node, out, every, where)


_MODES = {"bilinear": "linear", "bicubic": "cubic"}
"""What they were called before opset 20."""


def grid_sample(node: Node) -> Equation:
    image, grid = node.shape(), node.shape(1)
    all_known(image[1:], grid[1:])
    spatial = len(image) - 2
    mode = node.text("mode", "linear", ("linear", "nearest", "cubic", *_MODES))
    mode = _MODES.get(mode, mode)
    if spatial not in (2, 3) or (mode == "cubic" and spatial != 2):
        raise NoEquation(f"it has {len(image)} axes")
    if len(grid) != len(image) or grid[-1] != spatial:
        raise ShapeError(
            f"{node.op}: a map of {spatial} axes is read where {spatial} numbers say, and its grid is "
            f"{shape_text(grid)}"
        )
    axes = node.layout.axes((image[0], image[1], *grid[1:-1]))
    rows = [
        0 if isinstance(node.slot(place), Weight) and is_one(node.shape(place)[0]) else axes[0] for place in (0, 1)
    ]  # fmt: skip
    return sampling.sampled(
        node.tensor(), node.tensor(1), image[2:], axes, mode,
        node.text("padding_mode", "zeros", ("zeros", "border", "reflection")), node.flag("align_corners"), True, rows,
    )  # fmt: skip


def affine_grid(node: Node) -> Equation:
    sizes, theta = node.whole_values(1), node.shape()
    spatial = len(sizes) - 2
    if spatial not in (2, 3) or len(theta) != 3 or theta[1:] != (spatial, spatial + 1):
        raise ShapeError(
            f"{node.op}: {shape_text(theta)} moves no places of a map of {shape_text(sizes)}"
        )
    if any(not 1 <= length <= LARGEST for length in sizes):
        raise SettingError(f"size: {list(sizes)} is no shape")
    n = Axis("n", theta[0], "image")
    axes = (n, *map_axes(sizes[2:]), Axis("k", spatial, "number"))
    return sampling.affine_grid(node.tensor(), axes, node.flag("align_corners"))


RULES = {
    "AffineGrid": Rule(affine_grid, given=frozenset((1,))),
    "GridSample": Rule(grid_sample),
    "Resize": Rule(resize, given=frozenset((1, 2, 3))),
    "Upsample": Rule(resize, given=frozenset((1,))),
}

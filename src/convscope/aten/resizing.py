"""Resizing by the nearest number, or by a mixture of those around; sampling where a grid says.

out[n, c, y, x] = in[n, c, y // 2, x // 2]
"""

from __future__ import annotations

from fractions import Fraction

from convscope.aten.rule import Call, NoEquation, Rule, Weight, Write, axes_of
from convscope.equations import sampling
from convscope.equations.layout import map_axes
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
from convscope.notation import Axis, Equation
from convscope.notation.expression import Outside
from convscope.notation.sizes import is_one


def _factors(call: Call, spatial: int) -> tuple[float | None, ...]:
    """Return by how much each axis is enlarged, where that is told."""
    told = call["scale_factors"]
    names = ("scales_d", "scales_h", "scales_w")[3 - spatial :] if spatial > 1 else ("scales",)
    return tuple(told) if told is not None else tuple(call[name] for name in names)


def _lengths(call: Call, spatial: int) -> tuple[int, ...]:
    """Return the sizes that a resizing gives."""
    if call["output_size"] is not None:
        return tuple(call["output_size"])
    factors = _factors(call, spatial)
    if None in factors:
        raise NoEquation("its size is known only when it runs")
    sizes = tuple(map(int, call.shape()[2:]))
    return tuple(int(s * f) for s, f in zip(sizes, factors, strict=True) if f is not None)


def _nearest(spatial: int, exact: bool) -> Rule:
    """Return the rule of the number on whose place a position falls, or, `exact`, whose middle is nearest."""
    where, rounding = ("half_pixel", "round_prefer_ceil") if exact else ("asymmetric", "floor")

    def state(call: Call) -> Equation:
        sizes, lengths = tuple(map(int, call.shape()[2:])), _lengths(call, spatial)
        factors = _factors(call, spatial)
        axes = axes_of((*call.shape()[:2], *lengths))
        at = []
        for axis, size, length, factor in zip(axes[2:], sizes, lengths, factors, strict=True):
            scale = float(factor or length / size)
            found = (
                ROUNDED[rounding](PLACES[where](y, scale, size, length)) for y in range(length)
            )
            at.append(nearest(axis, size, [min(max(p, 0), size - 1) for p in found]))
        return Equation(axes, call.read(None, *axes[:2], *at))

    def write(call: Call, form: Write) -> str:
        return _written(
            call,
            form,
            spatial,
            mode="nearest",
            coordinate_transformation_mode=where,
            nearest_mode=rounding,
        )

    return Rule(state, write)


def _mixed(spatial: int, curve: Curve, mode: str, smooth: bool = False) -> Rule:
    def state(call: Call) -> Equation:
        sizes, lengths = tuple(map(int, call.shape()[2:])), _lengths(call, spatial)
        axes = axes_of((*call.shape()[:2], *lengths))
        lines = map(_line, [call] * spatial, sizes, lengths, _factors(call, spatial))
        beyond: Outside = "zero" if smooth else "edge"
        every = [None, None, *lines]
        return interpolated(call.tensor(), axes, call.shape(), every, curve, beyond, smooth)

    def write(call: Call, form: Write) -> str:
        where = "align_corners" if call["align_corners"] else "half_pixel"
        more: dict[str, object] = {"antialias": 1, "exclude_outside": 1} if smooth else {}
        if mode == "cubic":
            more["cubic_coeff_a"] = _SMOOTH if smooth else _KEYS
        return _written(
            call, form, spatial, mode=mode, coordinate_transformation_mode=where, **more
        )

    return Rule(state, write)


def _line(call: Call, size: int, length: int, factor: float | None) -> Line | None:
    """Return where the positions of an axis lie; None where it is left alone."""
    if call["align_corners"]:
        if call.op.endswith("_aa"):
            raise NoEquation(
                "it is aligned at its corners and takes in as many numbers as if it were not"
            )
        line = LINES["align_corners"](Fraction(1), size, length)
    else:
        scale = Fraction(length, size) if not factor else simplest(float(factor))
        line = LINES["half_pixel"](scale, size, length)
    return None if line == (Fraction(1), Fraction(0)) and size == length else line


def _written(call: Call, form: Write, spatial: int, **settings: object) -> str:
    """Write a resizing to its sizes, or by the factors that were told: positions follow from those."""
    lengths, factors = _lengths(call, spatial), _factors(call, spatial)
    x = form.input(call.first())
    if None in factors or settings["coordinate_transformation_mode"] == "align_corners":
        return form.node(
            "Resize", x, "", "", form.whole(*map(int, call.shape()[:2]), *lengths), **settings
        )
    sizes = map(int, call.shape()[2:])
    if any(int(s * float(f or 0)) != m for s, f, m in zip(sizes, factors, lengths, strict=True)):
        raise NoEquation("its scale and its size differ")
    scales = form.scales(1.0, 1.0, *(float(f or 0) for f in factors))
    return form.node("Resize", x, "", scales, **settings)


_MODES = ("linear", "nearest", "cubic")
_BEYOND = ("zeros", "border", "reflection")


def _sampling(call: Call) -> dict[str, str | int]:
    return {
        "mode": _MODES[call.whole("interpolation_mode")],
        "padding_mode": _BEYOND[call.whole("padding_mode")],
        "align_corners": int(bool(call["align_corners"])),
    }


def _sampled(call: Call) -> Equation:
    image, grid = call.shape("input"), call.shape("grid")
    said = _sampling(call)
    mode, beyond = str(said["mode"]), str(said["padding_mode"])
    axes = axes_of((image[0], image[1], *grid[1:-1]))
    rows = [0 if isinstance(call.slots[name], Weight) and is_one(call.shape(name)[0]) else axes[0]
            for name in ("input", "grid")]  # fmt: skip
    return sampling.sampled(
        call.tensor("input"), call.tensor("grid"), image[2:], axes, mode, beyond,
        said["align_corners"] == 1, rows=rows,
    )  # fmt: skip


def _affine_grid(call: Call) -> Equation:
    sizes, theta = tuple(call["size"]), call.shape("theta")
    axes = (Axis("n", theta[0], "image"), *map_axes(sizes[2:]), Axis("k", len(sizes) - 2, "number"))
    return sampling.affine_grid(call.tensor("theta"), axes, bool(call["align_corners"]))


def _write_affine_grid(call: Call, form: Write) -> str:
    aligned = int(bool(call["align_corners"]))
    return form.node(
        "AffineGrid", form.input("theta"), form.whole(*call["size"]), align_corners=aligned
    )


def _write_sampled(call: Call, form: Write) -> str:
    said = _sampling(call)
    return form.node("GridSample", form.input("input"), form.input("grid"), **said)


_KEYS, _SMOOTH = -0.75, -0.5
"""The slope of PyTorch's curve; where it smooths, that of others."""

RULES = {
    "affine_grid_generator": Rule(_affine_grid, _write_affine_grid),
    **{
        name: Rule(_sampled, _write_sampled)
        for name in ("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
    },
    **{f"upsample_nearest{n}d": _nearest(n, False) for n in (1, 2, 3)},
    **{f"_upsample_nearest_exact{n}d": _nearest(n, True) for n in (1, 2, 3)},
    "upsample_linear1d": _mixed(1, LINEAR, "linear"),
    "upsample_bilinear2d": _mixed(2, LINEAR, "linear"),
    "upsample_trilinear3d": _mixed(3, LINEAR, "linear"),
    "upsample_bicubic2d": _mixed(2, cubic(_KEYS), "cubic"),
    "_upsample_bilinear2d_aa": _mixed(2, LINEAR, "linear", smooth=True),
    "_upsample_bicubic2d_aa": _mixed(2, cubic(_SMOOTH), "cubic", smooth=True),
}

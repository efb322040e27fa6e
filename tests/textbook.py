"""Layers' equations as a textbook writes them, in the notation itself and not through layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.notation import Axis, Equation, Max, Mean, Sum, call, exactly, local, source, weight
from convscope.notation.functions import EXP, SQRT, Function

RELU = Function("relu", ("x",), ("max", "x", 0.0))


def conv2d(
    shape: Sequence[Any],
    filters: Any,
    kernel: Sequence[Any],
    stride: Sequence[int] = (1, 1),
    pad: Sequence[tuple[Any, Any]] = ((0, 0), (0, 0)),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    bias: bool = True,
    relu: bool = False,
) -> Equation:
    """Return a convolution of (rows, columns, channels); kernel (rows, columns, channels, filters)."""
    y, x = Axis("y", word="row"), Axis("x", word="column")
    i, j = Axis("i", kernel[0], "row"), Axis("j", kernel[1], "column")
    o, c = (
        Axis("o", filters, "filter", role="out"),
        Axis("c", shape[2] // groups, "channel", role="in"),
    )
    image = source(shape).padded((*pad, (0, 0)), "zero")
    at = image[
        y * stride[0] + i * dilation[0] - pad[0][0],
        x * stride[1] + j * dilation[1] - pad[1][0],
        c if groups == 1 else (o // (filters // groups)) * (shape[2] // groups) + c,
    ]
    value: Any = Sum(i, j, c)(at * weight("kernel")[i, j, c, o])
    if bias:
        value = weight("bias")[o] + value
    return Equation((y, x, o), call(RELU, value) if relu else value)


def depthwise2d(
    shape: Sequence[int], multiplier: int, kernel: Sequence[int], stride: Sequence[int]
) -> Equation:
    """Return a depthwise convolution: filter o reads channel ⌊o / multiplier⌋ alone."""
    y, x = Axis("y", word="row"), Axis("x", word="column")
    i, j = Axis("i", kernel[0], "row"), Axis("j", kernel[1], "column")
    o = Axis("o", shape[2] * multiplier, "filter", role="out")
    read = source(shape)[y * stride[0] + i, x * stride[1] + j, o // multiplier]
    taps = weight("kernel")[i, j, o // multiplier, o % multiplier]
    return Equation((y, x, o), Sum(i, j)(read * taps))


def transposed2d(
    shape: Sequence[int],
    filters: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    crop: Sequence[int],
    extra: Sequence[int] = (0, 0),
) -> Equation:
    """Return a transposed convolution: an input spreads over `kernel` outputs, `stride` apart."""
    sizes = [
        (n - 1) * s + k - 2 * p + e
        for n, s, k, p, e in zip(shape[:2], stride, kernel, crop, extra, strict=True)
    ]
    y, x = Axis("y", sizes[0], "row"), Axis("x", sizes[1], "column")
    i, j = Axis("i", kernel[0], "row"), Axis("j", kernel[1], "column")
    o, c = Axis("o", filters, "filter", role="out"), Axis("c", shape[2], "channel", role="in")
    border = [(max(kernel), max(kernel))] * 2
    read = source(shape).padded((*border, (0, 0)), "zero", scattered=True)[
        exactly(y + crop[0] - i, stride[0]), exactly(x + crop[1] - j, stride[1]), c
    ]
    return Equation(
        (y, x, o), weight("bias")[o] + Sum(i, j, c)(read * weight("kernel")[i, j, o, c])
    )


def pool2d(
    shape: Sequence[Any],
    kind: str,
    size: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[tuple[int, int]] = ((0, 0), (0, 0)),
    outside: Any = "skip",
) -> Equation:
    """Return the largest or the mean of each window of a map."""
    y, x, c = (
        Axis("y", word="row"),
        Axis("x", word="column"),
        Axis("c", shape[2], "channel", role="in"),
    )
    i, j = Axis("i", size[0], "row"), Axis("j", size[1], "column")
    read = source(shape).padded((*pad, (0, 0)), outside)[
        y * stride[0] + i - pad[0][0], x * stride[1] + j - pad[1][0], c
    ]
    return Equation((y, x, c), (Max if kind == "max" else Mean)(i, j)(read))


def dense(inputs: Any, units: Any) -> Equation:
    """Return a dense layer."""
    o, c = Axis("o", units, "unit", role="out"), Axis("c", inputs, "input", role="in")
    return Equation((o,), weight("bias")[o] + Sum(c)(source((inputs,))[c] * weight("kernel")[c, o]))


def softmax(shape: Sequence[int]) -> Equation:
    """Return softmax along the last axis, the largest taken off first."""
    y, o = Axis("y", shape[0], "row"), Axis("o", shape[1], "channel", role="in")
    k, m = Axis("k", shape[1]), Axis("m", shape[1])
    image = source(shape)
    top = local("top", (y,), Max(m)(image[y, m]))
    return Equation(
        (y, o), call(EXP, image[y, o] - top[y]) / Sum(k)(call(EXP, image[y, k] - top[y]))
    )


def layer_norm(shape: Sequence[int], epsilon: float) -> Equation:
    """Return layer normalisation over the last axis, with gamma and beta."""
    y, c, k = Axis("y", shape[0]), Axis("c", shape[1], "channel", role="in"), Axis("k", shape[1])
    image = source(shape)
    mean = local("μ", (y,), Mean(k)(image[y, k]))
    off = image[y, k] - mean[y]
    spread = local("σ²", (y,), Mean(k)(off * off))
    scaled = (image[y, c] - mean[y]) / call(SQRT, spread[y] + epsilon)
    return Equation((y, c), scaled * weight("gamma")[c] + weight("beta")[c])

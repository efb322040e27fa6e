"""What Keras's activation functions compute, as formulas over primitives.

Definitions follow keras/src/activations and keras/src/ops/nn.py. Where the textbook's form would
overflow or cancel for large |x|, an equal one that does not is used; the comment says which.

A function of one number is a `Function`; one over a whole axis builds an expression that reads the
pre-activation through a local.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.notation import Axis, Expression, Local, Max, Size, Sum, call, local
from convscope.notation.functions import EXP, LOG, MAXIMUM, SELECT, Formula, Function


def _function(name: str, formula: Formula, *parameters: str) -> Function:
    return Function(name, ("x", *parameters), formula)


_EXP_BELOW = ("exp", ("min", "x", 0.0))
"""e^x where x is below 0, and 1 above: it cannot overflow, even where it is computed in vain."""
_EXP_AWAY = ("exp", ("sub", 0.0, ("abs", "x")))
"""e^−|x|: 1 at 0, and smaller on both sides."""
# 1 / (1 + e^−x), and e^x / (1 + e^x) below 0, which is the same
_SIGMOID = ("div", _EXP_BELOW, ("add", 1.0, _EXP_AWAY))
_LOG1P_EXP = ("log1p", _EXP_AWAY)
_SOFTPLUS = ("add", ("max", "x", 0.0), _LOG1P_EXP)
_HARD_SIGMOID = ("min", 1.0, ("max", 0.0, ("add", ("div", "x", 6.0), 0.5)))
_EXP_MINUS_1 = ("sub", _EXP_BELOW, 1.0)

RELU = _function("relu", ("max", "x", 0.0))
RELU6 = _function("relu6", ("min", ("max", "x", 0.0), 6.0))
LEAKY_RELU = _function(
    "leaky_relu", ("select", "x", "x", ("mul", "negative_slope", "x")), "negative_slope"
)
ELU = _function("elu", ("select", "x", "x", ("mul", "alpha", _EXP_MINUS_1)), "alpha")
CELU = _function(
    "celu",
    (
        "add",
        ("max", "x", 0.0),
        ("mul", "alpha", ("sub", ("exp", ("min", ("div", "x", "alpha"), 0.0)), 1.0)),
    ),
    "alpha",
)
# Klambauer et al., Self-Normalizing Neural Networks, 2017, section 2: α and λ
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
SELU = _function(
    "selu",
    ("mul", SELU_SCALE, ("select", "x", "x", ("mul", SELU_ALPHA, _EXP_MINUS_1))),
)
SIGMOID = _function("sigmoid", _SIGMOID)
LOG_SIGMOID = _function("log_sigmoid", ("sub", ("min", "x", 0.0), _LOG1P_EXP))
SOFTPLUS = _function("softplus", _SOFTPLUS)
SOFTSIGN = _function("softsign", ("div", "x", ("add", 1.0, ("abs", "x"))))
SILU = _function("silu", ("mul", "x", _SIGMOID))
MISH = _function("mish", ("mul", "x", ("tanh", _SOFTPLUS)))
GELU = _function(
    "gelu",
    ("mul", ("mul", 0.5, "x"), ("add", 1.0, ("erf", ("div", "x", math.sqrt(2.0))))),
)
GELU_TANH = _function(
    "gelu_tanh",
    ("mul", ("mul", 0.5, "x"), ("add", 1.0, ("tanh", (
        "mul", math.sqrt(2.0 / math.pi),
        ("add", "x", ("mul", 0.044715, ("mul", "x", ("mul", "x", "x")))),
    )))),
)  # fmt: skip
"""Hendrycks & Gimpel, Gaussian Error Linear Units, 2016, section 2: the form with tanh."""
TANH = _function("tanh", ("tanh", "x"))
EXPONENTIAL = _function("exponential", ("exp", "x"))
HARD_SIGMOID = _function("hard_sigmoid", _HARD_SIGMOID)
HARD_SILU = _function("hard_silu", ("mul", "x", _HARD_SIGMOID))
HARD_TANH = _function("hard_tanh", ("max", -1.0, ("min", 1.0, "x")))
# x minus x where that is small: 0 there, and a NaN stays one, as it does in the frameworks
HARD_SHRINK = _function(
    "hard_shrink",
    ("sub", "x", ("select", ("sub", ("abs", "x"), "threshold"), 0.0, "x")),
    "threshold",
)
# x minus x cut to ±threshold, which is the definition's three cases in one
SOFT_SHRINK = _function(
    "soft_shrink",
    ("sub", "x", ("max", ("sub", 0.0, "threshold"), ("min", "threshold", "x"))),
    "threshold",
)
TANH_SHRINK = _function("tanh_shrink", ("sub", "x", ("tanh", "x")))
SPARSE_SIGMOID = _function(
    "sparse_sigmoid", ("min", 1.0, ("max", 0.0, ("mul", 0.5, ("add", "x", 1.0))))
)
_ABOVE_MINUS_1 = ("max", 0.0, ("add", "x", 1.0))
SPARSE_PLUS = _function(
    "sparse_plus",
    ("select", ("sub", "x", 1.0), "x", ("mul", 0.25, ("mul", _ABOVE_MINUS_1, _ABOVE_MINUS_1))),
)
_ROOT = ("sqrt", ("add", ("mul", "x", "x"), "b"))
# below 0, (x + √(x² + b)) / 2 cancels; multiplied by its conjugate it is b / (2·(√(x² + b) − x))
SQUAREPLUS = _function(
    "squareplus",
    (
        "select",
        "x",
        ("mul", 0.5, ("add", "x", _ROOT)),
        ("div", ("mul", 0.5, "b"), ("sub", _ROOT, "x")),
    ),
    "b",
)


THRESHOLD = _function(
    "threshold", ("select", ("at_least", "threshold", "x"), "value", "x"), "threshold", "value"
)


# -- over whole axes ------------------------------------------------------------------------------


def softmax(
    pre: Local, axes: tuple[Axis, ...], along: Sequence[int], sizes: Sequence[Size]
) -> Expression:
    """Return e^pre / Σ e^pre along the axes at some places."""
    shifted, total = _shifted(pre, axes, along, sizes)
    return call(EXP, shifted) / total


def log_softmax(
    pre: Local, axes: tuple[Axis, ...], along: Sequence[int], sizes: Sequence[Size]
) -> Expression:
    """Return the logarithm of softmax."""
    shifted, total = _shifted(pre, axes, along, sizes)
    return shifted - call(LOG, total)


def sparsemax(
    pre: Local, axes: tuple[Axis, ...], along: Sequence[int], sizes: Sequence[Size]
) -> Expression:
    """Return max(pre − τ, 0), where τ makes the results sum to 1.

    Martins & Astudillo, From Softmax to Sparsemax, 2016: τ = (Σ of the support − 1) / its size. With
    every candidate support (all numbers at least as large as the k-th) that quotient is at most τ,
    so τ is the largest of them and nothing needs to be sorted. (Keras up to 3.15 summed the wrong
    numbers, keras-team/keras#23425; this is what the paper and later versions compute.)
    """
    k, m = _running("k", axes, along, sizes), _running("m", axes, along, sizes)
    others, at_k, at_m = _places(axes, along, k, m)
    counted = call(SELECT, pre[at_k] - pre[at_m], 0.0, 1.0)
    quotient = (Sum(*m)(counted * pre[at_m]) - 1.0) / Sum(*m)(counted)
    threshold = local("τ", others, Max(*k)(quotient))
    return call(MAXIMUM, pre[axes] - threshold[others], 0.0)


def _shifted(
    pre: Local, axes: tuple[Axis, ...], along: Sequence[int], sizes: Sequence[Size]
) -> tuple[Expression, Expression]:
    """Return pre − max(pre), and Σ exp of the same: softmax without overflow."""
    k, m = _running("k", axes, along, sizes), _running("m", axes, along, sizes)
    others, at_k, at_m = _places(axes, along, k, m)
    highest = local("top", others, Max(*m)(pre[at_m]), neutral=True)[others]
    return pre[axes] - highest, Sum(*k)(call(EXP, pre[at_k] - highest))


def _running(
    name: str, axes: tuple[Axis, ...], along: Sequence[int], sizes: Sequence[Size]
) -> tuple[Axis, ...]:
    """Return axes that run along the axes at some places: k, or k1, k2 … for several."""
    many = len(along) > 1
    return tuple(
        axes[place].like(f"{name}{n}" if many else name, size)
        for n, (place, size) in enumerate(zip(along, sizes, strict=True), 1)
    )


def _places(
    axes: tuple[Axis, ...], along: Sequence[int], k: Sequence[Axis], m: Sequence[Axis]
) -> tuple[tuple[Axis, ...], tuple[Axis, ...], tuple[Axis, ...]]:
    """Return the axes that stay, and all of them with the running ones in their places."""
    at_k, at_m = list(axes), list(axes)
    for place, a, b in zip(along, k, m, strict=True):
        at_k[place], at_m[place] = a, b
    others = tuple(axis for place, axis in enumerate(axes) if place not in along)
    return others, tuple(at_k), tuple(at_m)

"""Samples against torch.nn.functional: the expected numbers never passed through Keras.

Paddings that torch cannot do itself are made explicit with F.pad, by the amounts that TensorFlow's
rule for `same` gives: max((⌈n/s⌉ − 1)·s + reach − n, 0), the odd one after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from campaigns import in_turn
from given import Case, case, samples
from torch.utils.flop_counter import FlopCounterMode

from convscope import Conv2D
from convscope.layers import kinds
from convscope.layers.base import Layer, Sample
from convscope.notation import macs

Tensor = torch.Tensor
Torch = Callable[[Case, Tensor, dict[str, Tensor]], Tensor]
"""From a case, its input channels-first with a batch, and its weights: the output channels-first."""

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def rank(layer: Any) -> int:
    found: int = layer.rank
    return found


def amounts(
    layer: Any, sizes: tuple[int, ...], kernel: Any, dilation: Any
) -> list[tuple[int, int]]:
    """Return (before, after) of the padding along each spatial axis."""
    found = []
    for n, k, s, d in zip(sizes, kernel, layer.strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        if layer.padding == "same":
            total = max((-(-n // s) - 1) * s + reach - n, 0)
            found.append((total // 2, total - total // 2))
        else:
            found.append((reach - 1, 0) if layer.padding == "causal" else (0, 0))
    return found


def padded(x: Tensor, pads: list[tuple[int, int]], value: float = 0.0) -> Tensor:
    return F.pad(x, [p for pair in reversed(pads) for p in pair], value=value)


def kernel_first(kernel: Tensor) -> Tensor:
    """Return (spatial…, a, b) as (b, a, spatial…)."""
    return kernel.permute(kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))


def convolution(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    layer: Any = c.layer
    x = padded(x, amounts(layer, tuple(x.shape[2:]), layer.kernel_size, layer.dilation_rate))
    return CONV[rank(layer)](
        x,
        kernel_first(w["kernel"]),
        w.get("bias"),
        stride=layer.strides,
        dilation=layer.dilation_rate,
        groups=layer.groups,
    )


def depthwise(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    layer: Any = c.layer
    return _depthwise(layer, x, w["kernel"], w.get("bias"))


def _depthwise(layer: Any, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    channels = x.shape[1]
    x = padded(x, amounts(layer, tuple(x.shape[2:]), layer.kernel_size, layer.dilation_rate))
    flat = kernel.reshape(*kernel.shape[:-2], 1, -1)
    conv = CONV[rank(layer)]
    return conv(
        x,
        kernel_first(flat),
        bias,
        stride=layer.strides,
        dilation=layer.dilation_rate,
        groups=channels,
    )


def separable(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    depth = _depthwise(c.layer, x, w["depthwise_kernel"], None)
    return CONV[rank(c.layer)](depth, kernel_first(w["pointwise_kernel"]), w.get("bias"))


def transposed(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    """torch cannot crop unevenly, so its full output is cut to what Keras's documentation says.

    `valid`: nothing is cut, and output_padding, or stride − reach where that is more, is added at the
    end. `same`: (n − 1)·stride + reach is cut to n·stride as the gradient of TensorFlow's convolution
    with `same` padding would be, or to (n − 1)·stride + reach mod 2 + output_padding.
    """
    layer: Any = c.layer
    full = TRANSPOSED[rank(layer)](
        x, kernel_first(w["kernel"]), stride=layer.strides, dilation=layer.dilation_rate
    )
    for axis in range(rank(layer)):
        n, s = x.shape[2 + axis], layer.strides[axis]
        reach = (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis] + 1
        more = None if layer.output_padding is None else layer.output_padding[axis]
        if layer.padding == "valid":
            length = (n - 1) * s + (max(reach, s) if more is None else reach + more)
            before = 0
        elif more is None:
            length = n * s
            before = max((n - 1) * s + reach - length, 0) // 2
        else:
            length = (n - 1) * s + reach % 2 + more
            before = max((n - 1) * s + reach - length, 0) // 2
        full = full.narrow(2 + axis, before, min(length, full.shape[2 + axis] - before))
        missing = length - full.shape[2 + axis]
        pads = [(0, missing if other == axis else 0) for other in range(rank(layer))]
        full = padded(full, pads)
    if "bias" in w:
        full = full + w["bias"].reshape(-1, *(1,) * rank(layer))
    return full


def max_pooling(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    layer: Any = c.layer
    ones = (1,) * rank(layer)
    pads = amounts(layer, tuple(x.shape[2:]), layer.pool_size, ones)
    return MAX[rank(layer)](padded(x, pads, float("-inf")), layer.pool_size, layer.strides)


def average_pooling(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    """The mean of what lies inside: the mean with zeros, divided by the share that is inside."""
    layer: Any = c.layer
    pool, ones = AVERAGE[rank(layer)], (1,) * rank(layer)
    pads = amounts(layer, tuple(x.shape[2:]), layer.pool_size, ones)
    with_zeros = pool(padded(x, pads), layer.pool_size, layer.strides)
    inside = pool(padded(torch.ones_like(x), pads), layer.pool_size, layer.strides)
    return with_zeros / inside


def global_pooling(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    layer: Any = c.layer
    axes = tuple(range(2, x.ndim))
    reduce = torch.amax if "Max" in layer.kind else torch.mean
    return reduce(x, dim=axes, keepdim=layer.keepdims)


def dense(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    return F.linear(x, w["kernel"].T, w.get("bias"))


def batch_normalization(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    layer: Any = c.layer
    axis = layer.axis % x.ndim
    moved = x.movedim(axis, 1)
    mean, variance = w["moving_mean"], w["moving_variance"]
    y = F.batch_norm(
        moved, mean, variance, w.get("gamma"), w.get("beta"), False, 0.0, layer.epsilon
    )
    return y.movedim(1, axis)


def layer_normalization(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    layer: Any = c.layer
    given = layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)
    axes = sorted(axis % x.ndim for axis in given)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = x.movedim(axes, last)
    shape = moved.shape[-len(axes) :]
    y = F.layer_norm(moved, shape, w.get("gamma"), w.get("beta"), layer.epsilon)
    return y.movedim(last, axes)


def up_sampling(c: Case, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    layer: Any = c.layer
    factors = layer.size if isinstance(layer.size, tuple) else (layer.size,)
    mode = layer.interpolation
    return F.interpolate(
        x,
        scale_factor=tuple(map(float, factors)),
        mode=mode,
        align_corners=False if mode == "bilinear" else None,
    )


MAPS: dict[str, Torch] = {
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Conv3D": convolution,
    "DepthwiseConv1D": depthwise,
    "DepthwiseConv2D": depthwise,
    "SeparableConv1D": separable,
    "SeparableConv2D": separable,
    "Conv1DTranspose": transposed,
    "Conv2DTranspose": transposed,
    "Conv3DTranspose": transposed,
    "MaxPooling1D": max_pooling,
    "MaxPooling2D": max_pooling,
    "MaxPooling3D": max_pooling,
    "AveragePooling1D": average_pooling,
    "AveragePooling2D": average_pooling,
    "AveragePooling3D": average_pooling,
    "GlobalMaxPooling1D": global_pooling,
    "GlobalMaxPooling2D": global_pooling,
    "GlobalMaxPooling3D": global_pooling,
    "GlobalAveragePooling1D": global_pooling,
    "GlobalAveragePooling2D": global_pooling,
    "GlobalAveragePooling3D": global_pooling,
    "UpSampling1D": up_sampling,
    "UpSampling2D": up_sampling,
    "UpSampling3D": up_sampling,
}
"""Kinds over maps: torch sees them channels-first."""

PLAIN: dict[str, Torch] = {
    "Dense": dense,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
}
"""Kinds for which torch gets the input as it lies."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "log_sigmoid": F.logsigmoid,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "tanh": torch.tanh,
    "tanh_shrink": F.tanhshrink,
    "hard_tanh": F.hardtanh,
    "hard_sigmoid": F.hardsigmoid,
    "hard_silu": F.hardswish,
    "hard_shrink": F.hardshrink,
    "soft_shrink": F.softshrink,
    "exponential": torch.exp,
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
}
"""Activations that torch has; the last axis is Keras's last, whatever the data format."""


def torch_output(ours: Case) -> np.ndarray[Any, Any]:
    """Return torch's output for a case, without the batch, in the layer's own layout."""
    layer = ours.layer
    x = torch.from_numpy(ours.inputs[0]).double()[None]
    weights = {name: torch.from_numpy(w).double() for name, w in ours.weights.items()}
    if layer.kind in MAPS:
        x = x.movedim(-1, 1) if layer.channels_last else x
        y = MAPS[layer.kind](ours, x, weights)
        if layer.channels_last and y.ndim == x.ndim:
            y = y.movedim(1, -1)
    else:
        y = PLAIN[layer.kind](ours, x, weights) if layer.kind in PLAIN else x
    own = getattr(layer, "activation", None)
    found: np.ndarray[Any, Any] = (y if own is None else ACTIVATIONS[own.name](y))[0].numpy()
    return found


def in_torch(layer: Layer) -> bool:
    own = getattr(layer, "activation", None)
    known = own is None or own.name in ACTIVATIONS
    return known and (layer.kind in MAPS or layer.kind in PLAIN or layer.kind == "Activation")


WITH_TORCH = samples(lambda sample: in_torch(sample.layer))


@in_turn("sample", WITH_TORCH)
def test_numbers_and_shape(sample: Sample) -> None:
    ours = case(sample)
    expected = torch_output(ours)
    assert expected.shape == ours.equation.shape
    for position in ours.positions():
        assert ours.at(position) == pytest.approx(expected[position], rel=1e-9, abs=1e-9), position


@in_turn("sample", WITH_TORCH)
def test_macs_are_half_of_torchs_flops(sample: Sample) -> None:
    """torch counts a multiply–accumulate as two; a transposed convolution from its input's side."""
    ours = case(sample)
    with FlopCounterMode(display=False) as counter:
        torch_output(ours)
    assert macs(ours.equation) * 2 == counter.get_total_flops()


def test_every_name_is_a_kind() -> None:
    assert set(MAPS) | set(PLAIN) <= set(kinds())
    assert set(WITH_TORCH) == set(MAPS) | set(PLAIN) | {"Activation"}


def test_torch_padding_is_half_of_same() -> None:
    """A convolution with kernel 3 and padding="same" is torch's padding=1: the two agree everywhere."""
    ours = case(Sample(Conv2D(4, 3, padding="same"), ((6, 7, 3),)))
    x = torch.from_numpy(ours.inputs[0]).double().movedim(-1, 0)[None]
    kernel = kernel_first(torch.from_numpy(ours.weights["kernel"]).double())
    bias = torch.from_numpy(ours.weights["bias"]).double()
    expected = F.conv2d(x, kernel, bias, padding=1)[0].movedim(0, -1).numpy()
    for position in np.ndindex(*ours.equation.shape):
        assert ours.at(position) == pytest.approx(expected[position], rel=1e-9, abs=1e-9)

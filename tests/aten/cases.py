"""One or more calls of every PyTorch operator that has a rule: what it is called with, all sizes different."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

Shape = tuple[int, ...]
Tensor = torch.Tensor


class Case(NamedTuple):
    """A call of an operator.

    op       the rule's name
    given    shapes of what goes in, drawn anew
    held     shapes of what is constant, or the constants
    of       what is called with both
    wide     numbers are drawn from −3 … 3, else from 0.2 … 1.8
    smooth   whether it has a derivative at such numbers
    unwritten   why it cannot be written as ONNX, though others of the same operator can
    outputs  which of its outputs have an equation; all by default
    """

    op: str
    given: Sequence[Shape]
    of: Callable[..., Any]
    held: Sequence[Any] = ()
    wide: bool = True
    smooth: bool = True
    unwritten: str = ""
    outputs: tuple[int, ...] | None = None


def drawn(shape: Shape, seed: int, wide: bool) -> Tensor:
    """Return numbers of a shape, no two of them equal."""
    rng = np.random.default_rng(seed)
    low, high = (-3.0, 3.0) if wide else (0.2, 1.8)
    return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))


class Called(nn.Module):
    """A call as a module."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        self.held = [
            drawn(one, 90 + n, case.wide) if isinstance(one, tuple) else one
            for n, one in enumerate(case.held)
        ]

    def forward(self, *given: Tensor) -> Any:
        return self.case.of(*given, *self.held)

    def inputs(self) -> tuple[Tensor, ...]:
        return tuple(drawn(shape, n, self.case.wide) for n, shape in enumerate(self.case.given))


def _plain(op: str, of: Callable[..., Any], wide: bool = True, **more: Any) -> Case:
    return Case(op, [(2, 3, 5, 4)], of, wide=wide, **more)


def _after(of: Callable[..., Any], before: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """Return a call of what something makes of what goes in."""
    return lambda *given: of(*before(*given))


def _divergence(x: Tensor, y: Tensor, reduction: str, log_target: bool = False) -> Tensor:
    """Return torch.kl_div, which warns of no mean."""
    how = ("none", "mean", "sum").index(reduction)
    return torch.kl_div(x, y, how, log_target=log_target)


# no place twice: there PyTorch's gradient is another than that of what it computes, as its documentation says
APART = torch.tensor([[[5, 0, 3, 1], [1, 4, 3, 2]], [[4, 3, 1, 0], [2, 5, 0, 3]]])
PLACED = torch.tensor([[[5, 0, 3, 0], [1, 3, 3, 2]], [[4, 1, 1, 0], [2, 5, 0, 2]]])

CASES: list[Case] = [
    # -- rounded as few bits would hold it
    Case("fake_quantize_per_tensor_affine", [(2, 3, 4)], lambda x: torch.fake_quantize_per_tensor_affine(x, 0.17, 3, -8, 7), smooth=False),
    Case("fake_quantize_per_tensor_affine", [(2, 3)], lambda x, s, z: torch.fake_quantize_per_tensor_affine(x, s, z, 0, 15),
         [torch.tensor(0.3), torch.tensor(5, dtype=torch.int32)], smooth=False),
    Case("fake_quantize_per_channel_affine", [(2, 3, 5, 4)], lambda x, s, z: torch.fake_quantize_per_channel_affine(x, s, z, 1, -8, 7),
         [torch.tensor([0.17, 0.31, 0.43]), torch.tensor([1, 0, -2], dtype=torch.int32)], smooth=False),
    # -- how far apart, how alike
    Case("cosine_similarity", [(2, 5, 3), (2, 5, 3)], F.cosine_similarity),
    Case("cosine_similarity", [(2, 4, 1, 6), (2, 1, 5, 6)], lambda a, b: F.cosine_similarity(a, b, -1, 1e-3)),
    Case("pairwise_distance", [(2, 5), (2, 5)], F.pairwise_distance),
    Case("pairwise_distance", [(2, 4, 5), (2, 1, 5)], lambda a, b: F.pairwise_distance(a, b, 3.0, 1e-2, True)),
    Case("dist", [(2, 3, 5), (2, 1, 5)], torch.dist),
    Case("dist", [(2, 3, 5), (2, 3, 5)], lambda a, b: torch.dist(a, b, float("inf"))),
    Case("cdist", [(2, 3, 5), (2, 4, 5)], torch.cdist),
    Case("cdist", [(2, 3, 5)], lambda a, b: torch.cdist(a, b, 1.0), [(4, 5)]),
    Case("cdist", [(2, 3, 7)], torch.cdist, [(26, 7)]),
    # -- products
    Case("outer", [(3,), (5,)], torch.outer),
    Case("inner", [(2, 3, 5)], torch.inner, [(4, 5)]),
    Case("tensordot", [(2, 3, 5, 4)], lambda x, w: torch.tensordot(x, w, ([3, 1], [0, 2])), [(4, 6, 3)]),
    # -- what is true or false
    Case("one_hot", [(2, 3, 4)], lambda x: F.one_hot(x.abs().long(), 5), smooth=False),
    Case("one_hot", [(2, 3, 4)], lambda x: F.one_hot(x.abs().long()), smooth=False, unwritten="how many classes it has depends on its numbers"),
    *(
        Case(op, [(2, 5, 3, 4)], of, smooth=False)
        for op, every in (("any", torch.any), ("all", torch.all))
        for of in (
            lambda x, every=every: every(x > (1.5 if every is torch.any else -1.5), 2),
            lambda x, every=every: every(x * x > 0.2, dim=(1, 3), keepdim=True),
            lambda x, every=every: every(torch.relu(x)[:, :, :1], 2),
            lambda x, every=every: every(x / torch.relu(x - x), 1),
        )
    ),
    Case("eq", [(2, 3, 4)], lambda x: (x > 0) == False, smooth=False),
    Case("isclose", [(2, 3, 4)], lambda x: torch.isclose(x, x + torch.floor(x) * 1e-6), smooth=False),
    Case("isclose", [(2, 3, 4)], lambda x, y: torch.isclose(x / 0, y / 0, 0.2, 0.3, equal_nan=True), [(3, 1)], smooth=False),
    Case("isclose", [(2, 3, 4)], lambda x: torch.isclose(x - x, x / 0), smooth=False),
    *(
        Case(op, [(2, 3, 4), (2, 3, 4)], lambda a, b, of=of: of(a, b.masked_fill(b > 1, torch.nan)), smooth=False)
        for op, of in (("fmax", torch.fmax), ("fmin", lambda a, b: torch.fmin(b, a)))
    ),
    Case("nan_to_num", [(2, 3, 4)], lambda x: torch.nan_to_num(x.round() / 0), smooth=False),
    Case("isinf", [(2, 3, 4)], lambda x: torch.isinf(x.round() / 0), smooth=False),
    Case("isfinite", [(2, 3, 4)], lambda x: torch.isfinite(x / x.round()), smooth=False),
    Case("sgn", [(2, 3, 4)], lambda x: torch.sgn(x.round() / 0), smooth=False),
    Case("nan_to_num", [(2, 3, 4)], lambda x: torch.nan_to_num(x.round() / 0 + x, 0.5, 7.0, -3.0), smooth=False),
    Case("bucketize", [(2, 3, 4)], lambda x, at: torch.bucketize(x.round(), at), [torch.tensor([-2.0, -1.0, 0.0, 0.5, 2.0])], smooth=False),
    Case("searchsorted", [(2, 3, 4)], lambda x, at: torch.searchsorted(at, x.round(), right=True), [torch.arange(30.0).reshape(2, 3, 5) / 3 - 4], smooth=False),
    # -- along an axis
    Case("kthvalue", [(2, 3, 6, 4)], lambda x: torch.kthvalue(x, 4, 2)[0]),
    Case("kthvalue", [(2, 5)], lambda x: sum(torch.kthvalue(x, 2, keepdim=True)), smooth=False),
    Case("count_nonzero", [(2, 5, 3, 4)], lambda x: torch.count_nonzero(torch.relu(x), (1, 3)), smooth=False),
    Case("count_nonzero", [(2, 5, 3)], lambda x: torch.count_nonzero(x.round()), smooth=False),
    Case("aminmax", [(2, 5, 3)], lambda x: sum(torch.aminmax(x, dim=1, keepdim=True))),
    Case("diff", [(2, 5, 3)], lambda x: torch.diff(x, dim=1)),
    Case("trace", [(5, 3)], torch.trace),
    Case("diag_embed", [(2, 5, 3)], torch.diag_embed),
    Case("diag_embed", [(2, 3)], lambda x: torch.diag_embed(x / 0, -2, 2, 1), smooth=False),
    Case("diag_embed", [(2, 3, 4)], lambda x: torch.diag_embed(x, 1, 0, -2)),
    Case("cross", [(2, 3, 5)], lambda x, y: torch.cross(x, y, 1), [(2, 3, 5)]),
    Case("linalg_cross", [(2, 4, 3), (2, 1, 3)], torch.linalg.cross),
    Case("meshgrid", [(4,), (3,)], lambda a, b: sum(torch.meshgrid(a, b, indexing="ij"))),
    Case("meshgrid", [(4,), (3,)], lambda a, b: torch.meshgrid(a, b, indexing="xy")[1], smooth=False),
    Case("broadcast_tensors", [(2, 1, 3), (2, 5, 1)], lambda a, b: sum(torch.broadcast_tensors(a, b))),  # type: ignore[no-untyped-call]
    Case("linalg_norm", [(2, 5, 3)], lambda x: torch.linalg.norm(x, dim=1)),
    Case("linalg_norm", [(2, 5, 3)], lambda x: torch.linalg.norm(x, dim=(1, 2), keepdim=True)),
    # -- losses
    *(
        Case(op, [(2, 3, 4), (2, 3, 4)], partial(of, reduction=how))
        for op, of in (("mse_loss", F.mse_loss), ("l1_loss", F.l1_loss), ("huber_loss", partial(F.huber_loss, delta=1.5)),
                       ("smooth_l1_loss", partial(F.smooth_l1_loss, beta=0.7)),
                       ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits))
        for how in ("none", "mean", "sum")
    ),
    *(
        Case(op, given, partial(of, reduction=how), held, wide=op != "binary_cross_entropy")
        for how in ("none", "mean", "sum")
        for op, of, given, held in (
            ("binary_cross_entropy", lambda x, y, reduction: F.binary_cross_entropy(x / 2, y / 2, reduction=reduction), [(2, 3, 4), (2, 3, 4)], []),
            ("kl_div", _divergence, [(2, 3, 4)], [torch.tensor([[[0.2, 0.0, 0.7, 0.1]]])]),
            ("kl_div", partial(_divergence, log_target=True), [(2, 3, 4), (2, 3, 4)], []),
            ("cross_entropy_loss", F.cross_entropy, [(3, 5)], [torch.tensor([1, 4, 0])]),
            ("cross_entropy_loss", F.cross_entropy, [(2, 5, 3)], [torch.tensor([[1, -100, 0], [2, 4, 3]])]),
            ("cross_entropy_loss", F.cross_entropy, [(2, 5, 3), (2, 5, 3)], []),
            ("cross_entropy_loss", F.cross_entropy, [(5,)], [torch.tensor(3)]),
            ("nll_loss_nd", F.nll_loss, [(2, 5, 4, 3)], [torch.arange(24).reshape(2, 4, 3) % 5]),
            ("nll_loss_nd", F.nll_loss, [(3, 5)], [torch.tensor([1, -100, 0])]),
        )
    ),
    Case("cross_entropy_loss", [(3, 5), (3, 7)], lambda x, y: F.cross_entropy(x, y.argmax(1) % 5), smooth=False),
    Case("nll_loss", [(3, 5)], lambda x, at: torch.ops.aten.nll_loss(x, at), [torch.tensor([1, 4, 0])]),
    # -- number by number
    Case("logaddexp", [(2, 3, 4), (2, 1, 4)], torch.logaddexp),
    Case("logaddexp", [(2, 3, 4)], lambda x: torch.logaddexp(x.round() / 0, x.round() / 0), smooth=False),
    Case("deg2rad", [(2, 3, 4)], torch.deg2rad),
    Case("rad2deg", [(2, 3, 4)], torch.rad2deg),
    Case("clamp", [(2, 3, 4, 5)], lambda x: torch.clamp(x, x.mean((2, 3), keepdim=True), x.amax(1, keepdim=True) / 2), smooth=False),
    Case("clamp_min", [(2, 3, 4), (2, 1, 4)], torch.clamp_min),
    Case("round", [(2, 3, 4)], lambda x: torch.round(x, decimals=1), smooth=False),
    Case("round", [(2, 3, 4)], lambda x: torch.round(x * 100, decimals=-1), smooth=False),
    Case("median", [(2, 3, 6, 4)], lambda x: torch.median(x, 2)[0]),
    Case("median", [(2, 5, 3)], lambda x: torch.median(x, 1, True)[0]),
    Case("median", [(2, 5, 3)], lambda x: torch.median(x.masked_fill(x > 2.4, torch.nan), 1)[0], smooth=False),
    Case("nanmedian", [(2, 3, 6, 4)], lambda x: torch.nanmedian(x, 2)[0]),
    Case("nanmedian", [(2, 5, 3)], lambda x: torch.nanmedian(x.masked_fill(x > 0.7, torch.nan), 1, True)[0], smooth=False),
    Case("nanmedian", [(2, 5, 3)], lambda x: torch.nanmedian(x / 0 * 0, 1)[0], smooth=False),
    Case("cumprod", [(2, 3, 5, 4)], lambda x: torch.cumprod(x, 2)),
    Case("take_along_dim", [(2, 3, 6)], lambda x, at: torch.take_along_dim(x, at, 2), [torch.cat((APART, APART[:, :1]), 1)], smooth=False),
    Case("take_along_dim", [(2, 3, 6)], lambda x, at: torch.take_along_dim(x, at, 2), [APART[:, :1]], smooth=False),
    Case("take_along_dim", [(2, 3, 5)], lambda x: torch.take_along_dim(x, x.argsort(2), 2), smooth=False),
    Case("take_along_dim", [(2, 3, 5)], lambda x: torch.take_along_dim(x, x[:, :, :1].argsort(1)[:, 1:], 1), smooth=False),
    *(Case("rot90", [(2, 3, 5, 4)], lambda x, k=k, d=d: torch.rot90(x, k, d)) for k, d in ((1, (2, 3)), (2, (3, 1)), (-1, (1, 3)))),
    Case("rrelu", [(2, 3, 4)], lambda x: F.rrelu(x, 0.1, 0.4)),
    Case("atan2", [(2, 3, 4), (2, 1, 4)], torch.atan2),
    Case("atan2", [(2, 3, 4)], lambda x: torch.atan2(x.sign() * (x * x > 3), x.flip(1).sign() * (x * x > 1)), smooth=False, outputs=(0,)),
    Case("hypot", [(2, 3, 4), (2, 1, 4)], torch.hypot),
    Case("avg_pool2d", [(2, 3, 9, 11)], lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 0), divisor_override=5)),
    Case("avg_pool2d", [(2, 3, 9, 12)], lambda x: F.avg_pool2d(x, (2, 3), 2, 1, ceil_mode=True, count_include_pad=False, divisor_override=-7)),
    Case("avg_pool3d", [(3, 5, 6, 7)], lambda x: F.avg_pool3d(x, (2, 3, 1), divisor_override=4)),
    # -- windows
    Case("conv1d", [(2, 6, 11)], lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2, 2), [(4, 3, 3), (4,)]),
    Case("conv2d", [(2, 6, 9, 11)], lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 3), [(9, 2, 2, 3), (9,)]),
    Case("conv2d", [(2, 3, 9, 11)], lambda x, w: F.conv2d(x, w, padding="same", dilation=(2, 2)), [(5, 3, 2, 4)]),
    Case("conv3d", [(2, 2, 5, 6, 7)], lambda x, w: F.conv3d(x, w, None, (1, 2, 3), (0, 1, 2)), [(3, 2, 2, 3, 4)]),
    Case("conv_transpose1d", [(2, 6, 5)], lambda x, w, b: F.conv_transpose1d(x, w, b, 3, 1, 1, 2, 2), [(6, 2, 4), (4,)]),
    Case("conv_transpose2d", [(2, 3, 4, 5)], lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), (1, 0), (1, 2), 1, (1, 2)), [(3, 4, 3, 2), (4,)]),
    Case("conv_transpose3d", [(2, 3, 2, 3, 4)], lambda x, w: F.conv_transpose3d(x, w, None, 2), [(3, 2, 1, 2, 3)]),
    Case("convolution", [(2, 4, 7, 8)], lambda x, w: torch.convolution(x, w, None, [2, 1], [1, 0], [1, 1], False, [0, 0], 2), [(6, 2, 3, 2)]),
    Case(
        "_convolution", [(2, 4, 7, 8)],
        lambda x, w: torch.ops.aten._convolution(x, w, None, [2, 1], [1, 0], [1, 1], False, [0, 0], 2, False, False, False, False),
        [(6, 2, 3, 2)],
    ),
    Case("convolution", [(2, 4, 5, 6)], lambda x, w: torch.convolution(x, w, None, [2, 1], [1, 0], [1, 1], True, [1, 0], 2), [(4, 3, 3, 2)]),
    Case("max_pool1d", [(2, 3, 11)], lambda x: F.max_pool1d(x, 3, 2, 1)),
    Case("max_pool2d", [(2, 3, 9, 11)], lambda x: F.max_pool2d(x, (3, 2), (2, 3), (1, 0), (1, 2), True)),
    Case("max_pool3d", [(2, 3, 5, 6, 7)], lambda x: F.max_pool3d(x, (2, 3, 1))),
    Case("max_pool1d_with_indices", [(2, 3, 11)], lambda x: F.max_pool1d(x, 3, 2, return_indices=True)[0]),
    Case("max_pool2d_with_indices", [(2, 3, 9, 11)], lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2), return_indices=True)[0]),
    Case("max_pool3d_with_indices", [(2, 3, 5, 6, 7)], lambda x: F.max_pool3d(x, 2, return_indices=True)[0]),
    Case("avg_pool1d", [(2, 3, 11)], lambda x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False)),
    Case("avg_pool2d", [(2, 3, 9, 11)], lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 0))),
    Case("avg_pool2d", [(2, 3, 8, 11)], lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True)),
    Case("avg_pool2d", [(2, 3, 9, 11)], lambda x: F.avg_pool2d(x, (2, 3), 2, 1, ceil_mode=True)),
    Case("max_pool2d", [(2, 3, 9, 11)], lambda x: F.max_pool2d(x, (2, 3), (2, 3), 1, (2, 1), ceil_mode=True), smooth=False),
    Case("avg_pool2d", [(2, 3, 8, 10)], lambda x: F.avg_pool2d(x, (4, 3), (3, 2), (2, 1), ceil_mode=True)),
    Case("avg_pool3d", [(2, 3, 5, 6, 7)], lambda x: F.avg_pool3d(x, (2, 3, 1))),
    Case("adaptive_avg_pool1d", [(2, 3, 12)], lambda x: F.adaptive_avg_pool1d(x, 4)),
    Case("adaptive_avg_pool2d", [(2, 3, 7, 10)], lambda x: F.adaptive_avg_pool2d(x, (3, 4))),
    Case("adaptive_avg_pool2d", [(2, 3, 7, 10)], lambda x: F.adaptive_avg_pool2d(x, (None, 5))),
    Case("adaptive_avg_pool3d", [(2, 3, 4, 6, 5)], lambda x: F.adaptive_avg_pool3d(x, (1, 2, 1))),
    Case("adaptive_max_pool1d", [(2, 3, 11)], lambda x: F.adaptive_max_pool1d(x, 4), outputs=(0,)),
    Case("adaptive_max_pool2d", [(2, 3, 7, 10)], lambda x: F.adaptive_max_pool2d(x, (3, 4)), outputs=(0,)),
    Case("adaptive_max_pool3d", [(2, 3, 4, 6, 5)], lambda x: F.adaptive_max_pool3d(x, (2, 3, 1)), outputs=(0,)),
    # -- products
    Case("bilinear", [(2, 4), (2, 5)], lambda x, y, w, b: F.bilinear(x, y, w, b), [(3, 4, 5), (3,)]),
    Case("bilinear", [(2, 6, 4), (2, 6, 5)], lambda x, y, w: F.bilinear(x, y, w), [(3, 4, 5)]),
    Case("linear", [(2, 5, 6)], lambda x, w, b: F.linear(x, w, b), [(4, 6), (4,)]),
    Case("linear", [(3, 6)], lambda x, w: F.linear(x, w), [(4, 6)]),
    Case("linear", [(2, 3, 6)], lambda x, w: F.linear(x, w), [(6,)]),
    Case("linear", [(3, 6), (4, 6)], F.linear),
    Case("matmul", [(2, 3, 4, 5), (3, 5, 6)], torch.matmul),
    Case("matmul", [(2, 4, 5)], torch.matmul, [(5,)]),
    Case("matmul", [(4, 5), (2, 5, 3)], torch.matmul),
    Case("bmm", [(2, 4, 5), (2, 5, 3)], torch.bmm),
    Case("mm", [(4, 5)], torch.mm, [(5, 3)]),
    Case("mv", [(4, 5)], torch.mv, [(5,)]),
    Case("addmm", [(4, 5)], lambda x, b, m: torch.addmm(b, x, m, beta=0.5, alpha=2), [(3,), (5, 3)]),
    Case("addmm", [(4, 5)], lambda x, b, m: torch.addmm(b, x, m, beta=0), [(3,), (5, 3)]),
    Case("baddbmm", [(2, 4, 5), (2, 5, 3)], lambda x, y, b: torch.baddbmm(b, x, y), [(2, 4, 3)]),
    Case("einsum", [(2, 3, 4), (2, 5, 4)], lambda x, y: torch.einsum("bij,bkj->bik", x, y)),
    Case("einsum", [(2, 3, 4)], lambda x, y: torch.einsum("bij,kj", x, y), [(5, 4)]),
    Case("einsum", [(2, 3, 4, 4)], lambda x, y: torch.einsum("...ii,ik->...k", x, y), [(4, 5)]),
    Case("dot", [(5,), (5,)], torch.dot),
    Case("vdot", [(5,)], torch.vdot, [(5,)]),
    Case("addmv", [(3, 4)], lambda x, b, v: torch.addmv(b, x, v, alpha=2), [(3,), (4,)]),
    Case("scaled_dot_product_attention", [(2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 7)], F.scaled_dot_product_attention),
    Case("scaled_dot_product_attention", [(2, 3, 5, 4)], lambda x, m: F.scaled_dot_product_attention(x, x, x, m, scale=0.3), [(5, 5)]),
    Case("scaled_dot_product_attention", [(2, 3, 5, 4)], lambda x, m: F.scaled_dot_product_attention(x, x, x, m), [torch.ones(5, 5, dtype=torch.bool).tril(1)]),
    Case("scaled_dot_product_attention", [(2, 3, 5, 4), (2, 3, 6, 4)], lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True)),
    Case("scaled_dot_product_attention", [(2, 6, 5, 4), (2, 3, 7, 4)], lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True)),
    # -- normalisation
    Case("batch_norm", [(2, 3, 5, 4)], lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(3,), (3,)]),
    Case("batch_norm", [(3, 4)], lambda x, m, v: F.batch_norm(x, m, v, training=True), [(4,), (4,)]),
    Case("batch_norm", [(2, 3, 5, 4)], lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b), [(3,), (3,), (3,), (3,)], wide=False),
    Case("native_batch_norm", [(2, 3, 5)], lambda x, m, v, w, b: torch.native_batch_norm(x, w, b, m, v, False, 0.1, 1e-3)[0], [(3,), (3,), (3,), (3,)], wide=False, outputs=(0,)),
    Case("instance_norm", [(2, 3, 5, 4)], lambda x, w, b: F.instance_norm(x, weight=w, bias=b), [(3,), (3,)]),
    Case("instance_norm", [(2, 3, 7)], lambda x, m, v: F.instance_norm(x, m, v, use_input_stats=False), [(3,), (3,)], wide=False),
    Case("group_norm", [(2, 6, 5, 4)], lambda x, w, b: F.group_norm(x, 3, w, b), [(6,), (6,)]),
    Case("layer_norm", [(2, 3, 5, 4)], lambda x, w, b: F.layer_norm(x, (5, 4), w, b), [(5, 4), (5, 4)]),
    Case("native_layer_norm", [(2, 3, 5)], lambda x: torch.native_layer_norm(x, (5,), None, None, 1e-4)[0], outputs=(0,)),
    Case("rms_norm", [(2, 3, 5)], lambda x, w: F.rms_norm(x, (5,), w, 1e-4), [(5,)]),
    Case("rms_norm", [(2, 3, 5)], lambda x: F.rms_norm(x * 1e-3, (5,))),
    # -- one number at a time
    _plain("relu", F.relu),
    _plain("relu6", F.relu6),
    _plain("hardtanh", lambda x: F.hardtanh(x, -0.5, 1.5)),
    _plain("sigmoid", torch.sigmoid),
    _plain("log_sigmoid", F.logsigmoid),
    _plain("tanh", torch.tanh),
    _plain("silu", F.silu),
    _plain("mish", F.mish),
    _plain("hardswish", F.hardswish),
    _plain("hardsigmoid", F.hardsigmoid),
    _plain("gelu", F.gelu),
    _plain("gelu", lambda x: F.gelu(x, approximate="tanh")),
    _plain("leaky_relu", lambda x: F.leaky_relu(x, 0.2)),
    _plain("elu", lambda x: F.elu(x, 0.7)),
    _plain("selu", F.selu),
    _plain("celu", lambda x: F.celu(x, 0.6)),
    _plain("softplus", F.softplus),
    Case("softplus", [(2, 3, 5)], lambda x: F.softplus(x * 4, beta=2, threshold=1.5)),
    _plain("threshold", lambda x: F.threshold(x, 0.3, -2.0)),
    _plain("hardshrink", lambda x: F.hardshrink(x, 0.4)),
    _plain("softshrink", lambda x: F.softshrink(x, 0.4)),
    _plain("exp", torch.exp),
    _plain("log", torch.log, wide=False),
    _plain("sqrt", torch.sqrt, wide=False),
    _plain("erf", torch.erf),
    _plain("abs", torch.abs),
    _plain("neg", torch.neg),
    _plain("square", torch.square),
    _plain("rsqrt", torch.rsqrt, wide=False),
    _plain("reciprocal", torch.reciprocal, wide=False),
    _plain("clamp", lambda x: torch.clamp(x, -0.5, 1.5)),
    _plain("clamp", lambda x, low: torch.clamp(x, low), held=[torch.tensor(0.25)]),
    _plain("clip", lambda x: torch.clip(x, max=0.5)),
    _plain("clamp_min", lambda x: torch.clamp_min(x, 0.5)),
    _plain("clamp_max", lambda x: torch.clamp_max(x, 0.5)),
    _plain("pow", lambda x: x**3),
    _plain("pow", lambda x: x**-1.7, wide=False),
    _plain("pow", lambda x: x**0.5, wide=False),
    _plain("pow", lambda x: 2.5**x, smooth=False),
    _plain("pow", lambda x, y: x**y, held=[(5, 1)], wide=False),
    *(_plain(op, getattr(torch, op), smooth=False) for op in ("floor", "ceil", "round", "trunc", "frac", "sign", "isnan")),
    *(_plain(op, getattr(torch, op)) for op in ("sin", "cos", "tan", "atan", "sinh", "cosh", "asinh", "expm1", "exp2")),
    *(_plain(op, getattr(torch, op), wide=False) for op in ("log1p", "log2", "log10")),
    *(_plain(op, _after(getattr(torch, op), lambda x: (x / 4,)), wide=False) for op in ("asin", "acos", "atanh")),
    _plain("acosh", lambda x: torch.acosh(x + 1.5), wide=False),
    _plain("logical_not", lambda x: torch.logical_not(torch.relu(x)), smooth=False),
    _plain("bitwise_not", lambda x: ~(x > 0), smooth=False),
    _plain("dropout", lambda x: F.dropout(x, 0.3, False)),
    _plain("feature_dropout", lambda x: torch.feature_dropout(x, 0.3, False)),
    _plain("alpha_dropout", lambda x: torch.alpha_dropout(x, 0.3, False)),
    _plain("clone", lambda x: x.clone()),
    _plain("contiguous", lambda x: x.transpose(1, 2).contiguous()),
    _plain("detach", lambda x: x.detach(), smooth=False),
    _plain("alias", lambda x: torch.ops.aten.alias(x)),
    _plain("identity", lambda x: nn.Identity()(x)),
    _plain("glu", lambda x: F.glu(x, -1)),
    _plain("to", lambda x: x.to(torch.float32, copy=True)),
    _plain("_to_copy", lambda x: torch.ops.aten._to_copy(x)),
    _plain("type_as", lambda x, y: x.type_as(y), held=[torch.zeros(2, dtype=torch.float64)], smooth=False),
    _plain("to", lambda x: x.to(torch.int64), smooth=False),
    _plain("to", lambda x: (x > 0).to(torch.float32), smooth=False),
    # -- several tensors
    Case("add", [(2, 3, 5), (3, 1)], lambda x, y: torch.add(x, y, alpha=2)),
    Case("add", [(2, 3, 5)], lambda x: x + 1.5),
    Case("sub", [(2, 3, 5)], lambda x, y: x - y, [(5,)]),
    Case("subtract", [(2, 3, 5), (5,)], torch.subtract),
    Case("mul", [(2, 3, 5), (2, 3, 5)], lambda x, y: x * y),
    Case("multiply", [(2, 3, 5)], lambda x: torch.multiply(x, 0.3)),
    Case("div", [(2, 3, 5), (3, 5)], lambda x, y: x / y, wide=False),
    Case("divide", [(2, 3, 5)], torch.divide, [(3, 1)], wide=False),
    Case("true_divide", [(2, 3, 5)], lambda x: torch.true_divide(x, 3)),
    Case("rsub", [(2, 3, 5)], lambda x: torch.rsub(x, 2, alpha=3)),
    Case("clamp", [(2, 3, 5)], lambda x: (x * 3).long().clamp(-2, 4), smooth=False),
    Case("relu", [(2, 3, 5)], lambda x: torch.relu((x * 3).long()), smooth=False),
    Case("div", [(2, 3, 5), (3, 5)], lambda x, y: torch.div((x * 9).long(), y.abs().ceil().long(), rounding_mode="floor"), smooth=False),
    Case("mul", [(2, 3, 2)], lambda x, n: x * n, [torch.tensor([7, 4])]),
    Case("div", [(2, 3, 2)], lambda x, n: x / n, [torch.tensor([[7, 4], [1, 3], [9, -2]])]),
    Case("mul", [(2, 3, 5), (3, 5)], lambda x, y: (x > 0) * (y > 1), smooth=False),
    Case("maximum", [(2, 3, 5), (3, 5)], torch.maximum),
    Case("minimum", [(2, 3, 5)], torch.minimum, [(2, 3, 1)]),
    Case("prelu", [(2, 3, 5, 4)], F.prelu, [(3,)]),
    Case("copy", [(2, 3, 5), (3, 5)], lambda x, y: torch.zeros(2, 3, 5).copy_(y) + x),
    Case("where", [(2, 3, 5), (2, 3, 5)], lambda x, y, c: torch.where(c, x, y), [torch.arange(15).reshape(3, 5) % 2 > 0]),
    Case(
        "scaled_dot_product_attention", [(2, 3, 5, 4)], lambda x, seen: F.scaled_dot_product_attention(x, x, x, attn_mask=seen),
        [torch.ones(5, 5).tril().bool()],
    ),
    Case("masked_fill", [(2, 3, 5)], lambda x, c: x.masked_fill(c, -4.0), [torch.arange(15).reshape(3, 5) % 4 > 1]),
    *(Case(op, [(2, 3, 5), (3, 1)], getattr(torch, op), smooth=False) for op in ("eq", "ne", "gt", "lt", "ge", "le")),
    Case("ge", [(2, 3, 5)], lambda x: x.round() >= 1, smooth=False),
    Case("eq", [(2, 3, 5)], lambda x: x.round() == 1, smooth=False),
    *(Case(op, [(2, 3, 5), (3, 1)], _after(getattr(torch, op), lambda x, y: (x > 0, y > 1)), smooth=False) for op in (
        "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor",
    )),
    *(Case(f"__{op}__", [(2, 3, 5), (3, 1)], _after(getattr(torch.Tensor, f"__{op}__"), lambda x, y: (x > 0, y > 1)), smooth=False) for op in ("and", "or", "xor")),
    Case("where", [(2, 3, 5), (2, 3, 5)], lambda x, y: torch.where(x > y, x, 2.0)),
    Case("masked_fill", [(2, 3, 5)], lambda x: x.masked_fill(x > 1, 7.0)),
    Case("div", [(2, 3, 5), (3, 5)], lambda x, y: torch.div(x, y, rounding_mode="trunc"), smooth=False),
    Case("div", [(2, 3, 5), (3, 5)], lambda x, y: torch.div(x, y, rounding_mode="floor"), smooth=False),
    Case("floor_divide", [(2, 3, 5)], lambda x: x // 0.7, smooth=False),
    Case("remainder", [(2, 3, 5), (3, 1)], torch.remainder),
    Case("fmod", [(2, 3, 5)], lambda x: torch.fmod(x, 0.7)),
    Case("addcmul", [(2, 3, 5), (3, 5)], lambda x, y, z: torch.addcmul(x, y, z, value=0.5), [(3, 1)]),
    Case("addcdiv", [(2, 3, 5), (3, 5)], torch.addcdiv, [(3, 1)], wide=False),
    Case("lerp", [(2, 3, 5), (2, 3, 5)], lambda x, y: torch.lerp(x, y, 0.3)),
    Case("lerp", [(2, 3, 5), (2, 3, 5)], torch.lerp, [(3, 1)]),
    # -- reductions
    Case("argmax", [(2, 3, 5)], lambda x: x.argmax(2), smooth=False),
    Case("argmax", [(2, 3, 5)], lambda x: x.argmax(), smooth=False),
    Case("argmin", [(2, 3, 5)], lambda x: x.argmin(1, keepdim=True), smooth=False),
    Case("topk", [(2, 3, 7)], lambda x: x.topk(4, 2)[0]),
    Case("topk", [(2, 7, 3)], lambda x: x.topk(2, 1, largest=False)[1], smooth=False),
    Case("sort", [(2, 3, 7)], lambda x: x.sort(2)[0]),
    Case("argsort", [(2, 3, 7)], lambda x: torch.ops.aten.argsort(x, 2, True), smooth=False),
    Case("prod", [(2, 3, 5)], lambda x: x.prod(2)),
    Case("cumsum", [(2, 3, 5)], lambda x: x.cumsum(1)),
    Case("cumsum", [(2, 3, 5)], lambda x: (x > 0).cumsum(-1), smooth=False),
    Case("cummax", [(2, 3, 5)], lambda x: x.cummax(2)[0], outputs=(0,)),
    Case("cummin", [(2, 5, 3)], lambda x: x.cummin(1)[0], outputs=(0,)),
    Case("logcumsumexp", [(2, 3, 5)], lambda x: x.logcumsumexp(2)),
    Case("linalg_vector_norm", [(2, 3, 5)], lambda x: torch.linalg.vector_norm(x, 3, 1)),
    Case("linalg_vector_norm", [(2, 3, 5)], lambda x: torch.linalg.vector_norm(x, float("inf"), 1)),
    Case("var_mean", [(2, 3, 5)], lambda x: torch.var_mean(x, 2)[0]),
    Case("std_mean", [(2, 3, 5)], lambda x: torch.std_mean(x, 2, correction=0)[0]),
    Case("sum", [(2, 3, 5)], lambda x: (x > 0).sum(2), smooth=False),
    Case("mean", [(2, 3, 5, 4)], lambda x: x.mean((2, 3))),
    Case("mean", [(2, 3, 5)], lambda x: x.mean()),
    Case("sum", [(2, 3, 5, 4)], lambda x: x.sum(-2, keepdim=True)),
    Case("amax", [(2, 3, 5, 4)], lambda x: x.amax((1, 3))),
    Case("amin", [(2, 3, 5, 4)], lambda x: x.amin(1)),
    Case("max", [(2, 3, 5)], lambda x: x.max(1)[0]),
    Case("max", [(2, 3, 5), (3, 5)], torch.max),
    Case("min", [(2, 3, 5)], lambda x: x.min()),
    Case("logsumexp", [(2, 3, 5)], lambda x: x.logsumexp(2)),
    Case("linalg_vector_norm", [(2, 3, 5)], lambda x: torch.linalg.vector_norm(x, 2, 1)),
    Case("norm", [(2, 3, 5)], lambda x: torch.ops.aten.norm(x, 1, [2])),
    Case("var", [(2, 3, 5)], lambda x: x.var(2)),
    Case("var", [(2, 3, 5, 4)], lambda x: x.var((2, 3), correction=0, keepdim=True)),
    Case("std", [(2, 3, 5)], lambda x: x.std(1, correction=0)),
    Case("softmax", [(2, 3, 5)], lambda x: x.softmax(1)),
    Case("_softmax", [(2, 3, 5)], lambda x: torch._softmax(x, 1, False)),
    Case("log_softmax", [(2, 3, 5)], lambda x: x.log_softmax(-1)),
    Case("_log_softmax", [(2, 3, 5)], lambda x: torch._log_softmax(x, 1, False)),
    # -- resizing
    Case("upsample_nearest1d", [(2, 3, 5)], lambda x: F.interpolate(x, scale_factor=3)),
    Case("upsample_nearest2d", [(2, 3, 5, 4)], lambda x: F.interpolate(x, scale_factor=(2, 3))),
    Case("upsample_nearest3d", [(2, 3, 2, 3, 4)], lambda x: F.interpolate(x, scale_factor=2)),
    Case("_upsample_nearest_exact1d", [(2, 3, 5)], lambda x: F.interpolate(x, 10, mode="nearest-exact")),
    Case("_upsample_nearest_exact2d", [(2, 3, 4, 6)], lambda x: F.interpolate(x, (2, 3), mode="nearest-exact")),
    Case("_upsample_nearest_exact3d", [(2, 3, 2, 3, 4)], lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact")),
    Case("upsample_linear1d", [(2, 3, 5)], lambda x: F.interpolate(x, scale_factor=2, mode="linear")),
    Case("upsample_bilinear2d", [(2, 3, 5, 4)], lambda x: F.interpolate(x, (10, 16), mode="bilinear")),
    Case("upsample_trilinear3d", [(2, 3, 2, 3, 4)], lambda x: F.interpolate(x, scale_factor=2, mode="trilinear")),
    Case("upsample_linear1d", [(2, 3, 5)], lambda x: F.interpolate(x, scale_factor=1.7, mode="linear")),
    Case("upsample_bilinear2d", [(2, 3, 5, 4)], lambda x: F.interpolate(x, (7, 3), mode="bilinear", align_corners=True)),
    Case("upsample_bicubic2d", [(2, 3, 5, 4)], lambda x: F.interpolate(x, (7, 9), mode="bicubic")),
    Case("upsample_bicubic2d", [(2, 3, 5, 4)], lambda x: F.interpolate(x, scale_factor=(1.3, 2), mode="bicubic")),
    Case("upsample_trilinear3d", [(2, 3, 2, 3, 4)], lambda x: F.interpolate(x, (3, 5, 7), mode="trilinear", align_corners=True)),
    Case("upsample_nearest2d", [(2, 3, 5, 4)], lambda x: F.interpolate(x, (7, 3))),
    Case("_upsample_bilinear2d_aa", [(2, 3, 12, 11)], lambda x: F.interpolate(x, (5, 7), mode="bilinear", antialias=True)),
    Case("_upsample_bilinear2d_aa", [(2, 3, 5, 7)], lambda x: F.interpolate(x, (11, 4), mode="bilinear", antialias=True)),
    Case("_upsample_bicubic2d_aa", [(2, 3, 12, 11)], lambda x: F.interpolate(x, (5, 7), mode="bicubic", antialias=True)),
    # -- moved
    Case("view", [(2, 3, 20)], lambda x: x.view(2, 3, 4, 5)),
    Case("reshape", [(2, 3, 4, 5)], lambda x: x.reshape(2, 12, 5)),
    Case("flatten", [(2, 3, 4, 5)], lambda x: x.flatten(1)),
    Case("squeeze", [(2, 1, 4, 1)], lambda x: x.squeeze(1)),
    Case("unsqueeze", [(2, 3, 4)], lambda x: x.unsqueeze(-1)),
    Case("unflatten", [(2, 12, 5)], lambda x: x.unflatten(1, (3, 4))),
    Case("view_as", [(2, 12)], lambda x, y: x.view_as(y), [(2, 3, 4)]),
    Case("reshape_as", [(2, 12)], lambda x, y: x.reshape_as(y), [(2, 3, 4)]),
    Case("_unsafe_view", [(2, 12)], lambda x: torch.ops.aten._unsafe_view(x, [2, 4, 3])),
    Case("_reshape_alias", [(2, 12)], lambda x: torch.ops.aten._reshape_alias(x, [2, 4, 3], [12, 3, 1])),
    Case("ravel", [(2, 3, 4)], lambda x: x.ravel()),
    Case("transpose", [(2, 3, 4, 5)], lambda x: x.transpose(1, -1)),
    Case("permute", [(2, 3, 4, 5)], lambda x: x.permute(0, 2, 3, 1)),
    Case("t", [(3, 4)], lambda x: x.t()),
    Case("numpy_T", [(3, 4)], lambda x: x.T),
    Case("mT", [(2, 3, 4)], lambda x: x.mT),
    Case("adjoint", [(2, 3, 4)], lambda x: x.adjoint()),
    Case("movedim", [(2, 3, 4, 5)], lambda x: x.movedim((1, 2), (3, 1))),
    Case("moveaxis", [(2, 3, 4, 5)], lambda x: x.moveaxis(1, -1)),
    Case("swapaxes", [(2, 3, 4)], lambda x: x.swapaxes(1, 2)),
    Case("swapdims", [(2, 3, 4)], lambda x: x.swapdims(1, 2)),
    Case("slice", [(2, 7, 5)], lambda x: x[:, 1:6:2]),
    Case("slice", [(2, 7, 5)], lambda x: x[:, :, -3:]),
    Case("narrow", [(2, 7, 5)], lambda x: x.narrow(1, -4, 3)),
    Case("select", [(2, 7, 5)], lambda x: x[:, -2]),
    Case("chunk", [(2, 7, 5)], lambda x: x.chunk(3, 1)[2]),
    Case("split", [(2, 7, 5)], lambda x: x.split(3, 1)[1]),
    Case("split_with_sizes", [(2, 7, 5)], lambda x: x.split_with_sizes([2, 4, 1], 1)[1]),
    Case("tensor_split", [(2, 7, 5)], lambda x: x.tensor_split(3, 1)[1]),
    Case("tensor_split", [(2, 7, 5)], lambda x: x.tensor_split((2, -1), 1)[1]),
    Case("unbind", [(2, 3, 5)], lambda x: x.unbind(1)[2]),
    Case("expand", [(2, 1, 5)], lambda x: x.expand(2, 3, 5)),
    Case("expand_as", [(2, 1, 5)], lambda x, y: x.expand_as(y), [(4, 2, 3, 5)]),
    Case("broadcast_to", [(3, 1)], lambda x: x.broadcast_to(2, 3, 4)),
    Case("repeat", [(2, 3, 5)], lambda x: x.repeat(2, 1, 4, 3)),
    Case("tile", [(2, 3, 5)], lambda x: x.tile(1, 2)),
    Case("repeat_interleave", [(2, 3, 5)], lambda x: x.repeat_interleave(4, 2)),
    Case("cat", [(2, 3, 5), (2, 4, 5)], lambda x, y: torch.cat((x, y), 1)),
    Case("cat", [(2, 3, 5)], lambda x, y: torch.cat((y.expand(2, 1, 5), x), 1), [(1, 1, 5)]),
    Case("cat", [(2, 3, 5), (2, 2, 5)], lambda x, z, y: torch.cat((x, y.expand(2, 4, 5), z), 1), [(1, 4, 5)]),
    Case("mul", [(2, 3, 5)], lambda x, y: x * y.repeat(2, 1, 1), [(1, 3, 5)]),
    Case("cat", [(1, 3, 5), (1, 3, 2)], lambda x, z, y: torch.cat((y, x, y[:, :, 1:], z), -1), [(1, 3, 4)]),
    Case("concat", [(2, 3, 5), (2, 3, 1)], lambda x, y: torch.concat((x, y), -1)),
    Case("concatenate", [(2, 3, 5), (1, 3, 5)], lambda x, y: torch.concatenate((x, y))),
    Case("stack", [(2, 3, 5), (2, 3, 5)], lambda x, y: torch.stack((x, y), 2)),
    Case("pad", [(2, 3, 5, 4)], lambda x: F.pad(x, (1, 2, -1, 3), value=2.5)),
    Case("pad", [(2, 3, 5)], lambda x: F.pad(x, (1, 2), mode="circular")),
    Case("constant_pad_nd", [(2, 3, 5)], lambda x: torch.constant_pad_nd(x, [1, 2], 0.5)),
    Case("reflection_pad1d", [(2, 3, 5)], lambda x: torch.ops.aten.reflection_pad1d(x, [2, 1])),
    Case("reflection_pad2d", [(2, 3, 5, 4)], lambda x: torch.ops.aten.reflection_pad2d(x, [2, 1, 3, 0])),
    Case("reflection_pad3d", [(2, 3, 2, 3, 4)], lambda x: torch.ops.aten.reflection_pad3d(x, [2, 1, 0, 2, 1, 0])),
    Case("replication_pad1d", [(2, 3, 5)], lambda x: torch.ops.aten.replication_pad1d(x, [2, 1])),
    Case("replication_pad2d", [(2, 3, 5, 4)], lambda x: torch.ops.aten.replication_pad2d(x, [2, 1, 3, 0])),
    Case("replication_pad3d", [(2, 3, 2, 3, 4)], lambda x: torch.ops.aten.replication_pad3d(x, [2, 1, 0, 2, 1, 0])),
    Case("roll", [(2, 3, 5, 4)], lambda x: x.roll((2, -1), (2, 3))),
    Case("flip", [(2, 3, 5, 4)], lambda x: x.flip(1, 3)),
    Case("pixel_shuffle", [(2, 8, 3, 5)], lambda x: F.pixel_shuffle(x, 2)),
    Case("pixel_unshuffle", [(2, 3, 4, 6)], lambda x: F.pixel_unshuffle(x, 2)),
    Case("channel_shuffle", [(2, 6, 3, 5)], lambda x: F.channel_shuffle(x, 3)),
    Case("index_select", [(2, 7, 5)], lambda x, i: x.index_select(1, i), [torch.tensor([6, 0, 2, 2])]),
    Case("index", [(2, 7, 5)], lambda x, i: x[:, i], [torch.tensor([6, 0, -3])]),
    Case("index_select", [(3, 7)], lambda x, i: x.index_select(0, i), [torch.tensor([2, 0])]),
    Case("embedding", [(2, 3)], lambda x, w: F.embedding(x.abs().long(), w), [(7, 4)], smooth=False),
    *(Case("embedding_bag", [(2, 3)], lambda x, w, mode=mode: F.embedding_bag(x.abs().long(), w, mode=mode), [(7, 4)], smooth=False)
      for mode in ("sum", "mean", "max")),
    Case("embedding_bag", [(6,), (6,)], lambda x, y, w, o: F.embedding_bag(x.abs().long(), w, o, mode="sum", per_sample_weights=y),
         [(7, 4), torch.tensor([0, 3])], smooth=False),
    Case("embedding_bag", [(6,)], lambda x, w, o: F.embedding_bag(x.abs().long(), w, o, include_last_offset=True),
         [(7, 4), torch.tensor([0, 3, 6])], smooth=False),
    Case("gather", [(2, 3, 4)], lambda x, i: x.gather(2, i), [torch.tensor([[[3, 0], [1, 1], [0, 2]], [[0, 2], [3, 1], [1, 0]]])]),
    Case("index", [(2, 7, 5, 4)], lambda x, i, j: x[:, i, j], [torch.tensor([[6], [0]]), torch.tensor([1, 4, 2])]),
    Case("index", [(2, 7, 5, 4)], lambda x, i, j: x[:, i, :, j], [torch.tensor([6, 0, 3]), torch.tensor([1, 3, 2])]),
    Case("index", [(2, 7, 5)], lambda x, i: x[:, i], [torch.tensor([[6, 0, -3], [1, 1, 2]])]),
    Case("scatter", [(2, 3, 6), (2, 2, 4)], lambda x, y, i: x.scatter(2, i, y), [APART]),
    Case("scatter", [(2, 3, 6), (2, 2, 4)], lambda x, y: x.scatter(2, y.abs().long(), y), smooth=False),
    Case("scatter", [(2, 3, 6)], lambda x, i: x.scatter(2, i, 1.5), [PLACED]),
    Case("index_add", [(2, 5, 4), (2, 3, 4)], lambda x, y, i: x.index_add(1, i, y, alpha=-2), [torch.tensor([4, 0, 4])]),
    Case("index_add", [(2, 5), (2, 3)], lambda x, y: x.index_add(1, y[0].abs().long(), y), smooth=False),
    Case("index_copy", [(2, 5, 4), (2, 5, 3)], lambda x, y, i: x.index_copy(-1, i, y), [torch.tensor([3, 0, 1])]),
    Case("index_copy", [(2, 5), (2, 3)], lambda x, y: x.index_copy(1, y[0].abs().long(), y), smooth=False),
    Case("scatter_add", [(2, 3, 6), (2, 2, 4)], lambda x, y, i: x.scatter_add(2, i, y), [PLACED]),
    Case("scatter_add", [(2, 3, 6), (2, 3, 4)], lambda x, y: x.scatter_add(2, y.abs().long(), y), smooth=False),
    Case("index_put", [(2, 7, 5), (2, 3, 5)], lambda x, y, i: _written(x, y, i), [torch.tensor([6, 0, -3])]),
    Case("index_put", [(7, 5, 4), (3, 4)], lambda x, y, i, j: x.index_put((i, j), y), [torch.tensor([6, 0, 3]), torch.tensor([1, -1, 2])]),
    Case("index_put", [(7, 5), (3, 1)], lambda x, y, i: x.index_put((i,), y, accumulate=True), [torch.tensor([6, 0, 6])]),
    Case("index", [(2, 7, 5, 4), (3,)], lambda x, i: x[:, i.abs().long(), :, 1:3], smooth=False),
    Case("index", [(7, 5, 4), (3, 1), (2,)], lambda x, i, j: x[i.long(), j.abs().long()], smooth=False),
    Case("index", [(7, 5, 4), (3,)], lambda x, i, j: x[i.long(), :, j], [torch.tensor([1, -3, 2])], smooth=False),
    Case("index", [(7, 5), (7,)], lambda x, i: x[i > 0], smooth=False, unwritten="depends on its mask"),
    Case("index", [(2, 4, 3, 5), (4, 3)], lambda x, i: x[:, i > 0], smooth=False, unwritten="depends on its mask"),
    Case("masked_select", [(4, 3)], lambda x: x.masked_select(x > 0), unwritten="no rule", smooth=False),
    Case("nonzero", [(4, 3)], lambda x: torch.relu(x).nonzero(), smooth=False),
    Case("nonzero_numpy", [(4, 3)], lambda x: torch.relu(x).nonzero(as_tuple=True), smooth=False),
    Case("nonzero", [(9,)], lambda x: (x > 0).nonzero(), smooth=False),
    Case("masked_scatter", [(4, 3), (2, 7)], lambda x, y, c: x.masked_scatter(c, y), [torch.arange(12).reshape(4, 3) % 5 < 3]),
    Case("index_put", [(4, 3, 5), (4, 3)], lambda x, i: x.index_put((i > 0,), torch.tensor(2.5)), smooth=False),
    Case("index_put", [(4, 3, 5), (5,), (4, 3)], lambda x, y, i: x.index_put((i > 0,), y), smooth=False),
    Case("index_put", [(4, 3, 5), (8, 5)], lambda x, y, c: x.index_put((c,), y), [torch.arange(12).reshape(4, 3) % 5 < 3], unwritten="the next number"),
    Case("index_put", [(6, 4), (3, 4), (3,)], lambda x, y, i: x.index_put((i.abs().long(),), y, accumulate=True), smooth=False),
    Case("index_put", [(2, 6, 4), (2, 3, 4), (3,)], lambda x, y, i: _written(x, y, i.abs().long()), smooth=False),
    Case("index_put", [(6, 5, 4), (4,), (3,), (2, 1)], lambda x, y, i, j: x.index_put((i.abs().long(), j.abs().long()), y, accumulate=True), smooth=False),
    Case("scatter", [(2, 3, 6), (4, 3, 7)], lambda x, y, i: x.scatter(2, i, y), [APART], smooth=False),  # PyTorch has no gradient there
    Case("scatter", [(2, 3, 6), (3, 4, 8), (2, 2, 4)], lambda x, y, z: x.scatter(2, z.abs().long(), y), smooth=False),
    Case("scatter", [(2, 3, 6)], lambda x, i: x.scatter(2, i, -1.5, reduce="multiply"), [PLACED], smooth=False),
    *(Case("scatter_reduce", [(2, 3, 6), (2, 2, 4)], lambda x, y, i, how=how, own=own: x.scatter_reduce(2, i, y, how, include_self=own), [PLACED],
           smooth=how != "prod", unwritten="" if own and how != "mean" else "ONNX writes no means")
      for how in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)),
    *(Case("scatter_reduce", [(2, 3, 6), (2, 3, 4)], lambda x, y, how=how, own=own: x.scatter_reduce(2, y.abs().long(), y, how, include_self=own),
           smooth=False, unwritten="" if own and how != "mean" else "ONNX writes no means")
      for how in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)),
    # windows that overlap: the largest number of two goes back to one place
    Case("max_unpool2d", [(2, 3, 7, 5)], lambda x: F.max_unpool2d(*F.max_pool2d(x, 3, 2, return_indices=True), [3, 3], [2, 2])),
    Case("max_unpool3d", [(2, 2, 4, 6, 4)], lambda x: F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), [2, 2, 2])),
    Case("gather", [(2, 3, 6), (2, 3, 4)], lambda x, y: x.gather(2, y.abs().long()), smooth=False),
    Case("index_select", [(7, 5), (4,)], lambda x, y: x.index_select(0, y.abs().long()), smooth=False),
    Case("diagonal", [(2, 5, 4, 3)], lambda x: x.diagonal(1, 1, 2)),
    Case("tril", [(2, 5, 4)], lambda x: x.tril(1)),
    Case("triu", [(2, 3, 5, 4)], lambda x: x.triu(-1)),
    Case("unfold", [(2, 3, 11)], lambda x: x.unfold(2, 4, 3)),
    Case("im2col", [(2, 3, 6, 7)], lambda x: F.unfold(x, (2, 3), (1, 2), (1, 0), (2, 1))),
    Case("col2im", [(2, 12, 12)], lambda x: F.fold(x, (5, 6), (2, 3), 1, (0, 1), (1, 2))),
    Case("col2im", [(2, 18, 4)], lambda x: F.fold(x, (5, 6), (2, 3), (1, 1), (1, 0), (3, 2))),
    Case("put", [(2, 7, 5), (2, 3, 5)], lambda x, y: _written(x, y, slice(1, 7, 2))),
    Case("put", [(2, 7, 5), (2, 3, 5)], lambda x, y: _written(x, y, slice(2, 5))),
    Case("put", [(2, 7, 5), (2, 5)], lambda x, y: _written(x, y, 3)),
    *(Case("grid_sampler", [(2, 3, 5, 4), (2, 3, 7, 2)], partial(F.grid_sample, mode=mode, padding_mode=beyond, align_corners=aligned),
           smooth=mode != "nearest")
      for mode, beyond, aligned in (
          ("bilinear", "zeros", False), ("bilinear", "border", True), ("bilinear", "reflection", False),
          ("nearest", "zeros", True), ("nearest", "border", False), ("nearest", "reflection", False),
          ("bicubic", "zeros", True), ("bicubic", "border", False), ("bicubic", "reflection", True), ("bicubic", "reflection", False),
      )),
    Case("grid_sampler", [(2, 2, 4, 5, 6), (2, 2, 3, 4, 3)], partial(F.grid_sample, padding_mode="reflection", align_corners=False)),
    Case("affine_grid_generator", [(2, 2, 3)], lambda t: F.affine_grid(t, [2, 3, 5, 4], align_corners=False)),
    Case("affine_grid_generator", [(2, 3, 4)], lambda t: F.affine_grid(t, [2, 2, 3, 5, 4], align_corners=True)),
    Case("grid_sampler_2d", [(2, 3, 5, 4)], lambda x, g: torch.ops.aten.grid_sampler_2d(x, g.expand(2, 3, 7, 2), 0, 1, True), [(1, 3, 7, 2)]),
    Case("grid_sampler_3d", [(2, 2, 4, 5, 6), (2, 2, 3, 4, 3)], lambda x, g: torch.ops.aten.grid_sampler_3d(x, g, 1, 1, False), smooth=False),
]  # fmt: skip


def _written(x: Tensor, y: Tensor, where: Any) -> Tensor:
    x = x * 1
    x[:, where] = y
    return x

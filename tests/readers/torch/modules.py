"""Modules that trap tools which look into networks, and the proof that nothing of a module changed.

Sizes differ from one another wherever they can.
"""

from __future__ import annotations

import dataclasses
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

import convscope as cs


class Branches(nn.Module):
    """A branch and a loop that depend on the numbers that went in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, (3, 2))
        self.lin = nn.Linear(5, 4)

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        if x.sum() > 0:
            x = x * 2
        for _ in range(int(x.abs().max().item()) % 3 + 1):
            x = F.relu(x)
        return self.lin(x.mean((2, 3)))


class Functional(nn.Module):
    """Convolutions without modules, weights as plain parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, 3, 3, 2))
        self.shift = nn.Parameter(torch.randn(6))

    def forward(self, x: Any) -> Any:
        x = F.conv2d(x, self.kernel, self.shift, stride=(2, 1), padding=1)
        return F.max_pool2d(F.leaky_relu(x, 0.2), 2)


class Shared(nn.Module):
    """One module used three times, and a weight that two modules share."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.first = nn.Linear(4, 7, bias=False)
        self.second = nn.Linear(4, 7)
        self.second.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        for _ in range(3):
            x = self.act(self.conv(x))
        x = x.mean((2, 3))
        return self.first(x) + self.second(x)


class Normed(nn.Module):
    """Weights that are computed from parameters before every use."""

    def __init__(self) -> None:
        super().__init__()
        self.old = torch.nn.utils.weight_norm(nn.Conv2d(3, 4, 3))
        self.new = parametrizations.weight_norm(nn.Conv2d(4, 5, 3))
        self.spectral = parametrizations.spectral_norm(nn.Conv2d(5, 6, 2))
        self.own = nn.Linear(6, 7)
        parametrize.register_parametrization(self.own, "weight", Symmetric())

    def forward(self, x: Any) -> Any:
        x = self.spectral(self.new(self.old(x)))
        return self.own(x.amax((2, 3)))


class Symmetric(nn.Module):
    def forward(self, weight: Any) -> Any:
        return weight * weight.abs().mean()


class Views(nn.Module):
    """Parts of a map are written in place, through views."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        part = x[:, 1:3]
        part += 1
        rows = x.transpose(1, 2)
        x[:, 0] = 0.5
        flat = x.view(x.shape[0], -1)
        flat.relu_()
        return x.sum((2, 3)) + rows.mean((1, 3))


class Frozen(nn.Module):
    """A normalisation that stays frozen while the rest trains."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.frozen = nn.BatchNorm2d(5).eval()
        self.free = nn.BatchNorm2d(5)
        for parameter in self.frozen.parameters():
            parameter.requires_grad_(False)

    def forward(self, x: Any) -> Any:
        return self.free(self.frozen(self.conv(x)))


@dataclasses.dataclass
class Found:
    scores: Any
    boxes: Any = None


class Several(nn.Module):
    """A dictionary with a tuple with nothing in it, and a dataclass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        return {"maps": (x, None), "found": Found(x.mean((2, 3)))}


class Hooked(nn.Module):
    """A hook that changes what a module gives, and one that changes what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.lin = nn.Linear(5, 4)
        self.conv.register_forward_hook(lambda module, given, out: out * 3)
        self.lin.register_forward_pre_hook(lambda module, given: (given[0] + 1,))

    def forward(self, x: Any) -> Any:
        return self.lin(self.conv(x).mean((2, 3)))


class Slope(nn.Module):
    """A gradient inside the forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.lin = nn.Linear(5, 4)

    def forward(self, x: Any) -> Any:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            energy = self.conv(x).square().sum()
            (slope,) = torch.autograd.grad(energy, x)
        return self.lin(F.adaptive_avg_pool2d(self.conv(x - 0.01 * slope), 1).flatten(1)).detach()


class Remembering(nn.Module):
    """A forward that keeps things in the module, and counts in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.seen: list[Any] = []
        self.alone = [nn.Conv2d(5, 4, 2)]
        self.count: torch.Tensor
        self.register_buffer("count", torch.zeros(1))
        self.last: Any = None
        self.call_it = self.conv.forward

    def forward(self, x: Any) -> Any:
        self.count += 1
        self.last = self.call_it(x)
        self.seen.append(self.last)
        return self.alone[0](F.dropout(self.last, 0.3, training=self.training))


class Kinds(nn.Module):
    """Every kind of layer that is drawn often."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding="same"),
            nn.GroupNorm(4, 8),
            nn.SiLU(),
            nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4, dilation=2),
            nn.InstanceNorm2d(12, affine=True),
            nn.GELU(),
            nn.ConvTranspose2d(12, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
            nn.PReLU(6),
            nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.PixelUnshuffle(2),
            nn.PixelShuffle(2),
            nn.ReflectionPad2d((1, 2, 0, 1)),
            nn.ReplicationPad2d(1),
            nn.Hardswish(),
            nn.ELU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 5),
            nn.LogSoftmax(dim=-1),
        )

    def forward(self, x: Any) -> Any:
        return self.body(x)


class Writing(nn.Module):
    """A parameter that is written into, past autograd, before anything reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(3, 1, 1))
        self.conv = nn.Conv2d(3, 5, 2)

    def forward(self, x: Any) -> Any:
        self.scale.data.mul_(2)
        return self.conv(x * self.scale)


class Rebinding(nn.Module):
    """Parameters are given other memory, and a gradient is left in one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.mean, self.scale = nn.Parameter(torch.zeros(5)), nn.Parameter(torch.ones(5))

    def forward(self, x: Any) -> Any:
        with torch.enable_grad():
            self.conv(x).sum().backward()
        y = self.conv(x)
        self.mean.data = 0.9 * self.mean.data + 0.1 * y.mean((0, 2, 3))
        with torch.no_grad():
            scale: Any = self.scale
            scale.set_(torch.arange(5.0))
        return y * self.scale[:, None, None] - self.mean[:, None, None]


class Slotted(nn.Module):
    """An attribute beside the dictionary, and numbers that are made narrower on the way."""

    __slots__ = ("times",)

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head, self.times = nn.Conv2d(3, 5, 3), nn.Linear(5, 4).half(), 3

    def forward(self, x: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = self.conv(x)
        return self.head(x.float().mean((2, 3)).half()) * self.times


class Chosen(nn.Module):
    """Masks and orders that are buffers, whatever their names are, and rows of different lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Buffer(torch.ones(6, 6).tril().bool())
        self.mask = nn.Buffer(torch.randn(6, 6))
        self.kept = nn.Buffer(torch.tensor([True, False, True]))
        self.order = nn.Buffer(torch.arange(7))

    def forward(self, x: Any) -> Any:
        y = F.scaled_dot_product_attention(x, x, x, attn_mask=self.seen)
        y = y + F.scaled_dot_product_attention(x, x, x, attn_mask=self.mask)
        y = y[:, self.kept] + self.order + self.order * y[:, :1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's own: they are new
            rows = torch.nested.nested_tensor([y[0, 0], y[0, 1, :3]]).to_padded_tensor(0.0)
        return y + rows + y.view(torch.int32).bool()


jit: Any = torch.jit

TRAPS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "branches": (Branches, (1, 3, 8, 9)),
    "functional": (Functional, (1, 3, 9, 8)),
    "shared": (Shared, (1, 4, 6, 7)),
    "normed": (Normed, (1, 3, 10, 11)),
    "views": (Views, (1, 3, 7, 8)),
    "frozen": (Frozen, (1, 3, 6, 8)),
    "several": (Several, (1, 3, 6, 7)),
    "hooked": (Hooked, (1, 3, 6, 7)),
    "slope": (Slope, (1, 3, 6, 7)),
    "remembering": (Remembering, (1, 3, 8, 7)),
    "writing": (Writing, (1, 3, 7, 6)),
    "kinds": (Kinds, (1, 3, 12, 10)),
    "rebinding": (Rebinding, (1, 3, 6, 7)),
    "slotted": (Slotted, (1, 3, 6, 7)),
    "chosen": (Chosen, (1, 3, 6, 7)),
    "traced": (
        lambda: jit.trace(nn.Conv2d(3, 5, 3, stride=(1, 2)).eval(), torch.rand(1, 3, 6, 7)),
        (1, 3, 6, 7),
    ),
    "parallel": (lambda: nn.DataParallel(Shared()), (1, 4, 6, 7)),
    "scripted": (
        lambda: torch.jit.script(nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())),
        (1, 3, 6, 7),
    ),
    "holding a scripted one": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3), torch.jit.script(nn.ReLU())),
        (1, 3, 6, 7),
    ),
    "attention": (lambda: Attention(), (1, 5, 12)),
    "encoder": (lambda: nn.TransformerEncoderLayer(12, 3, 16, batch_first=True), (1, 5, 12)),
}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.attn(x, x, x)[0]


def made(name: str) -> tuple[nn.Module, Any]:
    """Return a trap and an example of its input."""
    torch.manual_seed(5)
    make, shape = TRAPS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, about what is old
        module = make()
    return module, torch.rand(shape)


def opened(module: nn.Module, *example: Any, **more: Any) -> cs.network.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cs.errors.SourceWarning)
        return cs.open(module, *example, **more)


def state(module: nn.Module) -> dict[str, Any]:
    """Return everything of a module, and beside it, that looking may not change."""
    found: dict[str, Any] = {}
    for path, one in module.named_modules():
        found[f"{path} flags"] = one.training
        found[f"{path} keys"] = sorted(one.__dict__) if not _scripted(one) else None
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"):
            found[f"{path} {hooks}"] = list(getattr(one, hooks, {}).items())
        if isinstance(getattr(one, "seen", None), list):
            found[f"{path} seen"] = len(one.seen), one.last is None
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        grad = tensor.grad if tensor.is_leaf else None
        found[name] = (
            tensor.detach().clone(),
            tensor._version,
            tensor.data_ptr(),
            tensor.requires_grad,
            tensor.device,
            tensor.dtype,
            None if grad is None else grad.clone(),
        )
    everywhere: Any = torch.nn.modules.module
    hooked = everywhere._global_forward_hooks, everywhere._global_forward_pre_hooks
    found["global hooks"] = tuple(map(len, hooked))
    found["random"] = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    found["fast path"] = torch.backends.mha.get_fastpath_enabled()
    found["grad"] = torch.is_grad_enabled()
    return found


def _scripted(one: Any) -> bool:
    return isinstance(one, torch.jit.ScriptModule)


def same(a: Any, b: Any) -> bool:
    """Whether two states, outputs or whatever are equal, tensors to the last bit."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if dataclasses.is_dataclass(a) and type(a) is type(b):
        return same(vars(a), vars(b))
    return bool(a == b)


@contextmanager
def unchanged(module: nn.Module, *tensors: Any) -> Iterator[None]:
    """Hold that nothing of a module, or of tensors beside it, is other after than before."""
    before = state(module), [(t.clone(), t._version) for t in tensors]
    yield
    after = state(module)
    assert [key for key in before[0] if not same(before[0][key], after.get(key))] == []
    assert list(before[0]) == list(after)
    for tensor, (numbers, version) in zip(tensors, before[1], strict=True):
        assert torch.equal(tensor, numbers) and tensor._version == version

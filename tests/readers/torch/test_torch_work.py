"""How much opening, summarising and running a module is, counted: it grows with the layers, and by little."""

from __future__ import annotations

import io
import subprocess
import sys
from itertools import pairwise
from typing import Any

import torch
import work
from torch import nn

import convscope as cs


def blocks(count: int) -> nn.Module:
    """Return so many blocks of three layers."""
    made = [(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(count)]
    return nn.Sequential(*(one for block in made for one in block)).eval()


def cost(job: Any) -> float:
    """Return how many calls a layer takes, PyTorch's own among them, once everything is known."""
    job(10), job(30)
    return (work.calls(lambda: job(30)) - work.calls(lambda: job(10))) / 60


def test_a_layer_is_little_work() -> None:
    x = torch.rand(1, 4, 6, 7)
    modules = {count: blocks(count) for count in (10, 30)}

    def called(count: int) -> None:
        with torch.no_grad():
            modules[count](x)

    plain = cost(called)
    nets = {count: cs.open(module, x) for count, module in modules.items()}
    opening = cost(lambda count: cs.open(modules[count], x)) - plain
    summary = cost(lambda count: nets[count].summary(file=io.StringIO()))
    run = cost(lambda count: nets[count].run(x.numpy()[0])) - plain
    assert opening < 240 and summary < 100 and run < 82


def test_a_layer_that_is_like_no_other_is_little_work() -> None:
    """Its equation is stated, its facts and its field are derived, its row is laid out."""
    x = torch.rand(1, 4, 6, 7)

    def first(count: int, least: int) -> int:
        widths = [4, *range(least, least + count)]
        made = [
            (nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in pairwise(widths)
        ]
        module = nn.Sequential(*(one for block in made for one in block)).eval()
        return work.calls(lambda: cs.open(module, x).summary(file=io.StringIO()))

    first(10, 5)  # what is loaded and compiled once
    assert (first(20, 200) - first(10, 100)) / 30 < 1340


def test_an_opened_module_loads_what_it_needs() -> None:
    code = (
        "import io, sys, torch, convscope as cs\n"
        "cs.open(torch.nn.Conv2d(3, 5, 3), shape=(3, 8, 9)).summary(file=io.StringIO())\n"
        "print(*(m for m in sys.modules if m.startswith('convscope')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    others = (
        "readers.keras.",
        "building",
        "aten.attention",
        "operators.resizing",
        "engine.runtime",
    )
    assert [m for m in loaded if m.removeprefix("convscope.").startswith(others)] == []
    assert len(loaded) <= 73  # each costs a tenth of a millisecond or more

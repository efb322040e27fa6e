"""What convscope says of 29 architectures of transformers', beside what others say of the same modules.

    python bench/architectures.py [NAME ...]

Random weights, small images, one network at a time; prints a table in Markdown, which docs/architectures.md holds. A
number of every layer that has an equation is proved against PyTorch's own; MACs are compared with fvcore's counter
and with PyTorch's, and every difference must have its explanation; receptive fields are compared with those of
the ONNX file that the module is exported to, layer by layer. What is not explained ends the script.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "readers" / "torch")]

HEADING = (
    "network", "image", "layers", "without equation", "parameters", "MACs", "of two inputs", "PyTorch's counter",
    "not counted there", "only counted there", "fvcore", "numbers proved", "receptive fields",
)  # fmt: skip


class Fields(NamedTuple):
    """How many layers have the receptive field that the ONNX file's has, and how many are known on one side only."""

    same: int
    here: int
    there: int

    def __str__(self) -> str:
        more = [
            f"{n} {where}"
            for n, where in ((self.here, "known here only"), (self.there, "there only"))
            if n
        ]
        return ", ".join([f"{self.same} the same", *more])


def proved(net: Any, run: Any) -> tuple[int, int]:
    """Return how many layers' numbers were proved, at one random place each, of how many that have an equation."""
    import numpy as np

    rng = np.random.default_rng(11)
    good = every = 0
    for layer, node in net.graph.nodes.items():
        if node.layer.opaque:
            continue
        where = tuple(int(rng.integers(size)) for size in run[layer].shape)
        every += 1
        good += run.trace(layer, where).facts.agrees
    return good, every


def counted(module: Any, x: Any) -> int:
    """Return how many multiply–accumulates PyTorch's own counter finds; it counts two operations for each."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return counter.get_total_flops() // 2


def fvcores(module: Any, x: Any) -> dict[str, int]:
    """Return what fvcore counts, by its name of the operator."""
    from fvcore.nn import FlopCountAnalysis

    logging.disable(logging.WARNING)
    try:
        return dict(FlopCountAnalysis(module, x).by_operator())
    finally:
        logging.disable(logging.NOTSET)


def fields(net: Any, folder: Path) -> Fields | None:
    """Return how the receptive fields compare with those of the network's ONNX file; None where it is not written."""
    import convscope as cs

    try:
        net.export(folder / "net.onnx")
    except cs.errors.ConvscopeError:
        return None
    graph = cs.open(folder / "net.onnx").graph
    same = here = there = 0
    for name in net.graph.nodes:
        if name not in graph.nodes:  # what only renames is folded away in the file
            continue
        ours, theirs = net.graph.receptive_field(name), graph.receptive_field(name)
        known = [[s is not None for s in f.size] if f is not None else [] for f in (ours, theirs)]
        if ours == theirs:
            same += 1
        elif len(known[0]) == len(known[1]):
            pairs = zip(ours.size, theirs.size, strict=True)
            assert all(a == b for a, b in pairs if None not in (a, b)), (name, ours, theirs)
            here += sum(known[0]) > sum(known[1])
            there += sum(known[0]) < sum(known[1])
        else:
            here, there = here + bool(known[0]), there + bool(known[1])
    return Fields(same, here, there)


def row(name: str, folder: Path) -> list[str]:
    """Return one network's row; end the script where a difference has no explanation."""
    import torch
    from architectures import CONSTANT, made

    import convscope as cs

    module, shape = made(name)
    torch.manual_seed(1)
    x = torch.rand(1, *shape)
    net = cs.open(module, x)
    graph, totals = net.graph, net.facts().totals
    assert totals.params == sum(p.numel() for p in module.parameters()), name
    layers = {n: (node.layer, graph.facts[n]) for n, node in graph.nodes.items()}
    fused = sum(
        f.products or 0
        for one, f in layers.values()
        if one.use.op == "scaled_dot_product_attention"
    )
    macs, products, other = int(totals.macs), int(totals.products), counted(module, x)
    beside = CONSTANT.get(name, 0)
    assert macs + products - fused + beside == other, (name, macs, products, fused, other)
    theirs = fvcores(module, x)
    by_word = sum(
        f.macs or 0 for one, f in layers.values()
        if one.use.op.startswith("conv") and isinstance(dict(one.use.settings).get("padding"), str)
    )  # fmt: skip
    ours = sum(
        f.macs or 0 for one, f in layers.values() if one.use.op.startswith(("conv", "linear"))
    )
    dense = theirs.get("conv", 0) + theirs.get("linear", 0) + theirs.get("addmm", 0)
    assert ours - by_word + beside == dense, (name, ours, by_word, dense)
    good, every = proved(net, net.run(x.numpy()))
    assert good == every, (name, good, every)
    compared = fields(net, folder)
    opaque = sum(one.opaque for one, _ in layers.values())
    figures = (len(layers), opaque, totals.params, macs, products, other, fused, beside)
    said = "equal" if not by_word else f"{by_word:,} fewer: padding by a word"
    return [
        name, "×".join(map(str, shape)), *[f"{n:,}" if n else "–" for n in figures], said, f"{good} of {every}",
        str(compared) if compared is not None else "not written as ONNX",
    ]  # fmt: skip


def main() -> None:
    warnings.simplefilter("ignore")
    from architectures import ARCHITECTURES

    print("| " + " | ".join(HEADING) + " |\n|" + " --- |" * len(HEADING), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or ARCHITECTURES:
            print("| " + " | ".join(row(name, Path(folder))) + " |", flush=True)


if __name__ == "__main__":
    main()

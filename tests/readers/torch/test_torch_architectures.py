"""Networks of transformers': explained, proved number by number, counted as others count them."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import convscope as cs

from .architectures import ARCHITECTURES, CONSTANT, USUAL, made

NAMES = [n if n in USUAL else pytest.param(n, marks=pytest.mark.full) for n in ARCHITECTURES]


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_proved(name: str) -> None:
    module, shape = made(name)
    x = torch.rand(1, *shape)
    net = cs.open(module, x)
    opaque: list[Any] = [n.layer for n in net.graph.nodes.values() if n.layer.opaque]
    assert opaque == []
    assert net.warnings == []
    assert net.graph.totals.params == sum(p.numel() for p in module.parameters())
    run = net.run(x.numpy())
    assert run.graph is net.graph
    rng = np.random.default_rng(7)
    for layer, node in net.graph.nodes.items():
        assert run[layer].shape == net.graph.shape(layer)
        if not node.layer.opaque:
            where = tuple(int(rng.integers(size)) for size in run[layer].shape)
            trace = run.trace(layer, where).facts
            assert trace.agrees, (
                layer,
                where,
                trace.value,
                trace.engine_value,
                trace.ledger.rounding,
            )


@pytest.mark.parametrize("name", NAMES)
def test_modules_give_what_they_give(name: str) -> None:
    module, shape = made(name)
    x = torch.rand(1, *shape)
    seen: dict[str, Any] = {}

    def keep(path: str) -> Any:
        def hook(one: Any, given: Any, out: Any) -> None:
            if isinstance(out, torch.Tensor):
                seen.setdefault(path, out.detach().clone())

        return hook

    for path, one in module.named_modules():
        if not list(one.children()):
            one.register_forward_hook(keep(path))
    with torch.no_grad():
        module(x)
    run = cs.open(module, x).run(x.numpy())
    compared = 0
    for path, value in seen.items():
        if path in run.activations:
            found = run[path]
            expected = value.numpy()
            assert np.array_equal(
                found, expected if expected.shape == found.shape else expected[0]
            ), path
            compared += 1
    assert compared > 5


@pytest.mark.parametrize("name", NAMES)
def test_work_is_what_pytorchs_counter_counts(name: str) -> None:
    module, shape = made(name)
    x = torch.rand(1, *shape)
    net = cs.open(module, x)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    facts = net.graph.facts
    # fused attention on a processor is not among what it counts
    layers: dict[str, Any] = {n: node.layer for n, node in net.graph.nodes.items()}
    fused = sum(
        facts[n].products or 0
        for n, layer in layers.items()
        if layer.use.op == "scaled_dot_product_attention"
    )
    totals = net.facts().totals
    assert totals.macs is not None and totals.products is not None
    ours = totals.macs + totals.products - fused
    assert 2 * (ours + CONSTANT.get(name, 0)) == counter.get_total_flops()


@pytest.mark.parametrize("name", NAMES)
def test_work_is_what_fvcore_counts(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

    module, shape = made(name)
    x = torch.rand(1, *shape)
    net = cs.open(module, x)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            counted = FlopCountAnalysis(module, x).by_operator()
    finally:
        logging.disable(logging.NOTSET)
    ours: dict[str, int] = {}
    for layer, node in net.graph.nodes.items():
        op = node.layer.use.op  # type: ignore[attr-defined]
        ours[op] = ours.get(op, 0) + (net.graph.facts[layer].macs or 0)
    convolutions = sum(n for op, n in ours.items() if op.startswith("conv"))
    if name != "siglip":  # fvcore leaves out convolutions whose padding is a word
        assert convolutions == counted["conv"]
    assert ours.get("linear", 0) + CONSTANT.get(name, 0) == counted["linear"] + counted["addmm"]


def test_attention_has_a_column_of_its_own() -> None:
    module, shape = made("vit")
    net = cs.open(module, shape=shape)
    rows = {row.name: row for row in net.facts().rows}
    attention = next(r for r in rows.values() if r.kind == "scaled_dot_product_attention")
    # 17 rows of 24 numbers in 3 heads: scores and their use, 17·17·24 each
    assert (attention.macs, attention.products) == (0, 2 * 17 * 17 * 24)
    assert net.facts().totals.products == 2 * 2 * 17 * 17 * 24

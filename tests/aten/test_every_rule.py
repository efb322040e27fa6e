"""Every rule of a PyTorch operator against PyTorch itself: numbers, gradients by autograd, and its ONNX form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from campaigns import in_turn

import convscope as cs
from convscope.aten import rules
from convscope.aten.layer import Operator
from convscope.errors import UnsupportedError
from convscope.layers.base import tensor_names
from convscope.notation import Equation
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate_all
from convscope.notation.ledger import ledger
from convscope.readers.torch.build import build
from convscope.readers.torch.graph import TorchGraph
from convscope.readers.torch.onnx_form import model_of
from convscope.readers.torch.recording import record

from .cases import CASES, Called, Case

Array = np.ndarray[Any, Any]

BY_RULE: dict[str, list[Case]] = {}
for case in CASES:
    BY_RULE.setdefault(case.op, []).append(case)


def recorded(case: Case) -> tuple[Called, TorchGraph, tuple[torch.Tensor, ...], dict[str, Array]]:
    """Return a case as a graph, its inputs, and every value that PyTorch computed, all rows of the batch."""
    module = Called(case).eval()
    inputs = module.inputs()
    named = {f"x{n}": x for n, x in enumerate(inputs)}
    recording = record(module, inputs, {}, named, keep=True)
    assert recording.failure is None, recording.failure
    rows = {shape[0] for shape in case.given}
    graph = build(recording, "net", len(rows) == 1 and len(case.given[0]) > 1)
    if set(graph.nodes) - graph.batched:  # it joins the rows of the batch
        graph = build(recording, "net", False)
    values = {name: value.tensor.detach().numpy() for name, value in graph.fetched.items()}
    return module, graph, inputs, values | {n: x.numpy() for n, x in named.items()}


def of_rule(graph: TorchGraph, case: Case) -> list[str]:
    """Return the layers that an operator became, those of its outputs that have an equation."""
    uses = {n: node.layer.use for n, node in graph.nodes.items() if isinstance(node.layer, Operator)}  # fmt: skip
    held = [n for n, use in uses.items() if use.op == case.op]
    return [n for n in held if case.outputs is None or uses[n].output in case.outputs]


def rows_of(
    graph: TorchGraph, name: str, values: Mapping[str, Array]
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yield what a layer reads, for each row of the batch (once where its output is no row of it)."""
    node = graph.nodes[name]
    names = tensor_names(len(node.inputs))
    for row in range(graph.rows if name in graph.batched else 1):
        found = dict(node.layer.weights)
        for tensor, feed in zip(names, node.inputs, strict=True):
            one = feed in graph.batched and name in graph.batched
            found[tensor] = values[feed][row] if one else values[feed]
        yield row, found


def equation_of(graph: TorchGraph, name: str) -> Equation:
    layer = graph.nodes[name].layer
    found = graph.facts[name].equation
    assert found is not None, layer.reason
    return found


def test_every_rule_has_a_case() -> None:
    assert sorted(set(rules()) - {case.op for case in CASES}) == []


@in_turn("case", BY_RULE)
def test_its_numbers_and_its_gradient_are_pytorchs(case: Case) -> None:
    module, graph, inputs, values = recorded(case)
    layers = of_rule(graph, case)
    assert layers, [node.layer.use for node in graph.nodes.values()]  # type: ignore[attr-defined]
    rng = np.random.default_rng(3)
    for name in layers:
        equation = equation_of(graph, name)
        whole = name in graph.batched
        for row, given in rows_of(graph, name, values):
            expected = values[name][row] if whole else values[name]
            found = evaluate_all(equation, given)
            assert np.allclose(found, expected, 1e-5, 1e-5, equal_nan=True), str(equation)
            for _ in range(3):
                place = tuple(int(rng.integers(size)) for size in expected.shape)
                taken = ledger(equation, place, given)
                away = abs(taken.value - float(expected[place]))
                same = np.array_equal(taken.value, float(expected[place]), equal_nan=True)
                assert away <= taken.rounding or same, (place, str(equation))
    if case.smooth and len(graph.nodes) == 1:
        for x in inputs:
            x.requires_grad_()
        out = module(*inputs)
        reached = torch.from_numpy(rng.normal(size=tuple(out.shape)).astype(np.float32))
        expected = [g.numpy() for g in torch.autograd.grad(out, inputs, reached)]
        (name,) = graph.nodes
        grown = _gradients(graph, name, values, reached.numpy())
        for n, theirs in enumerate(expected):
            assert np.allclose(grown[f"x{n}"], theirs, 1e-4, 1e-4), str(equation_of(graph, name))


def _gradients(
    graph: TorchGraph, name: str, values: Mapping[str, Array], reached: Array
) -> dict[str, Array]:
    """Return the gradient of every input of a layer, over all rows."""
    node = graph.nodes[name]
    back = adjoint(equation_of(graph, name))
    whole = name in graph.batched
    names = tensor_names(len(node.inputs))
    sums = {feed: np.zeros(values[feed].shape) for feed in node.inputs}
    for row, given in rows_of(graph, name, values):
        exact = {n: np.asarray(a, np.float64) for n, a in given.items()}
        exact[OUTPUT] = (reached[row] if whole else reached).astype(np.float64)
        for tensor, feed in zip(names, node.inputs, strict=True):
            if tensor in back:
                sums[feed][row if whole and feed in graph.batched else ...] += evaluate_all(
                    back[tensor], exact
                )
    return sums


@in_turn("case", {op: cases for op, cases in BY_RULE.items() if rules()[op].onnx})
def test_its_onnx_form_gives_pytorchs_numbers(case: Case) -> None:
    _, graph, inputs, values = recorded(case)
    layers = of_rule(graph, case)
    try:
        model = model_of(graph, layers)
    except UnsupportedError as error:
        assert case.unwritten, str(error)
        assert case.unwritten in str(error)
        return
    assert not case.unwritten
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # starting others would take longer than the run
    session = ort.InferenceSession(model.SerializeToString(), options)
    kinds = {
        one.name: np.float64 if "double" in one.type else np.float32 for one in session.get_inputs()
    }
    feeds = {
        f"x{n}": x.numpy().astype(kinds[f"x{n}"]) for n, x in enumerate(inputs) if f"x{n}" in kinds
    }
    for name, found in zip(layers, session.run(layers, feeds), strict=True):
        assert found.shape == values[name].shape
        assert np.allclose(found, values[name], 1e-4, 1e-5, equal_nan=True), case.op


def test_what_is_no_number_stays_none_where_pytorch_keeps_it() -> None:
    given = torch.tensor([[0.5, float("nan"), 2.0, -1.0]])
    functional = torch.nn.functional
    names = ("relu", "relu6", "hardtanh", "hardshrink", "softshrink", "leaky_relu", "elu", "hardsigmoid", "hardswish")  # fmt: skip
    functions = [getattr(functional, name) for name in names]
    for of in (*functions, lambda x: functional.threshold(x, 0.1, 20.0)):
        case = Case("", [(1, 4)], of)
        net = cs.open(Called(case), given)
        layer, expected = net.graph.outputs[0], of(given).numpy()
        assert np.isnan(expected[0, 1])
        assert np.isnan(net.trace(given.numpy()[0], layer, (1,)).facts.value)
        assert isinstance(net.graph, TorchGraph)
        session = ort.InferenceSession(model_of(net.graph, (layer,)).SerializeToString())
        (found,) = session.run(None, {session.get_inputs()[0].name: given.numpy()})
        np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


def test_settings_without_an_equation_are_not_written() -> None:
    given, weighed = torch.rand(1, 4, 3), torch.nn.functional.binary_cross_entropy_with_logits
    for of in (
        lambda x: torch.linalg.norm(x, 1, (1, 2)),
        lambda x: torch.linalg.norm(x, "nuc", (1, 2)),
        lambda x: torch.linalg.norm(x, 0, 1),
        lambda x: weighed(x, x, pos_weight=torch.tensor(3.0)),
    ):
        graph = cs.open(Called(Case("", [(1, 4, 3)], of)), given).graph
        assert isinstance(graph, TorchGraph)
        with pytest.raises(UnsupportedError, match=r"norm|weighed"):
            model_of(graph, graph.outputs)

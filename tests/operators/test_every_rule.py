"""Every rule of an ONNX operator against ONNX Runtime: whole outputs, ledgers; its gradient against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from campaigns import in_turn
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

import convscope
from convscope.layers.base import tensor_names
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate_all
from convscope.operators import rules
from convscope.operators.layer import Operator

from .cases import CASES, Case

Array = np.ndarray[Any, Any]

BY_RULE: dict[str, list[Case]] = {}
for case in CASES:
    BY_RULE.setdefault(case.op, []).append(case)


def drawn(shape: Any, seed: int, wide: bool) -> Array:
    if not isinstance(shape, tuple):
        return np.asarray(shape)
    low, high = (-3.0, 3.0) if wide else (0.2, 1.8)
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def model_of(case: Case) -> tuple[ModelProto, dict[str, Array]]:
    """Return a model of the one node, and what is fed."""
    fed = {f"x{n}": drawn(one, n, case.wide) for n, one in enumerate(case.given)}
    held = {
        f"w{n}": drawn(one, 50 + n, case.wide) for n, one in enumerate(case.held) if one is not None
    }
    names = [*fed, *("" if one is None else f"w{n}" for n, one in enumerate(case.held))]
    if (
        case.op == "Gather"
        and not isinstance(case.held[:1] and case.held[0], np.ndarray)
        and case.held
    ):
        names = names[::-1]  # a table, and which of its rows
    outputs = [f"y{n}" for n in range(case.outputs)]
    nodes = [helper.make_node(case.op, names, outputs, "node", **case.settings)]
    if case.op == "Constant":
        nodes = [helper.make_node("Add", names, outputs, "node")]
    kinds = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in fed.items()}
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in fed.items()],
        [ValueInfoProto(name=n) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in held.items()],
    )
    opsets = [helper.make_opsetid("", case.opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), fed


def test_every_rule_has_a_case() -> None:
    assert sorted(set(rules()) - {case.op for case in CASES}) == []


@in_turn("case", BY_RULE)
def test_its_numbers_are_the_engines(case: Case) -> None:
    model, fed = model_of(case)
    net = convscope.open(model)
    given = {n: a if len(net.graph.inputs[n]) == a.ndim else a[0] for n, a in fed.items()}
    if case.op in ("Swish",):  # ONNX Runtime has no such operator yet
        (name,) = net.graph.nodes
        equation = net.graph.facts[name].equation
        x = given["x0"]
        assert equation is not None
        assert np.allclose(evaluate_all(equation, {"in": x}), x / (1 + np.exp(-1.5 * x)))
        return
    run = net.run(given)
    rng = np.random.default_rng(7)
    for name, node in net.graph.nodes.items():
        layer, equation = node.layer, net.graph.facts[name].equation
        assert isinstance(layer, Operator)
        assert equation is not None, layer.reason
        values: dict[str, Any] = dict(layer.weights)
        for tensor, feed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True):
            values[tensor] = run[feed]
        found, expected = evaluate_all(equation, values), run[name]
        assert found.shape == expected.shape
        assert np.allclose(found, expected, 1e-5, 1e-5, equal_nan=True), str(equation)
        for _ in range(3):
            place = tuple(int(rng.integers(size)) for size in expected.shape)
            facts = run.trace(name, place).facts
            assert facts.agrees, (place, facts.value, facts.engine_value, str(equation))
        # whole numbers, and what is true or false, do not move a little
        small = all(a.dtype == np.float32 for a in fed.values())
        floats = [n for n, a in values.items() if np.asarray(a).dtype == np.float32 and small]
        exact = {n: np.asarray(a, np.float64) for n, a in values.items()}
        reached = rng.normal(size=found.shape)
        with np.errstate(all="ignore"):
            back = adjoint(equation)
            for tensor in floats:
                if tensor not in back:
                    continue
                away = rng.normal(size=exact[tensor].shape)
                moved = [{**exact, tensor: exact[tensor] + s * 1e-6 * away} for s in (1, -1)]
                up, down = ((evaluate_all(equation, m) * reached).sum() for m in moved)
                ours = (evaluate_all(back[tensor], {**exact, OUTPUT: reached}) * away).sum()
                assert np.isclose(ours, (up - down) / 2e-6, 1e-4, 1e-4), (tensor, str(equation))

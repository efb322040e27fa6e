"""Gradients as equations: central differences and ⟨J u, v⟩ = ⟨u, Jᵀ v⟩ for every kind and operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from campaigns import in_turn
from given import case, samples

from convscope.layers.base import Sample
from convscope.notation import Axis, Equation, source, weight
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate_all

Array = np.ndarray[Any, Any]
STEP = 1e-6


def prove(equation: Equation, values: Mapping[str, Array], seed: int = 7) -> None:
    """Hold every gradient to central differences along random directions, and at single places."""
    rng = np.random.default_rng(seed)
    exact = {name: np.asarray(a, np.float64) for name, a in values.items()}
    v = rng.normal(size=tuple(equation.shape))
    with np.errstate(all="ignore"):
        for name, gradient in adjoint(equation).items():
            found = evaluate_all(gradient, {**exact, OUTPUT: v})
            assert found.shape == exact[name].shape, name

            def forward(moved: Array, name: str = name) -> float:
                return float((evaluate_all(equation, {**exact, name: moved}) * v).sum())

            size = np.abs(found).max(initial=0.0) + 1.0
            directions = [np.asarray(rng.normal(size=found.shape)) for _ in range(2)]
            for _ in range(3):
                one = np.zeros(found.shape)
                one[tuple(int(rng.integers(s)) for s in found.shape)] = 1.0
                directions.append(one)
            for u in directions:
                x = exact[name]
                expected = (forward(x + STEP * u) - forward(x - STEP * u)) / (2 * STEP)
                ours = float((found * u).sum())
                room = 2e-6 * size * (1 + np.abs(u).sum())
                assert abs(ours - expected) <= room, (name, str(gradient), ours, expected)


@in_turn("sample", samples())
def test_every_sample_of_every_kind(sample: Sample) -> None:
    ours = case(sample)
    prove(ours.equation, ours.values)


# -- ONNX's operators ---------------------------------------------------------------------------------


@pytest.mark.full  # tests/operators takes each rule
def test_operators_of_onnx() -> None:
    """Up to four different equations of every operator of ONNX's conformance cases."""
    import warnings

    from readers.onnx.test_onnx_conformance import explainable, fixed, made

    import convscope
    from convscope.errors import ConvscopeError
    from convscope.layers.base import tensor_names

    rng = np.random.default_rng(12)
    texts: dict[str, set[str]] = {}
    wrong, proved = [], 0
    for one in explainable():
        kind = made(one).graph.node[0].op_type
        seen = texts.setdefault(kind, set())
        if len(seen) == 4:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                graph = convscope.open(fixed(one)).graph
        except ConvscopeError:
            continue
        for name, facts in graph.facts.items():
            e = facts.equation
            if e is None or not all(isinstance(s, int) for s in e.shape) or str(e) in seen:
                continue
            seen.add(str(e))
            node = graph.nodes[name]
            values: dict[str, Array] = dict(node.layer.weights)
            for tensor, shape in zip(
                tensor_names(len(node.inputs)), facts.input_shapes, strict=True
            ):
                low = 1.2 if kind == "Acosh" else 0.2  # which has no value below 1
                values[tensor] = rng.uniform(low, low + 0.7, size=shape)
            try:
                prove(e, values)
                proved += 1
            except AssertionError as error:
                wrong.append(f"{kind} {one.name}: {error}"[:300])
    assert wrong == []
    assert proved > 150


def test_a_number_that_serves_all_is_an_input_too() -> None:
    i, k, each = Axis("i", 3), Axis("k", 4), source((), "each")
    scaled = Equation((i, k), weight("w")[i, k] * each[()] - each[()])
    rng = np.random.default_rng(2)
    prove(scaled, {"w": rng.normal(size=(3, 4)), "each": rng.normal(size=())})

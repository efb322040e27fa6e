"""Equations as ONNX: what ONNX Runtime makes of every kind's equation and of its gradients' equations,
against the equations' own evaluation (numpy), which shares no code with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from campaigns import in_turn
from given import case, samples

from convscope import Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, MaxPooling2D
from convscope.engine.lowering import Board, Held, Lowering, Program
from convscope.layers.base import Layer, Sample, tensor_names
from convscope.notation import Axis, Equation, call, source
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate_all
from convscope.notation.functions import PRIMITIVES, Function
from convscope.notation.rewriting import batched, filled

ROWS = 3


def close(mine: Any, theirs: Any, what: str) -> None:
    size = 1.0 + float(np.abs(theirs).max(initial=0.0))
    assert mine.shape == theirs.shape, what
    np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5 * size, err_msg=what)


def program(equations: dict[str, Equation], values: dict[str, Any]) -> Program:
    board = Board()
    lowering = Lowering(board, {n: Held.plain(n, a.shape) for n, a in values.items()})
    found = {n: (lowering.equation(e), filled(e).axes) for n, e in equations.items()}
    # an equation that is filled anew has axes of its own: those that the tensor has are asked for
    outputs = {
        n: (laid, laid.axes if set(axes) - set(laid.axes) else axes)
        for n, (laid, axes) in found.items()
    }
    return Program(board, {n: a.shape for n, a in values.items()}, outputs, "test")


@in_turn("sample", samples())
def test_every_sample_over_a_batch(sample: Sample) -> None:
    ours = case(sample)
    names = tensor_names(len(ours.inputs))
    row = Axis("n", ROWS, "image")
    equation = filled(batched(filled(ours.equation), row, names))
    rng = np.random.default_rng(5)
    values: dict[str, Any] = dict(ours.weights)
    for name, one in zip(names, ours.inputs, strict=True):
        values[name] = rng.normal(size=(ROWS, *one.shape)).astype(np.float32)
    values[OUTPUT] = rng.normal(size=tuple(equation.shape)).astype(np.float32)
    equations = {"out": equation} | {f"d{n}": e for n, e in adjoint(equation).items()}
    found = program(equations, values).run(values)
    for name, each in equations.items():
        close(found[name], evaluate_all(each, values), f"{name}: {each}")


def operators(layer: Layer, shape: tuple[int, ...], of: str) -> set[str]:
    """Return which operators the equation of a layer, or of a gradient of it, is made of."""
    row = Axis("n", ROWS, "image")
    equation = filled(batched(filled(layer.equation(shape)), row, ("in",)))
    values: dict[str, Any] = {n: np.zeros(s, np.float32) for n, s in equation.weights.items()}
    values |= {"in": np.zeros((ROWS, *shape), np.float32)}
    values[OUTPUT] = np.zeros(tuple(equation.shape), np.float32)
    wanted = equation if of == "out" else adjoint(equation)[of]
    made = program({of: wanted}, values)
    return {o.op for o in made.operators} - {"Reshape", "Transpose"}


def test_forms_become_the_operators_made_for_them() -> None:
    shape = (11, 13, 5)
    conv = Conv2D(7, (3, 2), strides=(1, 2), use_bias=False)
    assert operators(conv, shape, "out") == {"Conv"}
    assert operators(conv, shape, "in") == {
        "Concat",
        "MatMul",
        "Pad",
        "Slice",
    }  # 2 wide in steps of 2
    wider = Conv2D(7, 3, strides=(1, 2), use_bias=False)
    assert operators(wider, shape, "in") == {"ConvTranspose"}
    assert operators(conv, shape, "kernel") == {"Slice", "Concat", "MatMul", "ReduceSum"}
    same = Conv2D(7, 3, padding="same", use_bias=False)
    assert operators(same, shape, "in") == {"ConvTranspose"}
    assert "Conv" in operators(Conv2D(6, 3, groups=2), (11, 13, 4), "out")
    assert "Conv" in operators(DepthwiseConv2D(3, depth_multiplier=2), shape, "out")
    assert "ConvTranspose" in operators(Conv2DTranspose(4, 3, strides=2), shape, "out")
    assert operators(Dense(7, use_bias=False), (5,), "in") == {"MatMul"}
    assert "MaxPool" in operators(MaxPooling2D(2), (10, 12, 5), "out")
    assert "MaxUnpool" in operators(MaxPooling2D(2), (10, 13, 5), "in")
    assert "MaxUnpool" in operators(MaxPooling2D((3, 2)), (10, 13, 5), "in")
    assert "Col2Im" in operators(MaxPooling2D(3, strides=2), (10, 13, 5), "in")


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_every_function_of_the_notation(name: str) -> None:
    c = Axis("c", 7)
    names = ["x", "a", "b"][: PRIMITIVES[name]]
    function = Function(name, tuple(names))
    equation = Equation((c,), call(function, *(source((7,), n)[c] for n in names)))
    rng = np.random.default_rng(3)
    low, high = (1.1, 3.0) if name in ("acosh", "log", "sqrt", "pow") else (-0.9, 0.9)
    values: dict[str, Any] = {n: rng.uniform(low, high, 7).astype(np.float32) for n in names}
    close(
        program({"out": equation}, values).run(values)["out"], evaluate_all(equation, values), name
    )

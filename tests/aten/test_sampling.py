"""Sampling where rules meet: at whole places, half-way between two, beside a NaN, and in how much is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch.nn import functional as F

import convscope
from convscope.aten.rule import axes_of
from convscope.equations.sampling import sampled
from convscope.explain.account import account
from convscope.notation import Equation, macs, other_work, source
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.anatomy import anatomy
from convscope.notation.counting import products_of_inputs
from convscope.notation.evaluation import evaluate_all, gathered
from convscope.notation.ledger import ledger

Array = np.ndarray[Any, Any]


def sampling(sizes: tuple[int, ...], out: tuple[int, ...], mode: str, beyond: str, aligned: bool) -> Equation:  # fmt: skip
    image, grid = source((1, 3, *sizes), "in"), source((1, *out, len(sizes)), "grid")
    return sampled(image, grid, sizes, axes_of((1, 3, *out)), mode, beyond, aligned)


@pytest.mark.parametrize("beyond", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_at_whole_places_slopes_are_pytorchs(mode: str, beyond: str) -> None:
    """The grid that changes nothing: every place is a whole one, where a straight line has a corner."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 5, 4)).astype(np.float32))
    theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    grid = F.affine_grid(theta, [1, 3, 5, 4], align_corners=True).requires_grad_()
    out = F.grid_sample(x, grid, mode, beyond, True)
    reached = torch.from_numpy(np.random.default_rng(1).normal(size=out.shape).astype(np.float32))
    (theirs,) = torch.autograd.grad(out, grid, reached)
    linear = {"bilinear": "linear", "bicubic": "cubic"}[mode]
    equation = sampling((5, 4), (5, 4), linear, beyond, True)
    values = {"in": x.numpy(), "grid": grid.detach().numpy()}
    ours = evaluate_all(adjoint(equation)["grid"], {**values, OUTPUT: reached.numpy()}, np.float32)
    assert np.allclose(evaluate_all(equation, values), out.detach().numpy(), 1e-5, 1e-5)
    assert np.allclose(ours, theirs.numpy(), 1e-4, 1e-4)


def test_half_way_between_two_places_each_engine_has_its_own() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    places = np.arange(-6, 10, 0.5)
    grid = np.stack([(2 * places + 1) / 4 - 1, np.full(32, -0.5)], -1)[None, None].astype(np.float32)  # fmt: skip
    theirs = F.grid_sample(
        torch.from_numpy(x), torch.from_numpy(grid), "nearest", "reflection", False
    )
    equation = sampled(
        source(x.shape, "in"), source(grid.shape, "grid"), (2, 4), axes_of((1, 1, 1, 32)), "nearest", "reflection", False,
    )  # fmt: skip
    assert (evaluate_all(equation, {"in": x, "grid": grid}) == theirs.numpy()).all()
    nodes = [
        helper.make_node(
            "GridSample", ["x", "g"], ["y"], "y", mode="nearest", padding_mode="reflection"
        )
    ]
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape)
        for n, a in (("x", x), ("g", grid))
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, theirs.shape)]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    run = convscope.open(model).run({"x": x[0], "g": grid[0]})
    assert (run["y"] != theirs.numpy()[0]).any()
    for place in range(32):
        assert run.trace("y", (0, 0, place)).facts.value == run["y"][0, 0, place]


def test_a_nan_reaches_what_reads_it_alone() -> None:
    x = np.random.default_rng(2).normal(size=(1, 3, 5, 7)).astype(np.float32)
    x[0, 1, 2, 3] = np.nan
    grid = np.random.default_rng(3).uniform(-1, 1, (1, 6, 8, 2)).astype(np.float32)
    theirs = F.grid_sample(torch.from_numpy(x), torch.from_numpy(grid), align_corners=True).numpy()
    equation = sampling((5, 7), (6, 8), "linear", "zeros", True)
    ours = evaluate_all(equation, {"in": x, "grid": grid})
    assert 0 < np.isnan(theirs).sum() < 10
    assert np.allclose(ours, theirs, 1e-5, 1e-5, equal_nan=True)


def test_few_of_the_places_are_looked_at_and_counted() -> None:
    equation = sampling((56, 48), (6, 8), "linear", "border", False)
    assert gathered(equation) == 4
    assert other_work(equation)["triangle"] == 6 * 8 * (2 + 2)
    assert other_work(equation)["multiply"] == 3 * 6 * 8 * 4 * 2 + 2 * 6 * 8
    assert macs(equation) == products_of_inputs(equation) == 0
    rng = np.random.default_rng(4)
    grid = np.full((1, 6, 8, 2), 0.1)
    taken = ledger(equation, (0, 2, 4, 5), {"in": rng.normal(size=(1, 3, 56, 48)), "grid": grid})
    assert taken.groups is not None
    assert taken.terms == 4
    assert taken.groups.kernels is not None
    # ((0.1 + 1)·56 − 1)/2 = 30.3, and ((0.1 + 1)·48 − 1)/2 = 25.9
    assert np.allclose(taken.groups.kernels, [[[0.7 * 0.1, 0.7 * 0.9], [0.3 * 0.1, 0.3 * 0.9]]])
    assert taken.groups.corners.tolist() == [[0, 30, 25]]


class Sampled(torch.nn.Module):
    def __init__(self, mode: str, beyond: str) -> None:
        super().__init__()
        self.mode, self.beyond = mode, beyond

    def forward(self, x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(x, grid, self.mode, self.beyond, False)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_other_floats_have_their_own_room(mode: str, dtype: torch.dtype) -> None:
    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.normal(size=(1, 2, 9, 7))).to(dtype)
    grid = torch.from_numpy(rng.uniform(-1.2, 1.2, (1, 3, 4, 2))).to(dtype)
    net = convscope.open(Sampled(mode, "border"), (x, grid))
    run = net.run([x, grid])
    places = [(c, y, z) for c in range(2) for y in range(3) for z in range(4)]
    found = [run.trace("Sampled", place).facts for place in places]
    assert all(facts.agrees for facts in found)
    if mode == "bilinear":
        assert max(facts.ledger.rounding for facts in found) < (
            0.3 if dtype == torch.float16 else 1e-12
        )


@pytest.mark.parametrize("beyond", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_places_that_are_no_numbers_are_not_judged(mode: str, beyond: str) -> None:
    rng = np.random.default_rng(6)
    x = torch.from_numpy(rng.normal(size=(1, 2, 9, 7)).astype(np.float32))
    grid = torch.from_numpy(rng.uniform(-1.2, 1.2, (1, 1, 5, 2)).astype(np.float32))
    grid[0, 0, :4, 0] = torch.tensor([np.nan, np.inf, 1e30, -1e9])
    run = convscope.open(Sampled(mode, beyond), (x, grid)).run([x, grid])
    agreed = [run.trace("Sampled", (1, 0, place)).facts.agrees for place in range(5)]
    assert False not in agreed and agreed[4]


def test_words_count_what_is_read() -> None:
    equation = sampling((56, 48), (6, 8), "linear", "zeros", False)
    main = anatomy(equation).main
    assert main is not None
    assert account(main).reads.startswith(
        "It reads 2·2 = 4 numbers, all from map {first} of {source}"
    )


def test_a_nan_reaches_what_each_engine_lets_it_reach() -> None:
    """At whole places and half-way, inside, at the edge and far out; mirrored ones may turn round which place has weight 0."""
    import onnxruntime

    ways = [(m, b) for m in ("bilinear", "bicubic", "nearest") for b in ("zeros", "border")]
    ways += [("nearest", "reflection")]
    places = np.array([-3, -1, -0.5, 0, 1.5, 3, 3.25, 4, 6.5, 7, 7.5, 8, 11], np.float32)
    rows, columns = np.meshgrid((2 * places + 1) / 4 - 1, (2 * places + 1) / 8 - 1, indexing="ij")
    grid = np.stack([columns, rows], -1)[None].astype(np.float32)
    image = np.random.default_rng(4).normal(size=(1, 1, 4, 8)).astype(np.float32)
    node, info = helper.make_node, helper.make_tensor_value_info
    for mode, beyond in ways:
        called = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
        sample = node("GridSample", ["in", "grid"], ["out"], mode=called, padding_mode=beyond)
        shapes = [info("in", TensorProto.FLOAT, image.shape), info("grid", TensorProto.FLOAT, grid.shape)]  # fmt: skip
        graph = helper.make_graph([sample], "g", shapes, [info("out", TensorProto.FLOAT, None)])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        session = onnxruntime.InferenceSession(made.SerializeToString())
        for apart in (False, True):
            equation = sampled(
                source(image.shape, "in"), source(grid.shape, "grid"), (4, 8), axes_of((1, 1, 13, 13)), called, beyond, False, apart,
            )  # fmt: skip
            for spot in ((0, 0), (1, 3), (2, 0), (3, 7)):
                spoilt = image.copy()
                spoilt[(0, 0, *spot)] = np.nan
                values = {"in": spoilt, "grid": grid}
                if apart:
                    theirs = session.run(None, values)[0]
                else:
                    theirs = F.grid_sample(
                        torch.from_numpy(spoilt), torch.from_numpy(grid), mode, beyond, False
                    ).numpy()
                ours = evaluate_all(equation, values)
                assert (np.isnan(ours) == np.isnan(theirs)).all(), (mode, beyond, apart, spot)

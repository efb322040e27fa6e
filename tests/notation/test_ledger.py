"""The arithmetic of one number: what it adds up to, and how far float32 may be off.

The float32 side is ONNX Runtime; for the bound's sharpness, arithmetic by hand.
"""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import textbook
from campaigns import in_turn
from given import Case, case, samples
from work import calls

from convscope.engine.runtime import Engine
from convscope.layers.base import Layer, Sample
from convscope.layers.convolution import Conv2D
from convscope.layers.dense import Dense
from convscope.layers.global_pooling import GlobalAveragePooling2D
from convscope.model.graph import Graph
from convscope.notation import Axis, Equation, Sum, call, source, weight
from convscope.notation.expression import Number, Pieces, Reduction
from convscope.notation.index import as_index
from convscope.notation.ledger import Ledger, ledger

Array = np.ndarray[Any, Any]


def engine_output(layer: Layer, ours: Case) -> Array:
    """Return what ONNX Runtime computes in float32."""
    inputs = {f"input_{n}": x for n, x in enumerate(ours.inputs)}
    graph = Graph("net", {name: x.shape for name, x in inputs.items()})
    layer.name = "layer"
    layer.build(graph.add("layer", layer, list(inputs)).weights, (0,))
    layer.set_weights(list(ours.weights.values()))
    found: Array = Engine(graph, ["layer"]).run({n: x[None] for n, x in inputs.items()})["layer"][0]
    return found


def magnitude(found: Ledger, ours: Case) -> float:
    """Return how large the numbers are that a value is made of.

    Where a ledger lists none, since all are sums of sums (attention), the largest of each tensor stand for them.
    """
    parts = [abs(found.value), abs(found.preactivation), 1e-30]
    if found.groups is None and not found.readings:
        tensors = [*ours.inputs, *ours.weights.values()]
        parts += [float(np.abs(a).max(initial=0)) for a in tensors if np.isfinite(a).all()]
    parts += [abs(r.value) for r in found.readings]
    if found.groups is not None:
        terms = found.groups.windows if found.groups.products is None else found.groups.products
        parts.append(float(np.abs(terms[np.isfinite(terms)]).sum()))
    return sum(parts)


@in_turn("sample", samples())
def test_it_adds_up_and_the_engine_lies_within_the_rounding_which_is_small(sample: Sample) -> None:
    ours = case(sample)
    output = engine_output(sample.layer, ours)
    for position in ours.positions(20):
        found = ledger(ours.equation, position, ours.values)
        assert abs(found.value - float(output[position])) <= found.rounding
        assert found.rounding <= 1e-3 * magnitude(found, ours)
        assert found.value == pytest.approx(ours.at(position), rel=1e-12, abs=1e-12)
        if found.groups is not None and found.reduction == "sum":
            total = float(found.groups.partials.sum()) + (found.bias or 0.0)
            assert total == pytest.approx(found.preactivation, rel=1e-12, abs=1e-12)


MISTAKES = ["padding off by one", "kernel upside down", "slice of the next map", "bias forgotten"]


def mistaken(mistake: str | None, right: Equation) -> Equation:
    """Return the equation of a padded convolution written again, with one of the mistakes."""
    y, x, o = (Axis(axis.name, size) for axis, size in right.sizes.items())
    i, j, c = Axis("i", 3), Axis("j", 4), Axis("c", 3)
    image = source((9, 11, 3)).padded(((1, 1), (2, 1), (0, 0)), "zero")
    left = 1 if mistake == "padding off by one" else 2
    row = 2 - i if mistake == "kernel upside down" else i
    channel = (c + 1) % 3 if mistake == "slice of the next map" else c
    total = Sum(i, j, c)(
        image[y * 2 + i - 1, x + j - left, c] * weight("kernel")[row, j, channel, o]
    )
    bias = 0.0 if mistake == "bias forgotten" else weight("bias")[o]
    return Equation((y, x, o), bias + total)


def convolution() -> Case:
    rng = np.random.default_rng(5)
    equation = textbook.conv2d((9, 11, 3), 5, (3, 4), (2, 1), ((1, 1), (2, 1)))
    image = rng.normal(size=(9, 11, 3)).astype(np.float32)
    weights = {n: rng.normal(size=s).astype(np.float32) for n, s in equation.weights.items()}
    return Case(Conv2D(5, (3, 4)), equation, (image,), weights)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_larger_than_any_rounding(mistake: str) -> None:
    ours = convolution()
    for position in ours.positions(20):
        right = ledger(ours.equation, position, ours.values)
        again = ledger(mistaken(None, ours.equation), position, ours.values)
        assert again.value == pytest.approx(right.value, rel=1e-12)
        wrong = ledger(mistaken(mistake, ours.equation), position, ours.values)
        assert abs(wrong.value - right.value) > 100 * right.rounding


def test_the_bound_of_a_long_sum_holds_for_float32_in_any_order() -> None:
    """4,608 products, added in float32 forwards, backwards, by size and pairwise."""
    equation = textbook.dense(4608, 1)
    rng = np.random.default_rng(2)
    x = rng.uniform(0.0, 1.0, 4608).astype(np.float32)
    kernel = rng.uniform(0.0, 1.0, (4608, 1)).astype(np.float32)
    bias = np.array([0.3], np.float32)
    found = ledger(equation, (0,), {"in": x, "kernel": kernel, "bias": bias})
    products = x * kernel[:, 0]
    orders = [products, products[::-1], np.sort(products), np.sort(products)[::-1]]
    sums = [float(np.cumsum(order, dtype=np.float32)[-1] + bias[0]) for order in orders]
    sums.append(float(products.sum(dtype=np.float32) + bias[0]))
    assert max(abs(s - found.value) for s in sums) <= found.rounding
    assert found.rounding <= 1e-4 * found.value


def test_the_bound_holds_where_every_rounding_goes_the_same_way() -> None:
    # a map of one colour, added up number by number: 8·√n roundings would not be enough
    layer = GlobalAveragePooling2D()
    equation = layer.equation((301, 299, 3))
    for colour in (0.1, 0.3, 0.7):
        image = np.full((301, 299, 3), colour, np.float32)
        ours = Case(layer, equation, (image,), {})
        found = ledger(equation, (1,), ours.values)
        assert found.value == pytest.approx(float(np.float32(colour)), rel=1e-12)
        assert abs(found.value - float(engine_output(layer, ours)[1])) <= found.rounding


def test_the_bound_holds_where_the_bias_is_larger_than_all_else() -> None:
    # ONNX Runtime begins with the bias, and rounds it again with every block of terms
    layer = Dense(37)
    equation = layer.equation((4608,))
    rng = np.random.default_rng(8)
    kernel = (rng.uniform(0.5, 1, (4608, 37)) * 0.01).astype(np.float32)
    weights = {"kernel": kernel, "bias": np.full(37, 1e5, np.float32)}
    ours = Case(layer, equation, (rng.uniform(0.5, 1, 4608).astype(np.float32),), weights)
    output = engine_output(layer, ours)
    for unit in range(37):
        found = ledger(equation, (unit,), ours.values)
        assert abs(found.value - float(output[unit])) <= found.rounding < 1e-4 * found.value


def test_the_parts_of_a_padded_convolution_by_hand() -> None:
    # rows 0 1 2 of one column, kernel 10 20 30, one row of padding on each side
    equation = textbook.conv2d((3, 1, 2), 1, (3, 1), pad=((1, 1), (0, 0)), relu=True)
    image = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.float32)
    kernel = np.array([[[[10], [1]]], [[[20], [2]]], [[[30], [3]]]], np.float32)
    values = {"in": image, "kernel": kernel, "bias": np.array([-200], np.float32)}
    found = ledger(equation, (0, 0, 0), values)
    groups = found.groups
    assert groups is not None and groups.kernels is not None and groups.products is not None
    assert groups.channels.tolist() == [0, 1]
    assert groups.windows[:, :, 0].tolist() == [[0, 1, 3], [0, 2, 4]]
    assert groups.inside[:, :, 0].tolist() == [[False, True, True]] * 2
    assert groups.kernels[:, :, 0].tolist() == [[10, 20, 30], [1, 2, 3]]
    assert groups.products[:, :, 0].tolist() == [[0, 20, 90], [0, 4, 12]]
    assert groups.partials.tolist() == [110, 16]
    assert groups.corners.tolist() == [[-1, 0]] * 2
    assert (found.bias, found.preactivation, found.value) == (-200, -74, 0)
    assert (found.terms, found.reduction, found.activation) == (6, "sum", ("relu",))


def test_the_parts_of_a_pooling_by_hand() -> None:
    equation = textbook.pool2d((3, 2, 2), "mean", (2, 2), (2, 1), ((1, 0), (0, 0)), "skip")
    image = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    found = ledger(equation, (0, 0, 1), {"in": image})
    # the first window hangs over the upper edge: only the 1 and the 3 of row 0 count
    assert found.value == 2.0
    assert found.groups is not None
    assert found.groups.channels.tolist() == [1]
    assert found.groups.partials.tolist() == [2.0]
    assert found.groups.inside.tolist() == [[[False, False], [True, True]]]
    assert (found.terms, found.reduction, found.bias) == (4, "mean", None)


def test_an_equation_without_a_sum_lists_what_it_reads() -> None:
    y = Axis("y", 4)
    a, b = source((4,), "a"), source((4,), "b")
    one = Equation((y,), call(textbook.RELU, a[y] - b[y] * weight("scale")[y]))
    values = {"a": np.arange(4.0), "b": np.ones(4), "scale": np.full(4, 2.0)}
    found = ledger(one, (3,), values)
    assert found.groups is None and found.terms == 0 and found.reduction is None
    assert [(r.name, r.index, r.value, r.role) for r in found.readings] == [
        ("a", (3,), 3.0, "input"),
        ("b", (3,), 1.0, "input"),
        ("scale", (3,), 2.0, "weight"),
    ]
    assert (found.value, found.preactivation, found.activation) == (1.0, 1.0, ("relu",))
    assert ledger(one, (1,), values).preactivation == -1.0


def test_softmax_tells_the_number_before_it() -> None:
    layer = Dense(3, activation="softmax")
    equation = layer.equation((2,))
    kernel = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    values = {"in": np.array([1, 10], np.float32), "kernel": kernel, "bias": np.ones(3, np.float32)}
    found = ledger(equation, (1,), values)
    assert found.preactivation == 1 + 2 + 50 == 53
    # 42, 53 and 64 before: e⁻¹¹ / (1 + e⁻¹¹ + e⁻²²)
    assert found.value == pytest.approx(np.exp(-11) / (1 + np.exp(-11) + np.exp(-22)), rel=1e-12)


def test_a_value_is_the_activation_of_the_number_before_it_to_the_last_digit() -> None:
    ours = case(Sample(Conv2D(5, 3, activation="relu"), ((9, 8, 64),)))
    found = [ledger(ours.equation, position, ours.values) for position in ours.positions(30)]
    assert {one.value == max(one.preactivation, 0.0) for one in found} == {True}
    assert any(one.value for one in found)


def test_a_sum_of_products_is_looked_at_as_a_whole() -> None:
    equation = Conv2D(4, 3, activation="relu").equation((6, 7, 5))
    image = np.random.default_rng(0).normal(size=(6, 7, 5)).astype(np.float32)
    kernel = np.random.default_rng(1).normal(size=(3, 3, 5, 4)).astype(np.float32)
    values = {"in": image, "kernel": kernel, "bias": np.ones(4, np.float32)}
    ledger(equation, (1, 2, 3), values)
    one = calls(lambda: ledger(equation, (1, 2, 3), values))
    assert one < 400, one
    image[image < 0] = 0.0  # as behind a ReLU
    assert calls(lambda: ledger(equation, (1, 2, 3), values)) < one + 20


def test_a_ledger_that_is_done_with_is_gone_at_once() -> None:
    ours = case(Sample(Conv2D(5, 3, activation="gelu"), ((9, 8, 4),)))
    ledger(ours.equation, (1, 2, 3), ours.values)
    gc.collect()
    gc.disable()
    try:
        ledger(ours.equation, (2, 1, 4), ours.values)
        assert gc.collect() == 0  # a ring of references would keep its arrays
    finally:
        gc.enable()


def test_a_largest_place_is_uncertain_where_one_that_is_exact_may_be_larger() -> None:
    y, a = Axis("y", 1), Axis("a", 2)
    told = Pieces(as_index(a), (1, 2), (Number(1.0), source((1,))[y] * weight("kernel")[y]))
    equation = Equation((y,), Reduction("first", (a,), told))
    values = {"in": np.array([0.1], np.float32), "kernel": np.array([10.0], np.float32)}
    assert values["in"] * values["kernel"] == 1  # in float32; without rounding it is more
    found = ledger(equation, (0,), values)
    assert found.value == 1
    assert found.rounding == np.inf
    surely = ledger(equation, (0,), {**values, "in": np.array([0.11], np.float32)})
    assert surely.rounding == 0

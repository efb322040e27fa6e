"""Boxes of values: locals held and bordered, batches, float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import textbook
from campaigns import in_turn
from given import case, samples

from convscope.layers.base import Sample
from convscope.notation import Axis, Equation, Max, Mean, Sum, local, source, weight
from convscope.notation.evaluation import Evaluator, evaluate, evaluate_all, evaluate_box
from convscope.notation.rewriting import batched, filled

Array = np.ndarray[Any, Any]


@in_turn("sample", samples())
def test_a_whole_output_is_its_numbers_one_by_one(sample: Sample) -> None:
    ours = case(sample)
    whole = evaluate_all(filled(ours.equation), ours.values)
    assert whole.shape == tuple(ours.equation.shape)
    for position in ours.positions(12):
        np.testing.assert_allclose(whole[position], ours.at(position), rtol=1e-12, atol=1e-12)


@in_turn("sample", samples())
def test_a_batch_is_its_rows(sample: Sample) -> None:
    ours = case(sample)
    names = [tensor.name for tensor in ours.equation.inputs]
    rows = batched(filled(ours.equation), Axis("row", 2), names)
    rng = np.random.default_rng(5)
    values = ours.values
    other = {n: np.asarray(rng.normal(size=values[n].shape), np.float32) for n in names}
    both = values | {n: np.stack([values[n], other[n]]) for n in names}
    found = evaluate_all(rows, both)
    one, two = (evaluate_all(ours.equation, v) for v in (values, values | other))
    np.testing.assert_allclose(found, np.stack([one, two]), rtol=1e-12, atol=1e-12)


@in_turn("sample", samples())
def test_float32_where_asked(sample: Sample) -> None:
    ours = case(sample)
    found = evaluate_all(ours.equation, ours.values, np.float32)
    assert found.dtype == np.float32
    whole = evaluate_all(ours.equation, ours.values)
    np.testing.assert_allclose(found, whole, rtol=2e-4, atol=2e-5 * max(1.0, np.abs(whole).max()))


class Counting(Evaluator):
    """Counts how many numbers of the input are gathered."""

    gathered = 0

    def read(self, node: Any, given: Any, depth: int) -> Any:
        found = super().read(node, given, depth)
        if node.tensor.role == "input":
            self.gathered += np.size(found)
        return found


def test_a_local_is_computed_once() -> None:
    e = filled(textbook.layer_norm((11, 7), 1e-3))
    rng = np.random.default_rng(2)
    values = {"in": rng.normal(size=(11, 7)), "gamma": np.ones(7), "beta": np.zeros(7)}
    counted = Counting(values)
    box = ((0, 10), (0, 6))
    counted.hold(e, box)
    counted.box(e.axes, e.expression, box)
    # the input itself, once for the mean, twice for the square of what is left: four maps
    assert counted.gathered == 4 * 77


@pytest.mark.parametrize(
    ("outside", "expected"),
    [
        ("zero", [2, 6, 12, 18, 14, 8]),
        ("edge", [2, 6, 12, 18, 22, 24]),
        ("-inf", [2, 4, 6, 8, 8, 8]),
    ],
)
def test_a_local_has_a_border_as_any_tensor_has(outside: Any, expected: list[float]) -> None:
    y, x, i = Axis("y", 6), Axis("x", 5), Axis("i", 3)
    doubled = local("double", (x,), source((5,))[x] * 2.0).padded(((1, 2),), outside)
    values = {"in": np.arange(5.0)}
    e = Equation((y,), (Max if outside == "-inf" else Sum)(i)(doubled[y + i - 1]))
    assert evaluate_all(e, values).tolist() == expected
    assert [evaluate(e, (p,), values) for p in range(6)] == expected


def test_a_mean_over_a_local_leaves_its_border_out() -> None:
    y, x, i = Axis("y", 5), Axis("x", 5), Axis("i", 3)
    doubled = local("double", (x,), source((5,))[x] * 2.0).padded(((1, 1),), "skip")
    e = Equation((y,), Mean(i)(doubled[y + i - 1]))
    assert evaluate_all(e, {"in": np.arange(5.0)}).tolist() == [1, 2, 4, 6, 7]


def test_a_local_of_which_little_is_read_is_not_computed_whole() -> None:
    y, w = Axis("y", 3), Axis("w", 1 << 40)
    large = local("large", (w,), source((7,))[w % 7])
    e = Equation((y,), large[y * (1 << 38)])
    values = {"in": np.arange(7.0)}
    assert evaluate_box(e, ((0, 2),), values).tolist() == [(p << 38) % 7 for p in range(3)]


def test_weights_of_a_batch_are_shared() -> None:
    y, i = Axis("y"), Axis("i", 3)
    e = filled(Equation((y,), Sum(i)(source((9,))[y + i] * weight("kernel")[i])))
    rows = batched(e, Axis("n", 4), ("in",))
    assert rows.shape == (4, 7)
    assert rows.weights == {"kernel": (3,)}


def reads() -> dict[str, tuple[Equation, Array]]:
    """Return equations that read what lies in even steps, in every way in which it may lie in memory."""
    rng = np.random.default_rng(11)
    plain = rng.normal(size=(7, 9, 5)).astype(np.float32)
    y, x, i, c = Axis("y", 3), Axis("x", 4), Axis("i", 2), Axis("c", 5)
    image = source((7, 9, 5))
    window = Equation((y, x), Sum(i, c)(image[y * 2 + i, x + i * 3, c]))
    back = Equation((y, x), Sum(c)(image[6 - y * 3, 8 - x, 4 - c]))
    corner = Equation((y,), Sum(i)(image[y + i, y * 2 + i, 1]))
    arrays = {
        "plain": plain,
        "moved": np.moveaxis(np.ascontiguousarray(np.moveaxis(plain, -1, 0)), 0, -1),
        "backwards": np.ascontiguousarray(plain[::-1, :, ::-1])[::-1, :, ::-1],
        "column-major": np.asfortranarray(plain),
        "bytes turned": plain.astype(">f4"),
        "whole numbers": (plain * 9).astype(np.int8),
        "read only": np.frombuffer(plain.tobytes(), np.float32).reshape(plain.shape),
    }
    named = {"window": window, "back": back, "corner": corner}
    return {f"{n}, {m}": (e, a) for n, e in named.items() for m, a in arrays.items()}


@pytest.mark.parametrize("name", reads())
def test_what_is_read_in_even_steps_is_what_is_looked_up(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    equation, array = reads()[name]
    whole = evaluate_all(equation, {"in": array})
    one = evaluate(equation, [0] * len(equation.axes), {"in": array})
    monkeypatch.setattr(Evaluator, "evenly", lambda *_: None)
    assert np.array_equal(whole, evaluate_all(equation, {"in": array}))
    assert one == evaluate(equation, [0] * len(equation.axes), {"in": array})


def test_a_grid_that_is_not_even_is_looked_up() -> None:
    y = Axis("y", 3)
    evaluator = Evaluator({})
    array = np.arange(20.0)
    for places in (np.array([4, 2, 9]), np.array([0, 1, 2])):  # nobody said that these are even
        assert evaluator.evenly([y * 2], {y: places}, array, None) is None

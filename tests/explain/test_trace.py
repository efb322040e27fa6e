"""Ledgers of real numbers: they add up, as data and as shown, and agree with Keras's own numbers."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope import Conv2D, Dense, Flatten, MaxPooling2D, Run, Sequential, UpSampling2D
from convscope.demo import network
from convscope.explain.ledger_parts import ledger_parts
from convscope.explain.words import adding_up
from convscope.notation.ledger import ledger
from convscope.parts import Document, Table

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def keras() -> dict[str, np.ndarray]:
    """The activations that Keras computed for two of the shipped digits (training/digits.py)."""
    with np.load(GOLDEN / "digits_outputs.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def runs(keras: dict[str, np.ndarray]) -> list[Run]:
    net = network()
    return [net.run(image.astype(np.float32)[..., None] / 255) for image in keras["images"]]


def test_every_activation_equals_keras_s(keras: dict[str, np.ndarray], runs: list[Run]) -> None:
    for place, run in enumerate(runs):
        for name in run.graph.nodes:
            np.testing.assert_allclose(run[name], keras[name][place], atol=5e-6, err_msg=name)


def test_ledgers_at_random_positions_equal_keras_s_numbers(
    keras: dict[str, np.ndarray], runs: list[Run]
) -> None:
    rng = np.random.default_rng(11)
    for place, run in enumerate(runs):
        for name in run.graph.nodes:
            for _ in range(12):
                where = tuple(int(rng.integers(n)) for n in run[name].shape)
                trace = run.trace(name, where)
                assert trace.agrees, (name, where)
                assert trace.value == pytest.approx(float(keras[name][(place, *where)]), abs=5e-6)


def test_the_partial_sums_and_the_bias_make_the_preactivation(runs: list[Run]) -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        where = tuple(int(rng.integers(n)) for n in (24, 24, 64))
        found = runs[0].trace("conv2d_1", where).to_dict()
        assert found["terms"] == 288 and len(found["groups"]) == 32
        total = sum(g["partial_sum"] for g in found["groups"]) + found["bias"]
        assert total == pytest.approx(found["preactivation"], abs=1e-12)
        assert max(found["preactivation"], 0.0) == pytest.approx(found["value"], abs=1e-12)


def number(text: str) -> int:
    """Return a shown decimal as a whole number of its last places, so that sums are exact."""
    return int(text.replace("−", "-").replace(".", ""))


def test_what_is_shown_adds_up_to_what_is_shown(runs: list[Run]) -> None:
    rng = np.random.default_rng(6)
    for name, shape in (("conv2d_1", (24, 24, 64)), ("dense", (10,)), ("conv2d", (26, 26, 32))):
        for _ in range(60):
            where = tuple(int(rng.integers(n)) for n in shape)
            trace = runs[1].trace(name, where)
            (table,) = [p for p in trace.facts.document().parts if isinstance(p, Table)]
            shown = [number(str(row[1])) for row in table.rows]
            (total,) = [number(cell.text) for cell in table.footer[0][1:2]]  # type: ignore[union-attr]
            assert sum(shown) == total
            assert abs(total - round(trace.facts.ledger.preactivation * 1e6)) <= 1
            so_far = [number(str(row[2])) for row in table.rows]
            assert so_far == list(np.cumsum(shown))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.integers(1, 6))
def test_adding_up_is_exact_and_near(values: list[float], places: int) -> None:
    shown, total = adding_up(values, sum(values), places)
    assert sum(map(number, shown)) == number(total)
    for value, text in zip(values, shown, strict=True):
        assert abs(number(text) / 10**places - value) <= 1.0001 * 10**-places


def test_the_cone_equals_the_run(runs: list[Run], keras: dict[str, np.ndarray]) -> None:
    net, image = network(), keras["images"][0].astype(np.float32)[..., None] / 255
    for name, where in (("conv2d_1", (5, 7, 12)), ("max_pooling2d", (0, 11, 63)), ("dense", (3,))):
        cone = net.trace(image, name, where)
        assert cone.engine_value is None and cone.agrees is None
        assert cone.value == pytest.approx(float(runs[0][name][where]), abs=1e-5)
    read = net.trace(image, "conv2d_1", (5, 7, 12)).facts.cone
    assert read is not None and read.boxes["input"] == ((5, 9), (7, 11), (0, 0))
    assert read.numbers == 3 * 3 * 32 + 1


def test_a_wrong_engine_is_found_out(runs: list[Run]) -> None:
    run = runs[0]
    where = run.liveliest("conv2d_1")
    wrong = dict(run.activations)
    wrong["conv2d_1"] = run["conv2d_1"].copy()
    wrong["conv2d_1"][where] += 1e-3
    trace = Run(run.network, run.graph, wrong).trace("conv2d_1", where)
    assert trace.agrees is False
    assert "The engine does not agree" in str(trace)


def test_padding_is_shown_as_outside() -> None:
    model = Sequential([Conv2D(3, 3, padding="same", input_shape=(6, 7, 2))])
    run = model.run(np.ones((6, 7, 2)))
    trace = run.trace("conv2d", (0, 6, 1))
    inside = trace.to_dict()["groups"][0]["inside"]
    assert inside == [[False, False, False], [True, True, False], [True, True, False]]
    assert "10 of them lie in the padding; they are shown in brackets" in " ".join(
        str(trace).split()
    )


def test_the_largest_of_a_pooling_is_named() -> None:
    model = Sequential([MaxPooling2D((2, 3), input_shape=(4, 6, 2)), Flatten(), Dense(3)])
    x = np.arange(48.0).reshape(4, 6, 2)
    trace = model.run(x).trace("max_pooling2d", (1, 0, 1))
    assert trace.value == 41.0  # rows 2 and 3, columns 0 … 2 of map 1: the last is 36 + 4 + 1
    assert trace.to_dict()["reduction"] == "max"
    assert re.search(r"largest 41\.0+", str(trace))


def test_numbers_that_are_not_finite_are_said_to_be_so() -> None:
    model = Sequential(
        [
            Conv2D(3, 2, activation="relu", input_shape=(4, 5, 2)),
            Flatten(),
            Dense(4, activation="softmax"),
        ]
    )
    kernel, *others = model.get_weights()
    kernel[0, 0, 0, 0] = np.nan
    model.set_weights([kernel, *others])
    run = model.run(np.ones((4, 5, 2)))
    for name, where in (("conv2d", (0, 0, 0)), ("dense", (2,))):
        trace = run.trace(name, where)
        assert trace.agrees and "ONNX Runtime computed NaN" in str(trace)
        assert json.loads(trace.json())["value"] == "NaN"
    assert run.trace("conv2d", (0, 0, 1)).agrees  # another filter knows nothing of it
    image = np.ones((4, 5, 2))
    image[0, 0, 0] = np.inf
    trace = model.run(image).trace("conv2d", (0, 0, 1))
    assert trace.agrees and "∞" in str(trace)


def test_which_part_of_the_image_a_number_sees() -> None:
    model = Sequential(
        [
            Conv2D(2, (3, 5), padding="same", input_shape=(13, 17, 3)),
            UpSampling2D(2),
            Conv2D(4, (2, 1)),
            Flatten(),
            Dense(3),
        ]
    )
    image = np.random.default_rng(0).random((13, 17, 3))
    run = model.run(image)
    last = "conv2d_1"
    for place in ((0, 0, 1), (1, 33, 2), (7, 12, 0)):
        (top, bottom), (left, right) = run.trace(last, place).to_dict()["patch"]
        assert model.trace(image, last, place).to_dict()["patch"] == [[top, bottom], [left, right]]
        # what stands outside does not matter, and what stands at its ends does
        seen = np.zeros(image.shape, bool)
        seen[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
        outside = np.where(seen, image, 7.0)
        assert float(model.run(outside)[last][place]) == float(run[last][place])
        for row, column in ((max(top, 0), max(left, 0)), (min(bottom, 12), min(right, 16))):
            other = image.copy()
            other[row, column] += 5
            assert float(model.run(other)[last][place]) != float(run[last][place])
    said = str(run.trace(last, (0, 0, 1)))
    assert "sees rows −1 … 1 and columns −2 … 2, which reach into the padding." in said
    assert "Of the image it sees rows 2 … 5 and columns 4 … 8." in str(run.trace(last, (7, 12, 0)))
    assert "It sees the whole image." in str(run.trace("dense", (1,)))
    # behind a Flatten it is the patch of the number that was moved: 9 is row 0, column 2, map 1
    moved = run.trace("flatten", (9,)).to_dict()["patch"]
    assert moved == run.trace(last, (0, 2, 1)).to_dict()["patch"] == [[-1, 1], [-1, 3]]


@pytest.mark.parametrize("power", [-9, -39])
def test_tiny_numbers_are_shown_in_a_unit_of_theirs(power: int) -> None:
    """With six decimals all of them would be 0."""
    model = Sequential([Conv2D(2, 2, input_shape=(4, 5, 3))])
    kernel, bias = model.get_layer("conv2d").get_weights()
    model.set_weights([kernel * 10.0**power, bias])
    trace = model.run(np.ones((4, 5, 3))).trace("conv2d", (1, 2, 0))
    said = str(trace)
    unit = "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    assert f"partial sum, in {unit}" in said
    partials = [group["partial_sum"] for group in trace.to_dict()["groups"]]
    column = said[said.index("partial sum") :]
    shown = [float(x.replace("−", "-")) for x in re.findall(r"map \d +(\S+)", column)]
    np.testing.assert_allclose(shown, [p * 10.0**-power for p in partials], atol=1e-6)
    (total,) = re.findall(r"sum +(−?\d\.\d{6})\n", column)
    assert sum(map(round, (1e6 * x for x in shown))) == round(1e6 * float(total.replace("−", "-")))


@pytest.mark.parametrize("large", [1e12, 1e15, 1e38])
def test_digits_that_a_float64_does_not_hold_are_not_shown(large: float) -> None:
    model = Sequential([Dense(1, use_bias=False, input_shape=(3,))])
    model.set_weights([np.array([[large], [2.5], [3.25]])])
    said = str(model.run(np.ones(3)).trace("dense", (0,)))
    assert "in 10" in said
    shown = re.findall(r" (\d+\.\d{6})", said[: said.index("✓")])
    assert {float(x) for x in shown} <= {0.0, 1.0, 10.0}  # 2.5 and 3.25 are nothing in that unit


def test_numbers_below_what_float64_holds_in_full_are_told() -> None:
    values = {"in": np.array([1e-160, 3e-160]), "kernel": np.array([[2e-160], [1e-160]])}
    found = ledger(Dense(1, use_bias=False).equation((2,)), (0,), values, "float64")
    assert 0 < found.value < sys.float_info.min
    assert "in 10⁻³⁰⁰" in str(Document(tuple(ledger_parts(found))))

"""Equations as JSON: strict JSON, which comes back as the same equation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import textbook
from campaigns import in_turn
from given import case, samples
from notation.read_back import from_json

from convscope.layers.base import Sample
from convscope.notation import (
    Axis,
    Equation,
    Max,
    Pieces,
    call,
    exactly,
    local,
    source,
    symbol,
)
from convscope.notation.evaluation import evaluate
from convscope.notation.expression import Inside, Place, Reduction
from convscope.notation.functions import Function
from convscope.notation.serial import to_json
from convscope.notation.sizes import UNKNOWN


def there_and_back(equation: Equation) -> Equation:
    """Return an equation that has been JSON as the standard has it: no NaN, no Infinity."""
    written = json.dumps(to_json(equation), allow_nan=False)
    again = from_json(json.loads(written))
    assert json.dumps(to_json(again), allow_nan=False) == written
    assert str(again) == str(equation)
    assert again.latex() == equation.latex()
    assert again.shape == equation.shape
    assert again.weights == equation.weights
    return again


@in_turn("sample", samples())
def test_every_sample_of_every_kind(sample: Sample) -> None:
    ours = case(sample)
    again = there_and_back(ours.equation)
    for position in ours.positions(20):
        assert evaluate(again, position, ours.values) == ours.at(position)


def test_symbols_survive() -> None:
    n, m, k1 = map(symbol, ("n", "m", "k1"))
    one = textbook.conv2d((n, m, 1), k1, (3, 3), (2, 1), ((1, 1), (0, 0)))
    again = there_and_back(one)
    assert again.shape == ((n + 1) // 2, m - 2, k1)
    assert to_json(one)["index"][0]["size"] == "(n + 1)//2"
    assert again.params == 10 * k1


def test_unknown_sizes_are_null() -> None:
    one = textbook.conv2d((UNKNOWN, 9, 2), 3, (3, 3))
    again = there_and_back(one)
    assert to_json(one)["tensors"]["in"]["shape"] == [None, 9, 2]
    assert again.shape == (UNKNOWN, 7, 3)


def test_an_infinite_number_is_a_string() -> None:
    y, i = Axis("y", 5), Axis("i", 3)
    for number in (float("inf"), float("-inf")):
        one = Equation((y,), Max(i)(source((9,))[y + i]) + number)
        assert f'"{number}"' in json.dumps(to_json(one), allow_nan=False)
        assert evaluate(there_and_back(one), (2,), {"in": np.arange(9.0)}) == number


def test_pieces_and_borders() -> None:
    y, i = Axis("y", 7), Axis("i", 3)
    parts = [
        Max(i)(source((9,), name).padded(((2, 2),), outside)[y + i - 2])  # type: ignore[arg-type]
        for name, outside in (("a", "-inf"), ("b", "edge"))
    ]
    one = Equation((y,), Pieces(y, (4, 7), tuple(parts)))
    again = there_and_back(one)
    values: dict[str, Any] = {"a": -np.arange(9.0), "b": np.arange(9.0)}
    assert [evaluate(again, (p,), values) for p in range(7)] == [0, 0, 0, -1, 4, 5, 6]


def test_two_functions_of_one_name_stay_two() -> None:
    y = Axis("y", 3)
    x = source((3,))[y]
    twice, thrice = (Function("f", ("x",), ("mul", "x", n)) for n in (2.0, 3.0))
    largest = Function("max", ("x", "a"), ("mul", "x", "a"))  # called as a primitive is
    one = Equation((y,), call(twice, x) + call(thrice, x) + call(largest, x, 5.0))
    assert evaluate(there_and_back(one), (1,), {"in": np.array([1.0, 7.0, 2.0])}) == 7 * (2 + 3 + 5)
    assert [f["name"] for f in to_json(one)["functions"].values()] == ["f", "f", "max"]


def test_two_locals_of_one_name_stay_two() -> None:
    y = Axis("y", 3)
    x = source((3,))
    held = [local("in", (y,), x[y] * n) for n in (2.0, 3.0)]
    one = Equation((y,), held[0][y] - held[1][y] + x[y])
    again = from_json(json.loads(json.dumps(to_json(one))))
    assert evaluate(again, (1,), {"in": np.array([1.0, 7.0, 2.0])}) == 0.0


def test_conditions_and_pieces_along_an_index() -> None:
    y = Axis("y", 5)
    x = source((9,))
    pieces = Pieces(y * 2 - 1, (2, 8), (x[y], x[y] * 10.0))
    one = Equation((y,), Inside((exactly(y, 2), y - 1), (2, 9)) * x[y] + pieces)
    again = there_and_back(one)
    assert str(one) == (
        "out[y] = [0 ≤ y/2 < 2, 0 ≤ y − 1 < 9] · in[y] + (in[y] for 2y − 1 < 2, else in[y] · 10)"
    )
    found = [evaluate(again, (p,), {"in": np.arange(1.0, 10.0)}) for p in range(5)]
    assert found == [1, 2, 3 + 30, 40, 50]


def test_the_first_of_the_largest_and_the_number_an_index_is() -> None:
    y, i, j = Axis("y", 3), Axis("i", 2), Axis("j", 3)
    body = source((4, 3))[y + i, j]
    one = Equation((y,), Reduction("first", (i, j), body) + Place(y * 10 + 1))
    again = there_and_back(one)
    assert str(one) == "out[y] = (argmax i<2, j<3  in[y + i, j]) + 10y + 1"
    given = np.array([[1, 5, 2], [0, 5, 5], [7, 7, 1], [7, 8, 9.0]])
    found = [evaluate(again, (p,), {"in": given}) for p in range(3)]
    assert found == [1 + 1, 3 + 11, 5 + 21]  # by hand, and the first of two that are equal


def test_the_documented_form() -> None:
    y, i = Axis("y", word="row"), Axis("i", 3, "row")
    image = source((28,)).padded(((1, 1),), "zero")
    read = {
        "read": "in",
        "at": [{"terms": [[0, 2], [1, 1]], "const": -1}],
        "padding": [[1, 1]],
        "outside": "zero",
    }
    largest = {"reduce": "max", "over": [1], "body": read}
    assert to_json(Equation((y,), Max(i)(image[y * 2 + i - 1]))) == {
        "name": "out",
        "text": "out[y] = max i<3  in[2y + i − 1]",
        "axes": [0],
        "expression": largest,
        "locals": [],
        "tensors": {"in": {"role": "input", "shape": [28]}},
        "index": [
            {"name": "y", "size": 14, "word": "row", "role": ""},
            {"name": "i", "size": 3, "word": "row", "role": ""},
        ],
        "functions": {},
        "ledger": {
            "axes": [0],
            "preactivation": largest,
            "activation": [],
            "whole": False,
            "main": {
                "reduce": "max",
                "over": None,
                "window": [1],
                "read": read,
                "weights": [],
                "channel": None,
                "channels": None,
            },
            "added": [],
            "listed_axes": [0],
            "listed": [],
        },
    }

"""Every activation against Keras's function of the same name, from tiny to huge numbers."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import pytest

import convscope
from convscope.errors import ActivationError
from convscope.layers.activations import (
    ACTIVATIONS,
    ALIASES,
    NOT_SUPPORTED,
    Activation,
    activation,
)
from convscope.notation import Axis, source
from convscope.notation.evaluation import evaluate, evaluate_box

GRID = np.unique(
    np.concatenate(
        [
            np.linspace(-8, 8, 65),  # the kinks of every piecewise function are among these
            [0.5 - 1e-9, 0.5 + 1e-9, 1 - 1e-9, 1 + 1e-9, 3 - 1e-9, 3 + 1e-9],
            10.0 ** np.arange(-12, 5),
            -(10.0 ** np.arange(-12, 5)),
            [88.0, 89.0, 700.0, 710.0, -88.0, -89.0, -700.0, -710.0, -750.0],
        ]
    )
)
"""Numbers in float64: small, large, at kinks, and where e^x overflows float32 (88.7) and float64 (709.8)."""

FUNCTIONS = [name for name, a in ACTIVATIONS.items() if a.over is None]
OVER_AN_AXIS = [name for name, a in ACTIVATIONS.items() if a.over is not None]
ROWS = [
    np.random.default_rng(5).normal(size=(4, 5, 3)),
    np.random.default_rng(6).normal(size=(3, 7)) * 300,
    np.array([[1000.0, 1000.0, -1000.0], [0.0, 0.0, 0.0], [1e4, 1e4 + 0.25, 1e4 - 1]]),
]
"""Numbers for activations along the last axis: ordinary, far apart, equal and huge."""


def ours(found: Activation, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the activation of an array, from its equation."""
    axes = [Axis(f"n{n}", size) for n, size in enumerate(x.shape)]
    equation = found.equation(axes, source(x.shape)[tuple(axes)])
    return evaluate_box(equation, [(0, s - 1) for s in equation.shape], {"in": x})


def theirs(name: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return Keras's answer, computed in float64."""
    tensor = keras.ops.convert_to_tensor(x, dtype="float64")
    return np.asarray(keras.activations.get(name)(tensor).detach().numpy())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_keras(name: str) -> None:
    expected = theirs(name, GRID)
    found = ours(ACTIVATIONS[name], GRID)
    # torch's softplus calls x itself beyond 20, 2e-9 from log(1 + e^x); squareplus cancels in Keras
    room = {"softplus": 3e-9, "mish": 3e-9, "squareplus": 1e-11}.get(name, 1e-14)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=room)
    assert not np.isnan(found).any()


@pytest.mark.parametrize("given", [*FUNCTIONS, {}, {"max_value": 6}, {"max_value": 0.75}, {"negative_slope": 0.1}])  # fmt: skip
def test_what_is_no_number_stays_none(given: Any) -> None:
    kept: dict[str, Any] = {} if isinstance(given, str) else given
    ours: Any = convscope.ReLU(input_shape=(4,), **kept)
    whose: Any = keras.layers.ReLU(**kept)
    if isinstance(given, str):
        ours, whose = convscope.Activation(given, input_shape=(4,)), keras.activations.get(given)
    net = convscope.Sequential([ours])
    x = np.array([0.5, np.nan, 2, -1], np.float32)
    expected = np.asarray(whose(keras.ops.convert_to_tensor(x)).detach().numpy())
    assert np.isnan(expected[1])
    np.testing.assert_allclose(net.run(x).output, expected, 1e-5, 1e-6)
    assert np.isnan(net.trace(x, 0, (1,)).facts.value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_number_is_computed_like_many(name: str) -> None:
    n = Axis("n", GRID.size)
    equation = ACTIVATIONS[name].equation([n], source(GRID.shape)[n])
    many = ours(ACTIVATIONS[name], GRID)
    for place in range(0, many.size, 7):
        assert evaluate(equation, (place,), {"in": GRID}) == many[place]


@pytest.mark.parametrize("name", sorted({*OVER_AN_AXIS} - {"sparsemax"}))
@pytest.mark.parametrize("x", ROWS)
def test_over_an_axis_equals_keras(name: str, x: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(ours(ACTIVATIONS[name], x), theirs(name, x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("x", ROWS)
def test_sparsemax_is_the_papers_algorithm(x: np.ndarray[Any, Any]) -> None:
    """Martins & Astudillo 2016, Algorithm 1, with its sorting; Keras up to 3.15 sums wrongly there
    (keras-team/keras#23425, with [0, 1/2, 1] → [0, 1/4, 3/4] as the worked example)."""
    found = ours(ACTIVATIONS["sparsemax"], x)
    for row, result in zip(x.reshape(-1, x.shape[-1]), found.reshape(-1, x.shape[-1]), strict=True):
        z = np.sort(row)[::-1]
        k = max(n for n in range(1, len(z) + 1) if 1 + n * z[n - 1] > z[:n].sum())
        expected = np.maximum(row - (z[:k].sum() - 1) / k, 0)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
        assert result.sum() == pytest.approx(1)
    example = ours(ACTIVATIONS["sparsemax"], np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(example, [0, 0.25, 0.75])


def test_squareplus_does_not_cancel() -> None:
    """b / (2·(√(x² + b) − x)) for x = −10⁸ and b = 4 is 1 / (10⁸ + …) = 10⁻⁸; (x + √…) / 2 gives 0."""
    found = ours(ACTIVATIONS["squareplus"], np.array([-1e8]))[0]
    assert found == pytest.approx(1e-8, rel=1e-12)


def test_every_name_of_keras_is_known_or_refused() -> None:
    from keras.src.activations import ALL_OBJECTS_DICT

    assert set(ALL_OBJECTS_DICT) == {*ACTIVATIONS, *ALIASES, *NOT_SUPPORTED}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_arguments_are_kerass_defaults(name: str) -> None:
    """What an equation writes behind the number is what Keras takes when nothing is said."""
    found = ACTIVATIONS[name]
    signature = inspect.signature(keras.activations.get(name)).parameters
    names = () if found.function is None else found.function.parameters[1:]
    given = dict(zip(names, found.arguments, strict=True))
    assert given == {n: float(signature[n].default) for n in given}


@pytest.mark.parametrize(("alias", "name"), sorted(ALIASES.items()))
def test_aliases(alias: str, name: str) -> None:
    assert activation(alias, "test") is ACTIVATIONS[name]
    assert keras.activations.get(alias) is keras.activations.get(name)


def test_a_function_counts_as_its_name() -> None:
    assert activation(keras.activations.get("relu"), "test") is ACTIVATIONS["relu"]
    assert activation(None, "test").linear


def test_unknown_names_say_what_would_do() -> None:
    with pytest.raises(
        ActivationError, match=r"unknown activation 'rellu' \(did you mean 'relu'\?\)"
    ):
        activation("rellu", "Conv2D: activation")
    with pytest.raises(ActivationError, match=r"known are celu, elu, exponential"):
        activation("gibberish", "Conv2D: activation")
    with pytest.raises(ActivationError, match=r"must be the name of an activation, not 3"):
        activation(3, "Conv2D: activation")


@pytest.mark.parametrize("name", sorted(NOT_SUPPORTED))
def test_refused_names_say_why(name: str) -> None:
    with pytest.raises(ActivationError, match=f"the activation '{name}' is not supported: it "):
        activation(name, "Dense: activation")


def test_the_equation_shows_the_arguments() -> None:
    n = Axis("n", 4)
    read = source((4,))[n]
    assert str(ACTIVATIONS["leaky_relu"].equation([n], read)) == (
        "out[n] = leaky_relu(in[n], negative_slope=0.2)"
    )
    assert ACTIVATIONS["leaky_relu"].equation([n], read).latex() == (
        r"\mathrm{out}_{n} = \operatorname{leaky\_relu}"
        r"\left(\mathrm{in}_{n}, \mathrm{negative\_slope}=0.2\right)"
    )

"""What builders state, against numpy and PyTorch, in every layout and with symbols."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from convscope.equations import moving
from convscope.equations.convolution import convolution, transposed
from convscope.equations.layout import Layout, axes_of
from convscope.equations.sliding import slide, spread
from convscope.equations.stating import NoEquation
from convscope.notation import UNKNOWN, Axis, Equation, source, symbol, weight
from convscope.notation.evaluation import evaluate_all

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(5)


def drawn(*shape: int) -> Array:
    return RNG.normal(size=shape)


def test_one_convolution_in_two_layouts_is_pytorchs() -> None:
    image, kernel, bias = drawn(2, 6, 9, 11), drawn(4, 3, 2, 3), drawn(4)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image),
        torch.from_numpy(kernel),
        torch.from_numpy(bias),
        (2, 3),
        (1, 2),
        (2, 1),
        groups=2,
    ).numpy()
    moves = slide((9, 11), (2, 3), (2, 3), (2, 1), ((1, 1), (2, 2)))
    given = weight("kernel"), weight("bias"), 4, 6
    torchs = Layout(channels_last=False, taps_first=False, lead=(Axis("n", 2, "image"),))
    ours = convolution(moves, source(image.shape), *given, torchs, 2)
    values = {"in": image, "kernel": kernel, "bias": bias}
    assert np.allclose(evaluate_all(ours, values), expected)
    keras = convolution(moves, source((9, 11, 6)), *given, Layout(), 2)
    assert keras.weights == {"kernel": (2, 3, 3, 4), "bias": (4,)}
    values = {"in": image[1].transpose(1, 2, 0), "kernel": kernel.transpose(2, 3, 1, 0), "bias": bias}  # fmt: skip
    assert np.allclose(evaluate_all(keras, values), expected[1].transpose(1, 2, 0))


def test_a_transposed_convolution_in_groups_is_pytorchs() -> None:
    image, kernel = drawn(6, 4, 5), drawn(6, 2, 3, 2)
    expected = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(image), torch.from_numpy(kernel), None, (2, 3), (1, 0), (1, 2), 2, (1, 2)
    ).numpy()
    moves = spread((4, 5), (3, 2), (2, 3), (1, 2), ((1, 0), (0, -2)), "it")
    layout = Layout(channels_last=False, taps_first=False)
    ours = transposed(moves, source(image.shape), weight("k"), None, 4, 6, layout, 2)
    assert np.allclose(evaluate_all(ours, {"in": image, "k": kernel}), expected)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_borders_are_numpys(mode: str) -> None:
    image, pads = drawn(3, 5, 6), ((0, 0), (2, 3), (4, 1))
    axes = axes_of((3, 10, 11), 0)
    equation = {
        "constant": lambda: moving.padded(source((3, 5, 6)), axes, pads, value=7.5),
        "edge": lambda: moving.padded(source((3, 5, 6)), axes, pads, "edge"),
        "reflect": lambda: moving.reflected(source((3, 5, 6)), axes, pads),
        "wrap": lambda: moving.wrapped(source((3, 5, 6)), axes, pads),
    }[mode]()
    settings: dict[str, Any] = {"constant_values": 7.5} if mode == "constant" else {}
    assert np.array_equal(
        evaluate_all(equation, {"in": image}), np.pad(image, pads, cast(Any, mode), **settings)
    )


def test_a_mirror_is_not_wider_than_the_map() -> None:
    with pytest.raises(NoEquation, match="larger than the map"):
        moving.reflected(source((4,)), axes_of((9,)), ((5, 0),))


@pytest.mark.parametrize(
    ("before", "after"),
    [((2, 3, 4), (6, 4)), ((2, 3, 4), (2, 4, 3)), ((1, 1, 6), (1, 6)), ((4, 6, 5), (4, 2, 15)), ((1, 5), (5, 1, 1))],
)  # fmt: skip
def test_reshaping_is_numpys(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    image = drawn(*before)
    equation = moving.reshaped(source(before), before, axes_of(after))
    assert np.array_equal(evaluate_all(equation, {"in": image}), image.reshape(after))


def test_numbers_that_move_around() -> None:
    image = drawn(3, 8, 5)
    axes = axes_of((3, 8, 5), 0)
    rolled = moving.rolled(source(image.shape), axes, (0, 3, -1))
    assert np.array_equal(evaluate_all(rolled, {"in": image}), np.roll(image, (3, -1), (1, 2)))
    where = [2, 7, 7, 0]
    picked = moving.picked(source(image.shape), axes_of((3, 4, 5), 0), 1, where)
    assert np.array_equal(evaluate_all(picked, {"in": image}), image[:, where])
    tiled = moving.tiled(source(image.shape), (3, 8, 5), axes_of((6, 8, 15), 0))
    assert np.array_equal(evaluate_all(tiled, {"in": image}), np.tile(image, (2, 1, 3)))
    shuffled = moving.blocks_of_channels(
        source((8, 3, 5)), axes_of((2, 6, 10), 0), 2, depth_last=False
    )
    image = drawn(8, 3, 5)
    expected = torch.nn.functional.pixel_shuffle(torch.from_numpy(image), 2).numpy()
    assert np.array_equal(evaluate_all(shuffled, {"in": image}), expected)


def shape_of(size: Any) -> Equation:
    moves = slide((size, 24), (3, 5), (2, 1), padding="same")
    given = weight("kernel"), None, 7, 2
    return convolution(moves, source((size, 24, 2)), *given, Layout())


def test_sizes_may_be_symbols_or_unknown() -> None:
    n = symbol("n")
    assert shape_of(n).shape[1:] == (24, 7)
    assert shape_of(n).shape[0].subs(n, 9) == 5
    assert shape_of(UNKNOWN).shape == (UNKNOWN, 24, 7)

"""Why an output has its size: the numbers against a count by hand, and the words to the letter."""

from __future__ import annotations

from typing import Any

import pytest
import textbook
from hypothesis import given
from hypothesis import strategies as st

from convscope.errors import ShapeError, WindowError
from convscope.notation import Axis, Equation, Sum, source, symbol, weight
from convscope.notation.equation import Fit
from convscope.notation.sizes import UNKNOWN, counted


def one_axis(
    rows: Any, kernel: Any, stride: int = 1, pad: tuple[Any, Any] = (0, 0), dilation: int = 1
) -> Equation:
    y, i = Axis("y", word="row"), Axis("i", kernel, "row")
    image = source((rows,)).padded((pad,), "zero")
    return Equation((y,), Sum(i)(image[y * stride + i * dilation - pad[0]] * weight("kernel")[i]))


def fit(*arguments: Any, **settings: Any) -> Fit:
    equation = one_axis(*arguments, **settings)
    return equation.fits[equation.axes[0]]


@given(
    st.integers(1, 20),
    st.integers(1, 5),
    st.integers(1, 4),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.integers(1, 3),
)
def test_the_numbers_against_sliding_a_window_by_hand(
    rows: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int
) -> None:
    before, after = pad
    starts = []
    reached = -before - 1
    start = -before
    while start + (kernel - 1) * dilation < rows + after:
        starts.append(start)
        reached = start + (kernel - 1) * dilation
        start += stride
    if not starts:
        with pytest.raises(WindowError):
            fit(rows, kernel, stride, pad, dilation)
        return
    found = fit(rows, kernel, stride, pad, dilation)
    assert found.count == len(starts)
    assert found.window == (kernel - 1) * dilation + 1
    assert found.taps == kernel
    assert found.spacing == (dilation if kernel > 1 else 1)
    assert found.unused == rows + after - 1 - reached
    assert (found.size, found.before, found.after, found.stride) == (rows, before, after, stride)


N = symbol("n")

WORDS = [
    # the words of the project's own question: 28 rows, a 3×3 kernel
    (fit(28, 3), "a window of 3 rows fits at 26 starting rows, 0 … 25, of 28"),
    (fit(26, 1), "a window of 1 row fits at 26 starting rows, 0 … 25, of 26"),
    (fit(28, 28), "a window of 28 rows fits at 1 starting row, 0, of 28"),
    (fit(28, 27), "a window of 27 rows fits at 2 starting rows, 0 and 1, of 28"),
    (fit(6, 4), "a window of 4 rows fits at 3 starting rows, 0 … 2, of 6"),
    # strides, and what they leave over
    (fit(27, 3, 2), "a window of 3 rows, moved by 2, fits at 13 starting rows, 0, 2, … 24, of 27"),
    (
        fit(28, 3, 2),
        (
            "a window of 3 rows, moved by 2, fits at 13 starting rows, 0, 2, … 24, of 28; "
            "1 row at the end reaches no window"
        ),
    ),
    (
        fit(29, 3, 3),
        (
            "a window of 3 rows, moved by 3, fits at 9 starting rows, 0, 3, … 24, of 29; "
            "2 rows at the end reach no window"
        ),
    ),
    (fit(7, 3, 2), "a window of 3 rows, moved by 2, fits at 3 starting rows, 0, 2, 4, of 7"),
    # padding
    (
        fit(28, 3, 1, (1, 1)),
        "a window of 3 rows fits at 28 starting rows, −1 … 26, of 28 padded by 1 before and 1 after",
    ),
    (
        fit(27, 2, 1, (0, 1)),
        "a window of 2 rows fits at 27 starting rows, 0 … 26, of 27 padded by 1 after",
    ),
    (
        fit(27, 3, 1, (2, 0)),
        "a window of 3 rows fits at 27 starting rows, −2 … 24, of 27 padded by 2 before",
    ),
    (
        fit(28, 3, 2, (1, 1)),
        (
            "a window of 3 rows, moved by 2, fits at 14 starting rows, −1, 1, … 25, of 28 padded by "
            "1 before and 1 after; 1 row of padding at the end reaches no window"
        ),
    ),
    (
        fit(28, 3, 4, (1, 2)),
        (
            "a window of 3 rows, moved by 4, fits at 8 starting rows, −1, 3, … 27, of 28 padded by "
            "1 before and 2 after"
        ),
    ),
    (
        fit(29, 3, 4, (1, 1)),
        (
            "a window of 3 rows, moved by 4, fits at 8 starting rows, −1, 3, … 27, of 29 padded by "
            "1 before and 1 after"
        ),
    ),
    (
        fit(28, 3, 4, (1, 1)),
        (
            "a window of 3 rows, moved by 4, fits at 7 starting rows, −1, 3, … 23, of 28 padded by "
            "1 before and 1 after; 3 rows at the end (1 of padding) reach no window"
        ),
    ),
    (
        fit(29, 1, 4, (0, 3)),
        (
            "a window of 1 row, moved by 4, fits at 8 starting rows, 0, 4, … 28, of 29 padded by "
            "3 after; 3 rows of padding at the end reach no window"
        ),
    ),
    # dilation
    (
        fit(28, 3, dilation=2),
        "a window of 5 rows (3 of them read, 2 apart) fits at 24 starting rows, 0 … 23, of 28",
    ),
    # symbols
    (fit(N, 3), "a window of 3 rows fits at n − 2 starting rows, 0 … n − 3, of n"),
    (
        fit(N, 3, 2),
        (
            "a window of 3 rows, moved by 2, fits at ⌊(n − 1)/2⌋ starting rows, 0, 2, "
            "… 2·⌊(n − 3)/2⌋, of n"
        ),
    ),
    (
        fit(N, 3, 1, (1, 1)),
        "a window of 3 rows fits at n starting rows, −1 … n − 2, of n padded by 1 before and 1 after",
    ),
    (
        fit(N, symbol("k")),
        "a window of k rows fits at n − k + 1 starting rows, 0 … n − k, of n",
    ),
    # sizes nobody knows yet
    (fit(UNKNOWN, 3), "a window of 3 rows fits at 2 fewer starting rows than the input has rows"),
    (fit(UNKNOWN, 2), "a window of 2 rows fits at 1 fewer starting row than the input has rows"),
    (
        fit(UNKNOWN, 3, 1, (1, 1)),
        (
            "a window of 3 rows fits at as many starting rows as the input has rows, padded by 1 before "
            "and 1 after"
        ),
    ),
    (
        fit(UNKNOWN, 2, 1, (2, 2)),
        (
            "a window of 2 rows fits at 3 more starting rows than the input has rows, padded by 2 before "
            "and 2 after"
        ),
    ),
    (
        fit(UNKNOWN, 3, 2),
        (
            "a window of 3 rows, moved by 2, fits as often as the input's rows allow, which are not "
            "known yet"
        ),
    ),
]


@pytest.mark.parametrize(("found", "words"), WORDS, ids=range(len(WORDS)))
def test_the_words(found: Fit, words: str) -> None:
    assert str(found) == words


def test_numbers_with_their_nouns() -> None:
    assert counted(1, "row") == "1 row"
    assert counted(0, "row") == "0 rows"
    assert counted(N - 2, "step") == "n − 2 steps"
    assert counted(UNKNOWN, "filter") == "? filters"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 5), "a window of 5 rows does not fit: the input has 3 rows, and 3 ≥ 5 fails"),
        ((1, 2), "a window of 2 rows does not fit: the input has 1 row, and 1 ≥ 2 fails"),
        (
            (3, 7, 1, (1, 2)),
            "a window of 7 rows does not fit: the input has 3 rows and 3 of padding, and 3 + 3 ≥ 7 fails",
        ),
        (
            (3, 3, 1, (0, 0), 2),
            "a window of 5 rows does not fit: the input has 3 rows, and 3 ≥ (3 − 1)·2 + 1 = 5 fails",
        ),
    ],
)
def test_a_window_that_is_too_large(arguments: Any, message: str) -> None:
    with pytest.raises(WindowError) as error:
        _ = one_axis(*arguments).shape
    assert str(error.value) == message


def test_several_inputs_limit_an_axis_together() -> None:
    y = Axis("y", word="row")
    a, b = source((9,), "a"), source((11,), "b")
    one = Equation((y,), a[y] + b[y + 4])
    assert one.shape == (7,)
    assert str(one.fits[y]) == "a window of 1 row fits at 7 starting rows, 4 … 10, of 11"


def test_an_axis_that_cannot_be_solved_says_so() -> None:
    y, z, i = Axis("y", word="row"), Axis("z"), Axis("i", 3)
    image = source((28,))
    for index in (y // 2, y + z, 5 - y, (y + i) % 2):
        with pytest.raises(
            ShapeError, match=r"the size of axis y cannot be solved from .*: give it"
        ):
            _ = Equation((y,), Sum(i)(image[index] * 1.0)).shape
    with pytest.raises(ShapeError, match="nothing in the equation limits its axis y"):
        _ = Equation((y,), Sum(i)(image[i] * 1.0)).shape
    with pytest.raises(ShapeError, match="y − 1 begins at −1, before a padding of 0"):
        _ = Equation((y,), image[y - 1] * 1.0).shape


def test_flipped_kernels_are_solved_too() -> None:
    # a true convolution reads backwards: in[y + 2 − i]
    y, i = Axis("y", word="row"), Axis("i", 3, "row")
    one = Equation((y,), Sum(i)(source((28,))[y + 2 - i] * weight("kernel")[i]))
    assert one.shape == (26,)
    assert str(one.fits[y]) == "a window of 3 rows fits at 26 starting rows, 0 … 25, of 28"


def test_the_largest_position_is_what_torch_says_for_a_map() -> None:
    # 224 → 112, as every ResNet begins (7×7, stride 2, padding 3): He et al. 2015, table 1
    equation = textbook.conv2d((224, 200, 3), 64, (7, 7), (2, 2), ((3, 3), (3, 3)))
    assert equation.shape == (112, 100, 64)

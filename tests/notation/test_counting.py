"""Work against closed forms written out by hand; each says where its formula is from."""

from __future__ import annotations

import textbook
from hypothesis import given
from hypothesis import strategies as st

from convscope.layers.separable import SeparableConv2D
from convscope.notation import Axis, Equation, Max, Mean, Sum, macs, other_work, source, symbol
from convscope.notation.adjoint import adjoint
from convscope.notation.counting import products
from convscope.notation.rewriting import filled
from convscope.notation.sizes import UNKNOWN


def test_the_second_layer_of_the_question() -> None:
    # 24·24·64 outputs, each a sum of 3·3·32 products; one bias and one relu each
    one = textbook.conv2d((26, 26, 32), 64, (3, 3), relu=True)
    assert macs(one) == 24 * 24 * 64 * 288 == 10_616_832
    assert other_work(one) == {"relu": 36_864, "add": 36_864}


def test_convolutions() -> None:
    # rows' · columns' · filters · (kernel rows · kernel columns · channels / groups)
    assert macs(textbook.conv2d((12, 11, 6), 9, (3, 2), (2, 3), groups=3)) == (5 * 4 * 9) * (
        3 * 2 * 2
    )
    assert macs(textbook.conv2d((12, 11, 6), 9, (3, 2), dilation=(2, 1))) == (8 * 10 * 9) * (
        3 * 2 * 6
    )
    # padding is multiplied too: windows in the border are as long as any
    assert macs(textbook.conv2d((7, 9, 2), 3, (3, 3), pad=((1, 1), (1, 1)))) == (7 * 9 * 3) * (
        9 * 2
    )
    # depthwise: every output reads one channel
    assert macs(textbook.depthwise2d((8, 11, 3), 2, (3, 4), (2, 1))) == (3 * 8 * 6) * (3 * 4)
    assert macs(textbook.dense(784, 10)) == 7840


@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(0, 1), st.integers(0, 1), st.integers(2, 6)
)
def test_a_transposed_convolution_costs_its_inputs(
    kernel: int, stride: int, crop: int, extra: int, rows: int
) -> None:
    # every input is multiplied by its whole kernel once, also where the result is cropped away
    if (rows - 1) * stride + kernel - 2 * crop + extra < 1:
        return
    one = textbook.transposed2d((rows, 7, 3), 4, (kernel, 2), (stride, 3), (crop, 0), (extra, 0))
    assert macs(one) == (rows * 7) * (kernel * 2) * (3 * 4)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(5, 14))
def test_a_gradient_takes_the_products_of_the_way_forward(
    kernel: int, stride: int, rows: int
) -> None:
    # backpropagation computes as many products for an input, and for a kernel, as the forward pass did
    # (Rumelhart, Hinton and Williams 1986: the cost is of the same order); a stride makes no more of them
    one = textbook.conv2d((rows, 11, 2), 3, (kernel, 2), (stride, 3))
    found = adjoint(one)
    assert macs(found["in"]) == macs(found["kernel"]) == macs(one)


def test_separable_is_depthwise_and_pointwise() -> None:
    # Chollet 2017: D·D·M·N' products instead of D·D·M·N: here 3·2 a channel, then 1·1·10 a filter
    layer = SeparableConv2D(7, (3, 2), depth_multiplier=2)
    assert macs(layer.equation((9, 11, 5))) == (7 * 10 * 10) * (3 * 2) + (7 * 10 * 7) * 10


def test_no_products_of_input_and_weight_no_macs() -> None:
    assert macs(textbook.pool2d((9, 12, 5), "max", (3, 3), (3, 3))) == 0
    assert macs(textbook.softmax((5, 7))) == 0
    # a weight that scales is no sum: 35 multiplications, not multiply–accumulates
    assert macs(textbook.layer_norm((5, 7), 1e-3)) == 0


def test_other_work_is_counted_by_name() -> None:
    # the largest of 9 takes 8 comparisons
    assert other_work(textbook.pool2d((9, 12, 5), "max", (3, 3), (3, 3))) == {
        "compare": (3 * 4 * 5) * 8
    }
    # the mean of 6: 5 additions and a division
    assert other_work(textbook.pool2d((9, 12, 5), "mean", (3, 2), (3, 2))) == {
        "add": (3 * 6 * 5) * 5,
        "divide": 3 * 6 * 5,
    }
    assert other_work(textbook.dense(784, 10)) == {"add": 10}


def test_what_does_not_depend_on_an_axis_is_done_once() -> None:
    # 5 rows of 7: the largest of a row is found once a row, and so is the sum of its exponentials
    assert other_work(textbook.softmax((5, 7))) == {
        "compare": 5 * 6,
        "subtract": 35 + 35,
        "exp": 35 + 35,
        "add": 5 * 6,
        "divide": 35,
    }
    # of 5 rows of 7: σ² + ε and its root are 5 numbers, not 35
    work = other_work(textbook.layer_norm((5, 7), 1e-3))
    assert work["sqrt"] == 5
    assert work["add"] == 5 + 35 + 2 * (5 * 6)
    assert work["multiply"] == 35 + 35


def test_what_is_squared_is_found_once() -> None:
    # (a − b)²: one subtraction and one product each; that is no product of two inputs, as a·b is
    y, k, m = Axis("y", 7), Axis("k", 5), Axis("m", 5)
    a, b = source((7, 5), "a"), source((5,), "b")
    away = a[y, k] - b[k]
    apart = filled(Equation((y,), Sum(k)(away * away)))
    assert other_work(apart) == {"add": 7 * 4, "multiply": 35, "subtract": 35}
    assert products(Equation((y,), Sum(m)(a[y, m] * b[m]))) == (0, 35)


def test_symbols_and_unknowns() -> None:
    n, k = symbol("n"), symbol("k")
    one = textbook.conv2d((n, 5, 2), k, (3, 3))
    assert macs(one) == 54 * k * (n - 2)
    assert other_work(one) == {"add": 3 * k * (n - 2)}
    assert macs(textbook.conv2d((UNKNOWN, 5, 2), 7, (3, 3))) is UNKNOWN
    assert macs(textbook.pool2d((UNKNOWN, 5, 2), "max", (2, 2), (2, 2))) == 0


def test_one_window_over_everything_adds_nothing_to_nothing() -> None:
    c, i = Axis("c", 5), Axis("i", 1)
    image = source((1, 5))
    assert other_work(Equation((c,), Max(i)(image[i, c]))) == {}
    assert other_work(Equation((c,), Sum(i)(image[i, c]))) == {}
    assert other_work(Equation((c,), Mean(i)(image[i, c]))) == {"divide": 5}

"""Equations written straight in the notation, against PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import textbook
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from convscope.notation import Axis, Equation, Mean, Pieces, Sum, evaluation, source, symbol, weight
from convscope.notation.evaluation import evaluate, evaluate_box
from convscope.notation.ledger import ledger
from convscope.notation.sizes import UNKNOWN

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Pair:
    """An equation, the numbers it reads, and what torch says for all positions."""

    equation: Equation
    values: dict[str, Array]
    wanted: Array


def numbers(equation: Equation, seed: int = 1) -> dict[str, Array]:
    """Return float32 numbers for every input and weight that an equation reads."""
    rng = np.random.default_rng(seed)
    shapes = {t.name: t.shape for t in equation.inputs} | equation.weights
    return {name: rng.normal(size=shape or ()).astype(np.float32) for name, shape in shapes.items()}


def torch_in(array: Array) -> torch.Tensor:
    """Return a channels-last map as torch takes it."""
    return torch.from_numpy(np.moveaxis(array, -1, 0)[None].astype(np.float64))


def torch_out(tensor: torch.Tensor) -> Array:
    return np.moveaxis(tensor[0].numpy(), 0, -1)


def oihw(kernel: Array) -> torch.Tensor:
    return torch.from_numpy(kernel.transpose(3, 2, 0, 1).astype(np.float64))


def doubled(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float64))


def convolved(
    shape: tuple[int, ...], filters: int, kernel: tuple[int, int], **settings: Any
) -> Pair:
    equation = textbook.conv2d(shape, filters, kernel, **settings)
    v = numbers(equation)
    (top, bottom), (left, right) = settings.get("pad", ((0, 0), (0, 0)))
    wanted = F.conv2d(
        F.pad(torch_in(v["in"]), (left, right, top, bottom)),
        oihw(v["kernel"]),
        doubled(v["bias"]) if "bias" in v else None,
        stride=settings.get("stride", (1, 1)),
        dilation=settings.get("dilation", (1, 1)),
        groups=settings.get("groups", 1),
    )
    return Pair(equation, v, torch_out(F.relu(wanted) if settings.get("relu") else wanted))


def depthwise() -> Pair:
    equation = textbook.depthwise2d((8, 11, 3), 2, (3, 4), (2, 1))
    v = numbers(equation)
    kernel = v["kernel"].transpose(2, 3, 0, 1).reshape(6, 1, 3, 4)
    wanted = F.conv2d(torch_in(v["in"]), doubled(kernel), stride=(2, 1), groups=3)
    return Pair(equation, v, torch_out(wanted))


def transposed(
    kernel: tuple[int, int], stride: tuple[int, int], crop: tuple[int, int], extra: tuple[int, int]
) -> Pair:
    equation = textbook.transposed2d((5, 7, 3), 4, kernel, stride, crop, extra)
    v = numbers(equation)
    wanted = F.conv_transpose2d(
        torch_in(v["in"]),
        doubled(v["kernel"].transpose(3, 2, 0, 1)),
        doubled(v["bias"]),
        stride=stride,
        padding=crop,
        output_padding=extra,
    )
    return Pair(equation, v, torch_out(wanted))


def max_pool() -> Pair:
    equation = textbook.pool2d((9, 11, 3), "max", (3, 2), (2, 3), ((1, 1), (1, 1)), "-inf")
    v = numbers(equation)
    wanted = F.max_pool2d(torch_in(v["in"]), (3, 2), (2, 3), (1, 1))
    return Pair(equation, v, torch_out(wanted))


def mean_pool(outside: str) -> Pair:
    equation = textbook.pool2d((9, 11, 3), "mean", (3, 4), (2, 3), ((1, 1), (2, 2)), outside)
    v = numbers(equation)
    wanted = F.avg_pool2d(
        torch_in(v["in"]), (3, 4), (2, 3), (1, 2), count_include_pad=outside == "zero"
    )
    return Pair(equation, v, torch_out(wanted))


def softmax() -> Pair:
    equation = textbook.softmax((5, 7))
    v = {"in": 30 * numbers(equation)["in"]}  # e^90 would overflow if it were not taken off first
    return Pair(equation, v, torch.softmax(doubled(v["in"]), -1).numpy())


def layer_norm() -> Pair:
    equation = textbook.layer_norm((5, 7), 1e-3)
    v = numbers(equation)
    wanted = F.layer_norm(doubled(v["in"]), (7,), doubled(v["gamma"]), doubled(v["beta"]), eps=1e-3)
    return Pair(equation, v, wanted.numpy())


def dense() -> Pair:
    equation = textbook.dense(11, 5)
    v = numbers(equation)
    wanted = F.linear(doubled(v["in"]), doubled(v["kernel"].T), doubled(v["bias"]))
    return Pair(equation, v, wanted.numpy())


PAIRS: dict[str, Callable[[], Pair]] = {
    "plain": lambda: convolved((9, 11, 3), 5, (3, 4)),
    "relu": lambda: convolved((9, 11, 3), 5, (3, 4), relu=True),
    "strided": lambda: convolved((12, 11, 2), 3, (3, 2), stride=(2, 3), bias=False),
    "padded": lambda: convolved((7, 8, 2), 3, (3, 4), pad=((1, 2), (0, 3))),
    "dilated": lambda: convolved((13, 11, 2), 4, (3, 2), dilation=(3, 4)),
    "grouped": lambda: convolved((7, 8, 6), 9, (2, 3), groups=3),
    "all at once": lambda: convolved(
        (13, 14, 4),
        6,
        (3, 2),
        stride=(2, 3),
        pad=((2, 1), (1, 0)),
        dilation=(2, 3),
        groups=2,
        relu=True,
    ),
    "depthwise": depthwise,
    "transposed": lambda: transposed((3, 4), (1, 1), (0, 0), (0, 0)),
    "transposed, strided": lambda: transposed((3, 2), (2, 3), (0, 0), (0, 0)),
    "transposed, cropped": lambda: transposed((4, 3), (3, 2), (1, 1), (2, 1)),
    "max pooling": max_pool,
    "mean, skipping the border": lambda: mean_pool("skip"),
    "mean, border of zeros": lambda: mean_pool("zero"),
    "softmax": softmax,
    "layer norm": layer_norm,
    "dense": dense,
}


@pytest.fixture(params=PAIRS, scope="module")
def pair(request: pytest.FixtureRequest) -> Pair:
    return PAIRS[request.param]()


def test_the_shape_is_solved(pair: Pair) -> None:
    assert pair.equation.shape == pair.wanted.shape


def positions(pair: Pair, count: int = 20) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(7)
    return [tuple(int(rng.integers(n)) for n in pair.wanted.shape) for _ in range(count)]


def test_one_number_at_a_time(pair: Pair) -> None:
    for position in positions(pair):
        found = evaluate(pair.equation, position, pair.values)
        assert found == pytest.approx(pair.wanted[position], rel=1e-9, abs=1e-9)


def test_boxes(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [(0, n - 1) for n in pair.wanted.shape]
    np.testing.assert_allclose(
        evaluate_box(pair.equation, whole, pair.values), pair.wanted, rtol=1e-9, atol=1e-9
    )
    part = [(n // 3, n - 1 - n // 4) for n in pair.wanted.shape]
    cut = tuple(slice(low, high + 1) for low, high in part)
    # in many small parts, as a large box is worked through
    monkeypatch.setattr(evaluation, "AT_ONCE", 50)
    np.testing.assert_allclose(
        evaluate_box(pair.equation, part, pair.values), pair.wanted[cut], rtol=1e-9, atol=1e-9
    )


def test_ledgers(pair: Pair) -> None:
    for position in positions(pair):
        found = ledger(pair.equation, position, pair.values)
        assert found.value == pytest.approx(pair.wanted[position], rel=1e-9, abs=1e-9)
        groups = found.groups
        if groups is None:
            assert found.terms == 0
            continue
        bias = found.bias or 0.0
        if found.reduction == "max":
            assert groups.partials.max() == found.preactivation
        else:
            assert groups.partials.sum() + bias == pytest.approx(found.preactivation, abs=1e-9)
        assert groups.windows.size == found.terms


def test_the_input_is_never_read_outside_its_window(pair: Pair) -> None:
    """Whatever lies outside the window may be NaN: the number does not notice."""
    array = pair.values["in"]
    for position in positions(pair, 8):
        window = pair.equation.window([(p, p) for p in position], "in")
        hidden = np.full(array.shape, np.nan, dtype=np.float32)
        if window is not None:  # else nothing is read at all
            cut = tuple(slice(max(low, 0), high + 1) for low, high in window)
            hidden[cut] = array[cut]
        found = evaluate(pair.equation, position, pair.values | {"in": hidden})
        assert found == pytest.approx(pair.wanted[position], rel=1e-9, abs=1e-9)


# -- windows against gradients ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["all at once", "transposed, cropped", "mean, skipping the border"]
)
def test_the_window_is_where_the_gradient_is(name: str) -> None:
    pair = PAIRS[name]()
    image = torch_in(pair.values["in"]).requires_grad_()
    v = pair.values
    if name == "all at once":
        padded = F.pad(image, (1, 0, 2, 1))
        out = F.conv2d(padded, oihw(v["kernel"]), None, (2, 3), 0, (2, 3), 2)
    elif name == "transposed, cropped":
        kernel = doubled(v["kernel"].transpose(3, 2, 0, 1))
        out = F.conv_transpose2d(image, kernel, None, (3, 2), (1, 1), (2, 1))
    else:
        out = F.avg_pool2d(image, (3, 4), (2, 3), (1, 2), count_include_pad=False)
    for y, x, c in positions(pair):
        (slope,) = torch.autograd.grad(out[0, c, y, x], image, retain_graph=True)
        touched = np.argwhere(torch_out(slope) != 0)
        window = pair.equation.window(((y, y), (x, x), (c, c)))
        if not len(touched):  # a transposed convolution leaves gaps
            continue
        assert window is not None
        sizes = pair.values["in"].shape
        found = zip(touched.min(0), touched.max(0), strict=True)
        for (low, high), (first, last), n in zip(window, found, sizes, strict=True):
            if low >= 0 and high < n:
                assert (low, high) == (first, last)
            else:  # part of it lies in the border, and what is left of a dilated one may be shorter
                assert max(low, 0) <= first and last <= min(high, n - 1)


def test_where_a_transposed_convolution_leaves_a_gap_nothing_is_read() -> None:
    # a kernel of 1 and a stride of 3: only every third row has an input
    equation = textbook.transposed2d((5, 7, 3), 4, (1, 2), (3, 1), (0, 0))
    assert equation.window(((3, 3), (2, 2), (0, 0))) == ((1, 1), (1, 2), (0, 2))
    assert equation.window(((4, 4), (2, 2), (0, 0))) is None
    values = numbers(equation)
    assert evaluate(equation, (4, 2, 3), values) == values["bias"][3]


def test_a_window_of_nothing_but_padding_is_none() -> None:
    equation = textbook.conv2d((5, 6, 2), 3, (2, 2), pad=((2, 2), (0, 0)))
    assert equation.window(((0, 0), (1, 1), (0, 0))) is None
    assert equation.window(((7, 7), (1, 1), (0, 0))) is None
    assert equation.window(((0, 1), (1, 1), (0, 0))) == ((-2, 0), (1, 2), (0, 1))
    assert equation.window(((6, 7), (1, 1), (0, 0))) == ((4, 6), (1, 2), (0, 1))


# -- laws ------------------------------------------------------------------------------------------


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(0, 9),
    st.data(),
)
def test_any_setting_against_torch(
    kernel: int, stride: int, dilation: int, pad: tuple[int, int], more: int, data: Any
) -> None:
    rows = (kernel - 1) * dilation + 1 + more
    pair = convolved(
        (rows, 7, 2), 3, (kernel, 2), stride=(stride, 1), pad=(pad, (0, 0)), dilation=(dilation, 2)
    )
    assert pair.equation.shape == pair.wanted.shape
    place = tuple(data.draw(st.integers(0, n - 1)) for n in pair.wanted.shape)
    assert evaluate(pair.equation, place, pair.values) == pytest.approx(
        pair.wanted[place], abs=1e-9
    )


@given(
    st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 60)
)
def test_symbolic_shapes_become_the_numeric_ones(
    kernel: int, stride: int, dilation: int, pad: int, n: int
) -> None:
    def solved(rows: Any, channels: Any) -> Equation:
        settings: dict[str, Any] = {
            "stride": (stride, 1),
            "dilation": (dilation, 1),
            "pad": ((pad, pad), (0, 1)),
        }
        return textbook.conv2d((rows, 9, channels), 5, (kernel, 2), **settings)

    symbolic = solved(symbol("n"), symbol("c"))
    values = {symbol("n"): n, symbol("c"): 4}
    if n + 2 * pad < (kernel - 1) * dilation + 1:
        return
    numeric = solved(n, 4)
    assert tuple(getattr(s, "subs", lambda v, s=s: s)(values) for s in symbolic.shape) == (
        numeric.shape
    )
    assert symbolic.params.subs(values) == numeric.params


def test_symbols_all_the_way() -> None:
    # issue 2: Conv2D("k1", 3) on ("n", "m", 1)
    n, m, k1 = map(symbol, ("n", "m", "k1"))
    one = textbook.conv2d((n, m, 1), k1, (3, 3))
    assert one.shape == (n - 2, m - 2, k1)
    assert one.weights == {"kernel": (3, 3, 1, k1), "bias": (k1,)}
    assert one.params == 10 * k1
    k = symbol("k")
    assert textbook.conv2d((n, m, 1), k1, (k, 3)).shape == (n - k + 1, m - 2, k1)


def test_unknown_sizes_stay_unknown_and_weights_do_not_depend_on_them() -> None:
    one = textbook.conv2d((UNKNOWN, 28, 3), 5, (3, 3), (2, 2))
    assert one.shape == (UNKNOWN, 13, 5)
    assert one.weights == {"kernel": (3, 3, 3, 5), "bias": (5,)}
    assert textbook.conv2d((UNKNOWN, 28, UNKNOWN), 5, (3, 3)).weights["kernel"][2] is UNKNOWN


def test_a_weight_that_is_read_in_two_places_is_as_large_as_the_larger() -> None:
    y, i = Axis("y"), Axis("i", 3)
    taps = weight("taps")
    image = source((9,))
    for first, second in ((0, 4), (4, 0)):
        one = Equation(
            (y,), Sum(i)(image[y + i] * taps[i + first] + image[y + i] * taps[i + second])
        )
        assert one.weights == {"taps": (7,)}


def test_a_position_of_a_scalar() -> None:
    total = Equation((), Sum(Axis("i", 5))(source((5,))[2] * 3.0))
    assert total.shape == ()
    assert evaluate(total, (), {"in": np.arange(5.0)}) == 30.0
    assert evaluate_box(total, (), {"in": np.arange(5.0)}) == 30.0


def test_a_window_is_that_of_the_piece_that_holds() -> None:
    y, i = Axis("y", 9), Axis("i", 2)
    image = source((12,))
    both = Pieces(y, (4, 9), (image[y], Sum(i)(image[y + i + 2])))
    equation = Equation((y,), both)
    assert equation.window([(2, 2)]) == ((2, 2),)
    assert equation.window([(5, 5)]) == ((7, 8),)
    assert equation.window([(3, 4)]) == ((3, 7),)
    assert equation.bounds("in", 0, {y: 3}) == (3, 3)


def test_a_window_of_two_reads_where_a_size_is_unknown() -> None:
    k = Axis("k", UNKNOWN)
    y = Axis("y", 5)
    image = source((UNKNOWN,))
    equation = Equation((y,), image[y] - Mean(k)(image[k]))
    (window,) = equation.window([(2, 2)]) or ()
    assert window[1] is UNKNOWN
    n = symbol("n")
    k = Axis("k", n)
    image = source((n,))
    assert Equation((y,), image[y] - Mean(k)(image[k])).window([(2, 2)]) is not None

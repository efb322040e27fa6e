"""Sizes: numbers, symbols and unknowns; symbols against the same arithmetic in plain numbers."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from convscope.errors import SettingError
from convscope.notation.sizes import (
    UNKNOWN,
    ceil_div,
    from_plain,
    is_known,
    is_symbolic,
    largest,
    latex,
    plain,
    product,
    show,
    size,
    smallest,
    surely_less,
    symbol,
    tidy,
)

N, M, K = symbol("n"), symbol("m"), symbol("k1")


# -- what users write -----------------------------------------------------------------------------


def test_what_may_be_a_size() -> None:
    assert size(28) == 28 and type(size(np.int64(28))) is int
    assert size("n") == N
    assert size(None) is UNKNOWN and size(UNKNOWN) is UNKNOWN
    assert size(N - 2) == N - 2
    assert type(size(sympy.Integer(7))) is int


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "filters must be at least 1, not 0"),
        (-1, "filters must be at least 1, not -1"),
        (sympy.Integer(0), "filters must be at least 1, not 0"),
        (2.5, "filters must be a whole number or a symbol's name, not 2.5"),
        (math.nan, "filters must be a whole number or a symbol's name, not nan"),
        (True, "filters must be a whole number or a symbol's name, not True"),
        ("", "filters must be a whole number or a symbol's name such as 'n', not ''"),
        ("2 n", "filters must be a whole number or a symbol's name such as 'n', not '2 n'"),
        ("lambda", "filters must be a whole number or a symbol's name such as 'n', not 'lambda'"),
        ([3], "filters must be a whole number or a symbol's name, not [3]"),
    ],
)
def test_what_may_not(value: object, message: str) -> None:
    with pytest.raises(SettingError) as error:
        size(value, "filters")
    assert str(error.value) == message


# -- symbols --------------------------------------------------------------------------------------

Shown = tuple[Any, str, str, str]


@pytest.mark.parametrize(
    ("value", "shown", "written", "tex"),
    [
        (28, "28", 28, "28"),
        (-3, "−3", -3, "-3"),
        (UNKNOWN, "?", None, r"\text{?}"),
        (N, "n", "n", "n"),
        (K, "k1", "k1", "k_{1}"),
        (N - 2, "n − 2", "n - 2", "n - 2"),
        (2 - N, "2 − n", "2 - n", "2 - n"),
        (N - M, "n − m", "n - m", "n - m"),
        (-N, "−n", "-n", "-n"),
        (9 * K, "9·k1", "9*k1", r"9 \cdot k_{1}"),
        (N * N, "n²", "n**2", "n^{2}"),
        # a stride of 2: 3 rows in n fit (n − 3)//2 + 1 times, which is (n − 1)//2
        ((N - 3) // 2 + 1, "⌊(n − 1)/2⌋", "(n - 1)//2", r"\left\lfloor (n - 1)/2 \right\rfloor"),
        # padded by 1 and 1: (n − 1)//2 + 1
        ((N - 1) // 2 + 1, "⌊(n + 1)/2⌋", "(n + 1)//2", r"\left\lfloor (n + 1)/2 \right\rfloor"),
        # Keras's same padding, rounded up
        (ceil_div(N, 2), "⌊(n + 1)/2⌋", "(n + 1)//2", r"\left\lfloor (n + 1)/2 \right\rfloor"),
        (ceil_div(N, 3), "⌊(n + 2)/3⌋", "(n + 2)//3", r"\left\lfloor (n + 2)/3 \right\rfloor"),
        (N // 2 + 1, "⌊n/2⌋ + 1", "n//2 + 1", r"\left\lfloor n/2 \right\rfloor + 1"),
        # two strides of 2, one after the other
        (((N + 1) // 2 + 1) // 2, "⌊(n + 3)/4⌋", "(n + 3)//4", None),
        ((2 * N + 3) // 4, "⌊(n + 1)/2⌋", "(n + 1)//2", None),
        (3 - N // 2, "3 − ⌊n/2⌋", "3 - n//2", None),
        (-(N // 2) * M, "−m·⌊n/2⌋", "-m*(n//2)", None),
        (-(N // 2), "−⌊n/2⌋", "-(n//2)", None),
        # where the last of those windows starts
        (((N - 3) // 2 + 1) * 2 - 2, "2·⌊(n − 3)/2⌋", "2*((n - 3)//2)", None),
        ((N - 3) // 2 * 2 - 1, "2·⌊(n + 1)/2⌋ − 5", "2*((n + 1)//2) - 5", None),
        # strides that are symbols: 3 rows, one stride after the other, and `same` padding twice
        ((N - 3) // K + 1, "⌊(n − 3)/k1⌋ + 1", "(n - 3)//k1 + 1", None),
        (((N - 3) // K + 1 - 3) // K + 1, "⌊(n − 2·k1 − 3)/k1²⌋ + 1", None, None),
        (ceil_div(N, K), "⌊(k1 + n − 1)/k1⌋", "(k1 + n - 1)//k1", None),
        (ceil_div(ceil_div(N, K), K), "⌊(k1² + n − 1)/k1²⌋", "(k1**2 + n - 1)//k1**2", None),
        (ceil_div(28, K), "⌊27/k1⌋ + 1", "27//k1 + 1", None),
        ((N * K + M) // K, "n + ⌊m/k1⌋", "n + m//k1", None),
        (N // 2 * M // 3, "⌊m·⌊n/2⌋/3⌋", "(m*(n//2))//3", None),
        (1 - N % 2, "1 − n mod 2", "1 - n % 2", None),
        (largest(N - 5, 0), "max(0, n − 5)", "max(0, n - 5)", r"\max(0, n - 5)"),
        (smallest(N, 7), "min(7, n)", "min(7, n)", r"\min(7, n)"),
    ],
)
def test_how_a_size_is_shown(value: Any, shown: str, written: Any, tex: str | None) -> None:
    value = tidy(value)
    assert show(value) == shown
    assert written is None or plain(value) == written
    assert from_plain(plain(value)) == value
    assert tex is None or latex(value) == tex


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.integers(14, 40))
def test_windows_a_symbol_apart_are_as_many_as_with_the_number(
    kernel: int, stride: int, second: int, n: int
) -> None:
    by, times = symbol("s"), symbol("t")
    inner = (N - kernel) // by + 1
    numbers = {N: n, by: stride, times: second}
    for given_size in (
        (inner - 2) // times + 1,
        ceil_div(ceil_div(inner, times) + kernel, by),
        N - inner * by,
    ):
        found = tidy(given_size)
        assert found.subs(numbers) == given_size.subs(numbers)
        assert from_plain(plain(found)) == found
        assert eval(str(plain(found)), {"n": n, "s": stride, "t": second}) == found.subs(numbers)


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return larger sizes, as (function of the symbols' values, text for messages)."""
    numbers = st.integers(1, 5)
    return st.one_of(
        st.tuples(st.just("+"), inner, inner),
        st.tuples(st.just("-"), inner, inner),
        st.tuples(st.just("*"), inner, st.integers(-3, 4)),
        st.tuples(st.just("//"), inner, numbers),
        st.tuples(st.just("up"), inner, numbers),
        st.tuples(st.just("%"), inner, st.integers(2, 5)),
        st.tuples(st.just("max"), inner, st.integers(-3, 3)),
    )


SIZES = st.recursive(st.one_of(st.sampled_from("nm"), st.integers(-4, 6)), grown, max_leaves=5)


def worked_out(tree: Any, values: dict[str, Any]) -> Any:
    match tree:
        case str():
            return values[tree]
        case int():
            return tree
    name, a, b = tree
    a, b = worked_out(a, values), worked_out(b, values)
    match name:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "//":
            return a // b
        case "%":
            return a % b
        case "up":
            return ceil_div(a, b)
    return largest(a, b)


@given(SIZES, st.integers(1, 40), st.integers(1, 40))
def test_a_symbolic_size_is_the_numeric_one_once_numbers_are_put_in(
    tree: Any, n: int, m: int
) -> None:
    symbolic = tidy(worked_out(tree, {"n": N, "m": M}))
    wanted = worked_out(tree, {"n": n, "m": m})
    if is_known(symbolic):
        assert symbolic == wanted
        return
    assert is_symbolic(symbolic)
    assert symbolic.subs({N: n, M: m}) == wanted
    # what is written is Python, and is read back as the same size
    assert eval(str(plain(symbolic)), {"n": n, "m": m, "max": max, "min": min}) == wanted
    assert from_plain(plain(symbolic)) == symbolic


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_equal_sizes_are_found_equal_however_they_came_about(
    kernel: int, stride: int, pad: int
) -> None:
    # the sliding window's rule, against ⌈·⌉ of the same: ⌊(a − b)/s⌋ + 1 = ⌈(a − b + 1)/s⌉
    spare = N + 2 * pad - kernel
    assert tidy(spare // stride + 1) == ceil_div(spare + 1, stride)


def test_only_arithmetic_is_read_back() -> None:
    for text in (
        "__import__('os')",
        "n.real",
        "n[0]",
        "f(n)",
        "'n'",
        "n if m else 2",
        "n ** m",
        "(",
    ):
        with pytest.raises(ValueError, match="is no size"):
            from_plain(text)
    # names that sympy would take for its own
    assert show(from_plain("E + I + pi")) == "E + I + pi"
    assert from_plain("N") == symbol("N")


# -- unknowns and comparisons ---------------------------------------------------------------------


def test_what_is_computed_with_an_unknown_is_unknown() -> None:
    for value in (UNKNOWN + 1, 1 - UNKNOWN, UNKNOWN * 3, UNKNOWN // 2, 7 // UNKNOWN, UNKNOWN % 2):
        assert value is UNKNOWN
    assert -UNKNOWN is UNKNOWN and N - UNKNOWN is UNKNOWN and UNKNOWN * N is UNKNOWN
    assert product((3, UNKNOWN, 5)) is UNKNOWN
    assert ceil_div(UNKNOWN, 2) is UNKNOWN
    assert largest(UNKNOWN, 3) is UNKNOWN and smallest(3, UNKNOWN) is UNKNOWN
    assert str(UNKNOWN) == "None" and pickle.loads(pickle.dumps(UNKNOWN)) is UNKNOWN


def test_less_only_where_it_is_certain() -> None:
    assert surely_less(2, 3) and not surely_less(3, 3)
    assert surely_less(N - 2, N) and surely_less(0, N)
    assert not surely_less(N, 5) and not surely_less(5, N)
    assert not surely_less(UNKNOWN, 3) and not surely_less(3, UNKNOWN)


def test_symbols_that_cancel_leave_a_number() -> None:
    assert type(tidy(N - N + 3)) is int
    assert type(tidy((2 * N + 5) // 2 - N)) is int
    assert product(()) == 1 and type(product((N, 1 / N))) is int

"""Sums without rounding and counts of bins, against fractions and numpy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from convscope.survey import exact
from convscope.survey.exact import ExactSums, Histograms

numbers = some.floats(allow_nan=False, allow_infinity=False, min_value=-1e77, max_value=1e77).map(
    lambda x: 0.0 if abs(x) < 2.0**-298 else x
)


@given(some.lists(numbers, min_size=1, max_size=30), some.randoms())
def test_sums_are_exact_and_the_order_does_not_matter(values: list[float], lots: object) -> None:
    one, left, right = ExactSums(1), ExactSums(1), ExactSums(1)
    for place, value in enumerate(values):
        one.add(np.array([value]))
        (left if place % 3 else right).add(np.array([value]))
    right.merge(left)
    for sums in (one, right):
        sums.settle()
    assert np.array_equal(one.limbs, right.limbs)
    # what lies below 2^-352 is cut off each number, towards 0
    off = abs(one.totals()[0] - sum(map(Fraction, values)))
    assert off <= Fraction(len(values), 1 << 352)
    if all(value == 0 or abs(value) > 2.0**-290 for value in values):
        assert off == 0


@pytest.mark.parametrize("at_once", [30, 200, 1 << 16])
def test_histograms_count_the_upper_bits_of_every_number(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only some images, or some rows, are counted at a time."""
    monkeypatch.setattr(exact, "AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(5, 3, 77)) * 10.0 ** rng.integers(-42, 38, (5, 3, 77))).astype(np.float32)
    x[0, 1, :4] = 0, -0.0, np.inf, np.nan
    whole, first, second = Histograms(3), Histograms(3), Histograms(3)
    whole.add(x)
    second.add(x[2:])
    first.add(x[:2])
    second.merge(first)
    again = Histograms(3, *whole.told())
    for one in (second, again):
        for told, same in zip(whole.told(), one.told(), strict=True):
            assert told.tobytes() == same.tobytes()
    assert whole.zeros.tolist() == [0, 2, 0]
    for row in range(3):
        finite = x[:, row][np.isfinite(x[:, row])].astype(np.float64)
        bins = list(whole.bins(row))
        assert sum(count for *_, count in bins) == finite.size
        for low, high, count in bins:
            inside = (
                (finite > low) & (finite <= high)
                if high <= 0
                else (finite >= low) & (finite < high)
            )
            # the bins at 0 hold the numbers below the smallest normal one, 0 and −0 among them
            if low != 0 and high != 0:
                assert count == inside.sum()
            if min(abs(low), abs(high)) >= 2.0**-126:
                assert (high - low) / min(abs(low), abs(high)) <= 1 / 128

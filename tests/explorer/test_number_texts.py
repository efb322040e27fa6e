"""Numbers as the page shows them, in a real browser, against explain/words.py: digit for digit."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING

import numpy as np

from convscope.explain.words import adding_up, decimal, exact, scientific

if TYPE_CHECKING:
    from playwright.sync_api import Page


def many() -> list[float]:
    """Return numbers of every size, whole ones, and those that lie halfway between two texts."""
    rng = np.random.default_rng(15)
    found = list(rng.normal(size=2000) * 10.0 ** rng.uniform(-12, 12, 2000))
    found += [float(np.float32(v)) for v in found[:500]]
    found += list(rng.integers(0, 2**63, 2000, dtype=np.uint64).view(np.float64))
    found += [float(m) / 2**k for k in range(40) for m in rng.integers(1, 5000, 60)]
    found += [1e9 * n + 5 for n in (1, 2, 3)] + [10.0**n for n in range(-12, 30)]
    found += [1234567885.0, 1234567895.0, 999999999.5, 99999999.95, 0.00009999999995, 95.0, 9.5]
    found += [0.0, -0.0, math.inf, math.nan, 5e-324, 1.7976931348623157e308, 1e21, 123456789e15]
    return found + [-v for v in found]


def test_numbers_are_written_as_python_writes_them(loaded: Page) -> None:
    values = many()
    data = base64.b64encode(np.array(values).tobytes()).decode()
    said = json.loads(loaded.evaluate("data => texts(data)", data))
    assert len(said) == len(values) > 10_000
    for value, (four, six, none, as_float32, raised) in zip(values, said, strict=True):
        assert (four, six, none) == (decimal(value, 4), decimal(value), decimal(value, 0)), value
        assert as_float32 == exact(value), value
        assert raised == scientific(value), value


def test_columns_add_up_as_in_python(loaded: Page) -> None:
    rng = np.random.default_rng(16)
    columns: list[tuple[list[float], float, int]] = [
        ([0.25, 0.25, 0.5], 1.0, 1),
        ([0.5, 0.5], 1.0, 0),
        ([2.5], 2.5, 0),
        ([-0.5, -0.5, -0.5], -1.5, 0),
        ([1e12, 1e-7], 1e12 + 1e-7, 6),
        ([0.1, 0.2], 0.3 + 7e-6, 6),
        ([0.1, 0.2], 0.3 - 7e-6, 6),
        ([0.16, 0.24, 0.39], 0.5, 1),
    ]
    for _ in range(600):
        count = int(rng.integers(1, 70))
        values = [float(v) for v in rng.normal(size=count) * 10.0 ** rng.uniform(-6, 4)]
        if rng.integers(2):
            values = [round(v * 8) / 8 for v in values]
        columns.append((values, sum(values), int(rng.integers(0, 7))))
    said = json.loads(loaded.evaluate("text => columns(text)", json.dumps(columns)))
    for (values, total, digits), (texts, shown) in zip(columns, said, strict=True):
        assert (texts, shown) == adding_up(values, total, digits), (values, total, digits)


def test_what_is_not_finite_does_not_add_up(loaded: Page) -> None:
    said = loaded.evaluate("() => evaluator.addingUp([1.5, -Infinity, NaN], NaN, 1)")
    assert said == {"texts": ["1.5", "−∞", "NaN"], "total": "NaN"}
    assert loaded.evaluate("() => evaluator.addingUp([], 0, 2)") == {"texts": [], "total": "0.00"}

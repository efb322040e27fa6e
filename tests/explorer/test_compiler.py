"""All numbers of a layer at once: the compiled equation against Python's, position by position."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from campaigns import in_turn
from explorer.test_evaluator import (
    NAMES,
    SAMPLES,
    Asked,
    drawn,
    numbers,
    of_sample,
    operators,
    small,
)

from convscope.notation.evaluation import evaluate

BORDERS = ("an infinite weight in the padding",)
"""Where a weight is not finite and meets the padding, the engine leaves it out, and so does what is compiled;
Python's arithmetic says 0 · ∞."""

if TYPE_CHECKING:
    from playwright.sync_api import Page


def whole(page: Page, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """Return what the compiled equations give, each the numbers of its whole output."""
    text = json.dumps([one.written() for one in asked], allow_nan=False)
    found: list[dict[str, Any]] = page.evaluate("text => compileAll(text)", text)
    return found


def compare(asked: Asked, said: dict[str, Any]) -> None:
    assert "error" not in said, said["error"]
    assert said["shape"] == list(asked.equation.shape)
    found = numbers(said["numbers"]).reshape(said["shape"])
    with np.errstate(all="ignore"):
        expected = np.array([evaluate(asked.equation, p, asked.values) for p in asked.positions])
        ours = np.array([found[tuple(p)] for p in asked.positions])
        held = expected.astype(np.float32)
    # a term in the border is left out, whatever its weight is; sums of terms are in float64, kept as float32
    np.testing.assert_allclose(ours, held, rtol=3e-7, atol=1e-6, equal_nan=True)


@pytest.fixture(scope="module")
def given(loaded: Page) -> dict[str, dict[str, Any]]:
    found = whole(loaded, [of_sample(sample) for sample in SAMPLES.values()])
    return dict(zip(SAMPLES, found, strict=True))


@in_turn("name", NAMES)
def test_every_sample_of_every_kind(name: str, given: dict[str, dict[str, Any]]) -> None:
    compare(of_sample(SAMPLES[name]), given[name])


def test_every_operator_mental_model_and_corner(loaded: Page) -> None:
    named = [*operators(), *((str(a.equation), a) for a in drawn()), *small().items()]
    wrong = []
    for (name, one), said in zip(named, whole(loaded, [a for _, a in named]), strict=True):
        try:
            compare(one, said)
        except AssertionError as error:
            wrong.append(name if name in BORDERS else f"{name}: {error}")
    assert wrong == list(BORDERS)

"""How long a campaign of random tries is: some of it every time, all of it with `--full`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest


def rounds(quick: int, full: int) -> int:
    """Return how many rounds to try: `full` with pytest's `--full`, or more by CONVSCOPE_ROUNDS=5000."""
    given = os.environ.get("CONVSCOPE_ROUNDS")
    if given:
        return int(given)
    return full if thorough() else quick


def thorough() -> bool:
    """Whether everything is to be tried (`--full`)."""
    return os.environ.get("CONVSCOPE_TESTS") == "full"


def often(values: Iterable[str], *quick: str) -> list[Any]:
    """Return parameters for a test: the named ones every time, the others with `--full`."""
    found = list(values)
    assert {*quick} <= {*found}, quick
    return [one if one in quick else pytest.param(one, marks=pytest.mark.full) for one in found]

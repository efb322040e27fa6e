"""How long a campaign of random tries is: some of it every time, all of it with `--full`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def in_turn(
    name: str, groups: Mapping[str, Sequence[Any]]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test with one value after the other: pytest alone takes longer for a test than one call takes.

    A group is a test. It fails with all of its values that do, and is skipped where all of them are.
    """

    parameters = [pytest.param(of, id=group) for group, of in groups.items()]

    def made(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def in_groups(**given: Any) -> None:
            values = given.pop(name)
            failed: list[Exception] = []
            skipped = []
            for number, value in enumerate(values):
                try:
                    test(**given, **{name: value})
                except pytest.skip.Exception as reason:
                    skipped.append(reason)
                except Exception as error:  # noqa: BLE001 – raised again, after the others had their turn
                    error.add_note(f"{name} {number}: {value!r}")
                    failed.append(error)
            if len(failed) == 1:
                raise failed[0]
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(values)} failed", failed)
            if len(skipped) == len(values):
                raise skipped[0]

        marked: Callable[..., None] = pytest.mark.parametrize(name, parameters)(in_groups)
        return marked

    return made

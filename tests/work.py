"""How much was done, counted: the same on a busy machine as on a quiet one. Time never decides a test."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from cProfile import Profile
from types import SimpleNamespace

PATIENCE = 120.0
"""How many seconds a test waits for what has to come. It only ends what hangs."""


@contextmanager
def counted() -> Iterator[SimpleNamespace]:
    """Count the functions that are called in a block, Python's and C's: `.calls` is known after it."""
    found = SimpleNamespace(calls=0)
    profile = Profile()
    with profile:
        yield found
    found.calls = sum(entry.callcount for entry in profile.getstats())


def calls(job: Callable[[], object]) -> int:
    """Return how many functions a job calls, Python's and C's."""
    with counted() as found:
        job()
    return int(found.calls)


def peak(job: Callable[[], object]) -> int:
    """Return the largest number of bytes that a job held at once, numpy's arrays included."""
    tracemalloc.start()
    try:
        job()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

"""A bar on stderr, for what turns out to take longer than a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator


def with_progress(steps: range, wanted: bool) -> Iterator[int]:
    """Yield the steps; when they turn out to take more than a second, with a bar on stderr."""
    begun = time.monotonic()
    many = iter(steps)
    done = 0
    for step in many:
        yield step
        done += 1
        if wanted and done < len(steps) and time.monotonic() - begun > 1.0 and sys.stderr.isatty():
            break
    else:
        return
    import click

    with click.progressbar(many, length=len(steps) - done, label="predict", file=sys.stderr) as bar:
        yield from bar

"""Facts made readable. What type checkers and editors know of it is in the stub beside this file."""

from __future__ import annotations

from typing import Any

from convscope.views.report import Report


def report(facts: Any) -> Any:
    """Return facts as a report, which has all that they have and can be looked at."""
    return Report(facts)

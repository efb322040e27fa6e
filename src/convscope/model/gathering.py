"""Networks are made of many objects, none of which refers to itself: Python need not look for circles among them."""

from __future__ import annotations

import gc

SELDOM = 1 << 16
"""So many new objects are waited for before Python looks for circles among them."""


class seldom_gathered:
    """Lets Python look for circles less often within a `with` block.

    Those that are met by a few such looks count as old, and Python then goes through everything that there is.
    """

    def __enter__(self) -> None:
        self.before = gc.get_threshold()
        self.ours = 0 < self.before[0] < SELDOM
        if self.ours:
            gc.set_threshold(SELDOM, *self.before[1:])

    def __exit__(self, *error: object) -> None:
        if self.ours and gc.get_threshold()[0] == SELDOM:
            gc.set_threshold(*self.before)

"""The layer that does nothing."""

from __future__ import annotations

from collections.abc import Iterable

from convscope.layers.base import Sample
from convscope.layers.elementwise import Elementwise


class Identity(Elementwise):
    """Every number as it is.

    >>> print(Identity().equation((26, 26, 32)))
    out[y, x, c] = in[y, x, c]

    No settings, no weights.
    """

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4),))

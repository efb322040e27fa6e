"""Which rows of a summary somebody asks for: from one to another, by name or by place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from convscope.errors import LayerLookupError, SettingError, did_you_mean
from convscope.explain.folding import Fold
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

FORM = "a range of layers is FROM:TO, names or places from 1, as in conv2d_1:flatten or 3:7"


def selected(
    network: str, rows: Sequence[Fold], given: str | Sequence[Any] | None
) -> tuple[int, int]:
    """Return the places, from 1, of the first and the last row that are asked for.

    given   "FROM:TO", one name, or a pair; a side that is missing (None) is where the network begins
            or ends. A name is that of a row, of a layer inside one, or of a network whose layers are rows.

    Raises `LayerLookupError` for what is not there, `SettingError` for a range the wrong way round.
    """
    if given is None:
        return 1, len(rows)
    ends = _Ends(network, rows)
    start, stop = ends.pair(given)
    first = 1 if start is None else ends.places(start)[0]
    last = len(rows) if stop is None else ends.places(stop)[1]
    if first > last:
        raise SettingError(
            f"layers {start}:{stop} runs backwards: {start} is row {first} of {network}, "
            f"{stop} is row {last}; the other way round is {stop}:{start}"
        )
    return first, last


class _Ends:
    """Finds rows by what somebody calls them."""

    def __init__(self, network: str, rows: Sequence[Fold]) -> None:
        self.network, self.rows = network, rows
        self._known: dict[str, int] = {}
        for place, row in enumerate(rows, 1):
            for name in row.nodes:
                self._known[name] = place
        self._known.update((row.name, place) for place, row in enumerate(rows, 1))

    def pair(self, given: str | Sequence[Any]) -> tuple[Any, Any]:
        """Return both ends; a name may hold a colon itself, so the first reading that fits is taken."""
        if not isinstance(given, str):
            if not isinstance(given, Sequence) or len(given) != 2:
                raise SettingError(f"{FORM}, or a pair of them, not {given!r:.80}")
            return given[0], given[1]
        if self._found(given):
            return given, given
        colons = [n for n, character in enumerate(given) if character == ":"]
        if not colons:
            self.places(given)  # which says what is wrong with it
        readings = [(given[:n].strip() or None, given[n + 1 :].strip() or None) for n in colons]
        for start, stop in readings:
            if all(end is None or self._found(end) for end in (start, stop)):
                return start, stop
        return readings[0]

    def places(self, end: Any) -> tuple[int, int]:
        """Return the first and the last row that an end may mean; raise if there is none."""
        found = self._found(end)
        if found is not None:
            return found
        place = self._number(end)
        count = f"{self.network} has {len(self.rows):,} row{'s' if len(self.rows) != 1 else ''}"
        if place is not None:
            raise LayerLookupError(f"there is no row {place}: {count}, counted from 1")
        if not isinstance(end, str):
            raise SettingError(f"{FORM}, not {end!r:.80}")
        near = did_you_mean(end, list(self._known))
        raise LayerLookupError(f"{self.network} has no layer {end!r}{near}; {FORM}")

    def _found(self, end: Any) -> tuple[int, int] | None:
        if isinstance(end, str) and end in self._known:
            return self._known[end], self._known[end]
        place = self._number(end)
        if place is not None:
            place = place + len(self.rows) + 1 if place < 0 else place
            return (place, place) if 0 < place <= len(self.rows) else None
        if not isinstance(end, str):
            return None
        inside = [place for name, place in self._known.items() if name.startswith(f"{end}/")]
        return (min(inside), max(inside)) if inside and end else None

    def _number(self, end: Any) -> int | None:
        if isinstance(end, int) and not isinstance(end, bool):
            return end
        if isinstance(end, str) and re.fullmatch(r"-?[0-9]{1,9}", end):
            return int(end)
        return None

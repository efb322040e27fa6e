"""The screen Compare: two networks in pairs of layers, the maps of both and their difference, and where they first part."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from convscope.errors import InputError, UnsupportedError
from convscope.explorer.protocol import Answer
from convscope.typed import Array
from convscope.views.strict_json import plain

LISTED = 48
"""So many terms of the two ledgers are listed, those that differ most; the others are added up."""

IN_A_FILE = 6 << 20
"""So many bytes of maps an exported file holds for this screen."""


def offer(host: Any, given: Any) -> CompareScreen | None:
    """Return the screen of a comparison; None without one.

    given   the comparison, and what gives the numbers of both networks (None where no image went through)
    """
    return None if given is None else CompareScreen(*given)


class CompareScreen:
    """What was compared, and the maps of both networks, each as the first one keeps it."""

    title = "Compare"

    def __init__(self, made: Any, numbers: tuple[Any, Any] | None) -> None:
        self._made, self._numbers = made, numbers
        self._lock = threading.Lock()
        self._held: tuple[Mapping[str, Array], Mapping[str, Array]] | None = None

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        """Return the table, what is known of one pair, or one map of both: {"what": "table" | "pair" | "map"}."""
        what = question.get("what")
        if what == "table":
            return Answer(self._table())
        if what == "pair":
            return Answer(self._pair(_whole(question, "n", len(self._made.layers))))
        if what == "map":
            number = _whole(question, "n", len(self._made.layers))
            ours, theirs = self._maps(number)
            map_ = _whole(question, "map", len(ours))
            both = [one[map_].astype("<f4") for one in (ours, theirs)]
            return Answer({"shape": list(both[0].shape)}, b"".join(one.tobytes() for one in both))
        raise UnsupportedError(
            f"the screen is asked for a table, a pair or a map, not {what!r:.80}"
        )

    def held(self) -> Iterator[Mapping[str, Any]]:
        """Return the table, and of each pair the map that differs most, as far as there is room; the first difference first."""
        yield {"what": "table"}
        if self._numbers is None:
            return
        first = self._made.first
        numbers = range(len(self._made.layers))
        room = IN_A_FILE
        for n in sorted(
            numbers, key=lambda n: first is None or self._made.layers[n] != first.compared
        ):
            try:
                ours, _ = self._maps(n)
            except (InputError, UnsupportedError):
                continue
            room -= 2 * 4 * ours[0].size
            if room < 0:
                return
            yield {"what": "pair", "n": n}
            yield {"what": "map", "n": n, "map": self._pair(n)["start"]}

    # -- what is told -----------------------------------------------------------------------------

    def _table(self) -> dict[str, Any]:
        from convscope.comparing.report import verdict

        told: dict[str, Any] = plain(self._made.to_dict())
        layers = self._made.layers
        for one, layer in zip(told["layers"], layers, strict=True):
            one["same"] = layer.same
        first = self._made.first
        told["verdict"] = "".join(str(getattr(w, "text", w)) for w in verdict(self._made))
        told["first"] = None if first is None else layers.index(first.compared)
        if first is not None:
            told["first_difference"] |= {"ledgers": _ledgers(first), "terms": _terms(first)}
        return told

    def _pair(self, number: int) -> dict[str, Any]:
        """Return how many maps a pair has, how large they are, and by how much each differs at most."""
        import numpy as np

        ours, theirs = self._maps(number)
        apart = np.nan_to_num(np.abs(ours - theirs), nan=np.inf, posinf=np.inf)
        largest = apart.reshape(len(ours), -1).max(axis=1)
        at = self._made.layers[number].position
        return {
            "maps": len(ours),
            "tile": list(ours.shape[1:]),
            "largest": [float(v) if isfinite(v) else None for v in largest],
            "start": int(largest.argmax()),
            "position": list(at),
        }

    def _maps(self, number: int) -> tuple[Array, Array]:
        """Return the maps of both layers of a pair, (maps, rows, columns), as the first network keeps them."""
        from convscope.explorer.description import maps_of, roles

        layer = self._made.layers[number]
        way = self._made.ways.get(layer.one)
        if self._numbers is None or way is None:
            raise InputError(layer.why_not or "there are no numbers: compare them with an image")
        with self._lock:
            if self._held is None:
                found = [
                    source.values([n for n in names if n is not None])
                    for source, names in zip(
                        self._numbers,
                        (
                            [one.one for one in self._made.layers],
                            [one.other for one in self._made.layers],
                        ),
                        strict=True,
                    )
                ]
                self._held = found[0], found[1]
            ours, theirs = self._held[0][layer.one], way.fetched(self._held[1][layer.other])
        graph = self._numbers[0].graph
        axes = roles(graph, ours.shape, layer.one)
        return maps_of(ours, axes), maps_of(theirs, axes)


# -- the two ledgers ------------------------------------------------------------------------------


def _ledgers(first: Any) -> list[dict[str, Any] | None]:
    """Return the steps of both ledgers: the sum, the bias, what the activation makes of them."""
    found: list[dict[str, Any] | None] = []
    for led in first.ledgers:
        if led is None:
            found.append(None)
            continue
        total = None if led.groups is None else float(led.groups.partials.sum())
        steps = [["sum" if led.reduction == "sum" else str(led.reduction), total]]
        steps = steps if led.reduction else []
        if led.bias is not None:
            steps.append(["bias", led.bias])
        steps.append(["pre-activation", led.preactivation])
        steps.append([" ∘ ".join(led.activation) or "value", led.value])
        found.append({"equation": str(led.equation), "steps": plain(steps), "terms": led.terms})
    return found


def _terms(first: Any) -> dict[str, Any] | None:
    """Return both ledgers' terms side by side, those that differ most first; None where they have not the same terms."""
    import numpy as np

    one, other = first.ledgers
    if one is None or other is None:
        return None
    if one.groups is None or other.groups is None:
        pairs = list(zip(one.readings, other.readings, strict=False))
        rows = [[_read(a), plain(a.value), plain(b.value)] for a, b in pairs[:LISTED]]
        return {"names": ["read", "", ""], "rows": rows, "rest": None, "all": len(pairs)}
    a, b = one.groups, other.groups
    if a.windows.shape != b.windows.shape or (a.products is None) != (b.products is None):
        return None
    columns = [a.windows, b.windows]
    if a.products is not None and a.kernels is not None:
        columns = [a.windows, a.kernels, a.products, b.windows, b.kernels, b.products]
    last = (columns[len(columns) // 2 - 1], columns[-1])
    apart = np.nan_to_num(np.abs(np.asarray(last[0]) - np.asarray(last[1])), nan=np.inf)
    order = np.argsort(-apart.reshape(-1), kind="stable")
    rows = []
    for flat in order[:LISTED]:
        at = np.unravel_index(int(flat), apart.shape)
        place = ", ".join(map(str, (int(a.channels[at[0]]), *(int(p) for p in at[1:]))))
        rows.append([place, *(plain(float(np.asarray(c)[at])) for c in columns)])
    rest = [math.fsum(np.asarray(c).reshape(-1)[order[LISTED:]].tolist()) for c in last]
    return {
        "names": [", ".join(("map", *a.axes)), *(["input", "weight", "product"] * 2 if len(columns) == 6 else ["", ""])],
        "rows": rows,
        "rest": [plain(v) for v in rest] if len(order) > LISTED else None,
        "all": len(order),
    }  # fmt: skip


def _read(reading: Any) -> str:
    return f"{reading.name}[{', '.join(map(str, reading.index))}]"


def _whole(question: Mapping[str, Any], key: str, below: int) -> int:
    found = question.get(key)
    if type(found) is not int or not 0 <= found < below:
        raise InputError(f"{key} must be a whole number, 0 … {below - 1}, not {found!r:.80}")
    return found

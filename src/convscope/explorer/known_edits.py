"""What single edits would make of a network, worked out beforehand for a page that has nobody to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, TypeAlias

from convscope.errors import ConvscopeError
from convscope.explorer.protocol import AnyHost

Json: TypeAlias = Any

SIZES: dict[str, tuple[int, ...]] = {
    "kernel_size": (5, 1, 7, 2, 3),
    "kernel_shape": (5, 1, 7, 2, 3),
    "pool_size": (3, 2, 1),
    "strides": (2, 3, 1),
    "stride": (2, 3, 1),
    "dilation_rate": (2, 3, 1),
    "dilations": (2, 3, 1),
    "dilation": (2, 3, 1),
}
"""The sizes that are tried for a setting, along all axes at once and along each alone."""

GROUPS = {"groups": (2, 4, 8, 1), "group": (2, 4, 8, 1)}
COUNTS = ("filters", "units", "out_channels", "out_features")
"""Settings that are tried doubled and halved."""

MOST_ROWS = 48_000
"""How many layers of edited networks are worked out at most: all edits times all layers."""

IMPOSSIBLE = 10
"""What an edit costs that cannot be, beside one that can: other values are tried to find what would do."""


def told(host: AnyHost, question: Mapping[str, Any]) -> dict[str, Json]:
    """Return an answer's facts, or the error that is the answer: {"facts"} or {"error"}."""
    try:
        return {"facts": host.answer(question).facts}
    except ConvscopeError as error:
        return {"error": {"kind": type(error).__name__, "text": str(error)}}


def candidates(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the edits of a layer that are tried, (setting, value); those that tell most come first.

    >>> list(candidates({"units": {"value": 10, "kind": "int"}}))
    [('units', 20), ('units', 5)]
    """
    even: list[list[tuple[str, Any]]] = []
    uneven: list[list[tuple[str, Any]]] = []
    for name, entry in settings.items():
        value = entry["value"]
        first: list[Any] = []
        then: list[Any] = []
        if name in SIZES and entry["kind"] == "sizes":
            axes = range(entry["count"])
            first = [[size for _ in axes] for size in SIZES[name]]
            if isinstance(value, list):
                then = [[*value[:a], s, *value[a + 1 :]] for s in SIZES[name] for a in axes]
        elif name in COUNTS and type(value) is int:
            first = [2 * value, max(1, value // 2)]
        elif name in GROUPS:
            first = [*GROUPS[name]]
        elif name == "padding" and entry["kind"] == "choice":
            first = [*entry["choices"]]
        elif name == "use_bias":
            first = [not value]
        even.append([(name, v) for v in first if v != value])
        uneven.append([(name, v) for v in then if v != value and v not in first])
    for values in (even, uneven):
        for turn in zip_longest(*values):
            yield from (one for one in turn if one is not None)


def known_edits(
    host: AnyHost, settings: Mapping[str, dict[str, Json]], most_rows: int = MOST_ROWS
) -> dict[str, Json]:
    """Return the answers to edits of one setting, as web/file.js looks them up.

    settings   layer → what the host told of its settings (see `told`)

    {"base", "rows", "edits"}: the answer to no edit; rows of tables, each stored once; and for every
    layer its edits as [setting, value, answer]. An answer is where it differs from `base`: `layers`
    holds [place, row] for each layer that is another one then.
    """
    base = told(host, {"ask": "whatif", "edits": []})
    if "error" in base:
        return {"base": base, "rows": [], "edits": []}
    layers = base["facts"]["layers"]
    tried = [
        [(layer, *edit) for edit in candidates(one["facts"]["settings"])]
        for layer, one in settings.items()
        if "facts" in one
    ]
    wanted = (edit for turn in zip_longest(*tried) for edit in turn if edit is not None)
    rows: dict[str, int] = {}
    found: dict[str, list[Json]] = {}
    left = most_rows
    for layer, setting, value in wanted:
        if left < len(layers):
            break
        one = told(host, {"ask": "whatif", "edits": [[layer, setting, value]]})
        left -= len(layers) * (1 if "facts" in one else IMPOSSIBLE)
        if "facts" in one:
            one = _differences(one["facts"], layers, rows)
        found.setdefault(layer, []).append([setting, value, one])
    return {"base": base, "rows": [json.loads(r) for r in rows], "edits": list(found.items())}


def _differences(facts: dict[str, Json], layers: list[Json], rows: dict[str, int]) -> Json:
    """Return an edit's answer without what it shares with the answer to no edit."""
    changed = []
    for place, (row, before) in enumerate(zip(facts["layers"], layers, strict=True)):
        shown = {k: v for k, v in row.items() if v != before[k]}
        if shown:
            text = json.dumps(shown, allow_nan=False)
            changed.append([place, rows.setdefault(text, len(rows))])
    return {
        "edits": facts["edits"],
        "layers": changed,
        "totals": facts["totals"]["new"],
        "notes": facts["notes"],
    }

"""Numbers in sentences: each is compared with the network's own, and leads to it in the explorer.

    [2.0436](number:demo/conv2d_1@15,17,7)              an activation
    [0.1211](number:demo/conv2d_1.kernel@1,0,11,7)      a weight
    [18,496](number:demo/conv2d_1.params)               params or macs of a layer
    [24×24×64](number:demo/conv2d_1.shape)              what comes out of a layer
    [5×5](number:demo/conv2d_1.sees)                    its receptive field
    [110,986](number:demo.params)                       a total: params, macs

`demo` is an explorer's name: that of a run or a network in the page's program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

LINK = re.compile(r"\[(?P<shown>[^\]]+)\]\((?P<target>number:[^)\s]+)\)")
TARGET = re.compile(
    r"number:(?P<explorer>\w+)(?:/(?P<layer>[\w/]+))?(?:\.(?P<what>\w+))?(?:@(?P<position>[\d,]+))?\Z"
)
EMBEDDED = re.compile(r"^```\{microscope\} (?P<explorer>\w+)", re.MULTILINE)


DRAWN = re.compile(r"^```\{drawn\} (?P<file>[\w.]+)", re.MULTILINE)


def drawn(text: str) -> set[str]:
    """Return the names of the figures that a page's own commands draw and that it shows."""
    return {m["file"] for m in DRAWN.finditer(text)}


class Place(NamedTuple):
    """What a link names: an explorer, a layer of it, what of the layer, and where."""

    explorer: str
    layer: str
    what: str
    position: tuple[int, ...]

    @property
    def address(self) -> str:
        """The part of the explorer's address after the file's name."""
        if not self.layer:
            return "#s=network"
        if self.what or not self.position:
            return f"#l={self.layer}&s=stack"
        return f"#l={self.layer}&{at(self.position)}"


def at(position: tuple[int, ...]) -> str:
    """Return a position as the explorer's address says it: map, row and column, where there are three indices."""
    if len(position) == 3:
        y, x, o = position
        return f"o={o}&y={y}&x={x}"
    return f"p={','.join(map(str, position))}"


def place(target: str) -> Place | None:
    """Return what a link names; None where it cannot be read."""
    found = TARGET.match(target)
    if found is None:
        return None
    where = tuple(int(n) for n in (found["position"] or "").split(",") if n)
    return Place(found["explorer"], found["layer"] or "", found["what"] or "", where)


def explorers(text: str) -> set[str]:
    """Return the names of the explorers that a page shows or links to."""
    linked = {p.explorer for m in LINK.finditer(text) if (p := place(m["target"]))}
    return linked | {m["explorer"] for m in EMBEDDED.finditer(text)}


@cache
def demo() -> Any:
    """Return the digits network's run on its seven."""
    import convscope
    from convscope.demo import digits

    return convscope.open("demo").run(digits()["seven"])


def faults(text: str, names: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield every number of a page that is not the network's, with its line."""
    for match in LINK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        where = place(match["target"])
        if where is None:
            yield line, f"{match['target']} names no number"
            continue
        run = names.get(where.explorer, demo() if where.explorer == "demo" else None)
        try:
            value = number(run, where)
        except Exception as error:  # noqa: BLE001 – whatever it is, the page says it wrongly
            yield line, f"{match['target']}: {error!r}"
            continue
        if not agrees(match["shown"], value):
            yield line, f"the page says {match['shown']}, {match['target']} is {value}"


def corrected(text: str, names: dict[str, Any]) -> str:
    """Return a page with the network's own numbers in its links, with as many digits as were shown."""

    def right(match: re.Match[str]) -> str:
        where = place(match["target"])
        if where is None:
            return match[0]
        try:
            value = number(names.get(where.explorer, demo()), where)
        except Exception:  # noqa: BLE001 – what `faults` tells
            return match[0]
        shown = match["shown"]
        if agrees(shown, value):
            return match[0]
        if isinstance(value, tuple):
            return f"[{'×'.join(map(str, value))}]({match['target']})"
        digits = len(shown.partition(".")[2])
        return f"[{f'{value:,.{digits}f}'.replace('-', '−')}]({match['target']})"

    return LINK.sub(right, text)


def number(run: Any, where: Place) -> Any:
    """Return what a link names: a number, or sizes."""
    network = getattr(run, "network", run)
    facts = network.facts().to_dict()
    if not where.layer:
        return facts["totals"][where.what]
    if not where.what:
        return float(run[where.layer][where.position])
    (row,) = (one for one in facts["layers"] if one["name"] == where.layer)
    if where.what in ("params", "macs"):
        return row[where.what]
    if where.what == "shape":
        return tuple(row["output_shape"][1:])
    if where.what == "sees":
        return tuple(row["receptive_field"]["size"])
    layer = network.get_layer(where.layer)
    held = dict(zip(layer.weight_shapes, layer.get_weights(), strict=True))[where.what]
    return float(held[where.position]) if where.position else tuple(held.shape)


def agrees(shown: str, value: Any) -> bool:
    """Whether a sentence shows this number, rounded to the digits that it shows, or these sizes."""
    plain = shown.strip("`()").replace(",", "").replace("−", "-")
    if isinstance(value, tuple):
        sizes = (
            re.split(r"\s*×\s*", shown) if "×" in shown else re.split(r",\s*", shown.strip("`()"))
        )
        return tuple(sizes) == tuple(map(str, value))
    digits = len(plain.partition(".")[2])
    return abs(float(plain) - value) <= 0.51 * 10**-digits

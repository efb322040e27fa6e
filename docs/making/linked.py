"""Numbers in sentences: each is compared with the network's own, and leads to it in the explorer.

    [2.0436](number:demo/conv2d_1@15,17,7)              an activation
    [0.1211](number:demo/conv2d_1.kernel@1,0,11,7)      a weight
    [18,496](number:demo/conv2d_1.params)               params or macs of a layer
    [24×24×64](number:demo/conv2d_1.shape)              what comes out of a layer; maps, rows, places and outputs are its counts
    [5×5](number:demo/conv2d_1.sees)                    its receptive field
    [288](number:demo/conv2d_1.terms@15,17,7)           how many products make one number
    [2,048](number:demo/conv2d_1.apart@15,17,7)         how many maps there would be if nothing were added up
    [131,072](number:demo/conv2d_1.apart@15,17,7*64)    any of them, times a number
    [110,986](number:demo.params)                       a total: params, macs
    [3×3×32](number:demo/conv2d_1.filter)               one filter
    [0.4019](number:demo/conv2d_1.from11@15,17,7)       what one input map adds to a number
    [69,632](number:printed)                            what a block of the page prints: the link leads there
    [256](number:given)                                 what a program of the page begins with: likewise

`demo` is an explorer's name: that of a run or a network in the page's program.

In the essays (docs/learn) and the question, **every** number of two digits or more is one of these, or stands in an
equation that is worked out here (`3·3·32·64 = 18,432`), or names a place (row 15, map 7), or was one of these before
under the same heading. What is none is named on the page, with the reason:

    <!-- numbers: 572×572, 388×388: the paper's own -->
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

LINK = re.compile(r"(?<!`)\[(?P<shown>[^\]]+)\]\((?P<target>number:[^)\s]+)\)")
TARGET = re.compile(
    r"number:(?P<explorer>\w+)(?:/(?P<layer>[\w/]+))?(?:\.(?P<what>\w+))?(?:@(?P<position>[\d,]+))?(?:\*(?P<times>\d+))?\Z"
)
BLOCKS = {"number:printed": ("text", "console"), "number:given": ("python",)}
"""In which blocks of the page a number stands that is no network's of an explorer."""
EMBEDDED = re.compile(r"^```\{microscope\} (?P<explorer>\w+)", re.MULTILINE)
DRAWN = re.compile(r"^```\{drawn\} (?P<file>[\w.]+)", re.MULTILINE)

NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
TOKEN = re.compile(rf"(?<![\w.,·⁻^])(?<!\w-){NUMBER}(?:×{NUMBER})*(?![\w·⁻])")
BLOCK = re.compile(
    r"^```(?P<language>text|console|python)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
PLAIN = re.compile(r"<!-- numbers: (?P<which>[^:]+): (?P<why>[^>]*\S) -->")


def drawn(text: str) -> set[str]:
    """Return the names of the figures that a page's own commands draw and that it shows."""
    return {m["file"] for m in DRAWN.finditer(text)}


class Place(NamedTuple):
    """What a link names: an explorer, a layer of it, what of the layer, where, and how often."""

    explorer: str
    layer: str
    what: str
    position: tuple[int, ...]
    times: int = 1

    @property
    def address(self) -> str:
        """The part of the explorer's address after the file's name."""
        if not self.layer:
            return "#s=network"
        if not self.position or (self.what and not re.match(r"terms|apart|from\d", self.what)):
            return f"#l={self.layer}&s=stack"
        return f"#l={self.layer}&{at(self.position)}" + "&s=models" * (self.what == "apart")


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
    times = int(found["times"] or 1)
    return Place(found["explorer"], found["layer"] or "", found["what"] or "", where, times)


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
        if match["target"] in BLOCKS:
            here = (match["target"], match["shown"])
            if not any(stands(m["language"], m["body"], *here) for m in BLOCK.finditer(text)):
                yield (
                    line,
                    f"{match['shown']} is in no {' or '.join(BLOCKS[match['target']])} block",
                )
            continue
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
        return facts["totals"][where.what] * where.times
    if not where.what:
        return float(run[where.layer][where.position])
    if where.what == "terms":
        return run.trace(where.layer, where.position).to_dict()["terms"] * where.times
    if where.what.startswith("from"):
        groups = run.trace(where.layer, where.position).to_dict()["groups"]
        return groups[int(where.what.removeprefix("from"))]["partial_sum"]
    if where.what == "filter":
        return tuple(network.explain(where.layer).to_dict()["filter_shape"])
    if where.what == "apart":
        told = run.compare(where.layer, where.position).to_dict()["pictures"]
        (apart,) = (one for one in told if one["name"] == "Every map on its own")
        return apart["output_shape"][-1] * where.times
    (row,) = (one for one in facts["layers"] if one["name"] == where.layer)
    if where.what in ("params", "macs"):
        return row[where.what] * where.times
    shape = tuple(row["output_shape"][1:])
    counts = {"maps": shape[-1:], "rows": shape[:1], "places": shape[:-1], "outputs": shape}
    if where.what in counts:
        return math.prod(counts[where.what]) * where.times
    if where.what == "shape":
        return shape
    if where.what == "sees":
        return tuple(row["receptive_field"]["size"])
    layer = network.get_layer(where.layer)
    held = dict(zip(layer.weight_shapes, layer.get_weights(), strict=True))[where.what]
    return float(held[where.position]) if where.position else tuple(held.shape)


def agrees(shown: str, value: Any) -> bool:
    """Whether a sentence shows this number, rounded to the digits that it shows, or these sizes."""
    plain = shown.strip("`()").replace(",", "").replace("−", "-")
    if isinstance(value, tuple):
        return sizes(shown) == tuple(map(str, value))
    digits = len(plain.partition(".")[2])
    return abs(float(plain) - value) <= 0.51 * 10**-digits


def sizes(shown: str) -> tuple[str, ...]:
    return tuple(re.split(r"\s*×\s*" if "×" in shown else r",\s*", shown.strip("`()[]")))


def stands(language: str, output: str, target: str, shown: str) -> bool:
    """Whether a block is of the kind that the link means and holds its number, perhaps with more digits, or its sizes."""
    if language not in BLOCKS[target]:
        return False
    shown = shown.removesuffix(" %")
    if "×" in shown:
        listed = (sizes(m[0]) for m in re.finditer(r"[(\[]?\d+(?:(?:×|, )\d+)+", output))
        return any(sizes(shown) == one[: len(sizes(shown))] for one in listed)
    tokens = re.finditer(rf"(?<![\w.×])[−-]?(?:{NUMBER}|\d+(?:\.\d*)?)(?![\w×])", output)
    return any(agrees(shown, float(m[0].replace(",", "").replace("−", "-"))) for m in tokens)


# -- numbers that nothing leads from --------------------------------------------------------------

HIDDEN = re.compile(
    r"\A---\n.*?^---$|^```.*?^```$|<!--.*?-->|^\$\$.*?^\$\$$|^[#>][^\n]*$|\$[^$\n]+\$|`[^`\n]+`"
    r"|\[[^\]]*\]\((?!number:)[^)]*\)|\]\(number:[^)]*\)",
    re.MULTILINE | re.DOTALL,
)
"""What of a page is no sentence, is somebody else's, or is a link already."""

EQUATION = re.compile(
    rf"(?P<left>[\d(][\d,.·+−/()\s]*[·+−/][\d,.·+−/()\s]*?)\s*=\s*\[?(?P<right>{NUMBER})"
)
_AND = r"(?:,\s+and|,|\s+and|\s+to|\s+or)\s+"
NAMED = re.compile(
    rf"\b(?:rows?|columns?|maps?|filters?|slices?|pixels?|taps?|blocks?|types?)\s+\d[\d.]*(?:{_AND}\d[\d.]*(?!\s+\w*\s*(?:maps|filters)))*",
    re.IGNORECASE,
)
"""Numbers that say which, not how many."""


def unlinked(text: str) -> Iterator[tuple[int, str]]:
    """Yield every number in a page's sentences that leads nowhere, and every equation that is false, with its line."""
    said = HIDDEN.sub(lambda m: re.sub(r"\S", " ", m[0]), text)
    allowed = {one.strip() for m in PLAIN.finditer(text) for one in m["which"].split(";")}
    known: list[tuple[int, str]] = [(m.start(), m["shown"]) for m in LINK.finditer(text)]
    spans = [
        m.span()
        for pattern, where in ((NAMED, said), (LINK, text))
        for m in pattern.finditer(where)
    ]
    for match in EQUATION.finditer(said):
        worked = _worked(match["left"])
        if worked is None:
            continue
        if not agrees(match["right"], worked):
            line = said.count("\n", 0, match.start()) + 1
            yield line, f"the page says {' '.join(match[0].split())}, and it is {worked:g}"
        spans.append(match.span())
        known += [(match.start(), one[0]) for one in re.finditer(NUMBER, match[0])]
    starts = [m.start() for m in re.finditer(r"^## ", text, re.MULTILINE)]

    def section(offset: int) -> int:
        return sum(start <= offset for start in starts)

    there = {(section(offset), shown) for offset, shown in known}
    used = set()
    for match in TOKEN.finditer(said):
        shown = match[0]
        if re.fullmatch(r"\d(?:×\d)*", shown) or any(a <= match.start() < b for a, b in spans):
            continue
        if (section(match.start()), shown) in there:
            continue
        if shown in allowed:
            used.add(shown)
            continue
        line = said.count("\n", 0, match.start()) + 1
        yield line, f"{shown} leads to no number: link it, or say why not in <!-- numbers: … -->"
    for shown in sorted(allowed - used):
        yield 1, f"<!-- numbers: {shown} … -->: it is not on the page, or leads somewhere"


def _worked(sum_: str) -> float | None:
    """Return what a sum in a sentence comes to; None where it is none."""
    plain = sum_.replace(",", "").replace("·", "*").replace("−", "-").strip()
    try:
        tree = ast.parse(plain, mode="eval")
    except SyntaxError:
        return None
    return float(eval(compile(tree, "sum", "eval"), {"__builtins__": {}}))

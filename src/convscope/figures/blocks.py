"""What of a network stands as one block in a figure, and what is said of it.

Layers are folded as in the explorer's overview (`explain/repeats.py`) and in summaries (`explain/folding.py`). What
follows a block and leaves its shape as it is (an activation, a normalisation) becomes a band of it. Where that is
still too much for a page, neighbours of equal size go together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from convscope.explain.folding import Fold, folds, leaving
from convscope.explain.reading import main_sum
from convscope.explain.repeats import Piece, Signature, pieces
from convscope.explain.selection import selected
from convscope.explorer.description import roles as axes_of
from convscope.model.facts import Facts
from convscope.model.graph import Graph
from convscope.notation.anatomy import anatomy
from convscope.notation.equation import Equation
from convscope.notation.expression import Binary, Call, Number, Reduction
from convscope.notation.index import is_divided
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape, is_known
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any


class Block(Record):
    """One block of a figure.

    feeds      the places of the blocks that feed it; all of them stand before it
    role       what it does, a key of `styles.ROLES`
    title      what it is called: its kind and window, or the name of a row of blocks
    detail     what is in it, where it holds several layers
    times      how often it stands one after the other
    bands      the roles of the layers that follow in it and leave its shape as it is
    size       rows, columns, maps of what it gives; None for an axis that it does not have or nobody knows
    outside    whether it is no part of what is shown, and only feeds it
    of         the layer that it is, with its bands; "" where it stands for several
    """

    name: str
    layers: tuple[str, ...]
    feeds: tuple[int, ...]
    role: str
    title: str
    detail: str
    shape: Shape
    times: int
    bands: tuple[str, ...]
    size: tuple[Any, Any, Any]
    outside: bool = False
    of: str = ""

    @property
    def spatial(self) -> tuple[Any, Any]:
        """How large its maps are."""
        return self.size[:2]


def blocks(graph: Graph, depth: int | None = None, layers: Any = None) -> list[Block]:
    """Return a network's blocks, each after those that feed it; the inputs are the first.

    Raises `SettingError` and `LayerLookupError` for a depth or a range that there is not, as a summary does.
    """
    rows = folds(graph, depth)
    first, last = selected(graph.name, rows, layers)
    chosen = rows[first - 1 : last]
    gives = leaving(graph, rows)
    wanted = {row.name: row for row in chosen}
    steps = [_step(graph, row, gives) for row in chosen]
    found = [one for piece in pieces(steps) for one in _alike(graph, piece, wanted, gives)]
    inside = {node for row in chosen for node in row.nodes}
    before = dict.fromkeys(
        feed for row in chosen for node in row.nodes for feed in graph.nodes[node].inputs
        if feed not in inside
    )  # fmt: skip
    made = [_source(graph, name, first > 1 or name not in graph.inputs) for name in before]
    home = {name: place for place, name in enumerate(before)}
    for offset, (_, repeated) in enumerate(found):
        for block in repeated:
            home.update((node, len(made) + offset) for row in block for node in wanted[row].nodes)
    start = len(made)
    for offset, (name, repeated) in enumerate(found):
        own = tuple(node for block in repeated for row in block for node in wanted[row].nodes)
        feeds = {home[feed] for node in own for feed in graph.nodes[node].inputs} - {start + offset}
        folded = [wanted[row] for block in repeated for row in block]
        parts = [[node for row in block for node in wanted[row].nodes] for block in repeated]
        made.append(_block(graph, name, folded, parts, tuple(sorted(feeds)), gives))
    return _ordered(_banded(made))


def _alike(
    graph: Graph, piece: Piece, wanted: dict[str, Fold], gives: dict[str, str]
) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    """Yield blocks that repeat as long as each feeds the next and their maps are of one size: only those are one.

    A block that is alone is shown layer by layer where it was only told by its kinds.
    """

    def size(block: tuple[str, ...]) -> tuple[Any, Any]:
        row = wanted[block[-1]]
        return extents(graph, gives.get(row.name, row.nodes[-1]))[:2]

    def nodes(block: tuple[str, ...]) -> set[str]:
        return {node for row in block for node in wanted[row].nodes}

    runs: list[list[tuple[str, ...]]] = []
    beside = False
    for block in piece.blocks:
        before = nodes(runs[-1][-1]) if runs else set()
        follows = any(feed in before for node in nodes(block) for feed in graph.nodes[node].inputs)
        beside = beside or (bool(runs) and not follows)
        if follows and size(runs[-1][-1]) == size(block):
            runs[-1].append(block)
        else:
            runs.append([block])
    by_kinds = piece.name.endswith(" …")
    for alike in runs:
        if len(alike) == 1 and (
            (by_kinds and not beside) or len(piece.blocks) == 1 == len(alike[0])
        ):
            yield from ((name, ((name,),)) for name in alike[0])
        elif by_kinds:
            yield f"{alike[0][0]} …", tuple(alike)
        elif len(alike) < len(piece.blocks):
            yield _common([alike[0][0], alike[-1][-1]]), tuple(alike)
        else:
            yield piece.name, tuple(alike)


def _step(graph: Graph, row: Fold, gives: dict[str, str]) -> Signature:
    kind = row.kind or graph.nodes[row.name].layer.kind
    weighted = any(graph.facts[node].weights for node in row.nodes)
    return Signature(row.name, kind, weighted, graph.shape(gives.get(row.name, row.nodes[-1])))


def _source(graph: Graph, name: str, outside: bool) -> Block:
    shape = graph.shape(name)
    title = "input" if name in graph.inputs else name
    size = extents(graph, name)
    return Block(name, (name,), (), "input", title, "", shape, 1, (), size, outside, name)


def _block(
    graph: Graph, name: str, rows: Sequence[Fold], parts: Sequence[Sequence[str]], feeds: tuple[int, ...],
    gives: dict[str, str],
) -> Block:  # fmt: skip
    """Return the block of some rows; `parts` are its layers, for each time that it stands."""
    own, once, times = tuple(node for part in parts for node in part), parts[0], len(parts)
    last = gives.get(rows[-1].name, rows[-1].nodes[-1])
    if len(own) == 1:
        return Block(
            own[0], own, feeds, role_of(graph, own[0]), titled(graph, own[0]), "",
            graph.shape(own[0]), 1, (), extents(graph, own[0]), of=own[0],
        )  # fmt: skip
    title = f"{len(once):,} layers" if name.endswith(" …") or " … " in name else name
    each, every = inside_of(graph, once), inside_of(graph, own)
    detail = each
    if times > 1:
        alike = all(inside_of(graph, part) == each for part in parts)
        detail = f"each {each}" if alike else f"{every} in all"
    ends = [_common(part) if len(part) > 1 else part[0] for part in (parts[0], parts[-1])]
    full = " … ".join(dict.fromkeys(ends)) if times > 1 else name.removesuffix(" …")
    return Block(
        full, own, feeds, main_role(graph, once), title, detail if each or every else "",
        graph.shape(last), times, (), extents(graph, last),
    )  # fmt: skip


def _banded(blocks: list[Block]) -> list[Block]:
    """Let what keeps a block's shape become a band of it, and padding before a window a part of the window's block."""
    readers = Counter(feed for block in blocks for feed in block.feeds)
    into = list(range(len(blocks)))
    found = list(blocks)
    for place, block in enumerate(blocks):
        if not block.of or len(block.feeds) != 1:
            continue
        target = into[block.feeds[0]]
        before = found[target]
        alone = readers[block.feeds[0]] == 1 and before.role != "input" and bool(before.of)
        keeps = block.role in ("pointwise", "normalisation") and block.shape == before.shape
        if alone and keeps:
            into[place] = target
            found[target] = before._replace(
                layers=before.layers + block.layers, bands=(*before.bands, block.role)
            )
        elif (
            alone
            and before.role == "shape"
            and block.role in ("convolution", "pooling")
            and not before.bands
            and len(before.shape) == len(block.shape)
        ):
            into = [place if home == target else home for home in into]
            found[place] = block._replace(layers=before.layers + block.layers, feeds=before.feeds)
    kept = [n for n in range(len(blocks)) if into[n] == n]
    place_of = {n: kept.index(n) for n in kept}
    return [
        found[n]._replace(feeds=tuple(sorted({place_of[into[f]] for f in found[n].feeds})))
        for n in kept
    ]


def _ordered(blocks: list[Block]) -> list[Block]:
    """Return blocks in an order in which each comes after its feeds, as near to the given one as can be."""
    placed: dict[int, int] = {}
    order: list[int] = []
    left = list(range(len(blocks)))
    while left:
        ready = next((n for n in left if all(f in placed for f in blocks[n].feeds)), left[0])
        placed[ready] = len(order)
        order.append(ready)
        left.remove(ready)
    return [
        blocks[n]._replace(feeds=tuple(sorted(placed[f] for f in blocks[n].feeds if placed[f] < placed[n])))
        for n in order
    ]  # fmt: skip


# -- fewer blocks ---------------------------------------------------------------------------------


def joined(graph: Graph, blocks: Sequence[Block]) -> list[Block]:
    """Return fewer blocks: what branches and meets again between two of them becomes one."""
    reach, cuts = 0, [0]
    jumps = [
        max((m for m, b in enumerate(blocks) if n in b.feeds), default=n)
        for n in range(len(blocks))
    ]
    for n in range(len(blocks)):
        if n >= reach:
            cuts.append(n)
        reach = max(reach, jumps[n])
    runs = []
    begin = 0
    for cut in sorted({*cuts, len(blocks) - 1}):
        if cut > begin + 1 and any(len(b.feeds) > 1 for b in blocks[begin : cut + 1]):
            runs.append((begin, cut + 1))
        else:
            runs += [(n, n + 1) for n in range(begin, cut + 1)]
        begin = cut + 1
    return _together(graph, blocks, [run for run in runs if run[1] > run[0]])


def staged(graph: Graph, blocks: Sequence[Block]) -> list[Block]:
    """Return fewer blocks: neighbours whose maps are of one size become one."""
    runs: list[tuple[int, int]] = []
    for n, block in enumerate(blocks):
        apart = block.role == "input" or (n > 0 and blocks[n - 1].role == "input")
        if (
            runs
            and not apart
            and block.spatial == blocks[n - 1].spatial
            and _rank(block) == _rank(blocks[n - 1])
        ):
            runs[-1] = (runs[-1][0], n + 1)
        else:
            runs.append((n, n + 1))
    return _together(graph, blocks, runs)


def halved(graph: Graph, blocks: Sequence[Block]) -> list[Block]:
    """Return half as many blocks: each two neighbours become one."""
    inputs = sum(block.role == "input" for block in blocks)
    runs = [(n, n + 1) for n in range(inputs)]
    runs += [(n, min(n + 2, len(blocks))) for n in range(inputs, len(blocks), 2)]
    return _together(graph, blocks, runs)


def _together(
    graph: Graph, blocks: Sequence[Block], runs: Sequence[tuple[int, int]]
) -> list[Block]:
    home = {n: place for place, (a, b) in enumerate(runs) for n in range(a, b)}
    found = []
    for place, (a, b) in enumerate(runs):
        members = blocks[a:b]
        feeds = tuple(sorted({home[f] for block in members for f in block.feeds} - {place}))
        if b - a == 1:
            found.append(members[0]._replace(feeds=feeds))
            continue
        own = tuple(name for block in members for name in block.layers)
        last = members[-1]
        title, _, detail = inside_of(graph, own).partition("; ")
        many = f"{len(own):,} layers"
        found.append(
            Block(
                _common([block.name for block in members]), own, feeds, main_role(graph, own),
                title or many, f"{detail}; {many}" if detail else many if title else "", last.shape, 1, (), last.size,
            )
        )  # fmt: skip
    return found


def _common(names: Sequence[str]) -> str:
    """Return what names begin with in common, up to a sign that parts words; else the first and the last."""
    least, most = min(names), max(names)
    same = next(
        (n for n, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least)
    )
    stem = least[: max(least.rfind(sign, 0, same) for sign in "_/.") + 1][:-1]
    return stem if len(stem) > 2 and stem not in names else f"{names[0]} … {names[-1]}"


def _rank(block: Block) -> int:
    return -1 if block.shape is UNKNOWN_SHAPE else len(block.shape)


# -- what is said of layers -----------------------------------------------------------------------


def role_of(graph: Graph, name: str) -> str:
    """Return what a layer does, read off its equation: a key of `styles.ROLES`."""
    facts = graph.facts[name]
    if facts.equation is None:
        return "opaque"
    if facts.products and is_known(facts.products):
        return "attention"
    main = main_sum(facts.equation)
    if main is not None and any(map(is_divided, main.source.indices)):
        return "up"
    if main is not None:
        slides = bool(facts.equation.fits) or any(
            {*index.axes()} & {*facts.equation.axes} and {*index.axes()} & {*main.window}
            for index in main.source.indices
        )
        return "convolution" if slides and len(main.kernel.indices) > 2 else "dense"
    if len(facts.input_shapes) > 1:
        return "merge"
    return _moving(facts.equation, facts)


def _moving(equation: Equation, facts: Facts) -> str:
    """Return the role of a layer that weighs nothing by a kernel."""
    parts = anatomy(equation)
    if equation.fits and parts.main is not None and parts.main.reduction.kind in ("max", "mean"):
        return "pooling"
    before, after = facts.input_shapes[0] if facts.input_shapes else (), facts.output_shape
    if before == after:
        return "normalisation" if facts.weights and _divides(equation) else "pointwise"
    if before is UNKNOWN_SHAPE or not all(map(is_known, (*before, *after))):
        return "shape" if parts.main is None else "pooling"
    larger = math.prod(after) > math.prod(before)
    if facts.weights:  # a weight that is joined to what comes in, as a class token
        return "merge" if larger and len(before) == len(after) else "shape"
    if larger and len(before) == len(after):
        whole = all(a % b == 0 for a, b in zip(after, before, strict=True) if b)
        return "up" if whole or parts.main is not None else "shape"
    reduces = any(isinstance(node, Reduction) for node in equation.expression.walk())
    return "pooling" if reduces and not larger else "shape"


def _divides(equation: Equation) -> bool:
    """Whether an equation divides by something that it computes: what every normalisation does."""
    expressions = [equation.expression, *(item.expression for item in equation.locals)]
    return any(
        (
            isinstance(node, Binary)
            and node.operator == "/"
            and not isinstance(node.parts()[1], Number)
        )
        or (isinstance(node, Call) and "sqrt" in node.function.name)
        for expression in expressions
        for node in expression.walk()
    )


def main_role(graph: Graph, names: Sequence[str]) -> str:
    """Return the role that most of the weighty layers among several play."""
    found = Counter(role_of(graph, name) for name in names)
    for role in (
        "up",
        "attention",
        "convolution",
        "dense",
        "pooling",
        "opaque",
        "normalisation",
        "merge",
    ):
        if found[role] and (role != "up" or not found["convolution"]):
            return role
    return "shape" if found["shape"] else "pointwise"


def titled(graph: Graph, name: str) -> str:
    """Return a layer's kind, its window and its stride: Conv2D 3×3, stride 2."""
    facts, layer = graph.facts[name], graph.nodes[name].layer
    words = str(layer.kind)
    window = window_of(graph, name)
    if window:
        words += " " + "×".join(map(str, window))
    strides = {fit.stride for fit in facts.equation.fits.values()} if facts.equation else set()
    step = strides.pop() if len(strides) == 1 else 1
    pools = role_of(graph, name) == "pooling" and set(window) == {step}
    if window and not pools and is_known(step) and step != 1:
        words += f", stride {step}"
    return words


def window_of(graph: Graph, name: str) -> tuple[int, ...]:
    """Return the sizes of the window that a layer slides; nothing where it has none, or reads whole maps."""
    facts = graph.facts[name]
    if facts.equation is None:
        return ()
    fits = list(facts.equation.fits.values())
    taps = tuple(fit.taps for fit in fits)
    if not taps and role_of(graph, name) in (
        "convolution",
        "up",
    ):  # of maps whose size nobody knows
        inner = main_sum(facts.equation)
        taps = () if inner is None else tuple(axis.size for axis in inner.window)
    if not taps or not all(map(is_known, taps)):
        return ()
    main = main_sum(facts.equation)
    convolves = main is not None and len(main.kernel.indices) > 2
    return taps if convolves or any(t > 1 for t in taps) else ()


def inside_of(graph: Graph, names: Sequence[str]) -> str:
    """Return what several layers are, the weighty ones: 3 Conv2D 1×1, 3×3."""
    kinds: dict[str, dict[str, None]] = {}
    count: Counter[str] = Counter()
    for name in names:
        if role_of(graph, name) in ("pointwise", "normalisation", "shape", "merge"):
            continue
        kind = str(graph.nodes[name].layer.kind)
        window = "×".join(map(str, window_of(graph, name)))
        kinds.setdefault(kind, {}).update({window: None} if window else {})
        count[kind] += 1
    pools = {str(graph.nodes[n].layer.kind) for n in names if role_of(graph, n) == "pooling"}
    said = []
    for kind in sorted(count, key=lambda kind: (kind in pools, -count[kind]))[:2]:
        windows = ", ".join(list(kinds[kind])[:3])
        many = f"{count[kind]} " if count[kind] > 1 else ""
        said.append(f"{many}{kind} {windows}".strip())
    more = len(count) - 2
    return "; ".join(said) + (" …" if more > 0 else "")


def extents(graph: Graph, name: str) -> tuple[Any, Any, Any]:
    """Return rows, columns and maps of what a layer or an input gives; None where it has none of them."""
    shape = graph.shape(name)
    if shape is UNKNOWN_SHAPE:
        return None, None, None
    axes = axes_of(graph, shape, name)
    rows, columns, maps = (
        None if axes[key] is None else shape[axes[key]]  # type: ignore[index]  # None was looked at
        for key in ("rows", "columns", "maps")
    )
    return rows, columns, maps

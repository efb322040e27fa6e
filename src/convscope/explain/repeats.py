"""A long network in few pieces: blocks that are alike and follow one another stand as one.

What is a block is told by names where they tell: `conv4_block1_…`, `conv4_block2_…` count, and so do
`block4a`, `block4b` and `stages.2/layers.0`. Where names say nothing, a row of kinds that comes again
at once is a block.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from convscope.typed import Record

FEW = 24
"""A network of so many layers is shown layer by layer."""
_DIFFERENT = 8
"""So many layers may one block have that its neighbour lacks: a shortcut's convolution, a gate."""
_BLOCK = 6
"""So many layers make a block, where their names count and none is like it."""
_DEEPEST = 40
"""So many words of a name are looked at."""
_LONGEST = 24
"""So many layers has a block that is found without names, at most."""


class Signature(Record):
    """What is looked at of a layer."""

    name: str
    kind: str
    weighted: bool
    shape: object = None


class Piece(Record):
    """A layer, or several blocks of layers that are alike."""

    name: str
    blocks: tuple[tuple[str, ...], ...]


def pieces(steps: Sequence[Signature], few: int = FEW) -> list[Piece]:
    """Return a network's layers in order, repeated blocks together, each layer in one piece.

    steps   the layers, each after those that feed it
    few     networks of up to so many layers are not folded

    >>> names = ["stem", "b_1_conv", "b_1_relu", "b_2_conv", "b_2_relu", "head"]
    >>> found = pieces([Signature(n, n.split("_")[-1], n[-1] != "u") for n in names], few=3)
    >>> [(piece.name, len(piece.blocks)) for piece in found]
    [('stem', 1), ('b', 2), ('head', 1)]
    """
    if len(steps) <= few:
        return [Piece(step.name, ((step.name,),)) for step in steps]
    words = _words(steps)
    named = list(_by_names(list(zip(steps, words, strict=True)), 0))
    found: list[Piece] = []
    for single, run in groupby(named, lambda one: isinstance(one, Signature)):
        if single:
            found += _by_kinds([one for one in run if isinstance(one, Signature)])
        else:
            found += [one for one in run if isinstance(one, Piece)]
    return found


def _words(steps: Sequence[Signature]) -> list[list[str]]:
    """Return the words of each layer's name; of one that is called after its kind, those of the layer before.

    Such a layer (`activation_7`, `add_2`) belongs to the block before it, if it leaves the shape as it is.
    """
    said = {word for step in steps if step.weighted for word in _split(step.name)[:1]}
    found: list[list[str]] = []
    before: Signature | None = None
    for step in steps:
        own = _split(step.name)
        follows = before is not None and step.shape == before.shape and not step.weighted
        found.append(found[-1] if follows and own[0] not in said else own)
        before = step
    return found


def _split(name: str) -> list[str]:
    return [word for word in re.split(r"[/._]", name) if word] or [name]


def _count(word: str) -> str | None:
    """Return what a word that counts says before its number or letter: block for block12, block4 for block4b."""
    found = re.fullmatch(r"(.*\d)[a-z]|(.*?)\d+", word)
    return None if found is None else found[1] or found[2] or ""


_Worded = tuple[Signature, list[str]]


def _by_names(steps: Sequence[_Worded], depth: int) -> Iterator[Signature | Piece]:
    """Yield pieces of blocks whose names count at this word or a later one; the other layers as they are."""
    runs = [
        (word, list(run))
        for word, run in groupby(steps, lambda one: "".join(one[1][depth : depth + 1]))
    ]
    start = 0
    while start < len(runs):
        end = start + 1
        stem = _count(runs[start][0])
        while (
            stem is not None
            and end < len(runs)
            and _count(runs[end][0]) == stem
            and min(len(runs[end][1]), len(runs[end - 1][1])) > 1
            and _alike(runs[end - 1][1], runs[end][1])
        ):
            end += 1
        if end - start > 1:
            blocks = [tuple(step.name for step, _ in run) for _, run in runs[start:end]]
            yield Piece(_title(runs[start][1][0], depth, stem or ""), tuple(blocks))
        else:
            word, run = runs[start]
            inner: list[Signature | Piece] = [step for step, _ in run]
            if word and len(run) > 1 and depth < _DEEPEST:
                inner = list(_by_names(run, depth + 1))
            alone = all(isinstance(one, Signature) for one in inner) and len(inner) >= _BLOCK
            if stem is not None and alone:
                yield Piece(_title(run[0], depth + 1, ""), (tuple(step.name for step, _ in run),))
            else:
                yield from inner
        start = end


def _title(first: _Worded, depth: int, stem: str) -> str:
    """Return what stands before the word that counts, as the name has it; else that word without its number."""
    step, words = first
    end = 0
    for word in words[:depth]:
        end = step.name.index(word, end) + len(word)
    return step.name[:end] or stem or step.name


def _alike(one: Sequence[_Worded], other: Sequence[_Worded]) -> bool:
    a, b = (Counter(step.kind for step, _ in steps) for steps in (one, other))
    different = ((a - b) + (b - a)).total()
    return different <= min(_DIFFERENT, (len(one) + len(other)) // 4)


def _by_kinds(steps: Sequence[Signature]) -> Iterator[Piece]:
    """Yield layers that stand alone, and as one piece what comes again at once, kind by kind."""
    kinds = [step.kind for step in steps]
    start = 0
    while start < len(steps):
        best, times = 1, 1
        for period in range(2, min(_LONGEST, (len(steps) - start) // 2) + 1):
            block = kinds[start : start + period]
            if not any(step.weighted for step in steps[start : start + period]):
                continue
            again = 1
            while kinds[start + again * period : start + (again + 1) * period] == block:
                again += 1
            if again > 1 and again * period > max(7, best * times):
                best, times = period, again
        block_names = [
            tuple(step.name for step in steps[n : n + best])
            for n in range(start, start + best * times, best)
        ]
        first = next((s.name for s in steps[start : start + best] if s.weighted), "")
        yield Piece(f"{first} …" if times > 1 else steps[start].name, tuple(block_names))
        start += best * times

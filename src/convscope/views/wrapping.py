"""Where lines are broken: between words, inside long words after a joint, never through one."""

from __future__ import annotations

import re
from functools import lru_cache

from convscope.views.characters import cells

_WORD = re.compile(r"[^ ]+")
_PIECE = (
    r"(?s:[_/,.:;|)\]}-]*[^_/,.:;|)\]}-]+[_/,.:;|)\]}-]*|.+)"  # compiled when a word is too long
)

_OPERATOR = r"  |, | (?=[+−·/=×<>≤≥] | if | else )"
_BINDING = {"=": 0, "+": 1, "−": 1, "Σ": 2, "·": 3, "×": 3, "/": 3, ",": 5}
"""Where a formula falls apart first; whatever is not named here binds by 4."""

Line = tuple[int, int]

_SAME_DIGIT = str.maketrans("123456789", "000000000")


@lru_cache(maxsize=8192)
def outline(text: str) -> str:
    """Return a text that breaks where this one does; conv2d_17 and conv2d_38 share one."""
    return text.translate(_SAME_DIGIT)


def wrap(text: str, width: int, hanging: int = 0) -> tuple[Line, ...]:
    """Return the lines of a text as (start, end) ranges, each at most `width` cells if it can be.

    Lines after the first have `hanging` cells less. A piece without a joint that is wider than
    that keeps its line to itself.
    """
    return _wrap(outline(text), width, hanging)


@lru_cache(maxsize=4096)
def _wrap(text: str, width: int, hanging: int) -> tuple[Line, ...]:
    lines: list[Line] = []
    start = end = -1  # the line so far
    used, room = 0, width
    for first, last, gap, size in _words(text):
        if start >= 0 and used + gap + size <= room:
            end, used = last, used + gap + size
            continue
        if start >= 0:
            lines.append((start, end))
            room = width - hanging
        if size <= room:
            start, end, used = first, last, size
            continue
        start, used = first, 0
        for length, size in _sized(text[first:last]):
            if used and used + size > room:
                lines.append((start, end))
                start, used, room = end, 0, width - hanging
            end = (end if used else start) + length
            used += size
    if start >= 0:
        lines.append((start, end))
    return tuple(lines) or ((0, 0),)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[tuple[int, int, int, int], ...]:
    """Return the words of a text: from where to where, how wide the gap before it is and the word itself."""
    found, position = [], 0
    for word in _WORD.finditer(text):
        start, end = word.span()
        found.append((start, end, cells(text[position:start]), cells(word.group())))
        position = end
    return tuple(found)


@lru_cache(maxsize=4096)
def pieces(word: str) -> tuple[str, ...]:
    """Return the parts of a word that stay whole, each ending with its joint.

    >>> pieces("block1_conv1"), pieces("1,024"), pieces("/layer1.0/conv")
    (('block1_', 'conv1'), ('1,024',), ('/layer1.0/', 'conv'))
    """
    found: list[str] = []
    for piece in re.findall(_PIECE, word):
        if found and found[-1][-1] in ",." and piece[:1].isdigit():
            found[-1] += piece  # 1,024 and 0.5 stay whole
        else:
            found.append(piece)
    return tuple(found)


@lru_cache(maxsize=4096)
def _sized(word: str) -> tuple[tuple[int, int], ...]:
    """Return of each part of a word how long and how wide it is."""
    return tuple([(len(piece), cells(piece)) for piece in pieces(word)])


@lru_cache(maxsize=4096)
def widest_piece(text: str) -> int:
    """Return the least width at which a text can be wrapped without a line sticking out."""
    return max((size for word in _WORD.findall(text) for _, size in _sized(word)), default=0)


def wrap_formula(text: str, width: int) -> list[str]:
    """Return an equation's line cut in front of operators, the outermost first.

    What follows the first line hangs after the `=`, so that both sides stay apart.
    """
    lines: list[str] = []
    equals = text.find(" = ")
    hanging = equals + 3 if 0 <= equals < width // 3 else 4
    rest, room = text, width
    while cells(rest) > room:
        cut = _cut(rest, room)
        if cut is None:
            break
        lines.append(rest[:cut].rstrip())
        rest = " " * hanging + rest[cut:].lstrip()
    return [*lines, rest]


def _cut(text: str, room: int) -> int | None:
    """Return where to cut: where the formula is held together least, as late as that fits."""
    indent = len(text) - len(text.lstrip())
    least = indent + (room - indent) // 3
    best: tuple[int, int, int] | None = None
    earliest: int | None = None
    depth, seen = 0, 0
    for match in re.compile(_OPERATOR).finditer(text, indent):
        between = text[seen : match.start()]
        depth += sum(map(between.count, "([{⌊")) - sum(map(between.count, ")]}⌋"))
        seen = match.start()
        fits = cells(text[:seen].rstrip()) <= room
        if not fits and (best or earliest):
            break
        if fits and seen >= least:
            sign = "," if match.group() == ", " else text[match.end()]
            held = 2 if match.group() == "  " else _BINDING.get(sign, 4)
            if best is None or (depth, held) <= best[:2]:
                best = (depth, held, match.end())
        elif seen > indent:
            earliest = match.end()
    return best[2] if best else earliest

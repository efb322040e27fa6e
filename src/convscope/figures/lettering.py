"""How wide words are, and where they are broken: what a layout has to know before anything is written.

Widths are those of Bitstream Vera Sans, which DejaVu Sans shares. Helvetica, Arial and the letters of TeX are
narrower, so that what does not collide in these collides in none of them.
"""

from __future__ import annotations

import re
import unicodedata

FAMILY = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
"""What text is written in where the reader's machine chooses."""

_PLAIN = (
    "32 41 46 84 64 96 78 28 40 40 50 84 32 37 32 34 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 "
    "54 100 69 69 70 78 64 58 78 76 30 30 66 56 87 75 79 61 79 70 64 62 74 69 99 69 62 69 40 34 "
    "40 84 50 50 62 64 55 64 62 36 64 64 28 28 58 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 "
    "34 64 84 "
)
_BOLD = (
    "35 46 53 84 70 101 88 31 46 46 53 84 38 42 38 37 70 70 70 70 70 70 70 70 70 70 40 40 84 84 "
    "84 59 100 78 77 74 84 69 69 83 84 38 38 78 64 100 84 86 74 86 78 73 69 82 78 111 78 73 73 46 "
    "37 46 84 50 50 68 72 60 72 68 44 72 72 35 35 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 "
    "59 72 37 72 84 "
)
_WIDTHS = [[int(w) / 100 for w in table.split()] for table in (_PLAIN, _BOLD)]
_OTHERS = {"·": 0.38, "…": 1.0, "∂": 0.54, "∑": 0.72, "\u00a0": 0.35}
"""Of signs beyond ASCII; any other is as wide as ×, one of East Asia as an em."""


def wide(text: str, size: float, bold: bool = False) -> float:
    """Return how wide a line of words is in points, at a size in points.

    >>> round(wide("24×24×64", 10), 1), wide("畳", 10)
    (55.2, 10.0)
    """
    table = _WIDTHS[bold]
    return size * sum(_width(sign, table) for sign in text)


def _width(sign: str, table: list[float]) -> float:
    code = ord(sign)
    if 32 <= code < 127:
        return table[code - 32]
    if sign in _OTHERS:
        return _OTHERS[sign]
    return 1.0 if unicodedata.east_asian_width(sign) in "WF" else 0.84


_PLACES = re.compile(
    r"(?<=[_/: -])(?=[^ ])|(?<=\.)(?=[^0-9 ])|(?<=\)×)(?=\S)|(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[0-9]D)(?=[A-Z])"
)
"""Where a name may go on in the next line: behind what parts its words, and before a capital."""


LEAST = 3
"""How many letters of a broken word go into the next line at the least, where there is room for more."""


def broken(text: str, room: float, size: float, bold: bool = False) -> list[str]:
    """Return words in lines no wider than `room`; a word that is wider by itself is broken anywhere.

    >>> broken("block_12_expand_relu", 50, 8), broken("BatchNormalization", 50, 8)
    (['block_12_', 'expand_relu'], ['Batch', 'Normalizat', 'ion'])
    """
    lines: list[str] = []
    now = ""
    for word in _PLACES.split(text):
        if now and wide((now + word).rstrip(), size, bold) > room:
            lines.append(now)
            now = ""
        now += word
        while wide(now.rstrip(), size, bold) > room and len(now) > 1:
            fits = next(
                (n for n in range(len(now) - 1, 0, -1) if wide(now[:n], size, bold) <= room), 1
            )
            if fits >= 2 * LEAST:
                fits = min(fits, len(now) - LEAST)
            lines.append(now[:fits])
            now = now[fits:]
    return [piece.strip() for piece in [*lines, now] if piece.strip()] or [""]


def shortened(text: str, room: float, size: float, bold: bool = False) -> str:
    """Return words with their middle left out, "…", where they are wider than `room`."""
    if wide(text, size, bold) <= room:
        return text
    for kept in range(len(text) - 2, 1, -1):
        head = (kept + 1) // 2
        tried = f"{text[:head]}…{text[len(text) - kept + head :]}"
        if wide(tried, size, bold) <= room:
            return tried
    return text[:1] + "…"

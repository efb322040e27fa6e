"""Characters on their way to a screen: nothing invisible gets through, and widths are known.

Names come out of model files, which strangers write. A name may hold escape sequences that move
the cursor, or marks that reverse the reading direction; every view shows those as text (`\\x1b`).
"""

from __future__ import annotations

from functools import lru_cache

from convscope.parts import NO_BREAK


def printable(text: str, keep: str = "") -> str:
    r"""Return the text with every control, format and unassigned character shown as an escape.

    >>> printable("conv\x1b[2J"), printable("two\nlines"), printable("two\nlines", keep="\n") == "two\nlines"
    ('conv\\x1b[2J', 'two\\nlines', True)
    """
    if text.isprintable() or text.replace(NO_BREAK, " ").isprintable():
        return text
    return "".join(c if c in keep or _shows(c) else _escape(c) for c in text)


def _shows(character: str) -> bool:
    import unicodedata

    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def cells(text: str) -> int:
    """Return how many terminal cells a text takes: 2 for wide characters, 0 for combining ones.

    >>> cells("conv2d"), cells("畳み込み"), cells("e\u0301")
    (6, 8, 1)
    """
    if text.isascii() or text.replace("×", "x").replace(NO_BREAK, " ").isascii():
        return len(text)
    return sum(map(_cells, text))


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    if character < "\u0300" or character == "–":  # nothing before combines or is wide
        return 1
    import unicodedata

    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


_MARKS = {"good": f"✓{NO_BREAK}", "bad": f"✗{NO_BREAK}"}


@lru_cache(maxsize=8192)
def marked(text: str, style: str) -> str:
    """Return visible text, with a sign in front where its colour alone would carry the meaning.

    >>> marked("agrees", "good"), marked("✓ agrees", "good"), marked("kernel", "code")
    ('✓\xa0agrees', '✓ agrees', 'kernel')
    """
    text = printable(text)
    mark = _MARKS.get(style)
    return text if mark is None or not text.strip() or text[0] in "✓✗✔✘" else mark + text


def in_padding(text: str) -> str:
    """Return how a grid's cell that lies in the padding is written: (0)."""
    return f"({text})"

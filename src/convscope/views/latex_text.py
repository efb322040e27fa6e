"""Text as LaTeX takes it literally, and about how wide it becomes.

What is written here compiles with pdfTeX in any encoding, with amsmath and nothing else. Characters that
it has no glyph for are written as U+7573.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from convscope.parts import NO_BREAK, Words, spans
from convscope.views.characters import marked, printable
from convscope.views.wrapping import pieces

LINE = 345.0
"""How wide a line of LaTeX's article is, in points."""

ROOM = 0.2 * LINE
"""Words that are wider than this may be broken."""

SIZES = (("", 1.0), ("small", 0.93), ("footnotesize", 0.86), ("scriptsize", 0.8), ("tiny", 0.68))
"""LaTeX's smaller letters, and how wide they are in normal ones."""

_COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\char96{}",
    NO_BREAK: "~",
    "…": r"\ldots{}",
    "–": r"\textendash{}\allowbreak{}",
    "—": r"\textemdash{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "¿": "?`",
    "¡": "!`",
    "©": r"\copyright{}",
    "£": r"\pounds{}",
}
MATHS = {
    "×": r"\times",
    "·": r"\cdot",
    "•": r"\bullet",
    "−": "-",
    "±": r"\pm",
    "÷": r"\div",
    "°": r"{}^\circ",
    "√": r"\surd",
    "∞": r"\infty",
    "≤": r"\le",
    "≥": r"\ge",
    "≠": r"\ne",
    "≈": r"\approx",
    "≡": r"\equiv",
    "→": r"\to",
    "←": r"\leftarrow",
    "↔": r"\leftrightarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "∂": r"\partial",
    "∇": r"\nabla",
    "∑": r"\sum",
    "∏": r"\prod",
    "∈": r"\in",
    "⌊": r"\lfloor",
    "⌋": r"\rfloor",
    "⌈": r"\lceil",
    "⌉": r"\rceil",
    "′": r"{}'",
    "⊙": r"\odot",
    "µ": r"\mu",
    "✓": r"\surd",
    "✗": r"\times",
    "─": r"-",
}
_SMALL = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "varsigma sigma tau upsilon varphi chi psi omega"
)
_CAPITAL = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
MATHS |= {chr(0x3B1 + n): f"\\{name}" for n, name in enumerate(_SMALL.split(" "))}
MATHS |= {c: f"\\{name}" for c, name in zip("ΓΔΘΛΞΠΣΥΦΨΩ", _CAPITAL.split(" "), strict=True)}
MATHS["ο"] = "o"
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_DOTLESS = {"i": r"\i", "j": r"\j"}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_PIECE = re.compile(f"[{''.join(_RAISED)}]+|[{''.join(_LOWERED)}]+|-+|.", re.DOTALL)
"""Superscripts that stand together are one exponent; two hyphens in a row would become a dash."""


def escape(text: str) -> str:
    r"""Return text with everything that means something to LaTeX taken literally.

    >>> escape("conv_1 & 3×3"), escape("2.5·10⁻⁷ für 畳")
    ('conv\\_1 \\& 3$\\times$3', '2.5$\\cdot$10$^{-7}$ f\\"{u}r U+7573')
    """
    return "".join(map(_escaped, _PIECE.findall(printable(text))))


@lru_cache(maxsize=1024)
def _escaped(piece: str) -> str:
    if piece in _COMMANDS:
        return _COMMANDS[piece]
    if piece in MATHS:
        return f"${MATHS[piece]}$"
    if piece[0] in _RAISED:
        return f"$^{{{''.join(_RAISED[c] for c in piece)}}}$"
    if piece[0] in _LOWERED:
        return f"$_{{{''.join(_LOWERED[c] for c in piece)}}}$"
    if piece[0] == "-":
        return "{}".join(piece)
    if piece.isascii():
        return piece
    if unicodedata.category(piece) == "Zs":
        return " "
    parts = unicodedata.normalize("NFD", piece)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{_DOTLESS.get(parts[0], parts[0])}}}"
    return f"U+{ord(piece):04X}"


def spelled(words: Words, room: float = ROOM) -> str:
    """Return styled words in LaTeX's commands."""
    shown = []
    for span in spans(words):
        text = breakable(marked(span.text, span.style), room)
        command = {"code": "texttt", "strong": "textbf", "good": "textbf", "bad": "textbf"}
        shown.append(rf"\{command[span.style]}{{{text}}}" if span.style in command else text)
    return "".join(shown)


def breakable(text: str, room: float = ROOM) -> str:
    """Return text taken literally; a word wider than the room may be broken where the terminal does."""
    return " ".join(
        escape(word)
        if points(word) <= room
        else r"\allowbreak{}".join(map(escape, pieces(printable(word))))
        for word in text.split(" ")
    )


# -- how wide it becomes --------------------------------------------------------------------------

_NARROW = {c: 2.9 for c in "ijlI.,:;'!|· "} | {c: 4.0 for c in "frts()[]-/`"}
_WIDE = {c: 8.0 for c in "mwMW×−=+≤≥≠≈→←∞✓✗%@"} | {c: 7.2 for c in "ABCDEFGHKNOPQRTUVXYZ&Σ"}
_WIDTHS = _NARROW | _WIDE


def points(text: str) -> float:
    """Return about how wide text is in LaTeX's own 10-point letters, rather more than less.

    >>> round(points("3×3×32"), 1), round(points("conv2d"), 1)
    (36.4, 30.6)
    """
    return sum(_WIDTHS.get(c, 5.1) if c.isascii() or c in _WIDTHS else 5.6 for c in text)


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
_NO_WIDTH = {"left", "right", "mathrm", "operatorname", "text", "begin", "end", "displaystyle"}


_CASES = re.compile(r"\\begin\{cases\}((?:(?!\\begin\{cases\}).)*?)\\end\{cases\}", re.DOTALL)
_BRACE = 26.0
"""Points that the brace of cases takes, and the space before their conditions."""


def formula_points(latex: str) -> float:
    r"""Return about how wide an equation becomes, its lines aligned at their & where it has several.

    >>> round(formula_points(r"out_{y,x} = bias")), round(formula_points(r"\frac{1}{2 + 3}"))
    (64, 28)
    """
    while found := _CASES.search(latex):  # as wide as its longest line, whatever stands around it
        inner = formula_points(found[1]) / 1.22 + _BRACE
        latex = f"{latex[: found.start()]}{'m' * round(inner / points('m'))}{latex[found.end() :]}"
    latex = re.sub(r"\\(begin|end)\{\w+\*?\}", "", latex)
    sides = [line.partition("&") for line in re.split(r"\\\\(?![A-Za-z])", latex)]
    left, right = (max(_wide(iter(_TOKEN.findall(side[n])), 1.0) for side in sides) for n in (0, 2))
    return 1.22 * (left + right)


def _wide(tokens: Iterator[str], scale: float) -> float:
    """Return how wide tokens are up to the end of their group; what is raised or lowered is smaller."""
    total, raised = 0.0, False
    for token in tokens:
        if token == "}":
            break
        if token in "_^":
            raised = True
            continue
        smaller = 0.65 * scale if raised else scale
        if token == "{":
            total += _wide(tokens, smaller)
        elif token == r"\frac":
            total += max(_group(tokens, smaller), _group(tokens, smaller))
        elif token[0] == "\\":
            total += 0.0 if token[1:] in _NO_WIDTH else 10.0 * smaller
        elif token != " ":
            around = 5.0 if token in "=+-" and smaller == 1.0 else 0.0
            total += (points(token) + around) * smaller
        raised = False
    return total


def _group(tokens: Iterator[str], scale: float) -> float:
    next(tokens, "")  # its opening brace
    return _wide(tokens, scale)

"""Documents as LaTeX to paste: headings, equations, tabulars, no wider than an article's lines.

What is too wide for a line is set smaller, then broken into lines as at the terminal; a table of more rows
than a page has is a longtable.
"""

from __future__ import annotations

import re

from convscope.parts import (
    NO_BREAK,
    Bullets,
    Code,
    Document,
    Formula,
    Grid,
    Heading,
    Paragraph,
    Part,
    Side,
    Table,
    spans,
)
from convscope.views.characters import printable
from convscope.views.latex_table import PAGE, table_lines
from convscope.views.latex_text import (
    LINE,
    MATHS,
    SIZES,
    breakable,
    escape,
    formula_points,
    points,
    spelled,
)
from convscope.views.sides import in_pieces
from convscope.views.wrapping import wrap_formula

_SECTIONS = ("section", "section", "subsection", "subsubsection", "paragraph")

TYPED = 70
"""How many letters of a typewriter a line takes where they are small."""

UNSURE = 0.1 * LINE
"""By so many points the width of a long formula may be told wrong: indices of the smallest letters are no smaller."""

_NUMBER = re.compile(r"[-−+]?(\d[\d,]*(\.\d*)?|\.\d+)(e[-+]?\d+)?$")


def latex(document: Document) -> str:
    r"""Return a document as a LaTeX fragment, ending with a newline.

    It needs \usepackage{amsmath}, and longtable for a table of many rows; its first line says so.
    """
    parts = "\n\n".join(filter(None, map(_part, document.parts)))
    long = any(isinstance(part, Table) and len(part.rows) > PAGE for part in document.parts)
    packages = "amsmath,longtable" if long else "amsmath"
    # lines of numbers have few places to break at: TeX may stretch their spaces
    loose = "\\begingroup\\emergencystretch=3em"
    head = f"% made by convscope; needs \\usepackage{{{packages}}}"
    return f"{head}\n{loose}\n\n{parts}\n\n\\endgroup\n"


def _part(part: Part) -> str:
    match part:
        case Heading(text, level):
            return rf"\{_SECTIONS[min(max(level, 0), 4)]}*{{\raggedright {breakable(text)}}}"
        case Paragraph(words):
            return spelled(words)
        case Bullets(items):
            lines = [rf"  \item{{}} {spelled(item)}" for item in items]
            return "\n".join([r"\begin{itemize}", *lines, r"\end{itemize}"])
        case Formula(text, latex):
            return _formula(latex, text) if latex.strip() else _verbatim(text)
        case Table():
            return table_lines(part)
        case Side():
            return "\n\n".join(map(_side, in_pieces(part, _fits)))
        case Code(text, _):
            return _verbatim(text)
    raise TypeError(f"a document is made of parts, not of {type(part).__name__}")


def _verbatim(text: str) -> str:
    shown = printable(text.expandtabs(4), keep="\n").strip("\n")
    if not shown.isascii():  # which LaTeX refuses in its verbatim
        spaced = re.sub(r"(?m)^ +|(?<= ) +", lambda m: NO_BREAK * len(m[0]), shown)
        lines = " \\\\\n".join(rf"{{}}{escape(line)}" for line in spaced.split("\n"))
        return f"\\begin{{flushleft}}\\ttfamily\n{lines}\n\\end{{flushleft}}"
    shown = shown.replace(r"\end{verbatim}", r"\end {verbatim}")  # only the exact words end it
    return f"\\begin{{verbatim}}\n{shown}\n\\end{{verbatim}}"


def _formula(latex: str, text: str) -> str:
    """Return a formula, no wider than a line; where no lines of it have room, as text, as at the terminal."""
    shown = printable(" ".join(latex.split()))
    wide = formula_points(shown)
    if wide * dict(SIZES)["footnotesize"] > LINE and r"\begin{aligned}" in shown:
        # one long name on the left would push all lines out: they begin below one another instead
        shown = re.sub(r"(\\begin\{aligned\}|\\\\(?= )) ([^&]*?)&= ", r"\1 &\2= ", shown)
        wide = formula_points(shown)
    size, small = next((one for one in SIZES if wide * one[1] <= LINE), SIZES[-1])
    if wide * small > LINE and r"\begin{" not in shown:
        broken = _in_lines(shown, LINE / small)
        if formula_points(broken) * small > LINE:  # a fraction is one piece: write it in a line
            broken = _in_lines(_opened(shown), LINE / small)
        shown = broken
    if formula_points(shown) * small > LINE - UNSURE and text.strip():
        lines = (line for one in text.split("\n") for line in wrap_formula(one, TYPED))
        return f"{{\\small\n{_verbatim(chr(10).join(lines))}}}"
    body = f"\\begin{{equation*}}\n  {shown}\n\\end{{equation*}}"
    return f"{{\\{size}\n{body}}}" if size else body


_HOLDS = re.compile(r"\\left\b|\\right\b|(?<!\\)[{}]| (?=[-+] |\\cdot |\\Big/ )")


def _opened(formula: str) -> str:
    r"""Return a formula whose outer fractions stand in a line, so that it can be broken inside them.

    >>> print(_opened(r"x = \frac{\frac{a + b}{c}}{d} + 1"))
    x = \Bigl( a + b \Bigr) \Big/ \Bigl( c \Bigr) \Big/ \Bigl( d \Bigr) + 1
    """
    begun = formula.find(r"\frac{")
    if begun < 0:
        return formula
    above, middle = _braced(formula, begun + 5)
    below, end = _braced(formula, middle)
    inner = _opened(above)
    top = inner if above.startswith(r"\frac{") else rf"\Bigl( {inner} \Bigr)"
    rest = _opened(formula[end:])
    return rf"{formula[:begun]}{top} \Big/ \Bigl( {below} \Bigr){rest}"


def _braced(formula: str, begun: int) -> tuple[str, int]:
    """Return what stands between the braces that begin at a place, and where they have ended."""
    depth = 0
    for found in re.finditer(r"(?<!\\)[{}]", formula[begun:]):
        depth += 1 if found[0] == "{" else -1
        if not depth:
            return formula[begun + 1 : begun + found.start()], begun + found.end()
    return formula[begun + 1 :], len(formula)


def _in_lines(formula: str, room: float) -> str:
    """Return a formula broken before sums and products that nothing encloses, so that each line has room."""
    pieces, depth, begun = [], 0, 0
    for found in _HOLDS.finditer(formula):
        match found[0]:
            case " " if depth == 0:
                pieces.append(formula[begun : found.start()])
                begun = found.end()
            case "{" | "\\left":
                depth += 1
            case "}" | "\\right":
                depth -= 1
    lines: list[str] = []
    for piece in (*pieces, formula[begun:]):
        if lines and formula_points(f"{lines[-1]} {piece}") <= room:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    if len(lines) == 1:
        return formula
    body = r" \\ ".join([f"& {lines[0]}", *(rf"& \quad {line}" for line in lines[1:])])
    return rf"\begin{{aligned}} {body} \end{{aligned}}"


# -- grids ----------------------------------------------------------------------------------------

_SIGN = 15.0
"""Points that a sign takes, with the space around it."""


def _fits(side: Side) -> bool:
    return all(_SIGN + _grid_points(grid) <= LINE for grid in side.grids)


def _side(side: Side) -> str:
    """Return grids side by side, or, where a line is too short for that, below one another."""
    grids, signs = list(map(_grid, side.grids)), list(map(_cell, side.signs))
    after = rf"\text{{{spelled(side.after)}}}" if side.after else ""
    said = points("".join(span.text for span in spans(side.after)))
    wide = sum(map(_grid_points, side.grids)) + _SIGN * len(signs) + 10 + said
    if wide <= LINE:
        signs += [""] * (len(grids) - len(signs))
        lines = [part for pair in zip(grids, signs, strict=False) for part in pair if part]
        lines += [rf"\quad {after}"] if after else []
        body = "\n".join(f"  {line}" for line in lines)
        return f"\\begin{{equation*}}\n{body}\n\\end{{equation*}}"
    lines = [f"& {grids[0]}"]
    lines += [f"{sign}{{}} & {grid}" for sign, grid in zip(signs, grids[1:], strict=False)]
    lines += [f"& {after}"] if after else []
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _grid(grid: Grid) -> str:
    rows = []
    for y, row in enumerate(grid.cells):
        muted = grid.muted[y] if y < len(grid.muted) else ()
        cells = [
            rf"({_cell(cell)})" if x < len(muted) and muted[x] else _cell(cell)
            for x, cell in enumerate(row)
        ]
        rows.append("{}" + " & ".join(cells))
    columns = "r" * max(map(len, grid.cells), default=1)
    body = r" \\ ".join(rows)
    matrix = rf"\left[\begin{{array}}{{{columns}}} {body} \end{{array}}\right]"
    return rf"\underset{{\text{{{escape(grid.title)}}}}}{{{matrix}}}" if grid.title else matrix


def _grid_points(grid: Grid) -> float:
    """Return about how wide a grid becomes, its brackets and its title included."""
    inside = sum(max(map(points, column)) + 10 for column in zip(*grid.cells, strict=False))
    around = 12 + 8 * max((sum(row) for row in grid.muted), default=0)
    return max(inside + around, 0.8 * points(grid.title))


def _cell(text: str) -> str:
    """Return a grid's cell or sign for use in an equation."""
    text = text.strip()
    if _NUMBER.match(text):
        number = text.replace("−", "-").replace(",", "{,}")
        mantissa, _, power = number.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(power)}}}" if power else mantissa
    if text in MATHS:
        return MATHS[text]
    if text in ("=", "+", "-", "/"):
        return text
    return rf"\text{{{escape(text)}}}" if text else "{}"

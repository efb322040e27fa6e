"""Documents as LaTeX to paste: headings, equations, tabulars. Needs amsmath, nothing else."""

from __future__ import annotations

import re
import unicodedata

from convscope.parts import (
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
    Words,
    spans,
)
from convscope.views.characters import NO_BREAK, marked, printable

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
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "“": "``",
    "”": "''",
    "’": "'",
}
_MATHS = {
    "×": r"\times",
    "·": r"\cdot",
    "−": "-",
    "±": r"\pm",
    "÷": r"\div",
    "√": r"\surd",
    "∞": r"\infty",
    "≤": r"\le",
    "≥": r"\ge",
    "≠": r"\ne",
    "≈": r"\approx",
    "→": r"\to",
    "←": r"\leftarrow",
    "↔": r"\leftrightarrow",
    "Σ": r"\Sigma",
    "∑": r"\sum",
    "∏": r"\prod",
    "μ": r"\mu",
    "σ": r"\sigma",
    "ε": r"\varepsilon",
    "Δ": r"\Delta",
    "⌊": r"\lfloor",
    "⌋": r"\rfloor",
    "⌈": r"\lceil",
    "⌉": r"\rceil",
    "∈": r"\in",
    "²": "^2",
    "³": "^3",
    "⁻": "^-",
    "✓": r"\surd",
    "✗": r"\times",
}
_SECTIONS = ("section", "section", "subsection", "subsubsection", "paragraph")
_HYPHENS = re.compile("-(?=-)")
"""Two hyphens in a row, which would become a dash."""

_NUMBER = re.compile(r"[-−+]?(\d[\d,]*(\.\d*)?|\.\d+)(e[-+]?\d+)?$")


def latex(document: Document) -> str:
    r"""Return a document as a LaTeX fragment, ending with a newline; needs \usepackage{amsmath}."""
    parts = "\n\n".join(filter(None, map(_part, document.parts)))
    return f"% made by convscope; needs \\usepackage{{amsmath}}\n\n{parts}\n"


def escape(text: str) -> str:
    r"""Return text with everything that means something to LaTeX taken literally.

    >>> escape("conv_1 & 3×3")
    'conv\\_1 \\& 3$\\times$3'
    """
    shown = "".join(_character(c) for c in printable(text))
    return _HYPHENS.sub("-{}", shown)


def _character(character: str) -> str:
    if character in _COMMANDS:
        return _COMMANDS[character]
    if character in _MATHS:
        return f"${_MATHS[character]}$"
    if unicodedata.category(character) == "Zs":
        return " "
    return character


def _part(part: Part) -> str:
    match part:
        case Heading(text, level):
            return rf"\{_SECTIONS[min(max(level, 0), 4)]}*{{{escape(text)}}}"
        case Paragraph(words):
            return _words(words)
        case Bullets(items):
            lines = [rf"  \item{{}} {_words(item)}" for item in items]
            return "\n".join([r"\begin{itemize}", *lines, r"\end{itemize}"])
        case Formula(text, latex):
            if not latex.strip():
                return _verbatim(text)
            return (
                f"\\begin{{equation*}}\n  {printable(' '.join(latex.split()))}\n\\end{{equation*}}"
            )
        case Table():
            return _table(part)
        case Side():
            return _side(part)
        case Code(text, _):
            return _verbatim(text)
    raise TypeError(f"a document is made of parts, not of {type(part).__name__}")


def _words(words: Words) -> str:
    shown = []
    for span in spans(words):
        text = escape(marked(span.text, span.style))
        command = {"code": "texttt", "strong": "textbf", "good": "textbf", "bad": "textbf"}
        shown.append(rf"\{command[span.style]}{{{text}}}" if span.style in command else text)
    return "".join(shown)


def _verbatim(text: str) -> str:
    shown = printable(text.expandtabs(4), keep="\n").strip("\n")
    shown = shown.replace(r"\end{verbatim}", r"\end {verbatim}")  # only the exact words end it
    return f"\\begin{{verbatim}}\n{shown}\n\\end{{verbatim}}"


def _table(table: Table) -> str:
    count = len(table.columns)
    sides = "".join("r" if column.align == "right" else "l" for column in table.columns)
    titles = [rf"\textbf{{{escape(column.title)}}}" for column in table.columns]
    lines = [rf"\begin{{tabular}}{{{sides}}}", r"  \hline", _row(titles, count), r"  \hline"]
    lines += [_row([_words(cell) for cell in row], count) for row in table.rows]
    if table.footer:
        lines.append(r"  \hline")
        lines += [_row([_words(cell) for cell in row], count) for row in table.footer]
    lines += [r"  \hline", r"\end{tabular}"]
    if table.caption:
        lines += ["", rf"\emph{{{_words(table.caption)}}}"]
    return "\n".join(lines)


def _row(cells: list[str], count: int) -> str:
    filled = [*cells, *[""] * (count - len(cells))][:count]
    # {} in front: a row that begins with [ is not taken for an argument of the \\ before it
    return "  {}" + " & ".join(filled) + r" \\"


def _side(side: Side) -> str:
    lines = []
    for n, grid in enumerate(side.grids):
        lines.append(f"  {_grid(grid)}")
        if n < len(side.signs):
            lines.append(f"  {_cell(side.signs[n])}")
    if side.after:
        lines.append(rf"  \quad \text{{{_words(side.after)}}}")
    return "\n".join([r"\begin{equation*}", *lines, r"\end{equation*}"])


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


def _cell(text: str) -> str:
    """Return a grid's cell or sign for use in an equation."""
    text = text.strip()
    if _NUMBER.match(text):
        number = text.replace("−", "-").replace(",", "{,}")
        mantissa, _, power = number.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(power)}}}" if power else mantissa
    if text in _MATHS:
        return _MATHS[text]
    if text in ("=", "+", "-", "/"):
        return text
    return rf"\text{{{escape(text)}}}" if text else "{}"

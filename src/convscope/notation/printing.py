"""Equations as text, as LaTeX and in words.

Text and LaTeX follow the same rules for brackets, which are stated once; the two spellings differ in
how a number, a read, a quotient or a sum sign looks. A sum reaches as far to the right as there is
product: bias + Σ a·b needs no brackets, (Σ a·b) + bias does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Inside,
    Number,
    Pieces,
    Place,
    Read,
    Reduction,
)
from convscope.notation.functions import Function
from convscope.notation.index import LATEX, TEXT, Axis, Index, Remainder
from convscope.notation.sizes import Size, counted, is_known, is_symbolic, plural, show
from convscope.notation.sizes import latex as size_latex
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from convscope.notation.equation import Equation, Fit

Piece: TypeAlias = tuple[str, int]
"""A piece of text, and how tightly it holds together:"""

_OPEN, _SUM, _PRODUCT, _ATOM = 0, 1, 2, 3
"""_OPEN ends in the body of a sum sign, so that nothing may follow it without brackets."""


def text(equation: Equation, alone: bool = False) -> str:
    """Return the equation in one line, its locals after it: out[y] = … with μ = …

    alone   without its locals
    """
    lines = _lines(equation, _Text(equation), alone)
    first, *rest = (f"{left} = {right}" for left, right in lines)
    return "\n".join([first, *(f"  with {line}" for line in rest)])


def latex(equation: Equation, alone: bool = False) -> str:
    """Return the equation as LaTeX; with locals, an aligned environment of one line each.

    alone   without its locals
    """
    lines = _lines(equation, _Latex(equation), alone)
    if len(lines) == 1:
        return f"{lines[0][0]} = {lines[0][1]}".replace("′", "'")
    body = r" \\ ".join(f"{left} &= {right}" for left, right in lines)
    return rf"\begin{{aligned}} {body} \end{{aligned}}".replace("′", "'")


def _lines(equation: Equation, style: _Text, alone: bool) -> list[tuple[str, str]]:
    """Return (left, right) of the equation, of each local unless it stands `alone`, and of sizes that got letters."""
    lines = [(equation.name, equation.axes, equation.expression)]
    if not alone:
        lines += [(item.name, item.axes, item.expression) for item in reversed(equation.locals)]
    found = [(style.read(name, axes), style.spelled(value)[0]) for name, axes, value in lines]
    return found + [(letter, style.size(size)) for letter, size in style.letters.values()]


LONGEST = 15
"""So many characters of a size may stand in an index; a longer one is given a letter."""


_LETTERS = ("p", "q", "r", "g", "l", *(f"p{n}" for n in range(1, 99)))

_CONDITIONS = {
    "same": "=",
    "equal": "=",
    "level": "=",
    "at_least": "≥",
    "greater": ">",
    "above": ">",
    "differs": "≠",
}
"""Conditions in square brackets, Iverson's: 1 where they hold, else 0."""

_ROUNDED = {"floor": "⌊⌋", "ceil": "⌈⌉"}


class _Text:
    """The rules for brackets, and the spelling as plain text."""

    minus, times = "−", "·"
    size, plainly = staticmethod(show), TEXT

    def __init__(self, equation: Equation | None = None) -> None:
        """Long sizes in indices get letters that the equation does not have; without an equation they stay as they are."""
        self.equation = equation
        self.letters: dict[str, tuple[str, Size]] = {}
        self.how = self.plainly if equation is None else self.plainly._replace(size=self.lettered)

    def lettered(self, size: Size, tight: bool = False) -> str:
        """Return a size in an index: a letter where it is long."""
        said = show(size)
        if len(said) <= LONGEST or not is_symbolic(size):
            return self.size(size, tight)
        sign, key = (self.how.minus.strip(), show(-size)) if said[0] == "−" else ("", said)
        if key not in self.letters:
            assert self.equation is not None
            beside = [*_Text().whole(self.equation), *map(show, _stated(self.equation))]
            taken = "".join(c if c.isalnum() else " " for c in "\n".join(beside)).split()
            taken += [letter for letter, _ in self.letters.values()]
            letter = next(one for one in _LETTERS if one not in taken)
            self.letters[key] = letter, -size if sign else size
        return sign + self.letters[key][0]

    def whole(self, equation: Equation) -> list[str]:
        """Return the lines of an equation."""
        return [part for line in _lines(equation, self, False) for part in line]

    def spelled(self, node: Expression) -> Piece:
        match node:
            case Number(value):
                return self.number(value), _SUM if value < 0 else _ATOM
            case Read(tensor, indices):
                return self.read(tensor.name, indices), _ATOM
            case Binary("+", left, right):
                a, b = self.spelled(left), self.spelled(right)
                return f"{self.within(a, _SUM)} + {b[0]}", min(b[1], _SUM)
            case Binary("-", left, right):
                a, b = self.spelled(left), self.spelled(right)
                return f"{self.within(a, _SUM)} {self.minus} {self.within(b, _PRODUCT)}", _SUM
            case Binary("*", left, right):
                a, b = self.spelled(left), self.spelled(right)
                return f"{self.within(a, _PRODUCT)} {self.times} {self.within(b, _ATOM)}", _PRODUCT
            case Binary("/", left, right):
                return self.quotient(self.spelled(left), self.spelled(right))
            case Call(function, arguments):
                return self.call(function, [self.spelled(a)[0] for a in arguments]), _ATOM
            case Reduction(kind, axes, body):
                return f"{self.sign(kind, axes)}{self.within(self.spelled(body), _PRODUCT)}", _OPEN
            case Pieces(along, ends, bodies):
                return self.pieces(along, ends, [self.spelled(b)[0] for b in bodies]), _ATOM
            case Place(index):
                plain = len(index.terms) + (not is_known(index.const) or index.const != 0) <= 1
                plain = plain and not any(isinstance(a, Remainder) for a, _ in index.terms)
                return self.index(index), _ATOM if plain else _SUM
            case Inside(indices, sizes):
                return self.inside(indices, sizes), _ATOM
        raise AssertionError(f"no text for {type(node).__name__}")

    def within(self, piece: Piece, at_least: int) -> str:
        return piece[0] if piece[1] >= at_least else self.brackets(piece[0])

    def brackets(self, inner: str) -> str:
        return f"({inner})"

    def number(self, value: float) -> str:
        if value in (float("inf"), float("-inf")):
            return "∞" if value > 0 else "−∞"
        if math.isnan(value):
            return "NaN"
        short = f"{abs(value):g}"
        exact = short if float(short) == abs(value) else repr(abs(value))
        return exact if value >= 0 else f"−{exact}"

    def read(self, name: str, indices: Sequence[Index]) -> str:
        return f"{name}[{', '.join(map(self.index, indices))}]" if indices else name

    def quotient(self, a: Piece, b: Piece) -> Piece:
        return f"{self.within(a, _PRODUCT)} / {self.within(b, _ATOM)}", _PRODUCT

    def call(self, function: Function, arguments: list[str]) -> str:
        if function.name == "select":
            return "({1} if {0} > 0 else {2})".format(*arguments)
        if function.name in _CONDITIONS:
            return f"[{arguments[0]} {_CONDITIONS[function.name]} {arguments[1]}]"
        if function.name in _ROUNDED:
            return arguments[0].join(_ROUNDED[function.name])
        return f"{function.name}({', '.join(self.named(function, arguments))})"

    def named(self, function: Function, arguments: list[str]) -> list[str]:
        """Return arguments, those of a formula after the first with their names."""
        if function.primitive:
            return arguments
        names = function.parameters[1:]
        return [arguments[0], *map("{}={}".format, names, arguments[1:])]

    def sign(self, kind: str, axes: Sequence[Axis]) -> str:
        return f"{Reduction.SIGNS[kind]} {', '.join(f'{a.name}<{show(a.size)}' for a in axes)}  "

    def index(self, index: Index) -> str:
        return index.spelled(self.how)

    def inside(self, indices: Sequence[Index], sizes: Sequence[Size]) -> str:
        """Return a condition in square brackets, Iverson's: 1 where it holds, else 0."""
        held = (self.condition(i, size) for i, size in zip(indices, sizes, strict=True))
        return f"[{', '.join(held)}]"

    def condition(self, index: Index, size: Size) -> str:
        if is_known(size) and size == 1:
            return f"{self.index(index)} = 0"
        return f"0 ≤ {self.index(index)} < {show(size)}"

    def pieces(self, along: Index, ends: Sequence[Size], bodies: list[str]) -> str:
        cases = [
            f"{body} for {self.index(along)} < {show(end)}"
            for body, end in zip(bodies[:-1], ends[:-1], strict=True)
        ]
        return f"({', '.join(cases)}, else {bodies[-1]})"


_NAMES = {"μ": r"\mu", "τ": r"\tau", "σ²": r"{\sigma^2}"}
_SIGNS = {
    "sum": r"\sum",
    "max": r"\max",
    "mean": r"\operatorname{mean}",
    "first": r"\operatorname{argmax}",
}


_LATEX_SIGNS = {"≥": r"\ge", "≠": r"\ne"}


class _Latex(_Text):
    """The spelling as LaTeX, under the same rules for brackets."""

    minus, times = "-", r"\cdot"
    size, plainly = staticmethod(size_latex), LATEX

    def brackets(self, inner: str) -> str:
        return rf"\left({inner}\right)"

    def number(self, value: float) -> str:
        plain = super().number(value).replace("−", "-").replace("∞", r"\infty")
        if plain == "NaN":
            return r"\mathrm{NaN}"
        digits, exponent, power = plain.partition("e")
        if not exponent:
            return plain
        return rf"{digits} \cdot 10^{{{int(power)}}}"

    def read(self, name: str, indices: Sequence[Index]) -> str:
        if not indices:
            return self.name(name)
        return f"{self.name(name)}_{{{','.join(map(self.index, indices))}}}"

    def quotient(self, a: Piece, b: Piece) -> Piece:
        return rf"\frac{{{a[0]}}}{{{b[0]}}}", _ATOM

    def call(self, function: Function, arguments: list[str]) -> str:
        match function.name, self.named(function, arguments):
            case "sqrt", [x]:
                return rf"\sqrt{{{x}}}"
            case "abs", [x]:
                return rf"\left|{x}\right|"
            case "select", [x, a, b]:
                return rf"\begin{{cases}} {a} & {x} > 0 \\ {b} & \text{{else}} \end{{cases}}"
            case name, [x, a] if name in _CONDITIONS:
                sign = _LATEX_SIGNS.get(_CONDITIONS[name], _CONDITIONS[name])
                return rf"\left[{x} {sign} {a.removeprefix('a=')}\right]"
            case ("floor" | "ceil") as name, [x]:
                return rf"\left\l{name} {x} \right\r{name}"
            case "pow", [x, a]:
                return rf"{self.brackets(x)}^{{{a}}}"
            case ("exp" | "log" | "max" | "min" | "tanh") as name, given:
                return rf"\{name}{self.brackets(', '.join(given))}"
            case name, given:
                upright = rf"\operatorname{{{_escaped(name)}}}"
                return f"{upright}{self.brackets(', '.join(given))}"

    def named(self, function: Function, arguments: list[str]) -> list[str]:
        if function.primitive:
            return arguments
        names = map(self.name, function.parameters[1:])
        return [arguments[0], *map("{}={}".format, names, arguments[1:])]

    def sign(self, kind: str, axes: Sequence[Axis]) -> str:
        if kind == "sum":
            sums = (rf"\sum_{{{a.name}=0}}^{{{size_latex(_last(a))}}}" for a in axes)
            return "".join(sums) + " "
        over = ", ".join(f"{a.name}<{size_latex(a.size)}" for a in axes)
        return f"{_SIGNS[kind]}_{{{over}}} "

    def inside(self, indices: Sequence[Index], sizes: Sequence[Size]) -> str:
        held = (self.condition(i, size) for i, size in zip(indices, sizes, strict=True))
        return rf"\left[{', '.join(held)}\right]"

    def condition(self, index: Index, size: Size) -> str:
        text = self.index(index)
        if is_known(size) and size == 1:
            return f"{text} = 0"
        return rf"0 \le {text} < {size_latex(size)}"

    def pieces(self, along: Index, ends: Sequence[Size], bodies: list[str]) -> str:
        whens = [f"{self.index(along)} < {size_latex(end)}" for end in ends[:-1]] + [r"\text{else}"]
        rows = r" \\ ".join(f"{b} & {when}" for b, when in zip(bodies, whens, strict=True))
        return rf"\begin{{cases}} {rows} \end{{cases}}"

    def name(self, name: str) -> str:
        base = name.rstrip("′")
        primes = name[len(base) :]
        if base[1:] in _NAMES and base[0] == "d":  # the gradient of such a local
            return rf"\mathrm{{d}}{_NAMES[base[1:]]}{primes}"
        plain = base if len(base) == 1 else rf"\mathrm{{{_escaped(base)}}}"
        return _NAMES.get(base, plain) + primes


def _escaped(name: str) -> str:
    return name.replace("_", r"\_")


def _stated(equation: Equation) -> list[Size]:
    """Return sizes that stand beside an equation: of the shapes of what it reads, and of its outputs."""
    read = [size for tensor in equation.inputs for size in tensor.shape or ()]
    return read + [axis.size for axis in equation.axes if axis.size is not None]


def _last(axis: Axis) -> Size:
    return axis.size - 1


# -- words ----------------------------------------------------------------------------------------


def fit_in_words(fit: Fit) -> str:
    """Return why an output axis has its size, as one sentence without a full stop.

    "a window of 3 rows fits at 26 starting rows, 0 … 25, of 28"
    """
    window = f"a window of {counted(fit.window, fit.word)}"
    if not _same(fit.spacing, 1):
        window += f" ({show(fit.taps)} of them read, {show(fit.spacing)} apart)"
    if not _same(fit.stride, 1):
        window += f", moved by {show(fit.stride)},"
    padded = _padding_in_words(fit)
    if not all(is_known(n) or is_symbolic(n) for n in (fit.count, fit.window)):
        return f"{window} fits{_as_often(fit)}{padded and ','}{padded}"
    places = counted(fit.count, f"starting {fit.word}")
    return (
        f"{window} fits at {places}, {_places(fit)}, of {show(fit.size)}"
        f"{padded}{_unused_in_words(fit)}"
    )


def _places(fit: Fit) -> str:
    """Return where the windows start: 0 … 25, or −1, 1, … 25."""
    first, second = fit.first, fit.first + fit.stride
    last = fit.first + (fit.count - 1) * fit.stride
    if is_known(fit.count) and fit.count <= 2:
        return " and ".join(map(show, (first, last)[: fit.count]))
    if _same(fit.stride, 1):
        return f"{show(first)} … {show(last)}"
    if is_known(fit.count) and fit.count == 3:
        return f"{show(first)}, {show(second)}, {show(last)}"
    return f"{show(first)}, {show(second)}, … {show(last)}"


def _as_often(fit: Fit) -> str:
    """Return how often a window fits into an input of unknown size."""
    less = fit.first + fit.window - 1 - fit.after
    if not (is_known(less) and _same(fit.stride, 1)):
        return f" as often as the input's {plural(fit.word)} allow, which are not known yet"
    if less == 0:
        return f" at as many starting {plural(fit.word)} as the input has {plural(fit.word)}"
    more = "fewer" if less > 0 else "more"
    starting = counted(abs(less), f"starting {fit.word}").replace(" ", f" {more} ", 1)
    return f" at {starting} than the input has {plural(fit.word)}"


def _padding_in_words(fit: Fit) -> str:
    sides = [
        f"{show(n)} {side}"
        for n, side in ((fit.before, "before"), (fit.after, "after"))
        if not _same(n, 0)
    ]
    return f" padded by {' and '.join(sides)}" if sides else ""


def _unused_in_words(fit: Fit) -> str:
    """Return what no window reaches: at the end of the input, or only of its padding."""
    if not (is_known(fit.unused) and is_known(fit.after) and fit.unused):
        return ""
    verb = "reaches" if fit.unused == 1 else "reach"
    amount = counted(fit.unused, fit.word)
    if fit.unused <= fit.after:
        return f"; {amount} of padding at the end {verb} no window"
    of_them = f" ({fit.after} of padding)" if fit.after else ""
    return f"; {amount} at the end{of_them} {verb} no window"


def _same(size: Size, number: int) -> bool:
    return is_known(size) and size == number
